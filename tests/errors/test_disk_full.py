"""A disk that is full, wherever it happens: one message, production as it was, and the next command
completes."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Repo, Templates, copied, make_published

ROOM = 32 << 20
FREE = [0, 40 << 10, 2 << 20]
ROWS = "kind: transform\nname: rows\ntransform: SELECT range AS id, hash(range) AS a FROM range({number})\n"
FILE = "kind: exposure\nname: file\ntype: file\ninputs: [transform.rows]\nparams: {path: exports/rows.csv}\n"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    if (
        os.geteuid()
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "none", place], check=False
        ).returncode
    ):
        pytest.skip("only root can mount a small disk")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def make_rows(repo: Repo) -> None:
    make_published(repo)
    repo.write("seeknal/transforms/rows.yml", ROWS.format(number=1_000))
    repo.write("seeknal/exposures/file.yml", FILE)
    repo.commit()
    repo.seeknal("run")


def fill(disk: Path, free: int) -> Path:
    """A file that leaves so many bytes free, in whole pages."""
    ballast = disk / "ballast"
    with ballast.open("wb") as file:
        room = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
        os.posix_fallocate(file.fileno(), 0, max(room - free, 1))
    return ballast


@pytest.mark.parametrize("free", FREE, ids=lambda free: f"{free >> 10} KiB free")
@pytest.mark.parametrize(
    ("commits", "command"),
    [
        (False, ["run"]),
        (True, ["promote"]),
        (True, ["plan", "dev"]),
        (True, ["rollback", "1"]),
        (True, ["gc", "--yes"]),
    ],
    ids=["run", "promote", "plan", "rollback", "gc"],
)
def test_a_full_disk(
    disk: Path, copy_of: Templates, commits: bool, command: list[str], free: int
) -> None:
    repo = copied(copy_of("rows", make_rows), disk / "repo")
    repo.write("seeknal/transforms/rows.yml", ROWS.format(number=100_000))
    repo.replace("seeknal/transforms/daily.yml", "sum(amount)", "max(amount)")
    if commits:
        repo.commit()
    repo.git("branch", "dev")
    shutil.rmtree(repo.path / ".git/seeknal/cache")
    before, file = repo.production(), repo.read("exports/rows.csv")
    ballast = fill(disk, free)
    done = repo.seeknal(*command, code=None)
    assert done.code in (0, 1), done
    if done.code:
        assert done.err.count("error:") + done.out.count("failed:") >= 1, done
    ballast.unlink()
    between, file_between = repo.production(), repo.read("exports/rows.csv")
    repo.seeknal(*command, code=None if command[0] == "rollback" else 0)
    if command[0] == "rollback":
        repo.seeknal("promote")
    after = repo.production()
    assert between in (before, after) or command[0] == "rollback"
    assert len(file_between.splitlines()) in (1_001, 100_001)
    assert file_between in (file, repo.read("exports/rows.csv"))
