"""Build a run in a lake, where others build and publish meanwhile, before it has the lease."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from seeknal_git.build.ahead import Ahead, continued, nothing_of, with_made
from seeknal_git.build.execute import execute
from seeknal_git.build.hold import Prepared, record_end, work_of
from seeknal_git.build.progress import Report
from seeknal_git.build.publish import need_places
from seeknal_git.errors import SeeknalError, WarehouseError
from seeknal_git.warehouse.protocol import Warehouse


def built(
    warehouse: Warehouse, prepared: Prepared, before: Ahead | None, command: str, report: Report
) -> Ahead:
    """Build all tables of a run.

    before: the results of the same run, before somebody else published. Raises as `hold.held`.
    """
    prepared = replace(prepared, options=with_made(prepared.options, before))
    found = work_of(warehouse, prepared)
    need_places(warehouse, found)
    work, progress = continued(found, before)
    ahead = Ahead(work, warehouse.stamp, nothing_of(found), progress)
    if found.layers:
        try:
            execute(warehouse, found, report, progress)
        except (SeeknalError, KeyboardInterrupt) as exc:
            with suppress(WarehouseError):
                record_end(warehouse, prepared, command, exc)
            raise
    return ahead
