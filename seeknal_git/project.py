"""A tree becomes a project: its nodes, read once for each blob, and what is wrong with its files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, astuple, dataclass, fields
from typing import Any

from seeknal_git.cache import Cache
from seeknal_git.errors import Problem, ProjectError
from seeknal_git.git.tree import Tree
from seeknal_git.nodes.node import Check, Input, Node
from seeknal_git.nodes.python import is_python_path, not_read_yet, python_node
from seeknal_git.statement import Reading, Reference


@dataclass(frozen=True, slots=True)
class Member:
    """A node of a project, its blob, and what its SQL and the SQL of its checks say."""

    node: Node
    blob: str
    sql: Reading | None
    checks: tuple[Reading, ...]


@dataclass(frozen=True, slots=True)
class Project:
    """members: the nodes in the order of their paths; foreign: YAML files below seeknal/ that are no nodes."""

    members: tuple[Member, ...]
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    foreign: tuple[str, ...]
    tree: Tree


def is_node_path(path: str) -> bool:
    """Whether a file, named relative to the project, may hold a node."""
    return path.startswith("seeknal/") and path.endswith((".yml", ".yaml"))


def load_project(tree: Tree, cache: Cache, like: Iterable[Member] = ()) -> Project:
    """Read every node of a tree. What is wrong is collected, not raised: see `problems`."""
    paths = {path: blob for path, blob in sorted(tree.files.items()) if is_node_path(path)}
    loaded = {(member.node.path, member.blob): member for member in like}
    known = cache.get("node", {blob for path, blob in paths.items() if (path, blob) not in loaded})
    fresh: dict[str, Any] = {}
    members: list[Member] = []
    problems: list[Problem] = []
    warnings: list[Problem] = []
    foreign: list[str] = []
    problems += [
        Problem("This is a symbolic link, which git keeps as a name.", path, hint="Put here what it leads to.")
        for path in sorted(tree.links)
        if path == "seeknal" or path.startswith("seeknal/")
    ]
    for path, blob in paths.items():
        if member := loaded.get((path, blob)):
            members.append(member)
            continue
        entry = known.get(blob)
        if entry is None or entry["foreign"]:
            try:
                entry = _read(tree.read(blob), path)
            except ProjectError as exc:
                problems += exc.problems
                continue
            known[blob] = fresh[blob] = entry
        warnings += [Problem(**{**warning, "path": path}) for warning in entry["warnings"]]
        if entry["foreign"]:
            foreign.append(path)
        else:
            members.append(_member(entry, path, blob))
    if fresh:
        cache.put("node", fresh)
    problems += python_problems(tree, cache)
    return Project(tuple(members), tuple(problems), tuple(warnings), tuple(foreign), tree)


def python_problems(tree: Tree, cache: Cache) -> list[Problem]:
    """A problem for each file of a tree that holds Python nodes, at the first of them."""
    paths = {path: blob for path, blob in sorted(tree.files.items()) if is_python_path(path)}
    if not paths:
        return []
    known = cache.get("python", set(paths.values()))
    fresh = {blob: python_node(tree.read(blob)) for blob in paths.values() if blob not in known}
    if fresh:
        cache.put("python", fresh)
    lines = {path: {**known, **fresh}[blob] for path, blob in paths.items()}
    return [not_read_yet(path, line) for path, line in lines.items() if line is not None]


def _read(content: bytes, path: str) -> dict[str, Any]:
    """What is remembered of a blob. Raises ProjectError."""
    from seeknal_git.nodes.load import load_node

    node, warnings = load_node(content, path)
    entry: dict[str, Any] = {"foreign": node is None, "warnings": [asdict(warning) for warning in warnings]}
    if node is not None:
        statements = [node.sql if node.kind != "source" else None, *(check.sql for check in node.checks)]
        entry["node"] = {field.name: getattr(node, field.name) for field in fields(Node)}
        entry["node"] |= {
            "inputs": [[each.id, each.line] for each in node.inputs],
            "checks": [asdict(check) for check in node.checks],
        }
        entry["readings"] = [None if sql is None else astuple(read_sql(sql)) for sql in statements]
    return entry


def read_sql(sql: str) -> Reading:
    """Ask the engine which tables a statement names."""
    from seeknal_git.warehouse.sql import SqlError, parsed

    try:
        return Reading(parsed(sql)[1])
    except SqlError as exc:
        return Reading(error=exc.message, error_line=exc.line)


def _member(entry: Mapping[str, Any], path: str, blob: str) -> Member:
    given = entry["node"]
    node = Node(
        **{
            **given,
            "path": path,
            "inputs": tuple(Input(*each) for each in given["inputs"]),
            "checks": tuple(Check(**{**check, "key": tuple(check["key"])}) for check in given["checks"]),
        }
    )
    own, *checks = map(_reading, entry["readings"])
    return Member(node, blob, own, tuple(each or Reading() for each in checks))


def _reading(value: list[Any] | None) -> Reading | None:
    if value is None:
        return None
    references, error, error_line = value
    return Reading(tuple(Reference(*each) for each in references), error, error_line)
