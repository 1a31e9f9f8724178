"""The header of a Python file (PEP 723): the packages that it needs, and the Python."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass

from seeknal_git.errors import Problem, ProjectError

_BLOCK = re.compile(r"(?m)^# /// script\s*$\s((?:^#(?:| .*)$\s)+?)^# ///\s*$")
_NAME = re.compile(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)")
_CLAUSE = re.compile(r"\s*(>=|<=|==|!=|~=|>|<)\s*3(?:\.(\d+))?(?:\.(\d+|\*))?\s*")
# The minor versions of Python 3 that a header may choose among.
_MINORS = range(8, 20)


@dataclass(frozen=True, slots=True)
class Header:
    """The requirements of a file, in the order of their names; and its tables, such as
    `[tool.uv]`, as they are written."""

    requires: str = ""
    dependencies: tuple[str, ...] = ()
    uv: str = ""
    line: int = 1

    @property
    def script(self) -> str:
        """The same as the header of a script."""
        lines = [f"requires-python = {json.dumps(self.requires)}"] if self.requires else []
        lines.append(f"dependencies = {json.dumps(list(self.dependencies))}")
        lines += self.uv.splitlines()
        return "\n".join(["# /// script", *(f"# {line}" for line in lines), "# ///", ""])


def header_of(text: str, path: str) -> Header | None:
    """The header of a file; None without one. Raises ProjectError for one that cannot be read."""
    found = _BLOCK.search(text)
    if found is None:
        return None
    line = text.count("\n", 0, found.start()) + 1
    lines = [row[2:] if row.startswith("# ") else row[1:] for row in found[1].splitlines()]
    try:
        data = tomllib.loads("\n".join(lines))
    except tomllib.TOMLDecodeError as exc:
        message = f"The header of this script is not valid TOML: {exc}."
        raise ProjectError([Problem(message, path, line)]) from exc
    given, requires = data.get("dependencies", []), data.get("requires-python", "")
    sound = isinstance(given, list) and all(isinstance(one, str) for one in given)
    if not sound or not isinstance(requires, str):
        message = "`dependencies` of a header is a list of texts, and `requires-python` a text."
        raise ProjectError([Problem(message, path, line)])
    needed = [one.strip() for one in given if distribution(one) != "seeknal"]
    first = next((at for at, text in enumerate(lines) if text.startswith("[")), len(lines))
    tables = "\n".join(text.rstrip() for text in lines[first:] if text.strip())
    return Header(requires.strip(), tuple(sorted(needed, key=str.lower)), tables, line)


def distribution(requirement: str) -> str:
    """The normal form of a requirement's name.

    >>> distribution("Scikit_Learn[extra] >= 1.4")
    'scikit-learn'
    """
    found = _NAME.match(requirement)
    return re.sub(r"[-_.]+", "-", found[1]).lower() if found else ""


def minor_for(header: Header | None, wanted: int, path: str) -> int:
    """The minor version of Python 3 for a file: the one nearest to `wanted` that its header allows.

    Raises ProjectError if it allows none.
    """
    if header is None or not header.requires:
        return wanted
    clauses = [_CLAUSE.fullmatch(clause) for clause in header.requires.split(",")]
    allowed = [
        minor
        for minor in _MINORS
        if all(clause is None or _allows(clause, minor) for clause in clauses)
    ]
    if not all(clauses) or not allowed:
        message = f"`requires-python` {header.requires!r} names no version of Python 3."
        hint = 'It is written like ">=3.11" or ">=3.11,<3.13".'
        raise ProjectError([Problem(message, path, header.line, hint)])
    return min(allowed, key=lambda minor: (abs(minor - wanted), minor))


def _allows(clause: re.Match[str], minor: int) -> bool:
    """Whether some release of a minor version satisfies a clause."""
    word, given, patch = clause[1], clause[2], clause[3]
    if given is None:
        return word in (">=", "==", "~=", ">")
    bound, is_exact = int(given), patch not in (None, "*", "0")
    answers = {
        ">=": minor >= bound,
        ">": minor >= bound + (patch is None),
        "<=": minor <= bound,
        "<": minor < bound + is_exact,
        "!=": minor != bound or is_exact,
        "~=": minor >= bound if patch is None else minor == bound,
    }
    return answers.get(word, minor == bound)


def packages(header: Header | None, lock: str) -> Sequence[str]:
    """The requirements of a file as its fingerprint has them. lock: the text that pins them."""
    return [*header.dependencies, header.uv, lock] if header else [lock]
