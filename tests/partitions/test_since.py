"""Environments in part: a branch that builds some partitions, and the release that completes it."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import Repo, examples, make_empty
from tests.partitions.shop import DAYS, TRANSFORMS, Raw, Transform, shown, truth, write_nodes
from tests.partitions.test_law import EDITS, ORDER, REFUND, Walk

DAILY = {
    **TRANSFORMS,
    # It has no partitions, and reads a node that has.
    "total": Transform("SELECT sum(amount) AS amount FROM transform.daily", ("transform.daily",)),
}
OF_DAYS = {name: DAILY[name] for name in ("daily", "total")}
EDITED = {
    **OF_DAYS,
    "daily": replace(
        OF_DAYS["daily"], sql=OF_DAYS["daily"].sql.replace("sum(amount)", "max(amount)")
    ),
}


def make(repo: Repo, days: int = 30) -> None:
    """Production with one order a day in January 2026, and a branch that edits the daily node."""
    orders = {
        number: (f"{date(2026, 1, 1) + timedelta(days=number)} 10:00:00", 1, number + 1)
        for number in range(days)
    }
    make_empty(repo)
    repo.write(".gitignore", "data/\n")
    Raw(orders, {}, {1: "Rome"}).write(repo)
    write_nodes(repo, OF_DAYS)
    repo.commit("The project")
    repo.seeknal("run")
    repo.switch("dev", create=True)
    write_nodes(repo, EDITED)
    repo.commit("Edit daily")


@pytest.fixture
def branch(copy_of: Any) -> Repo:
    made: Repo = copy_of("since", make)
    return made


def days(repo: Repo, schema: str = "dev") -> list[int]:
    return sorted(row[0].day for row in shown(repo, schema)["daily"])


def test_a_run_since_some_days_ago_counts_back_from_the_newest_partition(branch: Repo) -> None:
    told = branch.seeknal("run", "--since", "3d")
    assert days(branch) == [28, 29, 30]
    assert "--since 3d is counted back from 2026-01-31 00:00" in told.err
    assert "transform.daily holds 3 of 30 partitions, from 2026-01-28" in told.err
    assert "transform.total is computed of transform.daily" in told.err
    assert days(branch, "main") == list(range(1, 31))


def test_dates_limit_a_run_too(branch: Repo) -> None:
    branch.seeknal("run", "--start", "2026-01-10", "--end", "2026-01-12")
    assert days(branch) == [10, 11]
    branch.seeknal("run", "--since", "2026-01-30")
    assert days(branch) == [30]
    branch.seeknal("run", "--since", "48h", "--end", "2026-01-12T12:00:00+00:00")
    assert days(branch) == [10, 11, 12]
    branch.seeknal("run", "--end", "2026-01-03")
    assert days(branch) == [1, 2]


def test_every_command_says_that_an_environment_is_partial(branch: Repo) -> None:
    ran = branch.run("--since", "3d")
    daily = {
        "partitions": 3,
        "of": 30,
        "since": "2026-01-28",
        "until": None,
        "over": [],
    }
    total = {"partitions": 0, "of": 0, "since": None, "until": None, "over": ["transform.daily"]}
    assert ran["partial"] == {"transform.daily": daily, "transform.total": total}
    assert branch.seeknal("status", "--json").json["partial"] == ran["partial"]
    assert branch.plan()["partial"] == ran["partial"]
    listed = {
        each["branch"]: each["partial"] for each in branch.seeknal("env", "list", "--json").json
    }
    assert listed == {"main": [], "dev": ["transform.daily", "transform.total"]}
    words = "transform.daily holds 3 of 30 partitions, from 2026-01-28"
    assert words in branch.seeknal("status").out
    assert words in branch.seeknal("plan").out
    assert "2 partial" in branch.seeknal("env", "list").out
    assert f"dev is partial: {words}." in branch.seeknal("query", "FROM daily").err
    assert "computed of transform.daily" in branch.seeknal("query", "FROM total").err
    assert "partial" not in branch.seeknal("query", "FROM orders").err
    assert "partial" not in branch.seeknal("query", "--env", "prod", "FROM daily").err


def test_a_partition_over_a_total_in_part_is_built_again_as_that_is_completed(repo: Repo) -> None:
    shares = Transform(
        "SELECT d.day, d.amount / t.amount AS share FROM transform.daily AS d\n"
        "CROSS JOIN transform.total AS t",
        ("transform.daily", "transform.total"),
        DAYS,
    )
    days_of_january = (f"2026-01-{day:02} 10:00:00" for day in range(1, 11))
    Raw(
        {day: (time, 1, day) for day, time in enumerate(days_of_january, 1)}, {}, {1: "Rome"}
    ).write(repo)
    write_nodes(repo, {**OF_DAYS, "shares": shares})
    repo.commit("The project")
    repo.seeknal("run")
    repo.switch("dev", create=True)
    write_nodes(repo, {**EDITED, "shares": shares})
    repo.commit("Edit daily")
    told = repo.seeknal("run", "--since", "2d").err
    assert (
        "transform.shares holds 2 of 10 partitions, from 2026-01-09, computed of transform.total"
        in told
    )
    assert len(repo.run()["built"]["transform.shares"]["partitions"]["built"]) == 10
    assert shown(repo, "dev") == truth(repo.path, {**EDITED, "shares": shares})


def test_a_dry_run_tells_the_partitions(branch: Repo) -> None:
    told = branch.seeknal("run", "--since", "3d", "--dry-run").out
    assert "in part: 3 of 30 partitions, from 2026-01-28" in told
    assert "in part: transform.daily" in told
    assert branch.run("--since", "3d", "--dry-run")["partial"]["transform.daily"]["of"] == 30


def test_a_plain_run_completes_an_environment_with_the_pieces_that_are_there(branch: Repo) -> None:
    branch.run("--since", "3d")
    more = branch.run("--since", "5d")
    assert more["built"]["transform.daily"]["partitions"]["built"] == ["2026-01-26", "2026-01-27"]
    whole = branch.run()
    assert whole["built"]["transform.daily"]["reason"] == "it was built in part"
    assert len(whole["built"]["transform.daily"]["partitions"]["built"]) == 25
    assert whole["partial"] == {}
    assert days(branch) == list(range(1, 31))
    assert branch.run("--since", "3d")["built"] == {}
    assert "partial" not in branch.seeknal("query", "FROM daily").err


def test_a_promotion_completes_what_it_publishes(branch: Repo) -> None:
    branch.run("--since", "3d")
    done = branch.seeknal("promote", "dev", "--json").json
    assert len(done["built"]["transform.daily"]["partitions"]["built"]) == 27
    assert shown(branch, "main") == truth(branch.path, EDITED)


def test_a_promotion_by_git_completes_it_too(branch: Repo) -> None:
    branch.install_hooks()
    branch.run("--since", "3d")
    branch.switch("main")
    branch.merge("dev")
    assert shown(branch, "main") == truth(branch.path, EDITED)


def test_a_promotion_without_backfill_refuses_to_complete_it(branch: Repo) -> None:
    branch.run("--since", "3d")
    before, head = branch.production(), branch.git("rev-parse", "main")
    for arguments in (("dev",), ("dev", "--dry-run")):
        refused = branch.seeknal("promote", *arguments, "--no-backfill", code=2)
        assert "transform.daily lacks 27 of 30" in refused.err
    assert branch.production() == before
    assert branch.git("rev-parse", "main") == head
    branch.run()
    branch.seeknal("promote", "dev", "--no-backfill")
    assert shown(branch, "main") == truth(branch.path, EDITED)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--since", "soon"), "--since is a date such as 2026-11-12, or a length such as 14d"),
        (("--start", "14d"), "--start is a date such as 2026-11-12, not '14d'"),
        (("--since", "14d", "--start", "2026-01-01"), "--since and --start say the same"),
        (("--start", "2026-01-02", "--end", "2026-01-02"), "is not before --end 2026-01-02"),
        (("--since", "14d", "--full"), "--full builds everything"),
        (("--since", "14d", "--env", "main"), "main is production, which is never built in part"),
    ],
)
def test_wrong_limits_are_refused(branch: Repo, arguments: tuple[str, ...], words: str) -> None:
    assert words in branch.seeknal("run", *arguments, code=2).err


def test_limits_that_change_nothing_are_noted(branch: Repo) -> None:
    branch.seeknal("run")
    told = branch.seeknal("run", "--since", "3d")
    assert "No node is built in part, so --since 3d changes nothing." in told.err
    assert days(branch) == list(range(1, 31))


def test_limits_around_all_partitions_are_none(branch: Repo) -> None:
    assert branch.run("--since", "30d")["partial"] == {}
    assert days(branch) == list(range(1, 31))


def test_a_length_needs_a_source_that_is_loaded(repo: Repo) -> None:
    Raw({1: ("2026-01-05 10:00:00", 1, 1)}, {}, {1: "Rome"}).write(repo)
    write_nodes(repo, OF_DAYS)
    repo.commit("The project")
    repo.switch("dev", create=True)
    told = repo.seeknal("run", "--since", "3d", code=2).err
    assert "counts back from the newest partition of a source, and none is loaded" in told
    assert repo.run("--start", "2026-01-06")["partial"]["transform.daily"]["partitions"] == 0


def test_an_environment_of_new_raw_data_stays_partial_only_as_asked(branch: Repo) -> None:
    branch.run("--since", "3d")
    branch.write("data/orders.csv", branch.read("data/orders.csv") + "99,2026-01-31 10:00:00,1,5\n")
    again = branch.run("--refresh", "--since", "3d")
    assert again["partial"]["transform.daily"]["of"] == 31
    assert days(branch) == [28, 29, 30, 31]  # counted from the load that was known


def test_gc_and_deletion_of_the_branch_leave_production_whole(branch: Repo) -> None:
    branch.run("--since", "3d")
    before = branch.production()
    branch.seeknal("gc", "--yes")
    assert days(branch) == [28, 29, 30]
    branch.switch("main")
    branch.seeknal("env", "delete", "dev")
    branch.seeknal("gc", "--yes")
    assert branch.production() == before
    branch.seeknal("promote", "dev")
    assert shown(branch, "main") == truth(branch.path, EDITED)


# Random ranges

SINCE = st.one_of(
    st.tuples(st.just("--since"), st.builds("{}d".format, st.integers(1, 40))),
    st.tuples(
        st.just("--start"),
        st.builds("2026-{:02}-{:02}".format, st.integers(1, 3), st.integers(1, 28)),
    ),
    st.tuples(
        st.just("--end"),
        st.builds("2026-{:02}-{:02}".format, st.integers(1, 3), st.integers(1, 28)),
    ),
)
STEP = st.one_of(
    st.tuples(
        st.just("part"),
        st.tuples(st.sampled_from(sorted(EDITS)), st.lists(SINCE, min_size=1, max_size=3)),
    ),
    st.tuples(st.just("order"), st.lists(ORDER, min_size=1, max_size=5)),
    st.tuples(st.just("refund"), st.lists(REFUND, min_size=1, max_size=3)),
    st.tuples(st.just("delete"), st.integers(0, 1000)),
    st.tuples(st.just("edit"), st.sampled_from(sorted(EDITS))),
)


def test_a_branch_in_part_equals_the_whole_where_it_has_partitions() -> None:
    @settings(max_examples=examples(2), suppress_health_check=list(HealthCheck))
    @given(st.lists(ORDER, min_size=3, max_size=20), st.lists(STEP, min_size=2, max_size=5))
    def holds(first: list[tuple[str, int, int]], steps: list[tuple[str, object]]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            walk = WalkInPart(Repo(Path(folder) / "shop"), first, DAILY)
            for name, given in steps:
                getattr(walk, name)(given)
                walk.compare()

    holds()


class WalkInPart(Walk):
    def part(self, given: tuple[str, list[tuple[str, str]]]) -> None:
        """Edit on a branch, run it in part, and in other parts; then merge it as it is."""
        name, limits = given
        edited = {**self.transforms, name: self._edited(name)}
        self.repo.switch("dev", create=True)
        write_nodes(self.repo, edited)
        self.repo.commit(f"Edit {name}")
        for limit in limits:
            self._shows_its_part(edited, self.repo.run(*limit)["partial"])
        self.repo.switch("main")
        self.repo.merge("dev", "--no-ff")
        self.repo.git("branch", "--quiet", "--delete", "dev")
        self.transforms = edited
        self.repo.seeknal("promote")

    def _shows_its_part(self, edited: dict[str, Transform], partial: dict[str, Any]) -> None:
        """The rows are those of the whole, restricted to the partitions that the branch has."""
        rows, whole = shown(self.repo, "dev"), truth(self.repo.path, edited)
        for node, part in partial.items():
            name = node.removeprefix("transform.")
            if part["over"]:
                assert name == "total"
                amounts = [row[2] for row in rows["daily"]]
                assert rows[name] == [(sum(amounts) if amounts else None,)]
                continue
            since, until = part["since"] or "", part["until"] or "9"
            whole[name] = [
                row for row in whole[name] if since <= str(row[0]) and str(row[0]) < until
            ]
            assert rows[name] == whole[name]
        for name in rows.keys() - {node.removeprefix("transform.") for node in partial}:
            assert rows[name] == whole[name]
