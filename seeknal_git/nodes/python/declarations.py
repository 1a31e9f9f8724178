"""The nodes that a Python file declares: its decorated functions, and the arguments of their
decorators."""

from __future__ import annotations

import ast
import re
import symtable
import threading
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from seeknal_git.errors import Problem, ProjectError, limits, raising
from seeknal_git.nodes.values import templates

# The order of the arguments of each decorator that may stand without their name.
SIGNATURES = {
    "source": "name source table columns tags materialization query connection".split(),
    "transform": "name sql inputs tags materialization".split(),
    "feature_group": "name entity features inputs materialization tags".split(),
    "second_order_aggregation": (
        "name id_col feature_date_col features application_date_col description owner tags"
    ).split(),
}
# Decorators that people look for, and that Seeknal never had.
_YAML_ONLY = frozenset({"exposure", "rule", "aggregation", "model", "profile"})
_TARGET = "materialize"
_DECORATORS = frozenset({*SIGNATURES, *_YAML_ONLY, _TARGET})
_PACKAGE = "seeknal"
# Calls that may stand in an argument, as all of their own arguments are literals.
_CONFIGURATIONS = re.compile(r"Materialization\w*|\w+Config|IcebergTable|Input")
# For files that cannot be parsed: an import of Seeknal, and a decorator of one of these names.
_IMPORT = re.compile(r"^[ \t]*(?:from|import)[ \t]+seeknal\b", re.MULTILINE)
_DECORATED = re.compile(rf"^[ \t]*@(?:\w+\.)*(?:{'|'.join(sorted(_DECORATORS))})\b", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Declaration:
    """A decorated function. lines: of each argument, and of each entry of `inputs`."""

    kind: str
    function: str
    line: int
    arguments: Mapping[str, Any]
    lines: Mapping[str, int]
    # The first parameter of the function, if it has one; and how many there are.
    context: str | None
    parameters: int
    targets: tuple[Mapping[str, Any], ...] = ()  # those of `@materialize`


@dataclass(frozen=True, slots=True)
class Source:
    """A Python file, parsed."""

    path: str
    text: str
    tree: ast.Module
    # Each name that an import binds → the dotted name that it means.
    names: Mapping[str, str] = field(default_factory=dict)
    # The names that the module or anything in it binds.
    bound: frozenset[str] = frozenset()
    # (name and line of a function) → the names of the module that it may mean.
    scopes: Mapping[tuple[str, int], set[str]] = field(default_factory=dict)

    @property
    def uses_seeknal(self) -> bool:
        return any(name.startswith(_PACKAGE) for name in self.names.values())

    def is_ours(self, decorator: ast.expr) -> bool:
        """Whether a decorator is one of Seeknal's."""
        return self.meant(decorator) is not None

    def meant(self, expression: ast.expr) -> str | None:
        """The name in `seeknal` that an expression such as `pipeline.source(…)` means, without its
        modules."""
        if isinstance(expression, ast.Call):
            expression = expression.func
        dotted: list[str] = []
        while isinstance(expression, ast.Attribute):
            dotted.insert(0, expression.attr)
            expression = expression.value
        if not isinstance(expression, ast.Name):
            return None
        root = self.names.get(expression.id, "")
        if root != _PACKAGE and not root.startswith(f"{_PACKAGE}."):
            return None
        return [*root.split("."), *dotted][-1]


# CPython counts the depth of the tree that it makes in one place for all threads, and ends with a
# SystemError if two of them make trees at once. The workers of a run ask for files.
_parsing = threading.Lock()


def parsed(content: bytes, path: str) -> Source:
    """A Python file as a tree. Raises ProjectError with the line of the mistake."""
    most = limits().file_kb
    if len(content) > most << 10:
        message = f"This file is longer than {most} KB."
        raise ProjectError([Problem(message, path, 1, raising("file_kb"))])
    try:
        with _parsing, warnings.catch_warnings(action="ignore"):  # for escapes such as "\\d"
            tree = ast.parse(content)
            table = symtable.symtable(content.decode("utf-8-sig"), path, "exec")
    except SyntaxError as exc:
        message = f"This is not valid Python: {exc.msg}."
        raise ProjectError([Problem(message, path, exc.lineno)]) from exc
    except (ValueError, RecursionError, MemoryError) as exc:
        raise ProjectError([Problem(f"This is not valid Python: {exc}.", path)]) from exc
    text = content.decode("utf-8-sig", errors="replace")
    scopes = {
        (inner.get_name(), inner.get_lineno()): set(_globals(inner))
        for inner in table.get_children()
    }
    names = dict(_imported(tree))
    return Source(path, text, tree, names, frozenset({*names, *_bound(tree)}), scopes)


def _bound(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.ImportFrom | ast.Import):
            yield from ((alias.asname or alias.name).partition(".")[0] for alias in node.names)


def _globals(table: symtable.SymbolTable) -> Iterator[str]:
    """The names of the module that a function, or one within it, may mean."""
    for symbol in table.get_symbols():
        if symbol.is_global():
            yield symbol.get_name()
    for inner in table.get_children():
        yield from _globals(inner)


def may_hold_nodes(content: bytes) -> bool:
    """Whether a file that cannot be parsed looks like one with nodes."""
    text = content.decode(errors="replace")
    return bool(_IMPORT.search(text) and _DECORATED.search(text))


def _imported(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for statement in ast.walk(tree):
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                root = alias.name.partition(".")[0]
                yield (alias.asname, alias.name) if alias.asname else (root, root)
        elif isinstance(statement, ast.ImportFrom) and statement.module and not statement.level:
            for alias in statement.names:
                yield alias.asname or alias.name, f"{statement.module}.{alias.name}"
            if any(alias.name == "*" for alias in statement.names):
                yield from ((name, f"{statement.module}.{name}") for name in _DECORATORS)


def declarations(source: Source) -> list[Declaration]:
    """The nodes of a file, in their order. Raises ProjectError with every mistake in them."""
    if not source.uses_seeknal:
        return []
    found: list[Declaration] = []
    problems: list[Problem] = []
    at_the_top = {id(statement) for statement in source.tree.body}
    for statement in ast.walk(source.tree):
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            ours = [one for one in statement.decorator_list if source.meant(one) in _DECORATORS]
            problems += _misspelt(statement.decorator_list, source)
            try:
                if ours:
                    _need_function(statement, ours[0], source, at_the_top)
                    found.append(_declaration(statement, ours, source))
            except ProjectError as exc:
                problems += exc.problems
    if problems:
        raise ProjectError(problems)
    return found


def _misspelt(decorators: Iterable[ast.expr], source: Source) -> Iterator[Problem]:
    """The decorators that nothing in the file binds, or that Seeknal lacks, and that look like one
    of its own. Python would say so, but only a run executes the file."""
    for decorator in decorators if source.uses_seeknal else ():
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        name = source.meant(called)
        if name is None and isinstance(called, ast.Name) and called.id not in source.bound:
            name = called.id
        if name is None or name in _DECORATORS:
            continue
        for near in get_close_matches(name, sorted({*SIGNATURES, _TARGET}), 1, 0.75):
            message, hint = f"There is no decorator @{name}.", f"Did you mean @{near}?"
            yield Problem(message, source.path, decorator.lineno, hint)


def _need_function(
    statement: ast.stmt, decorator: ast.expr, source: Source, at_the_top: set[int]
) -> None:
    if isinstance(statement, ast.FunctionDef) and id(statement) in at_the_top:
        return
    message = "A node is a plain function at the top of its file."
    raise ProjectError([Problem(message, source.path, decorator.lineno)])


def _declaration(statement: ast.stmt, decorators: list[ast.expr], source: Source) -> Declaration:
    assert isinstance(statement, ast.FunctionDef), "others were refused"
    named = [(source.meant(one) or "", one) for one in decorators]
    for name, decorator in named:
        _need_kind(name, decorator, source)
    targets = [call for name, call in named if name == _TARGET]
    kinds = [(name, call) for name, call in named if name != _TARGET]
    if len(kinds) != 1:
        message = "A function is one node: it has one decorator of a kind."
        raise ProjectError([Problem(message, source.path, decorators[0].lineno)])
    kind, call = kinds[0]
    assert isinstance(call, ast.Call), "others were refused"
    arguments, lines = _arguments(call, kind, source)
    parameters = [*statement.args.posonlyargs, *statement.args.args]
    return Declaration(
        kind,
        statement.name,
        call.lineno,
        arguments,
        lines,
        parameters[0].arg if parameters else None,
        len(parameters),
        tuple(_arguments(one, "materialize", source)[0] for one in targets if _is_call(one)),
    )


def _is_call(decorator: ast.expr) -> bool:
    return isinstance(decorator, ast.Call)


def _need_kind(name: str, decorator: ast.expr, source: Source) -> None:
    place = (source.path, decorator.lineno)
    if name in _YAML_ONLY:
        message, hint = f"There is no decorator @{name}.", f"Write it as YAML: kind: {name}"
        raise ProjectError([Problem(message, *place, hint)])
    if not _is_call(decorator):
        message, hint = f"@{name} is written with brackets.", f"Write @{name}(…)."
        raise ProjectError([Problem(message, *place, hint)])


def _arguments(call: ast.expr, kind: str, source: Source) -> tuple[dict[str, Any], dict[str, int]]:
    assert isinstance(call, ast.Call), "others were refused"
    values: dict[str, Any] = {}
    lines: dict[str, int] = {}
    problems: list[Problem] = []
    given = [*zip(SIGNATURES.get(kind, ()), call.args, strict=False)]
    given += [(keyword.arg or "", keyword.value) for keyword in call.keywords]
    if len(call.args) > len(SIGNATURES.get(kind, ())):
        message = f"@{kind} takes its arguments by their names."
        problems.append(Problem(message, source.path, call.lineno))
    for name, expression in given:
        try:
            value = _literal(expression, source)
            if not name and not isinstance(value, dict):
                raise ValueError
            values |= value if not name else {name: value}
            lines |= dict(_lines(expression, name))
        except ValueError:
            said = f"`{name}` of @{kind}" if name else f"`**` of @{kind}"
            message = f"{said} is written as a literal, so that the plan can read it."
            problems.append(Problem(message, source.path, expression.lineno))
    if problems:
        raise ProjectError(problems)
    return values, lines


def _lines(expression: ast.expr, name: str) -> Iterator[tuple[str, int]]:
    """The line of an argument, and those of its entries, with their path: "inputs.0"."""
    if name:
        yield name, expression.lineno
    start = f"{name}." if name else ""
    if isinstance(expression, ast.List | ast.Tuple):
        for number, entry in enumerate(expression.elts):
            yield from _lines(entry, f"{start}{number}")
    elif isinstance(expression, ast.Dict):
        for key, entry in zip(expression.keys, expression.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(key.value, str | int):
                yield from _lines(entry, f"{start}{key.value}")


def _literal(expression: ast.expr, source: Source) -> Any:
    """The value of an expression of literals, as JSON has values. Raises ValueError for others."""
    match expression:
        case ast.Constant(value=str() | bool() | int() | float() | None as value):
            return value
        case ast.List(elts=elements) | ast.Tuple(elts=elements):
            return [_literal(element, source) for element in elements]
        case ast.Dict(keys=keys, values=values):
            return {
                _key(key): _literal(value, source) for key, value in zip(keys, values, strict=True)
            }
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return -value
        case ast.Call() if _CONFIGURATIONS.fullmatch(source.meant(expression) or ""):
            return _configuration(expression, source)
    raise ValueError


def _key(key: ast.expr | None) -> str:
    if isinstance(key, ast.Constant) and isinstance(key.value, str | int):
        return str(key.value)
    raise ValueError


def _configuration(call: ast.Call, source: Source) -> dict[str, Any]:
    """`Input("source.orders", columns=["id"])` → `{"ref": "source.orders", "columns": ["id"]}`."""
    names = ["ref", "columns"] if source.meant(call) == "Input" else []
    if len(call.args) > len(names) or any(keyword.arg is None for keyword in call.keywords):
        raise ValueError
    given = {name: _literal(value, source) for name, value in zip(names, call.args, strict=False)}
    return given | {str(word.arg): _literal(word.value, source) for word in call.keywords}


def declares(source: Source) -> bool:
    """Whether a file holds nodes, sound or not."""
    return any(
        isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and (
            any(source.meant(one) in _DECORATORS for one in statement.decorator_list)
            or any(_misspelt(statement.decorator_list, source))
        )
        for statement in ast.walk(source.tree)
    )


def templates_in(source: Source) -> list[str]:
    """The names in templates within the decorators of nodes."""
    texts = [
        node.value
        for statement in source.tree.body
        if isinstance(statement, ast.FunctionDef)
        for decorator in statement.decorator_list
        if source.meant(decorator) in _DECORATORS
        for node in ast.walk(decorator)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    return list(dict.fromkeys(name for text in texts for _, _, name in templates(text)))


def imports(source: Source) -> Iterator[tuple[str, int]]:
    """Every module that a file may import: its dotted name, and the dots before it."""
    for statement in ast.walk(source.tree):
        if isinstance(statement, ast.Import):
            yield from ((alias.name, 0) for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            name = statement.module or ""
            yield name, statement.level
            for alias in statement.names:
                yield f"{name}.{alias.name}".lstrip("."), statement.level
