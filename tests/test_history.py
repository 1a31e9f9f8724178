"""What production published: its records, and what earlier ones showed."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seeknal_git.git.merge_source import branch_that_came, fast_forwarded, named_in
from seeknal_git.project.workspace import open_workspace
from seeknal_git.warehouse.connection import opened
from seeknal_git.warehouse.duckdb_file import DuckDBFile
from seeknal_git.warehouse.model.environments import Published
from seeknal_git.warehouse.model.publications import Publication
from seeknal_git.warehouse.model.snapshots import Audit, Blueprint
from seeknal_git.warehouse.opening import open_warehouse
from seeknal_git.warehouse.snapshots import record_audits
from seeknal_git.warehouse.state_tables import LATER_COLUMNS
from tests.conftest import Repo, Templates, make_published

DAILY = "seeknal/transforms/daily.yml"


def log(repo: Repo, *arguments: str) -> list[dict[str, Any]]:
    return list(repo.seeknal("log", "--json", *arguments).json["publications"])


def nodes(entry: dict[str, Any]) -> dict[str, tuple[Any, ...]]:
    """Node → change, rows before, rows after, built."""
    return {each["node"]: tuple(each.values())[1:] for each in entry["nodes"]}


def change(repo: Repo, sql: str = "max(amount)") -> str:
    repo.replace(DAILY, "sum(amount)", sql)
    return repo.commit(f"A day is {sql}")


# The records


def test_a_publication_says_what_it_did(published: Repo) -> None:
    published.replace("seeknal/transforms/clean_orders.yml", "amount IS NOT NULL", "amount > 10")
    (published.path / "seeknal/exposures/by_customer_csv.yml").unlink()
    (published.path / "seeknal/transforms/by_customer.yml").unlink()
    published.write(
        "seeknal/transforms/towns.yml",
        "kind: transform\nname: towns\ntransform: SELECT town FROM source.customers\n"
        "inputs: [source.customers]\n",
    )
    commit = published.commit()
    published.seeknal("run")
    entry, first = log(published)
    assert (entry["id"], entry["commit"], entry["author"]) == (2, commit, "Ada <ada@example.org>")
    assert (entry["command"], entry["merged"], entry["restores"]) == ("run", None, None)
    assert (entry["current"], entry["kept"], first["current"], first["kept"]) == (
        True,
        True,
        False,
        True,
    )
    assert 0 < entry["seconds"] < 60
    assert (entry["built"], entry["reused"], entry["removed"]) == (3, 2, 1)
    assert nodes(entry) == {
        "transform.by_customer": ("removed", 3, None, False),
        "transform.clean_orders": ("re-pointed", 4, 3, True),
        "transform.daily": ("re-pointed", 2, 2, True),
        "transform.towns": ("added", None, 3, True),
    }
    assert nodes(first)["source.orders"] == ("added", None, 5, True)


def test_the_log_is_read_like_that_of_git(published: Repo) -> None:
    published.replace("seeknal/transforms/clean_orders.yml", "amount IS NOT NULL", "amount > 10")
    commit = published.commit()
    published.seeknal("run")
    (date, seconds) = published.numbers(
        "SELECT strftime(published_at, '%Y-%m-%d %H:%M:%S'), seconds "
        "FROM _seeknal.publications WHERE id = 2"
    )[0]
    shown = published.seeknal("log", "-n", "1")
    assert shown.out == (
        f"publication 2  {commit[:8]}  current\n"
        "Author: Ada <ada@example.org>\n"
        "Commit: A commit\n"
        f"Date:   {date} UTC\n"
        f"Reason: run, {seconds:.1f} s\n"
        "\n"
        "    re-pointed  transform.by_customer   3 rows      built\n"
        "    re-pointed  transform.clean_orders  4 → 3 rows  built\n"
        "    re-pointed  transform.daily         2 rows      built\n"
    )
    assert shown.err == "and 1 earlier publication; -n 0 shows all\n"


def test_a_long_list_is_shortened_unless_it_is_asked_for(published: Repo) -> None:
    for number in range(9):
        published.write(
            f"seeknal/transforms/n{number}.yml",
            f"kind: transform\nname: n{number}\ntransform: SELECT {number} AS n\n",
        )
    published.commit()
    assert "transform.n0  1 row, " in published.seeknal("run").err
    shown = published.seeknal("log", "-n", "1").out
    assert shown.endswith("n7  1 row  built\n    and 1 more added; --verbose shows all\n")
    assert "transform.n8" in published.seeknal("log", "-n", "1", "--verbose").out


def test_a_promotion_re_uses_what_a_branch_built(published: Repo) -> None:
    published.switch("dev", create=True)
    change(published)
    published.seeknal("run")
    published.switch("main")
    published.seeknal("promote", "dev")
    entry = log(published, "-n", "1")[0]
    assert (entry["command"], entry["merged"]) == ("promote", "dev")
    assert nodes(entry) == {"transform.daily": ("re-pointed", 2, 2, False)}
    assert "Reason: promote after a merge of dev, " in published.seeknal("log").out
    dev = published.seeknal("log", "--env", "dev", "--json").json
    assert (dev["environment"], dev["production"]) == ("dev", False)
    assert nodes(dev["publications"][0])["transform.daily"] == ("added", None, 2, True)


def test_the_same_commit_published_again_says_no_merge(published: Repo) -> None:
    published.switch("dev", create=True)
    change(published)
    published.switch("main")
    published.merge("dev")
    published.seeknal("run")
    published.tamper("DROP VIEW main.daily")
    published.seeknal("run")
    again, first = log(published, "-n", "2")
    assert (again["merged"], first["merged"]) == (None, "dev")
    assert nodes(again) == {"transform.daily": ("restored", 2, 2, False)}


def test_uncommitted_nodes_are_said(published: Repo) -> None:
    published.replace(DAILY, "sum(amount)", "max(amount)")
    published.seeknal("run")
    assert [each["uncommitted"] for each in log(published)] == [True, False]
    assert "current  with uncommitted nodes" in published.seeknal("log").out


def test_nothing_was_published_yet(shop: Repo) -> None:
    assert log(shop) == []
    assert (
        shop.seeknal("log").out
        == "main was never published. Build and publish it with: seeknal run\n"
    )
    assert "There is no branch nowhere" in shop.seeknal("log", "--env", "nowhere", code=2).err


# Which branch came in


@pytest.mark.parametrize(
    ("message", "branch"),
    [
        pytest.param("Merge branch 'dev'", "dev", id="git"),
        pytest.param("Merge branch 'feature/x' into main\n\nWhy", "feature/x", id="git, into"),
        pytest.param("Merge remote-tracking branch 'origin/dev'", "dev", id="of a remote"),
        pytest.param(
            "Merge pull request #12 from ada/feature/x\n\nTitle", "feature/x", id="GitHub"
        ),
        pytest.param("Revert \"Merge branch 'dev'\"", None, id="a revert"),
        pytest.param("Merge commit '4f2c1a9b'", None, id="a commit"),
        pytest.param("Totals", None, id="something else"),
    ],
)
def test_the_message_of_a_merge_names_the_branch(message: str, branch: str | None) -> None:
    assert named_in(message) == branch


@pytest.mark.parametrize(
    ("entry", "branch"),
    [
        pytest.param("merge dev: Fast-forward", "dev", id="by its name"),
        pytest.param(
            "merge refs/heads/feature/x: Fast-forward", "feature/x", id="by its long name"
        ),
        pytest.param("merge origin/dev: Fast-forward", "dev", id="of a remote"),
        pytest.param("merge refs/tags/v1: Fast-forward", "v1", id="a tag"),
        pytest.param("merge 4f2c1a9b: Fast-forward", None, id="a commit"),
        pytest.param("commit: Totals", None, id="a commit of its own"),
        pytest.param("pull: Fast-forward", None, id="a pull"),
    ],
)
def test_the_log_of_a_branch_names_what_was_merged(entry: str, branch: str | None) -> None:
    assert fast_forwarded(entry) == branch


def without_log(repo: Repo) -> None:
    repo.git("reflog", "expire", "--expire=all", "--all")


def merged_as(repo: Repo, how: str) -> None:
    repo.switch("dev", create=True)
    repo.commit("On dev")
    repo.switch("main")
    if how.startswith("fast-forward"):
        repo.merge("dev")
    elif how == "with a message of its own":
        repo.git("merge", "--no-ff", "-m", "Totals", "dev")
    elif how == "pulled":
        repo.git("merge", "--no-ff", "-m", "Merge branch 'main' of https://example.org/shop", "dev")
    elif how == "squashed":
        repo.git("merge", "--squash", "dev")
        repo.commit("Squashed")
    else:
        repo.merge("dev", "--no-ff")
    if "without a log" in how:
        without_log(repo)
    if "two branches" in how:
        repo.git("branch", "other")
    if "gone" in how:
        repo.git("branch", "-D", "dev")


@pytest.mark.parametrize(
    ("how", "branch"),
    [
        ("fast-forward", "dev"),
        ("fast-forward, the branch is gone", "dev"),
        ("fast-forward, without a log", "dev"),
        ("fast-forward, without a log, two branches", None),
        ("a merge commit", "dev"),
        ("with a message of its own", "dev"),
        ("squashed", None),
        ("pulled", None),
    ],
)
def test_the_branch_that_came_in_is_told_where_git_knows_it(
    repo: Repo, how: str, branch: str | None
) -> None:
    merged_as(repo, how)
    assert branch_that_came(open_workspace(repo.path).repository, repo.head, "main") == branch


def test_a_branch_that_starts_at_a_commit_did_not_bring_it(repo: Repo) -> None:
    repo.commit("On main")
    repo.git("branch", "dev")
    assert branch_that_came(open_workspace(repo.path).repository, repo.head, "main") is None


# Laws

SHOWN = st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), st.integers(1, 3), max_size=4)


def as_published(shows: dict[str, int]) -> dict[str, Published]:
    return {
        name: Published(f"transform.{name}", name, f"a{k}", f"{name}__{k}", f"f{k}")
        for name, k in shows.items()
    }


def blueprint(identity: str, name: str, sql: str) -> Blueprint:
    return Blueprint(
        id=identity,
        identity=identity,
        build="",
        unstable=False,
        node=f"transform.{name}",
        name=name,
        fingerprint="f",
        data_version=None,
        sql=sql,
        parameters={},
    )


@settings(max_examples=15)
@given(st.lists(SHOWN, min_size=1, max_size=6))
def test_every_publication_can_be_read_as_it_was(sequence: list[dict[str, int]]) -> None:
    with open_warehouse(None, None) as warehouse:
        builder, expected = warehouse.builder(), {}
        for name in "abcd":
            for k in range(1, 4):
                builder.build(blueprint(str(k), name, f"SELECT {k} AS k FROM range({k})"))
        builder.commit()
        for number, shows in enumerate(sequence):
            views = {f"transform.{name}": each for name, each in as_published(shows).items()}
            outcome = warehouse.publications.publish(
                Publication("main", "main", str(number), "Ada", "run", views)
            )
            assert outcome.publication is not None
            expected[outcome.publication] = views
        for number, views in expected.items():
            assert warehouse.environments.shown("main", number) == views
            moves = warehouse.publications.moves("main", [number])[number]
            assert {each.node for each in moves if each.change != "removed"} <= views.keys()
            assert warehouse.publications.lost("main") == {}
            rows = warehouse.publications.rows("main", number)
            assert rows == {node: int(each.snapshot[1:]) for node, each in views.items()}


STEPS = st.lists(
    st.one_of(
        st.sampled_from(["sum(amount)", "max(amount)", "min(amount)"]),
        st.sampled_from(["day, 1", "remove", "rollback"]),
        st.integers(0, 5),
    ),
    min_size=2,
    max_size=6,
)


def do(repo: Repo, step: str | int, known: int) -> bool:
    """Take a step; whether production may have been published by it."""
    if isinstance(step, int):
        return repo.seeknal("rollback", str(1 + step % known), code=None).code == 0
    if step == "rollback":
        return repo.seeknal("rollback", code=None).code == 0
    if step == "remove":
        (repo.path / DAILY).unlink(missing_ok=True)
    else:
        repo.write(
            DAILY,
            f"kind: transform\nname: daily\ninputs: [transform.clean_orders]\n"
            f"transform: SELECT day, {step} AS total FROM transform.clean_orders GROUP BY day\n",
        )
    repo.commit(f"{step}")
    repo.seeknal("promote")
    return True


@pytest.fixture(scope="session")
def copies(templates: Templates, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Repo]:
    from tests.conftest import copied

    place: Path = tmp_path_factory.mktemp("copies")
    return lambda: copied(templates("published", make_published), place / uuid.uuid4().hex)


@settings(max_examples=4)
@given(STEPS)
def test_a_rollback_and_a_question_about_the_past_give_exactly_what_production_had(
    copies: Callable[[], Repo], steps: list[str | int]
) -> None:
    repo = copies()
    had = {1: repo.production()}
    for step in steps:
        before = max(had)
        do(repo, step, before)
        shown = {each["id"]: each for each in log(repo, "-n", "1")}
        number, entry = next(iter(shown.items()))
        had[number] = repo.production()
        if entry["restores"]:
            assert had[number] == had[entry["restores"]]
        if number == before:
            assert had[number] == had[before], "what was refused changed nothing"
    for number, views in had.items():
        then = repo.seeknal("status", "--at", str(number), "--json").json
        assert sorted(each["view"] for each in then["nodes"]) == sorted(views)
        for name, (_, rows) in views.items():
            asked = repo.seeknal("query", "--at", str(number), f'FROM "{name}"', "--json").json
            kept = sorted([tuple(map(str, row)) for row in rows])
            assert sorted(tuple(str(value) for value in row.values()) for row in asked) == kept


# A clock that goes back


def test_a_clock_that_goes_back_confuses_nothing(published: Repo) -> None:
    """Everything that was written down until now is of the year 2099."""
    published.seeknal("run", "--full")
    for table, column in {
        "snapshots": "built_at",
        "audits": "checked_at",
        "publications": "published_at",
        "runs": "started_at",
        "exposures": "written_at",
    }.items():
        published.tamper(f"UPDATE _seeknal.{table} SET {column} = TIMESTAMP '2099-01-01'")
    published.tamper("UPDATE _seeknal.runs SET status = 'failed', message = 'a failure'")
    change(published)
    published.replace("seeknal/transforms/by_customer.yml", "sum(o.amount)", "max(o.amount)")
    published.commit()
    published.seeknal("run", "--full")
    assert published.seeknal("status", "--json").json["production"]["failure"] is None
    assert published.seeknal("status", "--json").json["missing"] == {}
    tables = published.numbers(
        "SELECT table_name FROM _seeknal.publication_nodes n WHERE node = 'source.orders' ORDER BY publication_id"
    )
    assert len(set(tables)) == 3, "every run built it again"
    assert published.run()["repointed"] == [], "the newest tables are the last that were built"
    assert published.run("--dry-run")["write"] == [], (
        "the newest file is the last that was delivered"
    )
    assert [each["id"] for each in log(published)] == sorted(
        (each["id"] for each in log(published)), reverse=True
    )
    published.seeknal("rollback")
    assert published.numbers("SELECT sum(total) FROM main.daily") == [(100,)]


def test_the_last_answer_and_the_last_table_are_those_that_were_written_last() -> None:
    with opened(None, None) as catalog:
        connection, warehouse = catalog.connection, DuckDBFile(Path(), catalog, None)
        for number in (1, 2):
            builder = warehouse.builder()
            builder.build(blueprint(str(number), "orders", "SELECT 1"))
            builder.commit()
            record_audits(connection, [Audit("id", "source.orders", "unique", number, 9)])
            connection.execute(
                "UPDATE warehouse._seeknal.snapshots SET built_at = TIMESTAMP '2099-01-01' WHERE id = '1'"
            )
            connection.execute(
                "UPDATE warehouse._seeknal.audits SET checked_at = TIMESTAMP '2099-01-01' WHERE violations = 1"
            )
        assert [each.id for each in warehouse.snapshots.find(["f"])[0]] == ["1", "2"]
        assert warehouse.snapshots.audits(["id"])["id"].violations == 2


def test_a_delivery_that_was_broken_off_is_made_again(published: Repo) -> None:
    """Whoever was killed while a file was put in place left a row without a snapshot."""
    assert published.run("--dry-run")["write"] == []
    published.tamper(
        "INSERT INTO _seeknal.exposures BY NAME SELECT * REPLACE ('' AS snapshot_id) FROM _seeknal.exposures LIMIT 1"
    )
    published.write("exports/by_customer.csv", "neither the one nor the other\n")
    assert published.run("--dry-run")["write"] == ["exposure.by_customer_csv"]
    published.seeknal("run")
    assert sorted(published.read("exports/by_customer.csv").splitlines()) == [
        "Ada,40",
        "Bob,20",
        "Cy,40",
        "name,total",
    ]
    assert published.run("--dry-run")["write"] == []


# A warehouse of the version before


def aged(repo: Repo) -> None:
    for table, columns in LATER_COLUMNS.items():
        for name in columns:
            repo.tamper(f"ALTER TABLE _seeknal.{table} DROP COLUMN {name}")


@pytest.fixture
def old(published: Repo) -> Repo:
    """Two publications in the form of the version before; the second has other numbers."""
    change(published)
    published.seeknal("run")
    published.tamper(
        f"UPDATE _seeknal.exposures SET path = '{published.path}/exports/by_customer.csv'"
    )
    aged(published)
    return published


def test_a_warehouse_of_the_version_before_is_read_as_it_is(old: Repo) -> None:
    content = old.warehouse.read_bytes()
    newest, first = log(old)
    assert (newest["seconds"], newest["merged"], newest["restores"]) == (None, None, None)
    assert nodes(newest) == {"transform.daily": ("re-pointed", None, None, None)}
    assert "    re-pointed  transform.daily\n" in old.seeknal("log").out
    assert first["command"] == "run"
    assert old.seeknal(
        "query", "--at", "1", "SELECT sum(total) AS s FROM daily", "--json"
    ).json == [{"s": 100}]
    then = old.seeknal("status", "--at", "1", "--json").json
    assert {each["node"]: each["rows"] for each in then["nodes"]}["transform.daily"] == 2
    assert old.seeknal("status", "--json").json["production"]["failure"] is None
    old.seeknal("rollback", "--dry-run")
    assert old.warehouse.read_bytes() == content


def test_a_warehouse_of_the_version_before_is_rolled_back(old: Repo) -> None:
    old.seeknal("rollback")
    assert old.numbers("SELECT sum(total) FROM main.daily") == [(100,)]
    assert nodes(log(old, "-n", "1")[0]) == {"transform.daily": ("re-pointed", 2, 2, False)}


def test_files_whose_form_was_not_written_down_are_told(old: Repo) -> None:
    old.replace("seeknal/transforms/by_customer.yml", "sum(o.amount)", "max(o.amount)")
    old.commit()
    old.seeknal("run")
    before = old.read("exports/by_customer.csv")
    done = old.seeknal("rollback", code=1)
    assert (
        "the file of exposure.by_customer_csv is not that of publication 2: an earlier version delivered it"
        in done.err
    )
    assert old.read("exports/by_customer.csv") == before


# Production as it was


def test_a_question_about_the_past_reaches_that_publication_and_nothing_else(
    published: Repo,
) -> None:
    published.write(
        "seeknal/transforms/later.yml", "kind: transform\nname: later\ntransform: SELECT 1 AS n\n"
    )
    change(published)
    published.seeknal("run")
    past = ["query", "--at", "1", "--json"]
    assert published.seeknal(*past, "SELECT sum(total) AS s FROM daily").json == [{"s": 100}]
    assert published.seeknal(*past, "SELECT sum(total) AS s FROM main.daily").json == [{"s": 100}]
    assert published.seeknal("query", "SELECT sum(total) AS s FROM daily", "--json").json == [
        {"s": 60}
    ]
    for sql in (
        "FROM later",
        "FROM _seeknal.runs",
        "FROM 'data/orders.csv'",
        "CREATE TABLE x AS SELECT 1",
        "SET lock_configuration = false",
        "COPY daily TO 'x.csv'",
        "FROM records",
    ):
        assert published.seeknal(*past, sql, code=2).err.startswith("error: "), sql
    assert (
        "goes without --env" in published.seeknal(*past, "FROM daily", "--env", "dev", code=2).err
    )
    published.seeknal(*past, "FROM daily", "--env", "prod")


def test_the_past_of_a_production_branch_of_another_name(shop: Repo) -> None:
    shop.git("branch", "--move", "main", "trunk")
    shop.write("seeknal_project.yml", "name: shop\nproduction_branch: trunk\n")
    shop.commit("Production is called trunk")
    shop.seeknal("run")
    change(shop)
    shop.seeknal("run")
    for name in ("daily", "trunk.daily"):
        asked = shop.seeknal("query", "--at", "1", f"SELECT sum(total) AS s FROM {name}", "--json")
        assert asked.json == [{"s": 100}]
    shop.seeknal("query", "--at", "1", "FROM main.daily", code=2)


def test_a_commit_that_was_not_published_is_read_as_production_was_then(published: Repo) -> None:
    first = published.head
    between = published.commit("Nothing that was published")
    change(published)
    published.seeknal("run")
    asked = published.seeknal(
        "query", "--at", between, "SELECT sum(total) AS s FROM daily", "--json"
    )
    assert asked.json == [{"s": 100}]
    assert (
        asked.err
        == f"{between[:8]} was not published itself: production showed publication 1 ({first[:8]}) then.\n"
    )
    then = published.seeknal("status", "--at", "HEAD~1", "--json").json
    assert (then["asked"], then["publication"]["id"], then["current"]) == (between, 1, False)
    assert then["since"] == [
        {"node": "transform.daily", "change": "re-pointed", "rows_before": 2, "rows_after": 2}
    ]
    assert published.seeknal("query", "--at", "HEAD", "FROM daily").err == "2 rows\n"


def test_a_past_that_never_was_is_refused(shop: Repo) -> None:
    for command in (["query", "--at", "1", "FROM daily"], ["status", "--at", "1"]):
        assert "Production was never published" in shop.seeknal(*command, code=2).err
    before = shop.head
    change(shop)
    shop.seeknal("run")
    for command in (["query", "FROM daily"], ["status"]):
        for wrong in ("HEAD:data/orders.csv", "HEAD^{tree}", "-x", "", "99", "@{u}"):
            assert (
                "There is no publication and no commit"
                in shop.seeknal(*command, "--at", wrong, code=2).err
            ), wrong
        assert (
            f"Nothing was published yet at {before[:8]}"
            in shop.seeknal(*command, "--at", before, code=2).err
        )
        assert (
            "no publication and no commit nope"
            in shop.seeknal(*command, "--at", "nope", code=2).err
        )


def test_a_past_whose_tables_are_gone_is_refused_and_its_history_is_kept(published: Repo) -> None:
    published.write("seeknal_project.yml", "name: shop\nkeep_promotions: 1\nkeep_history: 0d\n")
    change(published)
    published.seeknal("run")
    published.seeknal("gc", "--yes")
    refused = published.seeknal("query", "--at", "1", "FROM daily", code=1).err
    assert (
        "Publication 1 is no longer kept whole: the tables of transform.daily are gone." in refused
    )
    assert "of the last publication of production" in refused
    then = published.seeknal("status", "--at", "1")
    assert "no longer kept whole: 1 table gone" in then.out
    assert "transform.daily         2 rows" in then.out
    entry = log(published)[1]
    assert (entry["kept"], entry["lost"]) == (False, ["transform.daily"])
    assert "not kept: 1 table gone" in published.seeknal("log").out


def test_status_of_the_past_says_what_is_different_today(published: Repo) -> None:
    published.replace("seeknal/transforms/clean_orders.yml", "amount IS NOT NULL", "amount > 10")
    published.commit()
    published.seeknal("run")
    shown = published.seeknal("status", "--at", "1").out
    assert "    source.orders           5 rows\n" in shown
    assert shown.endswith(
        "Since then:\n"
        "    re-pointed  transform.by_customer   3 rows\n"
        "    re-pointed  transform.clean_orders  4 → 3 rows\n"
        "    re-pointed  transform.daily         2 rows\n"
    )
    assert "It is what production shows." in published.seeknal("status", "--at", "2").out


def test_json_is_of_version_1(published: Repo) -> None:
    change(published)
    published.seeknal("run")
    for command in (["log"], ["status", "--at", "1"], ["rollback"]):
        assert json.loads(published.seeknal(*command, "--json").out)["version"] == 1
