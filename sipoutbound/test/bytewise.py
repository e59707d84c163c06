"""
What a proxy has done to a message, octet by octet. Nothing here uses the server's own reading.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from attrs import field, frozen
from twisted.trial.unittest import SynchronousTestCase

# A line break that is none of a folding.
_BREAK: Final = re.compile(rb"\r\n(?![ \t])")

# RFC 3261 16.6: what a proxy may change or add, beside the Request-URI; Path is for REGISTER
# (RFC 3327 5.2), Max-Breadth tells how far it may be forked (RFC 5393 5.3).
_TOUCHABLE: Final = (
    b"via", b"v", b"max-forwards", b"route", b"record-route", b"path", b"max-breadth",
)  # fmt: skip
_VIA: Final = _TOUCHABLE[:2]
_HOPS: Final = _TOUCHABLE[2]
_LENGTH: Final = (b"content-length", b"l")


@frozen
class Raw:
    """
    A message cut into its lines, a folded line whole.
    """

    start: bytes
    lines: list[bytes]
    body: bytes
    names: list[bytes] = field(init=False)

    @names.default
    def _names(self) -> list[bytes]:
        return [line.partition(b":")[0].strip().lower() for line in self.lines]

    @classmethod
    def of(cls, message: bytes) -> Raw:
        """
        @param message: as it goes over the wire.
        """
        head, end, body = message.partition(b"\r\n\r\n")
        assert end, message
        start, *lines = _BREAK.split(head)
        return cls(start, lines, body)

    def without(self, *names: bytes) -> list[bytes]:
        """
        All lines but those of these names.
        """
        return [line for line, name in self._named() if name not in names]

    def only(self, *names: bytes) -> list[bytes]:
        """
        The lines of these names.
        """
        return [line for line, name in self._named() if name in names]

    def _named(self) -> Iterable[tuple[bytes, bytes]]:
        return zip(self.lines, self.names, strict=True)

    @property
    def counted(self) -> bool:
        """
        Whether it says how long its body is.
        """
        return bool(self.only(*_LENGTH))


def checkRequest(test: SynchronousTestCase, came: bytes, left: bytes) -> None:
    """
    A request has been touched only where a proxy may.

    @param came: as it was sent to the server.
    @param left: as the server has sent it on.
    """
    before, after = Raw.of(came), Raw.of(left)
    method, _, version = before.start.split(b" ")
    newMethod, _, newVersion = after.start.split(b" ")
    test.assertEqual((newMethod, newVersion), (method, version.upper()))
    counted = [] if before.counted else [b"Content-Length: %d" % len(before.body)]
    test.assertEqual(after.without(*_TOUCHABLE), before.without(*_TOUCHABLE) + counted)
    test.assertEqual(_order(after), _order(before))
    _checkVias(test, before.only(*_VIA), after.only(*_VIA)[1:])
    test.assertEqual(after.body, before.body)


def _order(message: Raw) -> list[bytes]:
    """
    The names of what is replaced where it stands, or added at the end, in front of the body.
    """
    order = [name for name in message.names if name == _HOPS or name not in _TOUCHABLE]
    missing = (() if message.counted else _LENGTH[:1], () if _HOPS in order else (_HOPS,))
    return order + [name for names in missing for name in names]


def _checkVias(test: SynchronousTestCase, before: list[bytes], after: list[bytes]) -> None:
    """
    @param after: less the one that the server has added.
    """
    test.assertEqual(after[1:], before[1:])
    # The top one was stamped where it stands.
    test.assertEqual(_unstamped(after[0]), _unstamped(before[0]))


def _unstamped(line: bytes) -> bytes:
    """
    A line of Vias less what stamping may add, replace or clean up.
    """
    name, _, text = line.partition(b":")
    for pattern in (rb"\s+", rb"(?i);received=[^;,]*", rb"(?i);rport(?:=[0-9]*)?(?=[;,]|$)",
                    rb";(?=[;,]|$)", rb",(?=,|$)"):
        text = re.sub(pattern, b"", text)
    return name + b":" + text


def checkResponse(test: SynchronousTestCase, came: bytes, left: bytes) -> None:
    """
    A response is the same but for the server's own Via.

    @param came: as a phone has sent it.
    @param left: as the server has sent it on.
    """
    before, after = Raw.of(came), Raw.of(left)
    counted = [] if before.counted else [b"Content-Length: %d" % len(before.body)]
    own = before.lines.index(before.only(*_VIA)[0])
    test.assertEqual(after.start, before.start)
    test.assertEqual(after.lines, before.lines[:own] + before.lines[own + 1 :] + counted)
    test.assertEqual(after.body, before.body)
