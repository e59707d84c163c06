"""
A REGISTER as its headers say it (RFC 3261 10.2, RFC 5626 4.2).
"""

from __future__ import annotations

from attrs import define

from sipoutbound.outbound.terms import Terms


# A value, and never changed; not frozen for the same reason as a Binding.
@define
class Registration:
    """
    @ivar terms: what it asks for, as granted.
    @ivar callId: the Call-ID.
    @ivar cseq: the CSeq number.
    """

    terms: Terms
    callId: bytes
    cseq: int
