"""Run git itself: for everything that writes, and for the few things that libgit2 gets wrong (see docs/git.md)."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from seeknal_git.errors import GitError
from seeknal_git.shown import command_line, in_lines

# What git sets for a hook points at the repository of that hook; a command in another working tree must not see it.
LOCAL_ENVIRONMENT = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX")


def blob_content(blob: str, cwd: Path) -> bytes | None:
    """What git has, or can fetch, of a blob; None where it cannot."""
    done = subprocess.run(
        ["git", "cat-file", "blob", blob], cwd=cwd, env=clean_environment(), capture_output=True, check=False
    )
    return None if done.returncode else done.stdout


def clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in LOCAL_ENVIRONMENT}


def run_git(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run git in a working tree and return what it said, whether it succeeded or not.

    `variables` are added to its environment. Raises GitError where git is not installed.
    """
    environment = clean_environment() | variables
    try:
        return subprocess.run(
            ["git", *arguments], cwd=cwd, env=environment, capture_output=True, text=True, errors="replace", check=False
        )
    except FileNotFoundError as exc:
        raise GitError("git is not installed, or not on PATH.", "Install git 2.30 or newer.") from exc


def git(*arguments: str, cwd: Path, **variables: str) -> str:
    """Run git and return its standard output, without the last newline. Raises GitError with git's own words."""
    done = run_git(*arguments, cwd=cwd, **variables)
    if done.returncode:
        first, *others = (done.stderr or done.stdout).strip().splitlines() or ["it gave no reason"]
        raise GitError(in_lines([f"{command_line('git', *arguments)} failed: {first}", *others]))
    return done.stdout.rstrip("\n")
