"""The views `entity_<name>`: all feature groups of an entity side by side, in every environment."""

from __future__ import annotations

from typing import Any

import pytest

from seeknal_git.project import entities
from tests.conftest import Repo, Templates, View, make_empty

FILES = {
    "data/habits.csv": "customer_id,day,orders\n1,2024-01-01,1\n1,2024-01-05,2\n2,2024-01-03,7\n",
    "data/payments.csv": "customer_id,paid_at,paid\n1,2024-01-05,10\n3,2024-01-02,20\n",
    "data/profile.csv": "customer_id,country,age\n1,ID,30\n4,NL,40\n",
}
SOURCE = "kind: source\nname: {name}\nsource: csv\ntable: data/{name}.csv\n"
GROUP = (
    "kind: feature_group\nname: {name}_of_customer\nentity: customer\n{time}"
    "inputs: [source.{name}]\ntransform: SELECT * FROM source.{name}\n"
)
TIMES = {"habits": "day", "payments": "paid_at"}
PAYMENTS = "seeknal/payments_of_customer.yml"
ALL = (
    "SELECT customer_id, event_time::VARCHAR, habits_of_customer.orders, payments_of_customer.paid,"
    " profile_of_customer.country FROM {}.entity_customer ORDER BY ALL"
)
ROWS = [
    (1, "2024-01-01", 1, None, "ID"),
    (1, "2024-01-05", 2, 10, "ID"),
    (2, "2024-01-03", 7, None, None),
    (3, "2024-01-02", None, 20, None),
    (4, None, None, None, "NL"),
]
PAID = [(*row[:3], row[3] and row[3] + 1, row[4]) for row in ROWS]


def make_features(repo: Repo) -> None:
    make_empty(repo)
    for path, text in FILES.items():
        repo.write(path, text)
    for name in ("habits", "payments", "profile"):
        repo.write(f"seeknal/{name}.yml", SOURCE.format(name=name))
        time = f"materialization: {{event_time_col: {TIMES[name]}}}\n" if name in TIMES else ""
        repo.write(f"seeknal/{name}_of_customer.yml", GROUP.format(name=name, time=time))
    repo.commit("Features")
    repo.seeknal("run")


@pytest.fixture
def features(copy_of: Templates) -> Repo:
    return copy_of("features", make_features)


def rows(repo: Repo, schema: str = "main") -> list[tuple[Any, ...]]:
    return repo.numbers(ALL.format(schema))


def shows(repo: Repo, schema: str = "main") -> set[str]:
    return {view for view in repo.views(schema) if view.startswith("entity_")}


def raise_payments(repo: Repo) -> None:
    repo.replace(PAYMENTS, "SELECT *", "SELECT customer_id, paid_at, paid + 1 AS paid")


def release(repo: Repo) -> None:
    raise_payments(repo)
    repo.commit("Raised")
    repo.seeknal("run")


def settle(repo: Repo, **values: object) -> None:
    lines = [f"{key}: {value}\n" for key, value in values.items()]
    repo.write("seeknal_project.yml", "name: empty\n" + "".join(lines))
    repo.commit("Settings")


def test_it_keeps_the_rows_of_every_group_with_a_struct_for_each(features: Repo) -> None:
    assert rows(features) == ROWS
    columns, _ = features.views("main")["entity_customer"]
    assert columns == (
        "customer_id BIGINT",
        "event_time DATE",
        "habits_of_customer STRUCT(orders BIGINT)",
        "payments_of_customer STRUCT(paid BIGINT)",
        "profile_of_customer STRUCT(country VARCHAR, age BIGINT)",
    )


def test_it_is_asked_and_inspected_by_its_name(features: Repo) -> None:
    found = features.seeknal("query", "SELECT count(*) AS n FROM entity_customer", "--json").json
    assert found == [{"n": 5}]
    by_id = "SELECT count(*) AS n FROM entity.customer"
    assert features.seeknal("query", by_id, "--json").json == found
    said = features.seeknal("query", "FROM entity.custmer", code=2).err
    assert "There is no table entity.custmer here.\n  Did you mean entity.customer?" in said
    assert "event_time" in features.seeknal("inspect", "entity_customer", "--schema").out
    assert "entity_customer" in features.seeknal("inspect").out


def test_an_answer_says_that_a_group_of_it_was_edited_since(features: Repo) -> None:
    def asked() -> str:
        return features.seeknal("query", "SELECT count(*) FROM entity_customer").err

    features.switch("dev", create=True)
    assert "changes" not in asked()
    raise_payments(features)
    assert "dev changes entity_customer: seeknal run" in asked()
    features.seeknal("run")
    assert "entity_customer" not in asked()
    features.replace(PAYMENTS, "paid + 1", "paid + 2")
    assert "dev shows entity_customer as of its last run" in asked()
    features.git("restore", ".")
    features.git("rm", "--quiet", PAYMENTS)
    assert "dev shows entity_customer as of its last run" in asked()


def test_a_branch_has_its_own_and_a_promotion_moves_productions_with_its_groups(
    features: Repo,
) -> None:
    features.switch("dev", create=True)
    raise_payments(features)
    features.seeknal("run")
    assert (rows(features, "dev"), rows(features)) == (PAID, ROWS)
    features.commit("Raised")
    features.switch("main")
    features.merge("dev")
    before = features.promotions()
    features.seeknal("promote")
    assert (rows(features), features.promotions()) == (PAID, before + 1)


def test_a_run_of_one_group_moves_it_too(features: Repo) -> None:
    raise_payments(features)
    features.seeknal("run", "--select", "payments_of_customer")
    assert rows(features) == PAID


def test_a_run_of_some_groups_may_write_its_name_in_another_case(features: Repo) -> None:
    features.switch("dev", create=True)
    features.seeknal("run")
    groups = [f"{name}_of_customer" for name in ("habits", "payments", "profile")]
    for group in groups:
        entity = "entity: {name: Customer, join_keys: [customer_id]}"
        features.replace(f"seeknal/{group}.yml", "entity: customer", entity)
    raise_payments(features)
    features.seeknal("run", *(word for group in groups for word in ("--select", group)))
    assert (shows(features, "dev"), rows(features, "dev")) == ({"entity_Customer"}, PAID)


def test_a_run_with_nothing_to_do_leaves_it_alone(features: Repo) -> None:
    before = features.publications()
    for _ in range(2):
        assert features.run()["built"] == {}
    assert features.publications() == before
    assert "0 to remove" in features.seeknal("run", "--dry-run", "--full").out
    listed = features.seeknal("env", "list", "--json").json
    assert [each["nodes"] for each in listed] == [6]


@pytest.mark.parametrize("built", [True, False])
def test_a_dry_run_counts_it_as_a_promotion_does(features: Repo, built: bool) -> None:
    features.switch("dev", create=True)
    raise_payments(features)
    if built:
        features.seeknal("run")
    features.commit("Raised")
    features.switch("main")
    moved = ["feature_group.payments_of_customer", "entity.customer"]
    assert features.seeknal("promote", "dev", "--dry-run", "--json").json["repoint"] == moved
    said = features.seeknal("promote", "dev", "--dry-run").out
    assert f"2 views to re-point ({', '.join(moved)}), 0 to remove." in said
    assert "2 views re-pointed, 5 as before" in features.seeknal("promote", "dev").out
    for _ in range(2):
        assert "Nothing to do." in features.seeknal("promote", "--dry-run").out
        assert "0 views re-pointed, 7 as before" in features.seeknal("promote").out


def test_a_dry_run_names_it_if_it_goes(features: Repo) -> None:
    groups = [f"{name}_of_customer" for name in ("habits", "payments", "profile")]
    gone = sorted([*(f"feature_group.{group}" for group in groups), "entity.customer"])
    features.switch("dev", create=True)
    for group in groups:
        features.git("rm", "--quiet", f"seeknal/{group}.yml")
    features.commit("Gone")
    features.switch("main")
    work = features.seeknal("promote", "dev", "--dry-run", "--json").json
    assert (work["repoint"], sorted(work["remove"])) == ([], gone)
    assert sorted(features.seeknal("promote", "dev", "--json").json["removed"]) == gone


def test_one_that_is_missing_is_made_by_the_next_run(features: Repo) -> None:
    features.tamper("DROP VIEW main.entity_customer")
    assert "entity_customer is gone" in features.seeknal("doctor", code=None).out
    features.seeknal("run")
    assert rows(features) == ROWS


def test_a_rollback_shows_it_as_it_was_and_history_tells(features: Repo) -> None:
    release(features)
    assert rows(features) == PAID
    found = features.seeknal("query", "--at", "1", ALL.format("main"), "--format", "csv").out
    assert "1,2024-01-05,2,10,ID" in found
    features.seeknal("rollback")
    assert rows(features) == ROWS
    features.seeknal("rollback", "2")
    assert rows(features) == PAID
    assert "entity.customer" in features.seeknal("log", "--json").out


def test_a_rollback_to_before_there_was_one_takes_it_away(features: Repo) -> None:
    for name in ("habits", "payments", "profile"):
        path = f"seeknal/{name}_of_customer.yml"
        features.write(path, features.read(path).replace("entity: customer", "entity: buyer"))
        features.replace(path, "entity: buyer", "entity: {name: buyer, join_keys: [customer_id]}")
    features.commit("Another entity")
    features.seeknal("run")
    assert shows(features) == {"entity_buyer"}
    features.seeknal("rollback")
    assert (shows(features), rows(features)) == ({"entity_customer"}, ROWS)


def test_gc_keeps_the_tables_of_every_publication_that_is_kept(features: Repo) -> None:
    settle(features, keep_promotions=2, keep_history="0s")
    features.seeknal("run")
    release(features)
    features.seeknal("gc", "--yes")
    assert rows(features) == PAID
    features.seeknal("rollback")
    assert rows(features) == ROWS


def test_gc_drops_the_tables_of_those_that_are_not(features: Repo) -> None:
    settle(features, keep_promotions=1, keep_history="0s")
    release(features)
    dropped = features.seeknal("gc", "--yes", "--json").json["snapshots"]
    assert [each["node"] for each in dropped] == ["feature_group.payments_of_customer"]
    assert rows(features) == PAID
    refused = features.seeknal("rollback", "1", code=None)
    assert refused.code != 0
    assert "no longer kept whole" in refused.err
    assert rows(features) == PAID


def test_a_lost_table_is_told_of_it_too(features: Repo) -> None:
    table = features.snapshots_shown()["feature_group.profile_of_customer"]
    features.tamper(f"DROP TABLE _snapshots.{table}")
    assert "entity_customer dangles" in features.seeknal("doctor", code=None).out
    features.seeknal("run")
    assert rows(features) == ROWS


def test_an_environment_is_deleted_with_it(features: Repo) -> None:
    features.switch("dev", create=True)
    raise_payments(features)
    features.seeknal("run")
    features.git("switch", "--quiet", "--force", "main")
    features.seeknal("env", "delete", "dev")
    schemas = features.numbers("SELECT schema_name FROM information_schema.schemata")
    assert ("dev",) not in schemas
    assert rows(features) == ROWS


@pytest.mark.parametrize(
    "made",
    [
        pytest.param("CREATE OR REPLACE VIEW main.entity_customer AS SELECT 1 AS n", id="replaced"),
        pytest.param(
            "DROP VIEW main.entity_customer; CREATE TABLE main.entity_customer AS SELECT 1 AS n",
            id="a table",
        ),
    ],
)
def test_something_else_in_its_place_is_kept(features: Repo, made: str) -> None:
    features.tamper(made)
    raise_payments(features)
    features.commit("Raised")
    refused = features.seeknal("run", code=None)
    assert refused.code != 0
    assert "main.entity_customer" in refused.err
    assert features.numbers("FROM main.entity_customer") == [(1,)]
    assert features.numbers("SELECT sum(paid) FROM main.payments_of_customer") == [(30,)]


def test_keys_of_other_collations_are_compared_letter_by_letter(repo: Repo) -> None:
    for name, key in (("a", "'x' COLLATE NOCASE"), ("b", "'X' COLLATE NOACCENT"), ("c", "'x'")):
        repo.write(
            f"seeknal/{name}.yml",
            f"kind: feature_group\nname: {name}\nentity: {{name: word, join_keys: [k]}}\n"
            f"inputs: []\ntransform: SELECT {key} AS k, 1 AS n\n",
        )
    repo.seeknal("run")
    found = repo.numbers("SELECT k, a.n, b.n, c.n FROM main.entity_word ORDER BY k")
    assert found == [("X", None, 1, None), ("x", 1, None, 1)]
    assert "0 views re-pointed" in repo.seeknal("run").out


def test_a_comment_of_somebody_makes_it_theirs_and_the_message_says_so(features: Repo) -> None:
    features.tamper("COMMENT ON VIEW main.entity_customer IS 'All features'")
    raise_payments(features)
    features.commit("Raised")
    said = " ".join(features.seeknal("run", code=None).err.split())
    assert "The view of an entity is known by its comment, which is not to be changed." in said
    features.tamper("DROP VIEW main.entity_customer")
    features.seeknal("run")
    assert rows(features) == PAID


def test_a_branch_keeps_the_old_one_while_a_group_fails(features: Repo) -> None:
    features.switch("dev", create=True)
    features.seeknal("run")
    features.replace(PAYMENTS, "SELECT *", "SELECT customer_id, paid_at, error('no') AS paid")
    features.seeknal("run", code=1)
    assert rows(features, "dev") == ROWS
    features.replace(PAYMENTS, "error('no')", "paid + 1")
    features.seeknal("run")
    assert rows(features, "dev") == PAID


def test_it_goes_with_its_last_group(features: Repo) -> None:
    features.git("rm", "--quiet", PAYMENTS)
    features.commit("Without payments")
    features.seeknal("run")
    columns, found = features.views("main")["entity_customer"]
    assert (len(columns), len(found)) == (4, 4)
    features.git("rm", "--quiet", "seeknal/habits_of_customer.yml")
    features.commit("Without times")
    features.seeknal("run")
    columns, found = features.views("main")["entity_customer"]
    assert columns[0:1] + columns[1:2] == (
        "customer_id BIGINT",
        "profile_of_customer STRUCT(country VARCHAR, age BIGINT)",
    )
    features.git("rm", "--quiet", "seeknal/profile_of_customer.yml")
    features.commit("Without groups")
    features.seeknal("run")
    assert shows(features) == set()


@pytest.mark.parametrize(
    ("path", "old", "new", "why"),
    [
        pytest.param(
            PAYMENTS,
            "entity: customer",
            "entity: {name: customer, join_keys: [customer_id, paid]}",
            "has the join keys customer_id, and feature_group.payments_of_customer has",
            id="other keys",
        ),
        pytest.param(
            PAYMENTS,
            "SELECT *",
            "SELECT 'c' || customer_id AS customer_id, paid_at, paid",
            "customer_id is BIGINT in feature_group.habits_of_customer, and VARCHAR in",
            id="other types",
        ),
        pytest.param(
            PAYMENTS,
            "SELECT *",
            "SELECT customer_id::DOUBLE AS customer_id, paid_at, paid",
            "customer_id is BIGINT in feature_group.habits_of_customer, and DOUBLE in",
            id="a number that holds fewer digits",
        ),
        pytest.param(
            "seeknal/profile.yml",
            "name: profile\n",
            "name: entity_customer\n",
            "source.entity_customer has that name",
            id="a node of its name",
        ),
    ],
)
def test_there_is_none_if_the_groups_do_not_fit_together(
    features: Repo, path: str, old: str, new: str, why: str
) -> None:
    features.replace(path, old, new)
    profile = "seeknal/profile_of_customer.yml"
    if "profile" in path:
        features.write(
            profile, features.read(profile).replace("source.profile", "source.entity_customer")
        )
    warned = features.seeknal("validate")
    assert "There is no view entity_customer" in warned.err
    assert why in warned.err
    features.commit("They do not fit")
    assert why in features.seeknal("run").err
    shown: dict[str, View] = features.production()
    assert "event_time DATE" not in shown.get("entity_customer", ((), []))[0]
    assert shown["payments_of_customer"][1]


def test_an_entity_with_too_many_groups_for_one_view_has_none(
    features: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entities, "_MOST_GROUPS", 2)
    raise_payments(features)
    said = features.seeknal("run").err
    assert "There is no view entity_customer: it would have 3 feature groups, and more" in said
    assert shows(features) == set()
    assert features.numbers("SELECT sum(paid) FROM main.payments_of_customer") == [(32,)]


def test_a_state_of_somebody_else_makes_no_view_of_anything_but_a_select(features: Repo) -> None:
    release(features)
    features.tamper(
        "UPDATE _seeknal.publication_nodes SET query = "
        """'["SELECT 1; CREATE TABLE main.stolen AS SELECT 1"]', reads = '' """
        "WHERE node = 'entity.customer' AND publication_id = 1"
    )
    for command in (["rollback", "1"], ["query", "--at", "1", "FROM entity_customer"]):
        refused = features.seeknal(*command, code=None)
        assert refused.code != 0
        assert "damaged, or somebody else's" in refused.err
    assert "stolen" not in features.production()
    assert rows(features) == PAID
