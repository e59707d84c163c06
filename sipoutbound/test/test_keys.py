"""
The command by which operators see and change the keys of flow tokens.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from stat import S_IMODE

from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.keys import main
from sipoutbound.mistake import Mistake
from sipoutbound.outbound.flowtoken import StreamFlow
from sipoutbound.state import keyFile, keysIn, keysThere, madeFolder
from sipoutbound.test.bed import environment

FLOW = StreamFlow(b"8octets.", 7)


class KeysTests(SynchronousTestCase):
    """
    C{python -m sipoutbound.keys}.
    """

    def setUp(self) -> None:
        """
        A state folder with keys.
        """
        self.folder = Path(self.mktemp())
        madeFolder(self.folder)
        self.keys = keysIn(self.folder)

    def typed(self, *words: str) -> list[list[str]]:
        """
        What a command prints: the words of each line.
        """
        with redirect_stdout(StringIO()) as printed:
            main(["--state", str(self.folder), *words])
        for key in keysThere(self.folder).all:
            self.assertNotIn(key.secret.hex(), printed.getvalue())
        return [line.split() for line in printed.getvalue().splitlines()]

    def test_show(self) -> None:
        """
        Which keys there are, and nothing is changed, not even the file's time.
        """
        before = keyFile(self.folder).stat().st_mtime_ns
        key = self.keys.keys[0]
        self.assertEqual(self.typed("show"), [[str(key.number), key.fingerprint, "seals"]])
        self.assertEqual(keyFile(self.folder).stat().st_mtime_ns, before)

    def test_rotate(self) -> None:
        """
        A single edge has a new key with one command; what was sealed before is still opened.
        """
        token = self.keys.seal(FLOW)
        first, second = self.typed("rotate")
        self.assertEqual((first[2], second[2]), ("seals", "opens"))
        keys = keysThere(self.folder)
        self.assertEqual(keys.open(token), FLOW)
        self.assertNotEqual(keys.seal(FLOW), token)

    def test_prepareAndSwitch(self) -> None:
        """
        For edges that share their keys a new key comes in two steps, and the file that is handed
        to the others says so.
        """
        token = self.keys.seal(FLOW)
        self.assertEqual([does for _, _, *does in self.typed("prepare")][1], ["opens,", "next"])
        self.assertEqual(keysThere(self.folder).seal(FLOW), token)
        self.assertEqual([does for _, _, *does in self.typed("switch")], [["seals"], ["opens"]])
        self.assertNotEqual(keysThere(self.folder).seal(FLOW), token)

    def test_retire(self) -> None:
        """
        Keys that have leaked are gone.
        """
        self.typed("rotate")
        self.assertEqual(len(self.typed("retire")), 1)

    def test_refused(self) -> None:
        """
        What can't be done is told in one line, and the keys stay as they are.
        """
        before = keyFile(self.folder).read_bytes()
        line = str(self.assertRaises(Mistake, self.typed, "switch"))
        self.assertIn("switch: no key is next", line)
        self.assertEqual(keyFile(self.folder).read_bytes(), before)

    def test_typedAsDocumented(self) -> None:
        """
        The command works as it is typed; a folder without keys is told, and none are made there: a
        slip in its name would look like success.
        """
        command = [sys.executable, "-m", "sipoutbound.keys", "--state"]
        for folder, words in ((self.folder, "rotate"), (self.folder.with_name("none"), "rotate")):
            ended = subprocess.run(
                [*command, str(folder), words],
                env=environment(), capture_output=True, text=True, timeout=60, check=False,
            )  # fmt: skip
            if folder == self.folder:
                self.assertEqual((ended.returncode, ended.stderr), (0, ""))
                self.assertEqual(len(ended.stdout.splitlines()), 2)
                self.assertEqual(S_IMODE(keyFile(folder).stat().st_mode), 0o600)
            else:
                self.assertEqual((ended.returncode, ended.stdout), (1, ""))
                self.assertEqual(ended.stderr.count("\n"), 1, ended.stderr)
                self.assertFalse(os.path.exists(folder))
