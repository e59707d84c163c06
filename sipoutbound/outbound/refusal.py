"""
A REGISTER that is refused.
"""

from __future__ import annotations


class Refusal(Exception):
    """
    Why a REGISTER is refused as a whole. Nothing of it was carried out (RFC 3261 10.3).

    @ivar status: the status code of the answer, never a 6xx (RFC 3261 10.3).
    @ivar reason: the reason phrase; C{None} for the usual one.
    @ivar headers: (name, value) pairs that the answer must have.
    """

    def __init__(
        self,
        status: int,
        reason: str | None = None,
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        super().__init__(status, reason)
        self.status = status
        self.reason = reason
        self.headers = headers
