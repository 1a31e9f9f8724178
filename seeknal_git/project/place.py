"""Where a project's warehouse is: in the git folder of the data root, unless the project file names
a place.

`git clean`, a branch that tracks `target`, and the removal of a linked working tree do not reach a
git folder.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from seeknal_git.errors import Problem, ProjectError, WarehouseError
from seeknal_git.git.placing import git_folder, is_checked_out, is_tracked
from seeknal_git.git.repository import Repository
from seeknal_git.names import command_line
from seeknal_git.project.settings import PROJECT_FILE

NAME = "warehouse.duckdb"
OLD = f"target/{NAME}"


@dataclass(frozen=True, slots=True)
class Place:
    """configured: the path that the project file names, "" if it names none."""

    repository: Repository
    data_root: Path
    configured: str = ""

    @property
    def home(self) -> Path:
        """The project's folder in the data root."""
        return self.data_root / self.repository.prefix

    @property
    def in_git(self) -> Path | None:
        """The place in the git folder that all working trees of the data root share; each project
        of a repository has its own. None if the data root is no working tree."""
        folder, prefix = (
            git_folder(self.repository, self.data_root),
            self.repository.prefix.rstrip("/"),
        )
        if folder is None:
            return None
        project = prefix.replace("%", "%25").replace("/", "%2F")
        return (
            folder / "seeknal" / NAME
            if not prefix
            else folder / "seeknal" / "projects" / project / NAME
        )

    @property
    def meant(self) -> Path:
        """Where the warehouse belongs. Raises ProjectError if that is no place for one."""
        if self.configured:
            return self.below_home(self.configured)
        return self.in_git or self.below_home(OLD)

    @property
    def path(self) -> Path:
        """Where the warehouse is: a warehouse at the old place is used as long as it is there.

        Raises ProjectError if that is no place for one, and WarehouseError if there are two.
        """
        meant, old = self.meant, self.home / OLD
        if self.configured or meant == old or not self.has_old:
            return meant
        if meant.exists():
            raise WarehouseError(
                f"There are two warehouses: {meant}, and {old} from an earlier version. "
                "Nothing says which one counts.",
                "seeknal warehouse move ends a move that was broken off. "
                "Else look into both, and move one away.",
            )
        return self.below_home(OLD)

    @property
    def has_old(self) -> bool:
        """Whether a warehouse is at the place that was the default. A file that a branch brings is
        none."""
        return os.path.lexists(self.home / OLD) and not is_checked_out(
            self.repository, self.data_root, self.home / OLD
        )

    def below_home(self, named: str) -> Path:
        """A path below the project's folder that may hold a warehouse, links resolved. Raises
        ProjectError."""
        path = self.home / named
        if path == self.in_git:
            return path
        if (why := self._fault(path)) is None:
            return path
        hint = (
            "Name a file below the project, such as target/warehouse.duckdb, "
            "or none: git's own folder has a place."
        )
        if path.is_file() and self.in_git:
            moved = command_line("mv", str(path.resolve()), str(self.in_git))
            hint += f" To keep what is there, name none: {moved}"
        raise ProjectError([Problem(f"The warehouse {named} {why}.", PROJECT_FILE, hint=hint)])

    def _fault(self, path: Path) -> str | None:
        """Why no warehouse may be at a path below the project; whoever writes there may be a
        branch, or git itself."""
        home, real = self.home.resolve(), path.resolve()
        if not real.is_relative_to(home) or real == home:
            return "leaves the project, or is reached by a link that does"
        parts = (*Path(os.path.relpath(path, self.home)).parts, *real.relative_to(home).parts)
        if any(part.startswith(".") for part in parts):
            return "has a hidden part in its path, as configuration of programs has"
        if home == self.repository.common and parts[0] != "target":
            return "is git's own"
        if path.is_dir():
            return "is a folder"
        tracked = is_tracked(self.repository, self.data_root, path) or is_tracked(
            self.repository, self.data_root, real
        )
        return "is tracked by git, so that a checkout replaces it" if tracked else None
