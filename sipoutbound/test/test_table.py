"""
From a token to its flow, and from silence to death (RFC 5626 5.2, 5.3, 5.4, 7).
"""

from __future__ import annotations

from attrs import define, field
from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.interfaces import Address
from sipoutbound.outbound.flowtoken import DatagramFlow, Forged, Keys, StreamFlow
from sipoutbound.test.wires import LOCAL, PEER, Place
from sipoutbound.transport.flow import Flow


@define(eq=False)
class FakePort:
    """
    A UDP port that knows its flows.
    """

    place: Place
    local: Address = LOCAL
    flows: dict[Address, Flow] = field(factory=dict)

    def flowTo(self, peer: Address) -> Flow:
        """
        The flow to a peer.
        """
        if peer not in self.flows:
            self.flows[peer] = self.place.datagram(peer, self.local)
        return self.flows[peer]

    def at(self, local: Address) -> FakePort | None:
        """
        Itself, if that is its address.
        """
        return self if local == self.local else None


class TokenTests(SynchronousTestCase):
    """
    L{Flows.find<sipoutbound.transport.table.Flows.find>}.
    """

    def setUp(self) -> None:
        """
        A table of flows.
        """
        self.place = Place(b"UDP")
        self.flows = self.place.flows

    def test_stream(self) -> None:
        """
        A connection is found by its token as long as it lives, then 430 is due.
        """
        one, other = self.place.stream(), self.place.stream()
        self.assertIs(self.flows.find(one.token), one)
        self.assertIs(self.flows.find(other.token), other)
        self.assertEqual(list(self.flows.streams()), [one, other])
        self.flows.died(one)
        self.assertIsNone(self.flows.find(one.token))
        self.assertIs(self.flows.find(other.token), other)
        self.assertEqual(list(self.flows.streams()), [other])

    def test_left(self) -> None:
        """
        A connection whose peer sends no more is not found by its token any more, its bindings are
        gone; answers can be sent until it dies.
        """
        flow = self.place.stream()
        self.flows.left(flow)
        self.assertIsNone(self.flows.find(flow.token))
        self.assertEqual((flow.alive, self.place.lost), (True, [flow]))
        self.assertEqual(list(self.flows.streams()), [flow])
        self.flows.died(flow)
        self.assertEqual(list(self.flows.streams()), [])
        self.assertEqual((flow.alive, self.place.lost), (False, [flow, flow]))

    def test_samePort(self) -> None:
        """
        Whoever gets the NAT port of a phone that has left does not get its calls.
        """
        gone = self.place.stream()
        self.flows.died(gone)
        self.place.stream()
        self.assertIsNone(self.flows.find(gone.token))

    def test_earlierRun(self) -> None:
        """
        A token of an earlier run of this server is authentic, but its connection is gone: 430, not
        403; and never the connection that has the number by now.
        """
        earlier = self.place.stream()
        assert isinstance(earlier.identity, StreamFlow)
        self.flows.epoch = b"next-run"
        token = self.flows.keys.seal(StreamFlow(b"lastrun.", earlier.identity.serial))
        self.assertIsNone(self.flows.find(token))

    def test_otherKeys(self) -> None:
        """
        What other keys have sealed is forged, whoever sealed it.
        """
        token = Keys.generate().seal(self.place.stream().identity)
        for text in (token, b"", b"alice", b"\xff" * 43):
            self.assertRaises(Forged, self.flows.find, text)

    def test_keysChanged(self) -> None:
        """
        A flow that outlives a change of keys has a token of the new one, is still found by the old
        one, and its bindings are known by either when it dies.
        """
        flow = self.place.stream()
        tokens = [flow.token]
        self.assertEqual(flow.tokens, tuple(tokens))
        for _ in range(2):
            self.flows.keys = self.flows.keys.rotated()
            tokens.insert(0, flow.token)
            self.assertEqual(flow.tokens, tuple(tokens))
        self.assertEqual(len(set(tokens)), 3)
        for token in tokens:
            self.assertIs(self.flows.find(token), flow)

    def test_datagram(self) -> None:
        """
        A UDP flow is found by its addresses, also one that nothing has come from in this run: that
        is how phones are called after a restart.
        """
        port, other = FakePort(self.place), FakePort(self.place, ("127.0.0.2", 5060))
        self.flows.addPort(other)
        self.flows.addPort(port)
        token = self.flows.keys.seal(DatagramFlow(b"UDP", LOCAL, PEER))
        flow = self.flows.find(token)
        assert flow is not None
        self.assertIs(flow, port.flows[PEER])
        self.assertEqual((flow.peer, flow.token, other.flows), (PEER, token, {}))
        self.flows.died(flow)
        self.assertIsNone(self.flows.find(token))

    def test_portGone(self) -> None:
        """
        A UDP flow of an address that is not listened on any more is gone.
        """
        self.flows.addPort(FakePort(self.place, ("127.0.0.2", 5060)))
        token = self.flows.keys.seal(DatagramFlow(b"UDP", LOCAL, PEER))
        self.assertIsNone(self.flows.find(token))

    def test_lostOnce(self) -> None:
        """
        The death of a flow is told once: its bindings would be looked for again and again.
        """
        flow = self.place.stream()
        self.flows.died(flow)
        self.flows.died(flow)
        self.assertEqual(self.place.lost, [flow])


class PeerTests(SynchronousTestCase):
    """
    Connections by whom they lead to (RFC 3261 18).
    """

    def setUp(self) -> None:
        """
        A connection.
        """
        self.place = Place()
        self.flow = self.place.stream()

    def test_connection(self) -> None:
        """
        A connection is found by its peer's address and port together.
        """
        host, port = self.flow.peer
        self.assertIs(self.place.flows.connection((host, port)), self.flow)
        for peer in ((host, port + 1), ("192.0.2.99", port)):
            self.assertIsNone(self.place.flows.connection(peer))

    def test_gone(self) -> None:
        """
        One that is closed, or that its peer sends no more over, takes no new requests.
        """
        self.place.flows.left(self.flow)
        self.assertIsNone(self.place.flows.connection(self.flow.peer))
        again = self.place.stream()
        self.place.flows.died(again)
        self.assertIsNone(self.place.flows.connection(again.peer))

    def test_lateEnd(self) -> None:
        """
        The late end of an old connection does not hide the new one from the same port.
        """
        again = self.place.stream()
        self.assertEqual(again.peer, self.flow.peer)
        self.place.flows.died(self.flow)
        self.assertIs(self.place.flows.connection(again.peer), again)


class SilenceTests(SynchronousTestCase):
    """
    Flows that are watched (RFC 5626 5.4).
    """

    def setUp(self) -> None:
        """
        A flow.
        """
        self.place = Place()
        self.flow = self.place.stream()

    def test_unwatched(self) -> None:
        """
        A client that was promised nothing may be silent for ever.
        """
        self.place.wait(1000)
        self.assertTrue(self.flow.alive)

    def test_silent(self) -> None:
        """
        A silent one is closed after its limit, not before; its death is told.
        """
        self.flow.watch(100)
        self.place.wait(99)
        self.assertEqual((self.flow.alive, self.place.lost), (True, []))
        self.place.wait(2)
        self.assertEqual((self.flow.alive, self.place.lost), (False, [self.flow]))
        self.assertEqual(self.place.line.dropped, [self.flow])

    def test_heard(self) -> None:
        """
        The limit counts from when it was last heard.
        """
        self.flow.watch(100)
        for _ in range(5):
            self.place.wait(90)
            self.flow.heard = self.place.clock.seconds()
        self.place.wait(99)
        self.assertTrue(self.flow.alive)
        self.place.wait(2)
        self.assertFalse(self.flow.alive)

    def test_longSilentBefore(self) -> None:
        """
        A flow is watched anew with each REGISTER, and closed once.
        """
        for _ in range(3):
            self.flow.watch(100)
        self.place.wait(300)
        self.assertEqual(self.place.line.dropped, [self.flow])

    def test_closedMeanwhile(self) -> None:
        """
        One that was closed by the client is not closed again.
        """
        self.flow.watch(100)
        self.place.flows.died(self.flow)
        self.place.wait(300)
        self.assertEqual((self.place.line.dropped, self.place.lost), ([], [self.flow]))

    def test_againAfterwards(self) -> None:
        """
        A UDP client that comes back and registers again is watched again.
        """
        self.flow.watch(100)
        self.place.wait(101)
        self.flow.alive, self.flow.heard = True, self.place.clock.seconds()
        self.place.wait(300)
        self.assertTrue(self.flow.alive)
        self.flow.heard = self.place.clock.seconds()
        self.flow.watch(100)
        self.place.wait(101)
        self.assertFalse(self.flow.alive)
