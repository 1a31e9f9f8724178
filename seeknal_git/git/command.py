"""Run git itself: for everything that writes, and where libgit2 is wrong (see docs/git.md)."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from seeknal_git.errors import GitError
from seeknal_git.names import command_line, in_lines

# git sets these variables for a hook, and they name the hook's repository. A command in another
# working tree must not see them.
LOCAL_ENVIRONMENT = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX")

# A folder that a checkout brings may be laid out as a git folder, with a configuration that runs
# programs: git takes it for a bare repository unless it is told not to (since 2.38; see also
# `bare_layout`). A file system monitor is a program too.
_STRANGER = ("--no-pager", "-c", "safe.bareRepository=explicit", "-c", "core.fsmonitor=false")
_NO_HOOKS = ("-c", "core.hooksPath=/dev/null")
# These commands write for the user, whose hooks run then, or tell the place of the hooks.
_WITH_HOOKS = frozenset({"commit", "merge", "switch", "config", "rev-parse"})


def git_command(*arguments: str) -> list[str]:
    """A command line of git that runs no program that a checkout brings along."""
    return ["git", *_STRANGER, *(() if arguments[0] in _WITH_HOOKS else _NO_HOOKS), *arguments]


def is_git_folder(folder: Path) -> bool:
    """Whether a folder is laid out as git's own."""
    return (
        (folder / "HEAD").is_file() and (folder / "objects").is_dir() and (folder / "refs").is_dir()
    )


def is_meant_as_bare(folder: Path) -> bool:
    """Whether a git folder is meant as a bare repository: git names it to a hook, or it is in no
    working tree."""
    if not is_git_folder(folder):
        return False
    told = os.environ.get("GIT_DIR")
    around = (folder, *folder.parents)
    return (told is not None and Path(told).resolve() == folder) or not any(
        (parent / ".git").exists() for parent in around
    )


def blob_content(blob: str, cwd: Path) -> bytes | None:
    """The content of a blob that git has or can fetch; None if it cannot."""
    command = git_command("cat-file", "blob", blob)
    done = subprocess.run(
        command, cwd=cwd, env=environment_in(cwd), capture_output=True, check=False
    )
    return None if done.returncode else done.stdout


def environment_in(cwd: Path) -> dict[str, str]:
    """The environment for git: without the variables of another repository, with the name of a bare
    repository, which git does not look for, and without questions for a password."""
    kept = {name: value for name, value in os.environ.items() if name not in LOCAL_ENVIRONMENT}
    return (
        kept
        | {"GIT_TERMINAL_PROMPT": "0"}
        | ({"GIT_DIR": str(cwd)} if is_meant_as_bare(cwd) else {})
    )


def run_git(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run git in a working tree and return its result, whether it succeeded or not.

    `variables` are added to its environment. Raises GitError if git is not installed.
    """
    command, environment = git_command(*arguments), environment_in(cwd) | variables
    try:
        return subprocess.run(
            command,
            cwd=cwd,
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except FileNotFoundError as exc:
        raise GitError(
            "git is not installed, or not on PATH.", "Install git 2.30 or newer."
        ) from exc


def git(*arguments: str, cwd: Path, **variables: str) -> str:
    """Run git and return its standard output, without the last newline. Raises GitError with git's
    own words."""
    done = run_git(*arguments, cwd=cwd, **variables)
    if done.returncode:
        first, *others = (done.stderr or done.stdout).strip().splitlines() or ["it gave no reason"]
        raise GitError(in_lines([f"{command_line('git', *arguments)} failed: {first}", *others]))
    return done.stdout.rstrip("\n")
