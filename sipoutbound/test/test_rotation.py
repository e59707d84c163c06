"""
Keys that are changed while the server runs, by whoever may write its state folder.
"""

from __future__ import annotations

from pathlib import Path

from attrs import define
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.outbound.flowtoken import Keys
from sipoutbound.outbound.key import Key
from sipoutbound.rotation import PERIOD, Rotation
from sipoutbound.state import keyFile, keysIn, madeFolder, replaceKeys


@define(eq=False)
class Ring:
    """
    What has keys.
    """

    keys: Keys


class RotationTests(SynchronousTestCase):
    """
    L{Rotation}.
    """

    def setUp(self) -> None:
        """
        A state folder that is watched.
        """
        self.folder = Path(self.mktemp())
        madeFolder(self.folder)
        self.keys = keysIn(self.folder)
        self.ring, self.clock = Ring(self.keys), Clock()
        Rotation(self.folder, self.ring, self.clock.callLater).watch()
        self.look(3)

    def look(self, times: int = 1) -> None:
        """
        Let it look.
        """
        for _ in range(times):
            self.clock.advance(PERIOD)

    def test_taken(self) -> None:
        """
        What the operator has written is in use soon, time after time, without a restart.
        """
        keys = self.keys
        for _ in range(3):
            keys = keys.rotated()
            replaceKeys(self.folder, keys)
            self.look(2)
            self.assertEqual(self.ring.keys, keys)

    def test_untouched(self) -> None:
        """
        While nothing is changed no token is sealed anew.
        """
        self.look(5)
        self.assertIs(self.ring.keys, self.keys)

    def test_inPieces(self) -> None:
        """
        A file that is just being copied in place is not taken before that has come to its end: the
        keys that are still missing would make strangers of registered phones.
        """
        keys = self.keys.rotated().rotated()
        whole = bytes(keys)
        cuts = [at + 1 for at, octet in enumerate(whole) if octet == 10]
        for cut in cuts:
            keyFile(self.folder).write_bytes(whole[:cut])
            self.assertEqual(self.ring.keys, self.keys)
            self.look()
        self.assertEqual(self.ring.keys, self.keys)
        self.look()
        self.assertEqual(self.ring.keys, keys)

    def test_unusable(self) -> None:
        """
        With a file that is none, or none at all, the server goes on with the keys that it has, says
        so once, without a secret, and takes the next that is sound.
        """
        for text in (b"", b"1 0123456789abcdef\n", None):
            if text is None:
                keyFile(self.folder).unlink()
            else:
                keyFile(self.folder).write_bytes(text)
            with capturedLogs() as events:
                self.look(5)
            (line,) = map(formatEvent, events)
            self.assertIn("flow-token.keys", line)
            self.assertNotIn("0123456789abcdef", line)
            self.assertIs(self.ring.keys, self.keys)
        keyFile(self.folder).write_bytes(bytes(self.keys.rotated()))
        self.look(2)
        self.assertNotEqual(self.ring.keys, self.keys)

    def test_told(self) -> None:
        """
        The log says which key is used from when on, and what each of them does: that is what the
        operator waits for before he makes the switch.
        """
        keys = Keys((Key(7, bytes(32)), Key(5, bytes(32))), Key(8, bytes(32)))
        replaceKeys(self.folder, keys)
        with capturedLogs() as events:
            self.look(5)
        (line,) = map(formatEvent, events)
        self.assertEqual(
            line, "flow tokens: sealed with key 7; older ones opened: 5; next: 8"
        )
