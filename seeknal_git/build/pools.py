"""The workers of a run in other processes, and the tasks that they get.

If a worker dies, its task goes to another one. Dask sees to that itself; other pools are made anew,
and all tasks without a result go out again: each looks first for the table of an earlier try.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack

from joblib import Parallel, delayed

from seeknal_git.build.backends import Backend
from seeknal_git.build.tasks import Done, Refusal, Task, perform

_ATTEMPTS = 3  # with all tasks at once; after that, each goes out alone


class Pool:
    """The workers of a run. One thread at a time gives them tasks; any may interrupt them."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._stack = ExitStack()
        self._parallel: Parallel | None = None
        self._is_stopped = False

    def done(self, tasks: Collection[Task], begin: Callable[[Task], bool]) -> Iterator[Done]:
        """The results of tasks, as they come.

        begin: is called, from any thread, with a task that is about to go out, and says whether it
        is still wanted. A task that ends its worker each time is refused.
        """
        waiting = {task.number: task for task in tasks}
        for _ in range(_ATTEMPTS):
            yield from self._sent(waiting, list(waiting), begin)
        for number in list(waiting):
            yield from self._sent(waiting, [number], begin)
            if waiting.pop(number, None):
                yield Done(number, refusal=Refusal("its worker died each time: out of memory?"))

    def _sent(
        self, waiting: dict[int, Task], numbers: Collection[int], begin: Callable[[Task], bool]
    ) -> Iterator[Done]:
        """Send tasks out until all have ended, or a worker died. Those that ended wait no more."""

        def wanted() -> Iterator[Task]:
            for number in numbers:
                if begin(waiting[number]):
                    yield waiting[number]
                else:
                    del waiting[number]

        if self._is_stopped:
            waiting.clear()
        if not waiting or not numbers:
            return
        try:
            for done in self._workers()(delayed(perform)(task) for task in wanted()):
                del waiting[done.number]
                yield done
        except self._backend.deaths:
            self._dismiss()

    def _workers(self) -> Parallel:
        if self._parallel is None:
            self._parallel = self._stack.enter_context(self._backend.parallel())
        return self._parallel

    def _dismiss(self) -> None:
        self._parallel = None
        self._stack.close()

    def interrupt(self) -> None:
        """End what is under way, for good."""
        self._is_stopped = True
        self._backend.stop()

    def close(self) -> None:
        self._dismiss()
        self._backend.close()
