"""
The sound messages of RFC 4475 that ask something of transactions or of the server.
"""

from __future__ import annotations

from sipoutbound.message.header import NameAddress
from sipoutbound.message.validity import flawOf
from sipoutbound.test.bytewise import Raw
from sipoutbound.test.tortures import TortureTestCase, octets, request, response


class LayerTests(TortureTestCase):
    """
    RFC 4475 3.2, 3.3 and 3.4, but for what is refused.
    """

    def test_badbranch(self) -> None:
        """
        A branch that is the magic cookie and nothing more identifies nothing (3.2.1): two requests
        with it are told apart by what else they have, as those of RFC 2543 are, and both arrive.
        """
        first = octets("badbranch")
        second = first.replace(b"CSeq: 8", b"CSeq: 9")
        server = self.server()
        phone = server.registered(b"sip:user@example.com")
        for data in (first, second, first):
            server.datagram(data)
        self.assertEqual([Raw.of(each).only(b"cseq") for each in phone.heard()],
                         [[b"CSeq: 8 OPTIONS"], [b"CSeq: 9 OPTIONS"]])

    def test_bext01(self) -> None:
        """
        What a proxy must support and does not is told as it was written, Require is not its concern
        (3.3.5).
        """
        server = self.server()
        phone = server.registered(b"sip:user@example.com")
        (answer,) = self.told([sent for sent, _ in server.datagram(octets("bext01"))])
        self.assertEqual(answer.status, 420)
        self.assertEqual(
            answer.all(b"unsupported"), [b"noProxiesSupportThis", b"norDoAnyProxiesSupportThis"]
        )
        self.assertEqual(phone.heard(), [])

    def test_invut(self) -> None:
        """
        The kind of body is the callee's affair (3.3.6).
        """
        for arrived in self.passedOn(octets("invut"), b"sip:user@example.com"):
            self.assertEqual(len(arrived.body), 40)

    def test_regaut01(self) -> None:
        """
        A registrar that asks for no credentials does not look at them (3.3.7).
        """
        self.assertEqual(self.statuses(octets("regaut01")), ([200], [200], False))
        self.assertEqual(
            request("regaut01").first(b"authorization"), b"NoOneKnowsThisScheme opaque-data=here"
        )

    def test_bcast(self) -> None:
        """
        A response that nobody has asked for goes nowhere, least of all to a broadcast address in
        its second Via (3.3.10).
        """
        message = response("bcast")
        self.assertEqual((message.status, len(message.all(b"via"))), (200, 2))
        self.assertEqual(self.server().datagram(octets("bcast")), [])
        self.assertEqual(self.overTcp(octets("bcast")), ([], False))

    def test_zeromf(self) -> None:
        """
        What may go no further does not (3.3.11); that the callee is there makes no difference.
        """
        server = self.server()
        phone = server.registered(b"sip:user@example.com")
        (answer,) = self.told([sent for sent, _ in server.datagram(octets("zeromf"))])
        self.assertEqual((answer.status, phone.heard()), (483, []))

    def bound(self, name: str) -> NameAddress:
        """
        The Contact that a REGISTER gives, over UDP and TCP alike, as the answer has it.
        """
        answers = [*self.overUdp(octets(name)), *self.overTcp(octets(name))[0]]
        self.assertEqual([answer.status for answer in answers], [200, 200])
        one, other = (answer.all(b"contact") for answer in answers)
        self.assertEqual(one, other)
        (value,) = one
        return NameAddress.parse(value)

    def test_cparam01(self) -> None:
        """
        Without brackets a parameter is the Contact's own, and is no part of the URI that is called
        (3.3.12).
        """
        contact = self.bound("cparam01")
        self.assertEqual(contact.text, b"sip:+19725552222@gw1.example.net")
        self.assertTrue(contact.has(b"unknownparam"))

    def test_cparam02(self) -> None:
        """
        Inside of them it is the URI's (3.3.13).
        """
        contact = self.bound("cparam02")
        self.assertEqual(contact.text, b"sip:+19725552222@gw1.example.net;unknownparam")
        self.assertFalse(contact.has(b"unknownparam"))

    def test_regescrt(self) -> None:
        """
        A header in a Contact is kept (3.3.14), and is no Route of the REGISTER.
        """
        self.assertEqual(
            self.bound("regescrt").text, b"sip:user@example.com?Route=%3Csip:sip.example.com%3E"
        )
        self.assertEqual(request("regescrt").all(b"route"), [])

    def test_sdp01(self) -> None:
        """
        What a callee may answer with is between it and the caller (3.3.15).
        """
        for arrived in self.passedOn(octets("sdp01"), b"sip:user@example.com"):
            self.assertEqual(arrived.all(b"accept"), [b"text/nobodyKnowsThis"])

    def test_inv2543(self) -> None:
        """
        A call of RFC 2543 is taken from a datagram, whose end is that of its body (3.4.1), and goes
        on with what it lacks; over a connection nobody could tell where it ends, so it is refused.
        """
        message = request("inv2543")
        self.assertIsNone(flawOf(message))
        self.assertEqual((message.via.branch, message.from_.param(b"tag")), (None, None))
        self.assertEqual(message.to.params, ((b"user", b"phone"),))
        self.assertEqual(len(message.body), 105)
        server = self.server()
        phone = server.registered(b"sip:UserB@example.com")
        server.datagram(octets("inv2543"))
        (arrived,) = map(Raw.of, phone.heard())
        self.assertEqual(arrived.only(b"content-length"), [b"Content-Length: 105"])
        self.assertEqual(arrived.only(b"max-forwards"), [b"Max-Forwards: 70"])
        self.assertEqual(arrived.only(b"record-route")[-1],
                         b"Record-Route: <sip:UserB@example.com;maddr=ss1.example.com>")
        answers, closed = self.overTcp(octets("inv2543"))
        self.assertEqual(([answer.status for answer in answers], closed), ([400], True))
