"""What was seen to go wrong in Seeknal 2.13 and must not happen here; the numbers are those of the
list of defects."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from tests.conftest import Repo

CLEAN = "seeknal/transforms/clean_orders.yml"
DAILY = "seeknal/transforms/daily.yml"
BY_CUSTOMER = "seeknal/transforms/by_customer.yml"
RULE = "seeknal/rules/amounts_are_positive.yml"
EXPOSURE = "seeknal/exposures/by_customer_csv.yml"
GROUP = """
kind: feature_group
name: habits
entity: {name: customer, join_keys: [customer]}
inputs: [{ref: transform.clean_orders}]
transform: |
  SELECT customer, count(DISTINCT day) AS days FROM source GROUP BY customer
features: [days]
"""
Story = Callable[[Repo], None]
STORIES: list[tuple[str, Story]] = []


def defect(number: str) -> Callable[[Story], Story]:
    def add(story: Story) -> Story:
        STORIES.append((number, story))
        return story

    return add


def transform(repo: Repo, name: str, sql: str, **keys: str) -> None:
    more = "".join(f"{key}: {value}\n" for key, value in keys.items())
    lines = "".join(f"  {line}\n" for line in sql.splitlines())
    repo.write(
        f"seeknal/transforms/{name}.yml",
        f"kind: transform\nname: {name}\n{more}transform: |\n{lines}",
    )


def refused(repo: Repo, *words: str, command: tuple[str, ...] = ("run",)) -> None:
    """A command fails, names what is wrong and where, and production is as it was."""
    before = repo.production()
    done = repo.seeknal(*command, code=1)
    said = done.err + done.out
    assert all(word in said for word in words), said
    assert "Traceback" not in said
    assert repo.production() == before


@defect("D01")
def a_node_with_a_mistake_is_never_dropped_in_silence(shop: Repo) -> None:
    shop.replace(DAILY, "FROM transform.clean_orders", "FROM transform.clean_ordres")
    refused(shop, f"{DAILY}:7", "transform.clean_ordres")


@defect("D01")
def a_template_that_nobody_fills_in_is_an_error(shop: Repo) -> None:
    shop.replace(RULE, "amount > 0", '"{{rules.poss}}"')
    refused(shop, RULE)


@defect("D02")
def an_input_that_does_not_exist_is_an_error(shop: Repo) -> None:
    shop.replace(
        DAILY,
        "  - ref: transform.clean_orders",
        "  - ref: transform.clean_orders\n  - ref: source.nope",
    )
    refused(shop, f"{DAILY}:5", "source.nope")
    refused(shop, "source.nope", command=("plan",))


@defect("D03")
def two_nodes_of_one_id_are_an_error(shop: Repo) -> None:
    shop.write("seeknal/copy.yml", shop.read(DAILY))
    refused(shop, "transform.daily", "seeknal/copy.yml:2", f"{DAILY}:2")


@defect("D04")
def an_edit_after_the_plan_is_not_run_as_if_it_were_planned(shop: Repo) -> None:
    shop.seeknal("plan", "dev")
    shop.replace(DAILY, "sum(amount)", "100 * sum(amount)")
    assert "transform.daily" in shop.seeknal("run", "--env", "dev", code=2).err
    shop.seeknal("run", "--env", "dev", "--force")
    assert shop.numbers("SELECT max(total) FROM dev.daily") == [(7000,)]


@defect("D05")
def looking_at_a_change_does_not_make_it_done(shop: Repo) -> None:
    shop.replace(DAILY, "sum(amount)", "max(amount)")
    shop.seeknal("run", "--dry-run")
    shop.seeknal("parse")
    for _ in range(2):
        assert shop.categories() == {"transform.daily": "BREAKING"}
    assert shop.built() == ["transform.daily"]


@defect("D06")
def a_description_builds_nothing(shop: Repo) -> None:
    shop.write(CLEAN, shop.read(CLEAN) + "description: What was paid\nowner: me\ntags: [a]\n")
    assert shop.categories() == {"transform.clean_orders": "METADATA"}
    assert shop.built() == []


@defect("D07")
def a_removed_column_that_somebody_reads_is_breaking(shop: Repo) -> None:
    shop.replace(CLEAN, "SELECT id, customer, day, amount", "SELECT id, customer, day")
    refused(shop, "amount", DAILY, command=("plan",))
    shop.git("checkout", "--quiet", CLEAN)
    shop.replace(BY_CUSTOMER, "c.name AS name, ", "")
    assert shop.categories() == {"transform.by_customer": "BREAKING"}


@defect("D08")
def a_branch_never_writes_productions_exposures(shop: Repo) -> None:
    before = shop.read("exports/by_customer.csv")
    shop.switch("dev", create=True)
    shop.replace(BY_CUSTOMER, "sum(o.amount)", "1000 * sum(o.amount)")
    shop.seeknal("run")
    assert shop.read("exports/by_customer.csv") == before
    assert "40000" in shop.read("target/exposures/dev/exports/by_customer.csv"), (
        "with the branch's own values"
    )


@defect("D09")
def an_edit_of_a_feature_groups_sql_is_run(shop: Repo) -> None:
    shop.write("seeknal/feature_groups/habits.yml", GROUP)
    shop.seeknal("run")
    shop.replace("seeknal/feature_groups/habits.yml", "count(DISTINCT day)", "10 * count(*)")
    assert shop.built() == ["feature_group.habits"]
    assert shop.numbers("SELECT days FROM habits ORDER BY customer") == [(20,), (10,), (10,)]


@defect("D10")
def a_consumer_alone_is_built_on_what_is_there(shop: Repo) -> None:
    shop.replace(DAILY, "sum(amount)", "max(amount)")
    assert shop.built() == ["transform.daily"]


@defect("D12")
def a_change_of_an_exposure_is_a_change(shop: Repo) -> None:
    shop.replace(EXPOSURE, "exports/by_customer.csv", "exports/elsewhere.csv")
    assert "exposure.by_customer_csv" in shop.categories()
    shop.seeknal("run")
    assert shop.read("exports/elsewhere.csv") == shop.read("exports/by_customer.csv")


@defect("D13")
def what_was_promoted_is_not_built_again(shop: Repo) -> None:
    shop.switch("dev", create=True)
    shop.replace(DAILY, "sum(amount)", "max(amount)")
    shop.commit()
    shop.seeknal("run")
    shop.switch("main")
    shop.seeknal("promote", "dev")
    assert shop.built() == []


@defect("D14")
def a_promotion_does_not_bring_old_data_back(shop: Repo) -> None:
    shop.switch("dev", create=True)
    shop.replace(DAILY, "sum(amount) AS total", "sum(amount) * 2 AS total")
    shop.commit()
    shop.seeknal("run")
    shop.switch("main")
    shop.replace("data/orders.csv", "4,3,2024-01-02,40", "4,3,2024-01-02,40\n6,1,2024-01-03,100")
    shop.commit("A new order")
    shop.seeknal("run")
    shop.seeknal("promote", "dev")
    assert shop.production() == shop.fresh_build()
    assert (200,) in shop.numbers("SELECT total FROM daily")


@defect("D15")
def a_branch_reads_no_stale_copy_of_production(shop: Repo) -> None:
    for number, branch in enumerate(["one", "two"]):
        shop.git("switch", "--quiet", "--create", branch, "main")
        shop.replace(DAILY, "sum(amount)", f"sum(amount) + {number}")
        shop.commit()
        shop.seeknal("run")
        shop.switch("main")
        shop.write(
            "data/orders.csv", f"{shop.read('data/orders.csv')}{number + 6},1,2024-01-04,8000\n"
        )
        shop.commit(f"More {number}")
        shop.seeknal("run")
    shop.git("switch", "--quiet", "--create", "three", "main")
    shop.seeknal("run")
    assert shop.views("three") == shop.production()


@defect("D17")
def a_failing_node_of_a_branch_is_a_failed_run(shop: Repo) -> None:
    shop.switch("dev", create=True)
    shop.replace(DAILY, "sum(amount)", "sum(error('second try')::INT)")
    assert "transform.daily" in shop.run(code=1)["failed"]


@defect("D17b")
def a_failed_attempt_does_not_promote_an_earlier_one(shop: Repo) -> None:
    shop.switch("dev", create=True)
    shop.replace(DAILY, "sum(amount)", "1 + sum(amount)")
    shop.seeknal("run")
    shop.replace(DAILY, "1 + sum(amount)", "sum(error('second try')::INT)")
    shop.commit()
    shop.seeknal("run", code=1)
    shop.switch("main")
    before = shop.production()
    assert "second try" in shop.seeknal("promote", "dev", code=1).out
    assert shop.production() == before


@defect("D18")
def a_deleted_nodes_table_does_not_stay_in_production(shop: Repo) -> None:
    shop.switch("dev", create=True)
    shop.git("rm", "--quiet", DAILY)
    shop.commit()
    shop.seeknal("run")
    assert "daily" not in shop.views("dev")
    shop.switch("main")
    shop.seeknal("promote", "dev")
    assert "daily" not in shop.production()


@defect("D18b D44")
def a_deleted_node_that_is_still_read_is_an_error(shop: Repo) -> None:
    shop.git("rm", "--quiet", CLEAN)
    refused(shop, "transform.clean_orders", f"{DAILY}:4")
    refused(shop, "transform.clean_orders", command=("plan",))


@defect("D19")
def a_parallel_run_remembers_what_it_built(shop: Repo) -> None:
    assert len(shop.built("--full", "--parallel", "--max-workers", "4")) == 5
    assert shop.built("--parallel", "--max-workers", "4") == []


@defect("D20")
def nothing_is_built_on_the_old_table_of_a_node_that_failed(shop: Repo) -> None:
    shop.replace(CLEAN, "day, amount", "day, error('no')::INT AS amount")
    done = shop.run("--continue-on-error", code=1)
    assert set(done["skipped"]) >= {"transform.daily", "transform.by_customer"}
    assert done["built"] == {}


@defect("D21")
def an_exposure_never_writes_rows_that_nobody_has(shop: Repo) -> None:
    shop.replace(CLEAN, "day, amount", "day, error('no')::INT AS amount")
    shop.replace(EXPOSURE, "exports/by_customer.csv", "exports/never.csv")
    shop.seeknal("run", "--continue-on-error", code=1)
    shop.switch("dev", create=True)
    shop.seeknal("run", "--continue-on-error", code=1)
    assert not (shop.path / "exports/never.csv").exists()
    assert not (shop.path / "target/exposures/dev/exports/never.csv").exists()


@defect("D22")
def no_entry_of_a_list_of_rules_hides_another(shop: Repo) -> None:
    entries = """
        - {type: range, column: amount, params: {max_val: 1}}
        - {type: sql_assertion, sql: SELECT * FROM input_data WHERE amount < 0}
    """
    shop.write(RULE, shop.read(RULE).replace("rule: amount > 0", f"rule: {entries}"))
    assert "range" in shop.run(code=1)["failed"]["rule.amounts_are_positive"]
    shop.replace(RULE, "max_val: 1}", "max_val: 1000}")
    shop.replace(RULE, "amount < 0", "nope < 0")
    refused(shop, "nope", RULE)


@defect("D23")
def an_empty_input_is_checked_too(shop: Repo) -> None:
    shop.replace(CLEAN, "amount IS NOT NULL", "amount > 1000")
    entries = "\n  - {type: range, column: amount, params: {max_val: 1}}\n  - {type: 'null', columns: [id]}"
    shop.write(RULE, shop.read(RULE).replace("rule: amount > 0", f"rule: {entries}"))
    shop.seeknal("run")
    assert shop.production()["clean_orders"][1] == []
    sql = "SELECT 1 AS empty FROM (SELECT count(*) AS n FROM input_data) WHERE n = 0"
    shop.write(RULE, shop.read(RULE).replace(entries, f"\n  type: sql_assertion\n  sql: {sql}"))
    assert "rule.amounts_are_positive" in shop.run(code=1)["failed"]


@defect("D24")
def an_audit_is_checked_by_the_run(shop: Repo) -> None:
    shop.write(DAILY, shop.read(DAILY) + "audits:\n  - {type: row_count, min: 1000}\n")
    before = shop.production()
    assert "row_count" in shop.run(code=1)["failed"]["transform.daily"]
    assert shop.production() == before


@defect("D28")
def types_and_nodes_take_several_as_the_help_says(shop: Repo) -> None:
    assert len(shop.built("--full", "--types", "transform,feature_group")) == 3
    assert len(shop.built("--full", "--nodes", "daily", "--nodes", "by_customer")) == 2


@defect("D29")
def content_decides_not_time(shop: Repo) -> None:
    file = shop.path / "data/orders.csv"
    os.utime(file, (1, 1))
    assert shop.built() == []
    file.write_text(file.read_text().replace("01,10", "01,11"))
    os.utime(file, (1, 1))
    assert "source.orders" in shop.built()


@defect("D30")
def a_date_in_yaml_is_a_text(shop: Repo) -> None:
    shop.write(DAILY, shop.read(DAILY) + "params: {since: 2024-01-01}\n")
    shop.seeknal("run")
    shop.seeknal("plan")


@defect("D34")
def a_name_made_of_the_letters_of_ref_is_an_ordinary_name(shop: Repo) -> None:
    transform(shop, "offer", "SELECT id FROM ref('source.orders')")
    transform(
        shop, "free", "SELECT id FROM ref('transform.offer')", inputs='["ref:transform.offer"]'
    )
    assert shop.built() == ["transform.free", "transform.offer"]


@defect("D38")
def many_sources_side_by_side_do_not_get_in_each_others_way(shop: Repo) -> None:
    for number in range(24):
        shop.write(f"data/many/{number}.csv", f"x\n{number}\n")
        text = f"kind: source\nname: s{number}\nsource: csv\ntable: data/many/{number}.csv\n"
        shop.write(f"seeknal/sources/s{number}.yml", text)
    shop.git("add", "--all")
    assert len(shop.built("--max-workers", "8")) == 24
    assert shop.numbers("SELECT x FROM s7") == [(7,)]


@defect("D39")
def a_feature_group_without_its_keys_or_features_is_an_error(shop: Repo) -> None:
    shop.write(
        "seeknal/feature_groups/habits.yml",
        GROUP.replace("SELECT customer,", "SELECT customer AS c,"),
    )
    refused(shop, "customer", "seeknal/feature_groups/habits.yml")
    shop.write(
        "seeknal/feature_groups/habits.yml",
        GROUP.replace("features: [days]", "features: [days, weeks]"),
    )
    refused(shop, "weeks", "seeknal/feature_groups/habits.yml:7")


@defect("D39")
def join_keys_are_unique_and_not_null(shop: Repo) -> None:
    shop.write(
        "seeknal/feature_groups/habits.yml",
        GROUP.replace("GROUP BY customer", "GROUP BY customer, day"),
    )
    assert "join_keys_unique" in shop.run(code=1)["failed"]["feature_group.habits"]
    shop.write(
        "seeknal/feature_groups/habits.yml",
        GROUP.replace("SELECT customer,", "SELECT nullif(customer, 1) AS customer,"),
    )
    assert "join_keys_not_null" in shop.run(code=1)["failed"]["feature_group.habits"]


@defect("D40")
def a_position_that_means_no_input_is_an_error(shop: Repo) -> None:
    shop.replace(BY_CUSTOMER, "FROM input_0", "FROM __THIS__")
    refused(shop, "__THIS__", f"{BY_CUSTOMER}:8")
    shop.git("checkout", "--quiet", BY_CUSTOMER)
    shop.replace(DAILY, "FROM transform.clean_orders", "FROM input_1")
    refused(shop, "input_1", f"{DAILY}:7")


@defect("D41")
def an_apostrophe_in_a_comment_is_a_comment(shop: Repo) -> None:
    transform(
        shop, "careful", "SELECT id -- it's fine; really\nFROM ref('source.orders') /* isn't; it */"
    )
    assert shop.built() == ["transform.careful"]
    assert len(shop.production()["careful"][1]) == 5


@defect("D41")
def several_statements_in_one_node_are_an_error_not_a_node_without_a_table(shop: Repo) -> None:
    transform(shop, "two", "CREATE TABLE x AS SELECT 1; SELECT 2 AS two")
    refused(shop, "seeknal/transforms/two.yml")


@defect("D42")
def a_text_in_params_stays_a_text(shop: Repo) -> None:
    shop.write("data/codes.csv", "code;n\n007;1,10\nno;2,00\n")
    shop.write(
        "seeknal/sources/codes.yml",
        """
        kind: source
        name: codes
        source: csv
        table: data/codes.csv
        params: {delimiter: ";", nullstr: "no"}
        schema: [{name: code, data_type: VARCHAR}, {name: n, data_type: VARCHAR}]
    """,
    )
    shop.seeknal("run")
    assert shop.numbers("SELECT * FROM codes") == [("007", "1,10"), (None, "2,00")]


@defect("D46")
def a_change_of_tests_does_not_pin_a_node_to_its_old_table(shop: Repo) -> None:
    shop.switch("dev", create=True)
    shop.replace(CLEAN, "day, amount", "day, 2 * amount AS amount")
    shop.write(DAILY, shop.read(DAILY) + "audits:\n  - {type: row_count, min: 1}\n")
    shop.commit()
    shop.seeknal("run")
    shop.switch("main")
    shop.seeknal("promote", "dev")
    assert shop.production() == shop.fresh_build()
    assert (140,) in shop.numbers("SELECT total FROM daily")


@defect("D47")
def a_table_that_was_deleted_is_noticed(shop: Repo) -> None:
    shop.tamper(f"DROP TABLE _snapshots.{dict(shop.snapshots())['transform.clean_orders']}")
    assert shop.built() == ["transform.clean_orders"]


@defect("D48")
def the_same_input_twice_is_no_cycle(shop: Repo) -> None:
    sql = "SELECT a.id FROM input_0 AS a JOIN input_1 AS b ON a.id = b.id + 1"
    transform(shop, "pairs", sql, inputs="[source.orders, source.orders]")
    assert shop.built() == ["transform.pairs"]
    assert len(shop.production()["pairs"][1]) == 4


@defect("D49")
def a_real_cycle_is_an_error_that_shows_it(shop: Repo) -> None:
    shop.replace(CLEAN, "ref: source.orders", "ref: transform.daily")
    shop.replace(CLEAN, "ref('source.orders')", "ref('transform.daily')")
    for command in ("plan", "run", "parse", "validate"):
        refused(shop, "transform.clean_orders", "→", "transform.daily", command=(command,))


@defect("D53")
def a_declared_type_is_applied_and_one_that_does_not_fit_is_an_error(shop: Repo) -> None:
    orders = "seeknal/sources/orders.yml"
    text = shop.read(orders)
    shop.write(orders, text + "columns: {amount: {dtype: DOUBLE}, id: what it is}\n")
    shop.seeknal("run")
    assert "amount DOUBLE" in shop.production()["orders"][0]
    shop.write(orders, text + "schema: [{name: day, data_type: INTEGER}]\n")
    refused(shop, "2024-01-01", orders)
    shop.write(orders, text + "schema: [{name: nope, data_type: INTEGER}]\n")
    refused(shop, "nope", f"{orders}:5")


@defect("D57")
def the_keys_of_an_older_project_file_are_no_error(shop: Repo) -> None:
    shop.write(
        "seeknal_project.yml",
        "name: shop\nversion: 1.0.0\nprofile: default\nconfig-version: 1\nstate_backend: file\n",
    )
    assert shop.built() == []


@defect("D62")
def swapped_inputs_are_a_change(shop: Repo) -> None:
    transform(
        shop,
        "minus",
        "SELECT id FROM input_0 EXCEPT SELECT id FROM input_1",
        inputs="[source.orders, source.customers]",
    )
    shop.seeknal("run")
    transform(
        shop,
        "minus",
        "SELECT id FROM input_0 EXCEPT SELECT id FROM input_1",
        inputs="[source.customers, source.orders]",
    )
    assert shop.categories()["transform.minus"] == ("BREAKING")
    assert shop.built() == ["transform.minus"]
    assert shop.production()["minus"][1] == []


@defect("D64 D65")
def a_rule_or_an_exposure_downstream_keeps_nothing_from_being_promoted(shop: Repo) -> None:
    shop.switch("dev", create=True)
    shop.replace(CLEAN, "day, amount", "day, 2 * amount AS amount")
    shop.replace(RULE, "amount > 0", "amount > 1")
    shop.replace(EXPOSURE, "path:", "format: csv\n  path:")
    shop.commit()
    shop.seeknal("run")
    shop.switch("main")
    shop.seeknal("promote", "dev")
    assert "Cy,80" in shop.read("exports/by_customer.csv")
    assert shop.production() == shop.fresh_build()


@defect("D72")
def a_documented_column_is_documentation(shop: Repo) -> None:
    shop.write(CLEAN, shop.read(CLEAN) + "columns: {id: the number}\n")
    assert shop.categories() == {"transform.clean_orders": "METADATA"}
    shop.commit()
    shop.seeknal("run")
    shop.replace(CLEAN, "the number", "the number of the order")
    assert shop.categories() == {"transform.clean_orders": "METADATA"}


@pytest.mark.parametrize(
    "story",
    [
        pytest.param(story, id=f"{number} {story.__name__.replace('_', ' ')}")
        for number, story in STORIES
    ],
)
def test_this_does_not_happen_here(published: Repo, story: Story) -> None:
    story(published)
