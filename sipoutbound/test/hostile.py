"""
Input that nobody sends by mistake, for the tests of everything that reads.
"""

from __future__ import annotations

from hypothesis import strategies as st

# As much as a datagram or a head may be.
_MOST = 60000

_REPEATED = (
    b"<", b'"', b";", b",", b" ", b"\t", b"\\", b":", b"a", b"9", b"?", b"&", b"=", b"@", b"%",
    b"[", b".", b"(", b"a@", b"%41", b", ", b'\\"', b"<>", b'""', b'"<', b'<"', b',"', b",<",
    b";tag=", b"; ", b";a=b", b';a="b"', b";received", b";received=", b";rport", b";branch", b"a-",
    b"a.", b"a ", b"\r\n ", b"\r\n", b"[:", b"a SIP/", b" SIP/2.0", b'"\\\xff', b"\x00", b"\xff",
)  # fmt: skip

#: One thing very often.
FLOODS = [piece * (_MOST // len(piece)) for piece in _REPEATED]

#: What may stand in front of it, so that a parser is well on its way, and what may make it fail.
BEGINNINGS = (
    b"", b"sip:", b"sip:a@b", b"sip:a@b;x=", b"<sip:a@b>", b"<sip:a@b>;x=", b'"', b",<", b"1 ",
    b"SIP/2.0/UDP h", b"SIP/2.0/UDP h;x=", b"INVITE sip:a", b"SIP/2.0 200 ", b"a\r\n ",
)  # fmt: skip
ENDINGS = (b"", b"\x00", b'",<')

_PIECES = (
    b"INVITE", b"REGISTER", b"\r\n", b"\r\n ", b"\n", b" ", b"\t", b"sip:", b"SIPS:", b"tel:+1",
    b"SIP/2.0", b"SIP/2.0/UDP ", b"SIP/3.0", b"SIP/2.0 200 OK", b"a@b", b"%41", b"%", b"[::1]",
    b"[", b"]", b":5060", b":", b";", b",", b'"', b"\\", b"<", b">", b"=", b"?h=v", b";tag=x",
    b";branch=z9hG4bK1", b";rport", b";received=1.2.3.4", b"Via: ", b"v:", b"To: ", b"f: ",
    b"CSeq: 1 INVITE", b"Call-ID: x", b"Content-Length: 3", b"l: -1", b"Max-Forwards: 70",
    b"Route: ,", b"99999999999", b"1", b"\r\n\r\n",
)  # fmt: skip

#: Bytes that look like SIP here and there.
ALMOST_SIP = st.lists(
    st.sampled_from(_PIECES) | st.binary(min_size=1, max_size=4), max_size=24
).map(b"".join)
