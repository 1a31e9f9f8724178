"""Point an environment's views at snapshots: all of them in one transaction, or none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb

from seeknal_git.errors import WarehouseError
from seeknal_git.names import STATE, qualified, quote
from seeknal_git.warehouse import state
from seeknal_git.warehouse.connection import transaction
from seeknal_git.warehouse.state import Published, relation


@dataclass(frozen=True, slots=True)
class Publication:
    """What an environment is to show, and where that comes from.

    shows: node → view and snapshot; commit: of the tree that was built; built: the nodes that this run built.
    """

    schema: str
    branch: str
    commit: str
    author: str
    command: str
    shows: Mapping[str, Published]
    built: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a publication did: nodes re-pointed, left as they were, and removed."""

    repointed: tuple[str, ...]
    unchanged: tuple[str, ...]
    removed: tuple[str, ...]


def publish(connection: duckdb.DuckDBPyConnection, publication: Publication) -> Outcome:
    """Make an environment show exactly what a publication says, in one transaction.

    A view that is right already is left alone. Raises WarehouseError where something else is in a view's place.
    """
    with transaction(connection):
        return _publish(connection, publication)


def _publish(connection: duckdb.DuckDBPyConnection, publication: Publication) -> Outcome:
    schema, shows = publication.schema, publication.shows
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(schema)}")
    before, views = state.published(connection, schema), state.views_there(connection, schema)
    wrong = [each for node, each in shows.items() if before.get(node) != each or views.get(each.view) != each.table]
    removed = [each for node, each in before.items() if node not in shows]
    names = {each.view for each in shows.values()}
    gone = [each.view for each in before.values() if each.view not in names and each.view in views]
    _repoint(connection, schema, gone, wrong)
    state.touch_environment(connection, schema, publication.branch)
    if wrong or removed or _last_commit(connection, schema) != publication.commit:
        _record(connection, publication, wrong, removed)
    moved = {each.node for each in wrong}
    unchanged = tuple(node for node in shows if node not in moved)
    return Outcome(tuple(each.node for each in wrong), unchanged, tuple(each.node for each in removed))


def _repoint(
    connection: duckdb.DuckDBPyConnection, schema: str, gone: Sequence[str], wrong: Sequence[Published]
) -> None:
    statements = [f"DROP VIEW {qualified(schema, view)}" for view in gone]
    statements += [
        f"CREATE OR REPLACE VIEW {qualified(schema, each.view)} AS SELECT * FROM {relation(each.table)}"
        for each in wrong
    ]
    try:
        if statements:
            connection.execute("; ".join(statements))
    except duckdb.CatalogException as exc:
        if "not of type View" in str(exc) or "is of type" in str(exc) or "already exists" in str(exc):
            message = " ".join(str(exc).split())
            raise WarehouseError(f"Something else is in a view's place: {message}",
                                 "Rename or drop what is there, then run the same command again.") from exc  # fmt: skip
        raise


def _last_commit(connection: duckdb.DuckDBPyConnection, schema: str) -> str | None:
    rows = connection.execute(
        f"SELECT arg_max(commit_id, id) FROM {STATE}.publications WHERE schema_name = $1", [schema]
    ).fetchall()
    return rows[0][0] if rows else None


def _record(
    connection: duckdb.DuckDBPyConnection,
    publication: Publication,
    wrong: Sequence[Published],
    removed: Sequence[Published],
) -> None:
    number = connection.execute(f"SELECT coalesce(max(id), 0) + 1 FROM {STATE}.publications").fetchall()[0][0]
    reused = len(publication.shows) - publication.built
    connection.execute(
        f"INSERT INTO {STATE}.publications VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        [number, publication.schema, publication.branch, publication.commit, publication.author, publication.command,
         state.now(), reused, publication.built, len(removed)],
    )  # fmt: skip
    rows = [(each.node, each.view, each.snapshot, each.table, each.fingerprint) for each in wrong]
    rows += [(each.node, each.view, None, None, None) for each in removed]  # type: ignore[misc]
    if rows:
        connection.execute(
            f"INSERT INTO {STATE}.publication_nodes SELECT $1, $2, unnest($3::VARCHAR[]), unnest($4::VARCHAR[]), "
            "unnest($5::VARCHAR[]), unnest($6::VARCHAR[]), unnest($7::VARCHAR[])",
            [number, publication.schema, *(list(column) for column in zip(*rows, strict=True))],
        )


def drop_environment(connection: duckdb.DuckDBPyConnection, schema: str) -> None:
    """Drop an environment's views and forget it. Snapshots stay until `gc`, and what users made there stays too."""
    with transaction(connection):
        there = state.views_there(connection, schema)
        for each in state.published(connection, schema).values():
            if there.pop(each.view, None):
                connection.execute(f"DROP VIEW {qualified(schema, each.view)}")
        if state.is_empty(connection, schema) and schema != "main":  # the engine's own, which it does not drop
            connection.execute(f"DROP SCHEMA IF EXISTS {quote(schema)}")
        state.forget_environment(connection, schema)
