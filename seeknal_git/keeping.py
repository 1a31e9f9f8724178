"""How long what is kept. A branch may have a project file of its own, and what is deleted is gone for all: so the most
careful answer counts, of the file here and of those of the branches that somebody calls production."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from seeknal_git.errors import SeeknalError
from seeknal_git.git.branches import at_all_tips
from seeknal_git.git.repository import current_branch
from seeknal_git.names import schema_of
from seeknal_git.settings import PROJECT_FILE, Settings, read_settings
from seeknal_git.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Keeping:
    """productions: the schemas of all branches that a project file calls production; publications, seconds: how many
    of its last publications keep their tables, and for how long any does; idle: seconds after which an environment
    without a branch goes."""

    productions: frozenset[str]
    publications: int
    seconds: int
    idle: int


def keeping(workspace: Workspace) -> Keeping:
    """What is to be kept of a project, whatever is checked out."""
    files = _files(workspace)
    named = {each.production_branch for each in files.values()}
    productions = {workspace.production, *(branch for branch in named if branch in files)}
    asked = [workspace.settings, *(files[branch] for branch in productions if branch in files)]
    return Keeping(
        productions=frozenset(map(schema_of, productions)),
        publications=max(each.keep_promotions for each in asked),
        seconds=max(each.keep_history for each in asked),
        idle=max(each.time_to_live for each in asked),
    )


def _files(workspace: Workspace) -> dict[str, Settings]:
    """Branch → its settings, where they can be read: those of the working tree for what is checked out."""
    found: dict[str, Settings] = {}
    for branch, content in at_all_tips(workspace.repository, PROJECT_FILE):
        with suppress(SeeknalError):
            found[branch] = read_settings(content)
    here = current_branch(workspace.repository)
    return found | ({here: workspace.settings} if here and not workspace.repository.bare else {})
