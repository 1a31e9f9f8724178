"""Which branch is production, and which project file counts: production says so itself, never a
branch at hand.

A branch is found by an option or a variable, by git's configuration, or as the repository's default
branch; the project file at its tip is the one that counts, and may name another branch
(docs/design/authority.md).
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from seeknal_git.errors import ProjectError
from seeknal_git.git import repository as git
from seeknal_git.git.production_ref import production_ref
from seeknal_git.git.repository import Repository
from seeknal_git.project.ci_variables import branch_in_ci, in_ci
from seeknal_git.project.settings import PROJECT_FILE, Settings, Written, read_written

PRODUCTION_VARIABLE = "SEEKNAL_PRODUCTION_BRANCH"


@dataclass(frozen=True, slots=True)
class Authority:
    """The production branch, and its project file."""

    branch: str
    # whose file counts: the tip; if there is none here, the last publication of production
    commit: str | None = None
    written: Written | None = None  # None as long as production has no project file
    flaw: ProjectError | None = None  # why the file cannot be read
    is_kept: bool = False  # whether git's configuration names this branch

    def line(self, setting: str) -> int | None:
        """The line of a setting in the project file."""
        return self.written.lines.get(setting) if self.written else None


def find_authority(repository: Repository, at_hand: Written | None) -> Authority:
    """Production as it defines itself. at_hand: the project file of the tree that is checked out,
    which says something only before production has one."""
    if named := os.environ.get(PRODUCTION_VARIABLE):
        return _at(repository, named)
    if named := git.configured_production(repository):
        return _passed_on(repository, replace(_at(repository, named), is_kept=True))
    guess = git.default_branch(repository) or _by_itself(repository)
    if guess is None and git.head_commit(repository) is None:
        guess = git.current_branch(repository)
    found = _at(repository, guess or "main")
    is_new = guess is not None and found.written is None and found.flaw is None
    named = _named_in(at_hand if is_new else found.written)
    return _at(repository, named) if named else found


def in_force(found: Authority, at_hand: Written | None) -> Settings | None:
    """The settings that count: production's, but for the project's name and description. None if no
    file says any."""
    said = found.written or at_hand
    own = at_hand or said
    if said is None or own is None:
        return None
    name, description = own.settings.name, own.settings.description
    return replace(
        said.settings, production_branch=found.branch, name=name, description=description
    )


def keep_authority(repository: Repository, found: Authority) -> None:
    """Write down the production branch once it is certain, so that it is found once in a clone."""
    if not found.is_kept and found.written and PRODUCTION_VARIABLE not in os.environ:
        git.remember_production(repository, found.branch)


def settings_at(repository: Repository, commit: str) -> Written | None:
    """The project file of a commit; None if it has none. Raises ProjectError."""
    content = git.file_at(repository, commit, PROJECT_FILE)
    return None if content is None else read_written(content)


def _at(repository: Repository, branch: str) -> Authority:
    commit = git.production_tip(repository, branch)
    if commit is None and git.current_branch(repository) is None and branch_in_ci(branch) == branch:
        commit = git.head_commit(repository)
    commit = commit or production_ref(repository)
    try:
        return Authority(branch, commit, settings_at(repository, commit) if commit else None)
    except ProjectError as exc:
        return Authority(branch, commit, flaw=exc)


def _named_in(written: Written | None) -> str | None:
    """The production branch that a project file names, if it names one."""
    return (
        written.settings.production_branch
        if written and "production_branch" in written.lines
        else None
    )


def _passed_on(repository: Repository, found: Authority) -> Authority:
    """Production may pass its part on to another branch that is there and does not decline."""
    named = _named_in(found.written)
    if named in (None, found.branch) or git.production_tip(repository, named or "") is None:
        return found
    heir = _at(repository, named or "")
    return heir if heir.flaw is None and _named_in(heir.written) in (None, heir.branch) else found


def _by_itself(repository: Repository) -> str | None:
    """The only branch that there is; else the one that all project files call production, as a
    single one may be anybody's. None in a clone of some branches only."""
    known = [] if in_ci() else git.all_branches(repository) or []
    if len(known) == 1:
        return known[0]
    files = (_at(repository, branch).written for branch in known)
    named = {_named_in(file) for file in files if file}
    return next((name for name in named if name in known), None) if len(named) == 1 else None
