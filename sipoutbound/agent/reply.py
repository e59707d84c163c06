"""
What a user agent answers to a request.
"""

from __future__ import annotations

from attrs import field, frozen

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

    @raise ValueError: when one has a line break in it: it would be a header of its own.
    """
    pairs = [(name.encode(), value.encode()) for name, value in headers]
    for name, value in pairs:
        if b"\r" in name + value or b"\n" in name + value:
            raise ValueError(f"a line break in {name.decode()}")
    return pairs
