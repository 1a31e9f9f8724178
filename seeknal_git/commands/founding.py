"""Which branch is production, as `init` finds it: production says so, or somebody does, or a rule
that is told."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass, replace

from seeknal_git.errors import ProjectError, UsageError
from seeknal_git.git import repository as git
from seeknal_git.git.repository import Repository
from seeknal_git.names import argument
from seeknal_git.project.authority import find_authority
from seeknal_git.project.settings import (
    PROJECT_FILE,
    Settings,
    Written,
    read_settings,
    read_written,
)

_KEY = "production_branch"
Ask = Callable[[str, str], str]


@dataclass(frozen=True, slots=True)
class Founded:
    """A production branch, and whether the project file that is there has yet to name it."""

    branch: str
    why: str | None = (
        None  # the rule that chose it; None if a person did, or if there was nothing to choose from
    )
    unnamed: bool = False
    with_line: bytes | None = (
        None  # the project file with the line; None if it is not to be added here
    )


def found_production(
    repository: Repository, content: bytes | None, named: str | None = None, ask: Ask | None = None
) -> Founded:
    """The production branch of a project that is begun, or joined.

    content: of the project file that is there; named: how somebody calls the branch; ask: how to
    ask a person, with the branch that is checked out and the one that a rule would choose. Raises
    UsageError for a branch that is not there.
    """
    written = None if content is None else read_written(content)
    if (
        written
        and named not in (None, written.settings.production_branch)
        and _KEY in written.lines
    ):
        raise UsageError(
            f"{PROJECT_FILE} calls {written.settings.production_branch} the production branch.",
            f"Change the line `{_KEY}:` there, and commit it on that branch.",
        )
    found = Founded(_there(repository, named)) if named else _found(repository, written, ask)
    usual = found.branch == Settings("").production_branch
    if content is None or written is None or usual or _KEY in written.lines:
        return found
    # On another branch it would be a change of settings that this branch makes.
    line = (
        _with_line(content, found.branch)
        if git.current_branch(repository) == found.branch
        else None
    )
    return replace(found, unnamed=True, with_line=line)


def _found(repository: Repository, written: Written | None, ask: Ask | None) -> Founded:
    authority = find_authority(repository, written)
    if authority.written or authority.flaw or authority.is_kept:
        return Founded(authority.branch)
    if written and _KEY in written.lines:
        return Founded(written.settings.production_branch)
    found, here = _by_rule(repository), git.current_branch(repository)
    if ask is None or here in (None, found.branch):
        return found
    return Founded(_there(repository, ask(here or "", found.branch)))


def _by_rule(repository: Repository) -> Founded:
    here, known = git.current_branch(repository) or "main", git.branches(repository)
    if branch := git.default_branch(repository):
        return Founded(branch, None if known in ([], [branch]) else "the default branch")
    if len(known) < 2:
        return Founded(known[0] if known else here)
    return Founded(here, "as it is checked out")


def _there(repository: Repository, named: str) -> str:
    known = git.known_branches(repository)
    if named in (*known, git.current_branch(repository)):
        return named
    near = difflib.get_close_matches(named, known, 1)
    hint = f"Did you mean {near[0]}?" if near else f"Create it first: git branch {argument(named)}"
    raise UsageError(f"There is no branch {named}.", hint)


def _with_line(content: bytes, branch: str) -> bytes | None:
    """A project file that names its production branch; None for one that a line cannot simply be
    added to."""
    import yaml

    line = yaml.safe_dump({_KEY: branch}, allow_unicode=True).encode()
    longer = content + (b"" if content.endswith(b"\n") or not content else b"\n") + line
    try:
        return longer if read_settings(longer).production_branch == branch else None
    except ProjectError:
        return None
