"""The clauses of a query, which decide its rows one after the other; and DISTINCT, ORDER BY and
LIMIT, which all queries share."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from seeknal_git.names import folded
from seeknal_git.sql.analysis.context import Context
from seeknal_git.sql.analysis.expressions import direction, position, read
from seeknal_git.sql.analysis.scope import Filter, Output, Relation, Scope, called, combined
from seeknal_git.sql.analysis.spelling import Spelling
from seeknal_git.sql.analysis.terms import POSITION, Obstacle, Path, Term, compound, is_fixed
from seeknal_git.sql.analysis.tree import Tree, only

_ALL = frozenset({"class", "type", "columns"})


@dataclass(slots=True)
class Clauses:
    """A query while it is read."""

    # The rows so far. Each clause is added to them.
    rows: Term
    outputs: tuple[Output, ...]
    # Keys: sets of texts of columns. No two rows have the same values in all columns of a key.
    unique: tuple[frozenset[str], ...]
    # Each clause by its word, so that a plan can say which clause changed.
    words: dict[str, Term]

    def add(self, word: str, kind: str, terms: Sequence[Term], unstable: str = "") -> None:
        clause = compound(kind, terms, unstable)
        self.words[word] = clause
        self.rows = compound("then", [self.rows, clause])

    def filter(self, last: Filter, context: Context) -> None:
        """The conditions of a WHERE, a HAVING or a QUALIFY."""
        for part in last.parts:
            terms = context.holes.ordered(part) if last.total else list(dict.fromkeys(part))
            self.add(last.word, last.word, terms)


def finished(
    tree: Tree, clauses: Clauses, order: Sequence[tuple[Term, Term]], scope: Scope, context: Context
) -> Relation:
    """DISTINCT, ORDER BY and LIMIT, which a SELECT and a set operation share."""
    directed = [term for _, term in order]
    loose = _is_loose(tree, clauses, order)
    for modifier in tree.get("modifiers") or ():
        match modifier["type"]:
            case "DISTINCT_MODIFIER":
                _distinct(modifier, clauses, order, scope, context)
            case "LIMIT_MODIFIER" | "LIMIT_PERCENT_MODIFIER":
                unstable = "" if _is_decided(clauses, order) and not loose else "LIMIT"
                terms = [*_limit(modifier, scope, context), *directed]
                clauses.add("LIMIT", "limit", terms, unstable)
                if _is_of_one_row(modifier):
                    clauses.unique = (frozenset(),)
            case "ORDER_MODIFIER":
                context.orders.append(compound("order", directed))
                clauses.words["order"] = context.orders[-1]
            case other:
                raise Obstacle(f"a query with {other.lower()}")
    if not directed:
        context.orders.append(Term("no order"))
    texts = [output.term.text for output in clauses.outputs]
    places = tuple(frozenset(map(texts.index, key)) for key in clauses.unique if key <= set(texts))
    return Relation(context.holes.short(clauses.rows), clauses.outputs, places, clauses.words)


def _is_of_one_row(modifier: Tree) -> bool:
    limit = modifier.get("limit")
    return bool(modifier["type"] == "LIMIT_MODIFIER" and limit and _integer(limit) == 1)


def key_of(terms: Sequence[Term]) -> tuple[frozenset[str], ...]:
    """The key that some columns are together; no key if one of them is unstable."""
    return () if any(term.unstable for term in terms) else (frozenset(term.text for term in terms),)


def _is_decided(clauses: Clauses, order: Sequence[tuple[Term, Term]]) -> bool:
    """Whether an order decides the place of every row."""
    decided = {key.text for key, _ in order}
    return any(key <= decided for key in clauses.unique)


def _is_loose(tree: Tree, clauses: Clauses, order: Sequence[tuple[Term, Term]]) -> bool:
    """Whether DISTINCT merges rows that are ordered by a value that is no column of the result, so
    that chance decides their order."""
    shown = {output.term.text for output in clauses.outputs}
    modifiers = tree.get("modifiers") or ()
    merges = any(
        modifier["type"] == "DISTINCT_MODIFIER" and not modifier.get("distinct_on_targets")
        for modifier in modifiers
    )
    return (
        merges
        and any(key.text not in shown for key, _ in order)
        and not any(key <= shown for key in clauses.unique)
    )


def _distinct(
    modifier: Tree,
    clauses: Clauses,
    order: Sequence[tuple[Term, Term]],
    scope: Scope,
    context: Context,
) -> None:
    if on := modifier.get("distinct_on_targets"):
        terms = [_ordered(target, clauses.outputs, scope, context) for target in on]
        unstable = "" if _is_decided(clauses, order) else "DISTINCT ON"
        directed = [term for _, term in order]
        clauses.add("DISTINCT", f"distinct on {len(terms)}", [*terms, *directed], unstable)
        clauses.unique = (*clauses.unique, *key_of(terms))
    else:
        terms = [output.term for output in clauses.outputs]
        texts = {term.text for term in terms}
        if not any(key <= texts for key in clauses.unique):  # else no two rows are the same
            clauses.add("DISTINCT", "distinct", context.holes.ordered(_of_rows(terms)))
        context.shapes.append(Term("distinct"))
        clauses.unique = key_of(terms)


def _of_rows(terms: Sequence[Term]) -> Sequence[Term]:
    """The terms without constants; all terms if there are only constants."""
    return [term for term in terms if not is_fixed(term)] or terms


def _limit(modifier: Tree, scope: Scope, context: Context) -> list[Term]:
    terms = [Term(json.dumps([modifier["type"], modifier.get("limit_type")]))]
    return terms + [
        compound(key, [read(modifier[key], scope, context)])
        for key in ("limit", "offset")
        if modifier.get(key)
    ]


def positioned(tree: Tree, outputs: Sequence[Output], scope: Scope, context: Context) -> Term:
    """The term of an expression, or of the column at the position that it is."""
    index = _integer(tree)
    return (
        context.holes.short(read(tree, scope, context))
        if index is None
        else position(index, outputs)
    )


def _ordered(tree: Tree, outputs: Sequence[Output], scope: Scope, context: Context) -> Term:
    """A key of an ORDER BY. A name that stands alone is first looked up among the columns of the
    query."""
    if tree["class"] != "COLUMN_REF" or len(tree["column_names"]) > 1:
        return positioned(tree, outputs, scope, context)
    name = folded(tree["column_names"][0])
    places = [(POSITION, str(place)) for place in range(1, len(outputs) + 1)]
    found = [
        term
        for place, output in zip(places, outputs, strict=True)
        for term in _placed(name, output, place)
    ]
    aside = replace(context, spelling=Spelling())
    try:
        found.append(read(tree, scope, aside))
    except Obstacle:
        if not found:
            raise
    term = combined(found)
    context.spelling.name(tree, term.path)
    return context.holes.short(term)


def _placed(name: str, output: Output, place: Path) -> Iterator[Term]:
    for term in called(name, [output]):
        yield term._replace(path=place)


def _integer(tree: Tree) -> int | None:
    """The whole number that an expression is, in the forms that DuckDB 1 and 2 have for it."""
    if tree["class"] != "CONSTANT":
        return None
    literal = tree.get("literal") or {}
    if literal.get("kind") == "INTEGER":
        return int(literal["text"])
    value = tree.get("value") or {}
    return value["value"] if (value.get("type") or {}).get("id") in ("INTEGER", "BIGINT") else None


def order_of(
    tree: Tree, outputs: Sequence[Output], scope: Scope, context: Context
) -> list[tuple[Term, Term]]:
    """The keys of a query's ORDER BY: each term as it is, and with its direction."""
    found: list[tuple[Term, Term]] = []
    for modifier in tree.get("modifiers") or ():
        for entry in modifier.get("orders") or ():
            found += _ordered_by(entry, outputs, scope, context)
    return found


def _ordered_by(
    entry: Tree, outputs: Sequence[Output], scope: Scope, context: Context
) -> list[tuple[Term, Term]]:
    expression = entry["expression"]
    if expression["class"] == "STAR":
        only(expression, _ALL, "ORDER BY *")
        keys = [output.term for output in outputs]
    else:
        keys = [_ordered(expression, outputs, scope, context)]
    return [(key, compound(direction(entry), [key])) for key in keys]
