"""The example project over the whole year of real flights: a day that is added, and a row that is
corrected, build their own days."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

from tests.conftest import ROOT, Repo, Templates
from tests.partitions.test_partitions import partitions

FLIGHTS = "data/flights.csv"
DAILY = ("source.flights", "transform.flights_clean", "transform.flights_by_hour")
LAST = "2013-12-31"


def make_year(repo: Repo) -> None:
    shutil.copytree(ROOT / "examples/flights", repo.path, ignore=shutil.ignore_patterns("target"))
    script = repo.path / "sample.py"
    data = repo.path / "data"
    subprocess.run(
        [sys.executable, script, "--full", "--to", data], check=True, capture_output=True
    )
    repo.git("init", "--quiet")
    repo.write(".gitignore", "data/\n")
    repo.commit("The project")


def digests(repo: Repo) -> dict[str, tuple[int, int]]:
    """Table → the number and a hash of its rows."""
    tables = ("flights", "flights_clean", "flights_by_hour", "daily_summary")
    sql = "SELECT count(*), sum(hash(t)::HUGEINT) FROM main.{table} AS t"
    return {table: repo.numbers(sql.format(table=table))[0] for table in tables}


def test_a_day_and_a_correction_build_their_own_days(copy_of: Templates) -> None:
    year = copy_of("year of flights", make_year)
    raw = year.path / FLIGHTS
    lines = raw.read_text().splitlines(keepends=True)
    raw.write_text("".join(line for line in lines if f",{LAST}T" not in line))
    first = partitions(year)
    assert {len(first[node]) for node in DAILY} == {365}

    # A day in New York lies in two days of UTC, so that the summary has two days to build.
    raw.write_text("".join(lines))
    assert partitions(year) == {
        **{node: [LAST] for node in DAILY},
        "transform.daily_summary": ["2013-12-30", LAST],
    }

    place = next(
        number for number, line in enumerate(lines) if re.match(r"2013,3,14,\d+.*-03-14T15", line)
    )
    fields = lines[place].split(",")
    fields[5] = "999"
    lines[place] = ",".join(fields)
    raw.write_text("".join(lines))
    assert partitions(year) == {
        **{node: ["2013-03-14"] for node in DAILY},
        "transform.daily_summary": ["2013-03-13", "2013-03-14"],
    }

    shown = digests(year)
    year.warehouse.unlink()
    year.seeknal("run")
    assert digests(year) == shown
