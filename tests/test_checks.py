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
    counted = "of 4 rows"
    if test.startswith("unique"):
        counted = "combination of values occurs" if ", day]" in test else "value occurs"
    assert ("my test" in said, f"my test: {violations} {counted}" in said) == (
        violations > 0,
        violations > 0,
    ), said


@pytest.mark.parametrize(
    ("test", "said"),
    [
        ("unique: [day]", "unique(day): 1 value occurs more than once in 4 rows"),
        (
            "unique: [paid, day]",
            "unique(paid, day): 1 combination of values occurs more than once in 4 rows",
        ),
        ("row_count: {min: 10}", "row_count(min 10): there are 4 rows"),
        ("row_count: {min: 1, max: 3}", "row_count(min 1, max 3): there are 4 rows"),
        ("custom_sql: SELECT 1 FROM range(7)", "custom_sql: its SQL returns 7 rows"),
        ("not_null: [coupon]", "not_null(coupon): 3 of 4 rows violate it"),
    ],
)
def test_a_message_says_what_a_test_counts(repo: Repo, test: str, said: str) -> None:
    repo.write("data/s.csv", DATA)
    repo.write("seeknal/s.yml", f"{SOURCE}  - {test}\n")
    shown = " ".join(repo.seeknal("run", code=1).out.split())
    assert f"{said} (seeknal/s.yml:" in shown


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
    rule = (
        "kind: rule\nname: r\ninputs: [source.s]\nrule: [{type: uniqueness, columns: [coupon]}]\n"
    )
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
        pytest.param(
            "transform.clean_orders", "seeknal/transforms/clean_orders.yml", False, id="a transform"
        ),
        pytest.param(
            "transform.clean_orders",
            "seeknal/transforms/clean_orders.yml",
            True,
            id="with an input for it",
        ),
    ],
)
def test_a_test_that_reads_another_node_decides_no_data(
    published: Repo, node: str, path: str, declared: bool
) -> None:
    published.switch("dev", create=True)
    with_test(published, path, declared=declared)
    assert published.categories() == {node: "METADATA"}
    published.commit()
    assert published.built() == []
    published.write(
        "data/customers.csv", "id,name,town\n1,Ada,London\n2,Bob,Paris\n3,Cy,Oslo\n4,Di,Rome\n"
    )
    published.commit()
    assert node not in published.built()
    published.write("data/customers.csv", "id,name,town\n1,Ada,London\n2,Bob,Paris\n")
    published.commit()
    failed = published.run("--continue-on-error", code=1)
    assert node not in failed["built"]
    assert "foreign key: its SQL returns 1 row" in str(failed)


def test_a_test_that_reads_another_node_waits_for_it(published: Repo) -> None:
    with_test(published, "seeknal/sources/orders.yml")
    published.commit()
    published.write("data/customers.csv", "id,name,town\n1,Ada,London\n")
    published.write("data/orders.csv", "id,customer,day,amount\n1,1,2024-01-01,10\n")
    published.commit()
    assert {"source.customers", "source.orders"} <= set(published.built())
    published.write("data/orders.csv", "id,customer,day,amount\n1,7,2024-01-01,10\n")
    published.commit()
    assert "foreign key: its SQL returns 1 row" in str(published.run(code=1))


# Feature groups with a row for each time

DAYS = "customer,day,amount\nc1,2024-01-01,1\nc1,2024-01-02,2\nc2,2024-01-01,3\n"
HABITS = "seeknal/feature_groups/habits.yml"
GROUP = """
kind: feature_group
name: habits
entity: {name: customer, join_keys: [customer]}
inputs: [source.days]
materialization:
  event_time_col: day
"""


@pytest.fixture
def group(repo: Repo) -> Repo:
    repo.write("data/days.csv", DAYS)
    repo.write(
        "seeknal/sources/days.yml", "kind: source\nname: days\nsource: csv\ntable: data/days.csv\n"
    )
    repo.write(HABITS, GROUP)
    return repo


def test_a_feature_group_with_an_event_time_has_a_row_for_each_key_and_time(group: Repo) -> None:
    assert group.run()["failed"] == {}
    group.write("data/days.csv", DAYS + "c1,2024-01-02,9\n")
    failed = group.run(code=1)["failed"]["feature_group.habits"]
    assert "join_keys_unique(customer, day)" in failed


def test_without_an_event_time_its_keys_are_unique(group: Repo) -> None:
    group.write(HABITS, GROUP[: GROUP.index("materialization")])
    assert "join_keys_unique(customer)" in group.run(code=1)["failed"]["feature_group.habits"]


def test_an_event_time_decides_no_data(group: Repo) -> None:
    group.commit()
    group.seeknal("run")
    group.replace(HABITS, "event_time_col: day", "event_time_col: amount")
    assert group.categories() in ({}, {"feature_group.habits": "METADATA"})
    assert group.built() == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("event_time_col: week", "promises the column week"),
        ("event_time_col: [day]", "`event_time_col` is the name of a column"),
        ("event_time_col: ''", "`event_time_col` is the name of a column"),
    ],
)
def test_an_event_time_that_is_no_column_is_an_error_with_its_line(
    group: Repo, given: str, words: str
) -> None:
    group.replace(HABITS, "event_time_col: day", given)
    said = group.seeknal("validate", code=1).err
    assert words in said
    assert f"{HABITS}:{6 if 'week' in given else 5}: " in said


@pytest.mark.parametrize(
    "given",
    [
        "materialization: true",
        "materialization:\n  event_time_col:",
        "materialization: {offline: {}}",
    ],
)
def test_a_feature_group_that_names_no_event_time_is_as_before(group: Repo, given: str) -> None:
    group.replace(HABITS, "materialization:\n  event_time_col: day", given)
    assert "join_keys_unique(customer)" in group.run(code=1)["failed"]["feature_group.habits"]


def test_a_lookup_in_a_group_with_an_event_time_may_find_several_rows(group: Repo) -> None:
    """A join by the keys alone adds rows: an edit of it is not one of columns."""
    look = """
        kind: transform
        name: look
        inputs: [source.days, feature_group.habits]
        transform: |
          SELECT d.day, 1 AS one
          FROM source.days d LEFT JOIN feature_group.habits h ON h.customer = d.customer
        """
    group.write("seeknal/transforms/look.yml", look)
    group.commit()
    group.seeknal("run")
    group.replace(
        "seeknal/transforms/look.yml",
        " LEFT JOIN feature_group.habits h ON h.customer = d.customer",
        "",
    )
    assert group.categories() == {"transform.look": "BREAKING"}
