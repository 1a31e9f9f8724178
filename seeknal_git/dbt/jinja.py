"""The Jinja of dbt's files, told apart but never run: calls with literal arguments, comments, and
everything else."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

_OPEN = re.compile(r"\{\{|\{%|\{#")
_WORDS = {"true": True, "false": False, "none": None}
_CONTROL = "-+"
_CLOSING = {"{{": "}}", "{%": "%}", "{#": "#}"}
_MOST_ENDS = 20  # a call with nested mappings has some


Kind = Literal["expression", "statement", "comment"]


@dataclass(frozen=True, slots=True)
class Tag:
    """`{{ … }}`, `{% … %}` or `{# … #}` in a text."""

    kind: Kind
    start: int
    end: int
    # The text between the marks, without those for spaces.
    inner: str
    # Whether the spaces before it, and behind it, are removed.
    strips: tuple[bool, bool]
    is_closed: bool = True


@dataclass(frozen=True, slots=True)
class Call:
    """`name(…)` with literal arguments."""

    name: str
    arguments: tuple[Any, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)


def tags(text: str) -> Iterator[Tag]:
    """All tags of a text, in order. One that is not closed reaches to the end."""
    position = 0
    while found := _OPEN.search(text, position):
        start = found.start()
        kind: Kind
        match found[0]:
            case "{{":
                kind, position = "expression", _end_of_expression(text, found.end())
            case "{%":
                kind, position = "statement", _end(text, "%}", found.end())
            case _:
                kind, position = "comment", _end(text, "#}", found.end())
        is_closed = text.endswith(_CLOSING[found[0]], found.end(), position)
        inner = text[found.end() : position - 2 if is_closed else position]
        strips = (inner[:1] == "-", inner[-1:] == "-")
        yield Tag(kind, start, position, inner.strip(_CONTROL).strip(), strips, is_closed)


def _end(text: str, mark: str, start: int) -> int:
    found = text.find(mark, start)
    return len(text) if found < 0 else found + len(mark)


def _end_of_expression(text: str, start: int) -> int:
    """Behind the first `}}` that closes no brackets or quotes of the expression itself."""
    position = first = _end(text, "}}", start)
    for _ in range(_MOST_ENDS):
        if _parsed(text[start : position - 2].strip().strip(_CONTROL)) is not None:
            return position
        if (position := text.find("}}", position) + 2) < 2:
            break
    return first


def _parsed(expression: str) -> ast.expr | None:
    """An expression of Jinja that is one of Python, too; None for any other."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of escapes that Python does not know
        try:
            return ast.parse(expression.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


def call(expression: str) -> Call | None:
    """An expression as a call with literal arguments; None for any other."""
    match _parsed(expression):
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=options):
            try:
                return Call(
                    name,
                    tuple(_literal(argument) for argument in arguments),
                    {_name(option): _literal(option.value) for option in options},
                )
            except ValueError:
                return None
    return None


def _name(option: ast.keyword) -> str:
    if option.arg is None:
        raise ValueError("`**` is no name")
    return option.arg


def _literal(node: ast.expr) -> Any:
    """The value of a literal of Jinja. Raises ValueError for anything else."""
    match node:
        case ast.Constant(value=str() | int() | float() | None as value):
            return value
        case ast.Name(id=word) if word in _WORDS:
            return _WORDS[word]
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return -value
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return [_literal(item) for item in items]
        case ast.Dict(keys=keys, values=values) if None not in keys:
            pairs = zip(keys, values, strict=True)
            return {str(_literal(key)): _literal(value) for key, value in pairs if key}
    raise ValueError("this is no literal")


def has_jinja(value: Any) -> bool:
    """Whether a value has a template in it, at any depth."""
    if isinstance(value, dict):
        return any(map(has_jinja, value.values()))
    if isinstance(value, list):
        return any(map(has_jinja, value))
    return isinstance(value, str) and _OPEN.search(value) is not None


def line_at(text: str, position: int) -> int:
    """The line of a position, from 1."""
    return text.count("\n", 0, position) + 1
