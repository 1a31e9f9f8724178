"""The command `query`: a SELECT on the tables that an environment shows, showed, or held back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from seeknal_git.commands.checked_tables import first_question, looked, need_something_wrong
from seeknal_git.commands.held_back import Held, held_back
from seeknal_git.commands.query_age import edited_views, how_to_build, not_this_clones
from seeknal_git.commands.query_names import no_view, over_views, views_to_come, without_macros
from seeknal_git.environments.files_in_place import CURE, broken
from seeknal_git.environments.parts import parts_in_words, parts_shown
from seeknal_git.environments.publications import nearest, need_tables, never_published, shown
from seeknal_git.environments.revision import (
    Revision,
    environment_of,
    head_tree,
    revision_of,
)
from seeknal_git.errors import ProjectError, UsageError, WarehouseError
from seeknal_git.git.tree import Tree, commit_tree
from seeknal_git.names import folded, of_option, schema_of, split_id
from seeknal_git.project.workspace import Workspace
from seeknal_git.sql.queries import tables_within
from seeknal_git.sql.sandbox import NOTHING, Reach
from seeknal_git.warehouse.model.answers import PYTHON, Answer, Listener
from seeknal_git.warehouse.model.environments import Published
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
    # At most this many rows.
    limit: int | None = None
    # The file that the engine writes, with the form PARQUET.
    file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked(Query):
    """A question, and whoever listens to the answer: first to notes on it, then to the rows."""

    form: str
    note: Callable[[str], None]
    show: Callable[[Answer], None]

    def listener(self, notes: Iterable[str] = ()) -> Listener:
        def hear(answer: Answer) -> None:
            for note in notes:
                self.note(note)
            self.show(answer)

        return Listener(self.form, hear, self.limit, self.file)

    def over(
        self,
        schema: str,
        shown: Callable[[], Mapping[str, Published]],
        others: Callable[[], Mapping[str, str]] = dict,
    ) -> _Asked:
        """The same question, with views in place of the names of nodes."""
        if self.sql is None:
            return self
        return replace(self, sql=over_views(self.sql, schema, shown, others))


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
    limit: int | None = None,
) -> Rows:
    """Run one SELECT on the tables of an environment, whose views go by their bare names, or by the
    names of their nodes.

    sql: one statement that reads; with `failed`, the violating rows by default.
    environment: a branch; by default, the branch that is checked out.
    at: a publication or a commit; asks production as it was then.
    failed: a node; asks the tables that its checks looked at, even if they were not published.
    limit: at most this many rows.

    Raises UsageError if the statement is wrong or the environment is not built, and WarehouseError
    if the warehouse cannot be read or the tables are no longer kept.
    """
    notes = list[str]()
    answers = list[Rows]()

    def keep(answer: Answer) -> None:
        rows = tuple(tuple(row) for row in answer.rows)
        answers.append(Rows(tuple(answer.names), rows, tuple(notes)))

    stream(workspace, Query(sql, environment, at, failed, limit), PYTHON, keep, notes.append)
    return answers[0]


def stream(
    workspace: Workspace,
    question: Query,
    form: str,
    show: Callable[[Answer], None],
    note: Callable[[str], None],
) -> None:
    """Ask, and call `show` with the answer while its rows are read: there may be many of them.

    form: TABLE, CSV, JSON, PYTHON or PARQUET, see warehouse/model/answers.py.

    Raises what `query` raises.
    """
    asked = _Asked(**asdict(question), form=form, note=note, show=show)
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


def _opened(workspace: Workspace, question: _Asked) -> AbstractContextManager[Warehouse]:
    """The warehouse for reading. The engine may open one file beside it, that of the answer."""
    return open_warehouse(
        workspace.warehouse_location,
        workspace.marks,
        read_only=True,
        deadline=workspace.until,
        reach=Reach([question.file]) if question.file else NOTHING,
    )


def _query(workspace: Workspace, question: _Asked) -> None:
    """Ask an environment; if it was never run, ask production's tables.

    Raises UsageError if there is nothing to ask yet.
    """
    environment = question.environment
    branch = environment_of(workspace, environment)
    schema, coming = schema_of(branch), partial(views_to_come, workspace, environment)
    if workspace.has_warehouse:
        question = _without_macros(workspace, question)
        with _opened(workspace, question) as warehouse:
            held = held_back(workspace, warehouse, branch)
            if schema in warehouse.environments.all():
                shown = partial(warehouse.environments.shown, schema)
                question = question.over(schema, shown, coming)
                sql = question.sql or ""
                notes = () if held else tuple(not_this_clones(workspace, warehouse, branch, sql))
                if branch != workspace.production:
                    notes = (*notes, *_in_part(warehouse, branch, sql))
                return _asked(workspace, warehouse, schema, question, held, notes)
            if held:
                first = min(held.values(), key=lambda each: not each.fails)
                raise UsageError(
                    f"The environment {branch} shows nothing yet: {first.why}", first.cure
                )
            production = warehouse.environments.shown(workspace.production_schema)
            if production:
                asked = question.over(workspace.production_schema, lambda: production, coming)
                revision = revision_of(workspace, environment)
                return _asked_of_production(workspace, warehouse, revision, asked)
    if environment:
        revision_of(workspace, environment)
    raise UsageError(f"The environment {branch} is not built yet.", how_to_build(workspace, branch))


def _in_part(warehouse: Warehouse, branch: str, sql: str) -> Iterator[str]:
    """A note about the views that a query names and that hold a part of their rows."""
    schema = schema_of(branch)
    if parts := parts_shown(warehouse, schema):
        names, shown = tables_within(sql, schema), warehouse.environments.shown(schema)
        named = {node: part for node, part in parts.items() if shown[node].view.lower() in names}
        if named:
            yield parts_in_words(branch, named)


def _asked_of_production(
    workspace: Workspace, warehouse: Warehouse, revision: Revision, question: _Asked
) -> None:
    """Ask production in place of a branch that was never run; note the branch's own changes."""
    sql, branch = question.sql or "", revision.name
    production = warehouse.environments.shown(workspace.production_schema)
    schema = workspace.production_schema
    edited = []
    with suppress(ProjectError):  # nodes that are wrong cannot be built either
        edited = edited_views(workspace, revision, tables_within(sql, schema), production)
    gone = "is removed" if warehouse.environments.was_deleted(revision.schema) else "was never run"
    note = f"{branch} {gone}: this asks production's own tables."
    if edited:
        note += f" {branch} changes {', '.join(edited)}: seeknal run {of_option('--env', branch)}"
    _ask(workspace, warehouse, schema, sql, question.listener([note]))


def _without_macros(workspace: Workspace, question: _Asked) -> _Asked:
    """The question without calls of the macros that the environment's branch has."""
    if question.sql is None:
        return question

    def tree() -> Tree:
        return head_tree(workspace, revision_of(workspace, question.environment))

    return replace(question, sql=without_macros(workspace, question.sql, tree))


def _asked(
    workspace: Workspace,
    warehouse: Warehouse,
    schema: str,
    question: _Asked,
    held: Mapping[str, Held],
    notes: Sequence[str],
) -> None:
    sql = question.sql or ""
    names = tables_within(sql, schema) if held else set()
    meant = [node for name, node in held.items() if name in names]
    for node in meant:
        if not node.shown:
            state_of = "built, but not published" if node.built else "not built"
            raise UsageError(f"{node.view} is {state_of} in {schema}: {node.why}", node.cure)
    old = (
        f"{node.view} is what it was before the last run: {node.why} {node.cure}" for node in meant
    )
    _ask(workspace, warehouse, schema, sql, question.listener([*notes, *old]))


def _ask(
    workspace: Workspace, warehouse: Warehouse, schema: str, sql: str, listener: Listener
) -> None:
    """Ask an environment. Raises UsageError, for an ephemeral node with the reason."""
    _need_files(workspace, warehouse, schema, sql)
    try:
        warehouse.queries.ask(schema, sql, listener)
    except UsageError as exc:
        names = tables_within(sql, schema)
        for node, published in warehouse.environments.shown(schema).items():
            if not published.view and split_id(node)[1].lower() in names:
                raise no_view(node) from exc
        raise


def _need_files(workspace: Workspace, warehouse: Warehouse, schema: str, sql: str) -> None:
    """Raise WarehouseError if a view that a question names reads a file that is gone or was
    changed."""
    shown = warehouse.environments.shown(schema)
    if faults := broken(workspace, warehouse, shown):
        names = tables_within(sql, schema)
        for node, fault in faults.items():
            if folded(shown[node].view) in names:
                raise WarehouseError(f"{shown[node].view} cannot be read: {fault}.", CURE)


def _query_past(workspace: Workspace, question: _Asked, revision: str) -> None:
    """Ask production as it was at a publication or a commit.

    Raises UsageError if there is none, and WarehouseError if its tables are no longer kept.
    """
    environment = question.environment
    if environment and workspace.branch_of(environment) != workspace.production:
        raise UsageError("Only production can be asked as it was: --at goes without --env.")
    if not workspace.has_warehouse:
        raise never_published()
    with _opened(workspace, question) as warehouse:
        wanted = shown(workspace, warehouse, revision)
        if wanted.named.asked:
            question.note(nearest(wanted.named))
        commit = wanted.named.record.commit
        sql = without_macros(
            workspace, question.sql or "", lambda: commit_tree(workspace.repository, commit)
        )
        schema = workspace.production_schema
        asked = replace(question, sql=sql).over(schema, lambda: wanted.views)
        gone = {*wanted.lost, *wanted.broken}
        views = [view for node, view in wanted.views.items() if node not in gone]
        if names := tables_within(asked.sql or "", schema) - {folded(one.view) for one in views}:
            named = {
                node: why
                for node, why in wanted.broken.items()
                if folded(wanted.views[node].view) in names
            }
            need_tables(
                workspace,
                replace(wanted, broken=named),
                "seeknal log says which publications are kept.",
            )
        warehouse.queries.ask_past(schema, views, asked.sql or "", asked.listener())


def _query_failed(workspace: Workspace, question: _Asked, name: str) -> None:
    """Ask the tables that the checks of a node have looked at, also if they were not published;
    without SQL, for the rows that violate the first check that fails.

    Raises UsageError where the node is not built as it is now, or where nothing is wrong with it.
    """
    if not workspace.has_warehouse:
        raise never_published()
    revision = revision_of(workspace, question.environment)
    question = _without_macros(workspace, question)
    with _opened(workspace, question) as warehouse:
        found = looked(workspace, warehouse, revision, name)
        snapshots = found.work.snapshots()
        tables = {node: snapshot.table for node, snapshot in snapshots.items()}
        need_something_wrong(warehouse, found, tables)
        graph = found.work.graph
        views = [
            Published(
                node,
                graph.views[node] or split_id(node)[1],
                found.work.inventory.wanted(node),
                tables[node],
                graph.wholes[node],
                snapshots[node].query,
            )
            for node in dict.fromkeys([*found.read, *found.inputs])
            if node in tables
        ]
        notes = (
            [violation.message for violation in found.violations] if question.sql is None else []
        )
        asked = question.over(revision.schema, lambda: {view.node: view for view in views})
        wanted = asked.sql or first_question(found)
        warehouse.queries.ask_past(revision.schema, views, wanted, question.listener(notes))
