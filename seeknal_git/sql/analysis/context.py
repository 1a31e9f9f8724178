"""The context in which one statement is taken apart: known facts, and notes made on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count

from seeknal_git.sql.analysis.scope import Query, Relation, Scope
from seeknal_git.sql.analysis.spelling import Spelling
from seeknal_git.sql.analysis.terms import Holes, Term
from seeknal_git.sql.analysis.tree import Tree
from seeknal_git.sql.statement import Known


@dataclass(frozen=True, slots=True)
class Context:
    """The facts about the inputs are fixed; all other fields grow while the statement is read."""

    # The known facts about the table behind each reference.
    inputs: tuple[Known, ...]
    # For each reference, the first reference to the same table.
    first: tuple[int, ...]
    holes: Holes
    # Reads a sub-query, given the scope around it and the CTEs that it sees.
    query: Callable[[Tree, Scope, Mapping[str, Query], Context], Relation]
    # The ORDER BY of each query, in the order of reading.
    orders: list[Term] = field(default_factory=list)
    # Numbers for recursive CTEs, and for calls of volatile functions.
    recursions: Iterator[int] = field(default_factory=count)
    volatiles: Iterator[int] = field(default_factory=count)
    # Why parts were left whole.
    obstacles: list[str] = field(default_factory=list)
    # Facts that decide in which order rows are made, though not which rows.
    shapes: list[Term] = field(default_factory=list)
    # For the text of each row_number(), the texts of its partition.
    numbered: dict[str, frozenset[str]] = field(default_factory=dict)
    # The meaning of each name.
    spelling: Spelling = field(default_factory=Spelling)
