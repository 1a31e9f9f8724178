"""What is known while one statement is taken apart, and what is noted on the way."""

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
class Book:
    """inputs: what is known of the table behind each reference; first: the first reference to the
    same table.

    query: how a sub-query is read, given what is around it and the CTEs that it sees; orders: for
    each query, in the order of reading, what its ORDER BY says; recursions, volatiles: numbers for
    recursive CTEs, and for calls of volatile functions; obstacles: why a part was left whole;
    shapes: what decides in which order rows are made, though not which rows; numbered: for the text
    of each row_number(), the texts of its partition; spelling: what each name was taken for.
    """

    inputs: tuple[Known, ...]
    first: tuple[int, ...]
    holes: Holes
    query: Callable[[Tree, Scope, Mapping[str, Query], Book], Relation]
    orders: list[Term] = field(default_factory=list)
    recursions: Iterator[int] = field(default_factory=count)
    volatiles: Iterator[int] = field(default_factory=count)
    obstacles: list[str] = field(default_factory=list)
    shapes: list[Term] = field(default_factory=list)
    numbered: dict[str, frozenset[str]] = field(default_factory=dict)
    spelling: Spelling = field(default_factory=Spelling)
