"""Repositories that are not in a state for what is asked."""

from __future__ import annotations

import shutil

import pytest

from tests.conftest import Repo, Templates, make_published
from tests.errors.conftest import Refused, refusal

DEFAULTS = (["plan"], ["run"], ["diff"], ["query", "FROM daily"])


@pytest.mark.parametrize(
    "command", ["validate", "plan", "run", "promote", "status", "doctor", "parse", "gc"]
)
def test_no_repository(shop: Repo, command: str) -> None:
    shutil.rmtree(shop.path / ".git")
    said = refusal(shop.seeknal(command, code=1))
    assert (
        said
        == f"error: {shop.path} is not in a git repository.\n  Create one with: git init -b main\n"
    )
    assert not (shop.path / "target").exists()


def test_a_bare_repository(shop: Repo) -> None:
    bare = Repo(shop.path.parent / "bare.git")
    shop.git("clone", "--quiet", "--bare", ".", str(bare.path))
    (bare.path / "seeknal_project.yml").write_text("name: shop\n")
    assert "is a bare repository" in refusal(bare.seeknal("plan", code=1))


@pytest.mark.parametrize("command", ["plan", "run", "diff"])
def test_no_commit_yet(shop: Repo, refused: Refused, command: str) -> None:
    shutil.rmtree(shop.path / ".git")
    shop.git("init", "--quiet")
    said = refused(shop, command)
    assert (
        said
        == "error: There is no commit yet.\n  Make the first one: git add . && git commit -m 'First commit'\n"
    )
    assert shop.seeknal("validate").out == "7 nodes valid.\n"


@pytest.mark.parametrize("command", [["promote"], ["promote", "dev"], ["run", "--env", "dev"]])
def test_no_commit_yet_and_a_branch_is_named(
    shop: Repo, refused: Refused, command: list[str]
) -> None:
    shutil.rmtree(shop.path / ".git")
    shop.git("init", "--quiet")
    assert refused(shop, *command).startswith("error: There is no commit yet.")


@pytest.mark.parametrize(
    "command",
    [["plan"], ["diff"], ["promote", "dev"], ["promote", "dev", "--dry-run"]],
    ids=" ".join,
)
def test_unrelated_histories(published: Repo, refused: Refused, command: list[str]) -> None:
    published.git("switch", "--quiet", "--orphan", "dev")
    published.git("checkout", "main", "--", ".")
    published.commit()
    said = refused(published, *command)
    assert "have unrelated histories: there is no merge base to compare with." in said
    assert "Start the branch from the production branch: git switch -c NAME main" in said


@pytest.mark.parametrize(
    "command",
    [
        ["run", "--env", "featur"],
        ["promote", "featur"],
        ["promote", "featur", "--dry-run"],
        ["promote", "main", "featur"],
    ],
    ids=" ".join,
)
def test_a_branch_that_does_not_exist(
    published: Repo, refused: Refused, command: list[str]
) -> None:
    published.git("branch", "feature")
    assert (
        refused(published, *command)
        == "error: There is no branch featur.\n  Did you mean feature?\n"
    )
    said = refused(published, *(each.replace("featur", "zzz") for each in command))
    assert said == "error: There is no branch zzz.\n  There are feature, main.\n"


def test_a_query_of_a_branch_that_does_not_exist(published: Repo, refused: Refused) -> None:
    published.git("branch", "feature")
    assert "Did you mean feature?" in refused(published, "query", "--env", "featur", "FROM daily")


def test_a_query_of_an_environment_that_is_not_built(shop: Repo, refused: Refused) -> None:
    shop.git("branch", "dev")
    said = refused(shop, "query", "--env", "dev", "FROM daily")
    assert (
        said
        == "error: The environment dev is not built yet.\n  It exists once it is built: seeknal run --env dev\n"
    )


@pytest.mark.parametrize(
    "sql",
    [
        "FROM daily",
        "SELECT * FROM Daily AS d",
        'SELECT 1 FROM orders, "daily"',
        "WITH d AS (FROM daily) FROM d",
        "SELECT (SELECT max(total) FROM daily) AS m",
        "TABLE daily",
        "DESCRIBE daily",
        "SUMMARIZE daily",
        "PIVOT daily ON day IN ('2024-01-01') USING sum(total)",
        "FROM query_table('daily')",
        "FROM query('FROM daily')",
        "EXPLAIN ANALYZE FROM daily",
    ],
)
def test_a_query_of_a_node_that_a_branch_could_not_build_is_not_answered_by_production(
    copy_of: Templates, refused: Refused, sql: str
) -> None:
    repo = copy_of("half-built", make_half_built)
    said = refused(repo, "query", sql)
    wanted = (
        ["cannot be used here: name the tables themselves.\n"]
        if "query" in sql.lower()
        else NOT_BUILT
    )
    assert all(each in said for each in wanted)
    repo.seeknal("query", "WITH daily AS (SELECT 1 AS x) FROM daily")
    repo.seeknal("query", "--env", "prod", sql)


NOT_BUILT = (
    "daily is not built in dev: the last run failed: transform.daily: ",
    "production has it: --env prod\n",
)


def make_half_built(repo: Repo) -> None:
    """On a branch where daily could not be built, and never was."""
    make_published(repo)
    repo.switch("dev", create=True)
    repo.replace("seeknal/transforms/daily.yml", "sum(amount)", "sum(error('no')::INT)")
    assert list(repo.run("--continue-on-error", code=1)["failed"]) == ["transform.daily"]


def test_no_production_branch(published: Repo, refused: Refused) -> None:
    published.git("branch", "--move", "trunk")
    for command in ("plan", "promote"):
        assert refused(published, command).startswith(
            "error: There is no production branch main.\n"
        )


@pytest.mark.parametrize("name", ["a b", "a..b", "-x", "a~1", "HEAD", "x.lock", "@{-1}"])
def test_a_name_that_no_branch_can_have(published: Repo, refused: Refused, name: str) -> None:
    assert "branch" in refused(published, "plan", "--", name)
    assert "There is no branch" in refused(published, "run", f"--env={name}")


@pytest.mark.parametrize(
    "name", ["it's", 'a"b', "a;DROP-SCHEMA-main;--", "été/日本", "$(touch-x)", "a'--"]
)
def test_a_branch_of_any_name_has_an_environment(published: Repo, name: str) -> None:
    before = published.production()
    published.switch(name, create=True)
    published.replace("seeknal/transforms/daily.yml", "amount", "amount * 2")
    published.commit()
    published.seeknal("run")
    assert published.seeknal("query", "SELECT sum(total) AS s FROM daily", "--json").json == [
        {"s": 200}
    ]
    assert published.production() == before
    published.switch("main")
    published.seeknal("promote", name)
    assert published.numbers("SELECT sum(total) FROM main.daily") == [(200,)]
    assert published.seeknal("env", "delete", name).code == 0
