"""Exposures that would write over files of a source or of another exposure, now or after their
own first run."""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from seeknal_git.errors import Problem
from seeknal_git.names import BRANCHES_FILES
from seeknal_git.nodes.node import Node
from seeknal_git.project.data_paths import DataPath
from seeknal_git.project.graph import Graph
from seeknal_git.project.raw_data import DataRoot

_ANY_FOLDERS = "**"
_BRANCHES = tuple(BRANCHES_FILES.split("/"))


@dataclass(frozen=True, slots=True)
class _Links:
    """Real paths of folders, relative to the project; resolved once each, as that takes a while."""

    folders: tuple[Path, ...]
    known: dict[Path, Path] = field(default_factory=dict)

    def real(self, folder: Path) -> str | None:
        """None for a folder that is not in the project, here or in the data root."""
        if folder not in self.known:
            self.known[folder] = folder.resolve()
        found = self.known[folder]
        around = next((root for root in self.folders if found.is_relative_to(root)), None)
        return None if around is None else found.relative_to(around).as_posix()

    def other_names(self, pattern: str) -> Iterator[str]:
        """The same place, if a folder before the first `*` is a link."""
        parts = pattern.split("/")
        fixed = next(
            (number for number, part in enumerate(parts) if glob.has_magic(part)), len(parts) - 1
        )
        folder = "/".join(parts[:fixed])
        for root in self.folders:
            real = self.real(root / folder)
            if real is not None and real != (folder or "."):
                yield "/".join([real, *parts[fixed:]])


class Claim(NamedTuple):
    """A place that a node reads or writes."""

    path: str
    node: str
    verb: str

    def __str__(self) -> str:
        return f"{self.path}, which {self.node} {self.verb}"


@dataclass(frozen=True, slots=True)
class _Taken:
    """The places that nodes read or write, each in parts.

    files: single ones; around: the folders that they are in; globs: places that may meet more
    than one path.
    """

    files: dict[tuple[str, ...], Claim] = field(default_factory=dict)
    around: dict[tuple[str, ...], Claim] = field(default_factory=dict)
    globs: dict[tuple[str, ...], Claim] = field(default_factory=dict)

    def add(self, path: str, claim: Claim) -> None:
        parts = _parts(path)
        if any(map(glob.has_magic, parts)) or parts[: len(_BRANCHES)] == _BRANCHES:
            self.globs.setdefault(parts, claim)
            return
        self.files.setdefault(parts, claim)
        for length in range(1, len(parts)):
            self.around.setdefault(parts[:length], claim)

    def at(self, path: tuple[str, ...], below: tuple[str, ...]) -> Claim | None:
        """Who has a path already: the path itself, one below or around it. below: the
        names that are written in its folder."""
        prefixes = (path[:length] for length in range(1, len(path) + 1))
        claim = next(
            (self.files[prefix] for prefix in prefixes if prefix in self.files), None
        ) or self.around.get(path)
        places = (path + below, (*_BRANCHES, "*", *path, *below))
        return claim or next(
            (
                claim
                for pattern, claim in self.globs.items()
                if any(_meet(one, pattern) for one in places)
            ),
            None,
        )


@dataclass(frozen=True, slots=True)
class Claims:
    """The places that nodes have to themselves."""

    links: _Links
    taken: _Taken = field(default_factory=_Taken)

    def on(self, exposure: Mapping[str, Any]) -> Claim | None:
        """Who has a place already in which an exposure, of this definition, would write."""
        path, columns = str(exposure["path"]), exposure["partition_by"]
        # The engine names folder after folder `column=value`, and the files in the last of them.
        below = (*(f"{name}=*".casefold() for name in columns), "*") if columns else ()
        names = [path, *self.links.other_names(path)]
        return next(
            (found for name in names if (found := self.taken.at(_parts(name), below))), None
        )


def claims_of(sources: Iterable[Node], root: DataRoot) -> Claims:
    """The files that sources read, and all that their globs take in as soon as it is there."""
    claims = Claims(_Links(tuple(folder.resolve() for folder in root.places.folders)))
    for source in sources:
        _take(claims.taken, source, root, claims.links)
    return claims


def collisions(graph: Graph, root: DataRoot) -> list[Problem]:
    """The exposures that share a place with a source or another exposure."""
    nodes = (graph.node(identifier) for identifier in graph.structure.files)
    exposures = [node for node in nodes if node.target is None]
    if not exposures:
        return []
    claims, problems = claims_of(graph.sources(), root), []
    for node in exposures:
        path = str(node.definition["path"])
        if claim := claims.on(node.definition):
            keys = ("params.path", "path", "url")
            line = next((node.lines[key] for key in keys if key in node.lines), 1)
            message = f"{node.id} would write over {claim}."
            hint = "Give it a path of its own."
            problems.append(Problem(message, node.path, line, hint, node.id, (claim.node,)))
        claims.taken.add(path, Claim(path, node.id, "writes"))
    return problems


def _take(taken: _Taken, source: Node, root: DataRoot, links: _Links) -> None:
    """The files of a source that are there, and whatever its glob takes in as soon as it is
    there."""
    for file in root.files(source):
        claim = Claim(file.path, source.id, "reads")
        taken.add(file.path, claim)
        at = file.at.resolve() if file.at.is_symlink() else file.at
        if (real := links.real(at.parent)) is not None:
            taken.add(f"{real}/{at.name}", claim)
    wanted = DataPath.of(source)
    for pattern in wanted.globs:
        for name in (pattern, *links.other_names(pattern)):
            taken.add(name, Claim(wanted.path, source.id, "reads"))


def _parts(pattern: str) -> tuple[str, ...]:
    """The parts of a path in one case: `Data` on one disk is `data` on another."""
    return tuple(part for part in pattern.casefold().split("/") if part not in ("", "."))


@cache
def _meet(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether some path matches two globs."""
    return _overlap(one, other, _ANY_FOLDERS, _names_meet)


@cache
def _names_meet(one: str, other: str) -> bool:
    """Whether some name matches two globs."""
    return _overlap(tuple(_letters(one)), tuple(_letters(other)), "*", _is_letter)


def _is_letter(one: str, other: str) -> bool:
    return one == other or "" in (one, other)


def _overlap(
    one: Sequence[str], other: Sequence[str], any_number: str, same: Callable[[str, str], bool]
) -> bool:
    """Whether something matches two patterns, in which one part stands for any number of parts.

    The table is filled from the end: each row is a rest of `one`, each column a rest of `other`,
    and each cell says whether something matches both rests.
    """
    columns = list(enumerate((*other, None)))  # None is the end of a pattern
    below = [False] * (len(columns) + 1)
    for part in (None, *reversed(one)):
        found = [False] * (len(columns) + 1)
        for column, counterpart in reversed(columns):
            if part is None and counterpart is None:
                found[column] = True
            elif any_number in (part, counterpart):
                found[column] = below[column] or found[column + 1]
            elif part is not None and counterpart is not None:
                found[column] = below[column + 1] and same(part, counterpart)
        below = found
    return below[0]


def _letters(name: str) -> Iterator[str]:
    while name:
        letter, name = _first(name)
        yield letter


def _first(glob_: str) -> tuple[str, str]:
    """The first character of a glob, "" for one that may be any, and the rest. A class counts as
    any character."""
    end = glob_.find("]", 2) if glob_[0] == "[" else -1
    if glob_[0] == "?" or end > 0:
        return "", glob_[max(end, 0) + 1 :]
    return glob_[0], glob_[1:]
