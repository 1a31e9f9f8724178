"""The way of docs/warehouses.md from a file to a lake is gone, command by command."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.conftest import ROOT, Repo
from tests.docs.test_docs import blocks, hurried, newcomer, typed
from tests.servers import Postgres, need_extensions

__all__ = ["hurried", "newcomer"]  # fixtures of the tests here
PAGE = "docs/warehouses.md"
ASKED = "FROM delays_by_carrier ORDER BY ALL"


def test_a_team_goes_from_a_file_to_a_lake_by_the_page(
    tmp_path: Path, hurried: dict[str, str], postgres: Postgres
) -> None:
    need_extensions("ducklake", "postgres_scanner")
    project = tmp_path / "flights"
    shutil.copytree(ROOT / "examples/flights", project, ignore=shutil.ignore_patterns("target"))
    there = hurried | {
        "LAKE_HOST": "127.0.0.1",
        "LAKE_PORT": str(postgres.port),
        "PGUSER": "lake",
        "PATH": f"{hurried['PATH']}:{postgres.programs}",
    }
    begin = (
        "seeknal init && git add . && git commit -qm Data && seeknal run && "
        "git switch -qc dev && seeknal run && git switch -q main"
    )
    subprocess.run(["sh", "-ec", begin], cwd=project, env=there, check=True, capture_output=True)
    repo = Repo(project)
    before = [
        repo.seeknal("query", ASKED, "--env", name, "--json").json for name in ("main", "dev")
    ]
    output = typed(PAGE, project, there)
    assert "Every environment answers alike in both:" in output
    assert "Everything is in order." in output
    assert output.count("0 built, 14 re-used") == 2, "of the hook, and of the run"
    for name, rows in zip(("main", "dev"), before, strict=True):
        assert repo.seeknal("query", ASKED, "--env", name, "--json").json == rows
    assert "ducklake:" in repo.seeknal("warehouse", "path").out
    assert len(blocks(PAGE, "sh")) == 4
