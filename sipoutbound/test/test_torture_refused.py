"""
The messages of RFC 4475 that are refused, and the answer each gets. Where that text leaves the
choice between to refuse and to repair, the server refuses: what it passes on must mean the same to
everybody behind it.
"""

from __future__ import annotations

from sipoutbound.message.message import Response
from sipoutbound.test.bytewise import Raw
from sipoutbound.test.tortures import TortureTestCase, octets, response

ECHOED = (b"via", b"v", b"from", b"call-id", b"i", b"cseq")


class RefusedTests(TortureTestCase):
    """
    RFC 4475 3.1.2 and 3.3.
    """

    def refused(
        self, name: str, status: int, reason: str, closes: bool = False, data: bytes = b""
    ) -> Response:
        """
        Check that a message is answered so over UDP and over TCP, and that the answer has of the
        request what it must have.

        @param closes: whether the connection is closed.
        @return: the answer.
        """
        data = data or octets(name)
        streamed, closed = self.overTcp(data)
        answers = self.overUdp(data) + streamed
        expected = (status, reason.encode())
        self.assertEqual([(each.status, each.reason) for each in answers], [expected, expected])
        self.assertEqual(closed, closes)
        for answer in answers:
            echo = Raw.of(bytes(answer).replace(b";received=192.0.2.9", b"")).only(*ECHOED)
            came = Raw.of(data).only(*ECHOED)
            self.assertEqual([line.split() for line in echo], [line.split() for line in came])
        return answers[0]

    def test_badinv01(self) -> None:
        """
        Separators with nothing between them in a Via are no Vias (3.1.2.1). In the Contact, which
        is the callee's affair, they would do no harm.
        """
        raw = Raw.of(octets("badinv01"))
        (answer,) = self.overUdp(octets("badinv01"))
        self.assertEqual((answer.status, answer.reason), (400, b"Bad Via"))
        self.assertEqual(self.statuses(octets("badinv01")), ([400], [400], False))
        sound = octets("badinv01").replace(raw.only(b"via")[0], b"Via: SIP/2.0/UDP 192.0.2.15")
        self.passedOn(sound, b"sip:user@example.com")

    def test_clerr(self) -> None:
        """
        A datagram that ends before its body does is refused (3.1.2.2). On a connection the rest is
        waited for, in vain for 32 s.
        """
        data = octets("clerr")
        self.assertEqual(self.statuses(data), ([400], [], False))
        server = self.server()
        phone = server.registered(b"sip:user@example.com")
        plug = server.connect()
        plug.send(data)
        server.wait(31)
        self.assertEqual(plug.transport.closing, "")
        server.wait(2)
        self.assertEqual((plug.transport.closing, plug.heard(), phone.heard()), ("abort", [], []))

    def test_ncl(self) -> None:
        """
        A length below zero is none, nor is one in words (3.1.2.3). Nothing after it on a connection
        can be trusted.
        """
        self.refused("ncl", 400, "Bad Content-Length", closes=True)
        worded = octets("ncl").replace(b"-999", b"five")
        self.refused("ncl", 400, "Bad Content-Length", closes=True, data=worded)

    def test_scalar02(self) -> None:
        """
        The CSeq is beyond 32 bits (3.1.2.4). If it were not, the Max-Forwards would be too great;
        lifetimes beyond all measure are taken for the longest there are, and then cut to what the
        server grants.
        """
        data = octets("scalar02")
        self.refused("scalar02", 400, "Bad CSeq")
        data = data.replace(b"CSeq: 36893488147419103232", b"CSeq: 1")
        self.refused("scalar02", 400, "Bad Max-Forwards", data=data)
        data = data.replace(b"Max-Forwards: 300", b"Max-Forwards: 30")
        (answer,) = self.overUdp(data)
        self.assertEqual((answer.status, len(answer.all(b"contact"))), (200, 1))

    def test_scalarlg(self) -> None:
        """
        A response with such a CSeq answers nothing (3.1.2.5).
        """
        self.assertEqual(response("scalarlg").status, 503)
        self.assertEqual(self.statuses(octets("scalarlg")), ([], [], False))

    def test_quotbal(self) -> None:
        """
        Nobody can tell where a quoted string was meant to end (3.1.2.6).
        """
        self.refused("quotbal", 400, "Bad To Header")

    def test_ltgtruri(self) -> None:
        """
        A Request-URI has no brackets (3.1.2.7).
        """
        self.refused("ltgtruri", 400, "Bad URI")

    def test_lwsruri(self) -> None:
        """
        And no blank in it (3.1.2.8).
        """
        self.refused("lwsruri", 400, "Bad Request-Line")

    def test_lwsstart(self) -> None:
        """
        One space stands on either side of it (3.1.2.9).
        """
        self.refused("lwsstart", 400, "Bad Request-Line")

    def test_trws(self) -> None:
        """
        And none at the end of the line (3.1.2.10).
        """
        self.refused("trws", 400, "Bad Request-Line")

    def test_escruri(self) -> None:
        """
        Headers have no place in a Request-URI: refused, so that they appear neither in that of the
        next hop nor among its headers (3.1.2.11).
        """
        self.refused("escruri", 400, "Headers in Request-URI")

    def test_regbadct(self) -> None:
        """
        A Contact whose URI has a question mark needs brackets (3.1.2.13); nothing is bound.
        """
        self.refused("regbadct", 400, "Bad Address")

    def test_baddn(self) -> None:
        """
        A comma in a display name needs quotes (3.1.2.15). The archive has this message without its
        empty line: the end of a datagram does as well, on a connection more is waited for.
        """
        data = octets("baddn")
        self.assertEqual(self.statuses(data), ([400], [], False))
        self.refused("baddn", 400, "Bad To Header", data=data + b"\r\n")

    def test_badvers(self) -> None:
        """
        Who speaks another version of SIP is told so, even if its Via is of that version too
        (3.1.2.16).
        """
        self.refused("badvers", 505, "Version Not Supported")

    def test_mismatch01(self) -> None:
        """
        The CSeq is of another method (3.1.2.17).
        """
        self.refused("mismatch01", 400, "CSeq Names Another Method")

    def test_mismatch02(self) -> None:
        """
        Also if the method is one that nobody knows (3.1.2.18): a proxy forwards what it does not
        know, so 501 would say the wrong thing.
        """
        self.refused("mismatch02", 400, "CSeq Names Another Method")
        matching = octets("mismatch02").replace(b"CSeq: 8 INVITE", b"CSeq: 8 NEWMETHOD")
        self.passedOn(matching, b"sip:user@example.com")

    def test_bigcode(self) -> None:
        """
        A response with a status that is none is dropped, and nothing else: the connection it came
        over stays, and the next message is heard (3.1.2.19).
        """
        data = octets("bigcode")
        self.assertEqual(self.statuses(data), ([], [], False))
        answers, closed = self.overTcp(data + octets("regaut01"))
        self.assertEqual(([each.status for each in answers], closed), ([200], False))

    def test_insuf(self) -> None:
        """
        Without Call-ID, From and To there is no telling what a request belongs to (3.3.1).
        """
        self.refused("insuf", 400, "Missing Call-Id Header")

    def test_unkscm(self) -> None:
        """
        A scheme that nobody knows leads nowhere; the To that looks like a user of ours does not
        either (3.3.2).
        """
        server = self.server()
        phone = server.registered(b"sip:user@example.com")
        server.datagram(octets("unkscm"))
        self.assertEqual(phone.heard(), [])
        self.refused("unkscm", 416, "Unsupported URI Scheme")

    def test_novelsc(self) -> None:
        """
        Nor does one that is known elsewhere (3.3.3).
        """
        self.refused("novelsc", 416, "Unsupported URI Scheme")

    def test_unksm2(self) -> None:
        """
        Only a SIP URI can be registered for (3.3.4). A proxy minds none of these schemes.
        """
        self.refused("unksm2", 400, "To Is No SIP URI")
        options = octets("unksm2").replace(b"REGISTER sip:", b"OPTIONS sip:user@")
        self.passedOn(options.replace(b" REGISTER", b" OPTIONS"), b"sip:user@example.com")

    def test_multi01(self) -> None:
        """
        Two of what there may be one of would let each hop believe another one (3.3.8).
        """
        self.refused("multi01", 400, "More Than One To Header")

    def test_mcl01(self) -> None:
        """
        Two lengths that differ are none (3.3.9). Nothing after them on a connection can be trusted.
        """
        self.refused("mcl01", 400, "Conflicting Content-Length Headers", closes=True)
