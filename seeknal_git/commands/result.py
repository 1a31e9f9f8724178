"""The result of a run or a promotion, or of a dry run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seeknal_git.build.progress import Reconciled
    from seeknal_git.build.work import Work


@dataclass(frozen=True, slots=True)
class RunResult:
    """A run or a promotion that has ended, or a dry run."""

    # `run` or `promote`.
    command: str
    work: Work
    # None for a dry run.
    done: Reconciled | None = None
    seconds: float = 0.0
    # The environment's name, unless it is the one that is checked out.
    elsewhere: str | None = None
    # The branch that a promotion merges first, if any.
    merges: str | None = None
    # Whether uncommitted changes of a branch were run.
    uncommitted: bool = False
    # The commands that take these changes on to production, if they are known.
    next_step: str | None = None

    @property
    def environment(self) -> str:
        """The name of the environment."""
        return self.work.environment.name

    @property
    def built(self) -> tuple[str, ...]:
        """The ids of the nodes that were built; for a dry run, that would be built."""
        return tuple(self.done.progress.built if self.done else self.work.reasons)

    @property
    def reused(self) -> tuple[str, ...]:
        """The ids of the nodes whose tables were there already."""
        return self.work.reused

    @property
    def failures(self) -> Mapping[str, str]:
        """Node → why it failed."""
        return self.done.failures if self.done else {}

    @property
    def is_published(self) -> bool:
        """Whether the environment shows what was built."""
        return self.done is not None and self.done.outcome is not None
