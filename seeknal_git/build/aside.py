"""Find out the work of a run by reading, and build it in a file beside the warehouse."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from seeknal_git.build.ahead import Ahead, continued, split, tables_read, with_made
from seeknal_git.build.execute import execute
from seeknal_git.build.hold import Prepared, is_current, reach_of_run, record_end, work_of
from seeknal_git.build.progress import Report
from seeknal_git.build.publish import need_places
from seeknal_git.build.work import Work
from seeknal_git.environments.production import refuse_to_lose
from seeknal_git.errors import SeeknalError, WarehouseError
from seeknal_git.warehouse.opening import open_aside, open_for_state, open_warehouse
from seeknal_git.warehouse.protocol import Aside


@dataclass(frozen=True, slots=True)
class Builder:
    """Builds a run beside the warehouse."""

    path: Path  # of the warehouse
    file: Path  # to build in
    command: str
    report: Report

    def built(self, prepared: Prepared, before: Ahead | None) -> Ahead | None:
        """Build what can be built beside the warehouse; None if the run has to be prepared again.

        before: the results of the same run, before somebody else changed the warehouse. Raises as
        `hold.held`.
        """
        workspace, is_new = prepared.workspace, not self.file.exists()
        prepared = replace(prepared, options=with_made(prepared.options, before))
        path, marks, until = self.path, workspace.marks, workspace.until
        with open_for_state(path, marks, until) as warehouse:
            if not is_current(prepared, warehouse):
                return None
            if prepared.environment.is_production and not prepared.options.force:
                refuse_to_lose(workspace, warehouse)
            work, stamp = work_of(warehouse, prepared), warehouse.stamp
            need_places(warehouse, work)
        if is_new and not is_worth_it(work):
            return Ahead(work, stamp, rest=work)
        broken: SeeknalError | KeyboardInterrupt | None = None
        reach = reach_of_run(prepared)
        with open_aside(path, marks, self.file, deadline=until, reach=reach) as aside:
            if not (is_new and aside.stamp == stamp):
                work = work_of(aside, prepared)
            now, rest = split(work)
            whole, progress = continued(work, before)
            ahead = Ahead(whole, aside.stamp, rest, progress, self.file)
            try:
                self._build(aside, now, ahead)
            except (SeeknalError, KeyboardInterrupt) as exc:
                broken = exc
        if broken is not None:
            with suppress(WarehouseError), open_warehouse(path, marks) as warehouse:
                record_end(warehouse, prepared, self.command, broken)
            raise broken
        return ahead

    def _build(self, aside: Aside, work: Work, ahead: Ahead) -> None:
        if work.layers:
            aside.read(tables_read(work))
            execute(aside, work, self.report, ahead.progress)


def is_worth_it(work: Work) -> bool:
    """Whether there is anything to build beside the warehouse."""
    now, _ = split(work)
    return bool(now.reasons or now.checks)
