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
        ("accepted_values, column: rowid, values: [0, 1, 2, 3]", 0),
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


READS = "SELECT * FROM __THIS__ WHERE customer NOT IN (SELECT id FROM ref('source.customers'))"


def with_test(repo: Repo, path: str, *, declared: bool = False) -> None:
    text = repo.read(path)
    if declared:
        text = text.replace("inputs:\n", "inputs:\n  - ref: source.customers\n")
    text += "" if "tests:\n" in text else "tests:\n"
    repo.write(path, f'{text}  - {{name: foreign key, type: custom_sql, sql: "{READS}"}}\n')


@pytest.mark.parametrize(
    ("node", "path", "declared"),
    [
        pytest.param("source.orders", "seeknal/sources/orders.yml", False, id="a source"),
        pytest.param("transform.clean_orders", "seeknal/transforms/clean_orders.yml", False, id="a transform"),
        pytest.param("transform.clean_orders", "seeknal/transforms/clean_orders.yml", True, id="with an input for it"),
    ],
)
def test_a_test_that_reads_another_node_decides_no_data(published: Repo, node: str, path: str, declared: bool) -> None:
    published.switch("dev", create=True)
    with_test(published, path, declared=declared)
    assert published.categories() == {node: "METADATA"}
    published.commit()
    assert published.built() == []
    published.write("data/customers.csv", "id,name,town\n1,Ada,London\n2,Bob,Paris\n3,Cy,Oslo\n4,Di,Rome\n")
    published.commit()
    assert node not in published.built()
    published.write("data/customers.csv", "id,name,town\n1,Ada,London\n2,Bob,Paris\n")
    published.commit()
    failed = published.run("--continue-on-error", code=1)
    assert node not in failed["built"]
    assert "foreign key: 1 of" in str(failed)


def test_a_test_that_reads_another_node_waits_for_it(published: Repo) -> None:
    with_test(published, "seeknal/sources/orders.yml")
    published.commit()
    published.write("data/customers.csv", "id,name,town\n1,Ada,London\n")
    published.write("data/orders.csv", "id,customer,day,amount\n1,1,2024-01-01,10\n")
    published.commit()
    assert {"source.customers", "source.orders"} <= set(published.built())
    published.write("data/orders.csv", "id,customer,day,amount\n1,7,2024-01-01,10\n")
    published.commit()
    assert "foreign key: 1 of 1 row" in str(published.run(code=1))
