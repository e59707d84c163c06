"""
The sound messages of RFC 4475: how each reads, and what the server does with it.
"""

from __future__ import annotations

from sipoutbound.message.header import CSeq, NameAddress
from sipoutbound.message.uri import URI, unescaped
from sipoutbound.message.validity import flawOf
from sipoutbound.test.tortures import TortureTestCase, octets, request, response


class SyntaxTests(TortureTestCase):
    """
    RFC 4475 3.1.1: what every parser has to take.
    """

    def test_wsinv(self) -> None:
        """
        A phone that folds, spaces and spells its headers in the strangest way gets its call through
        (3.1.1.1).
        """
        message = request("wsinv")
        self.assertIsNone(flawOf(message))
        self.assertEqual(message.uri, b"sip:vivekg@chair-dnrc.example.com;unknownparam")
        self.assertTrue(message.target.has(b"unknownparam"))
        self.assertEqual(message.to.text, b"sip:vivekg@chair-dnrc.example.com")
        self.assertEqual(message.to.params, ((b"tag", b"1918181833n"),))
        self.assertEqual(message.from_.display, b'"J Rosenberg \\\\\\""')
        self.assertEqual(message.from_.params, ((b"tag", b"98asjd8"),))
        self.assertEqual(message.first(b"max-forwards"), b"0068")
        self.assertEqual(message.callId, b"wsinv.ndaksdj@192.0.2.1")
        self.assertEqual(message.cseq, CSeq(9, b"INVITE"))
        self.assertEqual((message.via.host, message.via.branch), (b"192.0.2.2", b"390skdjuw"))
        self.assertEqual([via.split()[-1][:11] for via in message.all(b"via")[1:]],
                         [b"z9hG4bK9ikj", b"z9hG4bK3023"])
        self.assertEqual(message.first(b"subject"), b"")
        self.assertEqual(
            message.first(b"newfangledheader"), b"newfangled value continued newfangled value"
        )
        self.assertEqual(message.first(b"unknownheaderwithunusualvalue"), b";;,,;;,;")
        (route,) = message.all(b"route")
        uri = NameAddress.parse(route).uri
        self.assertEqual((uri.host, uri.param(b"unknownwith")), (b"services.example.com", b"value"))
        contact = NameAddress.parse(message.all(b"contact")[0])
        self.assertEqual(contact.display, b'"Quoted string \\"\\""')
        self.assertEqual(
            contact.params, ((b"newparam", b"newvalue"), (b"secondparam", None), (b"q", b"0.33"))
        )
        self.assertEqual(len(message.body), 150)

    def test_wsinvForwarded(self) -> None:
        """
        It is followed along its Route, which is ours, and rings with 67 hops left and all its
        oddities.
        """
        for arrived in self.passedOn(octets("wsinv"), b"sip:vivekg@chair-dnrc.example.com"):
            self.assertEqual(arrived.first(b"max-forwards"), b"67")
            self.assertEqual(arrived.all(b"route"), [])
            self.assertEqual(len(arrived.all(b"via")), 4)

    def test_intmeth(self) -> None:
        """
        A method, a user and a tag of the rarest characters are compared octet by octet, and reach a
        phone of that name (3.1.1.2).
        """
        message = request("intmeth")
        self.assertIsNone(flawOf(message))
        method = b"!interesting-Method0123456789_*+`.%indeed'~"
        self.assertEqual((message.method, message.cseq), (method, CSeq(139122385, method)))
        user = b"1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"
        target = message.target
        self.assertEqual((target.user, target.host), (user, b"example.com"))
        self.assertEqual(target.password, b"&it+has=1,weird!*pas$wo~d_too.(doesn't-it)")
        self.assertEqual(message.via.branch, b"z9hG4bK-.!%66*_+`'~")
        self.assertEqual(message.to.display, b'"BEL:\\\x07 NUL:\\\x00 DEL:\\\x7f"')
        self.assertEqual(message.from_.display, b"token1~` token2'+_ token3*%!.-")
        self.assertEqual(message.from_.param(b"tag"), b"_token~1'+`*%!-.")
        russian = b'"%b"' % bytes.fromhex("D180D0B0D0B1D0BED182D0B0D18ED189D0B8D0B9")
        self.assertEqual(message.from_.param(b"fromparam''~+*_!.-%"), russian)
        self.assertEqual(message.callId, b"intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{")
        self.assertEqual(message.first(b"max-forwards"), b"255")
        chinese = bytes.fromhex("EFBBBFE5A4A7E5819CE99BBB")
        self.assertEqual(message.first(b"extensionheader-!.%*+_`'~"), chinese)
        for arrived in self.passedOn(octets("intmeth"), b"sip:" + user + b"@example.com"):
            self.assertEqual(arrived.method, method)

    def test_esc01(self) -> None:
        """
        An escaped character in a URI is the character, and nothing is unescaped twice (3.1.1.3).
        """
        message = request("esc01")
        self.assertIsNone(flawOf(message))
        self.assertEqual(message.target.aor(), b"sips:user@example.com@example.net")
        self.assertTrue(message.to.uri.equivalent(URI.parse(b"sip:user@example.com")))
        self.assertEqual(unescaped(message.from_.uri.user or b""), b"I have spaces")
        contact = NameAddress.parse(message.all(b"contact")[0]).uri
        for text, same in (
            (b"sip:caller@host5.example.net;lr;name=value%2541", True),
            (b"sip:caller@host5.example.net;lr;name=valueA", False),
            (b"sip:caller@host5.example.net;lr;name=value%41", False),
        ):
            self.assertEqual(contact.equivalent(URI.parse(text)), same, text)
        self.assertEqual(message.callId, b"esc01.239409asdfakjkn23onasd0-3234")
        self.passedOn(octets("esc01"), b"sip:sips%3auser%40example.com@example.net")

    def test_escnull(self) -> None:
        """
        A NUL in a user is one octet of it: two Contacts are bound to this user and none to the one
        whose name ends before it (3.1.1.4).
        """
        message = request("escnull")
        self.assertEqual(message.to.uri.aor(), b"null-\x00-null@example.com")
        for answer in (*self.overUdp(octets("escnull")), *self.overTcp(octets("escnull"))[0]):
            self.assertEqual(answer.status, 200)
            uris = {NameAddress.parse(value).text for value in answer.all(b"contact")}
            self.assertEqual(
                uris, {b"sip:%00@host5.example.com", b"sip:%00%00@host5.example.com"}
            )

    def test_esc02(self) -> None:
        """
        A percent sign outside of URIs means itself: this is no REGISTER, and has two Contacts
        (3.1.1.5). As the server knows no such method and the request is for itself, 405 tells what
        there is (RFC 3261 8.2.1), and nothing is bound.
        """
        message = request("esc02")
        self.assertIsNone(flawOf(message))
        self.assertEqual(message.method, b"RE%47IST%45R")
        self.assertEqual(message.to.display, b'"%Z%45"')
        self.assertEqual(len(message.all(b"contact")), 2)
        self.assertEqual(message.all(b"c%6fntact"), [b"<sip:alias2@host2.example.com>"])
        self.assertEqual(self.statuses(octets("esc02")), ([405], [405], False))
        (answer,) = self.overUdp(octets("esc02"))
        self.assertEqual(answer.all(b"allow"), [b"REGISTER", b"OPTIONS"])

    def test_lwsdisp(self) -> None:
        """
        No blank is needed in front of the bracket (3.1.1.6).
        """
        message = request("lwsdisp")
        self.assertEqual((message.from_.display, message.from_.text),
                         (b"caller", b"sip:caller@example.com"))
        self.passedOn(octets("lwsdisp"), b"sip:user@example.com")

    def test_longreq(self) -> None:
        """
        Long names and values, and 34 Vias, are no trouble (3.1.1.7).
        """
        message = request("longreq")
        self.assertIsNone(flawOf(message))
        self.assertEqual(message.from_.param(b"tag"), b"12" + b"982" * 50 + b"424")
        self.assertEqual(message.to.uri.param(b"longparam" + b"name" * 25), b"shortvalue")
        self.assertEqual(message.callId, b"longreq.one" + b"really" * 20 + b"longcallid")
        self.assertEqual(len(message.all(b"via")), 34)
        self.assertEqual((message.via.host, message.via.branch), (b"sip33.example.com", None))
        for arrived in self.passedOn(octets("longreq"), b"sip:user@example.com"):
            self.assertEqual(len(arrived.all(b"via")), 35)

    def test_dblreq(self) -> None:
        """
        What follows a message in its datagram is noise: a REGISTER is answered, the INVITE behind
        it is not (3.1.1.8). On a connection both are messages.
        """
        message = request("dblreq")
        self.assertEqual((message.method, message.body), (b"REGISTER", b""))
        (answer,) = self.overUdp(octets("dblreq"))
        self.assertEqual((answer.status, answer.cseq.method), (200, b"REGISTER"))
        answers, _ = self.overTcp(octets("dblreq"))
        self.assertEqual([each.cseq.method for each in answers], [b"REGISTER", b"INVITE"])

    def test_semiuri(self) -> None:
        """
        A semicolon in a user is part of it (3.1.1.9).
        """
        message = request("semiuri")
        self.assertEqual(message.target.user, b"user;par=u%40example.net")
        self.assertEqual(message.target.params, ())
        self.assertEqual(len(message.all(b"accept")), 6)
        self.passedOn(octets("semiuri"), b"sip:user;par=u%40example.net@example.com")

    def test_transports(self) -> None:
        """
        Transports that nobody has heard of may be in the Vias (3.1.1.10).
        """
        message = request("transports")
        self.assertIsNone(flawOf(message))
        self.assertEqual(
            [via.split()[0].rpartition(b"/")[2] for via in message.all(b"via")],
            [b"UDP", b"SCTP", b"TLS", b"UNKNOWN", b"TCP"],
        )
        self.passedOn(octets("transports"), b"sip:user@example.com")

    def test_mpart01(self) -> None:
        """
        A body with NULs in it is counted, not looked into (3.1.1.11). Its Route leads to somebody
        else, where nobody unknown is relayed to.
        """
        message = request("mpart01")
        self.assertIsNone(flawOf(message))
        self.assertEqual(len(message.body), 553)
        self.assertIn(b"\x01\x95\x00\x71\x02", message.body)
        self.assertTrue(message.body.endswith(b"\r\n--7a9cbec02ceef655--\r\n"))
        self.assertTrue(message.wantsSourcePort)
        self.assertEqual(self.statuses(octets("mpart01")), ([403], [403], False))
        direct = octets("mpart01").replace(b"Route: <sip:127.0.0.1:5080>\r\n", b"")
        for arrived in self.passedOn(direct, b"sip:kumiko@example.org"):
            self.assertEqual(arrived.body, message.body)

    def test_unreason(self) -> None:
        """
        A reason phrase may be anything (3.1.1.12). A response to nothing is dropped.
        """
        message = response("unreason")
        self.assertEqual((message.status, message.reason[:16]), (200, b"= 2**3 * 5**2 \xd0\xbd"))
        self.assertEqual(message.reason[-6:], b"\xd1\x82\xd0\xbe\xd0\xb5")
        self.assertEqual(len(message.body), 154)
        self.assertEqual(self.statuses(octets("unreason")), ([], [], False))

    def test_noreason(self) -> None:
        """
        Or nothing (3.1.1.13).
        """
        message = response("noreason")
        self.assertEqual((message.status, message.reason), (100, b""))
        self.assertEqual(message.to.param(b"tag"), b"902jndnke3")
        self.assertEqual(self.statuses(octets("noreason")), ([], [], False))


class TakenTests(TortureTestCase):
    """
    RFC 4475 3.1.2 leaves it open whether these two are refused. They are taken, as what is wrong
    with them is of no concern to a proxy.
    """

    def test_baddate(self) -> None:
        """
        A Date in another time zone is the callee's affair (3.1.2.12).
        """
        for arrived in self.passedOn(octets("baddate"), b"sip:user@example.com"):
            self.assertEqual(arrived.first(b"date"), b"Fri, 01 Jan 2010 16:00:00 EST")

    def test_badaspec(self) -> None:
        """
        Blanks inside of the brackets are not part of the URI (3.1.2.14). Nothing is routed by a To,
        so it is passed on as it came.
        """
        message = request("badaspec")
        self.assertEqual(message.to.text, b"sip:t.watson@example.org")
        self.assertEqual(message.from_.display, b'"Bell, Alexander"')
        self.passedOn(octets("badaspec"), b"sip:user@example.org")
