"""An example as a question to the engine: the node as it is with the values that the example gives,
over the given rows."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from seeknal_git.errors import Problem, ProjectError
from seeknal_git.git.tree import Tree
from seeknal_git.names import called, folded, qualified
from seeknal_git.nodes.examples import Example, Result, Rows, examples_of, file_rows, time_of
from seeknal_git.nodes.node import Node
from seeknal_git.nodes.values import Values
from seeknal_git.project.bound_graph import BoundGraph
from seeknal_git.project.load import Loaded
from seeknal_git.project.references import resolved
from seeknal_git.sql.partition_values import has_marks, in_partition
from seeknal_git.sql.partitioning import Partitioning
from seeknal_git.sql.run_values import at_time, with_values
from seeknal_git.sql.statement import Columns, Reading, over_tables


@dataclass(frozen=True, slots=True)
class Case:
    """An example, and the node as it is with the values that the example gives."""

    graph: BoundGraph
    member: Node  # the node of the file
    example: Example
    node: Node
    reading: Reading | None = None
    targets: tuple[str, ...] = ()
    problem: Problem | None = None

    @property
    def line(self) -> int:
        return self.member.line("examples", self.example.number)

    def refused(self, message: str, line: int | None = None, hint: str | None = None) -> Problem:
        """A problem of the example."""
        text = self.node.hides(f"The example {self.example.name!r} cannot be run: {message}.")
        return Problem(text, self.node.path, line or self.line, hint, self.node.id)


class Refused(Exception):
    """An example that cannot be run. is_open: it can once the columns of an input are known."""

    def __init__(self, problem: Problem, *, is_open: bool = False) -> None:
        super().__init__(problem.message)
        self.problem = problem
        self.is_open = is_open


def cases_of(loaded: Loaded, tree: Tree, identifier: str) -> Iterator[Case]:
    """The examples of a node, in the order of its file. Those with values for its templates still
    need `read_again`."""
    graph = loaded.graph
    member = graph.members[identifier]
    node, targets = member.node, graph.targets[identifier][0]
    for example in examples_of(node):
        case = Case(graph, node, example, node, member.sql, targets)
        yield _with_values(loaded, tree, case) if _gives_values(case) else case


def _gives_values(case: Case) -> bool:
    """Whether the node is another one with the values of the example."""
    values = case.example.params or (case.example.now and case.node.uses)
    return bool(values) and not case.node.is_python


def _with_values(loaded: Loaded, tree: Tree, case: Case) -> Case:
    """The node read with other values for its templates. Its SQL is not read yet."""
    from seeknal_git.nodes.load import load_node

    example, node = case.example, case.member
    known = loaded.vocabulary.values if loaded.vocabulary else Values()
    names = {name for name, _ in node.uses} | known.named
    if unknown := [name for name in example.params if name not in names]:
        near = difflib.get_close_matches(unknown[0], names, 1)
        hint = (
            f"Did you mean {near[0]}?" if near else f"It uses {', '.join(sorted(names)) or 'none'}."
        )
        line = node.line("examples", example.number, "params", unknown[0])
        problem = case.refused(f"no template of {node.id} uses `{unknown[0]}`", line, hint)
        return replace(case, problem=problem)
    given = known.given
    if example.now:
        now = time_of(example.now)
        time = now.isoformat(timespec="seconds")
        given = replace(
            given, date=now.date().isoformat(), params={"run_date": time, **given.params}
        )
    values = replace(known, given=replace(given, params={**given.params, **example.params}))
    try:
        read, _ = load_node(tree.read_small(node.path), node.path, values)
    except ProjectError as exc:
        return replace(case, problem=case.refused(exc.problems[0].message.rstrip(".")))
    return replace(case, node=read or node, reading=None)


def read_again(loaded: Loaded, cases: Sequence[Case]) -> list[Case]:
    """The cases with the tables that their SQL names, if that is other SQL."""
    due = [case for case in cases if case.reading is None and case.problem is None]
    if not due:
        return list(cases)
    from seeknal_git.sql.describe import readings

    found = iter(readings([case.node.sql or "" for case in due]))
    return [
        _resolved(loaded, case, next(found)[0])
        if case.reading is None and case.problem is None
        else case
        for case in cases
    ]


def _resolved(loaded: Loaded, case: Case, reading: Reading) -> Case:
    if reading.error:
        return replace(case, problem=case.refused(reading.error))
    member = replace(loaded.graph.members[case.node.id], node=case.node, sql=reading, checks=())
    member = replace(member, node=replace(case.node, checks=()))
    try:
        targets = resolved(member, loaded.graph.members)[1][0]
    except ProjectError as exc:
        return replace(case, problem=case.refused(exc.problems[0].message.rstrip(".")))
    return replace(case, reading=reading, targets=targets)


# The question


def question_of(tree: Tree, case: Case) -> dict[str, Any]:
    """The question that an example asks the engine. Raises Refused."""
    if case.problem:
        raise Refused(case.problem)
    node, example = case.node, case.example
    given: dict[str, Rows] = {}
    for name, rows in example.given.items():
        read = input_of(case, name)
        if read in given:
            line = case.member.line("examples", example.number, "given", name)
            raise Refused(case.refused(f"{read} is given twice", line))
        given[read] = rows
    if node.is_python:
        _need_plain(case)
    tables = {read: _table_name(case, read) for read in dict.fromkeys(case.targets)}
    sql = _bound(case, over_tables(node.sql or "", case.reading, case.targets, tables))
    now = time_of(example.now) if example.now else None
    return {
        "sql": at_time(sql, now) if now else with_values(sql),
        "now": now.isoformat(sep=" ") if now else None,
        "parameters": {},
        "partition": _partition(case),
        "tables": [
            {
                "name": table,
                "of": read,
                "columns": _columns(case, read),
                **_plain_rows(tree, case, given.get(read, Rows())),
            }
            for read, table in tables.items()
        ],
        "results": [_plain_result(tree, case, result) for result in example.results],
    }


def _partition(case: Case) -> dict[str, Any] | None:
    """The partition whose rows alone count. Raises Refused if the node has none."""
    wanted, form = case.example.partition, case.node.partition
    if wanted is None:
        return None
    if not form:
        line = case.member.line("examples", case.example.number, "partition")
        raise Refused(case.refused(f"{case.node.id} has no `partition`", line))
    return {"form": dict(form), "wanted": str(wanted)}


def _bound(case: Case, sql: str) -> str:
    """The SQL with the values of `$start`, `$end` and `$partition`. Raises Refused if the example
    does not say which partition it is of."""
    if not has_marks(sql):
        return sql
    partitioning, wanted = Partitioning.of(case.node.partition), case.example.partition
    try:
        return in_partition(sql, partitioning, partitioning.ordinal(str(wanted)))
    except ValueError as exc:
        line = case.member.line("examples", case.example.number, "partition")
        why = (
            f"{wanted} is none of its partitions"
            if wanted
            else ("its SQL asks for a partition: add `partition: 2026-01-31`")
        )
        raise Refused(case.refused(why, line)) from exc


def _table_name(case: Case, read: str) -> str:
    """The table of an input. The files of a function's inputs are known by their tables, so each
    example has its own."""
    number = f" {case.node.id} {case.example.number}" if case.node.is_python else ""
    return qualified("memory", "main", f"{read}{number}")


def _need_plain(case: Case) -> None:
    """Raise Refused for an example of a function that only SQL could have."""
    example = case.example
    if example.now:
        raise Refused(case.refused("a function asks its own clock, so there is no `now`"))
    if example.params:
        raise Refused(case.refused("a function gets its `params` from its decorator"))
    if any(result.cte for result in example.results):
        raise Refused(case.refused("a function has no CTE"))


def input_of(case: Case, name: str) -> str:
    """The input that a name means: its id, its bare name, or its name in the SQL. Raises
    Refused."""
    node = case.node
    declared = [given.id for given in node.inputs]
    inputs = list(dict.fromkeys((*case.targets, *declared)))
    numbered = {f"input_{number}": given for number, given in enumerate(declared)}
    numbered |= {alias: numbered[to] for alias, to in node.aliases.items() if to in numbered}
    found = [read for read in inputs if name in (read, called(read))]
    if len(found) == 1:
        return found[0]
    if name in numbered:
        return numbered[name]
    line = case.member.line("examples", case.example.number, "given", name)
    if found:
        message = f"{name} may be {' or '.join(found)}"
        raise Refused(case.refused(message, line, "Write the kind too."))
    bare = {called(read): read for read in inputs}
    near = difflib.get_close_matches(name, [*inputs, *bare], 1)
    if near:
        hint = f"Did you mean {bare.get(near[0], near[0])}?"
    else:
        hint = f"It reads {', '.join(inputs)}." if inputs else "It reads nothing."
    raise Refused(case.refused(f"{node.id} does not read {name}", line, hint))


def _columns(case: Case, read: str) -> Columns:
    columns = case.graph.columns.get(read)
    if columns is None:
        message = f"nobody knows the columns of {read} yet"
        hint = "Declare them with their types, or run it once."
        raise Refused(case.refused(message, hint=hint), is_open=True)
    return columns


def _plain_rows(tree: Tree, case: Case, rows: Rows) -> dict[str, Any]:
    """Rows as JSON takes them."""
    if rows.file:
        rows = _of_file(tree, case, rows)
    names: dict[str, str] = {}
    for name in rows.columns:
        names.setdefault(folded(name), name)
    cells = [{folded(name): value for name, value in row.items()} for row in rows.rows]
    return {
        "header": list(names.values()),
        "rows": [[row.get(name) for name in names] for row in cells],
        "sql": rows.sql,
    }


def _of_file(tree: Tree, case: Case, rows: Rows) -> Rows:
    """The rows of a file of the project. Raises Refused."""
    from seeknal_git.nodes.node_file import Mistake, below_project

    line = case.member.line(*rows.place.split(".", 3))
    try:
        path = below_project(rows.file.replace("\\", "/"), "tests/orders.csv")
        if path not in tree.files:
            near = difflib.get_close_matches(path, tree.files, 1)
            hint = f"Did you mean {near[0]}?" if near else "It is a file below the project."
            raise Refused(case.refused(f"there is no file {path}", line, hint))
        return file_rows(path, tree.read_small(path), rows.place)
    except (ValueError, ProjectError, Mistake) as exc:
        raise Refused(case.refused(f"{rows.file}: {str(exc).rstrip('.')}", line)) from exc


def _plain_result(tree: Tree, case: Case, result: Result) -> dict[str, Any]:
    rows = {"header": None, "rows": None, "sql": ""}
    if result.rows is not None:
        rows = _plain_rows(tree, case, result.rows)
    return {
        "cte": result.cte,
        **rows,
        "only": list(result.only),
        "strict": result.strict,
        "tolerance": result.tolerance,
    }


def line_of(case: Case, rows: Rows | None, row: int | None) -> int | None:
    """The line of a row of an example, or of the rows as a whole."""
    if rows is None:
        return None
    lines, node = case.member.lines, case.member
    own = lines.get(f"{rows.place}.{row}") if row is not None else None
    if own:
        return own
    around = lines.get(rows.place) or lines.get(rows.place.removesuffix(".rows")) or case.line
    if row is None or not rows.first or node.path.endswith(".py"):
        return around
    return around + rows.first + row
