"""What seeknal says of an edit: one node that changes, tables that it reads, and a node that reads
it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from seeknal_git.cache import Cache
from seeknal_git.nodes.load import load_node
from seeknal_git.nodes.node import Node
from seeknal_git.plan.changes import Category, Change, Plan, make_plan
from seeknal_git.project.bound_graph import BoundGraph
from seeknal_git.project.columns import bind
from seeknal_git.project.definitions import Member, Project
from seeknal_git.project.graph import build_graph
from seeknal_git.project.snapshot_ids import State
from seeknal_git.sql.describe import read_sql

if TYPE_CHECKING:
    from seeknal_git.project.raw_data import DataRoot

Tables = Mapping[str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True, slots=True)
class Verdict:
    """category: of the edited node; reused: whether the node that reads it stays as it is, None
    without a reader.

    what: `rows` where the row set changed (`whole` where a version could not be taken apart), then
    the columns: `+m` added, `-n` removed, `~f` changed; `order` where nothing but their order
    changed.
    """

    category: Category
    reused: bool | None
    what: str = ""


class Refused(Exception):
    """The nodes do not validate, so that nothing is said of them."""


class Forgetful(Cache):
    """Remembers nothing but what was asked in this process."""

    def __init__(self) -> None:
        self.values: dict[str, dict[str, object]] = {}

    def get(self, topic: str, keys: Iterable[str]) -> dict[str, object]:
        known = self.values.get(topic, {})
        return {key: known[key] for key in keys if key in known}

    def put(self, topic: str, values: Mapping[str, object]) -> None:
        self.values.setdefault(topic, {}).update(values)


class NoFiles:
    """Raw data that is nowhere: the columns of every source are given."""

    def __init__(self) -> None:
        self.cache = Forgetful()

    def files(self, _: Node) -> list[object]:
        return []


def verdict(old: str, new: str, tables: Tables, reader: str | None = None) -> Verdict:
    """What becomes of the node `node`, whose SQL reads some of `tables`, and of `reader`, which
    reads `node` too."""
    before, after = _state(old, tables, reader), _state(new, tables, reader)
    plan = make_plan(before, after)
    change = next((change for change in plan.changes if change.node == "transform.node"), None)
    binds = (
        reader is None or after.graph.columns["transform.reader"] is not None
    )  # else no plan is made at all
    reused = None if reader is None else "transform.reader" in plan.reused and binds
    return Verdict(
        change.category if change else Category.METADATA, reused, _what(change) if change else ""
    )


def _what(change: Change) -> str:
    if change.category == Category.METADATA:
        return ""
    rows = {None: ["whole"], True: ["rows"], False: []}[change.rows]
    signs = {"added": "+", "removed": "-", "changed": "~"}
    columns = [
        f"{signs[column.kind]}{column.name}"
        for column in sorted(change.columns, key=lambda each: each.name)
    ]
    return " ".join([*rows, *columns]) or "order"


def graph_of(nodes: Mapping[str, str], tables: Tables) -> BoundGraph:
    """Sources with these columns, and transforms with this SQL, bound."""
    assert _SOURCE is not None
    assert _NODE is not None
    members = [
        _member(replace(_SOURCE, name=name, path=name, definition={"path": name}))
        for name in tables
    ]
    members += [
        _member(replace(_NODE, name=name, sql=sql, path=name)) for name, sql in nodes.items()
    ]
    graph = build_graph(Project(tuple(members), (), (), (), None))  # type: ignore[arg-type]
    if graph.problems:
        raise Refused(graph.problems[0].message)
    kept = {f"source.{name}": columns for name, columns in tables.items()}
    root: DataRoot = NoFiles()  # type: ignore[assignment]
    return bind(graph, root, Forgetful(), kept)[0]


def _state(sql: str, tables: Tables, reader: str | None) -> State:
    graph = graph_of({"node": sql} | ({} if reader is None else {"reader": reader}), tables)
    return State(graph, dict.fromkeys((f"source.{name}" for name in tables), "1"))


def plan_of(old: Mapping[str, str], new: Mapping[str, str], tables: Tables) -> Plan:
    """The plan from some transforms to others, over the same tables."""
    versions = dict.fromkeys((f"source.{name}" for name in tables), "1")
    return make_plan(State(graph_of(old, tables), versions), State(graph_of(new, tables), versions))


_NODE, _ = load_node(b"kind: transform\nname: node\ntransform: SELECT 1 AS a\n", "node.yml")
_SOURCE, _ = load_node(b"kind: source\nname: t\nsource: csv\ntable: t.csv\n", "t.yml")


def _member(node: Node) -> Member:
    return Member(
        node, node.sql or "", read_sql(node.sql) if node.sql and node.kind != "source" else None, ()
    )
