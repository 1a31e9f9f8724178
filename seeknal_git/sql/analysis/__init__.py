"""Takes a SELECT apart: one part decides its rows, and one part decides each of its columns.

The input is the engine's own tree of the statement, so there is no second opinion on its meaning.
A part is symbolic: the hash of a canonical text, and the columns of inputs that it reads;
project/fingerprints.py turns parts into fingerprints. A part is called stable only if everything in
it is known to be stable: functions.py has the lists, docs/categories.md the rules. A sub-query that
cannot be resolved is left whole; if that is not possible, the statement is left whole.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from seeknal_git.names import folded
from seeknal_git.sql.analysis.context import Context
from seeknal_git.sql.analysis.from_clause import distinct
from seeknal_git.sql.analysis.qualified import certain, over_tables, statements
from seeknal_git.sql.analysis.queries import read_query, relation_of, whole
from seeknal_git.sql.analysis.scope import Marks, Output, Relation, Scope, Source
from seeknal_git.sql.analysis.terms import Holes, Obstacle, Term, compound
from seeknal_git.sql.analysis.tree import Tree
from seeknal_git.sql.statement import Anatomy, Known


class Engine(Protocol):
    """Asks the engine whether another statement means the same as the one that is taken apart."""

    # The name that the table behind each reference has in the other statement.
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

    tree: the engine's tree; a table that is a reference holds the number of the reference.
    targets: the node behind each reference.
    inputs: the known facts about the table of each reference.
    names: the columns that the SELECT returns, if the engine was able to say.
    engine: confirms the meaning of every name, if it knows the columns of all inputs.
    """
    root = Scope(Source(Term("")), None, {}, Marks())
    try:
        context = _context(targets, inputs)
        relation = read_query(tree, root, {}, context)
        anatomy = _anatomy(relation, _columns(relation, names), context)
        if engine is not None and not _confirmed(tree, context, engine):
            raise Obstacle("a name that the engine takes for something else")
        return anatomy
    except Obstacle as obstacle:
        return in_one_piece(tree, targets, inputs, str(obstacle))
    except RecursionError:
        return in_one_piece(tree, targets, inputs, "a statement that is nested too deep")
    except MemoryError:
        raise
    except Exception as exc:
        logging.getLogger(__name__).debug("a statement could not be taken apart", exc_info=True)
        return in_one_piece(
            tree, targets, inputs, f"an analysis that failed ({type(exc).__name__}: {exc})"
        )


def _confirmed(tree: Tree, context: Context, engine: Engine) -> bool:
    """Whether every name has the meaning for the engine that it was given here."""

    def plain() -> Tree:
        return over_tables(tree, engine.tables)

    if certain(tree, context.spelling):
        return True
    return any(
        engine.agrees(statement, plain)
        for statement in statements(tree, context.spelling, engine.tables)
    )


def _context(targets: Sequence[str], inputs: Sequence[Known]) -> Context:
    """The context at the start. Two references to one table are one input."""
    return Context(
        tuple(inputs), tuple(map(targets.index, targets)), Holes(tuple(targets)), relation_of
    )


def _columns(relation: Relation, names: Sequence[str] | None) -> list[tuple[str, Term]]:
    """Each column with its name. Raises Obstacle if the engine calls the columns otherwise."""
    outputs = relation.outputs
    if names is None:
        names = _names_of(outputs)
    columns = list(zip(names, distinct(_as_many_as(names, outputs)), strict=True))
    for name, output in columns:
        if output.name and folded(output.name) != folded(name):
            raise Obstacle("columns that the engine calls otherwise")
    if len(set(map(folded, names))) < len(names):
        raise Obstacle("two columns of one name")
    return [(name, output.term) for name, output in columns]


def _names_of(outputs: Sequence[Output]) -> list[str]:
    if any(output.name is None for output in outputs):
        raise Obstacle("columns that nobody can name without the raw data")
    return [str(output.name) for output in outputs]


def _as_many_as(names: Sequence[str], outputs: Sequence[Output]) -> Sequence[Output]:
    """The columns, one for each name. An output that stands for many columns takes the names that
    the others leave."""
    unknown = [place for place, output in enumerate(outputs) if output.many]
    others = len(outputs) - len(unknown)
    certain = len(names) >= others if len(unknown) == 1 else not unknown and len(names) == others
    if not certain:
        raise Obstacle("an unknown number of columns")
    if not unknown:
        return outputs
    place = unknown[0]
    many = outputs[place].many
    assert many is not None, "the place was found by it"
    there = names[place : len(names) - (others - place)]
    return (*outputs[:place], *(Output(name, many(name)) for name in there), *outputs[place + 1 :])


def _anatomy(relation: Relation, columns: Sequence[tuple[str, Term]], context: Context) -> Anatomy:
    holes = context.holes
    names = [folded(name) for name, _ in columns]
    # The last order is that of the whole result, and decides no value in it.
    *orders, last = context.orders
    everything = compound(
        f"all {json.dumps(names)}",
        [relation.rows, *(term for _, term in columns), *orders, *context.shapes],
    )
    return Anatomy(
        whole=holes.part(everything),
        rows=holes.part(relation.rows),
        columns=tuple((folded(name), holes.part(term)) for name, term in columns),
        unique=() if any(output.many for output in relation.outputs) else _unique(relation, names),
        clauses=tuple(
            (word, _digest(holes.named(term.text))) for word, term in relation.clauses.items()
        ),
        obstacles=tuple(dict.fromkeys(context.obstacles)),
        names=tuple(name for name, _ in columns),
        order=holes.part(last) if "order" in relation.clauses else None,
    )


def _unique(relation: Relation, names: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(sorted(names[place] for place in key)) for key in relation.unique)


def in_one_piece(
    tree: Tree, targets: Sequence[str], inputs: Sequence[Known], obstacle: str
) -> Anatomy:
    """A SELECT that is not taken apart, for a reason: an unstable part that reads everything."""
    context = _context(targets, inputs)
    return Anatomy(
        whole=context.holes.part(whole(tree, {}, context, obstacle).rows), obstacles=(obstacle,)
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]
