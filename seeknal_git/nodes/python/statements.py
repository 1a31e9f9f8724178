"""A statement of a module: the names that it binds, and whether it does nothing else."""

from __future__ import annotations

import ast

from seeknal_git.nodes.python.declarations import Source

# Libraries that a worker imports before it runs anything, or whose import changes nothing.
PRELOADED = ("pandas", "numpy", "pyarrow", "polars", "duckdb")
_HARMLESS = frozenset(
    """
    abc array base64 bisect calendar collections copy csv dataclasses datetime decimal enum
    fractions functools hashlib heapq io itertools json logging math numbers operator os pathlib
    random re statistics string sys textwrap time types typing unicodedata urllib uuid warnings
    zoneinfo
    """.split()
).union(PRELOADED)


def bound(statement: ast.stmt, source: Source) -> set[str] | None:
    """The names that a statement binds, if it does nothing else."""
    match statement:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            found, plain = {name}, _is_plain_function(statement, source)
        case ast.ClassDef(name=name):
            found, plain = {name}, _is_plain_class(statement, source)
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            found, plain = {name}, _is_literal(value)
        case ast.AnnAssign(target=ast.Name(id=name), value=value, annotation=annotation):
            found, plain = {name}, _is_type(annotation) and (value is None or _is_literal(value))
        case ast.Import() | ast.ImportFrom():
            found = {alias.asname or alias.name.partition(".")[0] for alias in statement.names}
            plain = _is_harmless(statement)
        case _:
            return None
    return found if plain else None


def _is_harmless(statement: ast.Import | ast.ImportFrom) -> bool:
    """Whether an import changes nothing but the names that it binds."""
    names = [alias.name for alias in statement.names]
    if isinstance(statement, ast.ImportFrom):
        if statement.level or "*" in names:
            return False
        names = [statement.module or ""]
    return all(name.partition(".")[0] in _HARMLESS for name in names)


def _is_plain_function(statement: ast.stmt, source: Source) -> bool:
    """Whether defining a function runs no code."""
    assert isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef), "others were refused"
    given = statement.args
    defaults = [*given.defaults, *(one for one in given.kw_defaults if one)]
    arguments = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    types = [one.annotation for one in arguments if one and one.annotation]
    types += [statement.returns] if statement.returns else []
    return (
        all(source.is_ours(decorator) for decorator in statement.decorator_list)
        and all(_is_literal(default) for default in defaults)
        and all(_is_type(annotation) for annotation in types)
    )


def _is_plain_class(statement: ast.ClassDef, source: Source) -> bool:
    """Whether defining a class runs no code but its own assignments of literals."""
    if statement.decorator_list or statement.bases or statement.keywords:
        return False
    return all(
        isinstance(inner, ast.Pass)
        or (isinstance(inner, ast.Expr) and isinstance(inner.value, ast.Constant))
        or (not isinstance(inner, ast.ClassDef) and bound(inner, source) is not None)
        for inner in statement.body
    )


def _is_literal(expression: ast.expr) -> bool:
    allowed = (ast.Constant, ast.List, ast.Tuple, ast.Dict, ast.Set, ast.UnaryOp, ast.USub)
    return all(isinstance(node, (*allowed, ast.Load)) for node in ast.walk(expression))


def _is_type(annotation: ast.expr) -> bool:
    allowed = (ast.Name, ast.Attribute, ast.Subscript, ast.Tuple, ast.List, ast.Constant)
    union = (ast.BinOp, ast.BitOr, ast.Load)
    return all(isinstance(node, (*allowed, *union)) for node in ast.walk(annotation))


def is_main_guard(statement: ast.stmt) -> bool:
    """Whether a statement is `if __name__ == "__main__":`, which a worker never enters."""
    match statement:
        case ast.If(
            test=ast.Compare(
                left=ast.Name(id="__name__"),
                ops=[ast.Eq()],
                comparators=[ast.Constant(value="__main__")],
            ),
            orelse=[],
        ):
            return True
    return False


def first_line(statement: ast.stmt) -> int:
    """The first line of a statement, or of its first decorator."""
    decorators = getattr(statement, "decorator_list", [])
    return min(int(one.lineno) for one in (statement, *decorators))
