"""The backends of joblib that keep workers in other processes: its own pool, Dask and Ray."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from typing import Any, Protocol

from joblib import Parallel
from joblib.externals.loky import BrokenProcessPool, get_reusable_executor
from joblib.parallel import BACKENDS

from seeknal_git.build import tasks
from seeknal_git.build.processes import Processes
from seeknal_git.errors import UsageError, WarehouseError
from seeknal_git.project.worker_settings import DASK, LOKY, RAY

_CONNECT_SECONDS = 15
Deaths = tuple[type[BaseException], ...]


class Backend(Protocol):
    """Workers that are kept for a run."""

    @property
    def deaths(self) -> Deaths:
        """The errors by which joblib tells that a worker died."""
        ...

    def parallel(self) -> Parallel:
        """A call of joblib, with one task in each message."""
        ...

    def stop(self) -> None:
        """Let the call of joblib that is under way end with one of `deaths`, from any thread."""
        ...

    def close(self) -> None: ...


def backend_of(processes: Processes) -> Backend:
    """The backend that was chosen. Raises UsageError if its cluster cannot be reached."""
    kinds: dict[str, Callable[[Processes], Backend]] = {LOKY: Loky, DASK: Dask, RAY: Ray}
    return kinds[processes.backend](processes)


class Loky:
    """joblib's own processes, on this machine."""

    deaths: Deaths = (BrokenProcessPool,)

    def __init__(self, processes: Processes) -> None:
        self._jobs = processes.jobs

    def parallel(self) -> Parallel:
        return _parallel(self._jobs, _registered(LOKY), return_as="generator_unordered")

    def stop(self) -> None:
        self.deaths = (RuntimeError,)  # joblib's for a pool that was shut down
        get_reusable_executor(reuse=True).shutdown(wait=False, kill_workers=True)

    def close(self) -> None:
        get_reusable_executor(reuse=True).shutdown(wait=True)


class Dask:
    """The workers of a Dask cluster; without an address, of one that is begun here."""

    def __init__(self, processes: Processes) -> None:
        import distributed

        self.deaths: Deaths = (distributed.KilledWorker, CancelledError, distributed.CancelledError)
        self._jobs = processes.jobs
        here = {
            "n_workers": self._jobs,
            "threads_per_worker": 1,
            "dashboard_address": "127.0.0.1:0",
            "preload": tasks.__name__,
            "silence_logs": logging.CRITICAL,
        }
        there = {"address": processes.address, "timeout": _CONNECT_SECONDS}
        given = there if processes.address else here
        with _reached(processes, "dask scheduler"):
            self._client = distributed.Client(**given, set_as_default=False)

    def parallel(self) -> Parallel:
        return _parallel(self._jobs, _dask(self._client), return_as="generator_unordered")

    def stop(self) -> None:
        from distributed import Future

        client = self._client
        client.cancel([Future(key, client) for key in list(client.futures)], force=True)

    def close(self) -> None:
        self._client.close()


def _dask(client: Any) -> Any:
    """joblib's backend for Dask."""
    from joblib._dask import DaskDistributedBackend

    class OnCluster(DaskDistributedBackend):  # type: ignore[misc]
        def effective_n_jobs(self, n_jobs: int) -> int:
            # joblib would run the tasks of a cluster with one thread in this process.
            try:
                return max(2, int(super().effective_n_jobs(n_jobs)))
            except TimeoutError as exc:
                raise WarehouseError(
                    "The Dask cluster has no worker.", "Start one: dask worker ADDRESS"
                ) from exc

        def retrieve_result_callback(self, out: Any) -> Any:
            if isinstance(out, BaseException):  # it was cancelled
                raise CancelledError
            return super().retrieve_result_callback(out)

    return OnCluster(client=client)


class Ray:
    """The workers of a Ray cluster; without an address, of one that is begun here. joblib has no
    way to end its tasks early, or to give their results one by one."""

    def __init__(self, processes: Processes) -> None:
        import ray
        from ray.util.joblib import register_ray

        self.deaths: Deaths = (ray.exceptions.RayError,)
        self._jobs = processes.jobs or os.cpu_count() or 1
        register_ray()
        quiet = {"log_to_driver": False, "logging_level": "ERROR", "include_dashboard": False}
        where = {"address": processes.address} if processes.address else {"num_cpus": self._jobs}
        with _reached(processes, "ray start --head"):
            ray.init(**where, **quiet, ignore_reinit_error=True)

    def parallel(self) -> Parallel:
        return _parallel(max(2, self._jobs), _registered(RAY), return_as="list")

    def stop(self) -> None: ...

    def close(self) -> None:
        import ray

        ray.shutdown()


@contextmanager
def _reached(processes: Processes, start: str) -> Iterator[None]:
    """Raise UsageError for a cluster that cannot be reached, or begun here. start: a command."""
    try:
        yield
    except (OSError, ValueError) as exc:
        where = processes.address or "this machine"
        raise UsageError(
            f"There is no cluster of {processes.backend} at {where}: {exc}.", f"Start one: {start}"
        ) from exc


def _registered(name: str) -> Any:
    """A backend by its name. The thread that uses it is one of joblib's own, and joblib nests no
    processes below these unless it is told that this is the outermost level."""
    return BACKENDS[name](nesting_level=0)


def _parallel(jobs: int, backend: Any, return_as: str) -> Parallel:
    """A call of joblib. jobs: tasks at once; 0 for as many as there is room for."""
    return Parallel(
        n_jobs=jobs or -1,
        backend=backend,
        batch_size=1,
        pre_dispatch=jobs or "n_jobs",
        return_as=return_as,
    )
