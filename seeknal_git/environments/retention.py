"""Retention: how long environments and publications are kept. Production's settings decide."""

from __future__ import annotations

from dataclasses import dataclass

from seeknal_git.project.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Keeping:
    """The rules of retention."""

    # The schemas of production.
    productions: frozenset[str]
    # This many of production's last publications keep their tables,
    publications: int
    # and so does any that is younger than this many seconds.
    seconds: int
    # An environment without a branch expires after this many seconds without use.
    idle: int


def keeping(workspace: Workspace) -> Keeping:
    """The rules of a project."""
    settings = workspace.settings
    return Keeping(
        productions=frozenset({workspace.production_schema}),
        publications=settings.keep_promotions,
        seconds=settings.keep_history,
        idle=settings.time_to_live,
    )
