"""Finds the value of a CSV file that is none of its column's declared type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seeknal_git.errors import Problem
from seeknal_git.nodes.node import Node
from seeknal_git.project.raw_data import Opened
from seeknal_git.sql.readers import csv_select

_FORMATS = {"DATE": "dateformat", "TIMESTAMP": "timestampformat"}


def misfit_of(source: Node, opened: Opened, dialect: Mapping[str, Any]) -> Problem | None:
    """The first value that the engine cannot cast, at the line that declares its column; None if
    there is none, or nobody can tell."""
    from seeknal_git.sql.engine import SqlError
    from seeknal_git.sql.sniff import first_misfit

    given = source.definition["options"]
    if source.definition["format"] != "csv" or not dialect:
        return None
    try:
        for name, word in source.definition["types"].items():
            key = _FORMATS.get(word.upper())
            if key in given:
                continue
            form = dialect.get(key) if key else None
            for file, path in zip(opened.files, opened.paths, strict=True):
                if found := first_misfit(csv_select(given, dialect), path, name, word, form):
                    row, value = found
                    line, said = _declared(source, name, word)
                    message = f"{file.path}, row {row:,}: {value!r} in {name} is no {said}"
                    return Problem(message, source.path, line, node=source.id)
    except SqlError:
        pass
    return None


def _declared(source: Node, column: str, word: str) -> tuple[int, str]:
    """The line that declares a column, and the type as it is written there."""
    for number, entry in enumerate(source.document.get("schema") or ()):
        if isinstance(entry, dict) and entry.get("name") == column:
            return source.line("schema", number), str(entry.get("data_type", word))
    return source.line("schema" if "schema" in source.lines else "columns", column), word
