"""The command `plan --verify`: try the promises of a plan on production's tables.

Both versions of an edit that is not BREAKING have to return the same, and so does a re-used reader
over its old and its new inputs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from seeknal_git.build.trial import Trial, Verified, tried
from seeknal_git.build.trial_inputs import Bench, Obstacle, edited, is_moved, is_touched, reused
from seeknal_git.commands.planned import Planned
from seeknal_git.environments.files_in_place import broken
from seeknal_git.errors import Problem, ProjectError, WarehouseError
from seeknal_git.plan.changes import Category
from seeknal_git.project.raw_data import reach_of
from seeknal_git.project.workspace import Workspace
from seeknal_git.warehouse.interrupt import interruptible
from seeknal_git.warehouse.opening import open_for_scratch
from seeknal_git.warehouse.protocol import Warehouse

_PROMISES = (Category.METADATA, Category.NON_BREAKING)
_BUG = (
    "This is a bug of Seeknal: please report it, with both versions. "
    "Do not rely on the plan for this change."
)


@dataclass(frozen=True, slots=True)
class _Promise:
    """category: of the node's own edit; of a re-used reader METADATA, as all of it has to stay."""

    node: str
    category: Category
    reused: bool = False


def verify_plan(
    workspace: Workspace, planned: Planned, *, everything: bool = False
) -> tuple[Verified, ...]:
    """Try each promise of a plan on production's tables, and compare partitions that are there with
    a build of the whole.

    everything: compare all partitions, not a sample. Raises WarehouseError if the tables cannot be
    read.
    """
    promises = [*_of_edits(planned), *_of_readers(planned)]
    in_pieces = planned.head.graph.structure.pieces
    if not promises and not in_pieces:
        return ()
    if not workspace.has_warehouse:
        raise WarehouseError(
            f"There is no warehouse {workspace.warehouse_location}, so a plan cannot be verified.",
            "seeknal run, on the production branch, builds it.",
        )
    base, head = planned.base.graph, planned.head.graph
    edits = {change.node: change.category for change in planned.plan.changes}
    wholes = dict(base.wholes)
    reach = reach_of(head, planned.head.root)
    with open_for_scratch(workspace.warehouse_location, workspace.marks, reach) as warehouse:
        built = _built(workspace, warehouse, [workspace.production_schema], wholes)
        bench = Bench(warehouse, base, head, planned.head.root, edits, built)

        def results() -> tuple[Verified, ...]:
            found = [_verified(bench, promise) for promise in promises]
            if in_pieces:
                found += _of_partitions(workspace, planned, warehouse, everything)
            return tuple(found)

        return interruptible(results, lambda: [warehouse])


def _built(
    workspace: Workspace, warehouse: Warehouse, schemas: Sequence[str], wholes: Mapping[str, str]
) -> dict[str, str]:
    """Node → its rows, as SQL names them; without views whose files are gone."""
    tables = warehouse.scratch.built(schemas, wholes)
    shown = {node: published for node, (_, published) in tables.items()}
    faults = broken(workspace, warehouse, shown)
    return {node: one.relation for node, one in shown.items() if node not in faults}


def _of_partitions(
    workspace: Workspace, planned: Planned, warehouse: Warehouse, everything: bool
) -> list[Verified]:
    """The partitions that the environment shows, against a build of the whole."""
    from seeknal_git.build.trial_partitions import tried_partitions

    graph = planned.head.graph
    schemas = [planned.environment.schema, workspace.production_schema]
    built = _built(workspace, warehouse, schemas, dict(graph.wholes))
    return list(tried_partitions(warehouse, graph, built, everything=everything))


def _of_edits(planned: Planned) -> Iterator[_Promise]:
    """An edit that goes with one of its inputs promises nothing over these as they were: it counts
    as a reader."""
    base, head = planned.base.graph, planned.head.graph
    for change in planned.plan.changes:
        if change.category not in _PROMISES or not _is_select(planned, change.node):
            continue
        follows = change.category == Category.METADATA and any(
            is_moved(base, head, upstream) for upstream in head.feeding(change.node)
        )
        if not follows or change.node not in planned.plan.reused:
            yield _Promise(change.node, change.category)


def _of_readers(planned: Planned) -> Iterator[_Promise]:
    base, head = planned.base.graph, planned.head.graph
    for node in planned.plan.reused:
        is_reader = node in base.members and _is_select(planned, node)
        if is_reader and any(is_touched(base, head, upstream) for upstream in head.feeding(node)):
            yield _Promise(node, Category.METADATA, reused=True)


def _is_select(planned: Planned, node: str) -> bool:
    member = planned.head.graph.members.get(node)
    return member is not None and member.node.yields_table and member.node.kind != "source"


def _verified(bench: Bench, promise: _Promise) -> Verified:
    try:
        before, after = (reused if promise.reused else edited)(bench, promise.node)
        found = tried(Trial(bench, promise.node, promise.category, before, after))
    except Obstacle as obstacle:
        found = Verified(promise.node, "not verified", reason=str(obstacle))
    return replace(found, reused=promise.reused)


def broken_promises(planned: Planned, verified: Iterable[Verified]) -> ProjectError | None:
    """Every promise that is broken and every version that cannot be built; None if all hold."""
    categories = {change.node: change.category for change in planned.plan.changes}
    wrong = [result for result in verified if result.result in ("differs", "cannot be built")]
    if not wrong:
        return None
    return ProjectError([_broken(planned, result, categories.get(result.node)) for result in wrong])


def _broken(planned: Planned, verified: Verified, category: Category | None) -> Problem:
    node, called = (
        planned.head.graph.node(verified.node),
        "re-used" if verified.reused else category,
    )
    if verified.result == "cannot be built":
        message = f"{node.id} is called {called}, and cannot be built: {verified.reason}"
    elif verified.partitions:
        message = f"The partitions of {node.id} differ from a build of all of it."
        hint = "Say how far its SQL looks with `reads:`, or leave out `partition:`."
        return Problem(message, node.path, node.line("partition"), hint, node.id)
    elif verified.reused:
        message = f"{node.id} is called re-used, and returns something else over its new inputs."
    else:
        message = f"{node.id} is called {called}, and its two versions differ."
    may_fail = verified.result == "cannot be built" and category == Category.NON_BREAKING
    hint = "Mend the SQL: a run of this branch fails with the same words." if may_fail else _BUG
    return Problem(message, node.path, node.line("name"), hint, node.id)
