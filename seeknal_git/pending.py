"""What production shows, and whether that is the tip of its branch: by two refs, and where these do not agree by the
warehouse."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seeknal_git.errors import GitError, WarehouseError
from seeknal_git.git import repository as git
from seeknal_git.git.origin import lacking
from seeknal_git.git.production import is_at, production_ref, set_production_ref
from seeknal_git.workspace import Workspace

if TYPE_CHECKING:
    from seeknal_git.warehouse.connection import Warehouse


@dataclass(frozen=True, slots=True)
class Due:
    """A promotion that is due, from the commit that production shows to the tip of its branch.

    shown: "" where only nodes that were run by name were ever published; known: whether this clone has what is shown;
    cloned: whether there is a remote to get it from; lacks: how many commits of it, by then in a remote's branch, were
    never in the branch here; restores: the earlier publication that a rollback shows again.
    """

    branch: str
    shown: str
    tip: str
    known: bool
    cloned: bool
    lacks: int
    restores: int | None

    @property
    def what(self) -> str:
        tip = f"{self.branch} is at {self.tip[:8]}"
        if self.restores is not None:
            of = f" ({self.shown[:8]})" if self.shown else ""
            return f"Production was rolled back to publication {self.restores}{of}, and {tip}"
        if not self.shown:
            return f"Production shows only the nodes that were run by name, and {tip}"
        if self.lacks:
            commits = "1 commit" if self.lacks == 1 else f"{self.lacks} commits"
            return f"Production shows {self.shown[:8]}, and {self.branch} here lacks {commits} of that"
        unknown = "" if self.known else ", which this clone does not have"
        return f"Production shows {self.shown[:8]}{unknown}, and {tip}"

    @property
    def cure(self) -> str:
        if self.restores is not None:
            return "git revert takes the change out of the code, seeknal promote publishes it again"
        if self.lacks:
            return "git pull"
        return "seeknal promote" if self.known or not self.cloned else "git pull, then seeknal promote if need be"


def pending(workspace: Workspace) -> Due | None:
    """The promotion that is due, if one is."""
    repository = workspace.repository
    tip, known = git.branch_tip(repository, workspace.production), production_ref(repository)
    if tip is None or (known is not None and is_at(repository, known, tip)):
        return None
    shown, restores = _in_warehouse(workspace) or (known, None)  # a clone that is new here has no ref yet
    return due(workspace, shown, restores)


def due(workspace: Workspace, shown: str | None, restores: int | None = None) -> Due | None:
    """The promotion that is due where production shows a commit, as a rollback left it or not; None where none is."""
    repository, branch = workspace.repository, workspace.production
    tip = git.branch_tip(repository, branch)
    if shown is None or tip is None or (shown and is_at(repository, shown, tip)):
        return None
    known = not shown or git.has_commit(repository, shown)
    lacks = lacking(repository, branch, shown) if shown and known else 0
    return Due(branch, shown, tip, known, bool(git.remotes(repository)), lacks, restores)


def refuse_to_lose(workspace: Workspace, warehouse: Warehouse | None = None) -> None:
    """Raises GitError where a promotion would take back what another clone has released: the production branch here was
    never brought up to date with it. What it once had and has no more was taken back on purpose.

    warehouse: where it is held already. The ref says only what this clone knew of.
    """
    if not git.remotes(workspace.repository):
        return
    recorded = _recorded(workspace, warehouse) if warehouse else _in_warehouse(workspace)
    shown, restores = recorded or (production_ref(workspace.repository), None)
    if (found := due(workspace, shown, restores)) and found.lacks:
        raise GitError(f"{found.what}. A promotion would take them back.",
                       "Bring them in: git pull. If they are to go, take them out of the remote first.")  # fmt: skip


def published_commit(workspace: Workspace) -> str | None:
    """The commit that production shows, where this clone has it; None also where there is no warehouse any more."""
    if not workspace.warehouse_path.exists():
        return None
    commit = production_ref(workspace.repository) or (_in_warehouse(workspace) or ("",))[0]
    return commit if commit and git.has_commit(workspace.repository, commit) else None


def _in_warehouse(workspace: Workspace) -> tuple[str, int | None] | None:
    """The commit that production shows by the warehouse, which knows of promotions from other clones, and the
    publication that a rollback shows again, if one does; the ref is corrected."""
    if not workspace.warehouse_path.exists():
        return None
    from seeknal_git.warehouse.connection import open_warehouse

    with suppress(WarehouseError), open_warehouse(workspace.warehouse_path, read_only=True) as warehouse:
        return _recorded(workspace, warehouse)
    return None


def _recorded(workspace: Workspace, warehouse: Warehouse) -> tuple[str, int | None] | None:
    from seeknal_git.warehouse.history import records, rolled_back_to

    if found := records(warehouse.connection, workspace.production_schema):
        set_production_ref(workspace.repository, found[0].commit)
        return found[0].commit, rolled_back_to(found)
    return None
