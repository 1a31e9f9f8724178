"""Make the table of a node: read its files, execute its SELECT or its function, or extend its
history."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from seeknal_git.build import telling
from seeknal_git.build.compute import (
    Statement,
    query_of,
    reads_files,
    select_of,
    statement_of,
)
from seeknal_git.build.failures import NodeFailed
from seeknal_git.build.progress import Event
from seeknal_git.build.rebuilds import is_in_part
from seeknal_git.build.site import Site, relations_of, snapshot_of
from seeknal_git.build.sources_in_place import moved_words, over_kept_files, refuse_broken
from seeknal_git.build.work import Work
from seeknal_git.errors import FileFault, ProjectError
from seeknal_git.names import is_changes
from seeknal_git.nodes.node import Node
from seeknal_git.project.data_paths import is_of_files
from seeknal_git.project.misfits import misfit_of
from seeknal_git.project.python_columns import type_words
from seeknal_git.project.questions import broken_promises
from seeknal_git.sql.engine import SqlError
from seeknal_git.warehouse.model.pieces import Stage
from seeknal_git.warehouse.model.queries import Query, relation
from seeknal_git.warehouse.model.snapshots import Blueprint, Part, Snapshot
from seeknal_git.warehouse.protocol import Builder

if TYPE_CHECKING:
    from seeknal_git.build.files import FileLoad
    from seeknal_git.build.histories import Histories


def table_of(site: Site, builder: Builder, identifier: str) -> Snapshot | Stage:
    """Make the table of a node, or a part of its pieces if that takes long. Raises one of
    FAILURES."""
    node = site.work.graph.node(identifier)
    if reads_files(node):
        return _loaded(site, builder, node)
    if histories := site.work.inventory.histories if is_changes(identifier) else None:
        return _extended(site, builder, node, histories)
    if node.is_python:
        blueprint = _blueprint(site, identifier, _computed(site, builder, node))
        return _executed(site, builder, blueprint, partial(_refuse_broken, site, identifier))
    made = _made_of_tables(site, builder, node)
    if isinstance(made, Stage):
        return made
    if node.promises and site.work.graph.columns[identifier] is None:
        _need_promises(site, builder, node, made)
    return made


def order_of(site: Site, identifier: str) -> Blueprint:
    """The order of a table that is one SELECT over tables. Raises NodeFailed."""
    blueprint = _blueprint(site, identifier, _statement(site, identifier))
    _tell(site, site.work.graph.node(identifier), blueprint)
    return blueprint


def _extended(site: Site, builder: Builder, node: Node, histories: Histories) -> Snapshot:
    """Add the load of a source to its history."""
    blueprint = _blueprint(site, node.id, _statement(site, node.id))
    blueprint = replace(blueprint, name=site.work.graph.views[node.id])
    load = snapshot_of(site.work, site.progress, node.inputs[0].id).relation
    addition = histories.addition(node, load, blueprint)
    try:
        return builder.extend(blueprint, addition, site.taken)
    except SqlError as exc:
        raise NodeFailed(f"{exc.message} ({node.path}:{node.sql_line})") from exc


def _made_of_tables(site: Site, builder: Builder, node: Node) -> Snapshot | Stage:
    if node.partition:
        graph = site.work.graph
        targets = graph.targets[node.id][0]
        reads = {read: snapshot_of(site.work, site.progress, read) for read in targets}

        def rendered(tables: Mapping[str, str]) -> Blueprint:
            return _blueprint(site, node.id, Statement(select_of(graph, node.id, tables)))

        with failing_in_words(node):
            _refuse_broken(site, node.id)
            if made := site.pieces.built(builder, node, reads, rendered):
                return made
    query = _query(site, node.id) if node.is_view else None
    blueprint = _blueprint(site, node.id, _statement(site, node.id), query)
    return _executed(site, builder, blueprint, partial(_refuse_broken, site, node.id))


def _need_promises(site: Site, builder: Builder, node: Node, made: Snapshot) -> None:
    """Check the columns that a node declares, if they were not known before: it reads a Python
    node that declares none. Raises NodeFailed."""
    columns = builder.columns(f"SELECT * FROM {made.relation}")
    declared = {name: word for name, word in node.promises.items() if word}
    words = type_words(declared.values(), site.work.root.cache)
    types = {name: words[word] for name, word in declared.items()}
    for problem in broken_promises(node, columns, types):
        raise NodeFailed(f"{problem.message} ({problem.path}:{problem.line})")


def _loaded(site: Site, builder: Builder, source: Node) -> Snapshot:
    """Read the files of a source. They must be those that the plan saw, until the end. If the same
    load is there in another form, that is copied: its files may be gone."""
    if other := site.work.inventory.in_another_form(source):
        return _copied(site, builder, source, other)
    load = _by_file(site, builder, source) if is_of_files(source) else None
    with site.work.root.opened(source, load.unread if load else None) as opened:
        if opened.version != site.work.inventory.versions[source.id]:
            text = site.work.inventory.identities[source.id].text
            lost = site.work.inventory.builds.lost.get(text, ())
            raise NodeFailed(moved_words(site.warehouse, site.work.root, source, lost))
        statement = load.statement(opened) if load else None
        statement = statement or _statement(site, source.id, opened.paths)
        blueprint, confirm = _blueprint(site, source.id, statement), opened.confirm
        try:
            if source.is_view:
                blueprint, confirm = over_kept_files(site.work.root, opened, blueprint)
            settled = partial(_refuse_moving_data, confirm)
            if load or source.partition:
                _tell(site, source, blueprint)
                with failing_in_words(source):
                    if load:
                        return builder.load_files(load.order(blueprint, opened), settled)
                    return site.pieces.loaded(builder, source, blueprint, settled)
            return _executed(site, builder, blueprint, settled)
        except NodeFailed as exc:
            if found := misfit_of(source, opened, blueprint.dialect or {}):
                raise NodeFailed(f"{found.message} ({found.path}:{found.line})") from exc
            raise NodeFailed(opened.in_words(str(exc))) from exc


def _copied(site: Site, builder: Builder, source: Node, other: Snapshot) -> Snapshot:
    """The table of a source whose rows another snapshot has, so that no file is read."""
    contract = site.work.root.contracts.get(source.id)
    dialect = dict(contract.dialect) if contract else {}
    statement = Statement(f"SELECT * FROM {other.relation}", dialect=dialect)
    blueprint = _blueprint(site, source.id, statement)
    if not source.partition:
        return _executed(site, builder, blueprint)
    with failing_in_words(source):
        return site.pieces.loaded(builder, source, blueprint, lambda: None)


def _by_file(site: Site, builder: Builder, source: Node) -> FileLoad | None:
    """How a source is read file by file; None if it has to be read as a whole."""
    from seeknal_git.build.files import FileLoad

    inventory, root = site.work.inventory, site.work.root
    with _in_problems():
        load = FileLoad.of(inventory, root, source, builder, site.taken)
    if isinstance(load, FileLoad):
        return load
    message = f"{load.why} ({source.path})"
    site.progress.doubts.append((source.id, message))
    site.report(Event("doubted", source.id, message))
    return None


def _computed(site: Site, builder: Builder, node: Node) -> Statement:
    """The SELECT of the rows that a function returned. It runs once, however often its table is
    undone."""
    wanted = site.work.inventory.wanted(node.id)
    if wanted not in site.computed:
        tables = relations_of(site, site.work.graph.targets[node.id][0])
        assert site.functions, "the run builds a Python node"
        told = telling.of_code(node, site.work.options, site.report, site.progress)
        site.computed[wanted] = site.functions.statement(node.id, tables, builder, *told)
    return site.computed[wanted]


def _statement(site: Site, identifier: str, paths: Sequence[Path] | None = None) -> Statement:
    graph = site.work.graph
    tables = relations_of(site, graph.targets[identifier][0])
    with _in_problems():
        return statement_of(graph, site.work.root, identifier, tables, paths)


@contextmanager
def _in_problems() -> Iterator[None]:
    """Problems of the project within the block fail the node."""
    try:
        yield
    except ProjectError as exc:
        words = [f"{problem.message} ({problem.path}:{problem.line})" for problem in exc.problems]
        raise NodeFailed("; ".join(words)) from exc


def _refuse_broken(site: Site, identifier: str) -> None:
    reads = site.work.graph.targets[identifier][0]
    snapshots = [snapshot_of(site.work, site.progress, node) for node in reads]
    if any(snapshot.files for snapshot in snapshots):
        refuse_broken(site.warehouse, site.work.root, snapshots)


def _refuse_moving_data(confirm: Callable[[], None]) -> None:
    """A file that changed while it was read is neither the old load nor the new one."""
    try:
        confirm()
    except FileFault as exc:
        raise SqlError(f"{exc.message} {exc.hint}".rstrip(".")) from exc


def _executed(
    site: Site,
    builder: Builder,
    blueprint: Blueprint,
    confirm: Callable[[], None] = lambda: None,
) -> Snapshot:
    node = site.work.graph.node(blueprint.node)
    _tell(site, node, blueprint)
    with failing_in_words(node):
        return builder.build(blueprint, site.taken, confirm)


def _tell(site: Site, node: Node, blueprint: Blueprint) -> None:
    if site.work.options.verbose and node.id not in site.told:
        site.told.add(node.id)
        telling.sql(node, blueprint, site.report)


@contextmanager
def failing_in_words(node: Node) -> Iterator[None]:
    """Errors of the engine within the block fail the node, with the line of its SQL."""
    try:
        yield
    except SqlError as exc:
        known = node.kind != "source" and exc.line is not None
        line = f":{node.line_of_sql(exc.line)}" if known else ""
        raise NodeFailed(f"{node.hides(exc.message)} ({node.sql_path}{line})") from exc


def _blueprint(
    site: Site, identifier: str, statement: Statement, query: Query | None = None
) -> Blueprint:
    work, identity = site.work, site.work.inventory.identities[identifier]
    return Blueprint(
        id=identity.id,
        identity=identity.text,
        build=identity.build,
        unstable=work.graph.is_unstable(identifier) or bool(work.graph.node(identifier).frozen),
        node=identifier,
        name=work.graph.node(identifier).name,
        fingerprint=work.graph.wholes[identifier],
        data_version=work.inventory.versions.get(identifier),
        sql=statement.sql if query is None else query.over(relation),
        query=query,
        parameters=statement.parameters,
        dialect=statement.dialect,
        form=work.graph.structure.pieces.get(identifier, ""),
        part=_over_parts(work, identifier) if is_in_part(identity.build) else None,
    )


def _over_parts(work: Work, identifier: str) -> Part:
    """A table that is computed of tables in part."""
    limits = work.inventory.limits
    return Part(over=limits.behind(identifier) if limits else ())


def _query(site: Site, identifier: str) -> Query:
    graph = site.work.graph
    reads = graph.targets[identifier][0]
    rows = {node: snapshot_of(site.work, site.progress, node).text for node in reads}
    return query_of(graph, identifier, rows, site.work.root.kept.folder)
