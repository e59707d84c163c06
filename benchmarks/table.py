"""
Measurements of the two servers beside each other, as lines of text.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

HEADING = f"{'':38}{'sipoutbound':>13}{'kamailio':>13}   ratio: min  median     max"


def row(label: str, ours: Sequence[float], theirs: Sequence[float], digits: int = 0) -> str:
    """
    @param label: what was measured.
    @param ours: one value for each run of this server, may be empty.
    @param theirs: the same of Kamailio; the runs of one index were made one after the other.
    @param digits: decimals of the two medians.
    @return: the medians, and ours/theirs over the pairs of runs.
    """
    values = "".join(f"{_middle(values, digits):>13}" for values in (ours, theirs))
    pairs = [mine / other for mine, other in zip(ours, theirs, strict=False) if other]
    if not pairs:
        return f"{label:38}{values}"
    return f"{label:38}{values}{min(pairs):13.2f}{median(pairs):8.2f}{max(pairs):8.2f}"


def _middle(values: Sequence[float], digits: int) -> str:
    return f"{median(values):,.{digits}f}" if values else "-"
