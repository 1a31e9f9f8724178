"""The tables that two versions of a node read, on production's warehouse.

Two promises are tried. An edit that is not BREAKING: both versions read the tables of the merge
base, so that a difference is the edit's own. A re-used reader: its old version reads the tables of
the merge base, its new one those that its inputs have on the branch. Tables that production does
not have are computed for the moment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from seeknal_git.build.compute import reads_files, select_of, statement_of
from seeknal_git.errors import ProjectError
from seeknal_git.names import folded
from seeknal_git.plan.changes import Category
from seeknal_git.plan.reasons import spellings
from seeknal_git.project.bound_graph import BoundGraph
from seeknal_git.project.raw_data import DataRoot
from seeknal_git.sql.engine import SqlError
from seeknal_git.sql.statement import Anatomy, Part
from seeknal_git.warehouse.protocol import Warehouse


@dataclass(frozen=True, slots=True)
class Bench:
    """The warehouse in which both versions of a node are executed, and tables for them to read."""

    warehouse: Warehouse
    base: BoundGraph
    head: BoundGraph
    root: DataRoot
    edits: Mapping[str, Category]  # node → category of its own edit
    built: Mapping[str, str]  # node of the merge base → its table in production
    # Node of the branch → its table for the moment, over the tables of the merge base.
    computed: dict[str, str] = field(default_factory=dict)
    # The same, over the tables of the branch.
    renewed: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a node over tables. tables: input → its table, as SQL names it."""

    graph: BoundGraph
    node: str
    tables: Mapping[str, str]

    @property
    def sql(self) -> str:
        _refuse_functions(self)
        return select_of(self.graph, self.node, self.tables)


class Obstacle(Exception):
    """Why a promise cannot be tried."""


def _refuse_functions(version: Version) -> None:
    """Raise Obstacle for a Python node."""
    if version.graph.node(version.node).is_python:
        raise Obstacle(f"{version.node} is a function, which a plan never runs")


def edited(bench: Bench, node: str) -> tuple[Version, Version]:
    """Both versions of a node over the same tables: those of the merge base.

    If the new version needs a column that only the branch has, both read the branch's version of
    that input, and the old one sees its old columns.
    """
    after = _tables(bench, node)
    before = {read: _as_before(bench, read, after) for read in _read(bench.base, node)}
    return Version(bench.base, node, before), Version(bench.head, node, after)


def reused(bench: Bench, node: str) -> tuple[Version, Version]:
    """A reader over the tables of the merge base, and over those of the branch."""
    tables = {read: _base_table(bench, read) for read in _read(bench.base, node)}
    return Version(bench.base, node, tables), on_the_branch(bench, node)


def on_the_branch(bench: Bench, node: str) -> Version:
    """The new version of a node, over the tables that its inputs have on the branch."""
    tables = {read: _renewed(bench, read) for read in _read(bench.head, node)}
    return Version(bench.head, node, tables)


def table_of(bench: Bench, name: str, version: Version) -> str:
    """Compute a version of a node as a table for the moment; returns it as SQL names it.

    Raises SqlError if the engine refuses, and Obstacle if raw data does not fit its definition.
    """
    _refuse_functions(version)
    try:
        made = statement_of(version.graph, bench.root, version.node, version.tables)
    except ProjectError as exc:
        raise Obstacle(exc.problems[0].message) from exc
    return bench.warehouse.scratch.table(name, made.sql, made.parameters)


def is_touched(base: BoundGraph, head: BoundGraph, node: str) -> bool:
    """Whether the branch makes a node's table otherwise than the merge base, if only in words."""
    if is_moved(base, head, node):
        return True
    return (base.node(node).sql, base.targets[node]) != (head.node(node).sql, head.targets[node])


def is_moved(base: BoundGraph, head: BoundGraph, node: str) -> bool:
    """Whether the branch makes another table of a node than the merge base."""
    return node not in base.members or base.wholes[node] != head.wholes[node]


def is_unstable(part: Part, anatomy: Anatomy) -> bool:
    """Whether a part is known to be unstable. A part that could not be resolved only may be."""
    return bool(part.unstable) and part.unstable not in anatomy.obstacles


def _read(graph: BoundGraph, node: str) -> list[str]:
    """The nodes that a node's own SELECT names."""
    return list(dict.fromkeys(graph.targets[node][0]))


def _moved(bench: Bench, node: str) -> bool:
    return bench.base.wholes[node] != bench.head.wholes[node]


def _base_table(bench: Bench, node: str) -> str:
    if node not in bench.built:
        raise Obstacle(f"{node} is not built in production as the merge base defines it")
    return bench.built[node]


# Over the tables of the merge base


def _tables(bench: Bench, node: str, wanted: frozenset[str] = frozenset()) -> dict[str, str]:
    """The tables that the branch's version of a node reads to bind and return the columns wanted.

    These are the merge base's wherever that is enough.
    """
    inputs = _read(bench.head, node)
    tables = {read: _table(bench, read) for read in inputs}
    refusal = _refusal(bench, node, tables, wanted)
    if refusal is None:
        return tables
    moved = [read for read in inputs if read in bench.base.members and _moved(bench, read)]
    for read in moved:
        if bench.edits.get(read) != Category.BREAKING:
            tables[read] = _computed(bench, read)
    if _refusal(bench, node, tables, frozenset()) is None:
        return tables
    breaking = [read for read in moved if bench.edits.get(read) == Category.BREAKING]
    why = refusal
    if breaking:
        why = f"it needs what {breaking[0]} has on this branch, and that is BREAKING there"
    raise Obstacle(why if node in bench.edits else f"{node}: {why}")


def _refusal(
    bench: Bench, node: str, tables: Mapping[str, str], wanted: frozenset[str]
) -> str | None:
    """Why a node cannot do with these tables: the engine's words, or the columns it would lack."""
    try:
        columns = bench.warehouse.scratch.columns(Version(bench.head, node, tables).sql)
    except SqlError as exc:
        return exc.message
    called = spellings(bench.head, node)
    missing = sorted(
        called.get(name, name) for name in wanted - {folded(name) for name, _ in columns}
    )
    return f"it has no {', '.join(missing)} on production's tables" if missing else None


def _table(bench: Bench, node: str) -> str:
    """The merge base's table of an input, whatever it was called there; else the branch's."""
    if node in bench.base.members:
        return _base_table(bench, node)
    return _of_another_name(bench, node) or _computed(bench, node)


def _of_another_name(bench: Bench, node: str) -> str | None:
    whole = bench.head.wholes[node]
    for other, table in bench.built.items():
        if bench.base.wholes[other] == whole:
            return table
    return None


def _computed(bench: Bench, node: str) -> str:
    """The table of a node of the branch, over the tables of the merge base. It is computed once."""
    if node not in bench.computed:
        wanted = frozenset(folded(name) for name, _ in bench.head.columns.get(node) or ())
        is_read = reads_files(bench.head.node(node))
        version = Version(bench.head, node, {} if is_read else _tables(bench, node, wanted))
        bench.computed[node] = _made(bench, f"computed_{len(bench.computed)}", version)
    return bench.computed[node]


def _made(bench: Bench, name: str, version: Version) -> str:
    try:
        return table_of(bench, name, version)
    except SqlError as exc:
        raise Obstacle(f"{version.node}: {exc.message}") from exc


def _as_before(bench: Bench, node: str, after: Mapping[str, str]) -> str:
    """The table of an input that the new version reads, without columns that were not there."""
    table = _base_table(bench, node)
    if after.get(node, table) == table:
        return table
    try:
        old = bench.warehouse.scratch.columns(f"FROM {table}")
        return bench.warehouse.scratch.view(f"before {node}", after[node], old)
    except SqlError as exc:
        raise Obstacle(f"{node}: {exc.message}") from exc


# Over the tables of the branch


def _renewed(bench: Bench, node: str) -> str:
    """The table of a node on the branch: production's, if the branch makes it as production
    does."""
    if node not in bench.base.members and (table := _of_another_name(bench, node)):
        return table
    if not is_touched(bench.base, bench.head, node) or _stays_by_chance(bench, node):
        return _base_table(bench, node)
    if node not in bench.renewed:
        if reads_files(bench.head.node(node)) and node in bench.base.members:
            # Its files may have moved since production read them: that is a difference of data.
            raise Obstacle(f"{node} is read otherwise on this branch")
        version = on_the_branch(bench, node)
        bench.renewed[node] = _made(bench, f"renewed_{len(bench.renewed)}", version)
    return bench.renewed[node]


def _stays_by_chance(bench: Bench, node: str) -> bool:
    """Whether a node is not built again, and would be another one by chance if it were."""
    if node not in bench.base.members or _moved(bench, node):
        return False
    anatomies = bench.head.anatomies.get(node, ())
    return any(
        is_unstable(part, anatomy)
        for anatomy in anatomies
        for part in (anatomy.whole, *_values(anatomy))
    )


def _values(anatomy: Anatomy) -> list[Part]:
    return [part for _, part in anatomy.columns or ()]
