"""The items of a select list become columns: one, or as many as a star stands for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from seeknal_git.names import folded
from seeknal_git.sql.analysis import functions
from seeknal_git.sql.analysis.context import Book
from seeknal_git.sql.analysis.expressions import read
from seeknal_git.sql.analysis.normal import as_column, is_cast_number, normal
from seeknal_git.sql.analysis.scope import WRITTEN, Marks, Output, Scope, names_of
from seeknal_git.sql.analysis.terms import EACH, FIXED, Obstacle, Path, Term, compound
from seeknal_git.sql.analysis.tree import Tree, arguments, bare, objects, only, spelled
from seeknal_git.sql.analysis.types import column_type, constant, names_null, type_alone

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
    """An item of a select list. marks: what was met in it, once it was read."""

    tree: Tree
    scope: Scope
    book: Book
    known: Term | None = None
    marks: Marks = field(default_factory=Marks)
    reading: bool = False

    @property
    def alias(self) -> str:
        return folded(str(self.tree.get("alias") or ""))

    def term(self) -> Term:
        if self.known is None:
            if self.reading:
                raise Obstacle(f"{self.alias}, which is defined by itself")
            self.reading = True
            term, self.marks = _marked(self.tree, self.scope, self.book)
            type_ = term.type or (
                "" if term.unstable else column_type(normal(self.tree, self.scope), self.scope)
            )
            self.known = self.book.holes.short(term)._replace(type=type_)
        return self.known

    def named(self) -> Term:
        """What its alias means."""
        return self.term()._replace(path=self.book.spelling.item(self.tree))


def _marked(tree: Tree, scope: Scope, book: Book) -> tuple[Term, Marks]:
    """The term of an item, and what was met in it, which is noted for the whole SELECT too."""
    marks = Marks()
    term = read(tree, replace(scope, marks=marks), book)
    scope.marks.aggregates |= marks.aggregates
    scope.marks.unnests += marks.unnests
    scope.marks.depths |= marks.depths
    return term, marks


class Column(NamedTuple):
    """A column of a SELECT. key: whether GROUP BY ALL groups by it, None where that is not certain.

    made: whether a star stands for it, so that its name is in no item.
    """

    output: Output
    key: bool | None
    made: bool = True


def columns_of(item: Item, scope: Scope, book: Book) -> Iterator[Column]:
    """The columns of an item."""
    tree = item.tree
    stars = [
        bare(part) for part in objects(tree, ("STAR", "SUBQUERY")) if part.get("class") == "STAR"
    ]
    if any(value.get("type") == "OPERATOR_UNPACK" for value in objects(tree)):
        raise Obstacle("*COLUMNS as arguments")
    if not stars:
        yield _plain(item)
    elif any(other != stars[0] for other in stars):
        raise Obstacle("two different stars in one expression")
    elif tree["class"] == "STAR" and not tree.get("expr"):
        certain = None if tree.get("replace_list") else True
        outputs = list(star(tree, scope, book))
        book.spelling.star(tree, [(output.term.path, output.name or "") for output in outputs])
        yield from (Column(output, certain) for output in outputs)
    elif stars[0].get("columns") and not stars[0].get("expr"):
        outputs = list(star(stars[0], scope, book))
        book.spelling.star(tree, [(output.term.path, output.name or "") for output in outputs])
        for output in outputs:
            term, marks = _marked(tree, replace(scope, chosen=_one(output)), book)
            term = term._replace(path=_each(tree, output.term.path, book))
            yield Column(
                Output(None, term, label=f"{spelled(tree)} {output.name}"),
                not marks.aggregates,
            )
    else:
        yield _some(item, stars[0], scope, book)


# Functions that return a list of values, as far as what they are made of does not decide that.
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
    """An item without a star: one column; but `unnest` of a struct is as many as that has
    fields."""
    tree, term = item.tree, item.term()
    written = tree["column_names"][-1] if tree["class"] == "COLUMN_REF" else None
    name = tree.get("alias") or (written and (term.name or written)) or None
    if any(not _is_list(value, item.scope, item.book) for value in _unnested(tree)):
        called = name or spelled(tree)
        return Column(
            Output(None, term, lambda name: compound(f"of {json.dumps(name)}", [term]), called),
            None,
            made=False,
        )
    term = settled(tree, term, item.scope, item.book)
    label = spelled(tree) if not name else "" if tree.get("alias") or term.name else WRITTEN
    return Column(
        Output(name, term, label=label),
        not item.marks.aggregates and _is_key(tree, item.marks),
        made=False,
    )


def settled(tree: Tree, term: Term, scope: Scope, book: Book) -> Term:
    """The value of a column to its readers: constants and NULLs are not fitted to what stands
    beside them there."""
    if constant(tree) or is_cast_number(tree := normal(tree, scope)):
        return compound(FIXED, [read(as_column(tree), scope, book)])._replace(
            type=type_alone(tree, scope)
        )
    return (
        term if term.type or not names_null(tree) else book.holes.short(compound("column", [term]))
    )


def _unnested(tree: Any) -> Iterator[Tree]:
    return (
        arguments(part)[0]
        for part in objects(tree)
        if part.get("function_name", "").lower() == "unnest"
    )


def _is_list(tree: Tree, scope: Scope, book: Book) -> bool:
    if tree["class"] == "COLUMN_REF":
        return read(tree, scope, book).type.endswith("]")
    return tree["type"] == "ARRAY_CONSTRUCTOR" or tree.get("function_name", "").lower() in _LISTS


# What the engine computes once where there is nothing but constants in it. GROUP BY ALL passes over
# that.
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


def _each(tree: Tree, column: Path, book: Book) -> Path:
    """The path that means an expression with COLUMNS, for one column."""
    return (EACH, *book.spelling.item(tree)[1:], column)


def _one(output: Output) -> Term:
    if output.many:
        raise Obstacle("COLUMNS over columns that are not known")
    return output.term


def _some(item: Item, chooser: Tree, scope: Scope, book: Book) -> Column:
    """COLUMNS('a.*') and the like: the engine knows which columns are meant, and names each after
    the column."""
    if item.alias:
        raise Obstacle("COLUMNS with an alias")
    if any(
        chooser.get(key)
        for key in ("relation_name", "qualified_exclude_list", "replace_list", "rename_list")
    ):
        book.spelling.unclear = "COLUMNS of one table, or with exceptions"
    outputs = list(star({**chooser, "expr": None}, scope, book))
    example, marks = _marked(item.tree, replace(scope, chosen=Term("each")), book)
    if marks.unnests:
        raise Obstacle("unnest() of COLUMNS")

    def called(name: str) -> Term:
        found = [
            output.term for output in outputs if output.name and folded(output.name) == folded(name)
        ]
        if len(found) != 1:
            raise Obstacle(f"COLUMNS that make {name}")
        term = _marked(item.tree, replace(scope, chosen=found[0], marks=Marks()), book)[0]
        return term._replace(path=_each(item.tree, found[0].path, book))

    kind = f"some {json.dumps([bare(item.tree), names_of(outputs, 'COLUMNS')], sort_keys=True)}"
    whole = compound(kind, [example, *(_one(output) for output in outputs)])
    return Column(Output(None, whole, called, kind), not marks.aggregates)


def star(tree: Tree, scope: Scope, book: Book) -> Iterator[Output]:
    """The columns that a star stands for, with EXCLUDE, REPLACE and RENAME."""
    only(tree, _STAR, "*")
    table = folded(str(tree.get("relation_name") or ""))
    if table and table not in scope.source.tables:
        raise Obstacle(f"{table}.*, which is no table here")
    chosen = [(name, output) for name, output in scope.source.star if not table]
    chosen = chosen or [
        (table, output) for output in (scope.source.tables[table].outputs if table else ())
    ]
    gone = {("", folded(name)) for name in tree.get("exclude_list") or ()}
    gone |= {_qualified(name) for name in tree.get("qualified_exclude_list") or ()}
    replaced = {("", folded(entry["key"])): entry for entry in tree.get("replace_list") or ()}
    renamed = {_qualified(entry["key"]): entry["value"] for entry in tree.get("rename_list") or ()}
    if any(owner and name in scope.source.merged for owner, name in (*gone, *renamed)):
        raise Obstacle("an exception of * for one side of a column of USING")
    for owner, output in chosen:
        if output.name is None and (gone or replaced or renamed):
            raise Obstacle("* with exceptions, over columns that are not known")
        names = {("", folded(output.name or "")), (owner, folded(output.name or ""))}
        if names & gone:
            continue
        entry = next((replaced[name] for name in names if name in replaced), None)
        column = Output(entry["key"], _replaced(entry["value"], scope, book)) if entry else output
        called = next((renamed[name] for name in names if name in renamed), None)
        yield replace(column, name=called, label="") if called else column


def _replaced(tree: Tree, scope: Scope, book: Book) -> Term:
    term = settled(tree, read(tree, scope, book), scope, book)
    return term._replace(path=book.spelling.item(tree))


def _qualified(name: Tree) -> tuple[str, str]:
    only(name, _QUALIFIED, "*")
    return folded(name.get("table") or ""), folded(name["column"])
