"""The environments that expire, and the reason why each other one stays."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from seeknal_git.environments.retention import Keeping
from seeknal_git.git.known_names import KnownNames, known_names
from seeknal_git.project.workspace import Workspace
from seeknal_git.warehouse.model.clock import now
from seeknal_git.warehouse.model.environments import EnvironmentRecord
from seeknal_git.warehouse.protocol import Warehouse


@dataclass(frozen=True, slots=True)
class Lifetime:
    """Whether and when an environment expires."""

    environment: EnvironmentRecord
    # Why it stays at any age; None if it may expire.
    held: str | None
    # When its time to live without use ends.
    idle_at: datetime
    # Whether it has expired.
    over: bool

    @property
    def why(self) -> str:
        """Why it stays, or has expired."""
        if self.held:
            return self.held
        last = f"{self.environment.used_at:%Y-%m-%d %H:%M}"
        return (
            f"its branch is gone, and it was not used since {last}"
            if self.over
            else f"it was used at {last}"
        )


def lifetimes(workspace: Workspace, warehouse: Warehouse, careful: Keeping) -> list[Lifetime]:
    """The lifetime of every environment, production first.

    Raises GitError if git cannot list the branches.
    """
    names = known_names(workspace.repository)
    found = [
        _lifetime(careful, warehouse, environment, names)
        for environment in warehouse.environments.all().values()
    ]
    return sorted(found, key=lambda found: (found.held != _PRODUCTION, found.environment.branch))


_PRODUCTION = "it is production"


def _lifetime(
    careful: Keeping,
    warehouse: Warehouse,
    environment: EnvironmentRecord,
    names: KnownNames,
) -> Lifetime:
    production = environment.schema in careful.productions
    held = _PRODUCTION if production else names.holder(environment.branch, environment.commit)
    if held is None and (views := warehouse.environments.readers(environment.schema)):
        held = f"the view {views[0]} reads it"
    idle_at = _later(environment.used_at, careful.idle)
    return Lifetime(environment, held, idle_at, held is None and idle_at <= now())


def _later(moment: datetime, seconds: int) -> datetime:
    try:
        return moment + timedelta(seconds=seconds)
    except OverflowError:
        return datetime.max  # noqa: DTZ901  times in the warehouse are in UTC, and do not say so
