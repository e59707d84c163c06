"""
That the messages of RFC 4475 and RFC 5118 are here whole, octet by octet.
"""

from __future__ import annotations

import re
from collections import Counter
from hashlib import sha256

from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.test.bytewise import Raw
from sipoutbound.test.test_wire_torture import UNFRAMED
from sipoutbound.test.tortures import FILES, octets

#: Of all files of a folder one after the other, by their names.
DIGESTS = {
    "rfc4475": "c130abdedde20f53b7f1c70181dc8fc115afd568a12977d7db3d597f39a21378",
    "rfc5118": "4d2712e5d4d132b3e3c523876e04d9acfe4276e31095d77163e9b753386e1749",
}


class FilesTests(SynchronousTestCase):
    """
    The files under C{torture/}.
    """

    def test_all(self) -> None:
        """
        All 49 of RFC 4475, and the twelve of the ten sections of RFC 5118.
        """
        folders = Counter(path.parent.name for path in FILES.values())
        self.assertEqual(folders, {"rfc4475": 49, "rfc5118": 12})

    def test_octets(self) -> None:
        """
        None has been changed, by an editor or by git.
        """
        for folder, digest in DIGESTS.items():
            names = [name for name, path in FILES.items() if path.parent.name == folder]
            self.assertEqual(sha256(b"".join(map(octets, names))).hexdigest(), digest)

    def test_lengths(self) -> None:
        """
        Each has the line breaks of SIP and as much body as it says, but for those that are about
        the lack of it.
        """
        for name in FILES.keys() - UNFRAMED:
            raw = Raw.of(octets(name))
            (length,) = raw.only(b"content-length", b"l")
            self.assertEqual(int(length.partition(b":")[2]), len(raw.body), name)
            for line in (raw.start, *raw.lines):
                self.assertIsNone(re.search(rb"(?<!\r)\n", line), name)
