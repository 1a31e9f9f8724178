"""`seeknal checks`: every test and rule, with its last answer."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import Repo
from tests.terminal import in_a_terminal

CLEAN = "seeknal/transforms/clean_orders.yml"
RULE = "seeknal/rules/amounts_are_positive.yml"
NEGATIVE = "id,customer,day,amount\n1,1,2024-01-01,10\n2,2,2024-01-01,-20\n3,1,2024-01-02,-1\n"


def states(repo: Repo, *arguments: str, code: int = 0) -> dict[str, str]:
    """`node: check` → its state."""
    found = repo.seeknal("checks", *arguments, "--json", code=code).json["checks"]
    return {f"{check['node']}: {check['check']}": check["state"] for check in found}


UNIQUE, POSITIVE = "transform.clean_orders: unique(id)", "rule.amounts_are_positive: amount > 0"


def test_every_test_and_rule_is_shown_with_its_last_answer(shop: Repo) -> None:
    assert states(shop) == dict.fromkeys((UNIQUE, POSITIVE), "not asked")
    assert "A run asks them: seeknal run" in shop.seeknal("checks").err
    shop.run()
    assert states(shop) == dict.fromkeys((UNIQUE, POSITIVE), "holds")
    said = shop.seeknal("checks").out.splitlines()
    assert said[0].split() == ["holds", "transform.clean_orders", "unique(id)", "4", "rows"]
    assert said[-1] == "2 checks of main: 2 hold."


def test_a_check_that_fails_is_shown_with_rows_and_the_exit_code_1(published: Repo) -> None:
    published.write("data/orders.csv", NEGATIVE)
    published.run(code=1)
    shown = published.seeknal("checks", code=1).out
    assert "failed: rule.amounts_are_positive: amount > 0: 2 of 3 rows violate it" in shown
    assert "2024-01-02" not in shown
    assert shown.endswith("2 checks of main: 1 holds, 1 fails.\n")
    assert "2024-01-02" in published.seeknal("checks", "--rows", code=1).out
    (found,) = published.seeknal("checks", "rule.*", "--rows", "--json", code=1).json["checks"]
    assert [row["amount"] for row in found["rows"]] == [-20, -1]
    (command,) = [line for line in shown.splitlines() if line.startswith("  all: ")]
    assert "--failed rule.amounts_are_positive" in command


def test_a_warning_is_shown_and_the_exit_code_is_0(published: Repo) -> None:
    published.write(RULE, published.read(RULE) + "params: {severity: warn}\n")
    published.write("data/orders.csv", NEGATIVE)
    published.run()
    said = published.seeknal("checks", "--rows").out
    assert "warning: rule.amounts_are_positive: amount > 0: 2 of 3 rows" in said
    assert "-20" in said
    assert said.endswith("2 checks of main: 1 holds, 1 warns.\n")


def test_a_line_of_a_check_fits_a_terminal_and_says_what_is_allowed(published: Repo) -> None:
    long = "amount > -1000000 AND amount < 1000000 AND day > DATE '1999-12-31' AND id > 0"
    published.write(RULE, published.read(RULE).replace("amount > 0", long))
    null = "{type: 'null', column: amount, params: {max_null_percentage: 0.5}}"
    published.write(
        "seeknal/rules/some_amounts_are_known.yml",
        "kind: rule\nname: some_amounts_are_known\n"
        f"inputs: [{{ref: source.orders}}]\nrule: {null}\n",
    )
    published.write(
        "data/orders.csv", "id,customer,day,amount\n1,1,2024-01-01,10\n2,2,2024-01-01,\n"
    )
    published.run()
    _, lines = in_a_terminal(published, 80, "checks")
    assert max(map(len, lines)) <= 80
    (shortened,) = [line for line in lines if "amount > -1000000" in line]
    assert shortened.endswith("…  1 row")
    assert "    1 of 2 rows violates it; 50 % may" in [line.rstrip() for line in lines]
    assert f"{long}  1 row" in published.seeknal("checks").out


def test_an_answer_about_the_shown_load_counts_until_a_run_reads_the_new_one(
    shop: Repo,
) -> None:
    shop.replace("seeknal/sources/orders.yml", "data/orders.csv", "raw/orders.csv")
    shop.write("raw/orders.csv", shop.read("data/orders.csv"))
    shop.run()
    shop.write("raw/orders.csv", NEGATIVE)
    assert set(states(shop).values()) == {"holds"}
    shop.run(code=1)
    assert states(shop, code=1)[POSITIVE] == "failed"


def test_an_edited_check_is_not_asked_and_others_keep_their_answer(published: Repo) -> None:
    published.switch("dev", create=True)
    published.replace(RULE, "amount > 0", "amount > 15")
    assert states(published) == {
        UNIQUE: "holds",
        "rule.amounts_are_positive: amount > 15": "not asked",
    }
    published.run(code=1)
    assert states(published, code=1)["rule.amounts_are_positive: amount > 15"] == "failed"
    published.commit(hooks=False)
    published.switch("main")
    assert set(states(published).values()) == {"holds"}
    found: Any = published.seeknal("checks", "--env", "dev", code=1)
    assert "seeknal query --env dev" in found.out


@pytest.mark.parametrize(
    ("selection", "nodes"),
    [
        ("clean_orders", {UNIQUE, POSITIVE}),
        ("rule.amounts_are_positive", {POSITIVE}),
        ("--types rule", {POSITIVE}),
        ("--select clean_orders --exclude kind:rule", {UNIQUE}),
        ("daily", set()),
        ("daily clean_orders", {UNIQUE, POSITIVE}),
        ("changed", set()),
    ],
)
def test_a_selection_takes_tests_of_nodes_and_rules_about_them(
    published: Repo, selection: str, nodes: set[str]
) -> None:
    assert states(published, *selection.split()).keys() == nodes


def test_a_name_that_no_node_has_is_refused(published: Repo) -> None:
    assert "Did you mean" in published.seeknal("checks", "clean_order", code=2).err


def test_a_rule_that_holds_is_told_by_its_condition(published: Repo) -> None:
    message = "params: {error_message: Some amounts are negative}\n"
    published.write(RULE, published.read(RULE) + message)
    assert "not asked  rule.amounts_are_positive  amount > 0" in published.seeknal("checks").out
    assert "checked  rule.amounts_are_positive: amount > 0  no row" in (
        published.seeknal("run", "--verbose").err
    )
    assert "Some amounts" not in published.seeknal("checks").out
    published.write("data/orders.csv", NEGATIVE)
    published.run(code=1)
    assert "Some amounts are negative: 2 of 3" in published.seeknal("checks", code=1).out
