"""Macros, generic tests and snapshots of dbt: each is listed, a macro of one expression with the
macro of DuckDB that is the same."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from seeknal_git.dbt.jinja import line_at, tags
from seeknal_git.dbt.settings import Settings, text_of
from seeknal_git.errors import Problem
from seeknal_git.names import bare, literal

_BEGIN = re.compile(
    r"\{%-?\s*(?P<word>macro|test|data_test|materialization|snapshot)\s+(?P<name>\w+)"
    r"(?P<rest>[^%]*?)-?%\}",
    re.IGNORECASE,
)
_END = re.compile(r"\{%-?\s*endmacro\s*-?%\}")
_PARAMETER = re.compile(r"(\w+)\s*(?:=\s*(-?[\d.]+|'[^']*'|\"[^\"]*\"))?")
_UNIQUE_KEY = re.compile(r"\bunique_key\s*=\s*['\"](\w+)['\"]")
_ALL_OF_SOURCE = re.compile(
    r"select\s+\*\s+from\s*\{\{-?\s*source\(\s*['\"]\w+['\"]\s*,\s*['\"](\w+)['\"]\s*\)", re.I
)
# More than one expression, or a place where a parameter is no value.
_NOT_ONE = re.compile(r"[;'\"]|--|/\*|\b(?:select|from|where|join|order|group|limit)\b", re.I)
_WAYS = {
    "macro": "If it is one expression: CREATE MACRO in seeknal/macros/ (docs/nodes.md).",
    "test": "A condition of its own is `custom_sql` under tests, or a rule (docs/nodes.md).",
    "materialization": "Every node is one SELECT.",
    "snapshot": "A source keeps its history with `keep: changes` and a `key` (docs/nodes.md).",
}


def defined(settings: Settings, folder: str) -> Iterator[tuple[str, str]]:
    """The word and the name of each definition in the files of a folder."""
    for path, shown, _ in settings.files(folder, ".sql"):
        for found in _BEGIN.finditer(text_of(path, shown)):
            yield found["word"].lower(), found["name"]


def macros(settings: Settings) -> Iterator[Problem]:
    """A problem for each macro, generic test and snapshot."""
    for folder in ("macro", "test", "snapshot"):
        for path, shown, _ in settings.files(folder, ".sql"):
            text = text_of(path, shown)
            for found in _BEGIN.finditer(text):
                word = found["word"].lower().removeprefix("data_")
                message = f"The {word} {found['name']} is not taken."
                same = _of_duckdb(found, text) if word == "macro" else None
                hint = f"Write in seeknal/macros/: {same}" if same else _WAYS[word]
                if word == "snapshot":
                    hint = _of_a_source(text[found.end() :].partition("endsnapshot")[0]) or hint
                kind = "transform" if word == "snapshot" else word
                line = line_at(text, found.start())
                yield Problem(message, shown, line, hint, f"{kind}.{found['name']}")


def _of_a_source(text: str) -> str | None:
    """The lines that keep the history of the table which a snapshot reads; None if that is no table
    of a source, or if no column is its key."""
    key, read = _UNIQUE_KEY.search(text), _ALL_OF_SOURCE.search(text)
    if key is None or read is None:
        return None
    return (
        f"Write in the source {read[1]}: `keep: changes` and `key: [{key[1]}]`. Its history is "
        f"changes.{read[1]}, with _valid_from and _valid_to (docs/nodes.md)."
    )


def _of_duckdb(found: re.Match[str], text: str) -> str | None:
    """The macro of DuckDB that is the same expression; None if there is none."""
    end, parameters = _END.search(text, found.end()), _parameters(found["rest"].strip())
    if end is None or parameters is None:
        return None
    body = _expression(text[found.end() : end.start()], parameters)
    heads = (
        name if default is None else f"{name} := {default}" for name, default in parameters.items()
    )
    return f"CREATE MACRO {found['name']}({', '.join(heads)}) AS {body};" if body else None


def _parameters(given: str) -> dict[str, str | None] | None:
    """Name → default, of `(a, b=1)`; None for anything else."""
    if not (given.startswith("(") and given.endswith(")")):
        return None
    found: dict[str, str | None] = {}
    for part in given[1:-1].split(","):
        parameter = _PARAMETER.fullmatch(part.strip())
        if parameter is None or bare(parameter[1]) != parameter[1]:
            return None
        default = parameter[2]
        if default and default.startswith('"'):  # a text in Jinja, a name in SQL
            default = literal(default[1:-1])
        found[parameter[1]] = default
    return found


def _expression(text: str, parameters: Mapping[str, str | None]) -> str | None:
    """The body of a macro as an expression of its parameters; None if it is more than that."""
    body, start = "", 0
    for tag in tags(text):
        if tag.kind == "statement" or (tag.kind == "expression" and tag.inner not in parameters):
            return None
        body += text[start : tag.start] + ("" if tag.kind == "comment" else tag.inner)
        start = tag.end
    body = " ".join((body + text[start:]).split())
    return None if _NOT_ONE.search(body) else body
