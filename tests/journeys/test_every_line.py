"""The command lines that people know from Seeknal's tutorials, word for word, on two days."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tests.conftest import Repo

KINDS = (
    "source transform feature-group rule exposure aggregation second-order-aggregation profile"
    " semantic-model metric common-source common-rule common-transformation"
).split()
IN_PYTHON = "source transform feature-group second-order-aggregation".split()
NAMES = "seeknal/transforms/names.yml"
DRAFTS = {
    "draft_source_customers.yml": "kind: source\nname: customers\nsource: csv\ntable: data/customers.csv\n",
    "draft_transform_names.yml": (
        "kind: transform\nname: names\n"
        "transform: SELECT customer_id, upper(name) AS name FROM ref('source.customers')\n"
    ),
}
FIRST = """
draft source my_data
dry-run draft_source_customers.yml
apply draft_source_customers.yml
dry-run draft_transform_names.yml --limit 1
apply draft_transform_names.yml
parse
plan
run --dry-run
run --show-plan
run -p
run
diff
env list
"""
EACH_DAY = """
plan dev
run --env dev
promote dev | 1
git commit -qam day
promote dev
run
run --env dev --parallel
run --parallel
run --parallel --max-workers 8
plan staging
run --env staging --parallel
promote staging
env plan qa
env apply qa --parallel --max-workers 4 --continue-on-error --dry-run
env apply qa --parallel --max-workers 4 --continue-on-error --no-force
env promote qa --dry-run
env promote qa
env delete qa
env list
git switch -q main
env delete dev
plan --project-path .
run --no-parallel
"""


def told(repo: Repo, lines: str) -> dict[str, str]:
    """Run each line, which must succeed unless it ends in another exit code; returns what it
    said."""
    said = {}
    for line in lines.strip().splitlines():
        command, _, code = line.partition(" | ")
        words = shlex.split(command)
        if words[0] == "git":
            said[command] = repo.git(*words[1:])
        else:
            done = repo.seeknal(*words, code=int(code or 0))
            said[command] = done.out + done.err
    return said


@pytest.fixture
def folder(repo: Repo) -> Repo:
    """A folder without git."""
    place = Repo(Path(repo.path.parent, "my_project"))
    place.write("data/customers.csv", "customer_id,name\n1,ann\n2,bob\n")
    return place


def test_every_line_works_on_the_first_day_and_on_the_second(folder: Repo) -> None:
    said = folder.seeknal("init", "--name", "my_project")
    assert "Project 'my_project' initialized successfully!" in said.out + said.err
    assert "seeknal plan dev && seeknal run --env dev" in said.out + said.err
    for name, text in DRAFTS.items():
        folder.write(name, text)
    first = told(folder, FIRST)
    assert "NEW" in first["plan"]
    assert "2 to build" in first["run --show-plan"]
    assert "2 built" in first["run"]
    folder.git("add", "--all")
    folder.git("commit", "--quiet", "--message", "Begin")
    for day in ("1", "2"):
        folder.replace(NAMES, "upper(name)", f"upper(name) || '{day}'")
        found = told(folder, EACH_DAY)
        assert "BREAKING" in found["plan dev"]
        assert "1 built, 1 re-used" in found["run --env dev"]
        assert (
            "Next: git commit -am 'Change names' && seeknal promote dev" in found["run --env dev"]
        )
        assert "Run of dev; production is main" in found["run"]
        assert "0 built, 2 re-used" in found["run --no-parallel"]
        shown = folder.numbers("SELECT name FROM main.names ORDER BY 1 LIMIT 1")
        assert shown == [("ANN1" if day == "1" else "ANN21",)]


def test_every_kind_has_a_draft(published: Repo) -> None:
    for kind in KINDS:
        assert "Next: seeknal dry-run" in published.seeknal("draft", kind, "some_name").out
    for kind in IN_PYTHON:
        words = ("draft", kind, "some_name", "--python", "--deps", "pandas,duckdb")
        assert ".py" in published.seeknal(*words).out
    for kind in ("model", "rule"):
        assert published.seeknal("draft", kind, "other", "--python", code=2).err
