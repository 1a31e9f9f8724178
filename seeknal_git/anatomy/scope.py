"""What names mean in a SELECT: the tables of its FROM, the aliases of its columns, and the scopes around it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from seeknal_git.anatomy.terms import Obstacle, Term, compound, same

Query = Callable[[], "Relation"]

# The label of a column whose name is only known as somebody wrote it, and may be spelled otherwise.
WRITTEN = "as written"


@dataclass(frozen=True, slots=True)
class Output:
    """A column of a relation. name: None where only the engine knows it, which makes it of `label`.

    many: instead of one column any number, which nobody can name here: the term of the one that is called so. Which
    names there are may depend on `label` too.
    """

    name: str | None
    term: Term
    many: Callable[[str], Term] | None = None
    label: str = ""

    @property
    def spelled(self) -> str:
        """Its name, where it is certain how the engine spells it."""
        return self.name if self.name and self.label != WRITTEN else ""

    def mapped(self, change: Callable[[Term], Term]) -> Output:
        many = self.many
        return replace(self, term=change(self.term), many=many and (lambda called: change(many(called))))


def names_of(outputs: Iterable[Output], what: str) -> list[str]:
    """The names of columns, or what the engine makes them of, where it is certain how they are spelled."""
    outputs = list(outputs)
    if any(output.label == WRITTEN for output in outputs):
        raise Obstacle(f"{what}, whose columns may be spelled otherwise")
    return [output.label if output.name is None else output.name for output in outputs]


def renamed(outputs: Sequence[Output], names: Sequence[str]) -> tuple[Output, ...]:
    """Columns under a list of aliases, which may be shorter. An alias is spelled as it is written."""
    if any(output.many for output in outputs[: len(names)]) or len(names) > len(outputs):
        raise Obstacle("aliases for columns that are not known")
    given = (replace(output, name=name, label="") for output, name in zip(outputs, names, strict=False))
    return (*given, *outputs[len(names) :])


class Filter(NamedTuple):
    """The last clause of a SELECT, which a condition on its result may join. See shapes.py.

    word: `filter` for WHERE, `filter on groups` for HAVING, `filter on windows` for QUALIFY, nothing where none may;
    rows: before it; parts: the terms of its conditions, one after the other; total: whether none of them can fail.
    """

    word: str
    rows: Term
    parts: tuple[tuple[Term, ...], ...] = ()
    total: bool = True

    def joined(self, terms: Sequence[Term], total: bool) -> Filter:
        """With one more condition. What cannot fail is of one piece, since it may be asked in any order."""
        parts = tuple(part for part in (*self.parts, tuple(terms)) if part)
        together = self.total and total
        return self._replace(parts=(sum(parts, ()),) if together and parts else parts, total=together)


@dataclass(frozen=True, slots=True)
class Relation:
    """What a query returns.

    unique: sets of positions of columns, each of which no two rows share; clauses: what decides its rows, in words;
    last: the clause that a condition on its rows may join; single: whether it is one row, neither more nor less;
    numbered: for the text of each column that is a row_number(), the texts of its partition.
    """

    rows: Term
    outputs: tuple[Output, ...]
    unique: tuple[frozenset[int], ...] = ()
    clauses: Mapping[str, Term] = field(default_factory=dict)
    last: Filter | None = None
    single: bool = False
    numbered: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Table:
    """A relation under a name. is_value: the name alone means its only column, not a row."""

    outputs: tuple[Output, ...]
    is_value: bool = False

    @property
    def vague(self) -> bool:
        """Whether a name may be that of a column that is not known here."""
        return any(output.name is None for output in self.outputs)

    def find(self, name: str) -> Iterator[Term]:
        """What a name may mean: the column of that name, or any of those whose name is not known."""
        yield from (output.term for output in self.outputs if output.name and output.name.lower() == name)
        yield from (same(f"one of {output.label}", output.many(name)) for output in self.outputs if output.many)
        nameless = [output for output in self.outputs if output.name is None and not output.many]
        if nameless:
            labels = json.dumps([name, *(output.name or output.label for output in self.outputs)])
            yield compound(f"named {labels}", (output.term for output in nameless))

    def row(self) -> Term:
        """The whole row as a value, names included."""
        if self.vague or self.is_value or any(output.label == WRITTEN for output in self.outputs):
            raise Obstacle("a row as a value, whose columns the engine names")
        return compound(f"row {json.dumps([output.name for output in self.outputs])}", (o.term for o in self.outputs))


@dataclass(frozen=True, slots=True)
class Source:
    """A FROM. star: what `*` stands for, with the name of the table; merged: the columns of USING.

    unique: sets of texts of columns, each of which no two rows share; size: how many tables are numbered so far; last:
    a clause that is still to be added to the rows; numbered: as of a relation.
    """

    rows: Term
    tables: Mapping[str, Table] = field(default_factory=dict)
    star: tuple[tuple[str, Output], ...] = ()
    merged: Mapping[str, Term] = field(default_factory=dict)
    unique: tuple[frozenset[str], ...] = ()
    size: int = 0
    last: Filter | None = None
    numbered: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def find(self, names: Sequence[str]) -> list[Term]:
        """All that a dotted name may mean here: `table.column`, a column, a field of a column, a row."""
        first, rest = names[0].lower(), names[1:]
        found = []
        if rest and first in self.tables:
            found += [fields(term, rest[1:]) for term in self.tables[first].find(rest[0].lower())]
            if found and not self.tables[first].vague:
                return found  # the engine takes `s.x` for a field of a column s only where there is no such table
        columns = [self.merged[first]] if first in self.merged else self._columns(first)
        found += [fields(term, rest) for term in columns]
        if not rest and first in self.tables and (not columns or (self.vague and not self.tables[first].is_value)):
            found.append(self.tables[first].row())
        return found

    def _columns(self, name: str) -> list[Term]:
        return [term for table in self.tables.values() for term in table.find(name)]

    @property
    def vague(self) -> bool:
        return any(table.vague for table in self.tables.values())


def fields(term: Term, names: Sequence[str]) -> Term:
    """A field of a value. Case counts, but for the fields of a struct: not for those of JSON, say."""
    if term.type.startswith("STRUCT") and not any(word in term.type for word in ("JSON", "MAP", "VARIANT", "UNION")):
        names = [name.lower() for name in names]
    return compound(f"field {json.dumps(list(names))}", [term]) if names else term


@dataclass(slots=True)
class Marks:
    """What was met while the expressions of a SELECT were read.

    depths: how many scopes away the columns are that were named, 0 for those of the SELECT itself.
    """

    aggregates: bool = False
    unnests: list[Term] = field(default_factory=list)
    depths: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Scope:
    """aliases: columns of the SELECT itself, computed when they are asked for; early: they come before those of FROM.

    parameters: of a lambda; such a scope has no tables, and is no query of its own; chosen: what COLUMNS stands for;
    closed: the root of a CTE, around which there are other names, of which it may mean none; unique: sets of
    texts, each of which no two of the rows share that windows see.
    """

    source: Source
    parent: Scope | None
    queries: Mapping[str, Query]
    marks: Marks
    aliases: Mapping[str, Callable[[], Term]] = field(default_factory=dict)
    early: bool = False
    parameters: tuple[str, ...] = ()
    chosen: Term | None = None
    closed: bool = False
    unique: tuple[frozenset[str], ...] = ()


def meaning(names: Sequence[str], scope: Scope) -> Term:
    """The term of a column's name; where it is not certain which one is meant, a term of all that it may mean."""
    found: list[Term] = []
    depth, here = 0, scope
    depths: set[int] = set()
    while True:
        certain, terms = _meant_here(names, here)
        found += [_from_afar(term, depth) for term in terms]
        depths |= {depth} if terms and not here.parameters else set()
        if certain or here.parent is None:
            if here.closed and not certain:
                raise Obstacle(f"{'.'.join(names)}, which may be a column of the query around a CTE")
            break
        depth += not here.parameters
        here = here.parent
    if not found:
        raise Obstacle(f"{'.'.join(names)}, which is no column of an input")
    scope.marks.depths |= depths
    return combined(found)


def _meant_here(names: Sequence[str], scope: Scope) -> tuple[bool, list[Term]]:
    """What a name may mean in one scope, and whether that is the end of it."""
    first, rest = names[0].lower(), names[1:]
    if scope.parameters:
        level = _lambdas_around(scope)
        known = [Term(f"parameter {level}.{at}") for at, name in enumerate(scope.parameters) if name == first]
        return bool(known) and not rest, [fields(term, rest) for term in known]
    columns = scope.source.find(names)
    terms = list(columns)
    alias = scope.aliases.get(first)
    if alias is not None and (scope.early or not columns or scope.source.vague):
        terms.append(fields(alias(), rest))
    return bool(columns) and not scope.source.vague, terms


def _from_afar(term: Term, depth: int) -> Term:
    """A term of a scope around this one, as many scopes away as `depth` says."""
    return same(f"^{depth}", term) if depth else term


def _lambdas_around(scope: Scope) -> int:
    return 1 + _lambdas_around(scope.parent) if scope.parameters and scope.parent else 0


def combined(terms: Iterable[Term]) -> Term:
    terms = list(dict.fromkeys(terms))
    return terms[0] if len(terms) == 1 else compound("either", terms)
