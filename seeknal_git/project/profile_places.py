"""Where the profiles of a project are, which say how to reach what is outside of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seeknal_git.git.repository import Repository


@dataclass(frozen=True, slots=True)
class ProfilePlaces:
    """The folders of profiles files, and the file that a command names in place of them."""

    folders: tuple[Path, ...]  # the project here, then its folder in the data root
    file: Path | None = None

    @classmethod
    def of(cls, repository: Repository, home: Path, file: Path | None) -> ProfilePlaces:
        """Those of a project. home: its folder in the data root; file: that a command names."""
        here = () if repository.bare else (repository.project,)
        return cls(tuple(dict.fromkeys((*here, home))), file)
