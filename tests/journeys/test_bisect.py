"""`git bisect run seeknal …` finds the commit that broke a rule: the example of docs/git.md, as it
stands there."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT, Repo, forked

CLEAN = "seeknal/transforms/clean_orders.yml"


def example() -> str:
    """What the page says to type."""
    (found,) = re.findall(
        r"^```sh\n(git bisect .*?)^```$",
        (ROOT / "docs/git.md").read_text(),
        re.MULTILINE | re.DOTALL,
    )
    return str(found)


def typed(
    repo: Repo, script: str, tmp_path: Path, seeknal: str = ""
) -> subprocess.CompletedProcess[str]:
    program = tmp_path / "bin/seeknal"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f'#!/bin/sh\n{seeknal}\nexec {shlex.join(forked())} "$@"\n')
    program.chmod(0o755)
    environment = os.environ | {"PATH": f"{program.parent}:{os.environ['PATH']}"}
    return subprocess.run(
        ["bash", "-c", script],
        cwd=repo.path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def sql(repo: Repo, amount: str, where: str, more: str = "") -> str:
    """Commit another version of the transform that the rule is about."""
    repo.write(
        CLEAN,
        f"""
        kind: transform
        name: clean_orders
        inputs: [source.orders]
        transform: |
          SELECT id, customer, day, {amount} AS amount{more}
          FROM source.orders
          WHERE {where}
    """,
    )
    return repo.commit(f"{amount} where {where}{more}")


@pytest.fixture
def history(published: Repo) -> tuple[Repo, str]:
    """Eleven commits after one where the rule held, some of which do not validate; and the one that
    broke it."""
    repo = published
    repo.git("tag", "held")
    holds = "amount IS NOT NULL"
    for number in range(3):
        repo.write(
            f"seeknal/transforms/more_{number}.yml",
            f"""
            kind: transform
            name: more_{number}
            transform: SELECT day, total + {number} AS total FROM ref('transform.daily')
        """,
        )
        repo.commit(f"More {number}")
    sql(repo, "amount", f"{holds} AND id > 0")
    sql(repo, "amont", holds)  # does not validate
    sql(repo, "amount * 1", holds)
    culprit = sql(repo, "amount - 10", holds)
    sql(repo, "amount - 10", holds, ", upper(day) AS")  # does not validate
    sql(repo, "amount - 10", holds, ", 1 AS one")
    (repo.path / "seeknal/transforms/more_1.yml").unlink()
    repo.commit("Less")
    repo.write("README.md", "Not about the pipeline.\n")
    repo.commit("Words")
    return repo, culprit


def test_the_documented_example_finds_the_commit(history: tuple[Repo, str], tmp_path: Path) -> None:
    repo, culprit = history
    production = repo.production()
    done = typed(repo, f"set -e\n{example()}", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{culprit} is the first bad commit" in done.stdout
    assert "amounts_are_positive" in done.stdout + done.stderr
    assert repo.production() == production
    assert repo.environments() == ["main"]
    assert repo.git("branch", "--show-current") == "main"
    assert repo.git("status", "--porcelain") == ""


def test_a_commit_that_does_not_validate_is_never_blamed(
    history: tuple[Repo, str], tmp_path: Path
) -> None:
    repo, culprit = history
    only_that_one_is_left = example().replace("HEAD held", f"{culprit}~1 {culprit}~3")
    done = typed(repo, only_that_one_is_left, tmp_path)
    assert "There are only 'skip'ped commits left to test." in done.stdout
    assert "is the first bad commit" not in done.stdout


def test_a_bug_stops_the_search(history: tuple[Repo, str], tmp_path: Path) -> None:
    repo, _ = history
    done = typed(repo, example(), tmp_path, seeknal='[ "$1" = run ] && exit 3')
    assert "is the first bad commit" not in done.stdout
    assert "255" in done.stdout + done.stderr


def test_where_every_commit_validates_the_command_alone_is_enough(
    published: Repo, tmp_path: Path
) -> None:
    published.git("tag", "held")
    commits = [sql(published, "amount", f"amount > {number}") for number in range(3)]
    culprit = sql(published, "-amount", "amount > 0")
    commits += [sql(published, "-amount", f"amount > {number}") for number in range(1, 5)]
    assert len(commits) == 7
    done = typed(
        published,
        "git bisect start HEAD held && git bisect run seeknal run --env bisect && git bisect reset",
        tmp_path,
    )
    assert f"{culprit} is the first bad commit" in done.stdout, done.stdout + done.stderr
