"""
The seams: where one layer meets the next, and where others put their own parts in.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any

from zope.interface import Attribute, Interface

if TYPE_CHECKING:
    from sipoutbound.message.message import Request, Response
    from sipoutbound.routing.decision import Decision
    from sipoutbound.routing.request import Request as Passage

Address = tuple[str, int]


class IFlow(Interface):
    """
    A way to one peer and back: a connection, or a UDP five-tuple (RFC 5626 3.4).
    """

    transport: bytes = Attribute("C{b'UDP'}, C{b'TCP'}, as it stands in a Via.")
    reliable: bool = Attribute("Whether the transport retransmits by itself.")
    pending: set[Any] | None = Attribute(
        "The client transactions waiting on it, the stack's; C{None} until there was one."
    )
    peer: Address = Attribute("The peer's address as seen here: textual host, port.")
    identity: object = Attribute("The flow's identity, as sealed into its token; comparable.")
    token: bytes = Attribute("The sealed flow token.")
    tokens: tuple[bytes, ...] = Attribute("That, and those that other keys of ours have sealed.")
    name: bytes = Attribute("How we are reached on it: C{b'host:port;transport=tcp'}.")
    via: bytes = Attribute("The beginning of a Via of ours on this flow, up to C{b';branch='}.")
    alive: bool = Attribute("Whether anything can still be sent.")
    registered: set[bytes] | None = Attribute(
        "The addresses of record, URIs, that are registered over it, as an edge apart has seen it."
    )
    instances: set[bytes] | None = Attribute("The instance-ids registered over it, in lower case.")
    relayed: bool = Attribute("Whether a foreign domain has been called over it by a user of ours.")

    def send(data: bytes) -> bool:
        """
        Send one message. Does nothing on a dead flow.

        @return: whether it was taken; if not it never arrives (RFC 3261 18.4).
        """

    def close() -> None:
        """
        Give the flow up.
        """

    def beside(port: int) -> IFlow:
        """
        The flow to another port of the same peer; of a connection itself (RFC 3261 18.2.2).
        """

    def watch(limit: float) -> None:
        """
        From now on take the flow for dead when it has been silent for C{limit} seconds.
        """


class IFlows(Interface):
    """
    The live flows of this process.
    """

    def find(token: bytes) -> IFlow | None:
        """
        @return: the live flow that C{token} names, C{None} when it is gone.
        @raise sipoutbound.outbound.flowtoken.Forged: when the token is not ours.
        """


class Unreachable(Exception):
    """
    There is no way to where a URI leads; its message says why, in one line.
    """


class INextHops(Interface):
    """
    The ways to peers that have no flow to us.
    """

    def towards(uri: Any, key: bytes) -> IHops:
        """
        The ways to where a URI leads. Nothing is looked up yet.

        @param key: with the same key equal servers are tried in the same order (RFC 3263 4.4).
        """


class IHops(Interface):
    """
    The ways to where one URI leads, for one request: the addresses of the next hop, one after the
    other (RFC 3261 16.6 step 7, RFC 3263 4).
    """

    more: bool = Attribute("Whether another address may be left.")
    large: bool = Attribute("Whether TCP comes first, as the request is too large for UDP.")

    def next() -> Coroutine[Any, Any, IFlow]:
        """
        The flow to the next address that can be reached, made if there is none.

        @raise Unreachable: when there is none any more.
        """

    def again() -> Coroutine[Any, Any, IFlow]:
        """
        The flow to the present address once more, a new one if it has ended.

        @raise Unreachable: when it can't be reached.
        """

    def larger() -> Coroutine[Any, Any, IFlow]:
        """
        A flow in place of the present one, over TCP if at all possible: the request is too large
        for UDP (RFC 3261 18.1.1).

        @raise Unreachable: when there is none.
        """


class IServerTransaction(Interface):
    """
    A request that came in and is to be answered (RFC 3261 17.2).
    """

    request: Request = Attribute(
        "The request as it came, its top Via stamped; gone with its last response."
    )
    flow: IFlow = Attribute("The flow it came on.")
    cancelled: Callable[[], None] | None = Attribute("Called when a CANCEL for it arrives.")

    def respond(response: Response) -> None:
        """
        Send a response; provisional ones, one final, and for INVITE every further 2xx.
        """

    def abandon() -> None:
        """
        Never answer it, and absorb its repetitions (RFC 4320 4.2: no late 408 to a non-INVITE).
        """


class IClientTransaction(Interface):
    """
    A request sent and awaiting its responses (RFC 3261 17.1).
    """

    answered: bool = Attribute("Whether any response has come.")

    def cancel() -> None:
        """
        Send a CANCEL, now or at the first provisional response (RFC 3261 9.1). Does nothing for
        methods other than INVITE and after a final response.
        """


class IResponses(Interface):
    """
    Who wants the responses to a client transaction.
    """

    def responded(response: Response) -> None:
        """
        A response, our Via still on top. 2xx to INVITE come as often as they are sent.
        """

    def timedOut() -> None:
        """
        No final response in time (timer B or F).
        """

    def flowFailed() -> None:
        """
        The flow broke while waiting, or did not take the request.
        """


class ITransactions(Interface):
    """
    What routing needs of the transaction layer.
    """

    def begin(
        request: Request, branch: bytes, flow: IFlow, user: IResponses | None
    ) -> IClientTransaction:
        """
        Send a request whose top Via is ours, and await its responses. Nothing is told before this
        has returned, not even that the request could not be sent.
        """

    def later(delay: float, call: Callable[[Any], None], argument: Any) -> Any:
        """
        Call once after C{delay} seconds. What is returned has C{cancel()}.
        """


class ITransactionUser(Interface):
    """
    The core above the transaction layer (RFC 3261 17): a proxy, a user agent.
    """

    def received(transaction: IServerTransaction) -> None:
        """
        A new request other than ACK.
        """

    def acknowledged(request: Request, flow: IFlow) -> None:
        """
        An ACK of no transaction: one for a 2xx.
        """

    def unmatched(request: Request, flow: IFlow, back: IFlow) -> None:
        """
        A CANCEL of no transaction. No server transaction is made for it.

        @param back: where responses to it go.
        """


class IRouter(Interface):
    """
    Decides where a request goes. Everything in the routing tree is one.
    """

    def route(request: Passage) -> Awaitable[Decision]:
        """
        @return: the decision, by coroutine or L{Deferred<twisted.internet.defer.Deferred>}.
        """


class IRouterMaker(Interface):
    """
    Makes routers for C{--route NAME:ARGUMENT}; found as a plugin in C{twisted.plugins}.
    """

    name: str = Attribute("The NAME.")
    description: str = Attribute("One line for C{--help-routes}.")

    def makeRouter(argument: str | None, inner: IRouter) -> IRouter:
        """
        @param argument: what follows the first colon; C{None} where there is none.
        @param inner: the rest of the tree, for what this router does not decide.
        @raise ValueError: with a line for the operator when the argument is wrong.
        """


class ILocation(Interface):
    """
    Where the users are (RFC 3261 10.1: the location service).
    """

    def lookup(aor: bytes) -> Coroutine[Any, Any, tuple[Any, ...]]:
        """
        The current L{bindings<sipoutbound.outbound.binding.Binding>} of an address of record.
        """

    def remove(binding: Any) -> Coroutine[Any, Any, bool]:
        """
        Remove this binding unless it has been replaced or refreshed in the meantime.
        """


class IRegistrar(Interface):
    """
    Answers REGISTER (RFC 3261 10.3).
    """

    def register(request: Request) -> Coroutine[Any, Any, Response]:
        """
        Apply a REGISTER; the answer is returned once what it acknowledges is durable.
        """
