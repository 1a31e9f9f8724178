"""Attacks by way of git and Python: what a checkout brings along is data, and nothing of it
runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from seeknal_git.git import hooks
from tests.conftest import Repo

# A program that leaves a trace, for every setting of git's that runs one.
PROGRAMS = (
    "core.fsmonitor",
    "core.sshCommand",
    "core.pager",
    "diff.external",
    "core.askPass",
    "core.editor",
)


def evil_git_folder(folder: Path, trace: Path) -> None:
    """What a branch may bring: files that are laid out as a git folder, with a configuration of
    their own."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "evil.sh"
    program.write_text(f"#!/bin/sh\necho ran >> '{trace}'\n")
    program.chmod(0o755)
    for name in ("objects/info", "objects/pack", "refs/heads"):
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "keep").write_text("")
    (folder / "HEAD").write_text("ref: refs/heads/main\n")
    settings = "".join(
        f"\t{name.partition('.')[2]} = {program}\n" for name in PROGRAMS if name.startswith("core.")
    )
    (folder / "config").write_text(
        f"[core]\n\trepositoryformatversion = 0\n\tbare = false\n\tworktree = {folder}\n\thooksPath = {folder}/hooks\n"
        f"{settings}[diff]\n\texternal = {program}\n"
    )
    for name in ("post-index-change", "reference-transaction", "pre-commit"):
        (folder / "hooks").mkdir(exist_ok=True)
        shutil.copy(program, folder / "hooks" / name)


@pytest.fixture
def nested(shop: Repo, tmp_path: Path) -> tuple[Repo, Path]:
    """The shop in a folder of a repository, which is laid out as a git folder itself."""
    top = tmp_path / "top"
    (top / "shop").mkdir(parents=True)
    for path in shop.git("ls-files").splitlines():
        (top / "shop" / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(shop.path / path, top / "shop" / path)
    trace = tmp_path / "trace"
    evil_git_folder(top / "shop", trace)
    outer = Repo(top)
    outer.git("init", "--quiet")
    outer.commit("Everything", hooks=False)
    trace.unlink(missing_ok=True)
    return Repo(top / "shop"), trace


COMMANDS = [
    ("plan",),
    ("run",),
    ("status",),
    ("validate",),
    ("validate", "--staged"),
    ("doctor",),
    ("env", "list"),
    ("log",),
    ("gc",),
    ("parse",),
    ("hooks", "status"),
]


def test_a_project_laid_out_as_a_git_folder_is_of_the_repository_around_it(
    nested: tuple[Repo, Path],
) -> None:
    repo, trace = nested
    for command in COMMANDS:
        repo.seeknal(*command, code=0 if command in (("plan",), ("run",)) else None)
        assert not trace.exists(), command
    assert (repo.path.parent / ".git/seeknal/cache/nodes.sqlite").exists()
    assert not (repo.path / "seeknal/cache").exists()


def test_a_draft_is_applied_there_too(nested: tuple[Repo, Path]) -> None:
    repo, trace = nested
    repo.write(
        "draft_source_more.yml", "kind: source\nname: more\nsource: csv\ntable: data/orders.csv\n"
    )
    repo.seeknal("apply", "draft_source_more.yml")
    assert "A  shop/seeknal/sources/more.yml" in Repo(repo.path.parent).git("status", "--porcelain")
    assert not trace.exists()


def test_a_folder_in_a_working_tree_is_no_bare_repository(shop: Repo, tmp_path: Path) -> None:
    shop.git("clone", "--quiet", "--bare", ".", "vendored")
    trace = tmp_path / "trace"
    evil_git_folder(shop.path / "vendored", trace)
    said = Repo(shop.path / "vendored").seeknal("status", code=None)
    assert "bare" not in said.out
    assert not trace.exists()


def test_a_bare_repository_that_is_meant_still_works(shop: Repo, tmp_path: Path) -> None:
    shop.git("clone", "--quiet", "--bare", ".", str(tmp_path / "server.git"))
    server, data = Repo(tmp_path / "server.git"), tmp_path / "data"
    data.mkdir()
    assert "valid" in server.seeknal("validate", "--data-root", str(data)).out
    (tmp_path / "around").mkdir()
    Repo(tmp_path / "around").git("init", "--quiet")
    shutil.move(tmp_path / "server.git", tmp_path / "around/server.git")
    inside = Repo(tmp_path / "around/server.git")
    assert (
        "There is no seeknal_project.yml"
        in inside.seeknal("validate", "--data-root", str(data), code=2).err
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_DIR", str(inside.path))  # as git tells a hook
        assert "valid" in inside.seeknal("validate", "--data-root", str(data)).out


def test_the_user_s_own_hooks_run_for_what_writes_and_for_nothing_else(
    shop: Repo, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    for name in ("post-checkout", "post-index-change"):
        hook = shop.path / ".git/hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\necho {name} >> '{trace}'\n")
        hook.chmod(0o755)
    (shop.path / "data/orders.csv").touch()
    for command in (("status",), ("run",), ("doctor",), ("log",)):
        shop.seeknal(*command, code=None)
        assert not trace.exists(), command
    shop.seeknal("plan", "dev")
    assert "post-checkout" in trace.read_text()


# Paths that the engine takes for globs

FOLDERS = ("[l]ink", "li*k", "li?k", "{link,other}", "day=1")


@pytest.mark.parametrize("folder", FOLDERS)
def test_raw_data_is_read_by_the_very_name_of_its_folder(repo: Repo, folder: str) -> None:
    outside = repo.path.parent / "outside"
    outside.mkdir()
    (outside / "x.csv").write_text("secret\n1\n")
    repo.write("seeknal_project.yml", "name: shop\n")
    repo.write(f"data/{folder}/x.csv", "mine\n2\n")
    (repo.path / "data/link").symlink_to(outside)
    repo.write(
        "seeknal/s.yml",
        f"kind: source\nname: s\nsource: csv\ntable: 'data/{glob_of(folder)}/x.csv'\n",
    )
    repo.write(".gitignore", "target/\n")
    repo.commit()
    repo.seeknal("run")
    assert repo.views("main")["s"] == (("mine BIGINT",), [(2,)])


def glob_of(folder: str) -> str:
    """A glob that matches one folder, and not the link beside it."""
    return {"[l]ink": "[[]l]ink", "li*k": "li[*]k", "li?k": "li[?]k"}.get(folder, folder)


@pytest.mark.parametrize("folder", ["sh[o]p", "sh*p"])
def test_a_project_may_lie_in_a_folder_of_any_name(shop: Repo, tmp_path: Path, folder: str) -> None:
    (tmp_path / "shop").mkdir()
    shutil.copytree(shop.path, tmp_path / folder)
    there = Repo(tmp_path / folder)
    there.seeknal("run", "--sandbox")
    assert there.numbers("SELECT sum(total)::INT FROM main.daily") == [(100,)]
    assert (there.path / "exports/by_customer.csv").is_file()
    assert not list((tmp_path / "shop").iterdir())


# Hooks


@pytest.fixture
def hooked(shop: Repo) -> Repo:
    """The shop, with hooks of an installation in the working tree that git ignores: a script of its
    own."""
    shop.write(".gitignore", "target/\nexports/\nraw/\n.venv/\n")
    shop.commit("Ignore it")
    script = shop.path / ".venv/bin/seeknal"
    script.parent.mkdir(parents=True)
    script.write_text(f"#!/bin/sh\nexec '{sys.executable}' -P -m seeknal_git \"$@\"\n")
    script.chmod(0o755)
    hooks.install(shop.path, ".", "main", (str(script),))
    shop.seeknal("run")
    return shop


@pytest.mark.parametrize(
    "file", ["bin/seeknal", "lib/python3/site-packages/evil.pth", "pyvenv.cfg"]
)
def test_hooks_run_nothing_of_an_installation_that_git_tracks(
    hooked: Repo, tmp_path: Path, file: str
) -> None:
    trace = tmp_path / "trace"
    script = hooked.path / ".venv/bin/seeknal"
    script.write_text(f"#!/bin/sh\necho ran >> '{trace}'\n")  # as a branch would bring it
    hooked.write(
        f".venv/{file}",
        (hooked.path / f".venv/{file}").read_text() if file == "bin/seeknal" else "x\n",
    )
    hooked.git("add", "--force", f".venv/{file}")
    done = hooked.try_git("commit", "-m", "An installation")
    assert (
        f"git tracks {script}, so it may be anybody's: the commit was not validated" in done.stderr
    )
    assert not trace.exists()
    assert f"git tracks .venv/{file}" in hooked.seeknal("doctor", code=1).out


def test_hooks_of_a_tracked_installation_are_not_installed(
    hooked: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooked.git("add", "--force", ".venv/bin/seeknal")
    monkeypatch.setattr(
        hooks, "this_installation", lambda: (str(hooked.path / ".venv/bin/seeknal"),)
    )
    said = hooked.seeknal("hooks", "install", code=2).err
    assert "git tracks .venv/bin/seeknal of this installation" in said


def test_hooks_import_nothing_from_the_working_tree(hooked: Repo, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    evil = f"open({str(trace)!r}, 'a').write('ran')\n"
    for name in (
        "seeknal_git/__init__.py",
        "sitecustomize.py",
        "usercustomize.py",
        "yaml.py",
        "duckdb.py",
    ):
        hooked.write(name, evil)
    environment = {**os.environ, "PYTHONPATH": "."}
    hooked.git("add", "--all")
    done = subprocess.run(
        ["git", "commit", "-m", "Modules"],
        cwd=hooked.path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not trace.exists()
