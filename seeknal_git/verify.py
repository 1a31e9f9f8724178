"""The verb behind `plan --verify`: execute both versions of what was edited on production's tables, and compare.

A verdict is about a node's own edit, so both versions read the same: the tables of the merge base, as production has
them. Where the new version needs a column that only the branch has, both read the branch's version of that input, which
is computed for the moment; the old version sees the old columns of it. So a difference is the node's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from seeknal_git.data import DataRoot
from seeknal_git.errors import Problem, ProjectError, WarehouseError
from seeknal_git.fingerprint import Category
from seeknal_git.graph import Graph
from seeknal_git.plan import Change
from seeknal_git.planning import Planned
from seeknal_git.statement import Anatomy, Columns, Part, over_tables
from seeknal_git.warehouse.compare import Comparison, Rest, columns_of, compare, make_view, one_thread
from seeknal_git.warehouse.interrupt import interruptible
from seeknal_git.warehouse.preview import built_tables, make_table, read_only
from seeknal_git.warehouse.sql import SqlError
from seeknal_git.workspace import Workspace

if TYPE_CHECKING:
    import duckdb

_PROMISES = (Category.METADATA, Category.NON_BREAKING)


@dataclass(frozen=True, slots=True)
class Verified:
    """What came of the promise that a plan makes about a node.

    rows, columns: how many rows and which columns were compared; reason: why it could not be verified, what differs
    apart from rows, or what the comparison leaves out; only_before, only_after: the rows of one version alone.
    """

    node: str
    result: Literal["equal", "differs", "not verified"]
    rows: int | None = None
    columns: tuple[str, ...] = ()
    reason: str | None = None
    only_before: Rest | None = None
    only_after: Rest | None = None


@dataclass(frozen=True, slots=True)
class _Bench:
    """Where versions are executed.

    edits: node → category of its own edit; built: node of the merge base → its table in production; computed: node of
    the branch → its table for the moment.
    """

    connection: duckdb.DuckDBPyConnection
    base: Graph
    head: Graph
    root: DataRoot
    edits: Mapping[str, Category]
    built: Mapping[str, str]
    computed: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Doubts:
    """What in a node may come out differently by chance.

    columns: name in lower case → the construct because of which it may; whole: what could not be taken apart, so that
    anything in it may.
    """

    columns: Mapping[str, str]
    whole: str | None


class _Obstacle(Exception):
    """Why a node cannot be verified."""


def verify_plan(workspace: Workspace, planned: Planned) -> tuple[Verified, ...]:
    """Try each promise of a plan on what production shows. Raises WarehouseError where that cannot be read."""
    changes = [change for change in planned.plan.changes if _promises(change, planned.head.graph)]
    if not changes:
        return ()
    base, head = planned.base.graph, planned.head.graph
    edits = {change.node: change.category for change in planned.plan.changes}
    wholes = {each: fingerprint.whole for each, fingerprint in base.fingerprints.items()}
    if not workspace.warehouse_path.exists():
        raise WarehouseError(
            f"There is no warehouse {workspace.warehouse_path}, so there is nothing to verify a plan on.",
            "seeknal run, on the production branch, builds it.",
        )
    with read_only(workspace.warehouse_path) as connection:
        tables = built_tables(connection, [workspace.production_schema], wholes)
        built = {each: relation for each, (_, relation) in tables.items()}
        bench = _Bench(connection, base, head, planned.head.root, edits, built)
        return interruptible(lambda: tuple(_verified(bench, change) for change in changes), lambda: [connection])


def need_equal(planned: Planned, verified: Iterable[Verified]) -> None:
    """Raises ProjectError with each promise that does not hold."""
    changes = {change.node: change for change in planned.plan.changes}
    wrong = [_broken(changes[each.node]) for each in verified if each.result == "differs"]
    if wrong:
        raise ProjectError(wrong)


def _broken(change: Change) -> Problem:
    message = f"{change.node} is called {change.category}, and its two versions differ."
    hint = "This is a bug of Seeknal: please report it, with both versions. Do not rely on the plan for this change."
    return Problem(message, change.path, change.line, hint, change.node)


def _promises(change: Change, head: Graph) -> bool:
    node = head.members[change.node].node if change.node in head.members else None
    return change.category in _PROMISES and node is not None and node.yields_table and node.kind != "source"


def _verified(bench: _Bench, change: Change) -> Verified:
    try:
        return _tried(bench, change)
    except _Obstacle as obstacle:
        return Verified(change.node, "not verified", reason=str(obstacle))


def _tried(bench: _Bench, change: Change) -> Verified:
    """Execute both versions and compare them. A difference counts if it is there without threads as well."""
    doubts = _doubts(bench, change.node)
    after = _tables(bench, change.node)
    before = {each: _as_before(bench, each, after) for each in _read(bench.base, change.node)}
    statements = _statement(bench.base, change.node, before), _statement(bench.head, change.node, after)
    found = _executed(bench, change, statements, doubts)
    if found.result == "differs":
        with one_thread(bench.connection):
            found = _executed(bench, change, statements, doubts)
    if found.result == "differs" and doubts.whole:
        why = f"the two versions differ, maybe by chance, for this could not be resolved: {doubts.whole}"
        raise _Obstacle(why)
    return found


# What both versions read


def _tables(bench: _Bench, node: str, wanted: frozenset[str] = frozenset()) -> dict[str, str]:
    """The tables that the branch's version of a node reads, so that it binds and returns the columns wanted.

    These are the merge base's wherever that is enough.
    """
    inputs = _read(bench.head, node)
    tables = {each: _table(bench, each) for each in inputs}
    refusal = _refusal(bench, node, tables, wanted)
    if refusal is None:
        return tables
    moved = [each for each in inputs if each in bench.base.members and _moved(bench, each)]
    for each in moved:
        if bench.edits.get(each) != Category.BREAKING:
            tables[each] = _computed(bench, each)
    if _refusal(bench, node, tables, frozenset()) is None:
        return tables
    breaking = [each for each in moved if bench.edits.get(each) == Category.BREAKING]
    why = f"it needs what {breaking[0]} has on this branch, and that is BREAKING there" if breaking else refusal
    raise _Obstacle(why if node in bench.edits else f"{node}: {why}")


def _refusal(bench: _Bench, node: str, tables: Mapping[str, str], wanted: frozenset[str]) -> str | None:
    """Why a node cannot do with these tables: the engine's words, or the columns that it would not return."""
    try:
        columns = columns_of(bench.connection, _statement(bench.head, node, tables))
    except SqlError as exc:
        return exc.message
    missing = sorted(wanted - {name.lower() for name, _ in columns})
    return f"it has no {', '.join(missing)} on production's tables" if missing else None


def _moved(bench: _Bench, node: str) -> bool:
    return bench.base.fingerprints[node].whole != bench.head.fingerprints[node].whole


def _table(bench: _Bench, node: str) -> str:
    """What the branch's version of a node reads of an input: the merge base's table, whatever it was called there."""
    if node in bench.base.members:
        return _base_table(bench, node)
    whole = bench.head.fingerprints[node].whole
    same = (table for each, table in bench.built.items() if bench.base.fingerprints[each].whole == whole)
    return next(same, None) or _computed(bench, node)


def _base_table(bench: _Bench, node: str) -> str:
    if node not in bench.built:
        raise _Obstacle(f"{node} is not built in production as the merge base defines it")
    return bench.built[node]


def _computed(bench: _Bench, node: str) -> str:
    """The table of a node of the branch, computed once, for the moment."""
    if node not in bench.computed:
        sql, parameters = _computation(bench, node)
        try:
            bench.computed[node] = make_table(bench.connection, f"computed_{len(bench.computed)}", sql, parameters)
        except SqlError as exc:
            raise _Obstacle(f"{node}: {exc.message}") from exc
    return bench.computed[node]


def _computation(bench: _Bench, node: str) -> tuple[str, dict[str, Any]]:
    definition = bench.head.node(node)
    if definition.kind != "source":
        wanted = frozenset(name.lower() for name, _ in bench.head.columns.get(node) or ())
        return _statement(bench.head, node, _tables(bench, node, wanted)), {}
    try:
        return definition.sql or "", {"files": [str(path) for path in bench.root.paths(definition)]}
    except ProjectError as exc:
        raise _Obstacle(exc.problems[0].message) from exc


def _as_before(bench: _Bench, node: str, after: Mapping[str, str]) -> str:
    """What the old version reads of an input: what the new one reads, without columns that were not there."""
    table = _base_table(bench, node)
    if after.get(node, table) == table:
        return table
    try:
        old = columns_of(bench.connection, f"FROM {table}")
        return make_view(bench.connection, f"before {node}", after[node], old)
    except SqlError as exc:
        raise _Obstacle(f"{node}: {exc.message}") from exc


def _read(graph: Graph, node: str) -> list[str]:
    """The nodes that a node's own SELECT names."""
    return list(dict.fromkeys(graph.targets[node][0]))


def _statement(graph: Graph, node: str, tables: Mapping[str, str]) -> str:
    member = graph.members[node]
    return over_tables(member.node.sql or "", member.sql, graph.targets[node][0], tables)


# What they return


def _executed(bench: _Bench, change: Change, statements: tuple[str, str], doubts: _Doubts) -> Verified:
    try:
        before = make_table(bench.connection, "before", statements[0], {})
        after = make_table(bench.connection, "after", statements[1], {})
        old, new = (columns_of(bench.connection, f"FROM {table}") for table in (before, after))
        if wrong := _columns_differ(old, new, change.category):
            return Verified(change.node, "differs", columns=tuple(name for name, _ in old), reason=wrong)
        kept = tuple(column for column in old if column[0].lower() not in doubts.columns)
        if not kept:
            raise _Obstacle(
                f"any column may be different each time ({', '.join(dict.fromkeys(doubts.columns.values()))})"
            )
        return _judged(change.node, compare(bench.connection, before, after, kept), kept, _left_out(old, doubts))
    except SqlError as exc:
        raise _Obstacle(exc.message) from exc


def _judged(node: str, found: Comparison, columns: Columns, left_out: str | None) -> Verified:
    names = tuple(name for name, _ in columns)
    if not found.equal:
        return Verified(node, "differs", found.rows, names, left_out, found.only_before, found.only_after)
    reasons = [*([left_out] if left_out else []), *(["but for the last digits of floats"] if found.rounded else [])]
    return Verified(node, "equal", found.rows, names, "; ".join(reasons) or None)


def _left_out(columns: Columns, doubts: _Doubts) -> str | None:
    """The columns that are not compared."""
    words = [f"{name} ({doubts.columns[name.lower()]})" for name, _ in columns if name.lower() in doubts.columns]
    return f"without {', '.join(words)}, which may be different each time" if words else None


def _columns_differ(old: Columns, new: Columns, category: Category) -> str | None:
    """What does not hold of names and types."""
    before, after = ({name.lower(): word for name, word in columns} for columns in (old, new))
    words = [f"column {name} is gone" for name in before if name not in after]
    words += [
        f"column {name} is {after[name]}, and was {word}"
        for name, word in before.items()
        if name in after and after[name] != word
    ]
    if category == Category.METADATA:
        words += [f"column {name} is new" for name in after if name not in before]
        words += ["the columns are in another order"] if not words and list(before) != list(after) else []
    return "; ".join(words) or None


def _doubts(bench: _Bench, node: str) -> _Doubts:
    """What may be different by chance. Raises _Obstacle where the rows may be."""
    columns: dict[str, str] = {}
    unresolved: list[str] = []
    for anatomy in (*bench.base.anatomies.get(node, ()), *bench.head.anatomies.get(node, ())):
        rows, values = anatomy.rows or anatomy.whole, dict(anatomy.columns or ())
        if _unstable(rows, anatomy):
            raise _Obstacle(f"{rows.unstable} may give other rows each time")
        columns |= {name: part.unstable for name, part in values.items() if _unstable(part, anatomy)}
        unresolved += [part.unstable for part in (rows, *values.values()) if part.unstable in anatomy.obstacles]
    return _Doubts(columns, next(iter(unresolved), None))


def _unstable(part: Part, anatomy: Anatomy) -> bool:
    """Whether a part is known to be unstable. What could not be resolved only may be."""
    return bool(part.unstable) and part.unstable not in anatomy.obstacles
