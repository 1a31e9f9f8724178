"""The meaning of names in a SELECT: the tables of its FROM, the aliases of its columns, and the
scopes around it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from seeknal_git.names import folded
from seeknal_git.sql.analysis.terms import (
    EITHER,
    FRESH,
    POSITION,
    Obstacle,
    Path,
    Term,
    compound,
    same,
)


@dataclass(frozen=True, slots=True)
class Query:
    """A CTE."""

    # Its name in the statement that is written again.
    called: str
    read: Callable[[], Relation]


# The label of a column whose name is known as somebody wrote it; the engine may spell it otherwise.
WRITTEN = "as written"
_WITH_FIELDS = ("STRUCT", "JSON", "MAP", "VARIANT", "UNION")


@dataclass(frozen=True, slots=True)
class Output:
    """A column of a relation."""

    # None if only the engine knows the name, which it makes from `label`.
    name: str | None
    term: Term
    # Set if this stands for any number of columns, which cannot be named here: gives the term of
    # the column of a name. Which names exist may depend on `label` too.
    many: Callable[[str], Term] | None = None
    label: str = ""

    @property
    def spelled(self) -> str:
        """Its name; nothing if it is not certain how the engine spells it."""
        return self.name if self.name and self.label != WRITTEN else ""

    def mapped(self, change: Callable[[Term], Term]) -> Output:
        many = self.many
        changed = many and (lambda called: change(many(called)))
        return Output(self.name, change(self.term), changed, self.label)


def names_of(outputs: Iterable[Output], what: str) -> list[str]:
    """The names of columns; a column without a name gives its label. Raises Obstacle if the engine
    may spell a name otherwise; `what` is the construct that it names."""
    outputs = list(outputs)
    if any(output.label == WRITTEN for output in outputs):
        raise Obstacle(f"{what}, whose columns may be spelled otherwise")
    return [output.label if output.name is None else output.name for output in outputs]


def renamed(outputs: Sequence[Output], names: Sequence[str]) -> tuple[Output, ...]:
    """Columns under a list of aliases, which may be shorter. An alias is spelled as it is
    written."""
    if any(output.many for output in outputs[: len(names)]) or len(names) > len(outputs):
        raise Obstacle("aliases for columns that are not known")
    given = (
        replace(output, name=name, label="") for output, name in zip(outputs, names, strict=False)
    )
    return (*given, *outputs[len(names) :])


class Filter(NamedTuple):
    """The last clause of a SELECT, which a condition on its result may join. See shapes.py."""

    # `filter` for WHERE, `filter on groups` for HAVING, `filter on windows` for QUALIFY; nothing if
    # no condition may join it.
    word: str
    # The rows before the clause.
    rows: Term
    # The terms of its conditions, one condition after the other.
    parts: tuple[tuple[Term, ...], ...] = ()
    # Whether no condition can fail.
    total: bool = True

    def joined(self, terms: Sequence[Term], total: bool) -> Filter:
        """The filter with one more condition. Conditions that cannot fail become one, since they
        may be asked in any order."""
        parts = tuple(part for part in (*self.parts, tuple(terms)) if part)
        together = self.total and total
        return self._replace(
            parts=(sum(parts, ()),) if together and parts else parts, total=together
        )


@dataclass(frozen=True, slots=True)
class Relation:
    """The result of a query."""

    rows: Term
    outputs: tuple[Output, ...]
    # Keys: sets of positions of columns. No two rows have the same values in all columns of a key.
    unique: tuple[frozenset[int], ...] = ()
    # The clauses that decide the rows, by their words.
    clauses: Mapping[str, Term] = field(default_factory=dict)
    # The clause that a condition on the rows may join.
    last: Filter | None = None
    # Whether it is exactly one row.
    single: bool = False
    # For the text of each column that is a row_number(), the texts of its partition.
    numbered: Mapping[str, frozenset[str]] = field(default_factory=dict)
    # Whether no column can fail, so that it does not matter for which rows they are computed.
    total: Callable[[], bool] = lambda: False

    @property
    def terms(self) -> tuple[Term, ...]:
        """The rows, and each column."""
        return (self.rows, *(output.term for output in self.outputs))


@dataclass(frozen=True, slots=True)
class Table:
    """A relation under a name."""

    outputs: tuple[Output, ...]
    # Whether the name alone means the only column, and not a row.
    is_value: bool = False
    # Its name in the statement that is written again.
    called: str = ""

    @property
    def vague(self) -> bool:
        """Whether a name may be that of a column that is not known here."""
        return any(output.name is None for output in self.outputs)

    def find(self, name: str) -> Iterator[Term]:
        """All possible meanings of a name: the column of that name, and the columns whose name is
        not known."""
        path = (self.called, name)
        for place, output in enumerate(self.outputs, 1):
            if output.name and folded(output.name) == name:
                yield output.term._replace(
                    path=(POSITION, str(place)) if self.called == POSITION else path
                )
            elif output.many:
                yield same(f"one of {output.label}", output.many(name))._replace(path=path)
        nameless = [output for output in self.outputs if output.name is None and not output.many]
        if nameless:
            labels = json.dumps([name, *(output.name or output.label for output in self.outputs)])
            yield compound(f"named {labels}", (output.term for output in nameless))._replace(
                path=path
            )

    def row(self) -> Term:
        """The whole row as a value, names included."""
        if self.vague or self.is_value or any(output.label == WRITTEN for output in self.outputs):
            raise Obstacle("a row as a value, whose columns the engine names")
        names = json.dumps([output.name for output in self.outputs])
        return compound(f"row {names}", (output.term for output in self.outputs))._replace(
            path=(self.called,)
        )


@dataclass(frozen=True, slots=True)
class Source:
    """A FROM."""

    rows: Term
    tables: Mapping[str, Table] = field(default_factory=dict)
    # The columns that `*` stands for, each with the name of its table.
    star: tuple[tuple[str, Output], ...] = ()
    # The columns that USING merges.
    merged: Mapping[str, Term] = field(default_factory=dict)
    # Keys: sets of texts of columns.
    unique: tuple[frozenset[str], ...] = ()
    # The number of tables so far.
    size: int = 0
    # A clause that is still to be added to the rows.
    last: Filter | None = None
    # For the text of each column that is a row_number(), the texts of its partition.
    numbered: Mapping[str, frozenset[str]] = field(default_factory=dict)
    # The names that were looked up so far, see `certain`.
    meant: dict[tuple[str, ...], Term | None] = field(
        default_factory=dict, init=False, compare=False
    )

    def find(self, names: Sequence[str]) -> list[Term]:
        """All possible meanings of a dotted name: `table.column`, a column, a field of a column, a
        row."""
        first, rest = folded(names[0]), names[1:]
        found = []
        if rest and first in self.tables:
            found += [fields(term, rest[1:]) for term in self.tables[first].find(folded(rest[0]))]
            # `s.x` is a field of a column s only if there is no table s with a column x.
            if found and not self.tables[first].vague:
                return found
        columns = [self.merged[first]] if first in self.merged else self._columns(first)
        found += [fields(term, rest) for term in columns if not rest or _has_fields(term)]
        if (
            not rest
            and first in self.tables
            and (not columns or (self.vague and not self.tables[first].is_value))
        ):
            found.append(self.tables[first].row())
        return found

    def certain(self, names: Sequence[str]) -> Term | None:
        """The meaning of a dotted name that can mean nothing else in a scope around; None for any
        other name."""
        key = tuple(names)
        if key not in self.meant:
            found = self.find(names)
            self.meant[key] = combined(found) if found and not self.vague else None
        return self.meant[key]

    def _columns(self, name: str) -> list[Term]:
        return [term for table in self.tables.values() for term in table.find(name)]

    @property
    def vague(self) -> bool:
        return any(table.vague for table in self.tables.values())


def _has_fields(term: Term) -> bool:
    """Whether `x.y` may be a field of x. If not, the engine looks for a table x in the scopes
    around."""
    return not term.type or any(word in term.type for word in _WITH_FIELDS)


def fields(term: Term, names: Sequence[str]) -> Term:
    """A field of a value. Case does not count in the names of a struct's fields; it counts in
    those of other values, such as JSON."""
    if term.type.startswith("STRUCT") and not any(word in term.type for word in _WITH_FIELDS[1:]):
        names = [folded(name) for name in names]
    if not names:
        return term
    return compound(f"field {json.dumps(list(names))}", [term])._replace(
        path=_field(term.path, names)
    )


def _field(path: Path, names: Sequence[str]) -> Path:
    return (*path, *names) if path and path[0].startswith(FRESH) else ()


@dataclass(slots=True)
class Marks:
    """Constructs that were met while the expressions of a SELECT were read."""

    aggregates: bool = False
    unnests: list[Term] = field(default_factory=list)
    # The distances of the columns that were named, in scopes: 0 for columns of the SELECT itself.
    depths: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Scope:
    """The names that an expression of a SELECT, or of a lambda, can use."""

    source: Source
    parent: Scope | None
    queries: Mapping[str, Query]
    marks: Marks
    # Columns of the SELECT itself by their alias, computed on demand.
    aliases: Mapping[str, Callable[[], Term]] = field(default_factory=dict)
    # Whether aliases are found even if FROM has a column of the same name.
    early: bool = False
    # Of a lambda. Such a scope has no tables, and is no query of its own.
    parameters: tuple[str, ...] = ()
    # The column that COLUMNS stands for.
    chosen: Term | None = None
    # Whether this is the root of a CTE, which may use no name of the query around it.
    closed: bool = False
    # Keys of the rows that windows see: sets of texts of columns.
    unique: tuple[frozenset[str], ...] = ()
    # The columns that stars make. Their names are found like early aliases.
    made: tuple[Output, ...] = ()
    # Whether the words of an expression count, and not only their meaning: the engine knows a key
    # of several grouping sets by its words.
    verbatim: bool = False


def meaning(names: Sequence[str], scope: Scope, *, noted: bool = True) -> Term:
    """The term of a column's name. If the name is ambiguous, the term holds all its meanings.

    noted: whether the scope marks that the name was asked for. Raises Obstacle for a name that is
    no column.
    """
    if not (scope.parameters or scope.early or scope.made):
        only = scope.source.certain(names)
        if only is not None:
            scope.marks.depths |= {0} if noted else set()
            return only
    found, depths = _meanings(names, scope)
    if not found:
        raise Obstacle(f"{'.'.join(names)}, which is no column of an input")
    if noted:
        scope.marks.depths |= depths
    return combined(found)


def _meanings(names: Sequence[str], scope: Scope) -> tuple[list[Term], set[int]]:
    """All meanings of a name in a scope and those around it, and their distances in scopes."""
    found: list[Term] = []
    depth, here = 0, scope
    depths: set[int] = set()
    while True:
        certain, terms = _meant_here(names, here)
        found += [_from_afar(term, depth) for term in terms]
        depths |= {depth} if terms and not here.parameters else set()
        if certain or here.parent is None:
            if here.closed and not certain:
                raise Obstacle(
                    f"{'.'.join(names)}, which may be a column of the query around a CTE"
                )
            break
        depth += not here.parameters
        here = here.parent
    return found, depths


def _meant_here(names: Sequence[str], scope: Scope) -> tuple[bool, list[Term]]:
    """Whether the meaning of a name is certain in one scope, and all its meanings there."""
    first, rest = folded(names[0]), names[1:]
    if scope.parameters:
        level = lambdas_around(scope)
        known = [
            Term(f"parameter {level}.{at}", path=(parameter(level, at),))
            for at, name in enumerate(scope.parameters)
            if name == first
        ]
        return bool(known) and not rest, [fields(term, rest) for term in known]
    columns = scope.source.find(names)
    terms = list(columns)
    alias = scope.aliases.get(first)
    if alias is not None and (scope.early or not columns or scope.source.vague):
        terms.append(fields(alias(), rest))
    terms += [fields(term, rest) for term in called(first, scope.made)]
    return bool(columns) and not scope.source.vague, terms


def called(name: str, outputs: Sequence[Output]) -> Iterator[Term]:
    """The columns of a SELECT that may have a name."""
    for output in outputs:
        if output.many:
            with suppress(Obstacle):  # there is none of that name
                yield output.many(name)
        elif output.name is None:
            yield compound(f"made {json.dumps([name, output.label])}", [output.term])._replace(
                path=output.term.path
            )
        elif folded(output.name) == name:
            yield output.term


def _from_afar(term: Term, depth: int) -> Term:
    """A term of a scope around this one, `depth` scopes away."""
    return same(f"^{depth}", term) if depth else term


def parameter(level: int, place: int) -> str:
    """The name of a parameter in the statement that is written again. level: the number of lambdas
    around its own."""
    return f"{FRESH}{level}.{place}"


def lambdas_around(scope: Scope) -> int:
    return 1 + lambdas_around(scope.parent) if scope.parameters and scope.parent else 0


def combined(terms: Sequence[Term]) -> Term:
    paths = list(dict.fromkeys(term.path for term in terms if term.path))
    path = (EITHER, *paths) if len(paths) > 1 else paths[0] if paths else ()
    terms = list(dict.fromkeys(terms))
    return (terms[0] if len(terms) == 1 else compound("either", terms))._replace(path=path)
