"""Tests of nodes and types of rules: which rows violate them."""

from __future__ import annotations

import pytest

from tests.conftest import Repo

DATA = """
id,price,day,paid,code,coupon,at,ratio
1,0.20,2024-01-01,true,01001,A,2024-01-01 10:00:00,0.1
2,1.50,2024-01-02,false,NO,,2024-01-02 00:00:00,0.5
3,,,,,,,
4,3.00,2024-01-01,true,0.20,,2024-01-02 00:00:00,0.1
"""
SOURCE = """
kind: source
name: s
source: csv
table: data/s.csv
schema:
  - {name: id, data_type: BIGINT}
  - {name: price, data_type: "DECIMAL(10, 2)"}
  - {name: day, data_type: DATE}
  - {name: paid, data_type: BOOLEAN}
  - {name: code, data_type: VARCHAR}
  - {name: at, data_type: TIMESTAMP}
  - {name: ratio, data_type: DOUBLE}
tests:
"""
WARNS = SOURCE + "  - {name: my test, severity: warn, type: "


def begin(repo: Repo, test: str) -> None:
    repo.write("data/s.csv", DATA)
    repo.write("seeknal/s.yml", f"{WARNS}{test}}}\n")


@pytest.mark.parametrize(
    ("test", "violations"),
    [
        ("unique, columns: [id]", 0),
        ("unique, columns: [coupon]", 0),
        ("unique, columns: [day]", 1),
        ("unique, columns: [paid, day]", 1),
        ("unique, columns: [paid, coupon]", 0),
        ("accepted_values, column: id, values: [1, 2, 3, 4]", 0),
        ("accepted_values, column: id, values: ['1', 02, 3.0, 0x4]", 0),
        ("accepted_values, column: id, values: [1, null, ~]", 3),
        ("accepted_values, column: price, values: [0.2, 1.5, 3]", 0),
        ("accepted_values, column: price, values: [0.200, 1.50]", 1),
        ("accepted_values, column: day, values: [2024-01-01, 2024-01-02]", 0),
        ("accepted_values, column: day, values: ['2024-01-01']", 1),
        ("accepted_values, column: paid, values: [yes]", 1),
        ("accepted_values, column: paid, values: [True, 'false']", 0),
        ("accepted_values, column: code, values: [01001, NO, 0.20]", 0),
        ("accepted_values, column: code, values: [1001, no, 0.2]", 3),
        ("accepted_values, column: at, values: [2024-01-01 10:00:00, 2024-01-02]", 0),
        ("accepted_values, column: ratio, values: [0.1, 0.50]", 0),
        ("accepted_values, columns: [code, coupon], values: [01001, NO, 0.20, A]", 0),
    ],
)
def test_a_test_counts_the_rows_that_violate_it(repo: Repo, test: str, violations: int) -> None:
    begin(repo, test)
    done = repo.seeknal("run")
    said = done.out + done.err
    assert ("my test" in said, f"my test: {violations} of 4 rows" in said) == (violations > 0, violations > 0), said


@pytest.mark.parametrize(
    ("column", "value", "word"),
    [
        ("id", "1.5", "BIGINT"),
        ("id", "one", "BIGINT"),
        ("id", "'null'", "BIGINT"),
        ("price", "0.204", "DECIMAL(10,2)"),
        ("day", "2024-13-01", "DATE"),
        ("paid", "maybe", "BOOLEAN"),
        ("at", "soon", "TIMESTAMP"),
        ("ratio", "half", "DOUBLE"),
    ],
)
def test_an_accepted_value_that_its_column_cannot_have_is_refused(
    repo: Repo, column: str, value: str, word: str
) -> None:
    begin(repo, f"accepted_values, column: {column}, values: [{value}]")
    said = repo.seeknal("validate", code=1).err
    assert (
        f"seeknal/s.yml:14: source.s: my test: '{value.strip(chr(39))}' is no value of {column}, which is {word}."
        in said
    )


def test_a_rule_of_uniqueness_passes_over_null(repo: Repo) -> None:
    begin(repo, "unique, columns: [id]")
    rule = "kind: rule\nname: r\ninputs: [source.s]\nrule: [{type: uniqueness, columns: [coupon]}]\n"
    repo.write("seeknal/r.yml", rule)
    repo.seeknal("run")
