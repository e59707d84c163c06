"""
The demonstration, C{make demo}, as somebody sees it who runs it.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from threading import Event

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from sipoutbound.test.bed import Loopback
from sipoutbound.test.bed_program import Program

DEMO = Path(__file__).parents[2] / "examples" / "demo"


class DemonstrationTests(SynchronousTestCase):
    """
    C{examples/demo}.
    """

    def setUp(self) -> None:
        """
        @raise SkipTest: in an installed copy.
        """
        if not DEMO.is_dir():
            raise SkipTest("examples/ is not beside the package: only in a checkout")

    def started(self, *words: str) -> Program:
        """
        The demonstration, under way. The processes that it starts have its mark.
        """
        self.mark = f"{os.getpid()}-{os.urandom(4).hex()}"
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        extra = {
            "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path)),
            "DEMONSTRATION": self.mark,
            "TMPDIR": str(self.folder),
        }
        program = Program([sys.executable, str(DEMO), *words], Loopback(), extra)
        program.start()
        self.addCleanup(program.stop, signal.SIGKILL)
        return program

    def left(self) -> list[str]:
        """
        The command lines of what it has started and what still runs.
        """
        return [
            (process / "cmdline").read_text().replace("\0", " ")
            for process in Path("/proc").glob("[0-9]*")
            if f"DEMONSTRATION={self.mark}" in environmentOf(process)
        ]

    def ended(self, program: Program, status: int) -> Sequence[str]:
        """
        Check how it ends, and that no process and no file is left of it.

        @return: what it has printed.
        """
        self.assertEqual(program.wait(), status, program.tail())
        self.assertEqual((self.left(), [*self.folder.iterdir()]), ([], []))
        return program.lines

    def test_good(self) -> None:
        """
        Within 20 seconds somebody sees three calls come through, each with who sent what to whom,
        and a good verdict that a script can rely on.
        """
        lines = self.ended(self.started(), 0)
        text = "\n".join(lines)
        self.assertEqual(text.count("they talked"), 3, text)
        self.assertEqual(text.count("Registrar    Bob"), 3)
        self.assertIn("that line is dead", text)
        self.assertIn("nobody there: I try another way", text)
        self.assertTrue(any(line.startswith("Verdict: GOOD.") for line in lines), text)
        self.assertLess(max(len(line) for line in lines), 101)

    def test_bad(self) -> None:
        """
        Where phones have one line only calls fail, and it says so, with an exit status of 1.
        """
        lines = self.ended(self.started("--one-line"), 1)
        self.assertEqual(lines[-1], "Verdict: BAD. Bob was reached in 1 of 3 calls.")

    def test_interrupted(self) -> None:
        """
        Ctrl-C ends it with all that it has started, and it is no success.
        """
        program = self.started()
        program.expect("Call 1")
        self.assertEqual(len(self.left()), 6)
        os.kill(program.pid, signal.SIGINT)
        self.ended(program, 130)

    def test_killed(self) -> None:
        """
        If it dies without a word, what it has started ends by itself.
        """
        program = self.started()
        program.expect("Call 1")
        program.stop(signal.SIGKILL)
        for _ in range(200):
            if not self.left():
                return
            Event().wait(0.05)
        self.fail(f"still there: {self.left()}")


def environmentOf(process: Path) -> str:
    """
    The environment that a process was started with, empty where it may not be read.

    @param process: its folder in C{/proc}.
    """
    try:
        return (process / "environ").read_text(errors="replace")
    except OSError:
        return ""
