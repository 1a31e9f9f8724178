"""Python nodes of Seeknal, which are not supported yet. They are found, so that a project does not
silently run without them.

Only their text is read; a file is never imported.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator

from seeknal_git.errors import Problem, limits

_DECORATORS = frozenset(
    "source transform feature_group second_order_aggregation materialize exposure rule aggregation"
    " model".split()
)
_PASSED_OVER = ("common", "templates")
# For files that cannot be parsed: an import of Seeknal, and a decorator of one of these names.
_IMPORT = re.compile(r"^[ \t]*(?:from|import)[ \t]+seeknal\b", re.MULTILINE)
_DECORATED = re.compile(rf"^[ \t]*@(?:\w+\.)*(?:{'|'.join(sorted(_DECORATORS))})\b", re.MULTILINE)


def is_python_path(path: str) -> bool:
    """Whether Seeknal reads a file for Python nodes. path: relative to the project."""
    if not path.startswith("seeknal/") or not path.endswith(".py"):
        return False
    *folders, name = path.split("/")[1:]
    return not name.startswith("_") and not any(folder in _PASSED_OVER for folder in folders)


def python_node(content: bytes) -> int | None:
    """The first line of the first node in a Python file; None if it has none."""
    try:
        if len(content) <= limits().file_kb << 10:
            with warnings.catch_warnings(action="ignore"):  # for escapes such as "\\d"
                return min(_nodes(ast.parse(content)), default=None)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        pass  # somebody may still mend it
    text = content.decode(errors="replace")
    found = _DECORATED.search(text) if _IMPORT.search(text) else None
    return text.count("\n", 0, found.start()) + 1 if found else None


def _nodes(module: ast.Module) -> Iterator[int]:
    names = set(_names(module))
    for statement in ast.walk(module) if names else ():
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield from (
                decorator.lineno
                for decorator in statement.decorator_list
                if _root(decorator) in names
            )


def _names(module: ast.Module) -> Iterator[str]:
    """The names that mean one of Seeknal's decorators, or a module with them, in a module."""
    for statement in ast.walk(module):
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                if f"{alias.name}.".startswith("seeknal."):
                    yield alias.asname or "seeknal"
        elif isinstance(statement, ast.ImportFrom) and f"{statement.module}.".startswith(
            "seeknal."
        ):
            for alias in statement.names:
                yield from _DECORATORS if alias.name == "*" else ()
                if alias.name in _DECORATORS or alias.name == "pipeline":
                    yield alias.asname or alias.name


def _root(decorator: ast.expr) -> str | None:
    """The first name of a decorator such as `@seeknal.pipeline.source(…)`."""
    while not isinstance(decorator, ast.Name):
        match decorator:
            case ast.Call(func=inner) | ast.Attribute(value=inner):
                decorator = inner
            case _:
                return None
    return decorator.id


def not_read_yet(path: str, line: int) -> Problem:
    return Problem(
        "Python nodes are not read yet, and nothing runs without this one.",
        path,
        line,
        "Write it as YAML (seeknal draft KIND NAME), or keep the file outside seeknal/.",
    )
