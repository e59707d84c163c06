"""
One value of a REGISTER's Contact header (RFC 3261 20.10, RFC 5626 11.1, RFC 5626 11.2).
"""

from __future__ import annotations

import re
from typing import Final

from attrs import define

from sipoutbound.message.grammar import Malformed
from sipoutbound.message.header import NameAddress

#: What a lifetime that cannot be read counts as, in seconds (RFC 3261 10.2).
MALFORMED_LIFETIME: Final = 3600

#: The longest lifetime there is, in seconds (RFC 3261 10.2).
LONGEST_LIFETIME: Final = (1 << 32) - 1

#: The highest reg-id (RFC 5626 11.1).
HIGHEST_REG_ID: Final = (1 << 31) - 1

# qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] )
_QVALUE: Final = re.compile(rb"0(?:\.([0-9]{0,3}))?|1(?:\.0{0,3})?")

# c-p-instance = "+sip.instance" EQUAL DQUOTE "<" instance-val ">" DQUOTE ; instance-val = 1*uric
_INSTANCE: Final = re.compile(
    rb'"<((?:[A-Za-z0-9\-_.!~*\'();/?:@&=+$,]|%[0-9A-Fa-f]{2})++)>"'
)

# <URN> ::= "urn:" <NID> ":" <NSS> (RFC 2141 2)
_URN: Final = re.compile(rb"(urn:[a-z0-9][a-z0-9-]{1,31}:)(.++)", re.I)
_ESCAPED: Final = re.compile(rb"%..")

# contact-param = (name-addr / addr-spec) *(SEMI contact-params)
# The form nearly every phone sends: angle brackets, no blanks, nothing in quotes that separates.
# It can be cut at its semicolons; anything else goes the long way.
_USUAL: Final = re.compile(
    rb'(?:"[^"\\]*+" ?)?<([^<>"\x00-\x20\x7f]++)>'
    rb'((?:;[A-Za-z0-9\-.!%*_+`\'~]++(?:=(?:"[^";\\\r\n]*+"|[^\x00-\x20";,<>\x7f]*+))?)*+)'
)


def lifetime(text: bytes) -> int:
    """
    Read an Expires header or an C{expires} parameter: C{delta-seconds = 1*DIGIT}.

    @return: seconds; 3600 for what is no number, 2**32-1 at most (RFC 3261 10.2).
    """
    if not text.isdigit():
        return MALFORMED_LIFETIME
    return _bounded(text, LONGEST_LIFETIME)


# A value, and never changed; not frozen for the same reason as a Binding.
@define
class Contact:
    """
    @ivar uri: the URI as sent; not looked into.
    @ivar params: see L{sipoutbound.outbound.binding.Binding.params}.
    @ivar instance: the canonical instance-id, or C{None}.
    @ivar regId: the reg-id as sent, or C{None}.
    @ivar expires: the Contact's own lifetime in seconds, or C{None}.
    @ivar q: the preference in thousandths, 1000 where none is said.
    """

    uri: bytes
    params: bytes
    instance: bytes | None
    regId: int | None
    expires: int | None
    q: int

    @classmethod
    def parse(cls, value: bytes) -> Contact:
        """
        @raise Malformed: for what is no address, a bad q or a bad reg-id, or a parameter that
            comes twice (RFC 3261 7.3.1).
        """
        uri, pieces = _split(value)
        params, instance, regId, expires, q = b"", None, None, None, 1000
        _checkOnce(pieces)
        for piece in pieces:
            name, _, text = piece.partition(b"=")
            name = name.lower()
            if name == b"expires":
                expires = lifetime(text)
                continue
            if name == b"q":
                q = _thousandths(text)
                continue
            params += b";" + piece
            if name == b"reg-id":
                regId = _regId(text)
            elif name == b"+sip.instance":
                instance = _canonical(text)
        return cls(uri, params, instance, regId, expires, q)


def _split(value: bytes) -> tuple[bytes, list[bytes]]:
    match = _USUAL.fullmatch(value)
    if match is not None:
        return match[1], match[2].split(b";")[1:]
    address = NameAddress.parse(value)
    if b"\r" in address.tail or b"\n" in address.tail:
        raise Malformed("Line Break in Contact")
    return address.text, [
        name if text is None else name + b"=" + text for name, text in address.params
    ]


def _checkOnce(pieces: list[bytes]) -> None:
    names = {piece.partition(b"=")[0].lower() for piece in pieces}
    if len(names) != len(pieces):
        raise Malformed("Parameter Twice in Contact")


def _canonical(text: bytes) -> bytes | None:
    # What is not in quotes and brackets is no instance-id (RFC 5626 10). It is ignored, as a
    # feature tag of any other form would be: the phone is registered, and sees that it has no
    # outbound.
    match = _INSTANCE.fullmatch(text)
    if match is None:
        return None
    # By the rules of its scheme (RFC 5626 4.1): UUIDs compare without case (RFC 4122 3), other
    # URNs but for "urn:", the namespace and what is escaped (RFC 2141 5).
    if (urn := match[1])[:9].lower() == b"urn:uuid:":
        return urn.lower()
    parts = _URN.fullmatch(urn)
    if parts is None:
        return urn
    return parts[1].lower() + _ESCAPED.sub(lambda escaped: escaped[0].upper(), parts[2])


def _regId(text: bytes) -> int:
    # c-p-reg = "reg-id" EQUAL 1*DIGIT ; 1 to (2^31 - 1)
    if text.isdigit() and 0 < (number := _bounded(text, HIGHEST_REG_ID + 1)) <= HIGHEST_REG_ID:
        return number
    raise Malformed("Bad reg-id")


def _thousandths(text: bytes) -> int:
    match = _QVALUE.fullmatch(text)
    if match is None:
        raise Malformed("Bad q")
    if text[:1] == b"1":
        return 1000
    return int((match[1] or b"").ljust(3, b"0"))


def _bounded(digits: bytes, most: int) -> int:
    # A number of any length, without working out what is beyond the bound anyway.
    digits = digits.lstrip(b"0")
    return most if len(digits) > 10 else min(int(digits or b"0"), most)
