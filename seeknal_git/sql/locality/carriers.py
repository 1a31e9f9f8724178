"""The value of an expression: its type, and the key that it carries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from seeknal_git.names import folded
from seeknal_git.sql.analysis import functions
from seeknal_git.sql.analysis.constants import STRING, cast_word, constant
from seeknal_git.sql.analysis.tree import Tree, arguments
from seeknal_git.sql.locality.columns import (
    BUCKET,
    DATE,
    TIMESTAMP,
    UNKNOWN,
    WITH_ZONE,
    Column,
    Partitions,
    Source,
)

# The units of date_trunc(), each with the partitions that it divides.
_SMALL = frozenset({"hour", "day", "week", "month", "year"})
_UNITS: Mapping[str, frozenset[str]] = {
    "microsecond": _SMALL,
    "millisecond": _SMALL,
    "second": _SMALL,
    "minute": _SMALL,
    "hour": _SMALL,
    "day": _SMALL - {"hour"},
    "week": frozenset({"week"}),
    "month": frozenset({"month", "year"}),
    "quarter": frozenset({"year"}),
    "year": frozenset({"year"}),
}


@dataclass(frozen=True, slots=True)
class Scope:
    """The names that an expression can use."""

    source: Source
    partitions: Partitions
    # The columns of the SELECT itself, by their folded names.
    outputs: Mapping[str, Sequence[Column]] = field(default_factory=dict)

    def with_outputs(self, columns: Iterable[Column]) -> Scope:
        outputs: dict[str, list[Column]] = {}
        for column in columns:
            if column.name is not None:
                outputs.setdefault(folded(column.name), []).append(column)
        return Scope(self.source, self.partitions, outputs)


def value_of(tree: Tree, scope: Scope) -> Column:
    """The value of an expression; UNKNOWN if nothing is known of it."""
    match tree["class"]:
        case "COLUMN_REF":
            return _named(tree["column_names"], scope)
        case "CAST":
            return _cast(tree, scope)
        case "FUNCTION" if functions.called(tree) in ("date_trunc", "datetrunc"):
            return _truncated(tree, scope)
        case "FUNCTION" if functions.called(tree) == "timezone":
            return _in_utc(tree, scope)
        case "OPERATOR" if tree["type"] == "OPERATOR_COALESCE":
            return _first(tree, scope)
    return UNKNOWN


def _named(names: Sequence[str], scope: Scope) -> Column:
    """A column of the FROM, or of the SELECT itself. If a name could mean both, it is only known if
    both are alike."""
    found = scope.source.find(names)
    outputs = scope.outputs.get(folded(names[0]), ()) if len(names) == 1 else ()
    meanings = [*([] if found is None else [found]), *outputs]
    if not meanings:
        return UNKNOWN
    if len(meanings) == 1 or len(set(meanings)) == 1:
        return meanings[0]
    keys, types = {column.key for column in meanings}, {column.type for column in meanings}
    if len(keys) > 1:
        return UNKNOWN
    return Column(type=types.pop() if len(types) == 1 else "", key=keys.pop())


def _cast(tree: Tree, scope: Scope) -> Column:
    """A cast between DATE and TIMESTAMP. It may fail, but it never gives another day."""
    every = scope.partitions.every
    if tree.get("try_cast") or every == BUCKET:
        return UNKNOWN
    value, word = value_of(tree["child"], scope), cast_word(tree)
    if word not in (DATE, TIMESTAMP) or value.type not in (DATE, TIMESTAMP):
        return UNKNOWN
    loses = value.type == TIMESTAMP and word == DATE and every == "hour"
    return Column(type=word, key=None if loses else value.key)


def _in_utc(tree: Tree, scope: Scope) -> Column:
    """AT TIME ZONE 'UTC', between a time with a zone and one without. No setting decides it."""
    given = arguments(tree)
    if len(given) != 2 or scope.partitions.every == BUCKET:
        return UNKNOWN
    zone, value = constant(given[0]), value_of(given[1], scope)
    if zone is None or zone.kind != STRING or zone.text.upper() != "UTC":
        return UNKNOWN
    if value.type not in (TIMESTAMP, WITH_ZONE):
        return UNKNOWN
    return Column(type=WITH_ZONE if value.type == TIMESTAMP else TIMESTAMP, key=value.key)


def _first(tree: Tree, scope: Scope) -> Column:
    """coalesce() of two columns that carry a key on the two sides of a FULL JOIN."""
    values = [value_of(child, scope) for child in tree["children"]]
    if len(values) != 2 or values[0].half is None or values[1].half is None:
        return UNKNOWN
    (join, side, key), other = values[0].half, values[1].half
    if other not in ((join, "left", key), (join, "right", key)) or other[1] == side:
        return UNKNOWN
    return Column(type=values[0].type, key=key) if values[0].type == values[1].type else UNKNOWN


def _truncated(tree: Tree, scope: Scope) -> Column:
    """date_trunc(), which never leaves the partition if its unit divides it."""
    given = arguments(tree)
    if len(given) != 2 or any(argument.get("alias") for argument in given):
        return UNKNOWN
    unit, value = constant(given[0]), value_of(given[1], scope)
    if unit is None or unit.kind != STRING or value.type not in (DATE, TIMESTAMP):
        return UNKNOWN
    divides = scope.partitions.every in _UNITS.get(unit.text.lower(), ())
    return Column(type=TIMESTAMP, key=value.key if divides else None)
