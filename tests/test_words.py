"""What commands say is true, and the same wherever it is said."""

from __future__ import annotations

import os
import re

import pytest

from seeknal_git.report.terminal import _STYLE
from seeknal_git.report.terminal import _folded as folded
from tests.conftest import Repo

CLEAN = "seeknal/transforms/clean_orders.yml"


def test_tables_nodes_and_layers_are_counted_alike_everywhere(published: Repo) -> None:
    assert "5 of 5 tables, 7 nodes" in published.seeknal("status").out
    assert "5 tables, 7 nodes, 6 edges, 3 layers: " in published.seeknal("parse").out
    published.switch("dev", create=True)
    published.replace(CLEAN, "amount IS NOT NULL", "amount > 15")
    plan = published.seeknal("plan").out
    assert "\n  2  transform.clean_orders\n" in plan
    assert "\n  3  1 rule, 2 transforms, side by side: rule.amounts_are_positive" in plan
    assert "then the files of exposure.by_customer_csv\n" in plan
    assert (
        "layer 2 of 3\n  build  transform.clean_orders" in published.seeknal("run", "--dry-run").out
    )
    said = published.seeknal("run").err
    assert [line for line in said.splitlines() if line.startswith("layer")] == [
        "layer 2 of 3",
        "layer 3 of 3",
    ]


@pytest.mark.parametrize(
    ("command", "argument"),
    [
        ("query", "SQL"),
        ("apply", "DRAFT"),
        ("dry-run", "DRAFT"),
        ("draft", "KIND"),
        ("draft source", "NAME"),
        ("env delete", "ENV"),
        ("env plan", "ENV"),
    ],
)
def test_a_missing_argument_is_named_with_the_usage(
    published: Repo, command: str, argument: str
) -> None:
    said = published.seeknal(*command.split(), code=2)
    assert said.err.startswith(
        f"error: Missing argument {argument}.\n  Usage: seeknal {command.split(maxsplit=1)[0]} "
    )
    assert said.out == ""


def test_an_option_with_a_wrong_value_is_named(published: Repo) -> None:
    assert "--max-workers" in published.seeknal("run", "--max-workers", "x", code=2).err


@pytest.mark.parametrize("group", ["", "env", "hooks", "warehouse"])
def test_no_line_of_help_is_cut(
    published: Repo, group: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    said = published.seeknal(*group.split(), "--help").out
    assert not [
        line
        for line in said.splitlines()
        if line.endswith(("...", "…")) and not line.startswith("Usage")
    ]


def test_the_columns_of_environments_are_what_their_heads_say(published: Repo) -> None:
    published.switch("dev", create=True)
    published.replace(CLEAN, "amount IS NOT NULL", "amount > 15")
    published.commit()
    published.seeknal("run")
    shown = published.head[:8]
    published.commit("Nothing that counts")
    head, *rows = published.seeknal("env", "list").out.splitlines()
    assert head.split() == [
        "branch",
        "schema",
        "shows",
        "ahead",
        "behind",
        "idle",
        "expires",
        "tables",
    ]
    (dev,) = (row.split() for row in rows if row.startswith("dev "))
    assert dev[:5] == ["dev", "dev", shown, "2", "0"]
    assert dev[-1] == "5"
    published.switch("main")
    published.git("branch", "--delete", "--force", "dev")
    assert "\ndev (gone)  dev " in published.seeknal("env", "list").out


def test_production_says_which_raw_data_moved_and_when(repo: Repo) -> None:
    repo.write("seeknal/sources/s.yml", "kind: source\nname: s\nsource: csv\ntable: raw/*.csv\n")
    repo.write("raw/a.csv", "id\n1\n")
    repo.write("raw/b.csv", "id\n2\n")
    repo.commit()
    repo.seeknal("run")
    assert "Raw data" not in repo.seeknal("plan").out + repo.seeknal("status").out
    repo.write("raw/b.csv", "id\n3\n")
    later = repo.path.stat().st_mtime + 100
    os.utime(repo.path / "raw/b.csv", (later, later))
    for command in ("plan", "status"):
        said = repo.seeknal(command).out
        assert re.search(
            r"Raw data moved: raw/b.csv \(source.s\), loaded 2.{18}, changed 2.{18} UTC. seeknal run",
            said,
        )
    (moved,) = repo.plan()["moved"]
    assert (moved["node"], moved["files"]) == ("source.s", ["raw/b.csv"])
    repo.seeknal("run")
    (repo.path / "raw/a.csv").unlink()
    os.utime(repo.path / "raw/b.csv", (later - 10**6, later - 10**6))
    assert repo.plan()["moved"][0]["files"] == ["raw/*.csv"], "nobody says that b.csv moved"
    repo.switch("dev", create=True)
    assert "Raw data" not in repo.seeknal("plan").out, "a branch goes on with production's load"


def test_publications_are_counted_for_each_environment_and_the_log_has_their_commits(
    published: Repo,
) -> None:
    published.switch("dev", create=True)
    published.replace(CLEAN, "amount IS NOT NULL", "amount > 15")
    published.commit("Small orders do not count")
    published.seeknal("run")
    published.switch("main")
    published.git("merge", "--ff-only", "dev")
    published.seeknal("promote")
    log = published.seeknal("log").out
    assert re.findall(r"^publication (\d+)", log, re.MULTILINE) == ["2", "1"]
    assert "Commit: Small orders do not count\n" in log
    assert re.findall(
        r"^publication (\d+)", published.seeknal("log", "--env", "dev").out, re.MULTILINE
    ) == ["1"]
    assert "to publication 1 (" in published.seeknal("rollback", "1").out


def test_an_environment_that_was_deleted_is_removed_and_not_never_run(published: Repo) -> None:
    published.switch("dev", create=True)
    published.seeknal("run")
    published.seeknal("env", "delete", "dev")
    assert (
        "dev is removed: this asks production's own tables."
        in published.seeknal("query", "FROM daily").err
    )
    published.seeknal("run")
    assert "removed" not in published.seeknal("query", "FROM daily").err


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        (
            "Production shows 12345678, and main here is behind: git fetch, then seeknal promote --force REASON, or wait",
            ("git fetch", "seeknal promote --force REASON"),
        ),
        (
            "Next: seeknal promote a-branch-of-some-length, or: git switch main && git merge a-branch-of-some-length",
            (
                "seeknal promote a-branch-of-some-length",
                "git switch main && git merge a-branch-of-some-length",
            ),
        ),
        (
            "Not everything here is committed yet, so first say: git commit -am 'A change, with a comma in it' and go on.",
            ("git commit -am 'A change, with a comma in it'",),
        ),
        (
            "A word-that-is-long-but-no-command stands in the way of `null_padding: true` in the params of a CSV source.",
            ("`null_padding: true`", "word-that-is-long-but-no-command"),
        ),
    ],
)
def test_no_wrap_breaks_a_command_or_a_word(
    monkeypatch: pytest.MonkeyPatch, text: str, whole: tuple[str, ...]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = folded(text, "  ").split("\n")
    assert len(lines) > 1
    assert max(map(len, lines)) <= 80
    assert all(any(each in line for line in lines) for each in whole), lines
    assert " ".join(line.strip() for line in lines) == text


def test_the_unit_of_a_time_stays_with_it_in_a_style(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    told = "3,972 rows, 1 of 24 files, 32 of 730 partitions, 0.04 s"
    line = f"  built    source.orders  {_STYLE}[2m{told}{_STYLE}[0m"
    assert "0.04 s" in folded(line, "    ").split("\n")[1]


def test_the_lineage_of_a_column_shows_all_that_decides_its_rows(published: Repo) -> None:
    published.replace("seeknal/transforms/daily.yml", "sum(amount) AS total", "count(*) AS orders")
    said = published.seeknal("lineage", "daily.orders").out
    assert "transform.clean_orders.day  decides rows of transform.daily" in said
    assert "source.orders.amount  decides rows of transform.clean_orders" in said


def test_dry_run_and_apply_do_not_send_each_other_round(published: Repo) -> None:
    published.write(
        "draft_source_new.yml", "kind: source\nname: new\nsource: csv\ntable: data/new.csv\n"
    )
    said = published.seeknal("apply", "draft_source_new.yml").err
    assert "warning: raw data is missing: data/new.csv (source.new).\n" in said
    published.write("data/new.csv", "id\n1\n")
    published.git("add", "data/new.csv")
    applied = "seeknal/sources/new.yml"
    assert published.seeknal("dry-run", applied).out.endswith("\nNext: seeknal plan\n")
    again = published.seeknal("apply", applied, code=2).err
    assert "is in the project already" in again
    assert "dry-run" not in again
