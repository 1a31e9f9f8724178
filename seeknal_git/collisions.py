"""Exposures that would write over what a source reads, now or after their own first run, or what another one writes."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from seeknal_git.data import DataRoot
from seeknal_git.errors import Problem
from seeknal_git.graph import Graph
from seeknal_git.names import BRANCHES_FILES
from seeknal_git.nodes.node import Node

_ANY_FOLDERS = "**"


@dataclass(frozen=True, slots=True)
class _Place:
    """What a node reads or writes: a path or a glob, in parts, and as one speaks of it."""

    parts: tuple[str, ...]
    said: str


def collisions(graph: Graph, root: DataRoot) -> list[Problem]:
    """The exposures that share a place with a source or another exposure."""
    exposures = [member.node for member in graph.members.values() if member.node.kind == "exposure"]
    if not exposures:
        return []
    sources = [member.node for member in graph.members.values() if member.node.kind == "source"]
    folders = tuple(each.resolve() for each in root.folders)
    known: dict[Path, Path] = {}
    places = [place for source in sources for place in _read(source, root, folders, known)]
    problems = []
    for node in exposures:
        path = str(node.definition["path"])
        if met := next((each for each in places if _writes_to(node, folders, each)), None):
            line = node.line("params.path" if "params.path" in node.lines else "url")
            message = f"{node.id} would write over {met.said}."
            problems.append(Problem(message, node.path, line, "Give it a path of its own.", node.id))
        places.append(_Place(_parts(path), f"{path}, which {node.id} writes"))
    return problems


def _read(source: Node, root: DataRoot, folders: Sequence[Path], known: dict[Path, Path]) -> Iterator[_Place]:
    """The files of a source that are there, then whatever its glob takes in as soon as it is there.

    known: folder → where it really is, as to ask that for each file would take long.
    """
    pattern = str(source.definition["path"])
    for file in root.files(source):
        if file.at.parent not in known:
            known[file.at.parent] = file.at.parent.resolve()
        at = file.at.resolve() if file.at.is_symlink() else known[file.at.parent] / file.at.name
        real = _below(folders, at)
        for path in {file.path, file.path if real is None else real}:
            yield _Place(_parts(path), f"{file.path}, which {source.id} reads")
    for each in (pattern, *_through_links(pattern, folders)):
        yield _Place(_parts(each), f"{pattern}, which {source.id} reads")


def _writes_to(exposure: Node, folders: Sequence[Path], place: _Place) -> bool:
    path = str(exposure.definition["path"])
    # The engine names folder after folder `column=value`, and the files in the last of them.
    columns = exposure.definition["partition_by"]
    below = (*(f"{name}=*".casefold() for name in columns), "*") if columns else ()
    own = [_parts(each) for each in (path, *_through_links(path, folders))]
    own += [(*_parts(BRANCHES_FILES), "*", *each) for each in own]
    return any(_meet(each + below, place.parts) or _around(each, place.parts) for each in own)


def _around(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether one path is a folder around the other."""
    shortest = min(len(one), len(other))
    return one[:shortest] == other[:shortest] and not any(map(glob.has_magic, other))


def _through_links(pattern: str, folders: Sequence[Path]) -> Iterator[str]:
    """The same place by another name, if a folder before the first `*` is a link."""
    parts = pattern.split("/")
    fixed = next((number for number, part in enumerate(parts) if glob.has_magic(part)), len(parts) - 1)
    folder = "/".join(parts[:fixed])
    for each in folders:
        real = _below(folders, (each / folder).resolve())
        if real is not None and real != folder:
            yield "/".join([real, *parts[fixed:]])


def _below(folders: Sequence[Path], path: Path) -> str | None:
    """A path relative to the project, here or in the data root; None for any other."""
    folder = next((each for each in folders if path.is_relative_to(each)), None)
    return None if folder is None else path.relative_to(folder).as_posix()


def _parts(pattern: str) -> tuple[str, ...]:
    """Names fold: what is `Data` on one disk is `data` on another."""
    return tuple(part for part in pattern.casefold().split("/") if part not in ("", "."))


@cache
def _meet(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether some path matches two globs."""
    if not one or not other:
        return all(part == _ANY_FOLDERS for part in (*one, *other))
    if one[0] == _ANY_FOLDERS:
        return _meet(one[1:], other) or _meet(one, other[1:])
    if other[0] == _ANY_FOLDERS:
        return _meet(other, one)
    return _names_meet(one[0], other[0]) and _meet(one[1:], other[1:])


@cache
def _names_meet(one: str, other: str) -> bool:
    """Whether some name matches two globs."""
    if not one or not other:
        return not (one + other).strip("*")
    (first, rest), (second, others) = _first(one), _first(other)
    if first == "*":
        return _names_meet(rest, other) or _names_meet(one, others)
    if second == "*":
        return _names_meet(other, one)
    return (first == second or "" in (first, second)) and _names_meet(rest, others)


def _first(glob_: str) -> tuple[str, str]:
    """The first character of a glob, "" for one that may be any, and the rest. A class counts as any character."""
    end = glob_.find("]", 2) if glob_[0] == "[" else -1
    if glob_[0] == "?" or end > 0:
        return "", glob_[max(end, 0) + 1 :]
    return glob_[0], glob_[1:]
