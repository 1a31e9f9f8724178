"""SQL in a file of its own: the one that `transform: {file: orders.sql}` names, else the one that
is called like the node's file."""

from __future__ import annotations

import difflib
import posixpath
from dataclasses import replace
from typing import Any

from seeknal_git.errors import Problem, ProjectError
from seeknal_git.nodes.values import Values
from seeknal_git.nodes.yaml_document import Document, text_of

_KEY = "transform"


def with_sql_file(document: Document, path: str, values: Values) -> tuple[Document, str]:
    """A node's document with the text of its SQL file in it, and that file's path; the document as
    it is, and "", if it has its SQL itself. Raises ProjectError."""
    given = document.data.get(_KEY)
    if given is None and document.data.get("kind") == "transform":
        beside = f"{posixpath.splitext(path)[0]}.sql"
        if beside not in values.files:
            return document, ""
        return _with(document, beside, values), beside
    if not isinstance(given, dict):
        return document, ""
    found = _named(given, document, path, values)
    return _with(document, found, values), found


def _named(given: dict[str, Any], document: Document, path: str, values: Values) -> str:
    """The path of the file that a document names. Raises ProjectError."""
    line = document.lines.get(f"{_KEY}.file") or document.lines.get(_KEY)
    name = given.get("file")
    if not isinstance(name, str) or len(given) > 1 or not name.endswith(".sql"):
        hint = "Write the SQL itself, or `transform: {file: orders.sql}`."
        message = "`transform` is SQL, or names one file of it."
        raise ProjectError([Problem(message, path, line, hint)])
    found = posixpath.normpath(posixpath.join(posixpath.dirname(path), name))
    if found not in values.files:
        near = difflib.get_close_matches(found, values.files, 1)
        hint = f"Did you mean {near[0]}?" if near else "It stands below seeknal/."
        raise ProjectError([Problem(f"There is no file {found}.", path, line, hint)])
    return found


def _with(document: Document, path: str, values: Values) -> Document:
    text = text_of(values.read(path), path).replace("\r\n", "\n")
    if not text.strip():
        raise ProjectError([Problem("There is no SQL in this file.", path, 1)])
    return replace(
        document,
        data={**document.data, _KEY: text},
        content_lines={**document.content_lines, _KEY: 1},
        written={key: value for key, value in document.written.items() if key != _KEY},
    )
