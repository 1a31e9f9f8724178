"""The interpreter for a Python node: uv's for its header, else the project's."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from seeknal_git.build.failures import NodeFailed
from seeknal_git.files import make_private, write_whole
from seeknal_git.git.tree import Tree
from seeknal_git.names import in_lines
from seeknal_git.nodes.node import Node
from seeknal_git.nodes.python.header import distribution
from seeknal_git.project.python_files import INTERPRETER_VARIABLE
from seeknal_git.sql.engine_version import engine_version

# Nodes make and read frames by DuckDB, whatever their header says.
_ENGINE = "duckdb"


@dataclass(frozen=True, slots=True)
class PythonEnvironment:
    """The Python that a node asks for: nodes that ask for the same share a worker.

    packages: its requirements; None without a header. script: its header, as text; lock: the text
    that pins it.
    """

    minor: int
    packages: tuple[str, ...] | None
    script: str
    lock: str = ""


def environment_of(node: Node, tree: Tree) -> PythonEnvironment:
    """The Python that a node asks for."""
    packages, lock = node.python["packages"], f"{node.path}.lock"
    pinned = packages is not None and lock in tree.files
    return PythonEnvironment(
        node.definition["python"]["minor"],
        None if packages is None else tuple(packages),
        node.python["script"],
        tree.read_small(lock).decode(errors="replace") if pinned else "",
    )


def interpreter(wanted: PythonEnvironment, folder: Path) -> tuple[str, bool]:
    """The interpreter of an environment, and whether uv made it, so that it has all packages.

    folder: where uv's scripts are kept. Raises NodeFailed if uv cannot make it.
    """
    named = os.environ.get(INTERPRETER_VARIABLE)
    uv = shutil.which("uv")
    if named or uv is None or wanted.packages is None:
        return named or sys.executable, False
    return _made_by(uv, wanted, folder), True


def _made_by(uv: str, wanted: PythonEnvironment, folder: Path) -> str:
    """The interpreter that uv makes for a header, one for all files with the same."""
    if wanted.lock and f'name = "{_ENGINE}"' not in wanted.lock:
        message = f"the lock of its file has no {_ENGINE}, with which nodes read and write tables"
        raise NodeFailed(f"{message}: add it to the dependencies, and lock again: uv lock --script")
    text = _script(wanted)
    asked = f"{wanted.minor} {text} {wanted.lock}"
    place = folder / hashlib.sha256(asked.encode()).hexdigest()[:16]
    make_private(place)
    script = place / "environment.py"
    write_whole(script, text.encode())
    frozen = []
    if wanted.lock:
        write_whole(script.with_name(f"{script.name}.lock"), wanted.lock.encode())
        frozen = ["--frozen"]
    version = f"3.{wanted.minor}"
    for command in (
        [uv, "sync", "--quiet", *frozen, "--script", str(script), "--python", version],
        [uv, "python", "find", "--script", str(script)],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            said = done.stderr.strip() or f"exit code {done.returncode}"
            lines = ["uv could not make its environment:", *said.splitlines()]
            raise NodeFailed(in_lines(lines))
    return done.stdout.strip()


def _script(wanted: PythonEnvironment) -> str:
    """A header, and the engine of this version if it does not name one."""
    names = [distribution(one) for one in wanted.packages or ()]
    if _ENGINE in names or wanted.lock:  # a lock pins all that there is
        return wanted.script
    engine = f'"{_ENGINE}=={engine_version()}"'
    given = "dependencies = ["
    rest = ", " if names else ""
    return wanted.script.replace(given, f"{given}{engine}{rest}", 1)


def lacking(
    wanted: PythonEnvironment, path: str, minor: int, missing: list[str]
) -> NodeFailed | None:
    """The error for an interpreter that does not satisfy an environment; None if it does."""
    if minor != wanted.minor:
        asked = f"Python 3.{wanted.minor}, and {path} is Python 3.{minor}"
        return NodeFailed(
            f"it needs {asked}: install uv, or name another in {INTERPRETER_VARIABLE}"
        )
    if missing:
        asked = ", ".join(missing)
        return NodeFailed(f"it needs {asked}, which {path} does not have: install uv, or them")
    return None
