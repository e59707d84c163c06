"""
A proxy on doubles, for the tests of what it does with a request.
"""

from __future__ import annotations

from typing import Any

from attrs import define, evolve, field

from sipoutbound.message.message import Request
from sipoutbound.routing.decision import Decision
from sipoutbound.routing.delivery import Ways
from sipoutbound.routing.domain import Domain
from sipoutbound.routing.outgoing import Outgoing
from sipoutbound.routing.proxy import Proxy
from sipoutbound.routing.relay import Relay
from sipoutbound.routing.request import Request as Passage
from sipoutbound.routing.route import RouteInspection
from sipoutbound.routing.router import Branching, Router
from sipoutbound.routing.trust import Trust
from sipoutbound.test.doubles import (
    BINDING,
    FakeFlow,
    FakeFlows,
    FakeHops,
    FakeLocation,
    FakeRegistrar,
    flowBinding,
    names,
    request,
)
from sipoutbound.test.transactions import FakeServerTransaction, FakeTransactions

PHONES = {name: FakeFlow(name.encode()) for name in ("bob", "carol", "dave")}


class Policy(Router):
    """
    What a programmer writes: here whatever a test wants.
    """

    rules: Any

    async def route(self, request: Passage) -> Decision:
        """
        By the name of the user.
        """
        rule = self.rules.get(request.user)
        if rule is None:
            return await self.inner.route(request)
        decision: Decision = await rule(self, request) if callable(rule) else rule
        return decision


@define(eq=False)
class Server:
    """
    A proxy of bob, carol and dave with one flow each, and a policy in front of them.

    @ivar rules: by user a decision, or a coroutine function of router and request.
    @ivar registered: the flows that somebody has registered over.
    """

    rules: dict[str, Any] = field(factory=dict)
    transactions: FakeTransactions = field(factory=FakeTransactions)
    hops: FakeHops = field(factory=FakeHops)
    location: FakeLocation = field(factory=FakeLocation)
    caller: FakeFlow = field(factory=lambda: FakeFlow(b"caller"))
    registered: set[Any] = field(factory=set)
    table: FakeFlows = field(init=False)
    proxy: Proxy = field(init=False)

    def __attrs_post_init__(self) -> None:
        phones = {name: FakeFlow(flow.label) for name, flow in PHONES.items()}
        for name, flow in phones.items():
            aor = b"%b@example.com" % name.encode()
            binding = flowBinding(flow, aor=aor, contact=b"sip:%b@192.0.2.4" % name.encode())
            self.location.bindings[aor] = (binding,)
        self.table = FakeFlows.of(self.caller, *phones.values())
        outgoing = Outgoing(Relay(self.registered.__contains__, Trust()))
        domain = Domain(FakeRegistrar(), self.location, lambda request: False)
        branching = Branching(outgoing, {"example.com": domain})
        users = Policy(None, branching)
        users.rules = self.rules
        tree = RouteInspection(names(), self.table, users, branching, outgoing)
        ways = Ways(names(), self.table, self.hops, self.location)
        self.proxy = Proxy(tree, users, self.transactions, ways)

    def receive(self, message: Request) -> FakeServerTransaction:
        """
        A request comes over the caller's flow.
        """
        transaction = FakeServerTransaction(message, self.caller)
        self.proxy.received(transaction)
        return transaction

    def comeBack(self, sent: Request, *routes: bytes, uri: bytes = b"") -> FakeServerTransaction:
        """
        What was sent comes back to us, by another server.

        @param routes: Route lines that it has added.
        @param uri: another Request-URI.
        """
        back = sent.copy(uri or None)
        for route in routes:
            back.put(b"Route", route)
        back.put(b"Via", b"SIP/2.0/UDP p.example.org;branch=z9hG4bKp")
        return self.receive(back)

    def bind(self, user: str, *contacts: bytes) -> None:
        """
        Register plain Contacts for a user.
        """
        aor = b"%b@example.com" % user.encode()
        plain = (evolve(BINDING, aor=aor, contact=contact) for contact in contacts)
        self.location.bindings[aor] = tuple(plain)

    def call(self, user: bytes, method: bytes = b"INVITE") -> FakeServerTransaction:
        """
        A request for a user comes.
        """
        return self.receive(request(method, b"sip:%b@example.com" % user))

    @property
    def tried(self) -> list[bytes]:
        """
        The labels of the flows that were sent down, in order.
        """
        return self.transactions.flows

    def answer(self, status: int, number: int = -1) -> None:
        """
        Let the latest request that was sent be answered.
        """
        self.transactions.begun[number].answer(status)
