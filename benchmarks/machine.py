"""
What a measurement was made on.
"""

from __future__ import annotations

import os
import platform
from pathlib import Path


def machine() -> str:
    """
    @return: processors and kernel.
    """
    processors = [
        line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    model = processors[0].partition(":")[2].strip() if processors else platform.machine()
    return f"{os.cpu_count()} x {model}, {platform.system()} {platform.release()}"


def loadAverages() -> str:
    """
    @return: the load averages of now.
    """
    return ", ".join(f"{value:.1f}" for value in os.getloadavg())
