"""
A domain: REGISTER to the registrar, a user to the bindings in their order, the rest answered here
(RFC 3261 16.5, RFC 5626 7).
"""

from __future__ import annotations

from typing import Any

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.message.message import Request, Response
from sipoutbound.outbound.binding import Binding
from sipoutbound.routing.decision import Decision, Forward, Reply, Target
from sipoutbound.routing.domain import Domain, targetGroups
from sipoutbound.routing.request import Request as Passage
from sipoutbound.test.doubles import (
    BINDING,
    FakeFlow,
    FakeLocation,
    FakeRegistrar,
    decided,
    request,
)


def binding(name: str, instance: bytes | None = None, **more: Any) -> Binding:
    """
    A binding whose Contact has a name.
    """
    contact = b"sip:%b@192.0.2.4" % name.encode()
    return evolve(BINDING, contact=contact, instance=instance, **more)


def shape(groups: list[tuple[Target, ...]]) -> str:
    """
    Groups of targets in short: C{a>b c | d} rings a and c at once, b when a's flow has failed, and
    d after all of them.
    """
    return " | ".join(" ".join(">".join(_names(target)) for target in group) for group in groups)


def _names(target: Target) -> list[str]:
    ways = [target, *target.otherwise]
    return [way.binding.contact.decode()[4:].partition("@")[0] for way in ways]


BINDINGS = st.lists(
    st.builds(
        lambda number, instance, regId, q, updated: binding(
            f"n{number}", instance, regId=regId and number, q=q, updated=updated
        ),
        st.integers(1, 99),
        st.sampled_from((None, b"one", b"two", b"three")),
        st.booleans(),
        st.sampled_from((0, 500, 1000)),
        st.floats(0, 9),
    ),
    max_size=8,
    unique_by=lambda each: each.contact,
)


class GroupTests(SynchronousTestCase):
    """
    L{targetGroups}: who rings when.
    """

    def ring(self, *bindings: Binding) -> str:
        """
        The order in short.
        """
        return shape(targetGroups(bindings))

    def test_lowestRegIdFirst(self) -> None:
        """
        The flows of an instance, one after the other, the lowest reg-id first, however stored.
        """
        flows = [binding(f"r{regId}", b"one", regId=regId) for regId in (10, 2, 1)]
        self.assertEqual(self.ring(*flows), "r1>r2>r10")

    def test_together(self) -> None:
        """
        Instances of equal preference ring at once.
        """
        one = [binding(f"one{regId}", b"one", regId=regId) for regId in (1, 2)]
        two = [binding(f"two{regId}", b"two", regId=regId) for regId in (1, 2)]
        self.assertEqual(self.ring(*one, *two), "one1>one2 two1>two2")

    def test_q(self) -> None:
        """
        The desk phone rings before the mobile, if they have said so.
        """
        mobile, desk = binding("mobile", b"m", q=500), binding("desk", b"d", q=900)
        self.assertEqual(self.ring(mobile, desk), "desk | mobile")

    def test_qOfFlows(self) -> None:
        """
        Within an instance q goes before reg-id; the instance rings when its first flow is due.
        """
        low, high = binding("low", b"one", regId=1, q=100), binding("high", b"one", regId=2, q=900)
        other = binding("other", b"two", regId=1, q=500)
        self.assertEqual(self.ring(low, high, other), "high>low | other")

    def test_withoutRegId(self) -> None:
        """
        Flows of an instance without reg-id come last, the latest first (RFC 5627 6.1).
        """
        old = binding("old", b"one", updated=1.0)
        new = binding("new", b"one", updated=2.0)
        flow = binding("flow", b"one", regId=7, updated=0.0)
        self.assertEqual(self.ring(old, new, flow), "flow>new>old")

    def test_withoutInstance(self) -> None:
        """
        Phones that do not know outbound are each a phone of its own.
        """
        self.assertEqual(self.ring(binding("a"), binding("b")), "a b")

    def test_target(self) -> None:
        """
        A target has all that its binding says.
        """
        path = (b"<sip:t@edge.example.org;lr;ob>",)
        bound = binding("a", path=path)
        ((target,),) = targetGroups([bound])
        expected = (bound.contact, path, None, bound)
        self.assertEqual((target.uri, target.route, target.flow, target.binding), expected)

    @settings(max_examples=100, deadline=None)
    @given(BINDINGS)
    def test_everyBindingOnce(self, bindings: list[Binding]) -> None:
        """
        No phone is forgotten, none rung twice, and no instance is in two places: two of its flows
        would ring at a time (RFC 5626 7).
        """
        targets = [target for group in targetGroups(bindings) for target in group]
        found = [way.binding for target in targets for way in (target, *target.otherwise)]
        self.assertCountEqual(found, bindings)
        instances = [target.binding.instance for target in targets if target.binding.instance]
        self.assertEqual(len(instances), len(set(instances)))
        order = [target.binding.q for target in targets]
        self.assertEqual(order, sorted(order, reverse=True))


class DomainTests(SynchronousTestCase):
    """
    L{Domain}.
    """

    def setUp(self) -> None:
        """
        A domain with bob.
        """
        self.registrar = FakeRegistrar()
        self.location = FakeLocation({b"bob@example.com": (BINDING,)})
        self.copies: list[Request] = []
        self.domain = Domain(self.registrar, self.location, self.copies.__contains__)

    def decide(self, method: bytes, uri: bytes, *headers: bytes) -> Decision:
        """
        What the domain decides.
        """
        return self.decideOn(request(method, uri, *headers))

    def decideOn(self, message: Request) -> Decision:
        """
        What the domain decides about this request.
        """
        passage = Passage.arrived(message, FakeFlow(), None)
        return self.successResultOf(decided(self.domain, passage))

    def test_merged(self) -> None:
        """
        A proxy has forked what we answer ourselves: it is answered once, and registers once (RFC
        3261 8.2.2.2). What goes on is not our business (RFC 3261 16.3).
        """
        for method, uri, refused in (
            (b"REGISTER", b"sip:example.com", True),
            (b"OPTIONS", b"sip:example.com", True),
            (b"INVITE", b"sip:bob@example.com", False),
        ):
            message = request(method, uri)
            self.copies.append(message)
            decision = self.decideOn(message)
            self.assertEqual(isinstance(decision, Reply) and decision.status == 482, refused)
        self.assertEqual(self.registrar.seen, [])

    def test_register(self) -> None:
        """
        A REGISTER is the registrar's, its answer the client's.
        """
        answer = self.decide(b"REGISTER", b"sip:example.com")
        assert isinstance(answer, Response)
        self.assertEqual((answer.status, len(self.registrar.seen)), (200, 1))

    def test_user(self) -> None:
        """
        Whoever is called by his address of record is found, in any spelling of it.
        """
        for uri in (b"sip:bob@example.com", b"sip:%62ob@EXAMPLE.com:5060;x"):
            decision = self.decide(b"INVITE", uri)
            self.assertEqual(decision, Forward(*targetGroups([BINDING])))

    def test_sips(self) -> None:
        """
        Who asks for TLS all the way is not served without it behind his back (RFC 3261 26.2.2).
        """
        for method, uri in (b"INVITE", b"sips:bob@example.com"), (b"REGISTER", b"sips:example.com"):
            decision = self.decide(method, uri)
            assert isinstance(decision, Reply)
            self.assertEqual(decision.status, 416)

    def test_unavailable(self) -> None:
        """
        Who has no binding is unavailable, not unknown: he may come back (RFC 3261 21.4.18).
        """
        decision = self.decide(b"INVITE", b"sip:carol@example.com")
        assert isinstance(decision, Reply)
        self.assertEqual(decision.status, 480)

    def test_options(self) -> None:
        """
        A client asks the server itself what it can do, or whether it is there (RFC 3261 11.2).
        """
        decision = self.decide(b"OPTIONS", b"sip:example.com")
        assert isinstance(decision, Reply)
        headers = dict(decision.headers)
        self.assertEqual((decision.status, headers["Allow"]), (200, "REGISTER, OPTIONS"))
        self.assertEqual(headers["Supported"], "path, outbound")

    def test_optionsRequire(self) -> None:
        """
        Extensions it must know are refused by name (RFC 3261 8.2.2.3).
        """
        decision = self.decide(b"OPTIONS", b"sip:example.com", b"Require: foo", b"Require: bar")
        assert isinstance(decision, Reply)
        self.assertEqual(decision.status, 420)
        self.assertEqual(dict(decision.headers)["Unsupported"], "foo, bar")

    def test_notAllowed(self) -> None:
        """
        Any other request for nobody is refused with what is allowed (RFC 3261 8.2.1).
        """
        for method in (b"INVITE", b"MESSAGE", b"PUBLISH"):
            decision = self.decide(method, b"sip:example.com")
            assert isinstance(decision, Reply)
            self.assertEqual(decision.status, 405)
            self.assertIn("Allow", dict(decision.headers))
