"""
A process of its own, and what it tells.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from twisted.internet import defer, reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol

# Seconds for anything that takes a part of one.
PATIENCE = 8.0

HERE = Path(__file__).resolve().parent

Told = dict[str, Any]


class Actor(ProcessProtocol):
    """
    One of the programs beside this file.

    @ivar name: what people call it.
    @ivar told: all that it has told.
    @ivar ended: fires when the process is no more.
    """

    def __init__(self, name: str, program: str, *words: str) -> None:
        self.name = name
        self.told: list[Told] = []
        self.ended: Deferred[None] = Deferred()
        self._waiting: list[tuple[Callable[[Told], bool], Deferred[Told]]] = []
        self._begun = self._errors = b""
        argv = [sys.executable, str(HERE / program), *words]
        reactor.spawnProcess(self, sys.executable, argv, os.environ)

    def outReceived(self, data: bytes) -> None:
        """
        It tells something.
        """
        *lines, self._begun = (self._begun + data).split(b"\n")
        for line in lines:
            self._tell({**json.loads(line), "who": self.name})

    def _tell(self, told: Told) -> None:
        self.told.append(told)
        for each in [each for each in self._waiting if each[0](told)]:
            self._waiting.remove(each)
            each[1].callback(told)

    def errReceived(self, data: bytes) -> None:
        """
        It complains.
        """
        self._errors += data

    async def until(self, what: Callable[[Told], bool], since: float, missing: str) -> Told:
        """
        Wait until it tells something.

        @param since: what was told before does not count.
        @param missing: what it means when it is not told in time.
        @raise TimeoutError: it is not.
        """
        for told in self.told:
            if told["at"] >= since and what(told):
                return told
        waiting: Deferred[Told] = Deferred()
        self._waiting.append((what, waiting))
        try:
            return await waiting.addTimeout(PATIENCE, reactor)
        except defer.TimeoutError:
            complaint = self._errors.decode(errors="replace").strip()
            raise TimeoutError(f"{missing}\n{complaint}".strip()) from None

    def say(self, line: str) -> None:
        """
        Write a line to its input.
        """
        self.transport.write(line.encode() + b"\n")

    def kill(self) -> None:
        """
        End it as a power cut would.
        """
        with suppress(ProcessExitedAlready):
            self.transport.signalProcess("KILL")

    def processEnded(self, reason: Any) -> None:
        """
        It is no more.
        """
        self.ended.callback(None)
