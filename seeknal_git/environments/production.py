"""The commit that production shows, and whether that is the tip of its branch.

The warehouse is asked, as another clone may have released. Its answer is remembered for the file as
it was, so that nothing is opened as long as nobody has written to it; if it cannot be read, the ref
of this clone stands in.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from seeknal_git.environments.releasing import only_ci_releases
from seeknal_git.errors import GitError, WarehouseError
from seeknal_git.git import repository as git
from seeknal_git.git.merge_source import lacking
from seeknal_git.git.production_ref import is_at, production_ref, set_production_ref
from seeknal_git.names import argument, schema_of
from seeknal_git.project.workspace import Workspace
from seeknal_git.warehouse.location import exists
from seeknal_git.warehouse.opening import open_for_state, version_of

if TYPE_CHECKING:
    from seeknal_git.warehouse.protocol import Warehouse


@dataclass(frozen=True, slots=True)
class Showing:
    """The publication that production shows, as every command reads it."""

    # "" if only nodes that were run by name were ever published; None if nothing was.
    commit: str | None
    # The commit under uncommitted nodes. Other clones may have it, though they lack the nodes.
    base: str | None = None
    # The earlier publication that a rollback shows again.
    restores: int | None = None
    # When it was published, in UTC; None if only this clone's ref is known.
    published_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Due:
    """A promotion that is due, from the commit that production shows to the tip of its branch."""

    branch: str
    shown: str  # "" if only nodes that were run by name were ever published
    tip: str
    known: bool  # whether this clone has the shown commit
    cloned: bool  # whether there is a remote to get it from
    # How many commits lead to the shown commit that the branch here never had.
    behind: int
    restores: int | None  # the earlier publication that a rollback shows again
    elsewhere: bool = False  # whether continuous integration alone releases

    @property
    def takes_back(self) -> bool:
        """Whether a promotion would take back what another clone has released."""
        return bool(self.behind) or not self.known

    @property
    def what(self) -> str:
        tip = f"{self.branch} is at {self.tip[:8]}"
        if self.restores is not None:
            of = f" ({self.shown[:8]})" if self.shown else ""
            return f"Production was rolled back to publication {self.restores}{of}, and {tip}"
        if not self.shown:
            return f"Production shows only the nodes that were run by name, and {tip}"
        if self.behind:
            commits = "1 commit" if self.behind == 1 else f"{self.behind} commits"
            return f"Production shows {self.shown[:8]}, and {self.branch} is {commits} behind"
        unknown = "" if self.known else ", which this clone does not have"
        return f"Production shows {self.shown[:8]}{unknown}, and {tip}"

    @property
    def cure(self) -> str:
        if self.restores is not None:
            return "git revert takes the change out of the code, seeknal promote publishes it again"
        if self.behind:
            return "git pull" if self.cloned else f"git merge --ff-only {self.shown[:8]}"
        if not self.known and not self.cloned:
            fetch = f"git fetch DIR {argument(self.branch)}"
            return f"fetch it from the clone that released it, such as: {fetch}"
        if self.elsewhere:
            return "continuous integration promotes it, after a git push"
        return "seeknal promote" if self.known else "git pull, then seeknal promote if need be"


def pending(workspace: Workspace) -> Due | None:
    """The promotion that is due, if one is."""
    return due(workspace, showing(workspace))


def due(workspace: Workspace, shows: Showing) -> Due | None:
    """The promotion that leads from the shown commit to the tip; None if none is due."""
    repository, branch, shown = workspace.repository, workspace.production, shows.commit
    tip = git.production_tip(repository, branch)
    if shown is None or tip is None or (shown and is_at(repository, shown, tip)):
        return None
    nearest = _first_known(workspace, shown, shows.base)
    if nearest == tip:  # with uncommitted nodes of another clone on top
        return None
    base = shows.base if shows.base and git.has_commit(repository, shows.base) else nearest
    return Due(
        branch,
        shown,
        tip,
        known=not shown or nearest is not None,
        cloned=bool(git.remotes(repository)),
        behind=lacking(repository, branch, base) if base else 0,
        restores=shows.restores,
        elsewhere=only_ci_releases(workspace),
    )


def refuse_to_lose(workspace: Workspace, warehouse: Warehouse | None = None) -> None:
    """Raise GitError if a promotion would take back a release of another clone.

    That is so if this clone does not have the released commit, or if its production branch never
    had it. A commit that the branch once had was taken back on purpose.

    warehouse: the open warehouse, if it is held already.
    """
    shows = recorded(workspace, warehouse) if warehouse else _NEVER
    shows = shows if shows.commit is not None else showing(workspace)
    found = due(workspace, shows)
    if found is None or not found.takes_back:
        return
    shallow = git.is_shallow(workspace.repository) and not found.known
    bring = "git fetch --unshallow" if shallow else found.cure.partition(", then")[0]
    raise GitError(
        f"{found.what}. A promotion would take that back.",
        f"Bring it in: {bring}. If it is gone for good, or has to go: --force.",
    )


def published_commit(workspace: Workspace) -> str | None:
    """The commit that production shows, or the nearest that this clone has; None if there is none,
    or if the warehouse is gone."""
    if not workspace.has_warehouse:
        return None
    shows = showing(workspace)
    ref = production_ref(workspace.repository)
    return _first_known(workspace, shows.commit, shows.base, ref)


def _first_known(workspace: Workspace, *commits: str | None) -> str | None:
    """The first of some commits that this clone has."""
    for commit in commits:
        if commit and git.has_commit(workspace.repository, commit):
            return commit
    return None


_NEVER = Showing(None)
_TOPIC = "production_shows"


def showing(workspace: Workspace) -> Showing:
    """Read the publication that production shows from the warehouse, and correct this clone's ref.

    The ref stands in if the warehouse cannot be read.
    """
    location, known = workspace.warehouse_location, production_ref(workspace.repository)
    if not exists(location):
        return Showing(known)
    found = _NEVER
    with suppress(WarehouseError):
        version = version_of(location, workspace.marks)
        key = _key(workspace, version)
        if (remembered := workspace.cache.get(_TOPIC, [key]).get(key)) is not None:
            found = _echoed(workspace, _remembered(remembered))
        else:
            found = _asked(workspace, version)
    return found if found.commit is not None else Showing(known)


def remember_showing(workspace: Workspace, warehouse: Warehouse, version: str) -> Showing:
    """Read the publication that production shows from an open warehouse, and remember it. version:
    of the warehouse; empty if it is not known, and nothing is remembered."""
    found = recorded(workspace, warehouse)
    if version:
        at = found.published_at and found.published_at.isoformat()
        values = [found.commit, found.base, found.restores, at]
        workspace.cache.put(_TOPIC, {_key(workspace, version): values})
    return found


def _key(workspace: Workspace, version: str) -> str:
    return f"{workspace.production_schema}:{workspace.warehouse_location}:{version}"


def _remembered(values: Sequence[Any]) -> Showing:
    commit, base, restores, at = values
    return Showing(commit, base, restores, at and datetime.fromisoformat(at))


def _asked(workspace: Workspace, version: str) -> Showing:
    """Ask the warehouse, once for all that the command is going to need. version: of the warehouse
    before that. Raises WarehouseError if it cannot be read."""
    from seeknal_git.project.loads_in_use import remember_loads

    location = workspace.warehouse_location
    with open_for_state(location, workspace.marks) as warehouse:
        here = git.current_branch(workspace.repository) or workspace.production
        schemas = dict.fromkeys([workspace.production_schema, schema_of(here)])
        remember_loads(warehouse, location, workspace.cache, [*schemas], version)
        return remember_showing(workspace, warehouse, version)


def recorded(workspace: Workspace, warehouse: Warehouse) -> Showing:
    """Read the publication that production shows from an open warehouse, and correct the ref."""
    from seeknal_git.warehouse.model.publications import rolled_back_to

    found = warehouse.publications.records(workspace.production_schema)
    if not found:
        return _NEVER
    last = found[0]
    shows = Showing(last.commit, last.base, rolled_back_to(found), last.published_at)
    return _echoed(workspace, shows)


def _echoed(workspace: Workspace, shows: Showing) -> Showing:
    if shows.commit:
        set_production_ref(workspace.repository, shows.commit)
    return shows
