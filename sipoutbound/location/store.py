"""
What the location service asks of a store: small, synchronous, knowing nothing of SIP or Twisted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from sipoutbound.outbound.binding import Binding

#: By AoR and L{Binding.key}: the binding to keep, or C{None} for one to be deleted.
Rows = Mapping[tuple[bytes, bytes], "Binding | None"]


class StoreError(Exception):
    """
    A store that cannot be opened, read or written. Its text is one line for an operator.
    """


class Store(Protocol):
    """
    Keeps bindings over a restart. Its methods block; they are called by one thread at a time.
    """

    def load(self) -> Iterable[Binding]:
        """
        Everything kept.

        @raise StoreError: when it cannot be read.
        """

    def commit(self, rows: Rows) -> None:
        """
        Keep and delete, all or nothing. When it returns, the rows outlive a crash.

        @raise StoreError: when nothing was changed.
        """

    def close(self) -> None:
        """
        Let go of everything. A later L{load} or L{commit} opens it anew.
        """
