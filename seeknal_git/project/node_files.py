"""Read the nodes of a tree, each file once for its content."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from seeknal_git.cache import Cache
from seeknal_git.errors import Problem, ProjectError, as_problem, limits, raising
from seeknal_git.git.tree import Tree
from seeknal_git.names import CHANGES
from seeknal_git.nodes.node import Check, Input, Node
from seeknal_git.nodes.values import Use
from seeknal_git.project.definitions import Member, Project, is_node_path
from seeknal_git.project.earlier import Reader, with_earlier
from seeknal_git.project.fingerprints import digest
from seeknal_git.project.python_files import python_paths, read_nodes
from seeknal_git.project.vocabulary import Vocabulary
from seeknal_git.sql.statement import Reading, Reference


@dataclass(frozen=True, slots=True)
class Files:
    """The content of some files of nodes."""

    members: tuple[Member, ...]  # in the order of their paths
    warnings: tuple[Problem, ...]
    foreign: tuple[str, ...]  # the files that are no nodes
    unread: tuple[Problem, ...]  # one for each foreign file that could not be read
    problems: tuple[Problem, ...]


def load_project(vocabulary: Vocabulary, cache: Cache) -> Project:
    """Read every node of a tree. Problems are collected, not raised."""
    tree = vocabulary.tree
    paths = node_paths(vocabulary, cache)
    if found := too_many(paths):
        return Project((), (found,), (), (), tree)
    files = read_files(vocabulary, cache, paths)
    problems = (*other_problems(vocabulary, files.problems),)
    return Project(files.members, problems, files.warnings, files.foreign, tree, files.unread)


def node_paths(vocabulary: Vocabulary, cache: Cache) -> dict[str, str]:
    """The files of a tree that may hold nodes: path → blob; of a Python file, an id of all that
    decides it."""
    files = vocabulary.tree.files
    paths = {path: blob for path, blob in files.items() if is_node_path(path)}
    return paths | python_paths(vocabulary, cache)


def too_many(paths: Mapping[str, str]) -> Problem | None:
    """The problem that there are too many files of nodes, if so."""
    if len(paths) <= (most := limits().nodes):
        return None
    message = f"There are {len(paths):,} files of nodes, and {most:,} are the most that is allowed."
    return Problem(message, "seeknal", hint=raising("nodes"))


def other_problems(vocabulary: Vocabulary, of_files: Iterable[Problem]) -> list[Problem]:
    """All problems of a tree's files: links, those of common files and of the files of nodes."""
    found = [*_links(vocabulary.tree), *vocabulary.problems, *of_files]
    return list(dict.fromkeys(found))  # two nodes may use the same entry that has no value


def read_files(vocabulary: Vocabulary, cache: Cache, paths: Mapping[str, str]) -> Files:
    """Read some files of nodes. paths: path → blob."""
    paths = dict(sorted(paths.items()))
    written = {path: blob for path, blob in paths.items() if not path.endswith(".py")}
    entries, problems = _entries(vocabulary, cache, written)
    code, more = _python_entries(vocabulary, cache, paths.items() - written.items())
    members: list[Member] = []
    warnings: list[Problem] = []
    foreign: list[str] = []
    unread: list[Problem] = []
    for path, (content, entry) in entries.items():
        told = [as_problem({**warning, "path": path}) for warning in entry["warnings"]]
        warnings += told
        if entry["foreign"]:
            foreign.append(path)
            unread += told
        else:
            members.append(member_of(entry, path, content))
            further = entry.get("further", ())
            members += [member_of(document, path, content) for document in further]
    for path, found in code.items():
        warnings += [as_problem({**warning, "path": path}) for warning in found["warnings"]]
        members += [member_of(entry, path, paths[path]) for entry in found["entries"]]
    problems += more
    if any(member.node.earlier for member in members):
        members, wrong = with_earlier(members, vocabulary, _reader(cache))
        problems += wrong
    members.sort(key=lambda member: member.node.path)
    return Files(tuple(members), tuple(warnings), tuple(foreign), tuple(unread), tuple(problems))


def _reader(cache: Cache) -> Reader:
    def files(
        vocabulary: Vocabulary, paths: Mapping[str, str]
    ) -> tuple[tuple[Member, ...], tuple[Problem, ...]]:
        found = read_files(vocabulary, cache, paths)
        return found.members, found.problems

    def statement(sql: str) -> Reading:
        from seeknal_git.sql.describe import readings

        key = digest(sql)
        if known := cache.get("both codes", [key]):
            return _reading(known[key]) or Reading()
        reading, lasting = readings([sql])[0]
        if lasting:
            cache.put("both codes", {key: _packed(reading)})
        return reading

    return Reader(files, statement)


def _links(tree: Tree) -> list[Problem]:
    return [
        Problem(
            "This is a symbolic link, which git keeps as a name.",
            path,
            hint="Put here what it leads to.",
        )
        for path in sorted(tree.links)
        if path == "seeknal" or path.startswith("seeknal/")
    ]


def _entries(
    vocabulary: Vocabulary, cache: Cache, paths: Mapping[str, str]
) -> tuple[dict[str, tuple[str, Any]], list[Problem]]:
    """The content and the entry of each file, remembered or read now; and the problems of files
    that are not nodes."""
    contents = dict(paths)
    known = _remembered(vocabulary, cache, contents)
    if all(content in known and not known[content]["foreign"] for content in contents.values()):
        return {path: (content, known[content]) for path, content in contents.items()}, []
    entries: dict[str, tuple[str, Any]] = {}
    problems: list[Problem] = []

    def read() -> Iterator[_Fresh]:
        for path in paths:
            content = contents[path]
            entry = known.get(content)
            if entry is None or entry["foreign"]:
                try:
                    fresh = _read(vocabulary, path)
                except ProjectError as exc:
                    problems.extend(exc.problems)
                    continue
                content, entry = fresh.content, fresh.entry
                known[content] = entry
                yield fresh
            entries[path] = content, entry

    if fresh := _taken_apart(read(), len(paths) - len(known)):
        cache.put(_topic(vocabulary), _to_remember(fresh))
    return entries, problems


def _remembered(
    vocabulary: Vocabulary, cache: Cache, contents: dict[str, str]
) -> dict[str, dict[str, Any]]:
    """The entries that are remembered, by content. contents: path → blob; a file that uses values
    of other files gets its content with them here."""
    topic = _topic(vocabulary)
    known = cache.get(topic, set(contents.values()))
    found = {blob: entry for blob, entry in known.items() if _OUTLINE not in entry}
    if len(found) == len(known):
        return found
    again = {path: blob for path, blob in contents.items() if _OUTLINE in known.get(blob, ())}
    for path, blob in again.items():
        contents[path] = vocabulary.content(blob, known[blob][_OUTLINE])
    return {**found, **cache.get(topic, {contents[path] for path in again})}


def _topic(vocabulary: Vocabulary) -> str:
    """The topic of the nodes of a tree in the cache: macros of other names are other calls."""
    return f"node {vocabulary.names_of_macros}".rstrip()


# The key of an entry that has, instead of a node, the names that its file uses.
_OUTLINE = "uses"


def _to_remember(files: Iterable[_Fresh]) -> dict[str, dict[str, Any]]:
    """The entries of files by content; beside those that use values of other files, the names that
    they use, by blob. A node with values of the environment is not remembered."""
    found: dict[str, dict[str, Any]] = {}
    for file in files:
        if file.uses:
            found[file.blob] = {_OUTLINE: file.uses}
        if not file.is_secret:
            found[file.content] = file.entry
    return found


def _python_entries(
    vocabulary: Vocabulary, cache: Cache, paths: Iterable[tuple[str, str]]
) -> tuple[dict[str, Any], list[Problem]]:
    """The entries of the nodes of Python files, and the problems of these files."""
    wanted = dict(sorted(paths))
    if not wanted:
        return {}, []
    known = cache.get("python nodes", set(wanted.values()))
    missing = {path: key for path, key in wanted.items() if key not in known}
    fresh, problems = _python_read(vocabulary, missing)
    flat = [file for files, _ in fresh.values() for file in files]
    lasting = {id(file) for file in _taken_apart(flat, len(flat)) if not file.is_secret}
    for key, (files, warnings) in fresh.items():
        for file in files:
            _refer_to_inputs(file.entry)
        told = [asdict(warning) for warning in warnings]
        known[key] = {"entries": [file.entry for file in files], "warnings": told}
        if lasting.issuperset(map(id, files)):
            cache.put("python nodes", {key: known[key]})
    return {path: known[key] for path, key in wanted.items() if key in known}, problems


def _python_read(
    vocabulary: Vocabulary, paths: Mapping[str, str]
) -> tuple[dict[str, tuple[list[_Fresh], list[Problem]]], list[Problem]]:
    """The nodes of some files, by the files' ids, with warnings; and problems."""
    found: dict[str, tuple[list[_Fresh], list[Problem]]] = {}
    problems: list[Problem] = []
    for path, key in paths.items():
        try:
            nodes, warnings = read_nodes(vocabulary, path)
            found[key] = [_fresh(node, path, key, key) for node in nodes], warnings
        except ProjectError as exc:
            problems += exc.problems
    return found, problems


def _refer_to_inputs(entry: dict[str, Any]) -> None:
    """Let the references of a function be its inputs."""
    if entry["node"]["python"]:
        reads = [[0, 0, given, True, ""] for given, _ in entry["node"]["inputs"]]
        entry["readings"][0] = [reads, None, None]


@dataclass(frozen=True, slots=True)
class _Fresh:
    """A file that was read now. entry: as it will be remembered, once its statements are read."""

    path: str
    blob: str
    content: str
    entry: dict[str, Any]
    statements: tuple[str | None, ...] = ()
    lines: tuple[int, ...] = ()  # on which each statement begins
    uses: tuple[Use, ...] = ()
    is_secret: bool = False


def _read(vocabulary: Vocabulary, path: str) -> _Fresh:
    """Raises ProjectError."""
    from seeknal_git.nodes.load import load_nodes

    tree, blob = vocabulary.tree, vocabulary.tree.files[path]
    nodes, warnings = load_nodes(tree.read_small(path), path, vocabulary.values)
    node = nodes[0] if nodes else None
    entry: dict[str, Any] = {
        "foreign": node is None,
        "warnings": [asdict(warning) for warning in warnings],
    }
    if node is None:
        return _Fresh(path, blob, blob, entry)
    content = vocabulary.content(blob, node.uses) if node.uses else blob
    fresh = _fresh(node, path, blob, content)
    if nodes[1:]:
        entry["further"] = [_further(one) for one in nodes[1:]]
    return replace(fresh, entry=entry | fresh.entry)


def _further(node: Node) -> dict[str, Any]:
    """The entry of another node in the same file: a metric, which has no SQL of its own, or the
    history of a source."""
    from seeknal_git.nodes.changes import reading_of_history

    reading = _packed(reading_of_history()) if node.kind == CHANGES else None
    return {"node": _as_data(node), "readings": [reading]}


def _fresh(node: Node, path: str, blob: str, content: str) -> _Fresh:
    """Raises ProjectError."""
    statements = (
        node.sql if node.kind != "source" else None,
        *(check.sql for check in node.checks),
    )
    lines = (node.sql_line, *(check.line for check in node.checks))
    entry = {"node": _as_data(node)}
    short = _need_short(statements, lines, path)
    return _Fresh(path, blob, content, entry, short, lines, node.uses, bool(node.secrets))


def _as_data(node: Node) -> dict[str, Any]:
    """A node as JSON takes it."""
    return {field.name: getattr(node, field.name) for field in fields(Node)} | {
        "inputs": [[given.id, given.line] for given in node.inputs],
        "checks": [asdict(check) for check in node.checks],
    }


def entry_of(member: Member) -> dict[str, Any]:
    """A node and the tables that its SQL names, as JSON takes them. See `member_of`."""
    readings = [member.sql, *member.checks]
    return {
        "node": _as_data(member.node),
        "readings": [reading and _packed(reading) for reading in readings],
        **({"earlier": _entry_of_earlier(member.earlier)} if member.earlier else {}),
    }


def _entry_of_earlier(member: Member) -> dict[str, Any]:
    return {**entry_of(member), "path": member.node.path, "content": member.content}


def _need_short(
    statements: tuple[str | None, ...], lines: Iterable[int], path: str
) -> tuple[str | None, ...]:
    most = limits().statement_kb
    long = [
        line
        for sql, line in zip(statements, lines, strict=True)
        if sql and len(sql.encode()) > most << 10
    ]
    if long:
        message = f"This SQL is longer than {most} KB."
        raise ProjectError([Problem(message, path, line, raising("statement_kb")) for line in long])
    return statements


def _taken_apart(files: Iterable[_Fresh], likely: int) -> list[_Fresh]:
    """Add to each entry the tables that its statements name; returns the files whose entries may be
    remembered.

    Each statement is handed to a worker at once, and the next file is read meanwhile. likely: how
    many files there may be. Raises ProjectError.
    """
    from seeknal_git.sql.describe import readings
    from seeknal_git.sql.worker import TooLong

    read: list[_Fresh] = []
    places: list[tuple[str, int]] = []  # of each statement: its file and line

    def statements() -> Iterator[str]:
        for file in files:
            read.append(file)
            for sql, line in zip(file.statements, file.lines, strict=True):
                if sql is not None:
                    places.append((file.path, line))
                    yield sql

    try:
        found = iter(readings(statements(), likely))
    except TooLong as exc:
        raise ProjectError([Problem(exc.message, *places[exc.at], exc.hint)]) from exc
    remembered = []
    for file in read:
        known = [None if sql is None else next(found) for sql in file.statements]
        file.entry["readings"] = [reading and _packed(reading[0]) for reading in known]
        if all(reading is None or reading[1] for reading in known):
            remembered.append(file)
    return remembered


def _packed(reading: Reading) -> list[Any]:
    """As `_reading` takes it."""
    references = [
        [named.start, named.end, named.target, named.explicit, named.alias]
        for named in reading.references
    ]
    return [references, reading.error, reading.error_line]


def member_of(entry: Mapping[str, Any], path: str, content: str) -> Member:
    """The node of a file. entry: its node and readings, as they are remembered."""
    given = entry["node"]
    node = Node(
        **{
            **given,
            "path": path,
            "inputs": tuple(Input(*place) for place in given["inputs"]),
            "checks": tuple(
                Check(**{**check, "key": tuple(check["key"])}) for check in given["checks"]
            ),
            "uses": tuple((name, is_own) for name, is_own in given["uses"]),
            "breaks": tuple(given["breaks"]),
            "secrets": tuple(given["secrets"]),
        }
    )
    own, *checks = map(_reading, entry["readings"])
    before = entry.get("earlier")
    earlier = member_of(before, before["path"], before["content"]) if before else None
    return Member(node, content, own, tuple(reading or Reading() for reading in checks), earlier)


def _reading(value: list[Any] | None) -> Reading | None:
    if value is None:
        return None
    references, error, error_line = value
    return Reading(tuple(Reference(*place) for place in references), error, error_line)
