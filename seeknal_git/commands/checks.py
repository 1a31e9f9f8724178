"""The command `checks`: every test and rule of an environment, with its last answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal

from seeknal_git.build.failed_checks import Violation, known_answers, violations, with_samples
from seeknal_git.build.inventory import all_checks
from seeknal_git.build.work import Work
from seeknal_git.commands.held_back import works_of
from seeknal_git.commands.selected import selected_to_run
from seeknal_git.environments.revision import (
    Revision,
    elsewhere,
    head_tree,
    load_sound,
    revision_of,
)
from seeknal_git.errors import ProjectError
from seeknal_git.nodes.node import Check
from seeknal_git.plan.selection import Selecting, asked
from seeknal_git.project.load import Loaded
from seeknal_git.project.workspace import Workspace
from seeknal_git.warehouse.model.snapshots import Audit
from seeknal_git.warehouse.opening import open_warehouse
from seeknal_git.warehouse.protocol import Warehouse

State = Literal["holds", "not asked", "warning", "failed"]
_Key = tuple[str, int]  # a node, and the number of a check among its own
_Answers = dict[_Key, tuple[Audit, Violation | None]]


@dataclass(frozen=True, slots=True)
class Asked:
    """A test or a condition of a rule, and its last answer about the tables of now."""

    node: str
    path: str
    check: Check
    # None if it was not asked yet: it is new or changed, or a table that it reads is not built.
    audit: Audit | None = None
    # None if it holds.
    violation: Violation | None = None

    @property
    def state(self) -> State:
        if self.violation is not None:
            return "failed" if self.violation.fails else "warning"
        return "holds" if self.audit is not None else "not asked"


@dataclass(frozen=True, slots=True)
class Checks:
    """The checks of an environment, in the order of its nodes."""

    environment: str
    schema: str
    # The environment's name, unless it is the one that is checked out.
    elsewhere: str | None
    checks: tuple[Asked, ...]

    @property
    def counts(self) -> Mapping[State, int]:
        """How many checks are in each state."""
        return Counter(check.state for check in self.checks)


def checks(
    workspace: Workspace,
    environment: str | None = None,
    *,
    select: Selecting | str = "",
    exclude: str = "",
    rows: bool = False,
) -> Checks:
    """Read the last answer of every test and rule. Nothing is asked again.

    environment: a branch; by default, the branch that is checked out.
    select, exclude: the nodes whose tests are read, and the rules about them, in the grammar of
    docs/selection.md; by default, all.
    rows: read some of the rows that violate each check.

    Raises UsageError for a name that does not exist, ProjectError if the nodes are wrong, and
    WarehouseError if the warehouse cannot be read.
    """
    revision, options = revision_of(workspace, environment), asked(select, exclude)
    readings = _readings(workspace, revision)
    loaded, refresh = next(readings)
    wanted = _wanted(workspace, revision, loaded, options)
    chosen = frozenset(node for node, _ in wanted) if options else None
    answers = _answers(workspace, revision, loaded, chosen, refresh=refresh, rows=rows)
    if not wanted.keys() <= answers.keys():
        for other, refresh in readings:
            more = _answers(workspace, revision, other, chosen, refresh=refresh, rows=rows)
            answers = more | answers
    name = revision.name
    told = (
        Asked(key[0], loaded.graph.node(key[0]).path, check, *answers.get(key, ()))
        for key, check in wanted.items()
    )
    return Checks(name, revision.schema, elsewhere(workspace, name), tuple(told))


def _readings(workspace: Workspace, revision: Revision) -> Iterator[tuple[Loaded, bool]]:
    """The nodes with the raw data that a run would read, and whether it would read that again; then
    the other way round, as answers may be about the load that is shown. Raw data may be missing.

    Raises ProjectError if the nodes are wrong.
    """
    tree, again = head_tree(workspace, revision), revision.environment.is_production

    def read(*, refresh: bool) -> tuple[Loaded, bool]:
        keeps = None if refresh else revision.schema
        return load_sound(workspace, tree, revision, keeps=keeps), refresh

    try:
        yield read(refresh=again)
    except ProjectError:
        again = not again
        yield read(refresh=again)
    with suppress(ProjectError):
        yield read(refresh=not again)


def _wanted(
    workspace: Workspace, revision: Revision, loaded: Loaded, options: Selecting
) -> dict[_Key, Check]:
    """The checks of the selected nodes, and of the rules about them."""
    graph, keeps = loaded.graph, revision.schema
    chosen = selected_to_run(workspace, revision, loaded, options, keeps=keeps)
    if chosen is not None:
        left_out = replace(options, select=(), nodes=(), types=(), tags=())
        kept = selected_to_run(workspace, revision, loaded, left_out, keeps=keeps)
        rules = (
            rule
            for rule in graph.structure.of_kind("rule")
            if not chosen.isdisjoint(graph.inputs[rule]) and (kept is None or rule in kept)
        )
        chosen = chosen.union(rules)
    return {
        (node, number): check
        for node, number, check in all_checks(graph)
        if chosen is None or node in chosen
    }


def _answers(
    workspace: Workspace,
    revision: Revision,
    loaded: Loaded,
    chosen: frozenset[str] | None,
    *,
    refresh: bool,
    rows: bool,
) -> _Answers:
    """The answers about the newest tables of the chosen nodes, and else about those that are
    shown."""
    if not workspace.has_warehouse:
        return {}
    with open_warehouse(
        workspace.warehouse_location,
        workspace.marks,
        read_only=True,
        deadline=workspace.until,
    ) as warehouse:
        shown, newest = works_of(warehouse, loaded, revision, refresh=refresh, chosen=chosen)
        found = _answers_of(warehouse, newest, rows=rows)
        return _answers_of(warehouse, shown, rows=rows) | found


def _answers_of(warehouse: Warehouse, work: Work, *, rows: bool) -> _Answers:
    answers, tables = known_answers(work), work.tables()
    shows = warehouse.environments.shown(work.environment.schema)
    shown = {node: published.table for node, published in shows.items()}
    found = violations(work, answers, tables, shown)
    if rows:
        found = with_samples(warehouse, work, found, work.relations(), answers.keys())
    violated = {(violation.node, violation.number): violation for violation in found}
    return {key: (audit, violated.get(key)) for key, audit in answers.items()}
