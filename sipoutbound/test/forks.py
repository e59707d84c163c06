"""
A fork under way on doubles, for the tests of its parts.
"""

from __future__ import annotations

from typing import Any

from attrs import define, field

from sipoutbound.message.message import Request, Response
from sipoutbound.outbound.binding import Binding
from sipoutbound.routing.breadth import Breadth, breadthOf
from sipoutbound.routing.decision import Forward, Target
from sipoutbound.routing.delivery import Delivery, Ways
from sipoutbound.routing.fork import Fork
from sipoutbound.routing.request import Request as Passage
from sipoutbound.test.doubles import (
    FakeFlow,
    FakeFlows,
    FakeHops,
    FakeLocation,
    flowBinding,
    names,
    request,
)
from sipoutbound.test.transactions import FakeClientTransaction, FakeTransactions


@define(eq=False)
class Trial:
    """
    One fork of a request, on flows that the test has made.

    @ivar passed: provisional responses and every 2xx, as the caller gets them.
    @ivar concluded: what the fork has come to; empty while it goes on.
    """

    flows: tuple[FakeFlow, ...] = field(factory=tuple)
    message: Request = field(factory=request)
    transactions: FakeTransactions = field(factory=FakeTransactions)
    hops: FakeHops = field(factory=FakeHops)
    location: FakeLocation = field(factory=FakeLocation)
    passed: list[Response] = field(factory=list)
    concluded: list[Response] = field(factory=list)
    fork: Fork = field(init=False)

    def start(self, *groups: Any) -> Trial:
        """
        Fork to these groups.
        """
        ways = Ways(names(), FakeFlows.of(*self.flows), self.hops, self.location)
        passage = Passage.arrived(self.message, FakeFlow(b"caller"), None)
        self.fork = Fork(
            passage,
            Delivery(passage, ways),
            self.transactions,
            Breadth(breadthOf(self.message)),
            self.passed.append,
            self.concluded.append,
        )
        self.fork.start(Forward(*groups, watched=b"bob@example.com"))
        return self

    @property
    def bindings(self) -> list[Binding]:
        """
        A binding of the phone over each flow, the reg-ids in order.
        """
        return [flowBinding(flow, regId) for regId, flow in enumerate(self.flows, 1)]

    def toPhone(self) -> Trial:
        """
        Fork to the phone, which has registered over all flows.
        """
        return self.start(device(*self.bindings))

    @property
    def tried(self) -> list[bytes]:
        """
        The labels of the flows that were sent down, in order.
        """
        return self.transactions.flows

    def attempt(self, number: int = -1) -> FakeClientTransaction:
        """
        What was sent as the n-th; the latest by default.
        """
        return self.transactions.begun[number]

    def wait(self, seconds: float) -> None:
        """
        Let time pass.
        """
        self.transactions.clock.advance(seconds)

    @property
    def removed(self) -> list[bytes]:
        """
        The flow tokens of the bindings that were removed.
        """
        return [binding.flow for binding in self.location.removed]

    @property
    def outcome(self) -> list[int]:
        """
        What the fork has come to, as status codes: one at most.
        """
        return [response.status for response in self.concluded]

    @property
    def heard(self) -> list[int]:
        """
        The status codes that the caller got before the end.
        """
        return [response.status for response in self.passed]


def device(*bindings: Binding) -> Target:
    """
    One instance with these bindings, in this order.
    """
    first, *others = (Target(each.contact, each.path, binding=each) for each in bindings)
    return Target(first.uri, first.route, None, first.binding, tuple(others))


def twoFlows(message: Request | None = None) -> Trial:
    """
    A phone with two flows is called, and the first flow has been sent down.
    """
    return Trial((FakeFlow(b"1"), FakeFlow(b"2")), message or request()).toPhone()
