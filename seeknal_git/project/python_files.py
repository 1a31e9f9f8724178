"""Read the Python nodes of a tree. Nothing is imported: git's blobs are parsed.

Other files decide a node too: modules of the project that its file imports, the text that pins its
packages, and the version of Python. So a file's nodes are remembered by an id of all of these, and
that id stands in place of a blob.
"""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seeknal_git.cache import Cache
from seeknal_git.errors import Problem, ProjectError, UsageError
from seeknal_git.git.repository import Repository
from seeknal_git.git.tree import Tree
from seeknal_git.nodes.node import Node
from seeknal_git.nodes.python import is_python_path
from seeknal_git.project.fingerprints import digest
from seeknal_git.project.vocabulary import Vocabulary

if TYPE_CHECKING:
    from seeknal_git.nodes.python.declarations import Source
    from seeknal_git.nodes.python.load import Surroundings

# Names the interpreter that runs Python nodes; without it, the one that runs Seeknal does.
INTERPRETER_VARIABLE = "SEEKNAL_PYTHON"
VERSION_FILE = ".python-version"
# Files that pin the packages of a project; the first that a tree has counts.
_LOCKS = ("uv.lock", "pylock.toml", "poetry.lock", "requirements.txt")
_VERSION = re.compile(r"(?:cpython[@-])?3\.(\d+)(?:\.\d+)?")


def python_paths(vocabulary: Vocabulary, cache: Cache) -> dict[str, str]:
    """The files of a tree with Python nodes: path → an id of everything that decides them."""
    tree = vocabulary.tree
    candidates = {path: blob for path, blob in tree.files.items() if is_python_path(path)}
    if not candidates:
        return {}
    looks = _Looks(tree, cache)
    looks.at(candidates)
    held = [path for path in candidates if looks.found[path]["nodes"]]
    if not held:
        return {}
    given = json.dumps(sorted(vocabulary.given.params.items()))
    place = digest(str(minor_of(tree)), _blob_of_lock(tree), given)
    found = {path: looks.id_of(path, place) for path in sorted(held)}
    for path in held:
        if names := looks.found[path]["templates"]:
            values = vocabulary.values.digest([(name, False) for name in names])
            found[path] = digest(found[path], values)
    return found


def exchange(repository: Repository) -> Path:
    """The folder for files that go to the workers of a run and come from them."""
    return repository.private / "python"


def decides_python(path: str) -> bool:
    """Whether an edit of a file may change Python nodes."""
    return path.endswith((".py", ".py.lock")) or path in (VERSION_FILE, *_LOCKS)


class _Looks:
    """Short looks at Python files: whether they hold nodes, and the modules that they import."""

    def __init__(self, tree: Tree, cache: Cache) -> None:
        self._tree, self._cache = tree, cache
        self.found: dict[str, dict[str, Any]] = {}

    def at(self, paths: Iterable[str]) -> None:
        wanted = {path: self._tree.files[path] for path in paths if path not in self.found}
        known = self._cache.get("python", set(wanted.values()))
        fresh = {}
        for path, blob in wanted.items():
            if blob not in known:
                fresh[blob] = known[blob] = _look(self._tree.read_small(path))
            self.found[path] = known[blob]
        if fresh:
            self._cache.put("python", fresh)

    def id_of(self, path: str, place: str) -> str:
        """A hash of a file and of all modules of the project behind it."""
        files = self._tree.files
        behind, waiting = {path}, [path]
        while waiting:
            near = set(self._imported(waiting.pop(), path.rpartition("/")[0])) - behind
            self.at(near)
            behind |= near
            waiting += near
        told = [word for one in sorted(behind - {path}) for word in (one, files[one])]
        return digest("python", path, files[path], files.get(f"{path}.lock", ""), place, *told)

    def _imported(self, path: str, home: str) -> Iterator[str]:
        from seeknal_git.nodes.python.reach import Modules

        modules = Modules(self._tree.files, _unread, home)
        for name, level in self.found[path]["imports"]:
            yield from (found for _, found in modules.named(name, path, level))


def _unread(path: str) -> Any:
    raise AssertionError(f"{path} is only looked for")


def _look(content: bytes) -> dict[str, Any]:
    """Whether a file holds nodes, the modules that it imports (name, dots before it), and the names
    in templates of its decorators."""
    from seeknal_git.nodes.python.declarations import (
        declares,
        imports,
        may_hold_nodes,
        parsed,
        templates_in,
    )

    try:
        source = parsed(content, "")
    except ProjectError:
        return {"nodes": may_hold_nodes(content), "imports": [], "templates": []}
    return {
        "nodes": declares(source),
        "imports": [list(found) for found in imports(source)],
        "templates": templates_in(source) if b"{{" in content else [],
    }


def read_nodes(vocabulary: Vocabulary, path: str) -> tuple[list[Node], list[Problem]]:
    """The nodes of a file, and warnings about them. Raises ProjectError."""
    from seeknal_git.nodes.python.load import load_nodes

    source, around = surroundings(vocabulary.tree, path)
    given = replace(around, params=vocabulary.given.params)
    return load_nodes(source, given, lambda: replace(vocabulary.values, macros={}))


def surroundings(tree: Tree, path: str) -> tuple[Source, Surroundings]:
    """A Python file, and everything beside it that decides its nodes. Raises ProjectError."""
    from seeknal_git.nodes.python.declarations import parsed
    from seeknal_git.nodes.python.header import header_of, minor_for
    from seeknal_git.nodes.python.load import Surroundings
    from seeknal_git.nodes.python.reach import Modules

    @functools.cache
    def read(module: str) -> Source:
        return parsed(tree.read_small(module), module)

    source = read(path)
    header = header_of(source.text, path)
    lock = tree.files.get(f"{path}.lock", "") if header else _blob_of_lock(tree)
    minor = minor_for(header, minor_of(tree), path)
    modules = Modules(tree.files, read, path.rpartition("/")[0])
    return source, Surroundings(modules, minor, header, lock)


def _blob_of_lock(tree: Tree) -> str:
    return next((tree.files[name] for name in _LOCKS if name in tree.files), "")


def minor_of(tree: Tree) -> int:
    """The minor version of Python 3 that nodes of a tree run with, if their header allows it."""
    if VERSION_FILE in tree.files:
        words = tree.read_small(VERSION_FILE).decode(errors="replace").split()
        found = _VERSION.fullmatch(words[0]) if words else None
        if found:
            return int(found[1])
    return minor_of_interpreter(os.environ.get(INTERPRETER_VARIABLE) or sys.executable)


@functools.cache
def minor_of_interpreter(path: str) -> int:
    """The minor version of an interpreter of Python 3. Raises UsageError."""
    if path == sys.executable:
        return sys.version_info.minor
    command = [path, "-I", "-c", "import sys; print(sys.version_info[1])"]
    try:
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    except (OSError, ValueError, subprocess.CalledProcessError) as exc:
        hint = f"{INTERPRETER_VARIABLE} names a Python 3, such as /usr/bin/python3."
        raise UsageError(f"{path} is not an interpreter of Python.", hint) from exc
