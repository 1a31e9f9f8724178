"""The tables of a history: whatever loads come, its SELECT gives the rows that the law says."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import duckdb
from hypothesis import given, settings
from hypothesis import strategies as st

from seeknal_git.warehouse.histories import extended
from seeknal_git.warehouse.model.histories import Addition
from seeknal_git.warehouse.model.queries import relation
from seeknal_git.warehouse.model.snapshots import Blueprint
from tests.conftest import examples

START = datetime.fromisoformat("2026-01-01")
# The types that columns may have: numbers fit all of them, in both directions.
TYPES = ("BIGINT", "VARCHAR", "DECIMAL(9, 0)")
Columns = dict[str, str]
Row = dict[str, int | None]

COLUMNS = st.dictionaries(st.sampled_from(["a", "b", "C c"]), st.sampled_from(TYPES))
VALUES = st.one_of(st.none(), st.integers(0, 2))
LOADS = st.tuples(COLUMNS, st.dictionaries(st.integers(1, 12), st.lists(VALUES, min_size=3)))


class Law:
    """Intervals as plain values: a row keeps the columns that its load had."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, Row, int, int | None]] = []

    def add(self, load: dict[int, Row], columns: Columns, number: int) -> None:
        found = [
            (key, row, start, number)
            if end is None and seen(row, columns) != load.get(key)
            else (key, row, start, end)
            for key, row, start, end in self.rows
        ]
        holding = {key for key, _, _, end in found if end is None}
        self.rows = found + [
            (key, row, number, None) for key, row in load.items() if key not in holding
        ]

    def view(self, columns: Columns) -> list[tuple[Any, ...]]:
        return sorted(
            ((key, *seen(row, columns).values(), start, end) for key, row, start, end in self.rows),
            key=repr,
        )


def seen(row: Row, columns: Columns) -> Row:
    return {name: row.get(name) for name in columns}


def blueprint(number: int) -> Blueprint:
    return Blueprint(
        id=f"{number:064x}",
        identity="",
        build="",
        unstable=True,
        node="changes.orders",
        name="orders_changes",
        fingerprint="",
        data_version=None,
        sql="",
        parameters={},
    )


@settings(max_examples=examples(20))
@given(loads=st.lists(LOADS, min_size=1, max_size=12))
def test_a_version_is_what_the_loads_say(loads: list[tuple[Columns, dict[int, list[Any]]]]) -> None:
    law, before = Law(), tuple[str, ...]()
    with duckdb.connect() as connection:
        connection.execute("ATTACH ':memory:' AS warehouse; CREATE SCHEMA warehouse._snapshots")
        for number, (columns, values) in enumerate(loads):
            load = {
                key: dict(zip(columns, given_values, strict=False))
                for key, given_values in values.items()
            }
            _write(connection, columns, load)
            at = START + timedelta(days=number)
            addition = Addition("memory.main.load", ["id"], [], before, False, at)
            *made, version = extended(connection, blueprint(number), addition, f"t{number}")
            law.add(load, columns, number)
            assert version.query
            before = tuple(dict.fromkeys(version.query.tables))
            assert all(snapshot.table in before for snapshot in made)
            # A column without any value has the type that it had.
            shown = dict.fromkeys(columns, "BIGINT")
            assert _read(connection, version.query.over(relation), shown) == law.view(columns)
            assert version.rows == len(law.rows)


def _write(connection: duckdb.DuckDBPyConnection, columns: Columns, load: dict[int, Row]) -> None:
    typed = "".join(f', "{name}" {word}' for name, word in columns.items())
    connection.execute(f"CREATE OR REPLACE TABLE load (id BIGINT{typed})")
    for key, row in load.items():
        places = ", ".join("?" for _ in range(len(row) + 1))
        connection.execute(f"INSERT INTO load VALUES ({places})", [key, *row.values()])


def _read(
    connection: duckdb.DuckDBPyConnection, select: str, columns: Columns
) -> list[tuple[Any, ...]]:
    casts = "".join(f', "{name}"::{word}' for name, word in columns.items())
    rows = connection.execute(
        f"SELECT id{casts}, _valid_from, _valid_to FROM ({select})"
    ).fetchall()
    return sorted(
        ((*row, (start - START).days, end and (end - START).days) for *row, start, end in rows),
        key=repr,
    )
