"""The normal form of a statement: its syntax tree without the parts that decide nothing."""

from __future__ import annotations

import ast
import hashlib
from typing import TypeGuard

from seeknal_git.nodes.python.declarations import Source


def is_text(statement: ast.stmt) -> TypeGuard[ast.Expr]:
    """Whether a statement is nothing but a text."""
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def normal(statement: ast.stmt, source: Source, *, documented: bool) -> str:
    """A hash of a statement's syntax tree, without comments, format and docstrings. It is the same
    for every version of Python that parses the statement alike."""
    return hash_of(repr(_plain(statement, source, documented=documented)))


def _plain(value: object, source: Source, *, documented: bool) -> object:
    if isinstance(value, list):
        return [_plain(inner, source, documented=documented) for inner in value]
    if isinstance(value, ast.expr_context):
        return None
    if not isinstance(value, ast.AST):
        return (type(value).__name__, repr(value))
    found: list[object] = [type(value).__name__]
    for name, inner in ast.iter_fields(value):
        part = inner
        if name == "decorator_list":
            part = [one for one in inner if not source.is_ours(one)]
        elif name == "body" and not documented and docstring(value):
            part = inner[1:]
        if part not in (None, []) and name not in ("ctx", "kind", "type_comment"):
            found.append((name, _plain(part, source, documented=documented)))
    return found


def docstring(node: ast.AST) -> ast.expr | None:
    """The docstring of a function or class."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        first = node.body[0]
        return first.value if is_text(first) else None
    return None


def hash_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
