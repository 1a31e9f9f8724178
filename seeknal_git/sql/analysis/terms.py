"""Symbolic terms: a canonical text of what a value is made of, with holes where columns of inputs
go.

Two terms with the same text have the same value, row by row, wherever what fills their holes is the
same.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from seeknal_git.sql.statement import COLLATION, Part

_HOLE = re.compile(r"\x02(\d+)\x03")
_ONLY_A_HOLE = re.compile(r"\x02\d+\x03")
_HASHED = re.compile(r"H\([0-9a-f]{64};[\d,\x02\x03]*\)")
# Longer texts are replaced by their hash, so that a chain of sub-queries grows no faster than its
# text.
_LONG = 100

# How a name is written so that it can mean one thing only: a table, its column, and fields of that.
# The table's name is one that nobody can write. Other paths begin with what they are: an
# expression, by its number in spelling.py, or that for one column that COLUMNS stands for; a
# position; the merged column of a FULL JOIN; a function without parentheses; a choice between other
# paths.
Path = tuple[Any, ...]
FRESH = "\x01"
ITEM, EACH, POSITION, COALESCE, CALL, EITHER = "=", "*=", "#", "?", "()", "|"

ROWS = ""  # the row set of an input, where a column's name would stand


class Obstacle(Exception):
    """A construct that nothing is assumed of."""


class Term(NamedTuple):
    """text: canonical, with holes; unstable: the construct because of which its value may be
    another one each time.

    type: of a term that is a column of an input as it is, the type of that; name: of one that is a
    column as it is, how that is spelled; path: how a name that means it is written so that it can
    mean nothing else (`spelling.py`).
    """

    text: str
    unstable: str = ""
    type: str = ""
    name: str = ""
    path: Path = ()

    def __eq__(self, other: object) -> bool:
        """Spelling does not count."""
        return isinstance(other, Term) and self[:4] == other[:4]

    def __hash__(self) -> int:
        return hash(self[:4])


def compound(kind: str, terms: Iterable[Term], unstable: str = "") -> Term:
    """A term made of others. `kind` says how; it holds no text of a user but as JSON, so that
    nothing looks alike."""
    terms = list(terms)
    words = [word for word in (unstable, *(term.unstable for term in terms)) if word]
    shaky = (
        COLLATION if COLLATION in words else words[0] if words else ""
    )  # a collation goes on with the table
    return Term(f"{kind}({','.join(term.text for term in terms)})", shaky)


def is_hole(term: Term) -> bool:
    """Whether a term is a column, or the rows, of an input and nothing else."""
    return _ONLY_A_HOLE.fullmatch(term.text) is not None


FIXED = "fixed"


def is_fixed(term: Term) -> bool:
    """Whether a term is a constant."""
    return term.text.startswith(f"{FIXED}(")


def same(kind: str, term: Term) -> Term:
    """The value of a term, seen from elsewhere."""
    return term._replace(text=f"{kind}({term.text})")


@dataclass(frozen=True, slots=True)
class Holes:
    """What the holes of one statement stand for: (number of a reference, column), in the order of
    their first use."""

    labels: tuple[str, ...]
    entries: list[tuple[int, str]] = field(default_factory=list)
    places: dict[tuple[int, str], int] = field(default_factory=dict)

    def term(self, reference: int, column: str) -> Term:
        entry = (reference, column)
        place = self.places.setdefault(entry, len(self.entries))
        if place == len(self.entries):
            self.entries.append(entry)
        return Term(f"\x02{place}\x03")

    def named(self, text: str) -> str:
        """A text with the holes spelled out: a key for sorting that does not depend on what was
        read first."""
        return _HOLE.sub(lambda match: self._label(int(match[1])), text)

    def _label(self, place: int) -> str:
        reference, column = self.entries[place]
        return f"\x02{self.labels[reference]}.{column}\x03"

    def ordered(self, terms: Iterable[Term]) -> list[Term]:
        """Terms whose order does not matter, in an order of their own, without repeats.

        Where one of them is unstable they stay as they are: the ORDER BYs in them are noted in the
        order of the text.
        """
        terms = list(dict.fromkeys(terms))
        unstable = any(term.unstable for term in terms)
        return terms if unstable else sorted(terms, key=lambda term: self.named(term.text))

    def short(self, term: Term, *, always: bool = False) -> Term:
        """The same term; where it is long, its text is a hash, and the holes that it has."""
        if not always and (len(term.text) <= _LONG or _HASHED.fullmatch(term.text)):
            return term
        text, holes = _numbered(term.text)
        return term._replace(
            text=f"H({_sha256(text)};{','.join(f'{chr(2)}{hole}{chr(3)}' for hole in holes)})"
        )

    def part(self, term: Term) -> Part:
        text, holes = _numbered(term.text)
        return Part(_sha256(text), tuple(self.entries[hole] for hole in holes), term.unstable)


def _numbered(text: str) -> tuple[str, list[int]]:
    """A text whose holes are numbered in the order in which they stand in it, and what they were
    called."""
    numbers: dict[str, str] = {}

    def number(match: re.Match[str]) -> str:
        return numbers.setdefault(match[1], f"\x02{len(numbers)}\x03")

    return _HOLE.sub(number, text), [int(hole) for hole in numbers]


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
