"""
URIs: read, printed, compared (RFC 3261 19.1, RFC 5954).
"""

from __future__ import annotations

from itertools import combinations, product

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.message.grammar import Malformed
from sipoutbound.message.uri import URI, cachedURI, sameHost, unescaped

UNRESERVED = "abzABZ059-_.!~*'()"
ESCAPES = st.binary(min_size=1, max_size=1).map(lambda octet: f"%{octet[0]:02X}")


def texts(more: str, least: int = 1) -> st.SearchStrategy[str]:
    """
    Texts of unreserved characters, escapes, and some more.
    """
    pieces = st.sampled_from(UNRESERVED + more) | ESCAPES
    return st.lists(pieces, min_size=least, max_size=6).map("".join)


HOSTS = st.sampled_from(
    ["example.com", "a", "a_b.local", "x-1.example.com.", "192.0.2.4", "[::1]", "[2001:db8::a:1]"]
)
PARAMETER = st.tuples(
    st.sampled_from(["lr", "ob", "transport", "user", "x-y"]), st.none() | texts("[]/:&+$")
).map(lambda pair: f";{pair[0]}" if pair[1] is None else f";{pair[0]}={pair[1]}")
USERINFO = st.tuples(texts("&=+$,;?/#"), st.none() | texts("&=+$,", least=0)).map(
    lambda pair: f"{pair[0]}@" if pair[1] is None else f"{pair[0]}:{pair[1]}@"
)
#: As a URI is printed here: scheme, host and names of parameters in lower case.
SIP = st.tuples(
    st.sampled_from(["sip:", "sips:"]),
    st.just("") | USERINFO,
    HOSTS,
    st.just("") | st.integers(1, 65535).map(":{}".format),
    st.lists(PARAMETER, max_size=3).map("".join),
    st.just("") | texts("[]/?:+$&=").map("?{}".format),
).map(lambda parts: "".join(parts).encode())

#: URIs so alike that many are equivalent.
ALIKE = st.builds(
    lambda *parts: URI.parse("".join(parts).encode()),
    st.sampled_from(["sip:", "SIP:", "sips:"]),
    st.sampled_from(["", "bob@", "%62ob@", "BOB@", "b;b@", "b%3Bb@", "b%3bb@", "bob:@"]),
    st.sampled_from(["h", "H", "[::1]", "[0::1]"]),
    st.sampled_from(["", ":5060"]),
    st.sampled_from(["", ";transport=udp", ";transport=UDP", ";x", ";x=1", ";lr", ";x=1;lr"]),
    st.sampled_from(["", "?a=b&c=d", "?c=d&A=b", "?a=B"]),
)


def parsed(text: str) -> URI:
    """
    The URI of a text.
    """
    return URI.parse(text.encode())


class ParseTests(SynchronousTestCase):
    """
    What a URI says.
    """

    @given(SIP)
    @settings(max_examples=300, deadline=None)
    def test_identity(self, text: bytes) -> None:
        """
        A URI leaves as it came: what a phone put into its Contact is what it is called by.
        """
        self.assertEqual(bytes(URI.parse(text)), text)
        self.assertEqual(URI.parse(text), URI.parse(text))

    def test_parts(self) -> None:
        """
        Each part is found where it stands.
        """
        uri = parsed("SIPS:alice:secret@AtLanta.COM:5061;Transport=TCP;lr;x=?subject=a%20b&y=z")
        self.assertEqual((uri.scheme, uri.user, uri.password), (b"sips", b"alice", b"secret"))
        self.assertEqual((uri.host, uri.port), (b"atlanta.com", 5061))
        self.assertEqual(uri.params, ((b"transport", b"TCP"), (b"lr", None), (b"x", b"")))
        self.assertEqual(uri.headers, b"subject=a%20b&y=z")
        self.assertEqual((uri.param(b"transport"), uri.param(b"lr")), (b"TCP", b""))
        self.assertEqual((uri.param(b"x"), uri.param(b"ob")), (b"", None))
        self.assertEqual((uri.has(b"lr"), uri.has(b"x"), uri.has(b"ob")), (True, True, False))
        self.assertEqual(str(uri)[:29], "sips:alice:secret@atlanta.com")

    def test_user(self) -> None:
        """
        A user part may hold nearly everything: the examples of RFC 3261 19.1.3 and RFC 4475
        3.1.1.2, 3.1.1.3, 3.1.1.4, 3.1.1.9, and a dialled service code.
        """
        for user in (
            b"+1-212-555-1212", b"alice;day=tuesday", b"user;par=u%40example.net", b"*21#",
            b"1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*", b"sips%3Auser%40example.com",
            b"null-%00-null", b"I%20have%20spaces", b"%C3%BC",
        ):  # fmt: skip
            uri = URI.parse(b"sip:" + user + b"@example.com;user=phone")
            self.assertEqual((uri.user, uri.host, uri.port), (user, b"example.com", None))
        weird = parsed("sip:a:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@h")
        self.assertEqual(weird.password, b"&it+has=1,weird!*pas$wo~d_too.(doesn't-it)")
        self.assertEqual(parsed("sip:a5060:5060").host, b"a5060")

    def test_ipv6(self) -> None:
        """
        An IPv6 reference and its port are told apart by the bracket (RFC 5118 4.1, 4.3, 4.4).
        """
        self.assertEqual(parsed("sip:[2001:DB8::10]").host, b"[2001:db8::10]")
        self.assertEqual(parsed("sip:u@[2001:db8::10:5070]").port, None)
        uri = parsed("sip:u@[2001:db8::10]:5070;lr")
        self.assertEqual((uri.host, uri.port), (b"[2001:db8::10]", 5070))
        self.assertEqual(parsed("sip:[::ffff:192.0.2.128]").host, b"[::ffff:192.0.2.128]")

    def test_other(self) -> None:
        """
        A C{tel:} URI or one of a scheme nobody knows is passed on as it is (RFC 4475 3.3.2).
        """
        for text in (b"tel:+1-201;x=y", b"nobodyKnowsThisScheme:x@y<z", b"http://h/?a#b"):
            uri = URI.parse(text)
            self.assertEqual(uri.opaque, text.partition(b":")[2])
            self.assertEqual(bytes(uri).lower(), text.lower())
            self.assertEqual((uri.host, uri.params, uri.port), (b"", (), None))
        self.assertEqual(parsed("TEL:+1").scheme, b"tel")

    def test_malformed(self) -> None:
        """
        What is no URI is refused with 400, not guessed at.
        """
        for text in (
            "", "sip:", "sip", "bob", ":bob", "sip:@h", "sip::p@h", "sip:a@", "sip:a@b@c", "1a:b",
            "sip:a b@h", "sip:a@h h", "<sip:a@h>", "sip:a@h; lr", "sip:a%4@h", "sip:a%zz@h",
            "sip:h;x%", "sip:h;x%4", "sip:h;x=%", "sip:h?x=%4", "sip:a:%4@h", "sip:a:%@h",
            "sip:h:", "sip:h:0", "sip:h:65536", "sip:h:999999", "sip:h:-1", "sip:h:x", "sip:a@h;",
            "sip:a@h;;lr", "sip:a@h;=x", "sip:a@h;lr=a=b", "sip:a@h;lr\r\n", "sip:a@h\n",
            "sip:a@-h", "sip:a@h-", "sip:2001:db8::10", "sip:[::1", "sip:::1]", "sip:[]",
            "sip:[1:2]", "sip:[::1::2]", "sip:[1.2.3.4]", "sip:[2001:db8:::192.0.2.1]",
            "sip:[::1%25lo]", "sip:[fe80::1%lo]", "sip:bob@444.555.666.777", "sip:1.2.3.256",
            "sip:1.2.3", "sip:1.2.3.4.5", "sip:1.2.3.4.", "sip:192.0.02.1", "sip:2130706433",
            "sip:%61.com", "sip:h?", "sip:ü@h", "sip:a@ü",
            "sip:a\x00@h", "tel:", "tel:+1 2",
        ):  # fmt: skip
            error = self.assertRaises(Malformed, URI.parse, text.encode())
            self.assertEqual(error.status, 400, text)

    def test_without(self) -> None:
        """
        Parameters that are taken out leave the others as they were.
        """
        uri = parsed("sip:a@h;lr;ob;x=Y")
        self.assertEqual(bytes(uri.without(b"ob", b"z")), b"sip:a@h;lr;x=Y")
        self.assertEqual(bytes(uri.without(b"lr", b"ob", b"x")), b"sip:a@h")

    def test_cached(self) -> None:
        """
        The remembered answer is the same as a new one, an error too.
        """
        self.assertEqual(cachedURI(b"sip:a@h;lr"), parsed("sip:a@h;lr"))
        for _ in range(2):
            self.assertRaises(Malformed, cachedURI, b"sip:")


class AorTests(SynchronousTestCase):
    """
    The address of record (RFC 3261 10.3 step 5).
    """

    def test_canonical(self) -> None:
        """
        However a phone spells its user's address, it is the same user.
        """
        for text in (
            "sip:alice@example.com", "sips:alice:pw@EXAMPLE.com:5070;transport=tcp?a=b",
            "sip:%61l%69ce@example.com;user=phone",
        ):  # fmt: skip
            self.assertEqual(parsed(text).aor(), b"alice@example.com")

    def test_distinct(self) -> None:
        """
        Different users stay different: by case, by octets, by host, with a null in the name
        (RFC 4475 3.1.1.4).
        """
        spellings = [
            "sip:alice@h", "sip:Alice@h", "sip:alice@g", "sip:alice%20@h", "sip:a%00b@h",
            "sip:a%00@h", "sip:a@h", "sip:h", "tel:alice@h", "sip:%2561@h",
        ]  # fmt: skip
        self.assertEqual(len({parsed(text).aor() for text in spellings}), len(spellings))
        self.assertEqual(parsed("sip:a%00b@h").aor(), b"a\x00b@h")

    @given(st.binary())
    @settings(max_examples=100, deadline=None)
    def test_unescaped(self, octets: bytes) -> None:
        """
        Every octet can be escaped, in either case of its digits, and is never unescaped twice.
        """
        for form in ("%{:02X}", "%{:02x}"):
            escaped = "".join(form.format(octet) for octet in octets).encode()
            self.assertEqual(unescaped(escaped), octets)
        self.assertEqual(unescaped(octets.replace(b"%", b"%25")), octets)


class EquivalenceTests(SynchronousTestCase):
    """
    Whether two URIs are the same binding (RFC 3261 19.1.4, RFC 5954 4.2).
    """

    def equivalent(self, *texts: str) -> None:
        """
        Check that all are equivalent.
        """
        for one, other in product(texts, texts):
            self.assertTrue(parsed(one).equivalent(parsed(other)), f"{one} {other}")

    def different(self, *texts: str) -> None:
        """
        Check that no two are equivalent.
        """
        for one, other in combinations(texts, 2):
            self.assertFalse(parsed(one).equivalent(parsed(other)), f"{one} {other}")
            self.assertFalse(parsed(other).equivalent(parsed(one)), f"{other} {one}")

    def test_equivalent(self) -> None:
        """
        The sets of RFC 3261 19.1.4: a phone that spells its Contact anew does not get a second one.
        """
        self.equivalent(
            "sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"
        )
        for extra in ("newparam=5", "security=on"):
            self.equivalent("sip:carol@chicago.com", f"sip:carol@chicago.com;{extra}")
        self.equivalent(
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        )
        self.equivalent(
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
        )

    def test_different(self) -> None:
        """
        The sets of RFC 3261 19.1.4 that are not: two phones do not take each other's place.
        """
        self.different("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP")
        self.different(
            "sip:bob@biloxi.com", "sip:bob@biloxi.com:5060", "sip:bob@biloxi.com;transport=udp",
            "sip:bob@biloxi.com:6000;transport=tcp", "sips:bob@biloxi.com", "sip:biloxi.com",
            "sip:bob:pw@biloxi.com", "sip:bob:PW@biloxi.com", "sip:bob:@biloxi.com",
        )  # fmt: skip
        self.different("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting")
        self.different("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4")
        self.different("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off")

    def test_decisive(self) -> None:
        """
        user, ttl, method, maddr and transport count when only one URI has them, by their default
        value too.
        """
        for parameter in ("user=ip", "ttl=1", "method=INVITE", "maddr=h", "transport=udp"):
            self.different("sip:a@h", f"sip:a@h;{parameter}")
            self.different(f"sip:a@h;{parameter}", f"sip:a@h;{parameter}1")
            self.equivalent(f"sip:a@h;{parameter}", f"sip:a@h;x;{parameter.upper()}")

    def test_escapes(self) -> None:
        """
        A reserved character differs from its escape, any other does not, and what an escape stands
        for is never taken for an escape (RFC 3261 19.1.4, RFC 4475 3.1.1.3).
        """
        for character in ";?&=+$,/":
            self.different(f"sip:a{character}@h", f"sip:a%{ord(character):02x}@h")
            self.equivalent(f"sip:a%{ord(character):02X}@h", f"sip:a%{ord(character):02x}@h")
        for character in UNRESERVED:
            self.equivalent(f"sip:{character}@h", f"sip:%{ord(character):02x}@h")
        self.different("sip:a@h", "sip:%2561@h", "sip:%3B@h", "sip:%253B@h", "sip:%25@h")
        self.equivalent("sip:a@h;%6C%72;n%61me=v%61lue%25%34%31", "sip:a@h;lr;name=value%2541")
        self.different("sip:a@h;name=value%2541", "sip:a@h;name=valueA")

    def test_addresses(self) -> None:
        """
        IPv6 addresses are compared by their value (RFC 5954 4.2).
        """
        self.equivalent("sip:bob@[::ffff:192.0.2.128]", "sip:bob@[::ffff:c000:280]")
        self.equivalent("sip:bob@[2001:db8::9:1]", "sip:bob@[2001:DB8:0::9:01]")
        self.different("sip:bob@[2001:db8::9:1]", "sip:bob@[2001:db8::9:10]", "sip:bob@192.0.2.128")
        self.assertFalse(sameHost(b"[:::]", b"[::]"))

    def test_other(self) -> None:
        """
        A URI of another scheme is the same as itself only.
        """
        self.equivalent("tel:+1;x=y", "TEL:+1;x=y")
        self.different("tel:+1", "tel:+2", "sip:+1@h", "urn:+1")

    @given(ALIKE, ALIKE)
    @settings(max_examples=300, deadline=None)
    def test_laws(self, one: URI, other: URI) -> None:
        """
        It is reflexive and symmetric, survives printing, and needs the same address of record.
        """
        self.assertTrue(one.equivalent(one))
        self.assertEqual(one.equivalent(other), other.equivalent(one))
        self.assertTrue(one.equivalent(URI.parse(bytes(one))))
        if one == other:
            self.assertTrue(one.equivalent(other))
        if one.equivalent(other):
            self.assertEqual(unescaped(one.user or b""), unescaped(other.user or b""))
