"""
An edge or a registrar: C{twistd} that tells what it sends and receives. Its arguments are
C{twistd}'s.
"""

from __future__ import annotations

import sys

from twisted.scripts.twistd import run
from witness import endWithParent, testify

if __name__ == "__main__":
    endWithParent()
    testify()
    sys.argv[0] = "twistd"
    run()
