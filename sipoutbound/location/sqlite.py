"""
A store in an SQLite database: one file, nothing to set up.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from attrs import define, field

from sipoutbound.location.store import Rows, StoreError
from sipoutbound.outbound.binding import Binding

_SQL: Final = files("sipoutbound.location")
_SCHEMA: Final = _SQL.joinpath("schema.sql").read_text()
_KEEP: Final = _SQL.joinpath("keep.sql").read_text()
_DELETE: Final = "DELETE FROM binding WHERE aor = CAST(? AS TEXT) AND key = CAST(? AS TEXT)"
_LOAD: Final = (
    "SELECT aor, contact, params, instance, reg_id, path,"
    " call_id, cseq, q, expires, updated, user_agent, flow, flow_timer FROM binding"
)

#: The version of schema.sql, and what makes each older version the next one.
_VERSION: Final = 2
_UPGRADES: Final = {1: _SQL.joinpath("upgrade-1.sql").read_text()}

#: How long to wait for somebody else who has the database locked, such as a person with a shell, in
#: milliseconds. A client waits 32 s for its answer (RFC 3261 17.1.2.2).
_BUSY: Final = 5000

# Write-ahead log: people can read while we write. FULL: a commit outlives a power cut.
_SETTINGS: Final = f"""
    PRAGMA busy_timeout = {_BUSY};
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
"""


@define(eq=False)
class SQLiteStore:
    """
    A L{sipoutbound.location.store.Store} in a file, which is made when it is not there.
    """

    _path: Path
    _connection: sqlite3.Connection | None = field(default=None, init=False)
    _file: tuple[int, int] | None = field(default=None, init=False)

    def check(self) -> None:
        """
        Make sure that the database can be opened and written, and leave it closed: a process may
        divide in two after this.

        @raise StoreError: when it cannot.
        """
        self._open()
        self.close()

    def load(self) -> Iterator[Binding]:
        """
        See L{sipoutbound.location.store.Store.load}.
        """
        try:
            rows = self._open().execute(_LOAD)
            yield from map(_binding, rows)
        except sqlite3.Error as error:
            raise self._trouble(error) from error

    def commit(self, rows: Rows) -> None:
        """
        See L{sipoutbound.location.store.Store.commit}. After an error the database is opened anew.
        """
        connection = self._open()
        try:
            if _identity(self._path) != self._file:
                raise StoreError(f"{self._path}: removed or replaced while in use")
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(_DELETE, (key for key, kept in rows.items() if kept is None))
            connection.executemany(_KEEP, (_row(kept) for kept in rows.values() if kept))
            connection.execute("COMMIT")
        except StoreError:
            self.close()
            raise
        except Exception as error:
            # Whatever it was, closing ends the transaction.
            self.close()
            raise self._trouble(error) from error

    def close(self) -> None:
        """
        See L{sipoutbound.location.store.Store.close}. What is not committed is rolled back.
        """
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._checkPlace()
            try:
                self._connection = self._opened()
                self._file = _identity(self._path)
            except sqlite3.Error as error:
                raise self._trouble(error) from error
        return self._connection

    def _checkPlace(self) -> None:
        # SQLite says no more than that it cannot open the file. It writes others beside it.
        folder = self._path.parent
        if not folder.is_dir():
            raise StoreError(f"{self._path}: no such directory: {folder}")
        for place in (folder, self._path):
            if place.exists() and not os.access(place, os.W_OK, effective_ids=True):
                raise StoreError(f"{self._path}: no permission to write {place}")

    def _opened(self) -> sqlite3.Connection:
        # Used by one thread at a time, but not always the same.
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        try:
            connection.executescript(_SETTINGS)
            self._upgrade(connection)
            # Says so at once when it is read-only.
            connection.executescript("BEGIN IMMEDIATE; ROLLBACK")
        except BaseException:
            connection.close()
            raise
        connection.text_factory = bytes
        return connection

    def _upgrade(self, connection: sqlite3.Connection) -> None:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if version == 0 and tables == 0:
            connection.executescript(_SCHEMA)
        elif version == 0:
            raise StoreError(f"{self._path}: a database of another program")
        elif version > _VERSION:
            raise StoreError(f"{self._path}: made by a newer version (schema {version})")
        else:
            for older in range(version, _VERSION):
                connection.executescript(_UPGRADES[older])

    def _trouble(self, error: Exception) -> StoreError:
        return StoreError(f"{self._path}: {error}")


def _identity(path: Path) -> tuple[int, int] | None:
    # SQLite goes on writing to a file that has been removed, and says nothing.
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _row(binding: Binding) -> tuple[Any, ...]:
    return (
        binding.aor,
        binding.key,
        binding.instance,
        binding.regId,
        binding.contact,
        binding.params,
        b"\n".join(binding.path),
        binding.flow,
        binding.q / 1000,
        binding.expires,
        binding.updated,
        binding.callId,
        binding.cseq,
        binding.userAgent,
        binding.flowTimer,
    )


def _binding(row: tuple[Any, ...]) -> Binding:
    # In the order of the attributes of a Binding, which is the order of _LOAD.
    fields = list(row)
    fields[5] = tuple(row[5].split(b"\n")) if row[5] else ()
    fields[8] = round(row[8] * 1000)
    return Binding(*fields)
