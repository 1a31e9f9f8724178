"""The nodes that code reads, as in `ctx.ref("source.orders")`, and parts of Seeknal's context that
are not here."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from seeknal_git.nodes.kinds import NAMED

NODE = re.compile(rf"(?:{'|'.join(NAMED)})\.[A-Za-z_]\w*")
_FEATURE = re.compile(r"(?:feature_group\.)?([A-Za-z_]\w*)(?:\.(?:\w+|\*))?")
_NOT_HERE = {
    "state": "A node has no state of its own: its table is made of its code and its inputs alone.",
    "entity": "`{}.entity` would read every feature group of an entity, which no plan can tell from"
    ' the code: name them, `{}.features("customer", ["orders.total"])`.',
    "llm": "`{}.llm` is not here: call the service itself, in a node with volatile=True.",
}


@dataclass(frozen=True, slots=True)
class Reference:
    """A node that the code names; of a computed name, "". wrong: why it cannot be read at all."""

    id: str
    line: int
    wrong: str = ""


def references(
    statement: ast.stmt, function: str, context: str | None, *, at_home: bool
) -> Iterator[Reference]:
    """The nodes that a statement reads. In the node's function, they are named by its first
    parameter; elsewhere, by any name."""
    is_own = at_home and isinstance(statement, ast.FunctionDef) and statement.name == function
    for node in ast.walk(statement):
        if not isinstance(node, ast.Call | ast.Attribute):
            continue
        for given in _named(node, context, is_own=is_own):
            yield Reference(given.id, node.lineno if at_home else 0, given.wrong)


def _named(
    node: ast.Call | ast.Attribute, context: str | None, *, is_own: bool
) -> Iterator[Reference]:
    match node:
        case ast.Call(
            func=ast.Attribute(value=ast.Name(id=name), attr="ref" | "relation"),
            args=[ast.Constant(value=str(text)), *_],
        ):
            if name == context or NODE.fullmatch(text):
                yield Reference(text, 0)
        case ast.Call(
            func=ast.Attribute(value=ast.Name(id=name), attr="ref" | "relation"), args=[_, *_]
        ) if is_own and name == context:
            yield Reference("", 0)
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="features")) if (
            is_own and name == context
        ):
            yield from _groups(node)
        case ast.Attribute(value=ast.Name(id=name), attr=attribute) if (
            is_own and name == context and attribute in _NOT_HERE
        ):
            yield Reference("", 0, _NOT_HERE[attribute].replace("{}", name))


def _groups(call: ast.Call) -> Iterator[Reference]:
    """The feature groups of `ctx.features("customer", ["orders.total"])`."""
    by_word = {keyword.arg: keyword.value for keyword in call.keywords}
    given = call.args[1] if len(call.args) > 1 else by_word.get("features")
    entries: list[ast.expr | None] = [None]  # a computed list
    if isinstance(given, ast.List | ast.Tuple):
        entries = [*given.elts]
    for entry in entries:
        text = entry.value if isinstance(entry, ast.Constant) else None
        found = _FEATURE.fullmatch(text) if isinstance(text, str) else None
        yield Reference(f"feature_group.{found[1]}" if found else "", 0)
