"""How long environments and publications are kept: as production says, whatever is checked out."""

from __future__ import annotations

from dataclasses import dataclass

from seeknal_git.project.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Keeping:
    """publications, seconds: how many of production's last publications keep their tables, and for
    how long any does; idle: seconds after which an environment without a branch goes."""

    productions: frozenset[str]
    publications: int
    seconds: int
    idle: int


def keeping(workspace: Workspace) -> Keeping:
    """What is to be kept of a project."""
    settings = workspace.settings
    return Keeping(
        productions=frozenset({workspace.production_schema}),
        publications=settings.keep_promotions,
        seconds=settings.keep_history,
        idle=settings.time_to_live,
    )
