"""Graphs that are remembered, one file for each tree (docs/design/remembered-graphs.md).

A file begins with a line that says how long its parts are, and with a checksum. Then come the core,
the facts that every plan asks of all nodes, and the records, one for each node, which are decoded
when somebody asks for the node. Everything is JSON. A file that is not exactly as it was written is
passed over: it only costs the time to look at all nodes again.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from seeknal_git.cache import VERSION
from seeknal_git.errors import Problem, as_problem, limits
from seeknal_git.files import write_whole
from seeknal_git.project.bound_graph import Answers, BoundGraph, Facet, Facts, Index, Over
from seeknal_git.project.fingerprints import Fingerprint, digest
from seeknal_git.project.graph import Structure, python_of, view_problems
from seeknal_git.project.node_files import entry_of, member_of
from seeknal_git.project.origins import Origins
from seeknal_git.sql.engine_version import engine_version
from seeknal_git.sql.statement import Known, packed, unpacked

FORMAT = 1  # of the file; cache.VERSION counts for the content
MOST_FILES = 8
MOST_BYTES = 256 << 20  # of all files but the newest one
_SUFFIX = ".graph"
_COMPACT = (",", ":")


@dataclass(frozen=True, slots=True)
class Sound:
    """A graph without any problem, and all that was said of its files."""

    graph: BoundGraph
    foreign: tuple[str, ...]  # the YAML files below seeknal/ that are no nodes
    warnings: tuple[Problem, ...]  # of the files of nodes
    names_of_macros: str = ""  # see Vocabulary


@dataclass(slots=True)
class Graphs:
    """The graphs of a project that are remembered in a folder."""

    folder: Path
    _read: dict[Path, Sound] = field(default_factory=dict)

    @classmethod
    def of(cls, cache: Path, project: str) -> Graphs:
        """The graphs that this version of the code and of the engine, on this kind of machine, with
        these limits, may have made of a project. project: its folder in the repository."""
        machine = os.uname()
        kind = (machine.sysname, machine.machine, engine_version())
        made_by = (str(FORMAT), str(VERSION), *kind, repr(limits()), project)
        return cls(cache / "graphs" / digest(*made_by)[:16])

    def nearest(self, tree: str) -> Sound | None:
        """The graph of a tree; else the one that was used last, as long as it can be read."""
        own = self._path(tree)
        for path in dict.fromkeys([own, *self._newest_first()]):
            found = self._read.get(path) or _sound_file(path)
            if found is not None:
                self._read[path] = found
                return found
        return None

    def has(self, tree: str) -> bool:
        """Whether there is a file for a tree."""
        return self._path(tree).exists()

    def keep(self, tree: str, found: Sound) -> None:
        """Remember the graph of a tree. A disk that is full, or may not be written, costs time."""
        with suppress(OSError):
            write_whole(self._path(tree), _encoded(found))
            self._prune()

    def _path(self, tree: str) -> Path:
        return self.folder / f"{tree}{_SUFFIX}"

    def _newest_first(self) -> list[Path]:
        with suppress(OSError):
            files = [(path.stat().st_mtime_ns, path) for path in self.folder.glob(f"*{_SUFFIX}")]
            return [path for _, path in sorted(files, reverse=True)]
        return []

    def _prune(self) -> None:
        """Remove old files, and those of other versions of the code or the engine."""
        size = 0
        for number, path in enumerate(self._newest_first()):
            size += path.stat().st_size
            if number and (number >= MOST_FILES or size > MOST_BYTES):
                path.unlink(missing_ok=True)
        for path in _of_others(self.folder):
            path.unlink(missing_ok=True)


def _of_others(folder: Path) -> Iterator[Path]:
    """The files of other folders, but for the newest ones: two projects, or two versions of the
    engine, may be used in turn."""
    others = [path for path in folder.parent.glob(f"*/*{_SUFFIX}") if path.parent != folder]
    others.sort(key=lambda path: path.stat().st_mtime_ns, reverse=True)
    yield from others[MOST_FILES:]


def _sound_file(path: Path) -> Sound | None:
    """The graph in a file; None if the file is not exactly as it was written. Its use is noted."""
    try:
        content = path.read_bytes()
        found = _decoded(content)
        os.utime(path)
    except OSError:
        return None
    return found


# Writing


def _encoded(found: Sound) -> bytes:
    graph = found.graph
    records = _records(graph)
    ends = [0]
    for record in records:
        ends.append(ends[-1] + len(record))
    core = json.dumps({**_core(found), "ends": ends}, separators=_COMPACT).encode()
    body = b"".join([core, *records])
    head = {"format": FORMAT, "core": len(core), "size": len(body), "crc": zlib.crc32(body)}
    return json.dumps(head).encode() + b"\n" + body


def _core(found: Sound) -> dict[str, Any]:
    graph, index = found.graph, found.graph.index
    ids = list(graph.inputs)
    numbers = {identifier: number for number, identifier in enumerate(ids)}
    masks = {mask: number for number, mask in enumerate(set(index.masks.values()))}
    origins = [source if source in numbers else "" for source in graph.origins]
    return {
        "ids": ids,
        "paths": [index.files[identifier][0] for identifier in ids],
        "blobs": [index.files[identifier][1] for identifier in ids],
        "inputs": [[numbers[read] for read in inputs] for inputs in graph.inputs.values()],
        "inert": list(map(numbers.__getitem__, graph.structure.inert)),
        "views": list(map(numbers.__getitem__, graph.structure.as_views)),
        "ephemeral": list(map(numbers.__getitem__, graph.structure.ephemeral)),
        "pieces": [[numbers[node], form] for node, form in graph.structure.pieces.items()],
        "wholes": [index.wholes[identifier] for identifier in ids],
        "masks": [masks[index.masks[identifier]] for identifier in ids],
        "mask": [f"{mask:x}" for mask in masks],
        "origins": origins,
        **_of_some(index, numbers),
        "macros": found.names_of_macros,
        "foreign": found.foreign,
        "warnings": [asdict(warning) for warning in found.warnings],
    }


def _of_some(index: Index, numbers: Mapping[str, int]) -> dict[str, Any]:
    """The parts of an index that say something of some nodes only."""
    return {
        "tested": [numbers[identifier] for identifier in index.tested],
        "volatile": [[numbers[node], number] for node, number in index.volatile],
        "uses": [[numbers[node], names] for node, names in index.uses.items()],
        "secret": [numbers[node] for node in index.secret],
        "exampled": [numbers[node] for node in index.exampled],
        "earlier": [numbers[node] for node in index.earlier],
    }


def _records(graph: BoundGraph) -> list[bytes]:
    """One for each node, in the order of the ids."""
    own, remembered = graph.facts, None
    if isinstance(graph.facts, Over) and isinstance(graph.facts.below, Remembered):
        own, remembered = graph.facts.own, graph.facts.below
    found = []
    for identifier in graph.inputs:
        facts = own.get(identifier)
        if facts is None and remembered is not None:
            found.append(remembered.record(identifier))
        else:
            found.append(_record(facts or graph.facts[identifier]))
    return found


def _record(facts: Facts) -> bytes:
    known, made, came = facts.answers.known, facts.fingerprint, facts.origins
    node = facts.member.node
    # A text with values of the environment is kept nowhere: the node is read again.
    hidden = replace(node, sql="", definition={}, checks=()) if node.secrets else node
    value = [
        entry_of(replace(facts.member, node=hidden)),
        facts.targets,
        [known.columns, known.unique, known.collated],
        [packed(anatomy) for anatomy in facts.answers.anatomies],
        facts.answers.volatile,
        [made.rows, made.columns],
        [
            f"{came.whole:x}",
            None if came.rows is None else f"{came.rows:x}",
            {name: f"{mask:x}" for name, mask in came.columns.items()},
        ],
    ]
    return json.dumps(value, separators=_COMPACT).encode()


# Reading


def _decoded(content: bytes) -> Sound | None:
    start = content.find(b"\n") + 1
    body = memoryview(content)[start:]
    try:
        said = json.loads(content[:start])
        expected = (said["format"], said["size"], said["crc"])
        if expected != (FORMAT, len(body), zlib.crc32(body)):
            return None
        core = json.loads(bytes(body[: said["core"]]))
        return _sound(core, body[said["core"] :])
    except (ValueError, KeyError, IndexError, TypeError):
        return None


def _sound(core: Mapping[str, Any], records: memoryview) -> Sound:
    ids: list[str] = core["ids"]
    files = dict(zip(ids, zip(core["paths"], core["blobs"], strict=True), strict=True))
    wholes = dict(zip(ids, core["wholes"], strict=True))
    table = [int(mask, 16) for mask in core["mask"]]
    index = Index(
        files,
        wholes,
        {identifier: table[number] for identifier, number in zip(ids, core["masks"], strict=True)},
        frozenset(ids[number] for number in core["tested"]),
        frozenset((ids[node], number) for node, number in core["volatile"]),
        {
            ids[node]: tuple([(name, is_own) for name, is_own in names])
            for node, names in core["uses"]
        },
        frozenset(ids[node] for node in core["secret"]),
        frozenset(ids[node] for node in core["exampled"]),
        frozenset(ids[node] for node in core["earlier"]),
    )
    structure = _structure(core, {node: path for node, (path, _) in files.items()})
    facts = Remembered(files, wholes, dict(zip(ids, pairwise(core["ends"]), strict=True)), records)
    members = Facet(facts, lambda fact: fact.member)
    graph = BoundGraph(
        members=members,
        structure=structure,
        targets=Facet(facts, lambda fact: fact.targets),
        warnings=tuple(view_problems(structure, members)[1]),
        facts=facts,
        index=index,
        origins=tuple(core["origins"]),
    )
    warnings = tuple(map(as_problem, core["warnings"]))
    return Sound(graph, tuple(core["foreign"]), warnings, core["macros"])


def _structure(core: Mapping[str, Any], paths: Mapping[str, str]) -> Structure:
    ids: list[str] = core["ids"]
    return Structure(
        {
            identifier: tuple([ids[number] for number in inputs])
            for identifier, inputs in zip(ids, core["inputs"], strict=True)
        },
        frozenset(ids[number] for number in core["inert"]),
        python_of(ids, paths),
        frozenset(ids[number] for number in core["views"]),
        frozenset(ids[number] for number in core["ephemeral"]),
        {ids[number]: form for number, form in core["pieces"]},
    )


class Remembered(Mapping[str, Facts]):
    """The facts of all nodes of a file, each decoded once somebody asks for it."""

    def __init__(
        self,
        files: Mapping[str, tuple[str, str]],
        wholes: Mapping[str, str],
        places: Mapping[str, tuple[int, int]],
        records: memoryview,
    ) -> None:
        self._files, self._wholes, self._places = files, wholes, places
        self._records = records
        self._known: dict[str, Facts] = {}

    def record(self, identifier: str) -> bytes:
        """A node's facts as they stand in the file."""
        start, end = self._places[identifier]
        return bytes(self._records[start:end])

    def __getitem__(self, identifier: str) -> Facts:
        found = self._known.get(identifier)
        if found is None:
            value = json.loads(self.record(identifier))
            found = _facts(value, *self._files[identifier], self._wholes[identifier])
            self._known[identifier] = found
        return found

    def __contains__(self, identifier: object) -> bool:
        return identifier in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def _facts(value: Sequence[Any], path: str, blob: str, whole: str) -> Facts:
    entry, targets, known, anatomies, volatile, (rows, columns), origins = value
    answers = Answers(_known(*known), tuple(map(unpacked, anatomies)), tuple(volatile))
    decided, decided_rows, decided_columns = origins
    return Facts(
        member_of(entry, path, blob),
        tuple(map(tuple, targets)),
        answers,
        Fingerprint(whole, rows, columns),
        Origins(
            int(decided, 16),
            None if decided_rows is None else int(decided_rows, 16),
            {name: int(mask, 16) for name, mask in decided_columns.items()},
        ),
    )


def _known(
    columns: Sequence[Sequence[str]] | None,
    unique: Sequence[Sequence[str]],
    collated: Sequence[str],
) -> Known:
    found = None if columns is None else tuple((name, word) for name, word in columns)
    return Known(found, tuple(map(tuple, unique)), tuple(collated))
