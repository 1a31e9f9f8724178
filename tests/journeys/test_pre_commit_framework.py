"""The hooks of `.pre-commit-hooks.yaml`, as the pre-commit framework installs and runs them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

ROOT = Path(__file__).parents[2]
PROJECT = {
    "seeknal_project.yml": "name: shop\n",
    ".gitignore": "target/\n",
    "data/orders.csv": "id,amount\n1,10\n2,20\n",
    "seeknal/sources/orders.yml": "kind: source\nname: orders\nsource: csv\ntable: data/orders.csv\n",
    "seeknal/transforms/total.yml": "kind: transform\nname: total\ntransform: SELECT sum(amount) AS total FROM source.orders\n",
}


class Shop:
    """A repository with a project, and pre-commit to run in it."""

    def __init__(self, top: Path, home: Path) -> None:
        self.top = top
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith("GIT_")
        } | {
            "HOME": str(home),
            "PRE_COMMIT_HOME": str(home / "pre-commit"),
            "PIP_CONSTRAINT": str(home / "constraints.txt"),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            **{
                f"GIT_{who}_{what}": "ann@shop"
                for who in ("AUTHOR", "COMMITTER")
                for what in ("NAME", "EMAIL")
            },
        }

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command, cwd=self.top, env=self.environment, capture_output=True, text=True, check=False
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def git(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.run("git", *arguments, check=check)

    def pre_commit(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.run(sys.executable, "-m", "pre_commit", *arguments, check=check)

    def write(self, path: str, text: str) -> None:
        (self.top / path).parent.mkdir(parents=True, exist_ok=True)
        (self.top / path).write_text(text)

    def total(self) -> int:
        with duckdb.connect(
            str(self.top / ".git/seeknal/warehouse.duckdb"), read_only=True
        ) as connection:
            return int(connection.sql("FROM main.total").fetchall()[0][0])


@pytest.fixture(scope="module")
def hooks_repository(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """This project, as a repository that pre-commit can clone, and its revision."""
    top = tmp_path_factory.mktemp("hooks-repository")
    files = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\n")
    for name in filter(None, files):
        if name.startswith(("seeknal_git/", "hooks/")) or "/" not in name:
            (top / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, top / name)
    shop = Shop(top, top)
    shop.git("init", "--quiet", "-b", "main")
    shop.git("add", ".")
    shop.git("commit", "--quiet", "-m", "As it is")
    return top, shop.git("rev-parse", "HEAD").stdout.strip()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home, with the versions that pip may install: this project's, and the DuckDB that reads the
    warehouse here."""
    home = tmp_path_factory.mktemp("home")
    pinned = (ROOT / "constraints.txt").read_text()
    (home / "constraints.txt").write_text(
        re.sub(r"(?m)^duckdb==.*$", f"duckdb=={duckdb.__version__}", pinned)
    )
    return home


@pytest.fixture
def shop(tmp_path: Path, home: Path, hooks_repository: tuple[Path, str]) -> Shop:
    shop = Shop(tmp_path, home)
    for path, text in PROJECT.items():
        shop.write(path, text)
    shop.git("init", "--quiet", "-b", "main")
    shop.git("add", ".")
    shop.git("commit", "--quiet", "-m", "First")
    return shop


# One test, because pre-commit takes seconds to build what the hooks run in.
def test_installed_hooks_validate_what_is_staged_refuse_a_broken_commit_and_promote_a_merge(
    shop: Shop, hooks_repository: tuple[Path, str]
) -> None:
    source, revision = hooks_repository
    shop.write(
        ".pre-commit-config.yaml",
        "default_install_hook_types: [pre-commit, pre-merge-commit, post-merge, post-commit, post-rewrite]\n"
        f"repos:\n- repo: {source}\n  rev: {revision}\n  hooks: [{{id: seeknal-validate}}, {{id: seeknal-promote}}]\n",
    )
    shop.git("add", ".")
    shop.pre_commit("install", "--install-hooks")
    committed = shop.git("commit", "-m", "Use pre-commit")
    assert "Promotion of main" in committed.stdout + committed.stderr
    assert shop.total() == 30
    assert "2 nodes valid" in shop.pre_commit("run", "--verbose", "seeknal-validate").stdout

    shop.git("switch", "--quiet", "-c", "dev")
    shop.git("rm", "--quiet", "seeknal/sources/orders.yml")
    refused = shop.git("commit", "-m", "Broken", check=False)
    assert refused.returncode == 1
    assert "source.orders, which does not exist" in refused.stdout + refused.stderr
    shop.git("restore", "--staged", "--worktree", "seeknal/sources/orders.yml")
    shop.write(
        "seeknal/transforms/total.yml",
        PROJECT["seeknal/transforms/total.yml"].replace("sum", "max"),
    )
    shop.git("commit", "-am", "The largest")
    assert shop.total() == 30

    shop.git("switch", "--quiet", "main")
    shop.git("merge", "dev")
    assert shop.total() == 20
