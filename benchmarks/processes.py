"""
What a server costs, read from C{/proc}: the CPU time and the memory of a process and of all its
children.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple


class Family(NamedTuple):
    """
    A process and everything it started.

    @ivar pid: the id of the first of them.
    """

    pid: int

    def members(self) -> list[int]:
        """
        @return: the ids of the processes that are alive now, the first one first.
        """
        found = [self.pid]
        for pid in found:
            for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
                found += [int(child) for child in tasks.read_text().split()]
        return found

    def cpu(self) -> float:
        """
        @return: user and system time of all threads of all members, in seconds, as proc(5) counts
            it in C{/proc/PID/stat} (fields 14 and 15).
        """
        ticks = 0
        for pid in self.members():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def memory(self) -> int:
        """
        @return: the proportional set size of all members in kB: memory that they share is counted
            once.
        """
        return sum(_proportional(pid) for pid in self.members())


def _proportional(pid: int) -> int:
    """
    @return: the proportional set size of one process in kB (proc(5), C{smaps_rollup}).
    """
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
