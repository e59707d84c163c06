"""
Tests of instance-ids and the file that keeps one.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.agent.identity import instanceIn
from sipoutbound.outbound.instance import checkedInstance, newInstance

URN = "urn:uuid:f81d4fae-7dec-41d0-a765-00a0c91e6bf6"


class InstanceTests(SynchronousTestCase):
    """
    What is an instance-id.
    """

    def test_new(self) -> None:
        """
        Each device gets its own, a random UUID of RFC 4122 4.4.
        """
        made = {newInstance() for _ in range(100)}
        self.assertEqual(len(made), 100)
        digits = "[0-9a-f]"
        pattern = re.compile(f"urn:uuid:{digits}{{8}}-{digits}{{4}}-4{digits}{{3}}-[89ab]{digits}")
        for urn in made:
            self.assertRegex(urn, pattern)
            self.assertEqual(checkedInstance(urn), urn)

    def test_spelling(self) -> None:
        """
        It is sent in one spelling: a registrar that compares letter by letter knows us again.
        """
        self.assertEqual(checkedInstance(URN.upper()), URN)

    def test_refused(self) -> None:
        """
        Other URNs are refused: no RFC says how they are used here.
        """
        for wrong in (
            "urn:isbn:0451450523",
            "urn:uuid:1",
            URN + "0",
            "uuid:" + URN[9:],
            "urn:uuid:00000000-0000-0000-0000-000000000000",
            "",
        ):
            self.assertRaises(ValueError, checkedInstance, wrong)


class FileTests(SynchronousTestCase):
    """
    L{instanceIn}.
    """

    def setUp(self) -> None:
        """
        A place in a folder that is not there yet.
        """
        self.path = Path(self.mktemp()) / "deep" / "instance"

    def test_kept(self) -> None:
        """
        The device stays the same device after a restart.
        """
        urn = instanceIn(self.path)
        self.assertEqual([instanceIn(self.path), instanceIn(self.path)], [urn, urn])
        self.assertNotEqual(instanceIn(self.path.with_name("other")), urn)
        self.assertEqual(sorted(os.listdir(self.path.parent)), ["instance", "other"])

    def test_crash(self) -> None:
        """
        When the machine dies while the file is made, no half of an instance-id is left in it, and
        nobody has heard of the one that is lost.
        """

        def dies(number: int) -> None:
            raise OSError("the disk is gone")

        self.patch(os, "fsync", dies)
        self.assertRaises(OSError, instanceIn, self.path)
        self.assertFalse(self.path.exists())

    def test_left(self) -> None:
        """
        What a crash has left beside the file is of no matter.
        """
        self.path.parent.mkdir(parents=True)
        self.path.with_name(f"instance.{os.getpid()}.new").write_text("urn:uuid:")
        self.assertEqual(instanceIn(self.path), instanceIn(self.path))

    def test_race(self) -> None:
        """
        Two programs that start together are one device.
        """
        link = os.link

        def slower(new: Path, path: Path) -> None:
            path.write_text(URN + "\n")
            link(new, path)

        self.patch(os, "link", slower)
        self.assertEqual(instanceIn(self.path), URN)

    def test_broken(self) -> None:
        """
        A file with something else in it is not overwritten: the line says which file.
        """
        self.path.parent.mkdir(parents=True)
        self.path.write_text("my shopping list")
        error = self.assertRaises(ValueError, instanceIn, self.path)
        self.assertIn(str(self.path), str(error))
        self.assertEqual(self.path.read_text(), "my shopping list")
