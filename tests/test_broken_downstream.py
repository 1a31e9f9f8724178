"""A change that breaks a node downstream, and what a node declares of its columns: found before
anything is built."""

from __future__ import annotations

import pytest

from tests.conftest import Repo

CLEAN = "seeknal/transforms/clean_orders.yml"
DAILY = "seeknal/transforms/daily.yml"
NEXT = "seeknal/transforms/next.yml"


@pytest.fixture
def dev(published: Repo) -> Repo:
    published.switch("dev", create=True)
    return published


def problems(repo: Repo, *arguments: str) -> list[tuple[str, str, int, str | None]]:
    """(node, path, line, hint) of everything that `validate` finds."""
    found = repo.seeknal("validate", "--json", *arguments, code=1).json["problems"]
    return [(each["node"], each["path"], each["line"], each["hint"]) for each in found]


REMOVED = f"transform.clean_orders ({CLEAN}:2) no longer returns amount."


def test_a_removed_column_is_found_where_it_is_read_with_the_change_that_removed_it(
    dev: Repo,
) -> None:
    dev.replace(CLEAN, "day, amount\n", "day\n")
    assert sorted(problems(dev)) == [
        ("rule.amounts_are_positive", "seeknal/rules/amounts_are_positive.yml", 5, REMOVED),
        ("transform.by_customer", "seeknal/transforms/by_customer.yml", 7, REMOVED),
        ("transform.daily", DAILY, 6, REMOVED),
    ]


@pytest.mark.parametrize("command", [["validate"], ["plan"], ["run"], ["validate", "--staged"]])
def test_every_command_that_looks_says_it(dev: Repo, command: list[str]) -> None:
    dev.replace(CLEAN, "day, amount\n", "day\n")
    dev.git("add", "--all")
    said = dev.seeknal(*command, code=1).err
    assert f'{DAILY}:6: transform.daily: Binder Error: Referenced column "amount" not found' in said
    assert f"  {REMOVED}" in said


def test_the_pre_commit_hook_says_it(dev: Repo) -> None:
    dev.install_hooks()
    dev.replace(CLEAN, "day, amount\n", "day\n")
    dev.git("add", "--all")
    done = dev.try_git("commit", "--message", "x")
    assert done.returncode == 1
    assert REMOVED in done.stderr


def test_a_column_that_is_only_handed_on_was_changed_where_it_was_edited(dev: Repo) -> None:
    dev.write(
        NEXT,
        "kind: transform\nname: next\ntransform: SELECT * FROM ref('transform.clean_orders')\n",
    )
    dev.write(
        "seeknal/transforms/last.yml",
        "kind: transform\nname: last\ntransform: SELECT sum(amount) AS s FROM ref('transform.next')\n",
    )
    dev.commit()
    dev.git("branch", "--force", "main")
    dev.replace(CLEAN, "day, amount\n", "day, amount::VARCHAR AS amount\n")
    hints = {node: hint for node, _, _, hint in problems(dev)}
    assert (
        hints["transform.last"]
        == f"transform.clean_orders ({CLEAN}:2) turned amount from BIGINT into VARCHAR."
    )


def test_on_production_the_change_is_one_since_what_was_published(published: Repo) -> None:
    published.replace(CLEAN, "day, amount\n", "day\n")
    assert any(REMOVED in hint for _, _, _, hint in problems(published) if hint)
    published.commit(hooks=False)
    assert any(REMOVED in hint for _, _, _, hint in problems(published) if hint)


def test_before_a_first_run_the_change_is_one_since_the_last_commit(shop: Repo) -> None:
    shop.replace(CLEAN, "day, amount\n", "day\n")
    assert ("transform.daily", DAILY, 6, REMOVED) in problems(shop)


def test_a_mistake_of_its_own_has_no_cause_elsewhere(dev: Repo) -> None:
    dev.replace(DAILY, "sum(amount)", "sum(amont)")
    ((node, path, line, hint),) = problems(dev)
    assert (node, path, line) == ("transform.daily", DAILY, 6)
    assert hint is None


def test_a_removed_column_that_nobody_reads_is_breaking_for_readers_outside(dev: Repo) -> None:
    dev.replace(CLEAN, "tests:\n  - unique: id\n", "")
    dev.replace(CLEAN, "SELECT id, customer", "SELECT customer")
    (change,) = dev.plan()["changes"]
    assert change["category"] == "BREAKING"
    assert change["rebuilds"] == []
    assert "no node here reads id" in change["what"]
    assert change["columns"] == [
        {"name": "id", "change": "removed", "before": "BIGINT", "after": None}
    ]


# What a node declares


DECLARED = "kind: transform\nname: next\n{}transform: |\n  SELECT id, amount::DOUBLE AS amount FROM transform.clean_orders\n"


@pytest.mark.parametrize(
    "declared",
    [
        pytest.param(
            "schema:\n  - {name: id, data_type: BIGINT}\n  - {name: amount, data_type: DOUBLE}\n",
            id="schema",
        ),
        pytest.param(
            "schema: [{name: AMOUNT, data_type: float8}]\n", id="another word for the type"
        ),
        pytest.param(
            "columns:\n  id: {dtype: int8}\n  amount: {description: in euro}\n", id="columns"
        ),
        pytest.param("columns: {amount: a DATE it is not}\n", id="documentation"),
        pytest.param("columns: {amount: date}\n", id="a word"),
    ],
)
def test_what_is_declared_and_returned_is_valid(shop: Repo, declared: str) -> None:
    shop.write(NEXT, DECLARED.format(declared))
    shop.seeknal("validate")


@pytest.mark.parametrize(
    ("declared", "line", "message"),
    [
        pytest.param(
            "schema:\n  - {name: id, data_type: BIGINT}\n  - {name: amount, data_type: 'DECIMAL(9, 2)'}\n",
            5,
            "transform.next promises amount as DECIMAL(9,2), and its SQL returns it as DOUBLE.",
            id="type",
        ),
        pytest.param(
            "schema: [{name: total, data_type: DOUBLE}]\n",
            3,
            "transform.next promises the column total, and its SQL returns none of that name.",
            id="name",
        ),
        pytest.param(
            "columns:\n  id: {dtype: VARCHAR}\n",
            4,
            "transform.next promises id as VARCHAR, and its SQL returns it as BIGINT.",
            id="columns",
        ),
    ],
)
def test_what_is_declared_and_not_returned_is_refused(
    shop: Repo, declared: str, line: int, message: str
) -> None:
    shop.write(NEXT, DECLARED.format(declared))
    said = shop.seeknal("validate", code=1).err
    assert f"{NEXT}:{line}: {message}" in said


def test_a_feature_that_is_no_longer_there_is_refused_with_the_line(shop: Repo) -> None:
    shop.write(
        "seeknal/feature_groups/f.yml",
        "kind: feature_group\nname: f\nentity: {name: c, join_keys: [name]}\ninputs: [transform.by_customer]\n"
        "features:\n  - name: total\n  - name: orders\n",
    )
    said = shop.seeknal("validate", code=1).err
    assert "seeknal/feature_groups/f.yml:5: feature_group.f promises the column orders" in said


def test_a_contract_decides_no_data(published: Repo) -> None:
    published.replace(
        DAILY, "name: daily", "name: daily\nschema: [{name: total, data_type: HUGEINT}]"
    )
    assert published.categories() == {"transform.daily": "METADATA"}


def test_a_feature_of_another_type_is_refused(shop: Repo) -> None:
    shop.write(
        "seeknal/feature_groups/f.yml",
        "kind: feature_group\nname: f\nentity: {name: c, join_keys: [name]}\ninputs: [transform.by_customer]\n"
        "features:\n  - {name: total, dtype: varchar}\n",
    )
    assert (
        "promises total as VARCHAR, and its SQL returns it as HUGEINT"
        in shop.seeknal("validate", code=1).err
    )


def test_a_promise_that_is_broken_upstream_says_where(dev: Repo) -> None:
    dev.replace(DAILY, "name: daily", "name: daily\nschema: [{name: total, data_type: HUGEINT}]")
    dev.commit()
    dev.git("branch", "--force", "main")
    dev.replace(CLEAN, "day, amount\n", "day, amount::DOUBLE AS amount\n")
    said = dev.seeknal("validate", code=1).err
    assert "promises total as HUGEINT, and its SQL returns it as DOUBLE" in said
    assert f"transform.clean_orders ({CLEAN}:2) turned amount from BIGINT into DOUBLE." in said


def test_a_partition_by_a_column_that_is_not_there_is_refused_before_a_run(shop: Repo) -> None:
    shop.replace(
        "seeknal/exposures/by_customer_csv.yml",
        "path: exports/by_customer.csv",
        "path: exports/by_customer.csv\n  partition_by: [country]",
    )
    said = shop.seeknal("validate", code=1).err
    assert "exposure.by_customer_csv partitions by the column country" in said


def test_a_reader_of_a_deleted_node_names_the_file_to_restore(dev: Repo) -> None:
    dev.git("rm", "-q", CLEAN)
    assert {hint for *_, hint in problems(dev)} == {
        f"Restore {CLEAN}, which was deleted, or change this reader."
    }
