"""What every refusal has in common: one clear message, exit code 1 or 2, and nothing lost or half
written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import Repo, Result, View

Refused = Callable[..., str]


def traces(repo: Repo) -> tuple[dict[Path, str], set[Path]]:
    """What a command that fails leaves alone: the branches, and every file outside git and the
    warehouse's folder."""
    branches = {
        path: path.read_text() for path in repo.path.glob(".git/refs/heads/**/*") if path.is_file()
    }
    folders = (path for path in repo.path.iterdir() if path.name not in (".git", "target"))
    return branches, {path for folder in folders for path in (folder, *folder.rglob("*"))}


def refusal(result: Result) -> str:
    """What a refusal says, after a look at its manners."""
    assert result.code in (1, 2), result.out + result.err
    assert "error: " in result.err
    assert "Traceback" not in result.err
    assert "a bug in seeknal" not in result.err
    return result.err


@pytest.fixture
def refused() -> Iterator[Refused]:
    """Run a command that has to refuse; what it says. At the end of the test, production is as it
    was."""
    productions: dict[Path, dict[str, View]] = {}

    def run(repo: Repo, *arguments: str, subprocess: bool = False) -> str:
        if repo.path not in productions and repo.warehouse.is_file():
            productions[repo.path] = repo.production()
        before = traces(repo)
        said = refusal(repo.seeknal(*arguments, code=None, subprocess=subprocess))
        assert traces(repo) == before
        assert not list(repo.path.glob("target/**/*.partial"))
        return said

    yield run
    for path, production in productions.items():
        assert Repo(path).production() == production


def transform(sql: str, name: str = "wrong", before: str = "inputs: [source.orders]\n") -> str:
    """A transform over the orders of the shop; its SQL begins on line 5."""
    lines = "".join(f"  {line}\n" for line in sql.splitlines())
    return f"kind: transform\nname: {name}\n{before}transform: |\n{lines}"
