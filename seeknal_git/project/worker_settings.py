"""The setting `workers`: who builds the nodes of a run, and how many at once."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from seeknal_git.nodes.scalars import is_nothing, whole

THREADING, LOKY, DASK, RAY = BACKENDS = ("threading", "loky", "dask", "ray")
_WITH_ADDRESS = (DASK, RAY)
_KEYS = ("backend", "jobs", "address")


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """The workers of a run, by one of joblib's backends."""

    backend: str = THREADING
    jobs: int = 0  # nodes at once; 0 for one on each core
    address: str = ""  # of a cluster of Dask or Ray; empty for one on this machine

    def __str__(self) -> str:
        given = ", ".join(f"{key}: {value}" for key, value in asdict(self).items() if value)
        return f"{{{given}}}"


THREADS = WorkerSettings()


def read_workers(value: object) -> WorkerSettings:
    """The setting of a project file. Raises ValueError with the mistake and how to mend it."""
    if not isinstance(value, Mapping):
        raise ValueError("`workers` is a mapping, such as {backend: loky, jobs: 4}.")
    given: dict[str, Any] = {
        str(key): entry for key, entry in value.items() if not is_nothing(entry)
    }
    for key in given:
        if key not in _KEYS:
            near = difflib.get_close_matches(key, _KEYS, 1)
            hint = f"Did you mean `{near[0]}`?" if near else f"The keys are {', '.join(_KEYS)}."
            raise ValueError(f"`workers` has no key `{key}`. {hint}")
    return sound(
        str(given.get("backend", THREADING)).strip(),
        _jobs(given["jobs"]) if "jobs" in given else 0,
        str(given.get("address", "")).strip(),
    )


def _jobs(value: object) -> int:
    try:
        jobs = whole(value)
    except ValueError:
        jobs = 0
    if jobs < 1:
        raise ValueError(f"`workers.jobs` is a number of nodes from 1 on, not {value!r}.")
    return jobs


def sound(backend: str, jobs: int, address: str) -> WorkerSettings:
    """The settings of these values. Raises ValueError if they cannot be meant."""
    if backend not in BACKENDS:
        near = difflib.get_close_matches(backend, BACKENDS, 1)
        hint = f"Did you mean {near[0]}?" if near else f"There are {', '.join(BACKENDS)}."
        raise ValueError(f"There is no backend {backend!r} for workers. {hint}")
    if address and backend not in _WITH_ADDRESS:
        raise ValueError(
            f"The backend {backend} is on this machine and has no address. Those of "
            f"{' and '.join(_WITH_ADDRESS)} have one."
        )
    return WorkerSettings(backend, jobs, address)


def chosen(settings: WorkerSettings, given: Mapping[str, object]) -> WorkerSettings:
    """The settings of a project, with the keys that somebody gave in their place. An address is
    that of its own backend, and does not go with another one. Raises ValueError."""
    before = {key: value for key, value in asdict(settings).items() if value}
    if given.get("backend", settings.backend) != settings.backend:
        before.pop("address", None)
    return read_workers({**before, **given})
