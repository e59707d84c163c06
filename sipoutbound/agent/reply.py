"""
What a user agent answers to a request.
"""

from __future__ import annotations

from attrs import field, frozen

from sipoutbound.message.grammar import TOKEN

TextHeaders = tuple[tuple[str, str], ...]


@frozen
class Reply:
    """
    A final response.

    @ivar status: 200 to 699; any other is a C{ValueError}.
    @ivar body: an SDP answer, for example; its C{Content-Type} belongs into the headers.
    @ivar headers: (name, value) pairs.
    @ivar reason: the reason phrase; the usual one where it is C{None}.
    """

    status: int = field()
    body: bytes = b""
    headers: TextHeaders = ()
    reason: str | None = None

    @status.validator
    def _final(self, attribute: object, status: int) -> None:
        if not 200 <= status <= 699:
            raise ValueError(f"a final response has a status of 200 to 699, not {status}")


def octetsOf(headers: TextHeaders) -> list[tuple[bytes, bytes]]:
    """
    Headers as they are sent.

    @raise ValueError: when a name is none, or a value has a line break in it: what follows would be
        a header of its own.
    """
    pairs = [(name.encode(), value.encode()) for name, value in headers]
    for name, value in pairs:
        if TOKEN.fullmatch(name) is None or b"\r" in value or b"\n" in value:
            raise ValueError(f"no header: {name!r}: {value!r}")
    return pairs


def checkedMethod(method: str) -> bytes:
    """
    A method as it is sent.

    @raise ValueError: when it is none, or one that only a transaction sends.
    """
    if TOKEN.fullmatch(method.encode()) is None or method in ("ACK", "CANCEL"):
        raise ValueError(f"no method to ask with: {method!r}")
    return method.encode()
