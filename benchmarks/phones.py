"""
A phone that is called, and one that calls.
"""

from __future__ import annotations

import re
import time

from line import Line
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from sipoutbound.agent.place import Place
from sipoutbound.message.message import Response
from sipoutbound.message.uri import URI
from sipoutbound.outbound.instance import newInstance
from sipoutbound.useragent import Incoming, Status, Times, UserAgent

# How long a lost flow is given up for, in seconds: short, as each run needs it back.
HASTE = Times(allFailed=0.05, notAllFailed=0.05, longest=0.1)

# Seconds after which a ringing, or a registration, is not waited for any more: timer B.
PATIENCE = 40.0

# The port of who has sent a request last, in its topmost Via.
SENDER = re.compile(r":(\d+)\s*(?:;|$)")


class Callee:
    """
    A phone with a flow through each of two edges. The one to the first goes over a line that can
    break.

    @ivar rung: for each call, by its Subject, the port of the edge that it came from.
    """

    def __init__(self, name: str, ports: tuple[int, int]) -> None:
        self.aor = f"sip:{name}@example.test"
        self.line = Line(ports[0])
        self.rung: dict[str, int] = {}
        self._losses = self._broken = 0
        self._port = reactor.listenTCP(0, self.line, interface="127.0.0.1")
        through = {ports[0]: self._port.getHost().port, ports[1]: ports[1]}

        async def locate(uri: URI) -> list[Place]:
            assert uri.port is not None
            return [Place(b"TCP", ("127.0.0.1", through[uri.port]))]

        proxies = [f"sip:127.0.0.1:{port};transport=tcp" for port in ports]
        self.agent = UserAgent(
            reactor, self.aor, proxies, newInstance(), self._called, changed=self._changed,
            times=HASTE, locate=locate,
        )  # fmt: skip
        self.agent.startService()

    async def _called(self, incoming: Incoming) -> int | None:
        if incoming.method != "INVITE":
            return None
        sender = SENDER.search(incoming.header("Via") or "")
        assert sender is not None
        self.rung.setdefault(incoming.header("Subject") or "", int(sender[1]))
        incoming.provisional()
        await Deferred()
        return 486

    def _changed(self, status: Status) -> None:
        self._losses += status.regId == 1 and not status.registered

    def breaks(self) -> None:
        """
        The first flow is about to break.
        """
        self._broken = self._losses + 1

    async def registered(self) -> None:
        """
        Wait until both registrations stand, after it has seen what has broken.

        @raise RuntimeError: they do not, for a long time.
        """
        deadline = time.monotonic() + PATIENCE
        while self._losses < self._broken or not all(each.outbound for each in self.agent.statuses):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.aor}: {self.agent.statuses}")
            await deferLater(reactor, 0.005)

    async def stop(self) -> None:
        """
        Sign off.
        """
        await self.agent.stopService()
        await self._port.stopListening()


class Caller:
    """
    A phone with one flow, through an edge to which nothing happens.
    """

    def __init__(self, port: int) -> None:
        proxies = [f"sip:127.0.0.1:{port};transport=tcp"]
        self.agent = UserAgent(
            reactor, "sip:alice@example.test", proxies, newInstance(), times=HASTE
        )
        self._calls = 0
        self.agent.startService()

    async def dial(self, callee: Callee, edge: int) -> float:
        """
        Call a phone, and hang up when it rings.

        @param edge: the port of the edge that has to ring it.
        @return: the seconds from dialling to ringing.
        @raise RuntimeError: it did not ring, or came from another edge.
        """
        self._calls += 1
        subject = str(self._calls)
        rings: Deferred[float] = Deferred()

        def progressed(response: Response) -> None:
            if response.status == 180 and not rings.called:
                rings.callback(time.perf_counter())

        def ended(why: str) -> None:
            if not rings.called:
                rings.errback(RuntimeError(f"{callee.aor} was not rung: {why}"))

        dialled = time.perf_counter()
        headers = (("Subject", subject),)
        calling = self.agent.invite(callee.aor, headers=headers, provisional=progressed)
        calling.addCallback(lambda final: ended(f"{final.status} {final.reason}"))
        calling.addErrback(lambda failure: ended(failure.getErrorMessage()))
        reactor.callLater(PATIENCE, ended, f"{PATIENCE:.0f} s have passed")
        rang = await rings
        calling.cancel()
        if callee.rung.get(subject) != edge:
            raise RuntimeError(f"{callee.aor} was rung by another edge: {callee.rung}")
        return rang - dialled

    async def bindings(self, callee: Callee) -> set[int]:
        """
        @return: the reg-ids of a phone that the registrar knows.
        """
        final = await self.agent.request("REGISTER", "sip:example.test", to=callee.aor)
        contacts = ",".join(text.decode() for text in final.message.all(b"contact"))
        return {int(number) for number in re.findall(r";reg-id=(\d+)", contacts)}
