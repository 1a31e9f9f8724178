"""The items of a select list become columns. A star becomes all columns that it stands for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from seeknal_git.names import folded
from seeknal_git.sql.analysis import functions
from seeknal_git.sql.analysis.builders import as_column
from seeknal_git.sql.analysis.constants import constant, is_cast_number, names_null
from seeknal_git.sql.analysis.context import Context
from seeknal_git.sql.analysis.expressions import read
from seeknal_git.sql.analysis.normal import normal
from seeknal_git.sql.analysis.scope import WRITTEN, Marks, Output, Scope, names_of
from seeknal_git.sql.analysis.terms import EACH, FIXED, Obstacle, Path, Term, compound
from seeknal_git.sql.analysis.tree import Tree, arguments, bare, objects, only, spelled
from seeknal_git.sql.analysis.types import column_type, type_alone

_STAR = frozenset(
    {
        "class",
        "type",
        "relation_name",
        "exclude_list",
        "qualified_exclude_list",
        "replace_list",
        "rename_list",
        "columns",
        "expr",
    }
)
_QUALIFIED = frozenset({"table", "column"})


@dataclass(slots=True)
class Item:
    """An item of a select list."""

    tree: Tree
    scope: Scope
    context: Context
    # Its term and its marks, once it was read.
    known: Term | None = None
    marks: Marks = field(default_factory=Marks)
    # Whether it is being read: then it must not name itself.
    reading: bool = False

    @property
    def alias(self) -> str:
        return folded(str(self.tree.get("alias") or ""))

    def term(self) -> Term:
        if self.known is None:
            if self.reading:
                raise Obstacle(f"{self.alias}, which is defined by itself")
            self.reading = True
            term, self.marks = _marked(self.tree, self.scope, self.context)
            type_ = term.type or (
                "" if term.unstable else column_type(normal(self.tree, self.scope), self.scope)
            )
            self.known = self.context.holes.short(term)._replace(type=type_)
        return self.known

    def named(self) -> Term:
        """The meaning of its alias."""
        return self.term()._replace(path=self.context.spelling.item(self.tree))


def _marked(tree: Tree, scope: Scope, context: Context) -> tuple[Term, Marks]:
    """The term of an item, and its marks, which are also added to those of the whole SELECT."""
    marks = Marks()
    term = read(tree, replace(scope, marks=marks), context)
    scope.marks.aggregates |= marks.aggregates
    scope.marks.unnests += marks.unnests
    scope.marks.depths |= marks.depths
    return term, marks


class Column(NamedTuple):
    """A column of a SELECT."""

    output: Output
    # Whether GROUP BY ALL groups by it; None if that is not certain.
    key: bool | None
    # Whether a star stands for it, so that its name is in no item.
    made: bool = True


def columns_of(item: Item, scope: Scope, context: Context) -> Iterator[Column]:
    """The columns of an item."""
    tree = item.tree
    if any(part.get("type") == "OPERATOR_UNPACK" for part in objects(tree)):
        raise Obstacle("*COLUMNS as arguments")
    stars = [part for part in objects(tree, ("STAR", "SUBQUERY")) if part.get("class") == "STAR"]
    if not stars:
        yield _plain(item)
        return
    chooser = bare(stars[0])
    if any(bare(other) != chooser for other in stars[1:]):
        raise Obstacle("two different stars in one expression")
    if tree["class"] == "STAR" and not tree.get("expr"):
        certain = None if tree.get("replace_list") else True
        for output in _noted(tree, tree, scope, context):
            yield Column(output, certain)
    elif chooser.get("columns") and not chooser.get("expr"):
        for output in _noted(tree, chooser, scope, context):
            yield _computed(tree, output, scope, context)
    else:
        yield _some(item, chooser, scope, context)


def _noted(tree: Tree, chooser: Tree, scope: Scope, context: Context) -> list[Output]:
    """The columns that the star in an item stands for, which are noted for the item."""
    outputs = list(star(chooser, scope, context))
    context.spelling.star(tree, [(output.term.path, output.name or "") for output in outputs])
    return outputs


def _computed(tree: Tree, output: Output, scope: Scope, context: Context) -> Column:
    """The column that an expression with COLUMNS(*) makes of one column."""
    term, marks = _marked(tree, replace(scope, chosen=_one(output)), context)
    term = term._replace(path=_each(tree, output.term.path, context))
    label = f"{spelled(tree)} {output.name}"
    return Column(Output(None, term, label=label), not marks.aggregates)


# Functions that return a list of values, whatever their arguments.
_LISTS = frozenset(
    {
        "list_value",
        "range",
        "generate_series",
        "string_split",
        "str_split",
        "split",
        "string_to_array",
    }
)


def _plain(item: Item) -> Column:
    """The column of an item without a star. `unnest` of a struct may be several, one for each
    field."""
    tree, term = item.tree, item.term()
    written = tree["column_names"][-1] if tree["class"] == "COLUMN_REF" else None
    name = tree.get("alias") or (written and (term.name or written)) or None
    if any(not _is_list(value, item.scope, item.context) for value in _unnested(tree)):
        called = name or spelled(tree)
        return Column(
            Output(None, term, lambda name: compound(f"of {json.dumps(name)}", [term]), called),
            None,
            made=False,
        )
    term = settled(tree, term, item.scope, item.context)
    label = spelled(tree) if not name else "" if tree.get("alias") or term.name else WRITTEN
    return Column(
        Output(name, term, label=label),
        not item.marks.aggregates and _is_key(tree, item.marks),
        made=False,
    )


def settled(tree: Tree, term: Term, scope: Scope, context: Context) -> Term:
    """The value of a column to its readers. Constants and NULLs are no longer fitted to their
    neighbours in an expression."""
    if constant(tree) or is_cast_number(tree := normal(tree, scope)):
        return compound(FIXED, [read(as_column(tree), scope, context)])._replace(
            type=type_alone(tree, scope)
        )
    return (
        term
        if term.type or not names_null(tree)
        else context.holes.short(compound("column", [term]))
    )


def _unnested(tree: Any) -> Iterator[Tree]:
    return (
        arguments(part)[0]
        for part in objects(tree)
        if part.get("function_name", "").lower() == "unnest"
    )


def _is_list(tree: Tree, scope: Scope, context: Context) -> bool:
    if tree["class"] == "COLUMN_REF":
        return read(tree, scope, context).type.endswith("]")
    return tree["type"] == "ARRAY_CONSTRUCTOR" or tree.get("function_name", "").lower() in _LISTS


# Expressions that the engine computes once if they hold only constants. GROUP BY ALL ignores them.
_FOLDED = frozenset(
    {
        "BETWEEN",
        "CASE",
        "CAST",
        "COMPARISON",
        "CONJUNCTION",
        "CONSTANT",
        "FUNCTION",
        "OPERATOR",
        "TYPE",
    }
)


def _is_key(tree: Tree, marks: Marks) -> bool | None:
    if 0 in marks.depths:
        return True
    constant = set(_classes(tree)) <= _FOLDED and not functions.VOLATILE & set(_called(tree))
    return False if constant and not marks.depths else None


def _classes(tree: Any) -> Iterator[str]:
    return (value["class"] for value in objects(tree) if "class" in value)


def _called(tree: Any) -> Iterator[str]:
    return (value["function_name"].lower() for value in objects(tree) if "function_name" in value)


def _each(tree: Tree, column: Path, context: Context) -> Path:
    """The path of an expression with COLUMNS, for one column."""
    return (EACH, *context.spelling.item(tree)[1:], column)


def _one(output: Output) -> Term:
    if output.many:
        raise Obstacle("COLUMNS over columns that are not known")
    return output.term


def _some(item: Item, chooser: Tree, scope: Scope, context: Context) -> Column:
    """COLUMNS('a.*') and the like: the engine knows the columns that are meant, and names each
    result after its column."""
    if item.alias:
        raise Obstacle("COLUMNS with an alias")
    if any(
        chooser.get(key)
        for key in ("relation_name", "qualified_exclude_list", "replace_list", "rename_list")
    ):
        context.spelling.unclear = "COLUMNS of one table, or with exceptions"
    outputs = list(star({**chooser, "expr": None}, scope, context))
    example, marks = _marked(item.tree, replace(scope, chosen=Term("each")), context)
    if marks.unnests:
        raise Obstacle("unnest() of COLUMNS")

    def called(name: str) -> Term:
        found = [
            output.term for output in outputs if output.name and folded(output.name) == folded(name)
        ]
        if len(found) != 1:
            raise Obstacle(f"COLUMNS that make {name}")
        term = _marked(item.tree, replace(scope, chosen=found[0], marks=Marks()), context)[0]
        return term._replace(path=_each(item.tree, found[0].path, context))

    kind = f"some {json.dumps([bare(item.tree), names_of(outputs, 'COLUMNS')], sort_keys=True)}"
    whole = compound(kind, [example, *(_one(output) for output in outputs)])
    return Column(Output(None, whole, called, kind), not marks.aggregates)


class _Exceptions(NamedTuple):
    """The exceptions of a star. A column is named by (table, column); "" is any table."""

    excluded: set[tuple[str, str]]
    replaced: dict[tuple[str, str], Tree]
    renamed: dict[tuple[str, str], str]


def star(tree: Tree, scope: Scope, context: Context) -> Iterator[Output]:
    """The columns that a star stands for, with EXCLUDE, REPLACE and RENAME."""
    only(tree, _STAR, "*")
    chosen = _chosen(tree, scope)
    excluded, replaced, renamed = exceptions = _exceptions(tree, scope)
    for table, output in chosen:
        if output.name is None and any(exceptions):
            raise Obstacle("* with exceptions, over columns that are not known")
        column = folded(output.name or "")
        names = ("", column), (table, column)
        if not excluded.isdisjoint(names):
            continue
        entry = replaced.get(names[0])
        found = Output(entry["key"], _replaced(entry["value"], scope, context)) if entry else output
        called = renamed.get(names[0]) or renamed.get(names[1])
        yield replace(found, name=called, label="") if called else found


def _chosen(tree: Tree, scope: Scope) -> Sequence[tuple[str, Output]]:
    """The columns of `*` or of `table.*`, each with the name of its table."""
    name = folded(str(tree.get("relation_name") or ""))
    if not name:
        return scope.source.star
    if name not in scope.source.tables:
        raise Obstacle(f"{name}.*, which is no table here")
    return [(name, output) for output in scope.source.tables[name].outputs]


def _exceptions(tree: Tree, scope: Scope) -> _Exceptions:
    excluded = {("", folded(name)) for name in tree.get("exclude_list") or ()}
    excluded |= {_qualified(name) for name in tree.get("qualified_exclude_list") or ()}
    replaced = {("", folded(entry["key"])): entry for entry in tree.get("replace_list") or ()}
    renamed = {_qualified(entry["key"]): entry["value"] for entry in tree.get("rename_list") or ()}
    for table, name in (*excluded, *renamed):
        if table and name in scope.source.merged:
            raise Obstacle("an exception of * for one side of a column of USING")
    return _Exceptions(excluded, replaced, renamed)


def _replaced(tree: Tree, scope: Scope, context: Context) -> Term:
    term = settled(tree, read(tree, scope, context), scope, context)
    return term._replace(path=context.spelling.item(tree))


def _qualified(name: Tree) -> tuple[str, str]:
    only(name, _QUALIFIED, "*")
    return folded(name.get("table") or ""), folded(name["column"])
