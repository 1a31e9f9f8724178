"""Take a SELECT apart into what decides its rows and what decides each of its columns.

It is the engine's own tree of the statement that is taken apart, so that there is no second opinion
on what a text means. The parts are symbolic: the hash of a canonical text, and what it reads of
which input; fingerprint.py turns them into fingerprints. A part is only called stable if everything
in it is known to be: see functions.py for the lists, and docs/categories.md for the rules. What
cannot be resolved is left whole: first the sub-query, then the statement.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from seeknal_git.names import folded
from seeknal_git.sql.analysis.context import Book
from seeknal_git.sql.analysis.from_clause import distinct
from seeknal_git.sql.analysis.qualified import certain, over_tables, statements
from seeknal_git.sql.analysis.queries import read_query, relation_of, whole
from seeknal_git.sql.analysis.scope import Marks, Output, Relation, Scope, Source
from seeknal_git.sql.analysis.terms import Holes, Obstacle, Term, compound
from seeknal_git.sql.analysis.tree import Tree
from seeknal_git.sql.statement import Anatomy, Known


class Engine(Protocol):
    """A question to the engine: does another statement mean the same as the one that is taken
    apart?

    tables: what the table behind each reference is called in that other statement.
    """

    @property
    def tables(self) -> Sequence[str]: ...

    def agrees(self, tree: Tree, plain: Callable[[], Tree]) -> bool: ...


def anatomy_of(
    tree: Tree,
    targets: Sequence[str],
    inputs: Sequence[Known],
    names: Sequence[str] | None,
    engine: Engine | None = None,
) -> Anatomy:
    """The parts of a SELECT, as far as it can be taken apart.

    tree: the engine's, with the number of its reference at each table that is one; targets, inputs:
    the node behind each reference, and what is known of its table; names: the columns that the
    engine says it returns, if it does; engine: confirms what every name was taken for, where it
    knows the columns of all inputs.
    """
    root = Scope(Source(Term("")), None, {}, Marks())
    try:
        book = _book(targets, inputs)
        relation = read_query(tree, root, {}, book)
        anatomy = _anatomy(relation, _columns(relation, names), book)
        if engine is not None and not _confirmed(tree, book, engine):
            raise Obstacle("a name that the engine takes for something else")
        return anatomy
    except Obstacle as obstacle:
        return _whole(tree, targets, inputs, str(obstacle))
    except RecursionError:
        return _whole(tree, targets, inputs, "a statement that is nested too deep")
    except MemoryError:
        raise
    except Exception as exc:
        logging.getLogger(__name__).debug("a statement could not be taken apart", exc_info=True)
        return _whole(
            tree, targets, inputs, f"an analysis that failed ({type(exc).__name__}: {exc})"
        )


def _confirmed(tree: Tree, book: Book, engine: Engine) -> bool:
    """Whether the engine takes each name for what it was taken for here."""

    def plain() -> Tree:
        return over_tables(tree, engine.tables)

    if certain(tree, book.spelling):
        return True
    return any(
        engine.agrees(statement, plain)
        for statement in statements(tree, book.spelling, engine.tables)
    )


def _book(targets: Sequence[str], inputs: Sequence[Known]) -> Book:
    """An empty one. Two references to one table are one input."""
    return Book(
        tuple(inputs), tuple(map(targets.index, targets)), Holes(tuple(targets)), relation_of
    )


def _columns(relation: Relation, names: Sequence[str] | None) -> list[tuple[str, Term]]:
    """Each column with its name. Where the engine says otherwise it is right, and nothing is
    resolved."""
    outputs = relation.outputs
    unknown = [place for place, output in enumerate(outputs) if output.many]
    if names is None:
        if any(output.name is None for output in outputs):
            raise Obstacle("columns that nobody can name without the raw data")
        names = [str(output.name) for output in outputs]
    if (
        len(unknown) > 1
        or (not unknown and len(names) != len(outputs))
        or len(names) < len(outputs) - 1
    ):
        raise Obstacle("columns of which only the engine knows how many they are")
    if unknown:
        outputs = _filled(outputs, unknown[0], names)
    outputs = tuple(distinct(outputs))
    if any(
        output.name and folded(output.name) != folded(name)
        for output, name in zip(outputs, names, strict=True)
    ):
        raise Obstacle("columns that the engine calls otherwise")
    if len({folded(name) for name in names}) < len(names):
        raise Obstacle("two columns of one name")
    return [(name, output.term) for name, output in zip(names, outputs, strict=True)]


def _filled(outputs: Sequence[Output], place: int, names: Sequence[str]) -> tuple[Output, ...]:
    """The columns, with as many of them in the place of an unknown number as there are names
    left."""
    many = outputs[place].many
    assert many is not None, "the place was found by it"
    there = names[place : len(names) - (len(outputs) - place - 1)]
    return (*outputs[:place], *(Output(name, many(name)) for name in there), *outputs[place + 1 :])


def _anatomy(relation: Relation, columns: Sequence[tuple[str, Term]], book: Book) -> Anatomy:
    holes = book.holes
    names = [folded(name) for name, _ in columns]
    *orders, last = (
        book.orders
    )  # the last one is that of the whole result, and decides no value in it
    everything = compound(
        f"all {json.dumps(names)}",
        [relation.rows, *(term for _, term in columns), *orders, *book.shapes],
    )
    return Anatomy(
        whole=holes.part(everything),
        rows=holes.part(relation.rows),
        columns=tuple((folded(name), holes.part(term)) for name, term in columns),
        unique=() if any(output.many for output in relation.outputs) else _unique(relation, names),
        clauses=tuple(
            (word, _digest(holes.named(term.text))) for word, term in relation.clauses.items()
        ),
        obstacles=tuple(dict.fromkeys(book.obstacles)),
        names=tuple(name for name, _ in columns),
        order=holes.part(last) if "order" in relation.clauses else None,
    )


def _unique(relation: Relation, names: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(sorted(names[place] for place in key)) for key in relation.unique)


def _whole(tree: Tree, targets: Sequence[str], inputs: Sequence[Known], obstacle: str) -> Anatomy:
    book = _book(targets, inputs)
    return Anatomy(
        whole=book.holes.part(whole(tree, {}, book, obstacle).rows), obstacles=(obstacle,)
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]
