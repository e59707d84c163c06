"""
REGISTERs and bindings for tests, and what a registrar and a location service are given in them.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any, TypeVar

from attrs import define, field
from twisted.internet.defer import Deferred

from sipoutbound.location.store import Rows, StoreError
from sipoutbound.message.message import Request
from sipoutbound.message.parse import parseMessage
from sipoutbound.outbound.binding import Binding, Bindings
from sipoutbound.outbound.headers import registerTexts
from sipoutbound.outbound.policy import Policy
from sipoutbound.outbound.registration import Registration
from sipoutbound.outbound.terms import Terms

_T = TypeVar("_T")

#: REGISTERs of real clients as they were received.
WIRE = Path(__file__).parent / "wire"

NOW = 1_800_000_000.0
AOR = b"bob@example.test"
PHONE = b"urn:uuid:00000000-0000-1000-8000-000a95a0e128"
EDGE = b"<sip:token1@edge.test;lr;ob>"


def wireRegisters() -> list[tuple[str, Request]]:
    """
    (file name, message) of each REGISTER of the folder C{wire}.
    """
    return [(path.name, request(path.read_bytes())) for path in sorted(WIRE.glob("*.txt"))]


def request(text: bytes) -> Request:
    """
    Read a request, however its lines end.
    """
    lines = text.replace(b"\r\n", b"\n").split(b"\n\n")[0]
    message = parseMessage(lines.strip(b"\n").replace(b"\n", b"\r\n"))
    assert isinstance(message, Request)
    return message


def register(
    *headers: bytes, to: bytes = AOR, cseq: int = 1, callId: bytes = b"c1", hops: int = 1
) -> Request:
    """
    @param headers: whole lines behind the mandatory ones.
    @param hops: how many Via values.
    """
    vias = [b"Via: SIP/2.0/TCP host%d;branch=z9hG4bK%d" % (hop, hop) for hop in range(hops)]
    lines = [
        b"REGISTER sip:example.test SIP/2.0",
        *vias,
        b"From: <sip:%b>;tag=f" % to,
        b"To: <sip:%b>" % to,
        b"Call-ID: " + callId,
        b"CSeq: %d REGISTER" % cseq,
        *headers,
    ]
    return request(b"\n".join(lines))


def contact(
    uri: bytes = b"sip:bob@192.0.2.1:5060",
    instance: bytes | None = None,
    regId: int | None = None,
    expires: int | None = None,
) -> bytes:
    """
    A value of a Contact header.
    """
    value = b"<%b>" % uri
    if instance is not None:
        value += b';+sip.instance="<%b>"' % instance
    if regId is not None:
        value += b";reg-id=%d" % regId
    return value if expires is None else value + b";expires=%d" % expires


def terms(
    *headers: bytes, policy: Policy | None = None, hops: int = 1, to: bytes = AOR
) -> Terms:
    """
    What a REGISTER with these lines is granted.
    """
    texts = registerTexts(register(*headers, hops=hops, to=to))
    return Terms.parse(texts, lambda host: host == b"example.test", policy or Policy())


def registration(
    *contacts: bytes,
    cseq: int = 1,
    callId: bytes = b"c1",
    path: bytes = EDGE,
    policy: Policy | None = None,
) -> Registration:
    """
    A REGISTER of these Contacts.
    """
    lines = [b"Contact: " + b", ".join(contacts)] if contacts else []
    asked = terms(*lines, b"Path: " + path, b"Supported: path, outbound", policy=policy)
    return Registration(asked, callId, cseq)


def binding(number: int = 0, **changed: Any) -> Binding:
    """
    @param number: of its AoR; so two with different numbers have nothing in common.
    """
    values: dict[str, Any] = {
        "aor": b"user%d@example.test" % number,
        "contact": b"sip:user%d@192.0.2.1" % number,
        "params": b';+sip.instance="<urn:uuid:%d>";reg-id=1' % number,
        "instance": b"urn:uuid:%d" % number,
        "regId": 1,
        "path": (EDGE,),
        "callId": b"call%d" % number,
        "cseq": 1,
        "q": 1000,
        "expires": int(NOW) + 3600,
        "updated": NOW,
        "userAgent": b"Phone/1.0",
        "flow": b"flow%d" % number,
    }
    return Binding(**{**values, **changed})


def atOnce(coroutine: Coroutine[Any, Any, _T]) -> _T:
    """
    The result of a coroutine that never waits.
    """
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: _T = end.value
        return result
    raise AssertionError("it waits")


def to(*bindings: Binding) -> Callable[[Bindings], Bindings]:
    """
    The algebra that makes an AoR have exactly these bindings.
    """
    return lambda before: bindings


@define(eq=False)
class HeldThread:
    """
    A L{sipoutbound.location.thread.Thread} whose calls run when a test lets them.
    """

    running: bool = False
    _calls: list[tuple[Callable[[], Any], Deferred[Any]]] = field(factory=list)

    def start(self) -> None:
        """
        Begin.
        """
        self.running = True

    def run(self, call: Callable[[], _T]) -> Deferred[_T]:
        """
        Hold a call.
        """
        done: Deferred[_T] = Deferred()
        self._calls.append((call, done))
        return done

    def stop(self) -> None:
        """
        End.
        """
        self.running = False

    def finish(self) -> None:
        """
        Run the call held longest.
        """
        call, done = self._calls.pop(0)
        try:
            result = call()
        except StoreError as error:
            done.errback(error)
        else:
            done.callback(result)

    @property
    def isIdle(self) -> bool:
        """
        Whether no call is held.
        """
        return not self._calls


@define(eq=False)
class DictStore:
    """
    A L{sipoutbound.location.store.Store} that a test can look into and break.

    @ivar commits: the rows of each commit that succeeded.
    """

    rows: dict[tuple[bytes, bytes], Binding] = field(factory=dict)
    commits: list[Rows] = field(factory=list)
    broken: bool = False
    closed: bool = False

    def load(self) -> Iterable[Binding]:
        """
        Everything.
        """
        return list(self.rows.values())

    def commit(self, rows: Rows) -> None:
        """
        Keep, or raise when broken.
        """
        if self.broken:
            raise StoreError("disk full")
        self.commits.append(dict(rows))
        for key, kept in rows.items():
            if kept is None:
                self.rows.pop(key, None)
            else:
                self.rows[key] = kept

    def close(self) -> None:
        """
        Take note.
        """
        self.closed = True

    @property
    def kept(self) -> set[Binding]:
        """
        What is in the store.
        """
        return set(self.rows.values())
