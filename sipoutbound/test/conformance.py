"""
The conformance table: the inventory of what the RFCs state, and the judgement on each statement.

Both are files in C{docs/}, beside the package in a checkout and in a source distribution.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from attrs import frozen

import sipoutbound

#: Where the two files are, unless the package was installed without them.
FOLDER: Final = Path(sipoutbound.__file__).parents[1] / "docs"

KEPT: Final = "kept"
NOT_APPLICABLE: Final = "not applicable"
NOT_KEPT: Final = "not kept"
STATES: Final = (KEPT, NOT_APPLICABLE, NOT_KEPT)

#: RFC 2119 1, 2: REQUIRED is MUST; here it marks what an RFC demands without that word.
MUST: Final = ("MUST", "MUST NOT", "REQUIRED")
#: RFC 2119 3, 4.
SHOULD: Final = ("SHOULD", "SHOULD NOT")

LEVELS: Final = (*MUST, *SHOULD, "MAY")

#: Who plays the server's part of RFC 5626; the rest is the user agent's.
SERVER_ROLES: Final = ("edge", "registrar", "authoritative-proxy", "transport", "all")
ROLES: Final = (*SERVER_ROLES, "proxy", "UA")

#: RFC 5626 12 repeats what RFC 3261 26.3.1 demands of all: digest and TLS. Neither is there yet;
#: the line goes when they are, and a test says so.
LATER: Final = ("5626-12-4",)


@frozen
class Statement:
    """
    One statement of an RFC, as a line of C{statements.csv} names it.

    @ivar id: RFC, section and a number in it, such as C{"5626-4.2.1-3"}.
    @ivar rfc: the RFC's number.
    @ivar section: its section.
    @ivar role: who is to keep it.
    @ivar level: C{"MUST"}, C{"SHOULD NOT"} and so on.
    """

    id: str
    rfc: str
    section: str
    role: str
    level: str

    @property
    def owed(self) -> bool:
        """
        Whether it is a MUST of RFC 5626 for the server, which nothing excuses.
        """
        ours = self.rfc == "5626" and self.level in MUST and self.role in SERVER_ROLES
        return ours and self.id not in LATER


@frozen
class Judgement:
    """
    What is said about one statement, as a line of C{conformance.csv}.

    @ivar id: the statement's.
    @ivar level: the statement's.
    @ivar state: one of L{STATES}.
    @ivar tests: dotted names of the tests that show it.
    @ivar reason: why it is not kept; empty where it is.
    """

    id: str
    level: str
    state: str
    tests: tuple[str, ...]
    reason: str


def statements(lines: Iterable[str]) -> list[Statement]:
    """
    @param lines: of C{statements.csv}, the first with the columns' names.
    @return: the inventory, in its order.
    @raise ValueError: for other columns.
    """
    return [Statement(**row) for row in _rows(lines, "id,rfc,section,role,level")]


def judgements(lines: Iterable[str]) -> list[Judgement]:
    """
    @param lines: of C{conformance.csv}, the first with the columns' names.
    @return: the judgements, in its order.
    @raise ValueError: for other columns.
    """
    return [
        Judgement(row["id"], row["level"], row["state"], tuple(row["tests"].split()), row["reason"])
        for row in _rows(lines, "id,level,state,tests,reason")
    ]


def _rows(lines: Iterable[str], columns: str) -> Iterator[Mapping[str, str]]:
    header, *rows = csv.reader(lines)
    if header != columns.split(","):
        raise ValueError(f"the columns are {','.join(header)} and should be {columns}")
    for number, row in enumerate(rows, 2):
        if len(row) != len(header):
            raise ValueError(f"row {number} has {len(row)} columns: {','.join(row)}")
        yield dict(zip(header, row, strict=True))


def inventory(folder: Path = FOLDER) -> list[Statement]:
    """
    @param folder: where C{statements.csv} is.
    @return: what it lists.
    @raise OSError: when it is not there.
    """
    with open(folder / "statements.csv", encoding="utf-8", newline="") as lines:
        return statements(lines)


def table(folder: Path = FOLDER) -> list[Judgement]:
    """
    @param folder: where C{conformance.csv} is.
    @return: what it lists.
    @raise OSError: when it is not there.
    """
    with open(folder / "conformance.csv", encoding="utf-8", newline="") as lines:
        return judgements(lines)


def flaws(stated: Sequence[Statement], judged: Sequence[Judgement]) -> list[str]:
    """
    What is wrong with a table, apart from its tests.

    @param stated: the inventory.
    @param judged: the judgements, which should be one for each statement.
    @return: a line for each flaw, the statement's id first.
    """
    by = {statement.id: statement for statement in stated}
    found = [*_slips(stated), *_miscounted(by, judged)]
    for judgement in judged:
        found += [f"{judgement.id}: {flaw}" for flaw in _flawsOf(judgement)]
        if statement := by.get(judgement.id):
            found += [f"{judgement.id}: {flaw}" for flaw in _mismatches(statement, judgement)]
    return found


def _slips(stated: Sequence[Statement]) -> Iterator[str]:
    times = Counter(statement.id for statement in stated)
    yield from (f"{id}: is stated {number} times" for id, number in times.items() if number > 1)
    for each in stated:
        if each.level not in LEVELS:
            yield f"{each.id}: '{each.level}' is none of the levels {', '.join(LEVELS)}"
        if each.role not in ROLES:
            yield f"{each.id}: '{each.role}' is none of the roles {', '.join(ROLES)}"


def _miscounted(by: Mapping[str, Statement], judged: Sequence[Judgement]) -> Iterator[str]:
    times = Counter(judgement.id for judgement in judged)
    yield from (f"{id}: has no row" for id in by if id not in times)
    yield from (f"{id}: is no statement of the inventory" for id in times if id not in by)
    yield from (f"{id}: has {number} rows" for id, number in times.items() if number > 1)


def _flawsOf(judgement: Judgement) -> Iterator[str]:
    kept = judgement.state == KEPT
    if judgement.state not in STATES:
        yield f"'{judgement.state}' is no state"
    if kept and not judgement.tests:
        yield "kept, but no test shows it"
    if kept and judgement.reason:
        yield "kept, but has a reason why it is not"
    if not kept and not judgement.reason.strip():
        yield f"{judgement.state} without a reason"
    for name in judgement.tests:
        if judgement.tests.count(name) > 1:
            yield f"names {name} twice"
            break


def _mismatches(statement: Statement, judgement: Judgement) -> Iterator[str]:
    if judgement.level != statement.level:
        yield f"is called {judgement.level} and is a {statement.level}"
    if statement.id in LATER and judgement.state == KEPT:
        yield "kept, and needs its exception no longer"
    if statement.owed and judgement.state != KEPT:
        yield f"{judgement.state}, but a {statement.level} of RFC 5626 for {statement.role}"
