"""
A program that a test runs beside itself, and whose lines it waits for.
"""

from __future__ import annotations

import re
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence

from attrs import define, field

from sipoutbound.test.bed import Loopback, environment

# How long a line, or a program's end, is waited for, in seconds: far more than it takes, since the
# machine may be busy.
PATIENCE = 20.0


@define(eq=False)
class Program:
    """
    One running program: its output, standard and error, by lines; its input a pipe.

    @ivar argv: what runs.
    @ivar network: where it runs.
    @ivar lines: all it has said so far.
    """

    argv: Sequence[str]
    network: Loopback
    extra: Mapping[str, str] = field(factory=dict)
    lines: list[str] = field(factory=list, init=False)
    _said: threading.Condition = field(factory=threading.Condition, init=False)
    _process: subprocess.Popen[bytes] = field(init=False)
    _reader: threading.Thread = field(init=False)

    @property
    def pid(self) -> int:
        """
        The id of the process.
        """
        return self._process.pid

    def start(self) -> None:
        """
        Run it.
        """
        self._process = subprocess.Popen(
            self.network.command(self.argv),
            env={**environment(), **self.extra},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._said:
                self.lines.append(line.decode(errors="replace").rstrip("\r\n"))
                self._said.notify_all()
        with self._said:
            self._said.notify_all()

    def mark(self) -> int:
        """
        @return: a place after all it has said, for L{expect} to begin at.
        """
        return len(self.lines)

    def expect(self, pattern: str, since: int = 0, seconds: float = PATIENCE) -> re.Match[str]:
        """
        Wait until it says something.

        @param pattern: a regular expression, sought in each line.
        @param since: a L{mark}; what was said before does not count.
        @param seconds: how long to wait.
        @return: the match in the first such line.
        @raise AssertionError: it did not, in time or before it ended; its last lines are told.
        """
        expression = re.compile(pattern)

        def found() -> re.Match[str] | bool | None:
            matches = (expression.search(line) for line in self.lines[since:])
            return next(filter(None, matches), None) or not self._reader.is_alive()

        with self._said:
            match = self._said.wait_for(found, seconds)
        if isinstance(match, re.Match):
            return match
        raise AssertionError(f"{self.argv[0]} did not say {pattern!r}, but\n{self.tail()}")

    def tail(self) -> str:
        """
        @return: its last lines.
        """
        return "\n".join(self.lines[-60:])

    def say(self, line: str) -> None:
        """
        Write a line to its input.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()

    def alive(self) -> bool:
        """
        @return: whether it has not ended.
        """
        return self._process.poll() is None

    def wait(self, seconds: float = PATIENCE) -> int:
        """
        Wait until it ends of itself.

        @return: its exit code.
        @raise AssertionError: it did not in so many seconds; it is killed then.
        """
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.stop(signal.SIGKILL)
            message = f"{self.argv[0]} did not end in {seconds:.0f} s, but said\n{self.tail()}"
            raise AssertionError(message) from None
        self._finish()
        return code

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """
        End it, if it has not ended.

        @param number: the signal.
        @raise AssertionError: it did not end of that, and was killed.
        """
        if self.alive():
            self._process.send_signal(number)
            self.wait()
        else:
            self._finish()

    def _finish(self) -> None:
        self._reader.join(PATIENCE)
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
