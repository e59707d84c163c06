"""
How long a caller waits for the ringing when the flow that the call would take is gone.

Run it with an interpreter that has sipoutbound's requirements::

    python benchmarks/failover.py
    python benchmarks/failover.py --runs 5 --only "flow silent"

It starts a registrar with its bindings on disk and two edges, each a process of its own on
127.0.0.1. Phones, C{sipoutbound.useragent} over TCP, have a flow through each edge; the first is
the one that a call takes. Then for each run something breaks, a caller whose own flow is through
the second edge dials at that very moment, and the time until it hears the ringing (180) is taken.
The phone must have been rung by the second edge.

  - flow closed: both ends of the phone's connection to the first edge are reset.
  - flow silent: the connection stays and is acknowledged, but nothing gets through.
  - edge killed: the first edge is killed (SIGKILL), started again for the next run.
  - edge silent: the first edge is stopped (SIGSTOP), its connections stay.
  - registrar restarted: the registrar is killed (SIGKILL) and started again; dialled at the moment
    when it listens.

After each run the registrar is asked for the bindings of all phones: the flows that were
acknowledged and are not known to be dead must be there.

A silent run takes seconds in which nothing happens, so with these C{--together} phones are dialled
at the same moment. They do not help each other: nothing that one call learns of a silent flow or
edge is remembered for another. All other runs are made one after the other.

All phones and the caller are in this process. Its garbage is collected between the runs: a phone
has not that much.
"""

from __future__ import annotations

import argparse
import gc
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

from machine import loadAverages, machine
from phones import Callee, Caller
from roles import Role
from twisted.internet.defer import ensureDeferred, gatherResults
from twisted.internet.task import deferLater, react
from twisted.internet.threads import deferToThread

# What is to be reached, in seconds (the worst of all runs).
TARGETS = {
    "nothing broken": 0.02,
    "flow closed": 0.02,
    "flow silent": 2.5,
    "edge killed": 0.02,
    "edge silent": 2.5,
    "registrar restarted": 1.0,
}

# Seconds in which an edge that goes on does what has waited for it.
CATCHING_UP = 0.5

# What takes seconds in which nothing happens.
SILENT = ("flow silent", "edge silent")

# Phones where one is called at a time. The others are there to be lost; more of them would take
# processor time, in this process, just when something breaks.
ALONE = 3

HEADING = f"{'':22}{'runs':>6}{'median':>12}{'worst':>12}{'target':>12}"

BOTH, SECOND = {1, 2}, {2}


class Failover:
    """
    The cluster, its phones, and what can happen to them.

    @ivar together: how many phones are dialled at once in silent runs.
    """

    def __init__(self, reactor: Any, folder: Path, servers: ExitStack, together: int) -> None:
        self.reactor = reactor
        self.together = together
        self.registrar = Role(folder / "registrar", "--role", "registrar")
        behind = ("--role", "edge", "--registrar", self.registrar.uri, "--trust", "none")
        self.edges = [Role(folder / name, *behind) for name in ("edge1", "edge2")]
        for server in (self.registrar, *self.edges):
            servers.enter_context(server)
        first, second = (edge.port for edge in self.edges)
        self.caller = Caller(second)
        self._ports = first, second
        self.callees: list[Callee] = []

    async def measure(self, what: str, runs: int) -> list[float]:
        """
        @param what: one of L{TARGETS}.
        @return: seconds from dialling to ringing.
        @raise RuntimeError: a phone was not rung, or a binding is lost.
        """
        await self.caller.agent.whenRegistered()
        once = SCENARIOS[what]
        self._phones(self.together if what in SILENT else ALONE)
        times: list[float] = []
        while len(times) < runs:
            for callee in self.callees:
                await callee.registered()
            await self._bound(BOTH)
            gc.collect()
            times += await once(self, len(times))
        for callee in self.callees:
            await callee.stop()
        return times[:runs]

    def _phones(self, count: int) -> None:
        self.callees = [Callee(f"phone{number}", self._ports) for number in range(count)]

    async def _bound(self, wanted: set[int]) -> None:
        for callee in self.callees:
            found = await self.caller.bindings(callee)
            if not wanted <= found:
                raise RuntimeError(f"lost: {callee.aor} has {found} of {wanted}")

    async def _dial(self, number: int, edge: int = 1) -> list[float]:
        """
        One phone is called, another one each time.
        """
        callee = self.callees[number % len(self.callees)]
        return [await self.caller.dial(callee, self.edges[edge].port)]

    async def _dialAll(self) -> list[float]:
        port = self.edges[1].port
        dialling = [ensureDeferred(self.caller.dial(each, port)) for each in self.callees]
        return list(await gatherResults(dialling, consumeErrors=True))

    async def nothing(self, number: int) -> list[float]:
        """
        All is well.
        """
        return await self._dial(number, 0)

    async def flowClosed(self, number: int) -> list[float]:
        """
        The first flow of a phone is reset.
        """
        callee = self.callees[number % len(self.callees)]
        callee.breaks()
        callee.line.cut()
        times = await self._dial(number)
        await self._bound(SECOND)
        return times

    async def flowSilent(self, number: int) -> list[float]:
        """
        Nothing gets through on the first flows.
        """
        for callee in self.callees:
            callee.line.mute = True
        times = await self._dialAll()
        await self._bound(BOTH)
        for callee in self.callees:
            callee.breaks()
            callee.line.cut()
        return times

    async def edgeKilled(self, number: int) -> list[float]:
        """
        The first edge is no more.
        """
        for callee in self.callees:
            callee.breaks()
        self.edges[0].kill()
        times = await self._dial(number)
        await self._bound(SECOND)
        await deferToThread(self.edges[0].__enter__)
        return times

    async def edgeSilent(self, number: int) -> list[float]:
        """
        The first edge does nothing.
        """
        self.edges[0].pause()
        try:
            times = await self._dialAll()
            await self._bound(BOTH)
        finally:
            self.edges[0].resume()
        await deferLater(self.reactor, CATCHING_UP)
        return times

    async def registrarRestarted(self, number: int) -> list[float]:
        """
        The registrar has just come back. All flows work: the first one is rung.
        """
        self.registrar.kill()
        await deferToThread(self.registrar.__enter__)
        times = await self._dial(number, 0)
        await self._bound(BOTH)
        return times


SCENARIOS: dict[str, Callable[[Failover, int], Awaitable[list[float]]]] = {
    "nothing broken": Failover.nothing,
    "flow closed": Failover.flowClosed,
    "flow silent": Failover.flowSilent,
    "edge killed": Failover.edgeKilled,
    "edge silent": Failover.edgeSilent,
    "registrar restarted": Failover.registrarRestarted,
}


def parse() -> argparse.Namespace:
    """
    @return: the command line's values.
    """
    parser = argparse.ArgumentParser(description="From dialling to ringing on the surviving flow.")
    add = parser.add_argument
    add("--runs", type=int, default=50, help="runs of each kind (%(default)s)")
    add("--together", type=int, default=10, help="phones of a silent run (%(default)s)")
    add("--only", choices=list(TARGETS), action="append", help="only this one; repeatable")
    return parser.parse_args()


def row(what: str, times: Sequence[float]) -> str:
    """
    @param times: in seconds.
    @return: the line of a table, in milliseconds.
    """
    numbers = (median(times), max(times), TARGETS[what])
    values = "".join(f"{1000 * number:9,.1f} ms" for number in numbers)
    late = "" if max(times) < TARGETS[what] else "  MISSED"
    return f"{what:22}{len(times):6}{values}{late}"


async def main(reactor: Any, options: argparse.Namespace, folder: Path, servers: ExitStack) -> None:
    """
    Measure, and print a line for each kind.

    @raise SystemExit: a target was missed, or something was lost.
    """
    print(f"{machine()}\nload before: {loadAverages()}\n{Role.version()}\n\n{HEADING}", flush=True)
    failover = Failover(reactor, folder, servers, options.together)
    missed = False
    for what in options.only or TARGETS:
        try:
            times = await failover.measure(what, options.runs)
        except RuntimeError as error:
            raise SystemExit(f"{what}: {error}") from error
        print(row(what, times), flush=True)
        missed = missed or max(times) >= TARGETS[what]
    raise SystemExit(1 if missed else 0)


def run() -> None:
    """
    Read the command line and measure.
    """
    options = parse()
    gc.disable()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as servers:
        react(lambda reactor: ensureDeferred(main(reactor, options, Path(folder), servers)))


if __name__ == "__main__":
    run()
