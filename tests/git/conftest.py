"""A repository whose hooks call a script in place of seeknal, which writes down its calls."""

from __future__ import annotations

import os
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from seeknal_git.git.hooks import HookState, install, status, uninstall
from seeknal_git.names import production_ref_of

# Like the real command, it moves the ref of what production published. `fail` makes it exit with 1.
SEEKNAL = """#!/bin/sh
cd @RECORD@ && printf '%s|' "$@" >> calls && echo >> calls && cd - > /dev/null
pwd > @RECORD@/folder
git diff --cached --name-only > @RECORD@/staged
case " $* " in *" promote "*) git update-ref @PUBLISHED@ HEAD ;; esac
[ ! -e @RECORD@/fail ]
"""

USER_HOOK = """#!/bin/sh
# kept, to the last byte: \t é
echo "user $(basename "$0") $*" >> @RECORD@/calls
cat > @RECORD@/stdin
[ ! -e @RECORD@/user-fail ]
"""


@dataclass(frozen=True)
class Story:
    """A repository with a project and its hooks, and what the hooks called."""

    top: Path
    record: Path
    command: tuple[str, ...]
    project: str = "."

    def git(self, command: str, **variables: str) -> str:
        done = self.try_git(command, **variables)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def try_git(self, command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["git", *shlex.split(command)],
            cwd=self.top,
            env=os.environ | variables,
            capture_output=True,
            text=True,
            check=False,
        )

    def write(self, name: str, text: str = "") -> None:
        path = self.top / self.project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def commit(self, name: str) -> None:
        """Commit a file without any hook."""
        self.write(name, name)
        self.git("add --all")
        self.git(f"-c core.hooksPath=/dev/null commit --message {shlex.quote(name)}")

    def install(self, production: str = "main") -> list[HookState]:
        return install(self.top, self.project, production, self.command)

    def uninstall(self) -> list[HookState]:
        return uninstall(self.top, self.project)

    def status(self, production: str = "main") -> list[HookState]:
        return status(self.top, self.project, production)

    def states(self, production: str = "main") -> set[str]:
        return {hook.state for hook in self.status(production)}

    def hook(self, name: str) -> Path:
        return self.top / ".git/hooks" / name

    def hooks(self) -> list[str]:
        names = (path.name for path in self.hook(".").iterdir())
        return sorted(name for name in names if not name.endswith(".sample"))

    def run_hook(
        self, name: str, *arguments: str, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run an installed hook as git does: in the top folder, by its relative path."""
        return subprocess.run(
            [f".git/hooks/{name}", *arguments],
            cwd=self.top,
            env=os.environ | variables,
            input="old new\n",
            capture_output=True,
            text=True,
            check=False,
        )

    def user_hook(self, name: str) -> Path:
        hook = executable(self.hook(name), USER_HOOK, self.record)
        hook.chmod(0o750)
        return hook

    def calls(self) -> list[str]:
        """What was called since the last time that this was asked."""
        calls = self.record / "calls"
        lines = calls.read_text().splitlines() if calls.exists() else []
        calls.unlink(missing_ok=True)
        return lines

    def promotions(self) -> int:
        return sum("|promote|" in call for call in self.calls())

    def recorded(self, what: str) -> list[str]:
        return (self.record / what).read_text().splitlines()


def executable(path: Path, text: str, record: Path, project: str = ".") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = text.replace("@RECORD@", shlex.quote(str(record)))
    path.write_text(text.replace("@PUBLISHED@", production_ref_of(project)))
    path.chmod(0o755)
    return path


@pytest.fixture
def story(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Story:
    """A project on main, promoted, and a branch `topic` that is two commits ahead."""
    return tell(tmp_path, monkeypatch, ".")


def tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, project: str) -> Story:
    isolate(tmp_path, monkeypatch)
    record = tmp_path / "what's recorded"
    record.mkdir()
    python = executable(tmp_path / "it's a venv/python", SEEKNAL, record, project)
    story = Story(tmp_path / "top of it", record, (str(python), "-m", "seeknal_git"), project)
    story.top.mkdir()
    story.git("init --quiet --initial-branch main")
    story.commit("seeknal_project.yml")
    story.git("switch --quiet --create topic")
    story.commit("one")
    story.commit("two")
    story.git("switch --quiet main")
    story.git(f"update-ref {production_ref_of(project)} main")
    return story


def isolate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("GIT_", "SEEKNAL_"))]:
        monkeypatch.delenv(name)
    config = tmp_path / "gitconfig"
    config.write_text("[user]\nname = Ada\nemail = ada@example.org\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_EDITOR", "true")
    folders = os.environ["PATH"].split(os.pathsep)
    without = [folder for folder in folders if not (Path(folder) / "seeknal").exists()]
    monkeypatch.setenv("PATH", os.pathsep.join(without))
