"""A run that has nothing to do: everything is as this clone's last run left it.

That is found by reading alone. Nothing is written, so nobody else has to wait, and the file stays
the same for the next command.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from seeknal_git.build.compute import violates
from seeknal_git.build.entity_views import with_entities
from seeknal_git.build.hold import Prepared, is_current, work_of
from seeknal_git.build.inventory import all_checks
from seeknal_git.build.progress import Progress, Reconciled
from seeknal_git.environments.production import recorded, refuse_to_lose
from seeknal_git.project.fingerprints import digest
from seeknal_git.warehouse.model.clock import now
from seeknal_git.warehouse.model.publications import Outcome
from seeknal_git.warehouse.opening import open_for_state

if TYPE_CHECKING:
    from seeknal_git.build.work import Work
    from seeknal_git.warehouse.protocol import Warehouse

_TOPIC = "settled"
# A use within a hundredth of an environment's time to live counts as the one before it.
_SAME_USE = 100


def settle(prepared: Prepared) -> None:
    """Remember that a run succeeded. Called while it holds the warehouse."""
    prepared.workspace.cache.put(_TOPIC, {_place(prepared): _state(prepared)})


def settled(prepared: Prepared) -> Reconciled | None:
    """The end of a run that has nothing to do and nothing to record; None if it may have.

    If the commit and its nodes are those of this clone's last run, the warehouse is looked at,
    under a lock that keeps writers out. The look alone decides. Raises as `hold.held`.
    """
    workspace, is_production = prepared.workspace, prepared.environment.is_production
    if not (workspace.has_warehouse and _is_remembered(prepared)):
        return None
    with open_for_state(
        workspace.warehouse_location, workspace.marks, workspace.until
    ) as warehouse:
        if not is_current(prepared, warehouse):
            return None
        if is_production and not prepared.options.force:
            refuse_to_lose(workspace, warehouse)
        work = work_of(warehouse, prepared)
        if not (_is_done(work) and _is_recorded(warehouse, prepared, work)):
            return None
        if is_production:
            recorded(workspace, warehouse)
    outcome = Outcome(repointed=(), unchanged=tuple(work.inventory.shows), removed=())
    return Reconciled(work, Progress(), outcome, failures={})


def _place(prepared: Prepared) -> str:
    return digest(str(prepared.workspace.warehouse_location), prepared.environment.schema)


def _state(prepared: Prepared) -> str:
    """A hash of the commit, its nodes, and the marks that a run leaves in the warehouse."""
    loaded = prepared.loaded
    return digest(
        loaded.tree.commit or "",
        str(sorted(loaded.graph.wholes.items())),
        *prepared.workspace.marks.at_hand(),
    )


def _is_remembered(prepared: Prepared) -> bool:
    options = prepared.options
    if options.chosen is not None or options.full:
        return False
    if prepared.environment.is_production and prepared.loaded.tree.dirty:
        return False  # it gets a commit of its own
    place = _place(prepared)
    known = prepared.workspace.cache.get(_TOPIC, [place]).get(place)
    return known is not None and known == _state(prepared)


def _is_done(work: Work) -> bool:
    """Whether the environment shows what the work would make, and no check is violated."""
    inventory = work.inventory
    to_do = (work.reasons, work.checks, work.failing, work.deliveries, work.left, work.stale)
    return (
        not any(to_do)
        and not work.removed
        and not any(
            (answer := inventory.answer(node, number)) is None
            or violates(check, answer.violations, answer.rows)
            for node, number, check in all_checks(work.graph)
        )
    )


def _is_recorded(warehouse: Warehouse, prepared: Prepared, work: Work) -> bool:
    """Whether the views and the record of an environment are as a run would leave them."""
    schema = prepared.environment.schema
    views = warehouse.environments.views(schema)
    shows = work.inventory.shows
    if not all(shown.is_right(views) for shown in shows.values()):
        return False
    if with_entities(warehouse, work, shows) != shows:
        return False
    run, last = warehouse.runs.last(schema), warehouse.publications.last(schema)
    if run is None or run.status != "succeeded" or last is None:
        return False
    if last.commit != prepared.loaded.tree.commit or last.restores is not None or last.warnings:
        return False
    used = warehouse.environments.all()[schema].used_at
    return now() - used < timedelta(seconds=prepared.workspace.settings.time_to_live) / _SAME_USE
