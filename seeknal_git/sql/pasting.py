"""A statement of a node as somebody pastes it into a shell: over views, on one line, with no quotes
but needed ones."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from seeknal_git.names import argument, bare, qualified
from seeknal_git.sql.statement import Reading, rendered

_LITERALS = r"'(?:[^']|'')*'|\$\$.*?\$\$"
_COMMENTS = r"--[^\n]*|/\*.*?\*/"
_NO_CODE = re.compile(f"{_LITERALS}|{_COMMENTS}", re.DOTALL)
_TOKENS = re.compile(
    rf'(?P<literal>{_LITERALS})|(?P<space>(?:{_COMMENTS}|\s)+)|"(?P<name>(?:[^"]|"")*)"', re.DOTALL
)


def over_views(
    sql: str, reading: Reading, targets: Sequence[str], views: Mapping[str, str], schema: str
) -> str:
    """The statement over the views of an environment. targets: the node behind each reference;
    views: of each node."""
    rest = code_of(
        rendered(sql, [replace(found, alias="-") for found in reading.references], lambda _: " ")
    )
    pieces, position = [], 0
    for reference, target in zip(reading.references, targets, strict=True):
        view, name = views[target], reference.target.rpartition(".")[2]
        # A name that the statement gives to something else, such as a CTE, would hide the view.
        pieces += [
            sql[position : reference.start],
            qualified(schema, view) if says(rest, view) else bare(view),
        ]
        pieces += (
            [f" AS {bare(name)}"]
            if not reference.alias and name != view and says(rest, name)
            else []
        )
        position = reference.end
    return _tidy("".join([*pieces, sql[position:]]))


def code_of(sql: str) -> str:
    """A statement without its comments and its texts."""
    return _NO_CODE.sub(" ", sql)


def says(text: str, name: str) -> bool:
    return re.search(rf"\b{re.escape(name)}\b", text, re.IGNORECASE) is not None


def _tidy(sql: str) -> str:
    def tidied(found: re.Match[str]) -> str:
        if found["literal"] is not None:
            return found[0]
        if found["space"] is not None:
            return "" if sql.startswith(")", found.end()) else " "
        return bare(found["name"].replace('""', '"'))

    return _TOKENS.sub(tidied, sql).strip()


def in_shell(sql: str) -> str:
    """A statement as an argument in a shell, in the quotes that leave it as it is if there are
    such."""
    if "'" in sql and sql.isprintable() and not re.search(r'["$`\\!]', sql):
        return f'"{sql}"'
    return argument(sql)
