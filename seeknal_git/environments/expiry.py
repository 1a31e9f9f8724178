"""Which environments go, and what keeps the others. `env list`, `env prune` and `gc` all say the
same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from seeknal_git.environments.retention import Keeping
from seeknal_git.git.known_names import KnownNames, known_names
from seeknal_git.project.workspace import Workspace
from seeknal_git.warehouse.model import Environment, now
from seeknal_git.warehouse.protocol import Warehouse


@dataclass(frozen=True, slots=True)
class Lifetime:
    """Whether an environment goes.

    held: what keeps it however old it is, None where nothing does; idle_at: when it was idle for
    its time to live; over: whether it goes now.
    """

    environment: Environment
    held: str | None
    idle_at: datetime
    over: bool

    @property
    def why(self) -> str:
        """Why it stays, or goes."""
        if self.held:
            return self.held
        last = f"{self.environment.used_at:%Y-%m-%d %H:%M}"
        return (
            f"its branch is gone, and it was not used since {last}"
            if self.over
            else f"it was used at {last}"
        )


def lifetimes(workspace: Workspace, warehouse: Warehouse, careful: Keeping) -> list[Lifetime]:
    """Of every environment, production first. Raises GitError where git cannot tell which branches
    there are."""
    names = known_names(workspace.repository)
    found = [
        _lifetime(careful, warehouse, each, names) for each in warehouse.environments.all().values()
    ]
    return sorted(found, key=lambda each: (each.held != _PRODUCTION, each.environment.branch))


_PRODUCTION = "it is production"


def _lifetime(
    careful: Keeping,
    warehouse: Warehouse,
    environment: Environment,
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
