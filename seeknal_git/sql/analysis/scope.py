"""What names mean in a SELECT: the tables of its FROM, the aliases of its columns, and the scopes
around it."""

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
    """A CTE: what it is called in the statement that is written again, and how it is read."""

    called: str
    read: Callable[[], Relation]


# The label of a column whose name is only known as somebody wrote it, and may be spelled otherwise.
WRITTEN = "as written"
_WITH_FIELDS = ("STRUCT", "JSON", "MAP", "VARIANT", "UNION")


@dataclass(frozen=True, slots=True)
class Output:
    """A column of a relation. name: None where only the engine knows it, which makes it of `label`.

    many: instead of one column any number, which nobody can name here: the term of the one that is
    called so. Which names there are may depend on `label` too.
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
        return replace(
            self, term=change(self.term), many=many and (lambda called: change(many(called)))
        )


def names_of(outputs: Iterable[Output], what: str) -> list[str]:
    """The names of columns, or what the engine makes them of, where it is certain how they are
    spelled."""
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
    """The last clause of a SELECT, which a condition on its result may join. See shapes.py.

    word: `filter` for WHERE, `filter on groups` for HAVING, `filter on windows` for QUALIFY,
    nothing where none may; rows: before it; parts: the terms of its conditions, one after the
    other; total: whether none of them can fail.
    """

    word: str
    rows: Term
    parts: tuple[tuple[Term, ...], ...] = ()
    total: bool = True

    def joined(self, terms: Sequence[Term], total: bool) -> Filter:
        """With one more condition. What cannot fail is of one piece, since it may be asked in any
        order."""
        parts = tuple(part for part in (*self.parts, tuple(terms)) if part)
        together = self.total and total
        return self._replace(
            parts=(sum(parts, ()),) if together and parts else parts, total=together
        )


@dataclass(frozen=True, slots=True)
class Relation:
    """What a query returns.

    unique: sets of positions of columns, each of which no two rows share; clauses: what decides its
    rows, in words; last: the clause that a condition on its rows may join; single: whether it is
    one row, neither more nor less; numbered: for the text of each column that is a row_number(),
    the texts of its partition; total: whether no column can fail, so that it does not matter for
    which rows they are computed.
    """

    rows: Term
    outputs: tuple[Output, ...]
    unique: tuple[frozenset[int], ...] = ()
    clauses: Mapping[str, Term] = field(default_factory=dict)
    last: Filter | None = None
    single: bool = False
    numbered: Mapping[str, frozenset[str]] = field(default_factory=dict)
    total: Callable[[], bool] = lambda: False


@dataclass(frozen=True, slots=True)
class Table:
    """A relation under a name. is_value: the name alone means its only column, not a row.

    called: its name in the statement that is written again.
    """

    outputs: tuple[Output, ...]
    is_value: bool = False
    called: str = ""

    @property
    def vague(self) -> bool:
        """Whether a name may be that of a column that is not known here."""
        return any(output.name is None for output in self.outputs)

    def find(self, name: str) -> Iterator[Term]:
        """What a name may mean: the column of that name, or any of those whose name is not
        known."""
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
    """A FROM. star: what `*` stands for, with the name of the table; merged: the columns of USING.

    unique: sets of texts of columns, each of which no two rows share; size: how many tables are
    numbered so far; last: a clause that is still to be added to the rows; numbered: as of a
    relation.
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
        """All that a dotted name may mean here: `table.column`, a column, a field of a column, a
        row."""
        first, rest = folded(names[0]), names[1:]
        found = []
        if rest and first in self.tables:
            found += [fields(term, rest[1:]) for term in self.tables[first].find(folded(rest[0]))]
            if found and not self.tables[first].vague:
                return found  # the engine takes `s.x` for a field of a column s only where there is no such table
        columns = [self.merged[first]] if first in self.merged else self._columns(first)
        found += [fields(term, rest) for term in columns if not rest or _has_fields(term)]
        if (
            not rest
            and first in self.tables
            and (not columns or (self.vague and not self.tables[first].is_value))
        ):
            found.append(self.tables[first].row())
        return found

    def _columns(self, name: str) -> list[Term]:
        return [term for table in self.tables.values() for term in table.find(name)]

    @property
    def vague(self) -> bool:
        return any(table.vague for table in self.tables.values())


def _has_fields(term: Term) -> bool:
    """Whether `x.y` may be a field of x: the engine looks around for a table x otherwise."""
    return not term.type or any(word in term.type for word in _WITH_FIELDS)


def fields(term: Term, names: Sequence[str]) -> Term:
    """A field of a value. Case counts, but for the fields of a struct: not for those of JSON,
    say."""
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
    """What was met while the expressions of a SELECT were read.

    depths: how many scopes away the columns are that were named, 0 for those of the SELECT itself.
    """

    aggregates: bool = False
    unnests: list[Term] = field(default_factory=list)
    depths: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Scope:
    """aliases: columns of the SELECT itself, computed when they are asked for; early: they come
    before those of FROM.

    parameters: of a lambda; such a scope has no tables, and is no query of its own; chosen: what
    COLUMNS stands for; closed: the root of a CTE, around which there are other names, of which it
    may mean none; unique: sets of texts, each of which no two of the rows share that windows see;
    made: the columns that stars make, whose names come before those of FROM too; verbatim: whether
    the words of an expression count, not only what they mean: the engine knows a key of several
    grouping sets by its words.
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
    made: tuple[Output, ...] = ()
    verbatim: bool = False


def meaning(names: Sequence[str], scope: Scope, *, noted: bool = True) -> Term:
    """The term of a column's name; where it is not certain which one is meant, a term of all that
    it may mean.

    noted: whether it is marked that the name was asked for.
    """
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
    if not found:
        raise Obstacle(f"{'.'.join(names)}, which is no column of an input")
    if noted:
        scope.marks.depths |= depths
    return combined(found)


def _meant_here(names: Sequence[str], scope: Scope) -> tuple[bool, list[Term]]:
    """What a name may mean in one scope, and whether that is the end of it."""
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
    """A term of a scope around this one, as many scopes away as `depth` says."""
    return same(f"^{depth}", term) if depth else term


def parameter(level: int, place: int) -> str:
    """The name of a parameter in the statement that is written again. level: how many lambdas are
    around its own."""
    return f"{FRESH}{level}.{place}"


def lambdas_around(scope: Scope) -> int:
    return 1 + lambdas_around(scope.parent) if scope.parameters and scope.parent else 0


def combined(terms: Sequence[Term]) -> Term:
    paths = list(dict.fromkeys(term.path for term in terms if term.path))
    path = (EITHER, *paths) if len(paths) > 1 else paths[0] if paths else ()
    terms = list(dict.fromkeys(terms))
    return (terms[0] if len(terms) == 1 else compound("either", terms))._replace(path=path)
