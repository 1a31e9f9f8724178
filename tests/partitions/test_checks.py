"""Checks of nodes in pieces: each answer is that of the whole table, and pieces that were asked
before are not asked again."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import Repo, Templates, examples, make_empty

Order = tuple[int, int | None, int, str]  # day of January 2026, customer, amount, town
ORDERS: dict[int, Order] = {
    1: (1, 1, 10, "Rome"),
    2: (2, 2, 20, "Oslo"),
    3: (3, 1, 30, "Rome"),
}
DAYS = "partition: {by: day, every: day, begin: 2026-01-01}\n"
ONE_FILE, SEVERAL = "data/orders.csv", "data/orders/*.csv"
SOURCE = "seeknal/sources/orders.yml"
TESTS = """tests:
  - {type: not_null, columns: [customer], severity: warn}
  - {type: accepted_values, column: town, values: [Rome, Oslo], severity: warn}
  - {name: dear, custom_sql: "SELECT * FROM __THIS__ WHERE amount > 60"}
  - {name: free, custom_sql: "SELECT day FROM __THIS__ AS o WHERE o.amount < 0", severity: warn}
  - name: many
    custom_sql: "SELECT * FROM __THIS__ QUALIFY row_number() OVER () > 4"
    severity: warn
  - {type: unique, columns: [customer], severity: warn}
  - {type: row_count, max: 6, severity: warn}
"""
RULES = {
    "known": 'rule: {type: "null", columns: [customer], params: {max_null_percentage: 0.3}}',
    "plausible": "rule: amount >= 0 AND town <> 'Bonn'",
    "small": "rule: {type: range, column: amount, params: {max_val: 25}}",
}
OF_TWO = """kind: rule
name: sold
inputs: [source.orders, transform.daily]
rule:
  type: sql_assertion
  sql: >-
    SELECT * FROM input_1 WHERE amount > 20 AND day NOT IN (SELECT day FROM input_0 WHERE amount > 9)
params: {severity: warn}
"""


def write_nodes(repo: Repo, table: str, partition: str, function: str = "sum") -> None:
    columns = "{name: id, data_type: BIGINT}, {name: day, data_type: DATE}"
    columns += ", {name: customer, data_type: BIGINT}, {name: amount, data_type: BIGINT}"
    source = f"kind: source\nname: orders\nsource: csv\ntable: {table}\nschema: [{columns}]\n"
    repo.write(SOURCE, f"{source}{partition}{TESTS}")
    repo.write(
        "seeknal/transforms/daily.yml",
        f"kind: transform\nname: daily\ninputs: [source.orders]\n{partition}"
        "tests: [{type: not_null, columns: [customer], severity: warn}]\n"
        f"transform: |\n  SELECT day, customer, {function}(amount) AS amount\n"
        "  FROM source.orders GROUP BY day, customer\n",
    )
    for name, rule in RULES.items():
        of = "transform.daily" if name == "small" else "source.orders"
        head = f"kind: rule\nname: {name}\ninputs: [{of}]\nparams: {{severity: warn}}\n"
        repo.write(f"seeknal/rules/{name}.yml", f"{head}{rule}\n")
    repo.write("seeknal/rules/sold.yml", OF_TWO)


def load(repo: Repo, orders: Mapping[int, Order], table: str = ONE_FILE) -> None:
    """Write the raw data: one file, or one for each customer."""
    shutil.rmtree(repo.path / "data", ignore_errors=True)
    files: dict[str, list[str]] = {}
    for number, (day, customer, amount, town) in orders.items():
        name = table.replace("*", str(customer))
        row = [number, f"2026-01-{day:02}", "" if customer is None else customer, amount, town]
        files.setdefault(name, []).append(",".join(map(str, row)))
    for name, rows in files.items():
        repo.write(name, "\n".join(["id,day,customer,amount,town", *rows]) + "\n")


def make(repo: Repo) -> None:
    make_empty(repo)
    repo.write(".gitignore", "data/\n")
    write_nodes(repo, ONE_FILE, DAYS)
    load(repo, ORDERS)
    repo.commit("The project")
    repo.seeknal("run")


@pytest.fixture
def shop(copy_of: Templates) -> Repo:
    return copy_of("checks", make)


def asked(repo: Repo, *arguments: str, code: int | None = 0) -> dict[str, tuple[int, int]]:
    """Check → the pieces that a run asks, of how many, for the checks that are asked of some."""
    said = repo.seeknal("run", "--verbose", *arguments, code=code).err
    found = re.findall(r"checked  (.*) in (\d+) of (\d+) pieces", said)
    return {check: (int(some), int(all_)) for check, some, all_ in found}


def answers(repo: Repo) -> dict[str, tuple[int, int, str]]:
    """Check → the rows that violate it, all rows, and the verdict."""
    checks = repo.seeknal("checks", "--json", code=None).json["checks"]
    found = {
        f"{check['node']}: {check['check']}": (check["violations"], check["of"], check["state"])
        for check in checks
    }
    assert len(found) == len(checks)
    return found


ROW_BY_ROW = [
    "source.orders: not_null(customer)",
    "source.orders: accepted_values(town)",
    "source.orders: dear",
    "source.orders: free",
    "transform.daily: not_null(customer)",
    "rule.known: null(customer)",
    "rule.plausible: amount >= 0 AND town <> 'Bonn'",
    "rule.small: range(amount)",
]


def test_only_the_changed_piece_is_asked(shop: Repo) -> None:
    load(shop, {**ORDERS, 4: (2, 3, 5, "Rome")})
    assert asked(shop) == dict.fromkeys(ROW_BY_ROW, (1, 3))
    assert answers(shop)["source.orders: not_null(customer)"] == (0, 4, "holds")


def test_pieces_that_were_asked_are_not_read(shop: Repo) -> None:
    """Somebody spoils old rows in the table itself: only a check that reads them can tell."""
    spoil(shop)
    load(shop, {**ORDERS, 4: (2, 3, 5, "Rome")})
    shop.seeknal("run")
    found = answers(shop)
    assert found["source.orders: not_null(customer)"] == (0, 4, "holds")
    assert found["rule.known: null(customer)"] == (0, 4, "holds")
    load(shop, {**ORDERS, 4: (3, 3, 5, "Rome")})
    assert asked(shop, "--full") == {}
    assert answers(shop)["source.orders: not_null(customer)"] == (0, 4, "holds")
    assert shop.seeknal("query", "FROM orders WHERE customer IS NULL", "--json").json == []


def spoil(repo: Repo) -> None:
    """Take the customer away from the order of the 1st of January, in the table of the pieces."""
    tables = repo.numbers(
        "SELECT DISTINCT table_name FROM _seeknal.pieces WHERE table_name LIKE 'orders%'"
    )
    ((table,),) = tables
    repo.tamper(f"UPDATE _snapshots.{table} SET customer = NULL WHERE id = 1")


def test_a_violation_in_a_changed_piece_fails_and_shows_its_rows(shop: Repo) -> None:
    before = shop.production()
    load(shop, {**ORDERS, 4: (2, 3, 99, "Rome")})
    failed = shop.seeknal("run", code=1)
    said = failed.out + failed.err
    assert "dear: its SQL returns 1 row" in said
    assert re.search(r"3 +99 +4 +2026-01-02 +Rome", said)
    shown = shop.seeknal("query", "--failed", "source.orders", "--json").json
    assert [row["amount"] for row in shown] == [99]
    assert shop.production() == before
    load(shop, ORDERS)
    shop.seeknal("run")
    assert shop.production() == before


def test_violations_in_old_pieces_are_counted_until_they_are_mended(shop: Repo) -> None:
    check = "source.orders: not_null(customer)"
    orders = {**ORDERS, 4: (1, None, 5, "Rome"), 5: (2, None, 5, "Rome")}
    load(shop, orders)
    assert asked(shop)[check] == (2, 3)
    assert answers(shop)[check] == (2, 5, "warning")
    orders = {**orders, 6: (3, None, 5, "Rome")}
    load(shop, orders)
    assert asked(shop)[check] == (1, 3)
    assert answers(shop)[check] == (3, 6, "warning")
    del orders[4]
    load(shop, orders)
    said = shop.seeknal("run")
    assert "2 of 5 rows violate it" in said.out + said.err
    assert answers(shop)[check] == (2, 5, "warning")


def test_the_share_that_may_be_null_is_one_of_all_rows(shop: Repo) -> None:
    load(shop, {**ORDERS, 4: (2, None, 5, "Rome")})
    shop.seeknal("run")
    assert answers(shop)["rule.known: null(customer)"] == (1, 4, "holds")
    load(shop, {**ORDERS, 4: (2, None, 5, "Rome"), 5: (3, None, 5, "Rome")})
    shop.seeknal("run")
    assert answers(shop)["rule.known: null(customer)"] == (2, 5, "warning")


def test_another_question_is_asked_of_all_pieces(shop: Repo) -> None:
    shop.replace(SOURCE, "[Rome, Oslo]", "[Rome]")
    load(shop, {**ORDERS, 4: (2, 3, 5, "Rome")})
    assert "source.orders: accepted_values(town)" not in asked(shop)
    assert answers(shop)["source.orders: accepted_values(town)"] == (1, 4, "warning")


def test_pieces_of_other_columns_or_code_are_asked(shop: Repo) -> None:
    shop.replace("seeknal/transforms/daily.yml", "sum(amount)", "-sum(amount)")
    assert asked(shop) == {}
    write_nodes(shop, ONE_FILE, DAYS.replace("day, every: day", "day, every: month"))
    assert asked(shop) == {}


def test_a_branch_takes_over_the_answers_of_production(shop: Repo) -> None:
    shop.switch("dev", create=True)
    load(shop, {**ORDERS, 4: (2, 3, 5, "Rome")})
    assert asked(shop, "--refresh") == dict.fromkeys(ROW_BY_ROW, (1, 3))


def test_a_record_of_pieces_that_is_not_whole_is_not_trusted(shop: Repo) -> None:
    node = shop.read(SOURCE)
    shop.write(SOURCE, node.replace(TESTS, ""))
    load(shop, {**ORDERS, 4: (2, None, 5, "Rome")})
    shop.seeknal("run")
    of_orders = "_seeknal.pieces WHERE table_name LIKE 'orders%'"
    shop.tamper(f"DELETE FROM {of_orders} AND number = (SELECT max(number) FROM {of_orders})")
    shop.write(SOURCE, node)
    assert asked(shop) == {}
    assert answers(shop)["source.orders: not_null(customer)"] == (1, 4, "warning")


def test_an_answer_about_another_build_of_a_snapshot_is_not_trusted(shop: Repo) -> None:
    shop.tamper("UPDATE _seeknal.snapshots SET built_at = built_at + INTERVAL 1 SECOND")
    load(shop, {**ORDERS, 4: (2, 3, 5, "Rome")})
    assert asked(shop) == {}


def test_numbers_of_pieces_that_gc_dropped_are_asked_again(shop: Repo) -> None:
    """The piece of a dropped snapshot had the last number, so the next piece gets it again."""
    shop.write("seeknal_project.yml", "name: empty\nkeep_promotions: 1\nkeep_history: 0s\n")
    shop.commit("Keep little")
    check = "source.orders: not_null(customer)"
    load(shop, {**ORDERS, 4: (2, 3, 5, "Rome")})
    shop.seeknal("run")
    load(shop, ORDERS)
    shop.seeknal("run")
    last = "SELECT max(number) FROM _seeknal.pieces WHERE table_name LIKE 'orders%'"
    before = shop.numbers(last)
    shop.seeknal("gc", "--yes")
    assert shop.numbers(last) < before
    load(shop, {**ORDERS, 4: (2, None, 5, "Rome")})
    assert asked(shop)[check] == (1, 3)
    assert shop.numbers(last) == before
    assert answers(shop)[check] == (1, 4, "warning")


ORDER = st.tuples(
    st.integers(1, 5),
    st.sampled_from([1, 2, 3, None]),
    st.sampled_from([*range(-2, 40, 3), 65]),
    st.sampled_from(["Rome", "Oslo", "Bonn"]),
)
STEP = st.one_of(
    st.tuples(st.just("add"), st.lists(ORDER, min_size=1, max_size=3)),
    st.tuples(st.just("correct"), st.tuples(st.integers(0, 1000), ORDER)),
    st.tuples(st.just("delete"), st.integers(0, 1000)),
    st.tuples(st.just("bring_back"), st.integers(0, 1000)),
    st.tuples(st.just("edit"), st.sampled_from(["sum", "max", "min"])),
    st.tuples(st.just("branch"), st.lists(ORDER, min_size=1, max_size=3)),
    st.tuples(st.just("gc"), st.none()),
)


@dataclass
class Walk:
    """A warehouse with a history, beside one that is new each time and asks everything."""

    repo: Repo
    table: str
    partition: str
    orders: dict[int, Order]
    past: list[dict[int, Order]] = field(default_factory=list)
    asked: int = 0

    def __post_init__(self) -> None:
        make_empty(self.repo)
        self.repo.write(
            "seeknal_project.yml", "name: empty\nkeep_promotions: 1\nkeep_history: 0s\n"
        )
        self.repo.write(".gitignore", "data/\n")
        write_nodes(self.repo, self.table, self.partition)
        self.repo.commit("The project")

    def compare(self) -> None:
        self.past.append(dict(self.orders))
        load(self.repo, self.orders, self.table)
        fresh = Repo(self.repo.path.parent / f"fresh-{len(self.past)}")
        shutil.copytree(self.repo.path, fresh.path, ignore=shutil.ignore_patterns(".git"))
        fresh.git("init", "--quiet")
        fresh.commit()
        assert asked(fresh, code=None) == {}
        self.asked += len(asked(self.repo, code=None))
        expected, found = answers(fresh), answers(self.repo)
        if any(state == "failed" for _, _, state in expected.values()):
            # Others show the answers about the tables that are published.
            expected = {key: said for key, said in expected.items() if key.startswith("source")}
        assert {key: found[key] for key in expected} == expected

    def add(self, orders: list[Order]) -> None:
        start = max(self.orders, default=0) + 1
        self.orders |= dict(enumerate(orders, start))

    def correct(self, given: tuple[int, Order]) -> None:
        place, order = given
        self.orders[list(self.orders)[place % len(self.orders)]] = order

    def delete(self, place: int) -> None:
        if len(self.orders) > 1:
            del self.orders[list(self.orders)[place % len(self.orders)]]

    def bring_back(self, place: int) -> None:
        self.orders = dict(self.past[place % len(self.past)])

    def edit(self, function: str) -> None:
        write_nodes(self.repo, self.table, self.partition, function)
        self.repo.commit("Edit daily")

    def branch(self, orders: list[Order]) -> None:
        """A branch reads other raw data, so that production's next snapshot is not the next one of
        its table."""
        self.repo.seeknal("env", "delete", "dev", "--yes", code=None)
        self.repo.switch("dev", create=True)
        load(self.repo, {**self.orders, **dict(enumerate(orders, 1000))}, self.table)
        self.repo.seeknal("run", "--refresh", code=None)
        self.repo.switch("main")
        self.repo.git("branch", "--quiet", "-D", "dev")

    def gc(self, _: None) -> None:
        self.repo.seeknal("gc", "--yes")


@pytest.mark.parametrize(
    ("table", "partition"),
    [
        pytest.param(ONE_FILE, DAYS, id="days of one file"),
        pytest.param(SEVERAL, "", id="files"),
        pytest.param(SEVERAL, DAYS, id="days of files"),
    ],
)
def test_answers_are_those_of_a_warehouse_that_asks_everything(table: str, partition: str) -> None:
    total = 0

    @settings(max_examples=examples(2), suppress_health_check=list(HealthCheck))
    @given(st.lists(ORDER, max_size=8), st.lists(STEP, min_size=4, max_size=8))
    def holds(first: list[Order], steps: list[tuple[str, Any]]) -> None:
        nonlocal total
        with tempfile.TemporaryDirectory() as folder:
            orders = dict(enumerate([*ORDERS.values(), *first]))
            walk = Walk(Repo(Path(folder) / "shop"), table, partition, orders)
            walk.compare()
            for name, given_ in steps:
                getattr(walk, name)(given_)
                walk.compare()
            total += walk.asked

    holds()
    assert total > 0, "no check was asked of some pieces alone"
