"""
Tests of L{sipoutbound.location.sqlite} and L{sipoutbound.location.thread}.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from pathlib import Path
from subprocess import PIPE, Popen
from time import time

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.trial.unittest import SynchronousTestCase, TestCase

import sipoutbound
from sipoutbound.location.service import Location
from sipoutbound.location.sqlite import SQLiteStore
from sipoutbound.location.store import StoreError
from sipoutbound.location.thread import StoreThread
from sipoutbound.outbound.binding import Binding
from sipoutbound.test.registers import NOW, binding, to

# Whatever a client may send: not UTF-8, not ASCII, empty, with a NUL.
TEXTS = st.binary(max_size=12)
LINES = st.binary(min_size=1, max_size=12).filter(lambda line: b"\n" not in line)
BINDINGS = st.builds(
    Binding,
    aor=TEXTS,
    contact=TEXTS,
    params=TEXTS,
    instance=st.none() | TEXTS,
    regId=st.none() | st.integers(1, (1 << 31) - 1),
    path=st.lists(LINES, max_size=3).map(tuple),
    callId=TEXTS,
    cseq=st.integers(0, (1 << 31) - 1),
    q=st.integers(0, 1000),
    expires=st.integers(0, 1 << 33),
    updated=st.floats(0, 1e10),
    userAgent=TEXTS,
    flow=TEXTS,
    flowTimer=st.integers(0, 999),
)

# Commits until it is killed, and says what it has committed.
WRITER = """
import sys
from pathlib import Path
from sipoutbound.location.sqlite import SQLiteStore
from sipoutbound.test.registers import binding

store = SQLiteStore(Path(sys.argv[1]))
for number in range(1000000):
    each = binding(number)
    store.commit({(each.aor, each.key): each})
    print(number, flush=True)
"""


def rows(*bindings: Binding) -> dict[tuple[bytes, bytes], Binding | None]:
    """
    What keeps these.
    """
    return {(each.aor, each.key): each for each in bindings}


class SQLiteStoreTests(SynchronousTestCase):
    """
    One file, written and read again.
    """

    def setUp(self) -> None:
        """
        Name the file.
        """
        self.path = Path(self.mktemp())
        self.store = SQLiteStore(self.path)
        self.addCleanup(self.store.close)

    def kept(self) -> set[Binding]:
        """
        What somebody else finds in the file, the store not being closed: as after a crash.
        """
        other = SQLiteStore(self.path)
        try:
            return set(other.load())
        finally:
            other.close()

    @given(st.lists(BINDINGS, max_size=5))
    @settings(max_examples=50, deadline=None)
    def test_everythingComesBack(self, bindings: list[Binding]) -> None:
        """
        A restart changes nothing about a binding, whatever bytes the client sent.
        """
        path = Path(self.mktemp())
        store = SQLiteStore(path)
        written = rows(*bindings)
        store.commit(written)
        store.close()
        self.assertEqual(sorted(store.load(), key=repr), sorted(written.values(), key=repr))
        store.close()

    def test_olderVersion(self) -> None:
        """
        A new release finds what an older one has stored, and goes on from there.
        """
        one, other = binding(1, flowTimer=0), binding(2, flowTimer=120)
        self.store.commit(rows(one))
        self.store.close()
        before = sqlite3.connect(self.path)
        before.executescript(
            "ALTER TABLE binding DROP COLUMN flow_timer; PRAGMA user_version = 1"
        )
        before.close()
        self.assertEqual(self.kept(), {one})
        self.store.commit(rows(other))
        self.assertEqual(self.kept(), {one, other})

    def test_withoutClose(self) -> None:
        """
        What was committed is there after the process was killed; updated and deleted rows too.
        """
        one, two, three = binding(1), binding(2), binding(3)
        self.store.commit(rows(one, two, three))
        changed = binding(1, cseq=2, contact=b"sip:new@h")
        self.store.commit({**rows(changed), (two.aor, two.key): None})
        self.assertEqual(self.kept(), {changed, three})

    def test_removedWhileInUse(self) -> None:
        """
        A phone is not told that it is registered when what it is kept in is gone from the disk.
        """
        self.store.commit(rows(binding(1)))
        self.path.unlink()
        self.assertRaises(StoreError, self.store.commit, rows(binding(2)))
        self.store.commit(rows(binding(3)))
        self.assertEqual(self.kept(), {binding(3)})

    def test_killed(self) -> None:
        """
        After kill -9 in the midst of writing, every binding that was acknowledged is there.
        """
        root = str(Path(sipoutbound.__file__).parents[1])
        command = [sys.executable, "-c", WRITER, str(self.path)]
        with Popen(command, stdout=PIPE, env={**os.environ, "PYTHONPATH": root}) as writer:
            assert writer.stdout is not None
            acknowledged = [int(writer.stdout.readline()) for _ in range(20)]
            writer.kill()
            acknowledged += [int(line) for line in writer.stdout.read().split()]
        self.assertLessEqual({binding(number) for number in acknowledged}, self.kept())
        self.assertLessEqual(len(self.kept()), len(acknowledged) + 1)

    def test_allOrNothing(self) -> None:
        """
        A commit that cannot be carried out leaves no half of it behind, and the next one works.
        """
        self.store.commit(rows(binding(1)))
        impossible = binding(2, cseq=1 << 80)
        self.assertRaises(StoreError, self.store.commit, rows(binding(3), impossible))
        self.assertEqual(self.kept(), {binding(1)})
        self.store.commit(rows(binding(3)))
        self.assertEqual(self.kept(), {binding(1), binding(3)})

    def test_table(self) -> None:
        """
        An operator with an SQLite shell can read who is registered.
        """
        self.store.commit(rows(binding(7, q=500)))
        shell = sqlite3.connect(self.path)
        self.addCleanup(shell.close)
        self.assertEqual(
            shell.execute(
                "SELECT aor, instance, reg_id, contact, path, expires, call_id, cseq, updated, q,"
                " user_agent FROM binding"
            ).fetchall(),
            [("user7@example.test", "urn:uuid:7", 1, "sip:user7@192.0.2.1",
              "<sip:token1@edge.test;lr;ob>", int(NOW) + 3600, "call7", 1, NOW, 0.5,
              "Phone/1.0")],
        )  # fmt: skip
        self.assertEqual(shell.execute("PRAGMA journal_mode").fetchone(), ("wal",))

    def test_readWhileWriting(self) -> None:
        """
        Somebody who looks at the table does not hold up registrations.
        """
        self.store.commit(rows(binding(1)))
        shell = sqlite3.connect(self.path, isolation_level=None)
        self.addCleanup(shell.close)
        shell.execute("BEGIN")
        shell.execute("SELECT * FROM binding").fetchall()
        self.store.commit(rows(binding(2)))
        self.assertEqual(self.kept(), {binding(1), binding(2)})

    def test_check(self) -> None:
        """
        The file is made when the server is set up, so that mistakes are told then.
        """
        self.store.check()
        self.assertEqual(self.kept(), set())
        self.store.check()

    def assertTrouble(self, *words: str) -> None:
        """
        The check fails with one line that names the file and says why.
        """
        for call in (self.store.check, lambda: list(self.store.load())):
            with self.assertRaises(StoreError) as caught:
                call()
            text = str(caught.exception)
            for word in (str(self.path), *words):
                self.assertIn(word, text)
            self.assertNotIn("\n", text)

    def test_noDirectory(self) -> None:
        """
        A mistyped directory is named.
        """
        self.path = Path(self.mktemp()) / "location.sqlite"
        self.store = SQLiteStore(self.path)
        self.assertTrouble("no such directory")

    def test_isDirectory(self) -> None:
        """
        A directory is no database.
        """
        self.path.mkdir()
        self.assertTrouble("unable to open")

    def test_notADatabase(self) -> None:
        """
        A file of something else is not touched.
        """
        self.path.write_bytes(b"not a database" * 100)
        self.assertTrouble("not a database")
        self.assertEqual(self.path.read_bytes(), b"not a database" * 100)

    def test_otherProgram(self) -> None:
        """
        Another program's database gets no table of ours.
        """
        other = sqlite3.connect(self.path)
        other.execute("CREATE TABLE photos (name)")
        other.close()
        self.assertTrouble("another program")

    def test_newerVersion(self) -> None:
        """
        A database of a later release is left to that release.
        """
        self.store.check()
        other = sqlite3.connect(self.path)
        other.execute("PRAGMA user_version = 3")
        other.close()
        self.assertTrouble("newer version")

    def test_readOnly(self) -> None:
        """
        A database that cannot be written is found out at the start, not by the first phone.
        """
        self.store.check()
        self.path.chmod(0o444)
        if os.geteuid() == 0:
            # Root writes everything: be nobody for once.
            os.seteuid(65534)
            self.addCleanup(os.seteuid, 0)
        self.assertTrouble("no permission to write")


class LocationInSQLiteTests(TestCase):
    """
    The real thing: a service, a thread, a file.
    """

    def start(self, path: Path) -> Location:
        """
        A running service above the file.
        """
        location = Location(reactor, time)
        location.keepIn(SQLiteStore(path), StoreThread(reactor))  # type: ignore[arg-type]
        location.startService()
        return location

    async def test_restart(self) -> None:
        """
        A thousand phones register at once; all of them are there after the restart, and those that
        were removed are not.
        """
        path = Path(self.mktemp())
        soon = int(time()) + 3600
        phones = [binding(number, expires=soon) for number in range(1000)]
        location = self.start(path)
        changes = [
            Deferred.fromCoroutine(location.change(each.aor, to(each))) for each in phones
        ]
        await gatherResults(changes)
        location.flowDied(b"flow7")
        await location.remove(phones[8])
        await location.stopService()
        location = self.start(path)
        self.assertEqual(set(location.bindings()), {*phones} - {phones[7], phones[8]})
        await location.stopService()
