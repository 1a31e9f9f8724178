"""The answers of checks that do not hold: in words, as the SQL that selects the rows, and as some
of these rows.

Rows may be personal data, so they are never stored: they are read again from the table that was
checked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from seeknal_git.build.compute import (
    check_over_views,
    fails_node,
    ordered_check_of,
    targets_of_check,
    verdict,
    violates,
)
from seeknal_git.build.inventory import all_checks
from seeknal_git.names import folded, of_option
from seeknal_git.sql.pasting import code_of, in_shell, says

if TYPE_CHECKING:
    from seeknal_git.build.work import Work
    from seeknal_git.nodes.node import Check
    from seeknal_git.warehouse.model.snapshots import Audit
    from seeknal_git.warehouse.protocol import Warehouse

Answers = Mapping[tuple[str, int], "Audit"]

MOST_ROWS = 5
_MOST_COLUMNS = 12
_LONGEST_VALUE = 200
# An answer that is repeated costs no more than a moment: no sample is read of larger tables, nor of
# many checks.
_CHEAP_ROWS = 5_000_000
_MOST_SAMPLES = 20


@dataclass(frozen=True, slots=True)
class Sample:
    """Some of the rows that violate a check. The columns that identify a row come first, then those
    checked."""

    names: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    columns: int  # in all: those of a wide table are not all here


@dataclass(frozen=True, slots=True)
class Violation:
    """A check that does not hold."""

    node: str
    path: str
    number: int  # of the check, among those of the node
    check: Check
    audit: Audit
    sql: str  # selects all rows that violate, over the views of the environment
    published: bool  # whether the environment shows the tables that were checked
    sample: Sample | None = None

    @property
    def fails(self) -> bool:
        return fails_node(self.check)

    @property
    def message(self) -> str:
        return verdict(self.path, self.check, self.audit)

    def question(self, environment: str | None) -> str:
        """The command that shows all rows that violate. environment: None for the branch that is
        checked out."""
        where = [of_option("--env", environment)] if environment else []
        failed = [] if self.published else [of_option("--failed", self.node)]
        return " ".join(["seeknal query", *where, *failed, in_shell(self.sql)])


def known_answers(work: Work) -> dict[tuple[str, int], Audit]:
    """The last answers that earlier runs gave about the tables that are meant now."""
    found = {}
    for node, number, _ in all_checks(work.graph):
        audit = work.inventory.answer(node, number)
        if audit and node in work.chosen:
            found[node, number] = audit
    return found


def violations(
    work: Work, answers: Answers, tables: Mapping[str, str], shown: Mapping[str, str]
) -> list[Violation]:
    """The checks that do not hold, in the order of the graph.

    tables, shown: node → the table that was checked, and the one that the environment shows.
    """
    found = []
    for node, number, check in all_checks(work.graph):
        audit = answers.get((node, number))
        if audit is None or not violates(check, audit.violations, audit.rows):
            continue
        targets = targets_of_check(work.graph, node, number)
        found.append(
            Violation(
                node=node,
                path=work.graph.node(node).path,
                number=number,
                check=check,
                audit=audit,
                sql=check_over_views(work.graph, node, number, work.environment.schema),
                published=all(
                    read in shown and shown[read] == tables.get(read) for read in targets
                ),
            )
        )
    return found


def known_violations(work: Work) -> list[Violation]:
    """The checks that do not hold, by earlier runs; those of severity error first."""
    found = violations(work, known_answers(work), work.tables(), {})
    return sorted(found, key=lambda each: not each.fails)


def with_samples(
    warehouse: Warehouse,
    work: Work,
    found: Iterable[Violation],
    tables: Mapping[str, str],
    asked: Collection[tuple[str, int]],
) -> list[Violation]:
    """The same, with some rows of each; of answers that are only repeated, if these are cheap to
    have.

    tables: node → the table that was checked, as SQL names it; asked: the checks that were made
    just now.
    """
    result = []
    for number, violation in enumerate(sorted(found, key=lambda violation: not violation.fails)):
        is_new = (violation.node, violation.number) in asked
        if number < _MOST_SAMPLES and (is_new or violation.audit.rows <= _CHEAP_ROWS):
            sample = _sample(warehouse, work, violation, tables)
            result.append(replace(violation, sample=sample))
        else:
            result.append(violation)
    return result


def _sample(
    warehouse: Warehouse,
    work: Work,
    violation: Violation,
    tables: Mapping[str, str],
) -> Sample | None:
    from seeknal_git.sql.engine import SqlError

    graph, check = work.graph, violation.check
    targets = targets_of_check(graph, violation.node, violation.number)
    if any(target not in tables for target in targets):
        return None
    sql = ordered_check_of(graph, violation.node, violation.number, tables)
    try:
        found = warehouse.scratch.first_rows(sql, {}, MOST_ROWS)
    except SqlError:
        # It counted rows a moment ago: the table is gone, or a value cannot be computed.
        return None
    keys = [
        key
        for node in (violation.node, *targets)
        for other in graph.node(node).checks
        for key in other.key
    ]
    names = [name for name, _ in found.columns]
    order = _ordered(names, keys, check.sql)[:_MOST_COLUMNS]
    rows = [tuple(_cut(row[column]) for column in order) for row in found.rows]
    return Sample(tuple(names[column] for column in order), tuple(rows), len(names))


def _ordered(names: Sequence[str], keys: Iterable[str], sql: str) -> list[int]:
    """The columns by number: those that identify a row (the first one, if nothing says which these
    are), those that the check names, and the others."""
    known = {folded(key) for key in keys}
    identify = [number for number, name in enumerate(names) if folded(name) in known] or [0]
    code = code_of(sql)
    checked = [number for number, name in enumerate(names) if says(code, name)]
    return list(dict.fromkeys([*identify, *checked, *range(len(names))]))


def _cut(value: object) -> object:
    """A value, or the beginning of a long one. Numbers, truth and NULL stay as they are."""
    if value is None or isinstance(value, bool | int | float | Decimal):
        return value
    text = str(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"
