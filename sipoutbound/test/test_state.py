"""
The state folder: keys that outlive a restart and that nobody else can read (RFC 5626 5.2, 9.3).
"""

from __future__ import annotations

import os
from errno import EACCES
from pathlib import Path
from stat import S_IMODE

from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.mistake import Mistake
from sipoutbound.outbound.flowtoken import StreamFlow
from sipoutbound.state import keysIn, keysThere, madeFolder, replaceKeys

FLOW = StreamFlow(b"8octets.", 7)


class StateTests(SynchronousTestCase):
    """
    L{madeFolder} and L{keysIn}.
    """

    def setUp(self) -> None:
        """
        A folder that is not there yet, below another.
        """
        self.folder = Path(self.mktemp()) / "state"
        self.keys = self.folder / "flow-token.keys"

    def complaint(self, folder: Path) -> str:
        """
        The one line that the operator sees about a folder.
        """
        def started() -> None:
            madeFolder(folder)
            keysIn(folder)

        line = str(self.assertRaises(Mistake, started))
        self.assertNotIn("\n", line)
        self.assertIn(f"--state {folder}", line)
        return line

    def test_private(self) -> None:
        """
        Whoever reads the keys can make tokens: folder and file are for their owner only, whatever
        the umask.
        """
        self.addCleanup(os.umask, os.umask(0))
        madeFolder(self.folder)
        keysIn(self.folder)
        self.assertEqual(S_IMODE(self.folder.stat().st_mode), 0o700)
        self.assertEqual(S_IMODE(self.keys.stat().st_mode), 0o600)

    def test_kept(self) -> None:
        """
        After a restart tokens are still ours: 430, not 403.
        """
        madeFolder(self.folder)
        token = keysIn(self.folder).seal(FLOW)
        madeFolder(self.folder)
        self.assertEqual(keysIn(self.folder).open(token), FLOW)

    def test_ownEach(self) -> None:
        """
        Another server has other keys.
        """
        other = self.folder.with_name("other")
        for folder in (self.folder, other):
            madeFolder(folder)
        self.assertNotEqual(keysIn(self.folder), keysIn(other))

    def test_cutShort(self) -> None:
        """
        A start that was cut short while writing the keys is no hindrance for the next.
        """
        madeFolder(self.folder)
        self.keys.with_suffix(".new").write_bytes(b"# Keys of flow to")
        keysIn(self.folder)
        self.assertEqual(os.listdir(self.folder), [self.keys.name])

    def test_corrupt(self) -> None:
        """
        A key file that is none is told with its line, without its secret, and never replaced.
        """
        madeFolder(self.folder)
        tooHigh = b"300 " + b"ab" * 32
        for text in (b"", b"# no key\n", b"1 0123456789abcdef\n", b"\xff\0\xff", tooHigh):
            self.keys.write_bytes(text)
            line = self.complaint(self.folder)
            self.assertIn("flow-token.keys", line)
            self.assertNotIn("0123456789abcdef", line)
            self.assertEqual(self.keys.read_bytes(), text)

    def test_notAFolder(self) -> None:
        """
        A file in the way is told.
        """
        self.folder.parent.mkdir(parents=True)
        self.folder.write_bytes(b"")
        self.complaint(self.folder)
        self.complaint(self.folder / "below")

    def test_keysAreAFolder(self) -> None:
        """
        So is a folder in the place of the keys.
        """
        self.keys.mkdir(parents=True)
        self.complaint(self.folder)

    def test_notWritable(self) -> None:
        """
        A folder that cannot be written is told at the start, not with the first registration.
        """
        madeFolder(self.folder)
        self.patch(os, "access", lambda path, mode: False)  # root may write everywhere
        self.assertIn("writable", self.complaint(self.folder))

    def test_notReadable(self) -> None:
        """
        Keys that cannot be read are told.
        """
        def forbidden(path: Path) -> bytes:
            raise PermissionError(EACCES, os.strerror(EACCES))

        madeFolder(self.folder)
        keysIn(self.folder)
        self.patch(Path, "read_bytes", forbidden)  # root may read everything
        self.assertIn(os.strerror(EACCES), self.complaint(self.folder))

    def test_replaced(self) -> None:
        """
        Other keys take the place of the old ones in one step, and are for the same owner only: a
        command of root's does not lock the server out.
        """
        madeFolder(self.folder)
        keys = keysIn(self.folder).rotated()
        owners: list[tuple[int, ...]] = []
        self.patch(os, "fchown", lambda file, *owner: owners.append(owner))
        before = self.keys.stat()
        replaceKeys(self.folder, keys)
        self.assertEqual(keysThere(self.folder), keys)
        self.assertEqual(S_IMODE(self.keys.stat().st_mode), 0o600)
        self.assertEqual(owners, [(before.st_uid, before.st_gid)])
        self.assertEqual(os.listdir(self.folder), [self.keys.name])
