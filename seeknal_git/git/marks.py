"""The marks that clones of one project share: the address of the remote, and the first commits."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from seeknal_git.git.command import run_git
from seeknal_git.git.repository import Repository, has_commit, is_shallow, remotes

_KEY = "seeknal.clone"
_ADDRESS = re.compile(r"(?:[a-z+]+://)?(?:[^@/]*@)?([^/:]+)(?::\d+(?=/))?[:/](.*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Marks:
    """The marks of a clone. They are hashes, since an address may hold a password."""

    repository: Repository

    @property
    def folder(self) -> str:
        return self.repository.prefix

    @property
    def private(self) -> Path:
        return self.repository.private

    def at_hand(self) -> list[str]:
        """The mark of its remote's address, else the mark that the clone was given."""
        config = self.repository.handle.config
        if names := remotes(self.repository):
            address = self.repository.handle.remotes[names[0]].url or ""
            return [_hashed("remote", _plain(address, self.repository.top))]
        return [str(config[_KEY])] if _KEY in config else []

    def given(self) -> list[str]:
        """A new mark, which the clone keeps in git's configuration; none if that cannot be
        written."""
        mark = secrets.token_hex(16)
        kept = run_git("config", _KEY, mark, cwd=self.repository.top).returncode == 0
        return [mark] if kept else []

    def first_commits(self) -> list[str]:
        """None in a shallow clone, whose first commits are no project's."""
        if is_shallow(self.repository):
            return []
        done = run_git(
            "rev-list",
            "--max-parents=0",
            "--branches",
            "--remotes",
            "HEAD",
            cwd=self.repository.top,
        )
        return (
            [_hashed("root", commit) for commit in done.stdout.split()]
            if done.returncode == 0
            else []
        )

    def knows(self, commit: str) -> bool:
        return has_commit(self.repository, commit)


def _hashed(kind: str, text: str) -> str:
    return hashlib.sha256(f"{kind} {text}".encode()).hexdigest()


def _plain(address: str, top: Path) -> str:
    """An address without its protocol and user: HTTPS with a token and SSH mean the same
    repository."""
    found = None if address.startswith((".", "/", "file:")) else _ADDRESS.fullmatch(address)
    path = found[2] if found else str((top / address.removeprefix("file://")).resolve())
    return f"{found[1].lower() if found else ''}/{path.strip('/').removesuffix('.git')}"
