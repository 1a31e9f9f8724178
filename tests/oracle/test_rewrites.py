"""Edits that change nothing are recognised, and what looks like them is not: both are executed on
generated data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from random import Random

import duckdb
import pytest

from seeknal_git.plan.changes import Category
from seeknal_git.sql.analysis import functions
from tests.oracle.rewrites import KNOWN, TABLES, UNKNOWN, Family
from tests.unit.plan.categories import HARMLESS
from tests.verdicts import verdict

# Few values of each type, so that they meet; NULL is one of them.
VALUES = {
    "INTEGER": "0 1 2 3 -1 4 NULL".split(),
    "BIGINT": "0 1 2 1001 NULL".split(),
    "TINYINT": "0 1 100 NULL".split(),
    "DECIMAL(9,2)": "0 1.5 -2.25 1 NULL".split(),
    "DOUBLE": "0.5 -1.25 2 NULL".split(),
    "VARCHAR": ["'x'", "'y'", "'X'", "'ab'", "'ba'", "''", "NULL"],
    "DATE": [
        "DATE '2024-01-01'",
        "DATE '2024-01-02'",
        "DATE '2024-01-31'",
        "DATE '2023-12-31'",
        "NULL",
    ],
    "TIMESTAMP": ["TIMESTAMP '2024-01-01 00:00:00'", "TIMESTAMP '2024-02-29 13:30:00'", "NULL"],
    "BOOLEAN": ["true", "false", "NULL"],
    "INTEGER[]": ["[1, 2]", "[]", "[3, NULL]", "NULL"],
    "STRUCT(a INTEGER, b VARCHAR)": [
        "{'a': 1, 'b': 'x'}",
        "{'a': NULL, 'b': 'y'}",
        "{'a': 2, 'b': NULL}",
        "NULL",
    ],
}
SIZES = (0, 1, 3, 12, 30, 60)
FAMILIES = [pytest.param(*family, id=family[0]) for family in (*KNOWN, *UNKNOWN)]


@pytest.fixture(scope="module")
def engines() -> Iterator[list[duckdb.DuckDBPyConnection]]:
    """Databases with the same tables and other rows, the first one empty."""
    opened = [database(seed, size) for seed, size in enumerate(SIZES)]
    yield opened
    for each in opened:
        each.close()


def database(seed: int, size: int) -> duckdb.DuckDBPyConnection:
    draw, connection = Random(seed), duckdb.connect(config={"threads": 1})
    connection.execute("CREATE SCHEMA source")
    for name, columns in TABLES.items():
        connection.execute(
            f"CREATE TABLE source.{name} ({', '.join(' '.join(column) for column in columns)})"
        )
        for _ in range(size):
            row = ", ".join(draw.choice(VALUES[word]) for _, word in columns)
            connection.execute(f"INSERT INTO source.{name} VALUES ({row})")
    return connection


def table(
    engine: duckdb.DuckDBPyConnection, sql: str
) -> tuple[list[tuple[str, str]], Counter[str]]:
    """The columns of a result, and its rows as a bag."""
    found = engine.execute(sql)
    return [(each[0].lower(), str(each[1])) for each in found.description], Counter(
        map(repr, found.fetchall())
    )


@pytest.mark.parametrize(("name", "old", "new", "near"), FAMILIES)
def test_a_family_is_harmless_and_what_is_near_it_is_not(
    engines: list[duckdb.DuckDBPyConnection], name: str, old: str, new: str, near: str
) -> None:
    before = [table(engine, old) for engine in engines]
    assert [table(engine, new) for engine in engines] == before
    assert [table(engine, near) for engine in engines] != before


@pytest.mark.parametrize(("name", "old", "new", "near"), FAMILIES)
def test_what_is_near_a_harmless_edit_is_not_taken_for_one(
    name: str, old: str, new: str, near: str
) -> None:
    for one, other in ((old, near), (near, old), (new, near), (near, new)):
        assert verdict(one, other, TABLES).category == Category.BREAKING


def is_known(family: Family) -> bool:
    _, old, new, _ = family
    return all(
        verdict(*pair, TABLES).category == Category.METADATA for pair in ((old, new), (new, old))
    )


@pytest.mark.parametrize("family", [pytest.param(family, id=family[0]) for family in KNOWN])
def test_a_harmless_edit_is_called_metadata(family: Family) -> None:
    assert is_known(family)


def test_most_families_are_known() -> None:
    unknown = [family[0] for family in UNKNOWN if is_known(family)]
    assert not unknown, "known by now: move them"
    known = len(KNOWN) + len(HARMLESS)
    assert known + len(UNKNOWN) >= 150
    assert known >= 0.8 * (known + len(UNKNOWN))


def test_the_engine_calls_the_same_functions_aliases() -> None:
    rows = duckdb.execute(
        "SELECT DISTINCT function_name, alias_of FROM duckdb_functions() WHERE alias_of IS NOT NULL"
    ).fetchall()
    there = dict(rows)
    assert {name: there.get(name) for name in functions.ALIASES} == functions.ALIASES
