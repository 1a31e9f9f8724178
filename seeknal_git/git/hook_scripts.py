"""The scripts of the hooks. A script has a line for each project of the repository that it
serves."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from seeknal_git.names import production_ref_of

HOOKS = ("pre-commit", "pre-merge-commit", "post-merge", "post-commit", "post-rewrite")
SERVER_HOOKS = ("post-receive",)

# The digest is of the rest of the script, so that a hook that somebody edited is never replaced.
_MARKER = re.compile(rb"^# Seeknal hook ([0-9a-f]{12}|@DIGEST@)", re.MULTILINE)
_PACKAGE = Path(__file__).resolve().parents[1]

# A shell word may be quoted, and a quoted one may go on over lines. The last two patterns are of
# hooks that served one project only: they may still be installed somewhere.
_WORDS = r"""((?:'[^']*'|"[^"]*"|[^'"\n])+)$"""
_LINE = re.compile(rf"^project {_WORDS}", re.MULTILINE)
_OLD_PROJECT = re.compile(rf"^(project={_WORDS})", re.MULTILINE)
_OLD_COMMAND = re.compile(rf"^set -- {_WORDS}", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Line:
    """The line of a script for one project."""

    # Relative to the repository's top; `.` for all of it.
    folder: str
    # The full name of the production branch; "" in hooks that only validate.
    branch: str
    # Starts seeknal.
    command: tuple[str, ...]
    # On a server, the folder that takes the place of the working tree.
    data_root: str = ""


def folder_of(project: str) -> str:
    return project.rstrip("/") or "."


def render(name: str, lines: Iterable[Line]) -> bytes:
    """The script of a hook that serves some projects."""
    packaged = _PACKAGE / "hooks"
    folder = packaged if packaged.is_dir() else _PACKAGE.parent / "hooks"
    template = (folder / name).read_text(encoding="utf-8")
    ordered = sorted(lines, key=lambda line: line.folder)
    projects = "\n".join(f"project {shlex.join(_words(name, line))}" for line in ordered)
    script = template.replace("@PROJECTS@", projects, 1).encode(errors="surrogateescape")
    return script.replace(b"@DIGEST@", _digest(script), 1)


def read(name: str, script: bytes) -> dict[str, Line]:
    """The lines of a script that can be read, by the folders of their projects."""
    text = script.decode(errors="surrogateescape")
    found = [_line(name, words) for match in _LINE.finditer(text) if (words := _split(match[1]))]
    return {line.folder: line for line in (*_old_lines(text), *found) if line and line.command}


def is_marked(script: bytes) -> bool:
    """Whether a script was written by us, edited since or not."""
    return _MARKER.search(script) is not None


def is_unedited(script: bytes) -> bool:
    marker = _MARKER.search(script)
    return marker is not None and marker[1] == _digest(script)


def by_hand(name: str, line: Line) -> str:
    """The commands of a hook for one project, to be added to a script of the user's."""
    body = render(name, [line]).decode(errors="surrogateescape").split("\n\n", 1)[1]
    return f"(\n{body}) || {'exit 1' if name.startswith('pre-') else 'true'}\n"


def _words(name: str, line: Line) -> tuple[str, ...]:
    """The words of a project's line. The command comes after the first `_before_command` words."""
    if name.startswith("pre-"):
        return (line.folder, *line.command)
    if name in SERVER_HOOKS:
        return (
            "" if line.folder == "." else f"{line.folder}/",
            line.branch,
            line.data_root,
            *line.command,
        )
    return (line.folder, line.branch, production_ref_of(line.folder), *line.command)


def _line(name: str, words: list[str]) -> Line | None:
    first = 1 if name.startswith("pre-") else 3
    if len(words) <= first:
        return None
    branch, third = words[1:3] if first == 3 else ("", "")
    return Line(
        folder_of(words[0]), branch, tuple(words[first:]), third if name in SERVER_HOOKS else ""
    )


def _old_lines(text: str) -> Iterator[Line]:
    for project, command in zip(
        _OLD_PROJECT.finditer(text), _OLD_COMMAND.finditer(text), strict=False
    ):
        values = dict(word.partition("=")[::2] for word in _split(project[1]))
        yield Line(
            folder_of(values.get("project", "")),
            values.get("production", ""),
            tuple(_split(command[1])),
        )


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return []  # somebody else's line, in a script of theirs


def _digest(script: bytes) -> bytes:
    without = _MARKER.sub(b"", script, count=1)
    return hashlib.sha256(without).hexdigest()[:12].encode()
