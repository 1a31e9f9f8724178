"""Features of entities as they were known at a time: the latest row of each key up to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from seeknal_git.worker.tables import first_form, frame_of, quoted, relation_of_result

_ROW, _TIME = "_seeknal_row", "_seeknal_time"
_number = count()


class Unknown(LookupError):
    """A request for features that cannot be answered."""


@dataclass(frozen=True, slots=True)
class Group:
    """A feature group: its rows as a relation, and the columns that identify one. time: that of
    the time of a row; None if there is none."""

    node: str
    relation: Any
    entity: str
    keys: Sequence[str]
    time: str | None

    @classmethod
    def of(cls, node: str, relation: Any, declared: Mapping[str, Any]) -> Group:
        """declared: its entity and join keys, if it has any, and the column of its event time.
        Raises Unknown."""
        if not declared.get("entity"):
            raise Unknown(f"{node} has no entity, so nothing can be joined to it")
        by_name = {name.lower(): name for name in relation.columns}
        time = by_name.get(declared["event_time"].lower())
        keys = [by_name.get(key.lower(), key) for key in declared["join_keys"]]
        return cls(node, relation, declared["entity"], keys, time)

    @property
    def name(self) -> str:
        return self.node.partition(".")[2]

    @property
    def features(self) -> list[str]:
        return [name for name in self.relation.columns if name not in (*self.keys, self.time)]

    def needed_time(self) -> str:
        """The column with the time of a row. Raises Unknown if there is none."""
        if self.time is None:
            hint = 'name it: materialization={"event_time_col": "…"}'
            raise Unknown(f"{self.node} has no column with the time of its rows; {hint}")
        return self.time


def chosen(group: Group, names: Iterable[str]) -> list[str]:
    """The features of some names, all for none or `*`. Raises Unknown."""
    found: list[str] = []
    by_name = {name.lower(): name for name in group.features}
    for name in names:
        if name in ("", "*"):
            found += group.features
        elif name.lower() in by_name:
            found.append(by_name[name.lower()])
        else:
            raise Unknown(f"{group.node} has no feature {name}: {', '.join(group.features)}")
    return list(dict.fromkeys(found))


@dataclass(frozen=True, slots=True)
class Spine:
    """Rows that get features: a table of any library, and its column with the date of each row.

    keep: its columns to keep beside the join keys and the date, all for None.
    """

    table: Any
    date: str | None
    keep: Sequence[str] | None


def at_spine(
    connection: Any, spine: Spine, wanted: Sequence[tuple[Group, Mapping[str, str]]], path: str
) -> Any:
    """Each row of a spine, in its order, with the latest features up to its date.

    wanted: groups, and the name of each feature in the result; path: for files in between. Raises
    Unknown.
    """
    keys = [key for group, _ in wanted for key in group.keys]
    rows = _spine_of(relation_of_result(connection, spine.table, path), spine, keys)
    date = _time(rows, str(spine.date))
    left = _kept(rows, f"row_number() OVER () AS {_ROW}, {date}")
    columns, joins = [f"s.{quoted(name)}" for name in rows.columns], []
    for number, (group, features) in enumerate(wanted):
        right = _kept(group.relation, _time(group.relation, group.needed_time()))
        pairs = [f"s.{quoted(key)} = f{number}.{quoted(key)}" for key in group.keys]
        on = " AND ".join([*pairs, f"s.{_TIME} >= f{number}.{_TIME}"])
        joins.append(f"ASOF LEFT JOIN {right} AS f{number} ON {on}")
        columns += _named(features, f"f{number}.")
    sql = f"SELECT {', '.join(columns)} FROM {left} AS s {' '.join(joins)} ORDER BY s.{_ROW}"
    return _frame(connection.sql(sql))


def _spine_of(rows: Any, spine: Spine, keys: Sequence[str]) -> Any:
    """The rows of a spine with the columns to keep. Raises Unknown."""
    if spine.date is None:
        raise Unknown("a spine needs a `date_col`: the column with the date of each row")
    needed = [spine.date, *keys, *(spine.keep or ())]
    there = {name.lower() for name in rows.columns}
    if missing := [name for name in needed if name.lower() not in there]:
        raise Unknown(f"the spine has no column {missing[0]}: {', '.join(rows.columns)}")
    if spine.keep is None:
        return rows
    kept = {name.lower() for name in needed}
    return rows.project(", ".join(quoted(name) for name in rows.columns if name.lower() in kept))


def latest(connection: Any, group: Group, until: Any) -> Any:
    """The latest row of each key up to a time, as a relation. Raises Unknown."""
    time = group.needed_time()
    keys = ", ".join(map(quoted, group.keys))
    table = _kept(group.relation, _time(group.relation, time))
    bound = "TIMESTAMP '{}'".format(str(until).replace("'", "''"))
    newest = f"row_number() OVER (PARTITION BY {keys} ORDER BY {_TIME} DESC) = 1"
    return connection.sql(
        f"SELECT * EXCLUDE {_TIME} FROM {table} WHERE {_TIME} <= {bound}"
        f" QUALIFY {newest} ORDER BY {keys}"
    )


def together(
    connection: Any, wanted: Sequence[tuple[Group, Mapping[str, str]]], until: Any = None
) -> Any:
    """The features of several groups, by key and time; up to a time, the latest of each key."""
    keys = wanted[0][0].keys
    for group, _ in wanted:
        if [key.lower() for key in group.keys] != [key.lower() for key in keys]:
            raise Unknown(f"{group.node} has other join keys than {wanted[0][0].node}")
    is_timed = until is None and all(group.time is not None for group, _ in wanted)
    by = [*map(quoted, keys), *(["event_time"] if is_timed else [])]
    names: list[str] = []
    for group, features in wanted:
        rows = group.relation if until is None else latest(connection, group, until)
        time = [f"{quoted(group.needed_time())} AS event_time"] if is_timed else []
        columns = [*map(quoted, group.keys), *time, *_named(features)]
        names.append(_kept(rows.project(", ".join(columns)), ""))
    return _frame(connection.sql(_joined(names, by, [features for _, features in wanted])))


def _frame(relation: Any) -> Any:
    """A relation as a frame, if there is a library for frames."""
    return frame_of(relation, first_form() or "relation")


def _joined(tables: Sequence[str], by: Sequence[str], features: Iterable[Mapping[str, str]]) -> str:
    """The SELECT of all rows of tables with the same keys."""
    columns = [*by, *(quoted(said) for named in features for said in named.values())]
    using = f" USING ({', '.join(by)})"
    first, *others = tables
    joins = "".join(f" FULL JOIN {table}{using}" for table in others)
    return f"SELECT {', '.join(columns)} FROM {first}{joins} ORDER BY {', '.join(by)}"


def _named(features: Mapping[str, str], table: str = "") -> Iterator[str]:
    """Features under their names in a result."""
    for name, said in features.items():
        yield f"{table}{quoted(name)} AS {quoted(said)}"


def _kept(relation: Any, more: str) -> str:
    """The name of a table with the rows of a relation, and with more columns."""
    name = f"_seeknal_{next(_number)}"
    relation.project(f"*, {more}" if more else "*").create(name)
    return name


def _time(relation: Any, column: str) -> str:
    """A column with times under a name of its own; a text is read as one."""
    value = quoted(column)
    is_text = str(relation.project(value).types[0]) == "VARCHAR"
    return f"{f'CAST({value} AS TIMESTAMP)' if is_text else value} AS {_TIME}"
