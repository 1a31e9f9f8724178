"""The command `test --from`: an example of real rows, written into the file of its node."""

from __future__ import annotations

import datetime
import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seeknal_git.build.examples import Choice, made_of, tried
from seeknal_git.commands.query import Query, stream
from seeknal_git.environments.revision import as_environment, head_tree, load_sound, revision_of
from seeknal_git.errors import ProjectError, UsageError
from seeknal_git.files import write_below
from seeknal_git.names import called, folded
from seeknal_git.nodes.example_text import Unwritable, example_lines, with_example
from seeknal_git.nodes.examples import examples_of
from seeknal_git.nodes.node import Node
from seeknal_git.plan.reasons import obstacles_of, reads_of
from seeknal_git.project.graph import Graph, node_named
from seeknal_git.project.load import Loaded, load, with_nodes
from seeknal_git.project.workspace import Workspace
from seeknal_git.sql.statement import EVERYTHING
from seeknal_git.warehouse.model.answers import JSON, Answer

MOST_ROWS = 50  # of an input or of the result: an example is for people to read
_CLOCKS = ("now", "current_", "get_current", "today", "transaction_timestamp", "local", "age")

Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Written:
    """An example that was written."""

    node: str
    name: str
    path: str
    line: int
    lines: tuple[str, ...]
    # Input → the number of its rows. Those without rows are empty in the example.
    given: Mapping[str, int]
    rows: int
    # Whether the example holds if it is tried again; a node may give other rows each time.
    holds: bool
    notes: tuple[str, ...]


def write_example(
    workspace: Workspace, node: str, statements: Sequence[str], name: str | None = None
) -> Written:
    """Write an example of rows of the current environment into a node's file.

    statements: a SELECT for each input, as `query` takes it. Its rows are those of the input that
    its FROM names first. name: the example's; by default one that is free.

    Raises UsageError if the rows cannot be those of the node's inputs, or there is an example of
    that name; ProjectError if nodes are wrong; and whatever `query` raises.
    """
    if workspace.repository.bare:
        raise UsageError("A bare repository has no file to write to.", "Write it in a clone.")
    revision = revision_of(workspace)
    here, keeps = as_environment(workspace, revision)
    tree = head_tree(here, revision)
    loaded = load_sound(here, tree, revision, keeps=keeps, whatever_data=True)
    graph = loaded.graph
    identifier = node_named(graph, node)
    written = graph.node(identifier)
    _need_sql(written)
    name = _free_name(written, name)
    notes: list[str] = []
    given: dict[str, Rows] = {}
    for sql in statements:
        read = _input_of(graph, identifier, sql)
        if read in given:
            raise UsageError(
                f"Two SELECTs give rows to {read}.", "Write one of them with UNION ALL."
            )
        given[read] = _rows_of(workspace, loaded, identifier, read, sql, notes)
    now = _time_if_asked(loaded, identifier)
    made = made_of(loaded, tree, identifier, given, now)
    if len(made) > MOST_ROWS:
        raise _too_many("The result has", len(made))
    lines = example_lines(name, given, made, now)
    content = tree.read_small(written.path)
    try:
        after, line = with_example(content, written.path, lines)
        _need_same(loaded, written, after)
    except (Unwritable, ProjectError) as exc:
        hint = "Write it there yourself:\n" + "\n".join(lines)
        raise UsageError(f"{written.path} cannot take the example: {exc}.", hint) from exc
    edited = with_nodes(tree, {written.path: after})
    again = load(here, edited, like=loaded, keeps=keeps)
    holds = all(
        example.holds for example in tried(again, edited, [identifier], Choice(name, afresh=True))
    )
    write_below(workspace.repository.project, written.path, after)
    counts = {
        read: len(given.get(read, ())) for read in dict.fromkeys(graph.targets[identifier][0])
    }
    return Written(
        identifier, name, written.path, line, tuple(lines), counts, len(made), holds, tuple(notes)
    )


def _need_sql(node: Node) -> None:
    if node.is_python or not node.path.endswith((".yml", ".yaml")):
        raise UsageError(f"{node.id} is a function: its examples are written by hand.")
    if node.sql is None or node.kind in ("source", "profile", "metric", "exposure"):
        kinds = "Transforms, feature groups and aggregations have some."
        raise UsageError(f"A {node.kind} has no examples.", kinds)


def _free_name(node: Node, name: str | None) -> str:
    """A name that no example of the node has."""
    names = {example.name for example in examples_of(node)}
    if name in names:
        raise UsageError(f"{node.id} has an example {name!r} already.", "Give another --name.")
    number = 1
    while not name:
        tried_name = "real rows" if number == 1 else f"real rows {number}"
        name, number = (None if tried_name in names else tried_name), number + 1
    return name


def _input_of(graph: Graph, identifier: str, sql: str) -> str:
    """The input that a SELECT names first. Raises UsageError."""
    from seeknal_git.sql.engine import SqlError, parsed

    inputs = list(dict.fromkeys(graph.targets[identifier][0]))
    by_name: dict[str, str] = {}
    for read in inputs:
        names = (read, read.replace(".", "_"), graph.views.get(read) or "", called(read))
        by_name |= {folded(name): read for name in names if name}
    try:
        targets = [folded(reference.target) for reference in parsed(sql)[1]]
    except SqlError as exc:
        message = exc.message.replace("a node is", "it is")
        raise UsageError(f"--from takes one SELECT: {message}.") from exc
    for target in targets:
        last = target.rpartition(".")[2]
        if found := by_name.get(target) or by_name.get(last):
            return found
    reads = f"It reads {', '.join(inputs)}." if inputs else "It reads nothing."
    near = difflib.get_close_matches(targets[0], by_name, 1) if targets else []
    hint = f"Did you mean {near[0]}?" if near else reads
    raise UsageError(f"The SELECT names no input of {identifier}.", hint)


def _rows_of(
    workspace: Workspace,
    loaded: Loaded,
    identifier: str,
    read: str,
    sql: str,
    notes: list[str],
) -> Rows:
    """The rows of a SELECT, with the columns that the node reads. Raises UsageError."""
    from seeknal_git.sql.example_rows import no_column

    found: list[Answer] = []
    rows: list[list[Any]] = []

    def keep(answer: Answer) -> None:
        found.append(answer)
        rows.extend([_cell(text) for text in row] for row in answer.rows)

    stream(workspace, Query(sql, limit=MOST_ROWS + 1), JSON, keep, notes.append)
    if len(rows) > MOST_ROWS:
        raise _too_many("The SELECT returns", None)
    names = list(found[0].names)
    known = {folded(name): name for name, _ in loaded.graph.columns.get(read) or ()}
    if unknown := [name for name in names if folded(name) not in known]:
        why, _, known_ones = no_column(unknown[0], known.values(), read).partition(": ")
        raise UsageError(f"{why}.", f"{known_ones[0].upper()}{known_ones[1:]}")
    reads = reads_of(loaded.graph, identifier).get(read, {EVERYTHING})
    kept = [
        (number, known[folded(name)])
        for number, name in enumerate(names)
        if EVERYTHING in reads or folded(name) in reads
    ]
    return [{name: row[at] for at, name in kept if row[at] is not None} for row in rows]


def _cell(text: str) -> Any:
    """A value that left the engine as JSON, as a file has it."""
    value = json.loads(text, parse_float=str, parse_int=str)
    return str(value).lower() if isinstance(value, bool) else value


def _too_many(words: str, number: int | None) -> UsageError:
    count = f"{number:,}" if number else f"more than {MOST_ROWS}"
    few = "fewer" if number else "LIMIT 10"
    return UsageError(f"{words} {count} rows, too many for an example.", f"Take {few}.")


def _time_if_asked(loaded: Loaded, identifier: str) -> str | None:
    """The time of now for a node that asks the clock; None for any other."""
    words = [word.partition(": ")[2].lower() for word in obstacles_of(loaded.graph, identifier)]
    if not any(word.startswith(_CLOCKS) for word in words):
        return None
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M:%S")


def _need_same(loaded: Loaded, node: Node, after: bytes) -> None:
    """Raise Unwritable unless the new content is the same node with one more example."""
    from seeknal_git.nodes.load import load_node

    values = loaded.vocabulary.values if loaded.vocabulary else None
    new, _ = load_node(after, node.path, values)
    old = [example.name for example in examples_of(node)]
    if new is None or [example.name for example in examples_of(new)][:-1] != old:
        raise Unwritable("it would be read otherwise")
    documents = ({**one.document, "examples": None} for one in (node, new))
    if len({json.dumps(document, sort_keys=True) for document in documents}) > 1:
        raise Unwritable("it would be read otherwise")
