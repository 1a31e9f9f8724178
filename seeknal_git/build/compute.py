"""The SQL of nodes over tables, and the judgement on their checks. No other module renders a node's
SQL or decides whether a check holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seeknal_git.names import split_id
from seeknal_git.nodes.node import Check, Node, violated
from seeknal_git.project.bound_graph import BoundGraph
from seeknal_git.project.contract import reader_now
from seeknal_git.project.raw_data import DataRoot
from seeknal_git.sql.engine_version import exactly
from seeknal_git.sql.partition_values import in_partition
from seeknal_git.sql.pasting import over_views
from seeknal_git.sql.run_values import with_values
from seeknal_git.sql.statement import over_tables
from seeknal_git.warehouse.model.queries import Query, marked

if TYPE_CHECKING:
    from seeknal_git.warehouse.model.snapshots import Audit


@dataclass(frozen=True, slots=True)
class Statement:
    """A SELECT that the engine can execute."""

    sql: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    dialect: Mapping[str, Any] | None = None  # how the files of a source are read


def reads_files(node: Node) -> bool:
    """Whether a node's rows come from raw data, not from tables."""
    return node.kind == "source"


def statement_of(
    graph: BoundGraph,
    root: DataRoot,
    identifier: str,
    tables: Mapping[str, str],
    paths: Sequence[Path] | None = None,
) -> Statement:
    """The SELECT that gives a node's rows: of a source over its files, of others over tables. The
    parameters of a partition mean all time.

    tables: node → its table as SQL names it; paths: the files of a source, if they are known.
    Raises ProjectError if a source's files are missing or don't fit its definition.
    """
    node = graph.node(identifier)
    if not reads_files(node):
        return Statement(in_partition(select_of(graph, identifier, tables)))
    files = [exactly(path) for path in (root.paths(node) if paths is None else paths)]
    reader = reader_now(node, root)
    return Statement(reader.sql, {"files": files}, reader.dialect)


def select_of(graph: BoundGraph, identifier: str, tables: Mapping[str, str]) -> str:
    """The SELECT of a node that is not a source, with marks for the parameters of a partition.
    tables: node → its table as SQL names it."""
    member = graph.members[identifier]
    targets = graph.targets[identifier][0]
    return with_values(over_tables(member.node.sql or "", member.sql, targets, tables))


def query_of(
    graph: BoundGraph, identifier: str, rows: Mapping[str, str], folder: Path | None = None
) -> Query:
    """The SELECT of a view over snapshot tables and kept files. rows: node → its rows in the text
    of a query; folder: of kept files. The SELECT of a view that it reads is among the rows, so no
    view stands on a view."""
    from seeknal_git.sql.engine import without_end

    sql = graph.node(identifier).sql or ""
    after = len(sql) - len(without_end(sql))
    text = select_of(graph, identifier, rows)
    return Query.of(text[: len(text) - after], folder)


def query_of_files(sql: str, files: Sequence[str], folder: Path) -> Query:
    """The SELECT of a source that is a view. files: the names of its kept files; folder: of
    these."""
    before, _, after = sql.rpartition("$files")
    return Query.of(f"{before}[{', '.join(map(marked, files))}]{after}", folder)


def targets_of_check(graph: BoundGraph, identifier: str, number: int) -> Sequence[str]:
    """The nodes that a check reads. The rows of the first are counted in all."""
    return graph.targets[identifier][number + 1]


def check_of(graph: BoundGraph, identifier: str, number: int, tables: Mapping[str, str]) -> str:
    """The SELECT of the rows that violate a check. tables: node → its table as SQL names it."""
    member = graph.members[identifier]
    targets = targets_of_check(graph, identifier, number)
    sql = over_tables(member.node.checks[number].sql, member.checks[number], targets, tables)
    return with_values(sql)


def ordered_check_of(
    graph: BoundGraph, identifier: str, number: int, tables: Mapping[str, str]
) -> str:
    """The same, in the same order each time if the rows are groups, which come in any order."""
    sql = check_of(graph, identifier, number, tables)
    is_grouped = bool(graph.node(identifier).checks[number].key)
    return f"SELECT * FROM ({sql}\n) ORDER BY ALL" if is_grouped else sql


def checked_rows(graph: BoundGraph, identifier: str, number: int, tables: Mapping[str, str]) -> str:
    """The SELECT of all rows that a check looks at. tables: node → its table as SQL names it."""
    targets = targets_of_check(graph, identifier, number)
    return f"FROM {tables[targets[0]]}" if targets else "SELECT 1 WHERE false"


def check_over_views(graph: BoundGraph, identifier: str, number: int, schema: str) -> str:
    """The SELECT of the rows that violate a check, over the views of an environment, on one
    line."""
    member = graph.members[identifier]
    targets = targets_of_check(graph, identifier, number)
    check, reading = member.node.checks[number], member.checks[number]
    views = {node: graph.views[node] or split_id(node)[1] for node in targets}
    return member.node.hides(over_views(check.sql, reading, targets, views, schema))


def reads_row_ids(sql: str) -> bool:
    """Whether the SQL of a node or a check may read `rowid`, which the engine changes when it
    commits a table."""
    return "rowid" in sql.lower()


def violates(check: Check, violations: int, rows: int) -> bool:
    """Whether this number of violating rows, of all rows, is more than a check allows."""
    return violations > check.allowed * rows


def fails_node(check: Check) -> bool:
    """Whether a node fails if this check does not hold; otherwise it is only a warning."""
    return check.severity == "error"


def verdict(path: str, check: Check, audit: Audit) -> str:
    """The answer to a check that does not hold, in words, and where the check is defined."""
    return f"{check.name}: {violated(check, audit.violations, audit.rows)} ({path}:{check.line})"
