"""
That a proxy changes nothing but what it has to, whatever phones write into their headers.
"""

from __future__ import annotations

from itertools import count
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.message.name import KEYS
from sipoutbound.test.bareserver import BareServer
from sipoutbound.test.bytewise import Raw, checkRequest, checkResponse

AOR = b"sip:bob@example.com"

#: What the server has to understand, or refuses for its own reasons.
MEANT = frozenset(
    (
        b"via", b"to", b"from", b"call-id", b"cseq", b"max-forwards", b"content-length", b"route",
        b"record-route", b"proxy-require", b"max-breadth", b"expires", b"contact", b"path",
    )
)  # fmt: skip

TOKENS = st.text("abcXYZ019-.!%*_+`'~", min_size=1, max_size=8).map(str.encode)
NAMES = TOKENS | st.sampled_from(
    [b"Supported", b"k", b"ALLOW", b"Warning", b"s", b"Require", b"Content-Type", b"c", b"Accept"]
)
BLANKS = st.sampled_from([b"", b" ", b"\t", b"  "])
FOLDS = st.sampled_from([b"\r\n ", b"\r\n\t", b" \r\n  "])
PIECES = st.binary(max_size=12).map(lambda text: text.replace(b"\r", b"").replace(b"\n", b""))
TEXTS = st.one_of(
    PIECES,
    st.lists(PIECES, min_size=2, max_size=3).map(b", ".join),
    st.tuples(PIECES, FOLDS, PIECES).map(b"".join),
    st.sampled_from([b'"', b"<", b";;,,;;", b'"\\', "\u4f60\u597d".encode(), b"\xff\xfe\x00"]),
)
LINES = st.tuples(
    NAMES.filter(lambda name: KEYS[name] not in MEANT), BLANKS, st.just(b":"), BLANKS, TEXTS
).map(b"".join)

# Each of them in any spelling that is allowed.
MANDATORY = st.tuples(
    st.sampled_from([b"To: <%b>", b"t:%b", b"TO : \"B\\\"ob\"<%b> ;x", b"t\t:\r\n <%b>;y=\"z\""]),
    st.sampled_from([b"From: sip:a@b;tag=1", b"f :A  <sip:a@b;x>;tag=1", b"fROM:\r\n\tx<tel:+1>"]),
    st.sampled_from([b"Call-ID: call%d@h", b"i:call%d", b"CALL-id \t:\r\n  call%d"]),
    st.sampled_from([b"CSeq: 1 MESSAGE", b"cseq :  0001\t MESSAGE ", b"CSEQ:7\r\n MESSAGE"]),
    st.sampled_from([b"Max-Forwards: 70", b"max-FORWARDS\t:  0070  ", b"Max-Forwards:\r\n 9", b""]),
    st.sampled_from([b"Content-Length: %d", b"l:%d", b"CONTENT-length :\r\n 000%d "]),
)
BODIES = st.binary(max_size=24) | st.sampled_from(
    [b"\x00" * 9, b"\r\n\r\n", b"SIP/2.0 200 OK\r\nVia: x\r\n\r\n"]
)

_serial = count(1)


class UntouchedTests(SynchronousTestCase):
    """
    A server with one phone, to which everything goes that others send.
    """

    def setUp(self) -> None:
        """
        Start it.
        """
        folder = Path(self.mktemp())
        folder.parent.mkdir(parents=True, exist_ok=True)
        self.server = BareServer(folder.absolute(), ("example.com",))
        self.phone = self.server.registered(AOR)
        self.caller = self.server.connect()

    def head(self, shuffled: list[bytes], lines: list[bytes], body: bytes) -> list[bytes]:
        """
        The header lines of a request, complete and in an order of its own.
        """
        number = next(_serial)
        to, sender, callId, cseq, hops, length = shuffled
        known = [to % AOR, sender, callId % number, cseq, hops, length % len(body)]
        via = b"v: SIP/2.0/TCP h;branch=z9hG4bK%d ,\r\n SIP/2.0/UDP  [::1] ;branch=q" % number
        mixed = [line for pair in zip(lines, known, strict=False) for line in pair]
        rest = known[len(lines) :] + lines[len(known) :]
        return [line for line in (*mixed, via, *rest, b"Via:SIP/2.0/X y") if line]

    def passedOn(self, data: bytes, overTcp: bool) -> bytes:
        """
        What the phone gets of a message.
        """
        before = len(self.phone.heard())
        if overTcp:
            self.caller.send(data)
        else:
            self.server.datagram(data)
        (left,) = self.phone.heard()[before:]
        return left

    @given(MANDATORY, st.lists(LINES, max_size=8), BODIES, st.booleans())
    @settings(max_examples=150, deadline=None)
    def test_requests(
        self, known: tuple[bytes, ...], lines: list[bytes], body: bytes, overTcp: bool
    ) -> None:
        """
        What a phone has signed or counted stays as it has written it, down to the last blank.
        """
        head = self.head([*known], lines, body)
        data = b"\r\n".join((b"MESSAGE %b SIP/2.0" % AOR, *head, b"", body))
        checkRequest(self, data, self.passedOn(data, overTcp))

    @given(
        st.sampled_from([b"200 OK", b"486 ", b"603", b"404 \xd0\xbd\xff % \t ?", b"299 %s"]),
        st.lists(LINES, max_size=8), BODIES, st.integers(0, 9),
    )  # fmt: skip
    @settings(max_examples=150, deadline=None)
    def test_responses(self, status: bytes, lines: list[bytes], body: bytes, at: int) -> None:
        """
        So does what the other one answers.
        """
        number = next(_serial)
        caller = self.server.connect()
        request = PLAIN % {b"number": number, b"aor": AOR}
        before = len(self.phone.heard())
        caller.send(request)
        (left,) = map(Raw.of, self.phone.heard()[before:])
        echoed = left.only(b"via", b"from", b"to", b"call-id", b"cseq")
        known = [*echoed, b"l :\t%d " % len(body)]
        # Its own order: the Vias stay in theirs.
        mixed = lines[:at] + known + lines[at:]
        data = b"\r\n".join((b"SIP/2.0 " + status, *mixed, b"", body))
        self.phone.connection.dataReceived(data)
        (heard,) = caller.heard()
        checkResponse(self, data, heard)


PLAIN = (
    b"MESSAGE %(aor)b SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK%(number)d\r\n"
    b"v : SIP/2.0/UDP\r\n x;branch=y\r\nFrom: <sip:a@b>;tag=1\r\nTo: <%(aor)b>\r\n"
    b"Call-ID: %(number)d\r\nCSeq: 1 MESSAGE\r\nl: 0\r\n\r\n"
)
