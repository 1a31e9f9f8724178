"""The Python library: its names, and what its functions take, return and print."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import seeknal_git
from tests.conftest import Repo

NAMES = [
    "SeeknalError",
    "checks",
    "lineage",
    "open_project",
    "plan_changes",
    "promote",
    "query",
    "rollback",
    "run",
    "status",
    "validate",
]


def test_these_are_the_names_of_the_library() -> None:
    assert seeknal_git.__all__ == NAMES
    assert all(callable(getattr(seeknal_git, name)) for name in NAMES)
    assert set(NAMES) <= set(dir(seeknal_git))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'plans'"):
        seeknal_git.plans  # noqa: B018


def test_importing_the_library_loads_nothing_heavy() -> None:
    script = "import sys, seeknal_git; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    heavy = {"duckdb", "pygit2", "pydantic", "typer", "yaml"}
    assert heavy & set(done.stdout.split()) == set()


def test_a_script_is_checked_against_the_types_of_the_library(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from seeknal_git import open_project, plan_changes, query\n"
        'project = open_project(".", lock_timeout="soon")\n'
        "for change in plan_changes(project).changes:\n"
        "    reveal_type(change.node)\n"
        'reveal_type(query(project, "FROM orders").names)\n'
    )
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", str(script)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[1]
    )
    assert 'Revealed type is "str"' in done.stdout
    assert 'Revealed type is "tuple[str, ...]"' in done.stdout
    assert 'incompatible type "str"; expected "float"' in done.stdout


def test_a_branch_is_planned_run_queried_promoted_and_rolled_back_without_a_word(
    published: Repo, capfd: pytest.CaptureFixture[str]
) -> None:
    published.switch("dev", create=True)
    published.replace(
        "seeknal/transforms/daily.yml", "name: daily", "name: daily\nowner: somebody-else"
    )
    project = seeknal_git.open_project(published.path)
    assert [change.node for change in seeknal_git.plan_changes(project).changes] == [
        "transform.daily"
    ]
    assert seeknal_git.validate(project).problems == ()
    assert seeknal_git.run(project, dry_run=True).built == ()
    assert seeknal_git.run(project).is_published
    rows = seeknal_git.query(project, "SELECT count(*) > 0 AS some, 1.5 AS half FROM daily")
    assert (rows.names, rows.rows[0][0]) == (("some", "half"), True)
    published.commit(hooks=False)
    assert seeknal_git.promote(project, "dev", dry_run=True).environment == "main"
    assert seeknal_git.promote(project, "dev").is_published
    assert seeknal_git.status(project).production.published == published.head
    chosen = seeknal_git.lineage(project, "daily", upstream=True)
    assert "transform.daily" in chosen.lineage.nodes
    assert capfd.readouterr() == ("", "")
