"""
The directive C{conformance}: what C{statements.csv} and C{conformance.csv} beside the pages say, as
tables.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from docutils import nodes
from sourcepages import lineOf, pageOf
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.osutil import relative_uri

from sipoutbound.test.conformance import (
    STATES,
    Judgement,
    Statement,
    flaws,
    inventory,
    table,
)
from sipoutbound.test.quota import QUOTAS

TITLES = {
    "3261": "SIP",
    "3263": "Locating SIP servers",
    "3327": "Path",
    "3581": "rport",
    "3608": "Service-Route",
    "4320": "Non-INVITE transactions",
    "5389": "STUN",
    "5393": "Loops and Max-Breadth",
    "5626": "Outbound",
    "5627": "GRUU",
    "5923": "Connection reuse",
    "5954": "IPv6 addresses in URIs",
    "6026": "2xx responses to INVITE",
    "6223": "Keep-alives",
    "7118": "WebSocket",
    "8599": "Push notifications",
    "8760": "Digest with SHA-256",
}

Row = Sequence[nodes.Node]


def text(words: object) -> nodes.paragraph:
    """
    A cell with words.
    """
    return nodes.paragraph("", str(words))


def link(words: str, address: str) -> nodes.paragraph:
    """
    A cell with a link.
    """
    return nodes.paragraph(
        "", "", nodes.reference("", words, refuri=address, internal=address[0] == "#")
    )


def grid(name: str, header: Iterable[str], rows: Iterable[Row]) -> nodes.table:
    """
    @param name: the class in HTML.
    @param header: the columns' titles.
    @param rows: the cells.
    @return: a table.
    """
    titles = [text(title) for title in header]
    group = nodes.tgroup("", cols=len(titles))
    group += [nodes.colspec(colwidth=1) for _ in titles]
    group += nodes.thead("", _row(titles))
    group += nodes.tbody("", *map(_row, rows))
    return nodes.table("", group, classes=[name])


def _row(cells: Iterable[nodes.Node]) -> nodes.row:
    return nodes.row("", *(nodes.entry("", cell) for cell in cells))


def titleOf(rfc: str) -> str:
    """
    An RFC's number and what it is about.
    """
    return f"RFC {rfc}: {TITLES[rfc]}" if rfc in TITLES else f"RFC {rfc}"


class Conformance(SphinxDirective):
    """
    Counts for each RFC and role, the quotas, and a section with every statement of an RFC.
    """

    stated: list[Statement]
    judged: Mapping[str, Judgement]

    def run(self) -> list[nodes.Node]:
        """
        @return: the tables and sections; none when a statement and its judgement do not fit.
        """
        folder = Path(self.env.srcdir)
        for name in ("statements.csv", "conformance.csv"):
            self.env.note_dependency(name)
        self.stated, rows = inventory(folder), table(folder)
        found = flaws(self.stated, rows)
        if found:
            raise self.error("\n".join(found))
        self.judged = {judgement.id: judgement for judgement in rows}
        rfcs = sorted({each.rfc for each in self.stated})
        return [self._counts(rfcs), self._quotas(), *map(self._section, rfcs)]

    def _counts(self, rfcs: Iterable[str]) -> nodes.table:
        rows: list[Row] = []
        for rfc in rfcs:
            roles = sorted({each.role for each in self.stated if each.rfc == rfc})
            rows.append(
                [link(titleOf(rfc), f"#rfc-{rfc}"), text("every role"), *self._states(rfc, roles)]
            )
            rows += [[text(""), text(role), *self._states(rfc, [role])] for role in roles]
        return grid("counts", ("RFC", "Role", *map(str.capitalize, STATES)), rows)

    def _states(self, rfc: str, roles: Sequence[str]) -> Row:
        ids = [each.id for each in self.stated if each.rfc == rfc and each.role in roles]
        counts = Counter(self.judged[id].state for id in ids)
        return [text(counts[state]) for state in STATES]

    def _quotas(self) -> nodes.table:
        shares = [(quota, *quota.share(self.stated, self.judged)) for quota in QUOTAS]
        rows = [
            [text(quota.name), text(f"{quota.percent}%"), text(f"{kept} of {number}")]
            for quota, kept, number in shares
            if number
        ]
        return grid("quotas", ("Part", "At least", "Kept"), rows)

    def _section(self, rfc: str) -> nodes.section:
        section = nodes.section("", nodes.title("", titleOf(rfc)), ids=[f"rfc-{rfc}"])
        header = ("Statement", "Role", "Level", "State", "Shown by, or why not")
        rows = [self._statement(each) for each in self.stated if each.rfc == rfc]
        section += grid("statements", header, rows)
        return section

    def _statement(self, statement: Statement) -> Row:
        judgement = self.judged[statement.id]
        address = f"https://www.rfc-editor.org/rfc/rfc{statement.rfc}"
        first = link(statement.id, f"{address}#section-{statement.section}")
        first["ids"].append(f"statement-{statement.id}")
        words = [statement.role, statement.level, judgement.state]
        return [first, *map(text, words), self._shown(judgement)]

    def _shown(self, judgement: Judgement) -> nodes.Node:
        shown = nodes.container()
        shown += [self._test(judgement.id, name) for name in judgement.tests]
        if judgement.reason:
            shown += text(judgement.reason)
        return shown

    def _test(self, id: str, name: str) -> nodes.paragraph:
        line = lineOf(Path(self.config.source_root), name)
        if line is None:
            raise self.error(f"{id}: {name} is not there")
        module, case, method = name.rsplit(".", 2)
        page = relative_uri(f"{self.env.docname}.html", f"{pageOf(module)}.html")
        words = nodes.literal("", f"{module.rpartition('.')[2]}.{case}.{method}")
        reference = nodes.reference("", "", words, refuri=f"{page}#line-{line}", internal=True)
        return nodes.paragraph("", "", reference)


def setup(app: Sphinx) -> dict[str, Any]:
    """
    Called by Sphinx.
    """
    app.setup_extension("sourcepages")
    app.add_directive("conformance", Conformance)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
