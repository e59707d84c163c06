"""
Tests of L{sipoutbound.outbound.contact}.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.message.grammar import Malformed
from sipoutbound.outbound.contact import Contact, lifetime

UUID = b"urn:uuid:f8958d67-0eee-a7d0-ad5f-0e629ae25447"

TOKENS = st.text("abcxyz-.+0123456789", min_size=1, max_size=8).map(str.encode)
QUOTED = st.text("ab<>, \\;=", max_size=8).map(
    lambda text: b'"%b"' % text.replace("\\", "\\\\").encode()
)
OTHERS = st.tuples(TOKENS.map(lambda name: b"x" + name), st.none() | TOKENS | QUOTED)


class ContactTests(SynchronousTestCase):
    """
    Contact values as phones write them.
    """

    def test_baresip(self) -> None:
        """
        baresip's phones are told apart and reached: URI, instance, reg-id, lifetime, and the rest
        kept for printing.
        """
        value = b'<sip:e2@127.0.0.1:1;transport=tcp>;expires=900;+sip.instance="<%b>";reg-id=2'
        self.assertEqual(
            Contact.parse(value % UUID),
            Contact(
                b"sip:e2@127.0.0.1:1;transport=tcp",
                b';+sip.instance="<%b>";reg-id=2' % UUID,
                UUID,
                2,
                900,
                1000,
            ),
        )

    def test_otherForms(self) -> None:
        """
        Display names, blanks and addresses without brackets are no reason to refuse a phone.
        """
        for value in (
            b'"lkt" <sip:a@h>;q=0.5;x=1',
            b'"l\\"k;t, <u>" <sip:a@h> ; q = 0.5 ; x = 1',
            b"lkt me <sip:a@h>;q=0.5;x=1",
            b"sip:a@h;q=0.5;x=1",
            b"<sip:a@h>;;q=0.5;x=1;",
        ):
            self.assertEqual(
                Contact.parse(value), Contact(b"sip:a@h", b";x=1", None, None, None, 500), value
            )

    @given(
        st.lists(OTHERS, max_size=4, unique_by=lambda pair: pair[0].lower()),
        st.sampled_from((b"", b" ", b"\t")),
    )
    @settings(max_examples=200, deadline=None)
    def test_allOtherParametersAreKept(
        self, others: list[tuple[bytes, bytes | None]], blank: bytes
    ) -> None:
        """
        Features that a phone announces are there for its peers, whatever they are and however
        they are spaced (RFC 5626 6: all parameters).
        """
        pieces = [name if text is None else name + b"=" + text for name, text in others]
        tail = b"".join(blank + b";" + piece for piece in [*pieces, b"expires=60"])
        parsed = Contact.parse(b"<sip:a@h>" + tail)
        self.assertEqual(parsed.params, b"".join(b";" + piece for piece in pieces))
        self.assertEqual(parsed.expires, 60)

    def test_instance(self) -> None:
        """
        A phone that writes its UUID in capitals once is not a second phone; other URNs are as
        they are, valid or not (RFC 5626 4.1, RFC 7118).
        """

        def instance(text: bytes) -> bytes | None:
            return Contact.parse(b"<sip:a@h>;+sip.instance=" + text).instance

        self.assertEqual(instance(b'"<%b>"' % UUID.upper()), UUID)
        self.assertEqual(instance(b'"<urn:uuid:f81-7dec-14a06cf1>"'), b"urn:uuid:f81-7dec-14a06cf1")
        imei = b"urn:gsma:imei:90420156-025763-0;vers=A"
        self.assertEqual(instance(b'"<%b>"' % imei), imei)
        self.assertEqual(instance(b'"<URN:GSMA:imei:1;vers=A%2c>"'), b"urn:gsma:imei:1;vers=A%2C")
        self.assertEqual(instance(b'"<Anything:a%2c>"'), b"Anything:a%2c")

    def test_noInstance(self) -> None:
        """
        What is no instance-id by its grammar makes no phone a device (RFC 5626 10).
        """
        for text in (b'"%b"' % UUID, UUID, b'""', b'"<>"', b'"<urn:x:a b>"',
                     b'"<<%b>>"' % UUID, b'"<urn:x:%%g0>"', b'"<%b"' % UUID):  # fmt: skip
            made = Contact.parse(b"<sip:a@h>;reg-id=1;+sip.instance=" + text)
            self.assertEqual((made.instance, made.regId), (None, 1), text)
        self.assertRaises(Malformed, Contact.parse, b"<sip:a@h>;+sip.instance=<%b>" % UUID)

    def test_regId(self) -> None:
        """
        A reg-id that no phone may use is refused instead of being mixed up with another's.
        """
        for good in (b"1", b"007", b"2147483647"):
            self.assertEqual(Contact.parse(b"<sip:a@h>;Reg-ID=" + good).regId, int(good))
        for bad in (b"0", b"", b"x", b"-1", b"1.0", b"2147483648", b"9" * 5000, b'"1"'):
            with self.assertRaises(Malformed, msg=bad) as caught:
                Contact.parse(b"<sip:a@h>;reg-id=" + bad)
            self.assertEqual(caught.exception.status, 400)

    def test_q(self) -> None:
        """
        Callers reach the preferred phone first; a preference that is none is told to the phone.
        """
        for text, thousandths in (
            (b"0", 0), (b"1", 1000), (b"1.000", 1000), (b"0.5", 500), (b"0.007", 7), (b"0.", 0),
        ):  # fmt: skip
            self.assertEqual(Contact.parse(b"<sip:a@h>;q=" + text).q, thousandths)
        for bad in (b"2", b"1.1", b"0.1234", b"-0", b"x", b"", b".5"):
            self.assertRaises(Malformed, Contact.parse, b"<sip:a@h>;q=" + bad)

    def test_lifetime(self) -> None:
        """
        What cannot be read counts as an hour, what is huge as the most there is (RFC 3261 10.2).
        """
        for text, seconds in (
            (b"0", 0), (b"00060", 60), (b"", 3600), (b"soon", 3600), (b"-5", 3600), (b"1.5", 3600),
            (b"4294967296", (1 << 32) - 1), (b"9" * 5000, (1 << 32) - 1),
        ):  # fmt: skip
            self.assertEqual(lifetime(text), seconds)

    def test_bad(self) -> None:
        """
        What is no address is refused, also when it tries to smuggle a line into another's answer.
        """
        for value in (b"", b"<>", b"<sip:a@h", b"sip:a@h>", b"<sip:a@h>;x=\"", b"<sip:a@h>x",
                      b'<sip:a@h>;x="a\nVia: evil"', b"<sip:a\r@h>"):  # fmt: skip
            self.assertRaises(Malformed, Contact.parse, value)

    def test_twice(self) -> None:
        """
        No parameter comes twice, in whatever spelling (RFC 3261 7.3.1): who would say which one
        counts?
        """
        for tail in (b";expires=1;expires=2", b";q=1;x;Q=1", b" ; a=b ; A", b";reg-id=1;reg-id=1"):
            self.assertRaises(Malformed, Contact.parse, b"<sip:a@h>" + tail)
        self.assertEqual(Contact.parse(b"<sip:a@h;x=1>;x=2").params, b";x=2")
