"""
C{twistd} with less patience with connections that acknowledge nothing, so that a test need not wait
for half a minute.

Run it as C{python -m sipoutbound.test.bed_impatient SECONDS ARGUMENT...}.
"""

from __future__ import annotations

import sys

from twisted.scripts.twistd import run

from sipoutbound.transport import stream


def main() -> None:
    """
    Be twistd.
    """
    stream.UNACKNOWLEDGED = float(sys.argv.pop(1))  # type: ignore[misc]
    run()


if __name__ == "__main__":
    main()
