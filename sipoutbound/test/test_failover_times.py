"""
The script that measures how long a caller waits when a flow is gone, in a short form.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from sipoutbound.test.bed import Loopback
from sipoutbound.test.bed_program import Program

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "failover.py"

#: Milliseconds from dialling to ringing: what the script wants, and plenty for a busy machine. Half
#: a minute, which is what it costs to wait for a transaction to end, is more than each.
LIMITS = {
    "nothing broken": 2_000,
    "flow closed": 2_000,
    "flow silent": 6_000,
    "edge killed": 2_000,
    "edge silent": 6_000,
    "registrar restarted": 10_000,
}

ROW = re.compile(r"(.+?) +(\d+) +([\d,.]+) ms +([\d,.]+) ms +([\d,.]+) ms(?:  MISSED)?")


class FailoverTests(SynchronousTestCase):
    """
    C{benchmarks/failover.py}: a registrar, two edges, phones with a flow through each.
    """

    def test_times(self) -> None:
        """
        Whatever breaks, the caller soon hears the phone ring over its other flow, and no binding
        that was acknowledged is lost.
        """
        if not SCRIPT.is_file():
            raise SkipTest("benchmarks/ is not beside the package: only in a checkout")
        words = [str(SCRIPT), "--runs", "2", "--together", "2"]
        paths = os.pathsep.join(map(os.path.abspath, sys.path))
        program = Program([sys.executable, *words], Loopback(), {"PYTHONPATH": paths})
        program.start()
        # 1 where a target was missed, which on a busy machine it may be.
        self.assertIn(program.wait(110.0), (0, 1))
        rows = filter(None, map(ROW.fullmatch, program.lines))
        worst = {row[1]: float(row[4].replace(",", "")) for row in rows if row[2] == "2"}
        self.assertEqual(list(worst), list(LIMITS), program.tail())
        for what, limit in LIMITS.items():
            self.assertLess(worst[what], limit, what)
