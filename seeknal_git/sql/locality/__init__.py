"""Proves that a SELECT over partitioned tables can be computed partition by partition.

Each row of a partitioned table has a home: the partition of its key. A query is local if its result
is the sum of the results over each partition alone, and each row of the result descends from rows
of one home, and keeps that home. Each clause either keeps this property or is an obstacle. A column
whose partition is always the home of its row is a *carrier*. `docs/partitions.md` has the rules.

A wrong "local" gives wrong numbers, so whatever is not known to keep the property is an obstacle.
"""

from __future__ import annotations

from collections.abc import Sequence

from seeknal_git.names import folded
from seeknal_git.sql.analysis.tree import Tree
from seeknal_git.sql.locality.columns import Input, Level, Obstruction, Partitions, Relation
from seeknal_git.sql.locality.queries import Statement
from seeknal_git.sql.locality.unknown import refuse_unknown
from seeknal_git.sql.locality.verdict import Locality, line_of

__all__ = ["Input", "Locality", "line_of", "locality"]


def locality(
    tree: Tree, inputs: Sequence[Input], names: Sequence[str], by: Sequence[str], every: str
) -> Locality:
    """Whether a SELECT can be computed partition by partition, or the first obstacle to that.

    tree: the engine's tree, as `sql.engine.parsed` gives it.
    inputs: the table behind each reference. All partitioned ones are partitioned alike.
    names: the columns that the SELECT returns, as the engine names them.
    by: the columns of the result that its partition is told from, in the order of the inputs' keys.
    every: `hour`, `day`, `week`, `month`, `year`, or `bucket`.
    """
    try:
        partitions = Partitions(every, len(by))
        for known in inputs:
            partitions.check(known)
        refuse_unknown(tree)
        relation = Statement(tuple(inputs), partitions).result(tree)
        _check_result(relation, names, by, inputs)
    except Obstruction as obstruction:
        return Locality(obstruction.words, obstruction.location)
    except RecursionError:
        return Locality("a statement that is nested too deep")
    return Locality()


def _check_result(
    relation: Relation, names: Sequence[str], by: Sequence[str], inputs: Sequence[Input]
) -> None:
    """Check that the result is partitioned by its columns. Raises Obstruction."""
    if relation.level is Level.WHOLE:
        raise Obstruction("a result that no partitioned input is in")
    if relation.level is Level.STATED:
        return
    columns = relation.columns or ()
    if len(columns) != len(names):
        raise Obstruction("columns that only the engine can name")
    places = [folded(name) for name in names]
    for key, name in enumerate(by):
        if places.count(folded(name)) != 1:
            raise Obstruction(f"{name}, which is no column of the result")
        column = columns[places.index(folded(name))]
        if column.key != key:
            wanted = dict.fromkeys(known.key[key] for known in inputs if known.level is Level.LOCAL)
            words = f"the column {name}, which is not {' or '.join(wanted)} (or a part of it)"
            if column.lacks:
                words = f"the column {name}, which is NULL in rows that an outer join adds"
            raise Obstruction(words, column.place)
