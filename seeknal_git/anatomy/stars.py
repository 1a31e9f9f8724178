"""The items of a select list become columns: one, or as many as a star stands for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from seeknal_git.anatomy import functions
from seeknal_git.anatomy.book import Book
from seeknal_git.anatomy.expressions import Tree, bare, read
from seeknal_git.anatomy.scope import Marks, Output, Scope
from seeknal_git.anatomy.terms import Obstacle, Term, compound

_STAR = frozenset({"class", "type", "query_location", "query_location_length", "alias", "relation_name", "exclude_list",
                   "qualified_exclude_list", "replace_list", "rename_list", "columns", "expr"})  # fmt: skip


@dataclass(slots=True)
class Item:
    """An item of a select list. aggregates: whether an aggregate is in it, once it was read."""

    tree: Tree
    scope: Scope
    book: Book
    known: Term | None = None
    aggregates: bool = False
    reading: bool = False

    @property
    def alias(self) -> str:
        return str(self.tree.get("alias") or "").lower()

    def term(self) -> Term:
        if self.known is None:
            if self.reading:
                raise Obstacle(f"{self.alias}, which is defined by itself")
            self.reading = True
            self.known, self.aggregates = _marked(self.tree, self.scope, self.book)
        return self.known


def _marked(tree: Tree, scope: Scope, book: Book) -> tuple[Term, bool]:
    """The term of an item, and whether an aggregate is in it; what is met is noted for the whole SELECT too."""
    marks = Marks()
    term = read(tree, replace(scope, marks=marks), book)
    scope.marks.aggregates |= marks.aggregates
    scope.marks.unnests += marks.unnests
    return term, marks.aggregates


class Column(NamedTuple):
    """A column of a SELECT. key: whether GROUP BY ALL groups by it, None where that is not certain."""

    output: Output
    key: bool | None


def columns_of(item: Item, scope: Scope, book: Book) -> Iterator[Column]:
    """The columns of an item."""
    tree = item.tree
    stars = [bare(each) for each in _stars(tree)]
    if not stars:
        name = tree.get("alias") or (tree["column_names"][-1] if tree["class"] == "COLUMN_REF" else None)
        yield Column(Output(name, item.term()), not item.aggregates and _is_key(tree))
    elif any(each != stars[0] for each in stars):
        raise Obstacle("two different stars in one expression")
    elif tree["class"] == "STAR" and not tree.get("expr"):
        yield from (Column(output, True) for output in star(tree, scope, book))
    elif stars[0].get("columns") and not stars[0].get("expr"):
        for output in star(stars[0], scope, book):
            term, aggregates = _marked(tree, replace(scope, chosen=_one(output)), book)
            yield Column(Output(None, term), not aggregates)
    else:
        yield _some(item, stars[0], scope, book)


# What the engine computes once where there is nothing but constants in it. GROUP BY ALL passes over that.
_FOLDED = frozenset(
    {"BETWEEN", "CASE", "CAST", "COMPARISON", "CONJUNCTION", "CONSTANT", "FUNCTION", "OPERATOR", "TYPE"}
)


def _is_key(tree: Tree) -> bool | None:
    classes = set(_classes(tree))
    if "COLUMN_REF" in classes:
        named = [names for names in _names(tree) if len(names) > 1 or names[0].lower() not in functions.VOLATILE]
        return True if named else None
    return False if classes <= _FOLDED and not functions.VOLATILE & set(_called(tree)) else None


def _classes(tree: Any) -> Iterator[str]:
    return (value["class"] for value in _objects(tree) if "class" in value)


def _names(tree: Any) -> Iterator[list[str]]:
    return (value["column_names"] for value in _objects(tree) if "column_names" in value)


def _called(tree: Any) -> Iterator[str]:
    return (value["function_name"].lower() for value in _objects(tree) if "function_name" in value)


def _objects(tree: Any) -> Iterator[Tree]:
    if isinstance(tree, dict):
        yield tree
    for value in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from _objects(value)


def _one(output: Output) -> Term:
    if output.many:
        raise Obstacle("COLUMNS over columns that are not known")
    return output.term


def _stars(tree: Any) -> Iterator[Tree]:
    """The stars in an expression, sub-queries aside."""
    if isinstance(tree, dict):
        if tree.get("class") == "STAR":
            yield tree
        elif tree.get("class") != "SUBQUERY":
            for value in tree.values():
                yield from _stars(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _stars(value)


def _some(item: Item, chooser: Tree, scope: Scope, book: Book) -> Column:
    """COLUMNS('a.*') and the like: the engine knows which columns are meant, and names each after the column."""
    if item.alias:
        raise Obstacle("COLUMNS with an alias")
    all_of_them = dict(chooser, expr=None, relation_name=chooser.get("relation_name") or "")
    outputs = list(star(all_of_them, scope, book))
    example, aggregates = _marked(item.tree, replace(scope, chosen=Term("each")), book)

    def called(name: str) -> Term:
        found = [output.term for output in outputs if output.name and output.name.lower() == name.lower()]
        if len(found) != 1:
            raise Obstacle(f"COLUMNS that make {name}")
        return _marked(item.tree, replace(scope, chosen=found[0], marks=Marks()), book)[0]

    kind = f"some {json.dumps([bare(item.tree), [output.name for output in outputs]], sort_keys=True)}"
    whole = compound(kind, [example, *(_one(output) for output in outputs)])
    return Column(Output(None, whole, called), not aggregates)


def star(tree: Tree, scope: Scope, book: Book) -> Iterator[Output]:
    """The columns that a star stands for, with EXCLUDE, REPLACE and RENAME."""
    if unknown := [key for key, value in tree.items() if key not in _STAR and value]:
        raise Obstacle(f"* with {unknown[0]}")
    table = str(tree.get("relation_name") or "").lower()
    if table and table not in scope.source.tables:
        raise Obstacle(f"{table}.*, which is no table here")
    chosen = [(name, output) for name, output in scope.source.star if not table]
    chosen = chosen or [(table, output) for output in (scope.source.tables[table].outputs if table else ())]
    gone = {name.lower() for name in tree.get("exclude_list") or ()}
    gone |= {_qualified(each) for each in tree.get("qualified_exclude_list") or ()}
    replaced = {entry["key"].lower(): entry["value"] for entry in tree.get("replace_list") or ()}
    renamed = {_qualified(entry["key"]): entry["value"] for entry in tree.get("rename_list") or ()}
    for owner, output in chosen:
        if output.name is None and (gone or replaced or renamed):
            raise Obstacle("* with exceptions, over columns that are not known")
        names = {(output.name or "").lower(), f"{owner}.{(output.name or '').lower()}"}
        if names & gone:
            continue
        value = next((replaced[name] for name in names if name in replaced), None)
        name = next((renamed[name] for name in names if name in renamed), output.name)
        yield replace(output, name=name, term=output.term if value is None else read(value, scope, book))


def _qualified(name: Mapping[str, Any]) -> str:
    if unknown := [key for key, value in name.items() if key not in ("table", "column") and value]:
        raise Obstacle(f"* with {unknown[0]}")
    return ".".join(part.lower() for part in (name.get("table"), name["column"]) if part)
