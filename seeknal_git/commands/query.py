"""The command `query`: a SELECT on the tables that an environment shows, showed, or held back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from seeknal_git.commands.checked_tables import first_question, looked, need_something_wrong
from seeknal_git.commands.held_back import Held, held_back
from seeknal_git.environments.other_clones import published_elsewhere
from seeknal_git.environments.publications import nearest, need_tables, never_published, shown
from seeknal_git.environments.revision import (
    Revision,
    elsewhere,
    environment_of,
    head_tree,
    load_sound,
    revision_of,
)
from seeknal_git.errors import GitError, ProjectError, UsageError
from seeknal_git.names import of_option, schema_of
from seeknal_git.project.workspace import Workspace, current_tree
from seeknal_git.sql.queries import tables_named
from seeknal_git.warehouse.model import PYTHON, Answer, Listener, Published
from seeknal_git.warehouse.opening import open_warehouse
from seeknal_git.warehouse.protocol import Warehouse


@dataclass(frozen=True, slots=True)
class Query:
    """A SELECT and the tables to run it on."""

    # Needed, unless `failed` is given.
    sql: str | None = None
    # By default, the environment of the branch that is checked out.
    environment: str | None = None
    # A publication or a commit: ask production as it was.
    at: str | None = None
    # A node: ask the tables that its checks looked at, published or not.
    failed: str | None = None


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question, and whoever listens to the answer: first to notes on it, then to the rows."""

    sql: str | None
    environment: str | None
    form: str
    note: Callable[[str], None]
    show: Callable[[Answer], None]

    def listener(self, notes: Iterable[str] = ()) -> Listener:
        def hear(answer: Answer) -> None:
            for note in notes:
                self.note(note)
            self.show(answer)

        return Listener(self.form, hear)


@dataclass(frozen=True, slots=True)
class Rows:
    """The answer to a query."""

    names: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    # Sentences that go with the answer, such as: the branch was never run.
    notes: tuple[str, ...]


def query(
    workspace: Workspace,
    sql: str | None = None,
    *,
    environment: str | None = None,
    at: str | None = None,
    failed: str | None = None,
) -> Rows:
    """Run one SELECT on the tables of an environment, whose views go by their bare names.

    sql: one statement that reads; with `failed`, the violating rows by default.
    environment: a branch; by default, the branch that is checked out.
    at: a publication or a commit; asks production as it was then.
    failed: a node; asks the tables that its checks looked at, even if they were not published.

    Raises UsageError if the statement is wrong or the environment is not built, and WarehouseError
    if the warehouse cannot be read or the tables are no longer kept.
    """
    notes = list[str]()
    answers = list[Rows]()

    def keep(answer: Answer) -> None:
        rows = tuple(tuple(row) for row in answer.rows)
        answers.append(Rows(tuple(answer.names), rows, tuple(notes)))

    stream(workspace, Query(sql, environment, at, failed), PYTHON, keep, notes.append)
    return answers[0]


def stream(
    workspace: Workspace,
    question: Query,
    form: str,
    show: Callable[[Answer], None],
    note: Callable[[str], None],
) -> None:
    """Ask, and call `show` with the answer while its rows are read: there may be many of them.

    form: TABLE, CSV, JSON or PYTHON, see warehouse/model.py.

    Raises what `query` raises.
    """
    asked = _Asked(question.sql, question.environment, form, note, show)
    if question.failed is not None:
        if question.at is not None:
            raise UsageError("--failed asks what was built last: it goes without --at.")
        _query_failed(workspace, asked, question.failed)
    elif question.sql is None:
        raise UsageError("Missing argument SQL.", "Usage: seeknal query [OPTIONS] SQL")
    elif question.at is not None:
        _query_past(workspace, asked, question.at)
    else:
        _query(workspace, asked)


def _query(workspace: Workspace, question: _Asked) -> None:
    """Ask an environment; if it was never run, ask production's tables.

    Raises UsageError if there is nothing to ask yet.
    """
    sql, environment = question.sql or "", question.environment
    branch = environment_of(workspace, environment)
    if workspace.has_warehouse:
        with open_warehouse(
            workspace.warehouse_path,
            workspace.marks,
            read_only=True,
            deadline=workspace.until,
        ) as warehouse:
            held = held_back(workspace, warehouse, branch)
            if schema_of(branch) in warehouse.environments.all():
                notes = () if held else tuple(_not_this_clones(workspace, warehouse, branch, sql))
                return _asked(warehouse, schema_of(branch), question, held, notes)
            if held:
                first = min(held.values(), key=lambda each: not each.fails)
                raise UsageError(
                    f"The environment {branch} shows nothing yet: {first.why}", first.cure
                )
            if warehouse.environments.shown(workspace.production_schema):
                return _asked_of_production(
                    workspace, warehouse, revision_of(workspace, environment), question
                )
    if environment:
        revision_of(workspace, environment)
    raise UsageError(f"The environment {branch} is not built yet.", _hint(workspace, branch))


def _hint(workspace: Workspace, branch: str) -> str:
    command = (
        "seeknal run"
        if branch == workspace.production
        else f"seeknal run {of_option('--env', branch)}"
    )
    return f"It exists once it is built: {command}"


def _asked_of_production(
    workspace: Workspace, warehouse: Warehouse, revision: Revision, question: _Asked
) -> None:
    """Ask production in place of a branch that was never run; note the branch's own changes."""
    sql, branch = question.sql or "", revision.name
    production = warehouse.environments.shown(workspace.production_schema)
    names = {name.lower() for name in tables_named(sql)}
    edited = []
    with suppress(ProjectError):  # nodes that are wrong cannot be built either
        graph = load_sound(
            workspace, head_tree(workspace, revision), revision, keeps=revision.schema
        ).graph
        for node, view in graph.views.items():
            shown, whole = production.get(node), graph.wholes[node]
            if view.lower() in names and shown is None:
                raise UsageError(
                    f"{view} is new in {branch}, and not built yet.", _hint(workspace, branch)
                )
            if view.lower() in names and shown and shown.fingerprint != whole:
                edited.append(view)
    gone = "is removed" if warehouse.environments.was_deleted(revision.schema) else "was never run"
    note = f"{branch} {gone}: this asks production's own tables."
    if edited:
        note += f" {branch} changes {', '.join(edited)}: seeknal run {of_option('--env', branch)}"
    warehouse.queries.ask(workspace.production_schema, sql, question.listener([note]))


def _asked(
    warehouse: Warehouse,
    schema: str,
    question: _Asked,
    held: Mapping[str, Held],
    notes: Sequence[str],
) -> None:
    sql = question.sql or ""
    names = (
        {name.lower().removeprefix(f"{schema}.") for name in tables_named(sql)} if held else set()
    )
    meant = [node for name, node in held.items() if name in names]
    for node in meant:
        if not node.shown:
            state_of = "built, but not published" if node.built else "not built"
            raise UsageError(f"{node.view} is {state_of} in {schema}: {node.why}", node.cure)
    old = (
        f"{node.view} is what it was before the last run: {node.why} {node.cure}" for node in meant
    )
    warehouse.queries.ask(schema, sql, question.listener([*notes, *old]))


def _not_this_clones(
    workspace: Workspace, warehouse: Warehouse, branch: str, sql: str
) -> Iterator[str]:
    """Notes about views that differ from this clone: another clone's, or older than the tree here.

    Raises UsageError for a node that is not built yet.
    """
    schema = schema_of(branch)
    foreign = None
    if branch != workspace.production:  # which every clone is meant to publish
        foreign = published_elsewhere(workspace.repository, warehouse, schema)
    old = _older(workspace, warehouse, branch, tables_named(sql))
    mine = f"seeknal run{_elsewhere(workspace, branch)}"
    if foreign and (old or not foreign.known or not foreign.ours):
        yield f"{branch} was published {foreign}. This clone's own: {mine}"
    elif old:
        ahead = f"{_tree(workspace, branch)} is ahead: {mine}"
        yield f"{branch} shows {', '.join(old)} as of its last run, and {ahead}"


def _elsewhere(workspace: Workspace, branch: str) -> str:
    return f" {of_option('--env', branch)}" if elsewhere(workspace, branch) else ""


def _tree(workspace: Workspace, branch: str) -> str:
    return f"the tip of {branch}" if elsewhere(workspace, branch) else "the working tree"


def _older(
    workspace: Workspace, warehouse: Warehouse, branch: str, tables: Iterable[str]
) -> list[str]:
    """The views that a query names and that were edited since they were built. Raises UsageError
    for a new one."""
    found: list[str] = []
    with suppress(ProjectError, GitError):  # nodes that are wrong cannot be built either
        revision = revision_of(workspace, branch)
        if _is_as_published(workspace, warehouse, revision):
            return []
        names = {name.lower().removeprefix(f"{revision.schema}.") for name in tables}
        graph = load_sound(
            workspace, head_tree(workspace, revision), revision, keeps=revision.schema
        ).graph
        there = warehouse.environments.shown(revision.schema)
        for node, view in graph.views.items():
            if view.lower() not in names:
                continue
            if node not in there and view not in warehouse.environments.views(revision.schema):
                raise UsageError(
                    f"{view} is new in {branch}, and not built yet.", _hint(workspace, branch)
                )
            if node in there and there[node].fingerprint != graph.wholes[node]:
                found.append(view)
    return found


def _is_as_published(workspace: Workspace, warehouse: Warehouse, revision: Revision) -> bool:
    """Whether a branch is at the commit that was published, so that nothing has to be loaded to
    compare them.

    Of production, `pending` says what its branch has that it does not show.
    """
    last = warehouse.publications.last(revision.schema)
    if revision.checked_out and current_tree(workspace).dirty:
        return bool(last and last.restores)
    if revision.environment.is_production:
        return True
    return last is not None and not last.edited and last.commit == revision.commit


def _query_past(workspace: Workspace, question: _Asked, revision: str) -> None:
    """Ask production as it was at a publication or a commit.

    Raises UsageError if there is none, and WarehouseError if its tables are no longer kept.
    """
    environment = question.environment
    if environment and workspace.branch_of(environment) != workspace.production:
        raise UsageError("Only production can be asked as it was: --at goes without --env.")
    if not workspace.has_warehouse:
        raise never_published()
    with open_warehouse(
        workspace.warehouse_path,
        workspace.marks,
        read_only=True,
        deadline=workspace.until,
    ) as warehouse:
        wanted = shown(workspace, warehouse, revision)
        need_tables(workspace, wanted, "seeknal log says which publications are kept.")
        if wanted.named.asked:
            question.note(nearest(wanted.named))
        warehouse.queries.ask_past(
            workspace.production_schema,
            wanted.views.values(),
            question.sql or "",
            question.listener(),
        )


def _query_failed(workspace: Workspace, question: _Asked, name: str) -> None:
    """Ask the tables that the checks of a node have looked at, also if they were not published;
    without SQL, for the rows that violate the first check that fails.

    Raises UsageError where the node is not built as it is now, or where nothing is wrong with it.
    """
    if not workspace.has_warehouse:
        raise never_published()
    revision = revision_of(workspace, question.environment)
    with open_warehouse(
        workspace.warehouse_path,
        workspace.marks,
        read_only=True,
        deadline=workspace.until,
    ) as warehouse:
        found = looked(workspace, warehouse, revision, name)
        wanted = question.sql or first_question(found)
        tables = found.work.tables()
        need_something_wrong(warehouse, found, tables)
        graph = found.work.graph
        views = [
            Published(
                node,
                graph.views[node],
                found.work.inventory.wanted(node),
                tables[node],
                graph.wholes[node],
            )
            for node in dict.fromkeys([*found.read, *found.inputs])
            if node in tables
        ]
        notes = (
            [violation.message for violation in found.violations] if question.sql is None else []
        )
        warehouse.queries.ask_past(revision.schema, views, wanted, question.listener(notes))
