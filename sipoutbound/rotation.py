"""
Keys of flow tokens that the operator changes while the server runs.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

from attrs import define, field
from twisted.logger import Logger

from sipoutbound.mistake import Mistake
from sipoutbound.outbound.flowtoken import Keys
from sipoutbound.state import keyFile, keysThere

log = Logger()

#: How often the key file is looked at, in seconds. What has changed is taken at the second look
#: that finds it the same: whoever copies a file in place writes it piece by piece.
PERIOD: Final = 5.0

# What tells one content of the file from the next: the times in nanoseconds, the size, the inode.
Look = tuple[int, int, int, int]


class Keyed(Protocol):
    """
    What uses keys.
    """

    keys: Keys


@define(eq=False, repr=False)
class Rotation:
    """
    Watches the key file, and takes over what it says. As long as that is nothing that can be used,
    the keys stay what they are.

    @ivar folder: the state folder.
    @ivar flows: whose keys they are.
    @ivar later: calls back after some seconds.
    """

    folder: Path
    flows: Keyed
    later: Callable[[float, Callable[[Any], None], Any], Any]
    _known: Look | None = field(default=None, init=False)
    _seen: Look | None = field(default=None, init=False)

    def watch(self) -> None:
        """
        Look from now on.
        """
        self.later(PERIOD, self._again, None)

    def _again(self, _: None) -> None:
        self.watch()
        look = self._look()
        if look == self._seen != self._known:
            self._known = look
            self._take()
        self._seen = look

    def _look(self) -> Look | None:
        try:
            found = keyFile(self.folder).stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino

    def _take(self) -> None:
        try:
            keys = keysThere(self.folder)
        except Mistake as mistake:
            log.error("flow tokens: the keys stay as they are; {mistake}", mistake=str(mistake))
            return
        if keys != self.flows.keys:
            self.flows.keys = keys
            log.info("flow tokens: {keys}", keys=described(keys))


def described(keys: Keys) -> str:
    """
    The keys in one line for people: ids and what each does, no secret.
    """
    older = ", ".join(str(key.number) for key in keys.keys[1:])
    opened = f"; older ones opened: {older}" if older else ""
    coming = "" if keys.coming is None else f"; next: {keys.coming.number}"
    return f"sealed with key {keys.keys[0].number}{opened}{coming}"
