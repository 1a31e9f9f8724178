"""The types that a lake does not hold, however deep they are, and their casts."""

from __future__ import annotations

import pytest

from seeknal_git.sql.lake_types import unheld


@pytest.mark.parametrize(
    ("word", "held"),
    [
        ("ENUM('a', 'b')", "VARCHAR"),
        ("ENUM('BIT', ')')[]", "VARCHAR[]"),
        ("INTEGER[3][]", "INTEGER[][]"),
        ("UNION(n DECIMAL(9,2), b BIT)", "VARCHAR"),
        ("BIT", "VARCHAR"),
        ("MAP(BIGNUM, BIT)", "MAP(VARCHAR, VARCHAR)"),
        ("TIME WITH TIME ZONE", "VARCHAR"),
        ("TIME_NS", "TIME"),
        ('STRUCT("BIT" TYPE, d DATE)', 'STRUCT("BIT" VARCHAR, d DATE)'),
    ],
)
def test_a_type_that_a_lake_does_not_hold_is_cast_where_it_stands(word: str, held: str) -> None:
    found = unheld("a b", word)
    assert found is not None
    assert found.cast == f'CAST("a b" AS {held}) AS "a b"'


@pytest.mark.parametrize(
    "word",
    [
        "VARCHAR",
        "TIMESTAMP WITH TIME ZONE",
        "TIMESTAMP_NS",
        "TIME",
        "DECIMAL(38,0)[]",
        "MAP(VARCHAR, STRUCT(a HUGEINT, b UUID)[])",
        'STRUCT("BIT" INTEGER, "ENUM(" DATE)',
        "JSON",
        "INTERVAL",
    ],
)
def test_all_other_types_stay(word: str) -> None:
    assert unheld("a", word) is None
