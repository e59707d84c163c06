"""
SIPp, which makes many registrations or calls and counts those that failed.
"""

from __future__ import annotations

import csv
import signal
from collections.abc import Sequence
from pathlib import Path

from attrs import define, field

from sipoutbound.test.bed import LOOPBACK, Loopback
from sipoutbound.test.bed_program import Program

SCENARIOS = Path(__file__).parent / "scenario"

# SIPp's names: one UDP socket, one TCP connection.
TRANSPORTS = {"udp": "u1", "tcp": "t1"}


@define(eq=False)
class Sipp:
    """
    One SIPp.

    @ivar scenario: the name of its main scenario in the folder C{scenario}, or of one that SIPp has
        built in.
    @ivar server: C{HOST:PORT}.
    @ivar transport: C{udp} or C{tcp}, all over one socket.
    @ivar folder: for its statistics; made if it is not there.
    @ivar options: more of its command line.
    """

    scenario: str
    server: str
    transport: str
    folder: Path
    options: Sequence[str] = ()
    program: Program = field(init=False)

    def start(self) -> Sipp:
        """
        Start it.

        @return: itself.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        file = SCENARIOS / f"{self.scenario}.xml"
        what = ["-sf", str(file)] if file.exists() else ["-sn", self.scenario]
        what += ["-t", TRANSPORTS[self.transport]]
        told = ["-trace_stat", "-stf", str(self._statistics), "-fd", "3600"]
        told += ["-trace_err", "-error_file", str(self.folder / f"{self.scenario}.errors")]
        # A log that is its standard error, so that what a scenario logs is seen at once.
        told += ["-trace_logs", "-log_file", "/dev/stderr"]
        argv = ["sipp", *what, *told, "-nostdin", "-i", LOOPBACK, *self.options, self.server]
        self.program = Program(argv, Loopback())
        self.program.start()
        return self

    @property
    def _statistics(self) -> Path:
        return self.folder / f"{self.scenario}.csv"

    def finish(self, seconds: float) -> dict[str, int]:
        """
        Wait until it has made all its calls.

        @return: how many C{succeeded} and C{failed}.
        @raise AssertionError: it took more than so many seconds.
        """
        self.program.wait(seconds)
        with open(self._statistics, newline="") as file:
            last = list(csv.DictReader(file, delimiter=";"))[-1]
        return {"succeeded": int(last["SuccessfulCall(C)"]), "failed": int(last["FailedCall(C)"])}

    def errors(self) -> str:
        """
        @return: the first of the errors that it noted.
        """
        file = self.folder / f"{self.scenario}.errors"
        return file.read_text(errors="replace")[:3000] if file.exists() else ""

    def stop(self) -> None:
        """
        End it, if it still runs.
        """
        self.program.stop(signal.SIGKILL)
