"""
REGISTERs by the thousand from SIPp, and what its statistics say about them.
"""

from __future__ import annotations

import csv
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path

SCENARIO = Path(__file__).resolve().parent / "scenario" / "register.xml"


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    One run of SIPp.

    @ivar seconds: from its first REGISTER to its last answer.
    @ivar succeeded: REGISTERs answered with 200.
    @ivar failed: all others.
    @ivar otherAnswers: those of them that had an answer, but not 200.
    @ivar retransmissions: REGISTERs sent again, for want of an answer in 500 ms.
    """

    seconds: float
    succeeded: int
    failed: int
    otherAnswers: int
    retransmissions: int

    def __str__(self) -> str:
        return (
            f"failed {self.failed:,} (answers other than 200: {self.otherAnswers:,}),"
            f" retransmissions {self.retransmissions:,}, {self.rate:,.0f} per second"
        )

    @property
    def rate(self) -> float:
        """
        Registrations per second.
        """
        return self.succeeded / self.seconds

    @classmethod
    def read(cls, path: Path) -> Outcome:
        """
        @param path: the file that C{-trace_stat -stf} made; its last line has the totals, in the
            columns marked (C).
        """
        with open(path, newline="") as file:
            last = list(csv.DictReader(file, delimiter=";"))[-1]
        begun, ended = (float(last[name].split()[-1]) for name in ("StartTime", "CurrentTime"))
        return cls(
            seconds=max(ended - begun, 0.001),
            succeeded=int(last["SuccessfulCall(C)"]),
            failed=int(last["FailedCall(C)"]),
            otherAnswers=int(last["FailedUnexpectedMessage(C)"]),
            retransmissions=int(last["Retransmissions(C)"]),
        )


@dataclass(frozen=True, slots=True)
class Load:
    """
    What is asked of a server.

    @ivar transport: SIPp's name: C{u1} is one UDP socket, C{t1} one TCP connection.
    @ivar users: how many users register, each once.
    @ivar rate: REGISTERs offered per second.
    @ivar limit: how many may be unanswered at a time; at this number SIPp waits.
    """

    transport: str
    users: int
    rate: int
    limit: int

    def drive(self, port: int, round: int, folder: Path) -> Outcome:
        """
        Register every user once.

        @param port: the server's.
        @param round: 1 for new users, then 2, 3, ... for their refreshes: it is the CSeq.
        @param folder: where SIPp's files go.
        @raise RuntimeError: SIPp itself failed.
        """
        users, statistics = folder / "users.csv", folder / "statistics.csv"
        if not users.exists():
            writeUsers(users, self.users)
        statistics.unlink(missing_ok=True)
        command = self._command(port, round, users, statistics)
        ended = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=self._patience() + 60
        )
        if ended.returncode not in (0, 1, 97) and not statistics.exists():
            raise RuntimeError(f"sipp ended with {ended.returncode}:\n{ended.stderr[-2000:]}")
        return Outcome.read(statistics)

    def _command(self, port: int, round: int, users: Path, statistics: Path) -> list[str]:
        what = [
            "-sf",
            str(SCENARIO),
            "-inf",
            str(users),
            "-key",
            "round",
            str(round),
            "-cid_str",
            "%u@benchmark",
        ]
        load = [
            "-t",
            self.transport,
            "-m",
            str(self.users),
            "-r",
            str(self.rate),
            "-l",
            str(self.limit),
        ]
        told = ["-trace_stat", "-stf", str(statistics), "-fd", "3600"]
        bound = ["-nostdin", "-timeout", f"{self._patience()}s", "-timeout_error"]
        return ["sipp", *what, *load, *told, *bound, "-i", "127.0.0.1", f"127.0.0.1:{port}"]

    def _patience(self) -> int:
        """
        @return: seconds after which SIPp gives up: time for 100 registrations per second.
        """
        return 30 + self.users // 100


def version() -> str | None:
    """
    @return: SIPp's version, C{None} where it is missing.
    """
    try:
        said = subprocess.run(["sipp", "-v"], capture_output=True, text=True).stdout
    except FileNotFoundError:
        return None
    return said.strip().partition("\n")[0].strip().rstrip(".")


def writeUsers(path: Path, count: int) -> None:
    """
    Write SIPp's injection file: a user and its instance in each line, taken in order.
    """
    lines = (f"user{number};{uuid.UUID(int=number | 4 << 76 | 8 << 60)}" for number in range(count))
    path.write_text("SEQUENTIAL\n" + "\n".join(lines) + "\n")
