"""The SQL of a model or a test, with references and values written as nodes write them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from seeknal_git.dbt.jinja import Call, Tag, call, line_at, tags
from seeknal_git.errors import Problem

# Statements that only end or divide another one.
_ENDS = re.compile(r"(?:end\w+|else|elif)\b")
# How a tag begins → another way to write it.
_WAYS = (
    (
        r"(?:if|elif)\b.*\bis_incremental\(",
        "Leave the condition out: `partition:` filters for it (docs/partitions.md).",
    ),
    (r"for\b", "Write the columns out, or use COLUMNS(…) or PIVOT; tables by UNION ALL BY NAME."),
    (r"if\b", "Write CASE, or a variable of the environment: `vars:` in seeknal_project.yml."),
    (r"set\b", "Write a CTE, or a variable: `vars:` in seeknal_project.yml."),
    (r"snapshot\b", "A source keeps its history with `keep: changes` and a `key` (docs/nodes.md)."),
    (r"(?:macro|test|materialization)\b", "Write a macro of DuckDB in seeknal/macros/."),
    (r"this\b", "A node is built as a whole, and does not read itself."),
    (r"target\b", "Write a variable of the environment: `vars:` in seeknal_project.yml."),
    (r"env_var\b", "Write {{ env:NAME|default }}."),
    (r"ref\(|source\(|var\(|config\(", "It is read with literal arguments alone."),
    (r"config\.|model\.", "Write the value."),
    (r"dbt_utils\.|dbt\.|\w+\.\w+\(", "Write it with DuckDB's functions: there are no packages."),
    (r"\w+\(", "Write a macro of DuckDB in seeknal/macros/, and call it without braces."),
)
_OTHERWISE = "Write it in SQL, or as a variable: {{ name }}."
# Texts and words of SQL; comments come first, and are no group.
_TOKEN = re.compile(
    r"--[^\n]*|/\*.*?\*/|('(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\$(?P<t>\w*)\$.*?\$(?P=t)\$|\w+|\S)",
    re.DOTALL,
)


class NotPlain(ValueError):
    """A call that cannot be written as nodes write it: the reason, and the way out."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(slots=True)
class Converted:
    """SQL as nodes write it, or the problems that keep it from being taken."""

    text: str = ""
    problems: list[Problem] = field(default_factory=list)
    # The line of the file that each line comes from.
    lines: list[int] = field(default_factory=list)
    # The values of `config(…)`, each with its line.
    config: dict[str, tuple[Any, int]] = field(default_factory=dict)


def converted(text: str, path: str, written: Callable[[Call], str]) -> Converted:
    """SQL in which each call is replaced by the text that `written` makes of it.

    path: of the file, for problems. written: raises NotPlain.
    """
    found, pieces, end = Converted(), list[tuple[str, int]](), 0
    exact, strips = "", False
    for tag in tags(text):
        between, begin = text[end : tag.start], line_at(text, end)
        exact += between.lstrip() if strips else between
        line = line_at(text, tag.start)
        try:
            value = _value(tag, line, written, found.config)
        except NotPlain as exc:
            if str(exc) not in (problem.message for problem in found.problems):
                found.problems.append(Problem(str(exc), path, line, exc.hint))
            value = ""
        exact = (exact.rstrip() if tag.strips[0] else exact) + value
        strips, end = tag.strips[1], tag.end
        said = _comment(tag.inner) if tag.kind == "comment" else value
        pieces += [(between, begin), (said, line)]
    exact += text[end:].lstrip() if strips else text[end:]
    found.text, found.lines = _tidy([*pieces, (text[end:], line_at(text, end))])
    if not found.problems and _tokens(exact) != _tokens(found.text):
        message = "The marks of Jinja for spaces join words here, or divide a text."
        found.problems.append(Problem(message, path, 1, "Leave out the `-` in the tags."))
    return found


def _value(
    tag: Tag, line: int, written: Callable[[Call], str], config: dict[str, tuple[Any, int]]
) -> str:
    """The text in place of a tag. Adds to the config of the file. Raises NotPlain."""
    if not tag.is_closed:
        raise NotPlain("A tag of Jinja begins here, and is not closed.")
    if tag.kind == "comment" or (tag.kind == "statement" and _ENDS.match(tag.inner)):
        return ""
    plain = call(tag.inner) if tag.kind == "expression" else None
    if plain and plain.name == "config":
        given = [entry for entry in plain.arguments if isinstance(entry, dict)]
        options = {**(given[0] if given else {}), **plain.options}
        config |= {key: (value, line) for key, value in options.items()}
        return ""
    if plain is None or plain.name not in ("ref", "source", "var"):
        raise NotPlain(f"`{_shown(tag)}` is more than ref, source, var or config.", _way(tag))
    return written(plain)


def _shown(tag: Tag) -> str:
    marks = ("{%", "%}") if tag.kind == "statement" else ("{{", "}}")
    inner = " ".join(tag.inner.split())
    return f"{marks[0]} {inner if len(inner) <= 60 else f'{inner[:57]}…'} {marks[1]}"


def _way(tag: Tag) -> str:
    """How to write something of Jinja that is not taken."""
    return next((hint for begin, hint in _WAYS if re.match(begin, tag.inner)), _OTHERWISE)


def _comment(text: str) -> str:
    inner = text.replace("*/", "* /").replace("/*", "/ *")
    return f"/* {inner} */" if inner else ""


def _tidy(pieces: Iterable[tuple[str, int]]) -> tuple[str, list[int]]:
    """A text without blank lines at its ends, and the line of the file that each line comes from.

    pieces: the parts of the text, each with the line of the file where it begins.
    """
    lines, origins = [""], [1]
    for piece, line in pieces:
        first, *others = piece.split("\n")
        origins[-1] = line if not lines[-1].strip() else origins[-1]
        lines[-1] += first
        lines += others
        origins += [line + number for number in range(1, len(others) + 1)]
    while lines and not lines[-1].strip():
        del lines[-1]
    start = next((number for number, text in enumerate(lines) if text.strip()), 0)
    return "".join(f"{text}\n" for text in lines[start:]), origins[start:]


def _tokens(sql: str) -> list[str]:
    return [found[1] for found in _TOKEN.finditer(sql) if found[1]]
