"""
Where a response goes whose flow is gone (RFC 3261 18.2.2, RFC 3263 5).
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.interfaces import Unreachable
from sipoutbound.test.directories import FakeDirectory
from sipoutbound.test.doubles import FakeFlow, FakeHops, request
from sipoutbound.test.test_nexthop import FakeReactor
from sipoutbound.test.wires import Place
from sipoutbound.transport.nexthop import NextHops
from sipoutbound.transport.records import Service
from sipoutbound.transport.returning import UNDER_WAY, Returning, placesOf

DATA = b"SIP/2.0 200 OK\r\n\r\n"
TCP = FakeFlow(b"tcp", ("192.0.2.1", 40000))
UDP = FakeFlow(b"udp", ("192.0.2.1", 40000), b"UDP", False)


class PlacesTests(SynchronousTestCase):
    """
    In which order.
    """

    def places(self, via: bytes, flow: FakeFlow, trusted: bool = True) -> list[bytes]:
        """
        Where a response may go.
        """
        message = request(via=b"SIP/2.0/" + flow.transport + b" " + via + b";branch=z9hG4bK1")
        return [bytes(uri) for uri in placesOf(message, flow, trusted)]

    def test_trusted(self) -> None:
        """
        For a server that we know: the host it came from with the port of its sent-by, then the
        sent-by; over UDP the former has been tried already.
        """
        six = FakeFlow(b"six", ("2001:db8::1", 40000))
        for via, flow, uris in (
            (b"a.org:5070", TCP, [b"sip:192.0.2.1:5070;transport=tcp",
                                  b"sip:a.org:5070;transport=tcp"]),
            (b"a.org", six, [b"sip:[2001:db8::1];transport=tcp", b"sip:a.org;transport=tcp"]),
            (b"a.org:5070", UDP, [b"sip:a.org:5070;transport=udp"]),
        ):  # fmt: skip
            self.assertEqual(self.places(via, flow), uris)

    def test_stranger(self) -> None:
        """
        A stranger can't have us connect to anybody but himself.
        """
        here = [b"sip:192.0.2.1:5070;transport=tcp"]
        self.assertEqual(self.places(b"victim.org:5070", TCP, False), here)
        self.assertEqual(self.places(b"victim.org:5070", UDP, False), [])

    def test_rport(self) -> None:
        """
        Who has asked for the way that it came by is looked for nowhere else.
        """
        for params in (b";rport", b";rport=5;received=192.0.2.1"):
            self.assertEqual(len(self.places(b"a.org" + params, TCP)), 1)
            self.assertEqual(self.places(b"a.org" + params, UDP), [])


class ReturningTests(SynchronousTestCase):
    """
    L{Returning}.
    """

    def returning(self, ways: dict[bytes, Any]) -> Returning:
        """
        One that trusts everybody, and these next hops.
        """
        self.hops = FakeHops({b"sip:192.0.2.1;transport=tcp": Unreachable("refused"), **ways})
        self.failed: list[None] = []
        return Returning(self.hops, lambda host: True)

    def send(self, returning: Returning) -> None:
        """
        Return a response.
        """
        message = request(via=b"SIP/2.0/TCP a.org;branch=z9hG4bK1")
        returning.send(message, TCP, DATA, lambda: self.failed.append(None))

    def test_next(self) -> None:
        """
        What can't be reached, or does not take it, is passed by.
        """
        uri = b"sip:a.org;transport=tcp"
        flows = [FakeFlow(b"1", takes=False), FakeFlow(b"2")]
        self.send(self.returning({uri: flows}))
        self.assertEqual(flows[1].sent, [DATA])
        self.assertEqual(self.hops.reached, [b"sip:192.0.2.1;transport=tcp", uri, uri])
        self.assertEqual(self.failed, [])

    def test_unreachable(self) -> None:
        """
        Nobody anywhere: whoever rings for it is told, and there is room for the next.
        """
        returning = self.returning({b"sip:a.org;transport=tcp": Unreachable("refused")})
        for _ in range(UNDER_WAY + 1):
            self.send(returning)
        self.assertEqual(len(self.hops.reached), 2 * (UNDER_WAY + 1))
        self.assertEqual(len(self.failed), UNDER_WAY + 1)

    def test_bound(self) -> None:
        """
        Nobody can have us look for thousands at once.
        """
        returning = self.returning({b"sip:a.org;transport=tcp": Deferred()})
        for _ in range(UNDER_WAY + 10):
            self.send(returning)
        self.assertEqual(len(self.hops.reached), 2 * UNDER_WAY)
        self.assertEqual(len(self.failed), 10)

    def test_mistake(self) -> None:
        """
        A mistake of ours is told, and harms nobody.
        """
        self.send(self.returning({b"sip:a.org;transport=tcp": ZeroDivisionError()}))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_services(self) -> None:
        """
        A sent-by that is a name without a port: its SRV records for the transport of the Via, in
        their order, each tried when the one in front has failed.
        """
        place, reactor = Place(), FakeReactor("192.0.2.8")
        directory = FakeDirectory({
            "_sip._tcp.a.org": [Service(2, 1, 5072, "192.0.2.8"), Service(1, 1, 5071, "192.0.2.7")],
        })  # fmt: skip
        hops = NextHops(reactor, place.listener, directory)
        self.send(Returning(hops, lambda host: True))
        for _ in range(2):
            reactor.advance(1)
        self.assertEqual(reactor.dialled, ["192.0.2.1", "192.0.2.7", "192.0.2.8"])
        self.assertEqual(directory.asked, ["SRV _sip._tcp.a.org"])
        (flow,) = place.flows.streams()
        self.assertEqual(flow.peer, ("192.0.2.8", 5072))
