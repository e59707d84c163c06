"""
The messages of RFC 5118: IPv6 wherever an address can stand.

Two of its archive say more octets of body than there are; they are refused as they are, and taken
with the length that their body has.
"""

from __future__ import annotations

from sipoutbound.message.header import NameAddress, Via
from sipoutbound.message.validity import flawOf
from sipoutbound.test.tortures import TortureTestCase, octets, relengthed, request


class AddressTests(TortureTestCase):
    """
    RFC 5118 4.
    """

    def test_good(self) -> None:
        """
        A phone on IPv6 registers, and its Contact is kept as it is written (4.1).
        """
        message = request("ipv6-good")
        self.assertIsNone(flawOf(message))
        self.assertEqual((message.target.host, message.target.port), (b"[2001:db8::10]", None))
        self.assertEqual((message.via.host, message.via.port), (b"[2001:db8::9:1]", None))
        contact = NameAddress.parse(message.all(b"contact")[0])
        self.assertEqual((contact.display, contact.uri.host), (b'"Caller"', b"[2001:db8::1]"))
        self.assertEqual(self.statuses(octets("ipv6-good")), ([200], [200], False))
        (answer,) = self.overUdp(octets("ipv6-good"))
        (value,) = answer.all(b"contact")
        self.assertEqual(NameAddress.parse(value).text, b"sip:caller@[2001:db8::1]")

    def test_bad(self) -> None:
        """
        Without its brackets an address is none (4.2).
        """
        self.assertEqual(self.statuses(octets("ipv6-bad")), ([400], [400], False))
        (answer,) = self.overUdp(octets("ipv6-bad"))
        self.assertEqual(answer.reason, b"Bad URI")

    def test_portAmbiguous(self) -> None:
        """
        What is inside of the brackets is address, even if it was meant for a port (4.3). So this is
        for somebody else, and not relayed.
        """
        target = request("port-ambiguous").target
        self.assertEqual((target.host, target.port), (b"[2001:db8::10:5070]", None))
        self.assertEqual(self.statuses(octets("port-ambiguous")), ([403], [403], False))

    def test_portUnambiguous(self) -> None:
        """
        A port stands behind them (4.4); a REGISTER is for the domain, whatever its port.
        """
        target = request("port-unambiguous").target
        self.assertEqual((target.host, target.port), (b"[2001:db8::10]", 5070))
        self.assertEqual(self.statuses(octets("port-unambiguous")), ([200], [200], False))

    def received(self, name: str, text: bytes) -> None:
        """
        Check how C{received} reads, and that the server puts in its place where the request really
        came from: an address without brackets.
        """
        message = request(name)
        self.assertIsNone(flawOf(message))
        self.assertEqual(dict(message.via.params)[b"received"], text)
        for answer in (*self.overUdp(octets(name)), *self.overTcp(octets(name))[0]):
            params = answer.via.params
            found = [value for key, value in params if key == b"received"]
            self.assertEqual(found, [b"192.0.2.9"])
            self.assertEqual(answer.via.host, b"[2001:db8::9:1]")

    def test_receivedWithBrackets(self) -> None:
        """
        C{received} is taken with brackets (4.5). To the server itself a BYE means nothing.
        """
        self.received("via-received-param-with-delim", b"[2001:db8::9:255]")
        statuses = self.statuses(octets("via-received-param-with-delim"))
        self.assertEqual(statuses, ([405], [405], False))

    def test_receivedWithout(self) -> None:
        """
        And without them (4.5). The server says what it can do.
        """
        self.received("via-received-param-no-delim", b"2001:db8::9:255")
        statuses = self.statuses(octets("via-received-param-no-delim"))
        self.assertEqual(statuses, ([200], [200], False))

    def test_stampedWithout(self) -> None:
        """
        A request that comes from an IPv6 address is stamped with it, without brackets (4.5).
        """
        data = octets("via-received-param-no-delim").replace(b"received=2001:db8::9:255;", b"")
        ((answer, peer),) = self.server().datagram(data, ("2001:db8::77", 40001))
        self.assertEqual(peer, ("2001:db8::77", 5060))
        self.assertIn(b";received=2001:db8::77\r\n", answer)
        ((answer, _),) = self.server().datagram(data, ("2001:db8::9:1", 5060))
        self.assertNotIn(b"received", answer)

    def test_sdp(self) -> None:
        """
        Addresses in a body are nobody's concern here (4.6).
        """
        name = "ipv6-in-sdp"
        self.assertEqual(self.statuses(octets(name)), ([400], [], False))
        for arrived in self.passedOn(relengthed(octets(name)), b"sip:user@[2001:db8::10]"):
            self.assertIn(b"\nc=IN IP6 2001:db8::20\n", arrived.body)

    def test_manyInHeaders(self) -> None:
        """
        Addresses of both kinds in the Vias (4.7), with ports and with C{received}.
        """
        message = request("mult-ip-in-header")
        vias = [Via.parse(value) for value in message.all(b"via")]
        self.assertEqual(
            [(via.transport, via.host, via.port) for via in vias],
            [
                (b"UDP", b"[2001:db8::9:1]", 6050), (b"UDP", b"192.0.2.1", None),
                (b"TCP", b"[2001:db8::9:255]", None),
            ],
        )  # fmt: skip
        self.assertEqual(dict(vias[2].params)[b"received"], b"192.0.2.200")
        self.passedOn(octets("mult-ip-in-header"), b"sip:user@host.example.net")

    def test_manyInSdp(self) -> None:
        """
        And in the body (4.8).
        """
        name = "mult-ip-in-sdp"
        self.assertEqual(self.statuses(octets(name)), ([400], [], False))
        for arrived in self.passedOn(relengthed(octets(name)), b"sip:user@[2001:db8::10]"):
            self.assertEqual(arrived.body.count(b"c=IN IP"), 2)

    def test_mapped(self) -> None:
        """
        An IPv4 address in the form of IPv6 is one, and has its port outside (4.9).
        """
        message = request("ipv4-mapped-ipv6")
        self.assertIsNone(flawOf(message))
        self.assertEqual((message.via.host, message.via.port), (b"[::ffff:192.0.2.10]", 19823))
        contact = NameAddress.parse(message.all(b"contact")[0])
        self.assertEqual(contact.uri.host, b"[::ffff:192.0.2.2]")
        self.passedOn(octets("ipv4-mapped-ipv6"), b"sip:user@example.com")

    def test_threeColons(self) -> None:
        """
        The one colon too many that the grammar of RFC 3261 allows (4.10) is refused: RFC 5954 4.1,
        which is later, forbids that grammar, and nobody can say what address it is.
        """
        name = "ipv6-bug-abnf-3-colons"
        self.assertEqual(self.statuses(octets(name)), ([400], [400], False))
        (answer,) = self.overUdp(octets(name))
        self.assertEqual(answer.reason, b"Bad IPv6 Reference")

    def test_twoColons(self) -> None:
        """
        Without it, it is an address like any other (4.10), and the same one in whatever spelling.
        """
        name = "ipv6-correct-abnf-2-colons"
        self.assertEqual(request(name).target.host, b"[2001:db8::192.0.2.1]")
        self.passedOn(octets(name), b"sip:user@[2001:db8::192.0.2.1]")
