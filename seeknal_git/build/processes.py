"""Whether other processes build the nodes of a run, and which: a lake on a server allows them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from seeknal_git.build.options import Options
from seeknal_git.errors import UsageError
from seeknal_git.project.lake_place import Directions
from seeknal_git.project.settings import PROJECT_FILE
from seeknal_git.project.worker_settings import (
    DASK,
    LOKY,
    RAY,
    THREADING,
    WorkerSettings,
    chosen,
)
from seeknal_git.project.workspace import Workspace
from seeknal_git.warehouse.location import Lake

_PACKAGES = {DASK: "distributed", RAY: "ray"}
_ADDRESSES = {
    DASK: (r"(?:(?:tcp|tls|ws|wss)://)?(.+):(\d+)", "tcp://HOST:8786"),
    RAY: (r"(?:ray://)?(.+):(\d+)", "ray://HOST:10001, or HOST:6379 on a machine of the cluster"),
}
_CONNECT_SECONDS = 10


# The workers that somebody asks for: how many, or keys of the setting `workers` in place of the
# project's.
Wanted = int | Mapping[str, object] | None


@dataclass(frozen=True, slots=True)
class Processes:
    """The processes that build for a run, beside its own."""

    backend: str
    jobs: int  # tasks at once; 0 for as many as the cluster has room for
    address: str
    directions: Directions


def with_workers(options: Options, workspace: Workspace, wanted: Wanted = None) -> Options:
    """The options of a run with its workers. Raises UsageError for those that there cannot be, and
    ProjectError for a warehouse that cannot be found."""
    given = {"jobs": wanted} if isinstance(wanted, int) else wanted or {}
    try:
        settings = chosen(workspace.settings.workers, given)
    except ValueError as exc:
        raise UsageError(str(exc)) from exc
    workers = settings.jobs or os.cpu_count() or 1
    return replace(options, workers=workers, processes=_processes(workspace, settings))


def _processes(workspace: Workspace, settings: WorkerSettings) -> Processes | None:
    """The processes that build; None if the run's own threads do. Raises UsageError if the
    warehouse allows none, or if a package is missing."""
    backend, jobs, address = settings.backend, settings.jobs, settings.address
    if backend == THREADING:
        return None
    directions, location = workspace.directions, workspace.warehouse_location
    if directions is None or not (isinstance(location, Lake) and location.is_shared):
        raise UsageError(
            f"One process at a time has the warehouse {location}, so threads of the run build its "
            f"nodes, and not the workers of {backend}.",
            f"Use `backend: threading` ({PROJECT_FILE}, or --backend threading), or a lake with "
            "its catalog in PostgreSQL.",
        )
    _need_package(backend)
    if address:
        _need_answer(backend, address)
    else:
        jobs = jobs or os.cpu_count() or 1
    if backend == LOKY and jobs == 1:
        return None  # the run's own process is the one
    return Processes(backend, jobs, address, directions)


def _need_package(backend: str) -> None:
    """Raise UsageError unless the package of a backend is installed."""
    from importlib.util import find_spec

    package = _PACKAGES.get(backend)
    if package and find_spec(package) is None:
        raise UsageError(
            f"The backend {backend} needs the package {package}, which is not here.",
            f"pip install {package}",
        )


def _need_answer(backend: str, address: str) -> None:
    """Raise UsageError unless somebody answers at the address of a cluster."""
    import socket

    pattern, such = _ADDRESSES[backend]
    found = re.fullmatch(pattern, address)
    if not found or "/" in found[1]:
        raise UsageError(f"{address} is no address of {backend}.", f"It is such as {such}")
    try:
        place = (found[1].strip("[]"), int(found[2]))
        socket.create_connection(place, _CONNECT_SECONDS).close()
    except (OSError, OverflowError) as exc:
        raise UsageError(
            f"Nobody answers at {address}, the cluster of {backend}: {exc}.",
            "Start the cluster, or correct `address` or --address.",
        ) from exc
