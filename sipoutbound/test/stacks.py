"""
A stack on doubles, and who uses it.
"""

from __future__ import annotations

from attrs import define, field
from twisted.internet.task import Clock
from zope.interface import implementer

from sipoutbound.interfaces import (
    IClientTransaction,
    IFlow,
    IResponses,
    IServerTransaction,
    ITransactionUser,
)
from sipoutbound.message.message import Request, Response
from sipoutbound.message.parse import parseMessage
from sipoutbound.message.unique import uniqueBranch
from sipoutbound.stack import IN_HAND, Stack
from sipoutbound.test.doubles import FakeFlow, request


@implementer(ITransactionUser)
@define(eq=False)
class FakeUser:
    """
    The core above the stack.

    @ivar requests: the transactions it was given.
    @ivar acks: the ACKs that are of no transaction.
    @ivar cancels: the CANCELs that are of none, the flow each came on, and where answers go.
    """

    requests: list[IServerTransaction] = field(factory=list)
    acks: list[Request] = field(factory=list)
    cancels: list[tuple[Request, IFlow, IFlow]] = field(factory=list)

    def received(self, transaction: IServerTransaction) -> None:
        """
        Keep it.
        """
        self.requests.append(transaction)

    def acknowledged(self, request: Request, flow: IFlow) -> None:
        """
        Keep it.
        """
        self.acks.append(request)

    def unmatched(self, request: Request, flow: IFlow, back: IFlow) -> None:
        """
        Keep it.
        """
        self.cancels.append((request, flow, back))


@implementer(IResponses)
@define(eq=False)
class FakeResponses:
    """
    Who waits for the responses to a request.

    @ivar heard: the status codes that came, and what else became of it.
    """

    heard: list[int | str] = field(factory=list)

    def responded(self, response: Response) -> None:
        """
        A response.
        """
        self.heard.append(response.status)

    def timedOut(self) -> None:
        """
        None in time.
        """
        self.heard.append("timed out")

    def flowFailed(self) -> None:
        """
        None any more.
        """
        self.heard.append("flow failed")


@define(eq=False)
class Bench:
    """
    A stack, its clock, its user, and one flow.
    """

    room: int = IN_HAND
    flow: FakeFlow = field(factory=lambda: udp())
    clock: Clock = field(factory=Clock)
    user: FakeUser = field(factory=FakeUser)
    responses: FakeResponses = field(factory=FakeResponses)
    stack: Stack = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.stack = Stack(self.clock, self.user, self.room)

    def receive(self, *messages: Request | Response) -> None:
        """
        Let messages come.
        """
        for message in messages:
            self.stack.received(self.flow, message)

    def send(self, method: bytes = b"INVITE", *headers: bytes) -> IClientTransaction:
        """
        Send a request over the flow.
        """
        message = request(method, b"sip:bob@192.0.2.4", *headers)
        branch = uniqueBranch()
        message.put(b"Via", self.flow.via + branch)
        return self.stack.begin(message, branch, self.flow, self.responses)

    def answer(self, status: int, number: int = 0, tag: bytes = b"b1") -> None:
        """
        Let the n-th request that was sent be answered.
        """
        head, _, body = self.flow.sent[number].partition(b"\r\n\r\n")
        sent = parseMessage(head, body)
        assert isinstance(sent, Request)
        reply = bytes(Response.reply(sent, status, toTag=tag))
        self.receive(parseMessage(reply.partition(b"\r\n\r\n")[0]))

    def pass_(self, seconds: float) -> None:
        """
        Let time pass, in small steps, as timers start each other.
        """
        self.clock.pump([0.01] * round(seconds * 100))

    @property
    def sent(self) -> list[Request | Response]:
        """
        What was sent over the flow.
        """
        return [parseMessage(*data.split(b"\r\n\r\n", 1)) for data in self.flow.sent]

    @property
    def statuses(self) -> list[int]:
        """
        The status codes of the responses among it.
        """
        return [message.status for message in self.sent if isinstance(message, Response)]

    @property
    def methods(self) -> list[bytes]:
        """
        The methods of the requests among it.
        """
        return [message.method for message in self.sent if isinstance(message, Request)]


def udp() -> FakeFlow:
    """
    A UDP flow.
    """
    return FakeFlow(b"udp", ("192.0.2.9", 5070), b"UDP", False)


def ack(branch: bytes = b"z9hG4bKcaller") -> Request:
    """
    An ACK.
    """
    via = b"SIP/2.0/UDP 192.0.2.9;branch=" + branch
    return request(b"ACK", to=b"<sip:bob@example.com>;tag=b1", via=via)
