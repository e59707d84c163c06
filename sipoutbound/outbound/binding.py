"""
A binding: how one Contact of an address of record is reached (RFC 3261 10, RFC 5626 6).
"""

from __future__ import annotations

from typing import TypeAlias

from attrs import define


# A value, and never changed. It is not frozen because every refresh makes one, and attrs takes
# three times as long to make a frozen one: it goes around its own guard for each attribute.
@define(unsafe_hash=True)
class Binding:
    """
    One row of the location service. All texts are bytes.

    @ivar aor: the address of record, canonical: C{user@host}.
    @ivar contact: the Contact's URI as sent.
    @ivar params: all its Contact parameters as sent but C{expires} and C{q}, each with its
        semicolon in front, ready to be printed behind C{contact} (RFC 5626 6).
    @ivar instance: the instance-id without quotes and brackets, a UUID in lower case (RFC 5626
        4.1); C{None} where there is none.
    @ivar regId: the reg-id, where outbound processing was applied (RFC 5626 6); else C{None}.
    @ivar path: the Path values, topmost first (RFC 3327 5.3).
    @ivar callId: the Call-ID of the REGISTER that made it what it is.
    @ivar cseq: that REGISTER's CSeq number.
    @ivar q: the preference, in thousandths.
    @ivar expires: when its time is over, in seconds since the epoch.
    @ivar updated: when that REGISTER came, in seconds since the epoch.
    @ivar userAgent: that REGISTER's User-Agent.
    @ivar flow: the key of the flow by which the topmost Path value leads on, if that is of this
        server; or that of the client's flow, if another edge has it; else empty.
    @ivar flowTimer: how often its client was told to be heard on that flow, in seconds (RFC 5626
        5.4); 0 where it was not told.
    """

    aor: bytes
    contact: bytes
    params: bytes
    instance: bytes | None
    regId: int | None
    path: tuple[bytes, ...]
    callId: bytes
    cseq: int
    q: int
    expires: int
    updated: float
    userAgent: bytes
    flow: bytes
    flowTimer: int = 0

    @property
    def key(self) -> bytes:
        """
        What tells this binding from the others of its AoR: instance and reg-id (RFC 5626 6), or
        else the Contact URI (RFC 3261 10.3). They never coincide: no URI scheme has a C{=}.
        """
        if self.regId is None:
            return self.contact
        return b"reg-id=%d;%b" % (self.regId, self.instance or b"")

    @property
    def seconds(self) -> int:
        """
        The lifetime that was granted.
        """
        return self.expires - int(self.updated)

    def isSameAs(self, other: Binding) -> bool:
        """
        Whether both were made by the same REGISTER and lead the same way: then what was learnt
        about one holds for the other.
        """
        return (
            self.key == other.key
            and self.cseq == other.cseq
            and self.callId == other.callId
            and self.path == other.path
        )


#: The bindings of one address of record.
Bindings: TypeAlias = tuple[Binding, ...]
