"""What an edit is called is so in fact: the engine executes both versions of each case."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

import duckdb
import pytest

from seeknal_git.plan.changes import Category
from tests.unit.plan.categories import (
    BREAKING,
    EXACT_CASES,
    HARMLESS_CASES,
    METADATA,
    READER_CASES,
    TABLES,
)
from tests.verdicts import verdict

# NULLs, duplicates, ties and signs, small enough to compare whole results.
DATA = """
INSERT INTO source.t VALUES
    (1, 10, 1.5, 'x', 'Ab ', DATE '2024-01-01', true, [1, 2], {'a': 1, 'b': 'one'}),
    (2, 20, -2.5, 'x', ' aB', DATE '2024-01-07', false, [3], {'a': 2, 'b': NULL}),
    (3, 20, NULL, 'y', NULL, DATE '2024-02-29', NULL, [], NULL),
    (4, NULL, 3.25, NULL, 'a.b', NULL, true, NULL, {'a': NULL, 'b': 'four'}),
    (4, 7, 3.25, 'z', '', DATE '2023-12-31', false, [4, NULL, 4], {'a': 4, 'b': 'four'}),
    (4, 7, 3.25, 'z', '', DATE '2023-12-31', false, [4, NULL, 4], {'a': 4, 'b': 'four'}),
    (-5, -7, 0.0, 'y', 'Ab ', DATE '2024-01-01', true, [5], {'a': -5, 'b': 'X'}),
    (2, 1, 1.25, 'Y', 'ab', DATE '2024-01-07', true, [2, 2], {'a': 2, 'b': 'x'});
INSERT INTO source.u VALUES (1, 'one', 10), (2, 'two', NULL), (2, 'deux', 5), (4, 'one', 7), (9, NULL, 1);
INSERT INTO source.p VALUES (1, DATE '2023-12-30', 5), (1, DATE '2024-01-01', 6), (2, DATE '2024-01-06', 7),
    (4, DATE '2023-12-31', 8), (4, DATE '2024-01-02', NULL);
"""

Columns = dict[str, str]
Rows = list[dict[str, str]]


@pytest.fixture(scope="module")
def engine() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute("CREATE SCHEMA source; CREATE SCHEMA transform;")
        for name, columns in TABLES.items():
            connection.execute(
                f"CREATE TABLE source.{name} ({', '.join(' '.join(column) for column in columns)})"
            )
        connection.execute(DATA)
        yield connection


def result(engine: duckdb.DuckDBPyConnection, sql: str) -> tuple[Columns, Rows]:
    """The columns (in lower case) with their types, in order, and the rows."""
    engine.execute("SELECT setseed(0.5)").fetchall()
    relation = engine.execute(re.sub(r"ref\('(.*?)'\)", r"\1", sql))
    columns = {each[0].lower(): str(each[1]) for each in relation.description}
    return columns, [dict(zip(columns, map(repr, row), strict=True)) for row in relation.fetchall()]


def bag(rows: Rows, columns: Sequence[str]) -> Counter[tuple[str, ...]]:
    return Counter(tuple(row[column] for column in columns) for row in rows)


def kept(found: tuple[Columns, Rows], other: tuple[Columns, Rows], columns: Sequence[str]) -> bool:
    """Whether columns are in both results, with the same types and, taken together, the same
    values."""
    if any(
        found[0].get(each) is None or found[0].get(each) != other[0].get(each) for each in columns
    ):
        return False
    return bag(found[1], columns) == bag(other[1], columns)


def holds(engine: duckdb.DuckDBPyConnection, old: str, new: str, category: Category) -> bool:
    """Whether the results are as a category promises: all equal, or equal on the old columns."""
    before, after = result(engine, old), result(engine, new)
    if category == METADATA:
        return list(before[0]) == list(after[0]) and kept(before, after, list(before[0]))
    return category == BREAKING or kept(before, after, list(before[0]))


def holds_but_for(engine: duckdb.DuckDBPyConnection, old: str, new: str, what: str) -> bool:
    """Whether all is equal that is not said to have changed: with the row set, every column may
    have."""
    before, after = result(engine, old), result(engine, new)
    marks = {word[1:]: word[0] for word in what.split() if word[0] in "+-~"}
    if {*before[0], *marks} - {each for each in marks if marks[each] == "+"} != set(before[0]):
        return False
    if {*after[0], *marks} - {each for each in marks if marks[each] == "-"} != set(after[0]):
        return False
    return what.startswith("rows") or kept(
        before, after, [each for each in before[0] if each not in marks]
    )


@pytest.mark.parametrize(("old", "new", "category", "what"), EXACT_CASES)
def test_no_verdict_is_contradicted_by_the_results(
    engine: duckdb.DuckDBPyConnection, old: str, new: str, category: Category, what: str | None
) -> None:
    for one, other in ((old, new), (new, old)):
        assert holds(engine, one, other, verdict(one, other, TABLES).category)
    assert holds(engine, old, new, category), "the table of cases expects what is not so"
    assert not what or holds_but_for(engine, old, new, what), (
        "the table of cases expects what is not so"
    )


@pytest.mark.parametrize(("old", "new", "reader", "reused"), READER_CASES)
def test_no_reader_that_is_re_used_would_have_become_another_table(
    engine: duckdb.DuckDBPyConnection, old: str, new: str, reader: str, reused: bool | None
) -> None:
    before, after = (read(engine, sql, reader) for sql in (old, new))
    same = list(before[0]) == list(after[0]) and kept(before, after, list(before[0]))
    assert same or not reused, "the table of cases expects what is not so"
    assert same or not verdict(old, new, TABLES, reader).reused
    assert same or not verdict(new, old, TABLES, reader).reused


def read(engine: duckdb.DuckDBPyConnection, node: str, reader: str) -> tuple[Columns, Rows]:
    engine.execute(f"CREATE OR REPLACE TABLE transform.node AS {node}")
    return result(engine, reader)


@pytest.mark.parametrize(("old", "new"), HARMLESS_CASES)
def test_a_rewrite_of_the_table_is_harmless_in_fact(
    engine: duckdb.DuckDBPyConnection, old: str, new: str
) -> None:
    assert holds(engine, old, new, METADATA), "the table of cases expects what is not so"
    assert holds(engine, old, new, verdict(old, new, TABLES).category)
