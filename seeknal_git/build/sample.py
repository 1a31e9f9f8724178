"""A sample of the rows of a node, over tables that are built already or computed for the moment.
Writes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from seeknal_git.build.compute import (
    Statement,
    check_of,
    checked_rows,
    fails_node,
    statement_of,
    violates,
)
from seeknal_git.build.failures import NodeFailed
from seeknal_git.environments.files_in_place import broken
from seeknal_git.errors import Problem, ProjectError
from seeknal_git.git import repository as git
from seeknal_git.names import in_lines, parts, schema_of
from seeknal_git.nodes.node import Check, Node
from seeknal_git.project.bound_graph import BoundGraph
from seeknal_git.project.load import Loaded
from seeknal_git.project.python_files import exchange
from seeknal_git.project.raw_data import DataRoot, reach_of
from seeknal_git.project.workspace import Workspace
from seeknal_git.sql.engine import SqlError
from seeknal_git.warehouse.model.answers import Rows
from seeknal_git.warehouse.model.environments import Published
from seeknal_git.warehouse.opening import open_if_readable
from seeknal_git.warehouse.protocol import Warehouse

if TYPE_CHECKING:
    from seeknal_git.build.python_nodes import Functions

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Count:
    """The answer to a check."""

    check: Check
    violations: int
    rows: int

    @property
    def holds(self) -> bool:
        return not violates(self.check, self.violations, self.rows)

    @property
    def fails(self) -> bool:
        """Whether the node would fail by it."""
        return not self.holds and fails_node(self.check)


@dataclass(frozen=True, slots=True)
class Sample:
    """The first rows of a node, or for a rule the answers to its checks."""

    rows: Rows | None
    counts: tuple[Count, ...]
    # Node that was read → the schema whose table it is; None if it was computed for the moment.
    origins: Mapping[str, str | None]
    obstacle: str | None  # why the warehouse could not be read


@dataclass(frozen=True, slots=True)
class _Bench:
    """The place where a sample is computed."""

    warehouse: Warehouse
    graph: BoundGraph
    root: DataRoot
    functions: Functions | None
    relations: dict[str, str] = field(default_factory=dict)  # node → its table as SQL names it


@contextmanager
def _functions(graph: BoundGraph, root: DataRoot, code: Set[str]) -> Iterator[Functions | None]:
    """The Python nodes that a sample may need, if there are any."""
    if not code:
        yield None
        return
    from seeknal_git.build.python_nodes import Functions

    functions = Functions.of(graph, root, code)
    try:
        yield functions
    finally:
        functions.close()


def sample(workspace: Workspace, loaded: Loaded, identifier: str, limit: int) -> Sample:
    """The first `limit` rows of a node. Raises ProjectError if raw data is missing, or if the
    engine refuses."""
    graph, node = loaded.graph, loaded.graph.node(identifier)
    schemas = _schemas(workspace)
    above = graph.upstream([identifier])
    path = workspace.readable_warehouse if graph.feeding(identifier) else None
    nodes = {identifier, *above}
    code = graph.structure.python & nodes
    reach = reach_of(graph, loaded.root, nodes)
    if code:
        reach = replace(reach, folders=[*reach.folders, exchange(workspace.repository)])
    with (
        open_if_readable(path, workspace.marks, reach) as (warehouse, obstacle),
        _functions(graph, loaded.root, code) as functions,
    ):
        wholes = {read: graph.wholes[read] for read in above}
        built = _built(workspace, warehouse, schemas, wholes)
        bench = _Bench(
            warehouse,
            graph,
            loaded.root,
            functions,
            {read: published.relation for read, (_, published) in built.items()},
        )
        needed = _needed(graph, identifier, built)
        for read in graph.members:
            if read in needed and read not in built:
                bench.relations[read] = _computed(bench, read)
        rows, counts = None, []
        if node.kind == "rule":
            counts = [_count(bench, node, number) for number in range(len(node.checks))]
        else:
            rows = _first_rows(bench, identifier, limit)
    origins = {
        read: built[read][0] if read in built else None for read in graph.members if read in needed
    }
    return Sample(rows, tuple(counts), origins, obstacle)


def _built(
    workspace: Workspace,
    warehouse: Warehouse,
    schemas: Sequence[str],
    wholes: Mapping[str, str],
) -> Mapping[str, tuple[str, Published]]:
    """As `Scratch.built`, without views of files that are gone or were changed."""
    built = warehouse.scratch.built(schemas, wholes)
    faults = broken(workspace, warehouse, {node: shown for node, (_, shown) in built.items()})
    return {node: found for node, found in built.items() if node not in faults}


def _schemas(workspace: Workspace) -> list[str]:
    """The current environment's schema, then production's, whose tables an environment re-uses."""
    branch = git.current_branch(workspace.repository)
    return [*([schema_of(branch)] if branch else []), workspace.production_schema]


def _needed(graph: BoundGraph, identifier: str, built: Mapping[str, Any]) -> set[str]:
    """The nodes that are read, directly or to compute an input that is not built."""
    needed: set[str] = set()
    waiting = list(graph.feeding(identifier))
    while waiting:
        each = waiting.pop()
        if each not in needed:
            needed.add(each)
            waiting += () if each in built else graph.feeding(each)
    return needed


def _statement(bench: _Bench, identifier: str) -> Statement:
    """Raises ProjectError."""
    node = bench.graph.node(identifier)
    if bench.functions is None or not node.is_python:
        return statement_of(bench.graph, bench.root, identifier, bench.relations)
    try:
        return bench.functions.statement(identifier, bench.relations, bench.warehouse.scratch)
    except NodeFailed as exc:
        first, *others = parts(exc.args[0])
        message = in_lines([f"{identifier}: {first}", *others])
        raise ProjectError([Problem(message, node.path, node.sql_line, node=identifier)]) from exc


def _computed(bench: _Bench, identifier: str) -> str:
    found = _statement(bench, identifier)
    name = f"computed_{len(bench.relations)}"
    make = partial(bench.warehouse.scratch.table, name, found.sql, found.parameters)
    return _placed(bench.graph.node(identifier), make)


def _first_rows(bench: _Bench, identifier: str, limit: int) -> Rows:
    found = _statement(bench, identifier)
    read = partial(bench.warehouse.scratch.first_rows, found.sql, found.parameters, limit)
    return _placed(bench.graph.node(identifier), read)


def _count(bench: _Bench, node: Node, number: int) -> Count:
    check = node.checks[number]
    sql = check_of(bench.graph, node.id, number, bench.relations)
    violations = _placed(node, partial(bench.warehouse.scratch.count, sql), check)
    looked_at = checked_rows(bench.graph, node.id, number, bench.relations)
    rows = _placed(node, partial(bench.warehouse.scratch.count, looked_at), check)
    return Count(check, violations, rows)


def _placed(node: Node, attempt: Callable[[], _T], check: Check | None = None) -> _T:
    """Do something that the engine may refuse, and say at which line of the node's file it does."""
    try:
        return attempt()
    except SqlError as exc:
        raise ProjectError([_problem(node, exc, check)]) from exc


def _problem(node: Node, exc: SqlError, check: Check | None) -> Problem:
    if node.kind == "source":
        message = f"{node.definition['path']} does not fit {node.id}: {exc.message}"
        return Problem(
            message,
            node.path,
            node.line("schema" if "schema" in node.lines else "columns"),
            node=node.id,
        )
    message = node.hides(f"{node.id}: {exc.message}")
    if check:
        return Problem(message, node.path, check.line, node=node.id)
    return Problem(message, node.sql_path, node.line_of_sql(exc.line), node=node.id)
