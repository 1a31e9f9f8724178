"""Compute the tables of Python nodes: hand over their inputs, and read their results.

Inputs and results are Parquet files in a folder of the run. The code that a worker gets is the text
that the node was planned with.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from seeknal_git.build.compute import Statement
from seeknal_git.build.failures import NodeFailed
from seeknal_git.build.python_environment import environment_of
from seeknal_git.build.python_worker import Done, Failure, Wish, Workers
from seeknal_git.errors import ProjectError
from seeknal_git.files import make_private, write_below
from seeknal_git.git.tree import Tree
from seeknal_git.names import folded, in_lines, literal, quote
from seeknal_git.nodes.node import Node, event_time_of
from seeknal_git.nodes.python.declarations import Source
from seeknal_git.nodes.python.load import Surroundings
from seeknal_git.nodes.python.reach import HERE, MAIN, reached
from seeknal_git.nodes.python.statements import PRELOADED
from seeknal_git.process_folders import own_folder, remove_left
from seeknal_git.project.bound_graph import BoundGraph
from seeknal_git.project.learned_columns import learn
from seeknal_git.project.python_files import exchange, surroundings
from seeknal_git.project.raw_data import DataRoot
from seeknal_git.sql.engine import SqlError
from seeknal_git.sql.engine_version import exactly
from seeknal_git.sql.run_values import with_values
from seeknal_git.sql.statement import Columns
from seeknal_git.sql.type_words import holds, read_as

_TYPE = re.compile(r"""[\w ,()\[\]"'.:-]+""")
_OUTPUT_LINES = 20  # of a node that failed
_PRINTED_BYTES = 1 << 16  # of a node that did not
# Types that a file cannot hold, so that they go as text; as in `worker/tables.py`.
_AS_TEXT = re.compile(r"\b(?:U?HUGEINT|INTERVAL|BIT|TIME WITH TIME ZONE|TIMETZ|UNION|BIGNUM)\b")
LOGS = "target/logs"


class Exporter(Protocol):
    """Whoever reads the tables of a run."""

    def columns(self, sql: str) -> Columns:
        """The columns of a SELECT."""
        ...

    def export(self, sql: str, path: Path) -> None:
        """Write the rows of a SELECT as a Parquet file. Raises SqlError."""
        ...


@dataclass(slots=True)
class Functions:
    """The Python nodes of a run. Threads share it. It is to be closed."""

    graph: BoundGraph
    root: DataRoot
    folder: Path
    workers: Workers
    _exported: dict[tuple[str, tuple[str, ...]], dict[str, Any]] = field(default_factory=dict)
    _exporting: threading.Lock = field(default_factory=threading.Lock)
    _files: dict[str, tuple[Source, Surroundings]] = field(default_factory=dict)
    _learned: dict[str, Columns] = field(default_factory=dict)  # of tables, by fingerprint

    @classmethod
    def of(cls, graph: BoundGraph, root: DataRoot, nodes: Iterable[str]) -> Functions:
        """nodes: those that will be run, one at least."""
        place = exchange(root.places.repository)
        make_private(place)
        remove_left(place / "run")
        folder = own_folder(place / "run")
        folder.mkdir(mode=0o700)
        tree, due = root.places.tree, list(nodes)
        workers = Workers(folder, place / "environments", _libraries(graph, tree, due))
        wanted = Counter(environment_of(graph.node(node), tree) for node in due)
        workers.begin(wanted.most_common(1)[0][0])
        return cls(graph, root, folder, workers)

    def interrupt(self) -> None:
        self.workers.interrupt()

    def close(self) -> None:
        self.workers.close()
        if self._learned:
            learn(self.root.cache, self._learned)
        shutil.rmtree(self.folder, ignore_errors=True)

    def statement(
        self,
        identifier: str,
        tables: Mapping[str, str],
        exporter: Exporter,
        warned: Callable[[str], None] = lambda _: None,
        printed: Callable[[str], None] | None = None,
    ) -> Statement:
        """Run a node, and return the SELECT that reads its result.

        tables: input → its table as SQL names it; warned: is called with each warning; printed: is
        called with its output, if it has any. Raises NodeFailed.
        """
        node = self.graph.node(identifier)
        name = f"{identifier}-{len(self._exported)}-{threading.get_ident()}"
        out, output = self.folder / f"{name}.parquet", self.folder / f"{name}.output"
        request = self._request(node, out, output)
        reads = node.definition["python"]["reads"]

        def given(number: int) -> Mapping[str, Any]:
            read, columns = reads[number]
            return self._input(tables[read], tuple(columns or ()), exporter)

        wish = Wish(request, node.python["timeout"], given, warned)
        done = self.workers.run(environment_of(node, self.root.places.tree), wish)
        if isinstance(done, Failure):
            raise self._failed(node, done, output)
        if printed and (said := _printed(output)):
            hidden = [value for value in _secrets(node).values() if value]
            printed(_without(hidden, said))
        rows = _returned(node, done)
        columns: Columns = tuple((name, word) for name, word, _ in done.columns)
        if "aggregate" in node.python:
            rows, columns = _aggregated(node, rows, out, exporter)
        self._learned[self.graph.wholes[identifier]] = columns
        return Statement(_as_declared(node, rows, columns), {"files": [exactly(out)]})

    def _request(self, node: Node, out: Path, output: Path) -> dict[str, Any]:
        own = node.definition["python"]
        return {
            "node": node.id,
            "main": MAIN,
            "here": HERE,
            "function": node.python["function"],
            "is_twice": node.python["is_twice"],
            "arguments": own["arguments"],
            "sources": self._sources(node),
            "reads": own["reads"],
            "groups": self._groups(read for read, _ in own["reads"]),
            "params": json.loads(with_values(json.dumps(own["params"], ensure_ascii=False))),
            "project": str(self._project()),
            "out": str(out),
            "output": str(output),
            "secrets": _secrets(node),
            "memory": node.python["memory"],
            "volatile": node.python["volatile"],
        }

    def _groups(self, reads: Iterable[str]) -> dict[str, dict[str, Any]]:
        """The entity, the join keys and the event time of the feature groups among some inputs."""
        nodes = map(self.graph.node, reads)
        return {
            node.id: {
                "entity": node.definition.get("entity"),
                "join_keys": node.definition.get("join_keys"),
                "event_time": event_time_of(node.document)
                or ("event_time" if node.is_python else ""),
            }
            for node in nodes
            if node.kind == "feature_group"
        }

    def _sources(self, node: Node) -> dict[str, tuple[str, str]]:
        """Module → its path, and the text that the node was planned with."""
        if node.path not in self._files:
            self._files[node.path] = surroundings(self.root.places.tree, node.path)
        source, around = self._files[node.path]
        function, context = node.python["function"], node.python["context"]
        return dict(reached(source, function, context, around.modules).sources)

    def _project(self) -> Path:
        return next((folder for folder in self.root.places.folders if folder.is_dir()), self.folder)

    def _input(self, table: str, columns: tuple[str, ...], exporter: Exporter) -> dict[str, Any]:
        """A table as a file, once for each choice of columns."""
        with self._exporting:
            key = (table, columns)
            if key not in self._exported:
                path = self.folder / f"input-{len(self._exported)}.parquet"
                self._exported[key] = _exported(table, columns, path, exporter)
            return self._exported[key]

    def _failed(self, node: Node, failure: Failure, output: Path) -> NodeFailed:
        """The error of a node, with the user's part of the traceback and the last lines of output.
        All of it goes to a log."""
        printed = output.read_text(errors="replace") if output.exists() else ""
        hidden = [value for value in _secrets(node).values() if value]
        place = f"{node.path}:{node.sql_line}"
        if failure.place:
            place = "{}:{}".format(*failure.place)
        log = f"{LOGS}/{node.id}.log"
        whole = _without(hidden, f"{printed}\n{failure.whole or failure.message}\n")
        with suppress(OSError, ProjectError):
            write_below(self.root.home, log, whole.encode())
        lines = [f"{failure.message} ({place})"]
        lines += failure.shown.rstrip().splitlines()
        if printed.strip():
            lines += ["It printed:", *printed.rstrip().splitlines()[-_OUTPUT_LINES:]]
        if failure.whole or printed.strip():
            lines.append(f"All of it: {log}")
        return NodeFailed(in_lines(_without(hidden, line) for line in lines))


def _libraries(graph: BoundGraph, tree: Tree, nodes: Iterable[str]) -> list[str]:
    """The libraries that a worker may import before it runs any of some nodes."""
    paths = {path for node in nodes for path in graph.node(node).python["modules"]}
    words = {word for path in paths for word in re.findall(rb"\w+", tree.read(tree.files[path]))}
    frames = {b"ref", b"df", b"fetchdf"} & words
    named = [name for name in PRELOADED if name.encode() in words]
    return list(dict.fromkeys(["duckdb", *(["pandas"] if frames else []), *named]))


def _printed(output: Path) -> str:
    """The output of a function, or the end of it if it is long."""
    if not output.exists():
        return ""
    with output.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _PRINTED_BYTES))
        text = file.read().decode(errors="replace").rstrip()
    return text if size <= _PRINTED_BYTES else f"…{text}"


def _without(hidden: Sequence[str], text: str) -> str:
    for value in hidden:
        text = text.replace(value, "***")
    return text


def _secrets(node: Node) -> dict[str, str]:
    """The variables that a node declares. Raises NodeFailed for one that is not set."""
    names = node.python["secrets"]
    if absent := [name for name in names if name not in os.environ]:
        line = node.line("secrets")
        raise NodeFailed(f"its secret {absent[0]} is not set ({node.path}:{line})")
    return {name: os.environ[name] for name in names}


def _exported(
    table: str, columns: tuple[str, ...], path: Path, exporter: Exporter
) -> dict[str, Any]:
    chosen = ", ".join(map(quote, columns)) or "*"
    types = exporter.columns(f"SELECT {chosen} FROM {table}")
    as_text = {name: word for name, word in types if _AS_TEXT.search(word)}
    written = ", ".join(
        f"CAST({quote(name)} AS VARCHAR) AS {quote(name)}" if name in as_text else quote(name)
        for name, _ in types
    )
    exporter.export(f"SELECT {written} FROM {table}", path)
    return {"path": str(path), "types": as_text}


def _returned(node: Node, done: Done) -> str:
    """The SELECT over the file of a result, with the types that the result had. Raises
    NodeFailed."""
    for name, word, _ in done.columns:
        if not _TYPE.fullmatch(word):
            raise _unlike(node, f"its column {name} has the type {word!r}, which no table has")
    casts = ", ".join(
        f"CAST({quote(name)} AS {word}) AS {quote(name)}" for name, word, _ in done.columns
    )
    return f"SELECT {casts} FROM read_parquet($files)"


def _aggregated(node: Node, rows: str, file: Path, exporter: Exporter) -> tuple[str, Columns]:
    """The aggregates of the rows that a function returned, and their columns. Raises NodeFailed if
    a column is not there."""
    sql = node.python["aggregate"].removeprefix("WITH ")
    aggregate = f"WITH input_0 AS ({rows}), {sql}"
    try:
        columns = exporter.columns(aggregate.replace("$files", literal(exactly(file)), 1))
    except SqlError as exc:
        place = f"{node.path}:{node.line_of_sql(exc.line)}"
        raise NodeFailed(f"{exc.message} ({place})") from exc
    return aggregate, columns


def _as_declared(node: Node, rows: str, columns: Columns) -> str:
    """A SELECT with the columns and types that the node declares; as it is if it declares none.
    Raises NodeFailed if other columns came than were declared."""
    there = {folded(name): (name, word) for name, word in columns}
    declared = {name: read_as(word) for name, word in node.definition["python"]["returns"]}
    for wrong in _broken_promises(node, declared, there):
        raise wrong
    if not declared:
        return rows
    casts = ", ".join(
        f"CAST({quote(there[folded(name)][0])} AS {word}) AS {quote(name)}"
        for name, word in declared.items()
    )
    return f"SELECT {casts} FROM ({rows})"


def _broken_promises(
    node: Node, declared: Mapping[str, str], there: Mapping[str, tuple[str, str]]
) -> Iterator[NodeFailed]:
    found = ", ".join(f"{name} {word}" for name, word in there.values())
    for name, word in node.promises.items():
        returned = there.get(folded(name))
        if returned is None:
            yield _unlike(node, f"it declares the column {name}, and returned {found}")
        elif word and name not in declared and holds(word, returned[1]) is False:
            yield _unlike(node, f"it declares {name} as {word}, and returned {returned[1]}")
    if declared and (more := there.keys() - {*map(folded, declared)}):
        name = there[min(more)][0]
        yield _unlike(node, f"it returned the column {name}, which `columns` does not declare")


def _unlike(node: Node, message: str) -> NodeFailed:
    line = next((node.lines[key] for key in ("columns", "features") if key in node.lines), None)
    return NodeFailed(f"{message} ({node.path}:{line or node.sql_line})")
