"""
A demonstration: two edges, a registrar and two phones, each a process of its own on this machine.
A line is cut, a server killed, and the calls come through all the same.

    python examples/demo                 or: make demo
    python examples/demo --one-line      phones with one line only: the calls fail

The exit status is 0 when Bob was reached each time, 1 otherwise.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cast import Cast
from story import Story
from twisted.internet.defer import ensureDeferred
from twisted.internet.task import react

# What a shell says of a program that Ctrl-C has ended.
INTERRUPTED = 130


async def play(reactor: Any, cast: Cast, statuses: list[int]) -> None:
    """
    Tell the story. Whatever comes of it, and also on Ctrl-C, no process is left.

    @param statuses: the exit status is added to it.
    """
    reactor.addSystemEventTrigger("before", "shutdown", lambda: ensureDeferred(cast.end()))
    try:
        good = await Story(cast).tell()
    except TimeoutError as error:
        print(f"\nVerdict: BAD. Something did not happen in time: {error}")
        good = False
    statuses.append(0 if good else 1)


def main() -> int:
    """
    Read the command line, and play.

    @return: the exit status.
    """
    parser = argparse.ArgumentParser("python examples/demo", description="Calls that come through.")
    parser.add_argument("--one-line", action="store_true", help="phones have a line to Edge 1 only")
    edges = ("Edge 1",) if parser.parse_args().one_line else ("Edge 1", "Edge 2")
    statuses: list[int] = []
    with TemporaryDirectory(prefix="sipoutbound-demo-") as folder:
        cast = Cast(Path(folder), edges)
        try:
            react(lambda reactor: ensureDeferred(play(reactor, cast, statuses)))
        except SystemExit as end:
            if end.code:
                raise
    return statuses[0] if statuses else INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
