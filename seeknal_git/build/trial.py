"""Execute two versions of a node, and compare their results. Chance is no difference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from seeknal_git.build.trial_inputs import (
    Bench,
    Obstacle,
    Version,
    is_unstable,
    on_the_branch,
    table_of,
)
from seeknal_git.names import folded
from seeknal_git.plan.changes import Category
from seeknal_git.sql.engine import SqlError
from seeknal_git.sql.statement import Columns
from seeknal_git.warehouse.model.answers import Comparison, Rest

# Constructs that go by the order of rows, beside aggregates and windows (`first()`, `rank() OVER`).
_OF_ORDER = frozenset({"LIMIT", "DISTINCT ON", "POSITIONAL JOIN", "ASOF JOIN"})
_ORDERS = range(4)


@dataclass(frozen=True, slots=True)
class Verified:
    """The outcome of a promise that a plan makes about a node."""

    node: str
    result: Literal["equal", "differs", "cannot be built", "not verified"]
    rows: int | None = None  # the number of rows that were compared
    columns: tuple[str, ...] = ()  # that were compared
    # Why it could not be verified or built, a difference apart from rows, or the columns that the
    # comparison leaves out.
    reason: str | None = None
    only_before: Rest | None = None  # rows of the old version alone
    only_after: Rest | None = None  # rows of the new version alone
    reused: bool = False  # whether the promise is that of a reader
    partitions: bool = False  # whether pieces are compared with a build of the whole


@dataclass(frozen=True, slots=True)
class Trial:
    """Both versions of a node, and the promise about the new one."""

    bench: Bench
    node: str
    category: Category
    before: Version
    after: Version


@dataclass(frozen=True, slots=True)
class _Doubts:
    """The parts of a node that may differ by chance, with the constructs that make them differ."""

    rows: str  # a construct; "" if there is none
    columns: Mapping[str, str]  # folded name → construct
    whole: str | None  # a construct that could not be resolved, so that any part may differ

    @property
    def certain(self) -> dict[str, str]:
        """The columns that no order of rows settles."""
        return {name: word for name, word in self.columns.items() if not _goes_by_order(word)}

    @property
    def by_order(self) -> bool:
        return any(map(_goes_by_order, (self.rows, *self.columns.values())))


class _Fails(Exception):
    """The new version does not run, over tables over which the old one does."""


def tried(trial: Trial) -> Verified:
    """Execute both versions and compare them. Raises Obstacle if that would prove nothing."""
    doubts = _doubts(trial)
    try:
        found = _executed(trial, doubts.certain)
        if found.result == "differs":
            with trial.bench.warehouse.scratch.in_one_order():
                found = _executed(trial, doubts.certain)
                if (
                    found.result == "differs"
                    and doubts.by_order
                    and not _is_settled(trial, doubts.certain)
                ):
                    found = _without_order(trial, doubts)
    except _Fails as failure:
        return _failed(trial, str(failure))
    if found.result == "differs" and doubts.whole:
        raise Obstacle(
            "the two versions differ, maybe by chance, for this could not be resolved: "
            f"{doubts.whole}"
        )
    return found


def _failed(trial: Trial, reason: str) -> Verified:
    """Try the new version on the branch's own tables, which may be without the rows it fails on."""
    branch = on_the_branch(trial.bench, trial.node)
    if branch.tables != trial.after.tables:
        try:
            table_of(trial.bench, "after", branch)
        except SqlError as exc:
            return Verified(trial.node, "cannot be built", reason=exc.message)
        raise Obstacle(f"on production's tables it fails: {reason}")
    return Verified(trial.node, "cannot be built", reason=reason)


def _executed(trial: Trial, left_out: Mapping[str, str]) -> Verified:
    """Compare the rows of the two versions, but for some columns. Raises Obstacle, and _Fails."""
    warehouse, node = trial.bench.warehouse, trial.node
    before = _made(trial, "before", trial.before)
    try:
        after = table_of(trial.bench, "after", trial.after)
    except SqlError as exc:
        raise _Fails(exc.message) from exc
    old, new = (warehouse.scratch.columns(f"FROM {table}") for table in (before, after))
    if wrong := _columns_differ(old, new, trial.category):
        return Verified(node, "differs", columns=tuple(name for name, _ in old), reason=wrong)
    kept = _kept(old, left_out)
    if not kept:
        constructs = ", ".join(dict.fromkeys(left_out.values()))
        raise Obstacle(f"any column may be different each time ({constructs})")
    try:
        comparison = warehouse.scratch.compare(before, after, kept)
        return judged(node, comparison, kept, _words_of(old, left_out))
    except SqlError as exc:
        raise Obstacle(exc.message) from exc


def _made(trial: Trial, name: str, version: Version) -> str:
    try:
        return table_of(trial.bench, name, version)
    except SqlError as exc:
        raise Obstacle(exc.message) from exc


def _kept(columns: Columns, left_out: Mapping[str, str]) -> Columns:
    return tuple(column for column in columns if folded(column[0]) not in left_out)


def judged(node: str, found: Comparison, columns: Columns, left_out: str | None) -> Verified:
    """The outcome of a comparison. left_out: the columns that it leaves out, in words."""
    names = tuple(name for name, _ in columns)
    if not found.equal:
        return Verified(
            node, "differs", found.rows, names, left_out, found.only_before, found.only_after
        )
    reasons = [
        *([left_out] if left_out else []),
        *(["but for the last digits of floats"] if found.rounded else []),
    ]
    return Verified(node, "equal", found.rows, names, "; ".join(reasons) or None)


def _words_of(columns: Columns, left_out: Mapping[str, str]) -> str | None:
    """The columns that are not compared."""
    words = [
        f"{name} ({left_out[folded(name)]})" for name, _ in columns if folded(name) in left_out
    ]
    return f"without {', '.join(words)}, which may be different each time" if words else None


def _columns_differ(old: Columns, new: Columns, category: Category) -> str | None:
    """Differences of names and types."""
    before, after = ({folded(name): word for name, word in columns} for columns in (old, new))
    words = [f"column {name} is gone" for name, _ in old if folded(name) not in after]
    words += [
        f"column {name} is {now}, and was {word}"
        for name, word in old
        if (now := after.get(folded(name), word)) != word
    ]
    if category == Category.METADATA:
        words += [f"column {name} is new" for name, _ in new if folded(name) not in before]
        words += _renamed(old, new)
        if not words and list(before) != list(after):
            words.append("the columns are in another order")
    return "; ".join(words) or None


def _renamed(old: Columns, new: Columns) -> list[str]:
    """Differences in how the names are written."""
    called = {folded(name): name for name, _ in new}
    pairs = [(name, called.get(folded(name), name)) for name, _ in old]
    return [f"column {name} is called {now}" for name, now in pairs if now != name]


# Differences by chance


def _doubts(trial: Trial) -> _Doubts:
    """Columns that may differ by chance. Raises Obstacle if the rows may, in any order."""
    bench, node = trial.bench, trial.node
    columns: dict[str, str] = {}
    unresolved: list[str] = []
    shaky = ""
    for anatomy in (*bench.base.anatomies.get(node, ()), *bench.head.anatomies.get(node, ())):
        rows, values = anatomy.rows or anatomy.whole, dict(anatomy.columns or ())
        if is_unstable(rows, anatomy):
            shaky = rows.unstable
        if shaky and not _goes_by_order(shaky):
            raise Obstacle(f"{shaky} may give other rows each time")
        columns |= {
            name: part.unstable for name, part in values.items() if is_unstable(part, anatomy)
        }
        unresolved += [
            part.unstable for part in (rows, *values.values()) if part.unstable in anatomy.obstacles
        ]
    return _Doubts(shaky, columns, next(iter(unresolved), None))


def _goes_by_order(construct: str) -> bool:
    return construct in _OF_ORDER or construct.endswith(("()", " OVER"))


def _is_settled(trial: Trial, left_out: Mapping[str, str]) -> bool:
    """Whether both versions return the same, in whichever order they read the rows of their inputs.

    Of two rows that tie, one order and its reverse put either first.
    """
    for version in (trial.before, trial.after):
        first = _made(trial, "in one order", version)
        columns = _kept(trial.bench.warehouse.scratch.columns(f"FROM {first}"), left_out)
        for number in _ORDERS:
            other = _made(trial, "in another order", _in_order(trial, version, number))
            if not trial.bench.warehouse.scratch.compare(first, other, columns).equal:
                return False
    return True


def _in_order(trial: Trial, version: Version, number: int) -> Version:
    warehouse = trial.bench.warehouse
    tables = {
        node: warehouse.scratch.shuffled(f"input_{place}", table, number)
        for place, (node, table) in enumerate(version.tables.items())
    }
    return Version(version.graph, version.node, tables)


def _without_order(trial: Trial, doubts: _Doubts) -> Verified:
    """The same comparison, without the columns that the order of rows decides."""
    if doubts.rows:
        raise Obstacle(f"{doubts.rows} may give other rows each time")
    return _executed(trial, doubts.columns)
