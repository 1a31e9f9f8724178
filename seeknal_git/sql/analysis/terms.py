"""Symbolic terms: canonical texts of values, with holes for the columns of inputs.

Two terms with the same text have the same value, row by row, if the same values fill their holes.
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
# A longer text is replaced by its hash, so that the terms of a chain of sub-queries stay short.
_LONG = 100

# A path is a name that can mean one thing only: a table, its column, and fields of the column. The
# name of the table begins with FRESH, which nobody can write. A path of another kind begins with
# its mark.
Path = tuple[Any, ...]
FRESH = "\x01"
ITEM = "="  # an expression, by its number in spelling.py
EACH = "*="  # an expression with COLUMNS, for one of the columns
POSITION = "#"  # a column of the result, by its position
COALESCE = "?"  # the merged column of a FULL JOIN
CALL = "()"  # a function without parentheses
EITHER = "|"  # a choice between other paths


class Obstacle(Exception):
    """A construct that nothing is assumed of."""


class Term(NamedTuple):
    """A value, or a set of rows, as a text."""

    # Canonical, with holes.
    text: str
    # The construct that may give another value each time.
    unstable: str = ""
    # The type and the spelling of the column, if the term is a column of an input as it is.
    type: str = ""
    name: str = ""
    # The name that means this term and nothing else (spelling.py).
    path: Path = ()

    def __eq__(self, other: object) -> bool:
        """Spelling does not count."""
        return isinstance(other, Term) and self[:4] == other[:4]

    def __hash__(self) -> int:
        return hash(self[:4])


def compound(kind: str, terms: Iterable[Term], unstable: str = "") -> Term:
    """A term made of others. `kind` says how; texts of a user stand in it as JSON, so that no two
    kinds look alike."""
    terms = list(terms)
    words = [word for word in (unstable, *(term.unstable for term in terms)) if word]
    text = f"{kind}({','.join(term.text for term in terms)})"
    # A collation comes first: it is a property of the column, which its readers need.
    return Term(text, COLLATION if COLLATION in words else next(iter(words), ""))


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
    """The holes of one statement. A hole is (number of a reference, column)."""

    # The node behind each reference.
    labels: tuple[str, ...]
    # The holes in the order of their first use, and the place of each in that order.
    entries: list[tuple[int, str]] = field(default_factory=list)
    places: dict[tuple[int, str], int] = field(default_factory=dict)

    def term(self, reference: int, column: str) -> Term:
        entry = (reference, column)
        place = self.places.setdefault(entry, len(self.entries))
        if place == len(self.entries):
            self.entries.append(entry)
        return Term(f"\x02{place}\x03")

    def named(self, text: str) -> str:
        """A text with the holes spelled out: a key for sorting that does not depend on the order of
        reading."""
        return _HOLE.sub(lambda match: self._label(int(match[1])), text)

    def _label(self, place: int) -> str:
        reference, column = self.entries[place]
        return f"\x02{self.labels[reference]}.{column}\x03"

    def ordered(self, terms: Iterable[Term]) -> list[Term]:
        """Terms whose order does not matter, sorted, without repeats.

        If one of them is unstable they keep their order: the ORDER BYs in them are noted in the
        order of the text.
        """
        terms = list(dict.fromkeys(terms))
        unstable = any(term.unstable for term in terms)
        return terms if unstable else sorted(terms, key=lambda term: self.named(term.text))

    def short(self, term: Term, *, always: bool = False) -> Term:
        """The same term. A long text becomes its hash, followed by its holes."""
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
    """A text whose holes are numbered in the order in which they stand in it, and their former
    numbers."""
    numbers: dict[str, str] = {}

    def number(match: re.Match[str]) -> str:
        return numbers.setdefault(match[1], f"\x02{len(numbers)}\x03")

    return _HOLE.sub(number, text), [int(hole) for hole in numbers]


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
