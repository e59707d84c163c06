"""How a mistake in what the operator wrote is told: one line, and exit status 1."""

from __future__ import annotations

import sys


def printable(text: str) -> str:
    """
    @param text: whatever the operator, a file or an operating system wrote.
    @return: the same on one line: what cannot be printed is written as Python escapes it.
    """
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


class Mistake(SystemExit, Exception):
    """
    The server cannot start as it was told to. Raise it with a text that names the option and what
    would be right; nobody needs to catch it.

    As a L{SystemExit} with a text it leaves C{twistd} as that one line on the standard error and
    exit status 1, from parsing as from C{makeService}. (A C{usage.UsageError} would print the whole
    help before it, and be a traceback if raised later.) As an L{Exception} too it can be raised
    when a service starts: C{twistd} then still removes its process id file, and a daemon still
    tells the waiting command.
    """

    def __init__(self, text: str) -> None:
        """
        @param text: the option and what would be right, e.g. C{"--flow-timer 5: must be ..."}.
        """
        super().__init__(f"sipoutbound: {printable(text)}")


def announced(text: str) -> Mistake:
    """
    A mistake that shows only when a service starts, such as a port in use. The standard error is
    C{twistd}'s log by then, and the line ends up there; so it is written to the real one as well.

    @param text: as for L{Mistake}.
    @return: the mistake, to be raised.
    """
    mistake = Mistake(text)
    if sys.__stderr__ is not None and sys.stderr is not sys.__stderr__:
        print(mistake, file=sys.__stderr__)
    return mistake
