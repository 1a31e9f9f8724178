"""Point an environment's views at snapshots: all of them in one transaction, or none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import duckdb

from seeknal_git.errors import WarehouseError
from seeknal_git.names import SNAPSHOTS, STATE, WAREHOUSE, qualified
from seeknal_git.warehouse import state
from seeknal_git.warehouse.connection import transaction
from seeknal_git.warehouse.model import Foreign, Outcome, Publication, Published, now


def publish(connection: duckdb.DuckDBPyConnection, publication: Publication) -> Outcome:
    """Make an environment show exactly what a publication says, in one transaction.

    A view that is right already is left alone. Raises WarehouseError where something else is in a
    view's place.
    """
    with transaction(connection):
        return _publish(connection, publication)


def _publish(connection: duckdb.DuckDBPyConnection, publication: Publication) -> Outcome:
    schema, shows = publication.schema, publication.shows
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {qualified(WAREHOUSE, schema)}")
    before, views = state.published(connection, schema), state.views_there(connection, schema)
    others = state.made_by_others(connection, schema, before.values())
    wrong = [
        each
        for node, each in shows.items()
        if before.get(node) != each or views.get(each.view) != each.table
    ]
    removed = [each for node, each in before.items() if node not in shows]
    names = {each.view for each in shows.values()}
    going = [each.view for each in before.values() if each.view not in names]
    gone = [each for each in going if each in views and each.lower() not in others]
    yours = tuple(others[each.lower()] for each in going if each.lower() in others)
    _need_places(others, [each.view for each in wrong])
    _repoint(connection, schema, gone, wrong)
    state.touch_environment(connection, schema, publication.branch)
    number, (last, rolled_back) = None, _last(connection, schema)
    ends_a_rollback = rolled_back and publication.command == "run"  # it has read the raw data again
    if wrong or removed or last != publication.commit or ends_a_rollback:
        merged = (
            publication.merged if last != publication.commit else None
        )  # it came in with an earlier publication
        number = _record(connection, replace(publication, merged=merged), len(removed))
        _record_nodes(connection, number, publication, before, [*wrong, *removed])
    moved = {each.node for each in wrong}
    unchanged = tuple(node for node in shows if node not in moved)
    return Outcome(
        tuple(each.node for each in wrong),
        unchanged,
        tuple(each.node for each in removed),
        number,
        yours,
    )


def _repoint(
    connection: duckdb.DuckDBPyConnection,
    schema: str,
    gone: Sequence[str],
    wrong: Sequence[Published],
) -> None:
    """A view names its table without the catalog: DuckDB 1 keeps that name, and another client
    calls the file by another one. The engine looks for the table in the view's own catalog."""
    statements = [f"DROP VIEW {qualified(WAREHOUSE, schema, view)}" for view in gone]
    statements += [
        f"CREATE OR REPLACE VIEW {qualified(WAREHOUSE, schema, each.view)} AS "
        f"SELECT * FROM {qualified(SNAPSHOTS, each.table)}"
        for each in wrong
    ]
    if statements:
        connection.execute("; ".join(statements))


def need_places(connection: duckdb.DuckDBPyConnection, schema: str, views: Iterable[str]) -> None:
    """Raise WarehouseError if somebody else's view or table has the name of a view that is to be
    made."""
    shown = state.published(connection, schema).values()
    _need_places(state.made_by_others(connection, schema, shown), views)


def _need_places(others: Mapping[str, Foreign], views: Iterable[str]) -> None:
    if taken := [others[view.lower()] for view in views if view.lower() in others]:
        first, them = taken[0], "it" if len(taken) == 1 else "them"
        place = f"{first.kind.upper()} {qualified(first.schema, first.name)}"
        raise WarehouseError(
            f"Something else is in a view's place: {', '.join(map(str, taken))}. Nothing was published.",
            f"Seeknal did not make {them}, or somebody has changed {them} since. Rename or drop {them} (ALTER {place} "
            f"RENAME TO …; DROP {place}), or rename the node, then run the same command again.",
        )


def _last(connection: duckdb.DuckDBPyConnection, schema: str) -> tuple[str | None, bool]:
    """The commit of the last publication, and whether that was a rollback."""
    rows = connection.execute(
        f"SELECT commit_id, restores IS NOT NULL FROM {STATE}.publications WHERE schema_name = $1 ORDER BY id DESC "
        "LIMIT 1",
        [schema],
    ).fetchall()
    return rows[0] if rows else (None, False)


def _record(connection: duckdb.DuckDBPyConnection, publication: Publication, removed: int) -> int:
    """Write down a publication; returns its id, the next one of its environment."""
    number: int = connection.execute(
        f"SELECT coalesce(max(id), 0) + 1 FROM {STATE}.publications WHERE schema_name = $1",
        [publication.schema],
    ).fetchall()[0][0]
    built = len(publication.built)
    values = {
        "id": number,
        "schema_name": publication.schema,
        "branch": publication.branch,
        "commit_id": publication.commit,
        "author": publication.author,
        "command": publication.command,
        "published_at": now(),
        "reused": len(publication.shows) - built,
        "built": built,
        "removed": removed,
        "seconds": publication.seconds,
        "merged": publication.merged,
        "restores": publication.restores,
        "base": publication.base,
        "publisher": publication.publisher,
        "clone": publication.clone,
        "edited": publication.edited,
        "reason": publication.reason,
    }
    places = ", ".join(f"${name}" for name in values)
    connection.execute(
        f"INSERT INTO {STATE}.publications ({', '.join(values)}) VALUES ({places})", values
    )
    return number


def _record_nodes(
    connection: duckdb.DuckDBPyConnection,
    number: int,
    publication: Publication,
    before: Mapping[str, Published],
    moved: Sequence[Published],
) -> None:
    """Write down which nodes a publication re-pointed or removed, with their rows: snapshots may be
    dropped later."""
    if not moved:
        return
    rows = _row_counts(connection, [each.table for each in [*before.values(), *moved]])
    values = []
    for each in moved:
        was, now = before.get(each.node), publication.shows.get(each.node)
        now_is = (
            (now.snapshot, now.table, now.fingerprint, rows.get(now.table))
            if now
            else (None, None, None, None)
        )
        values.append(
            (
                each.node,
                each.view,
                *now_is,
                rows.get(was.table) if was else None,
                each.node in publication.built,
            )
        )
    connection.execute(
        f"INSERT INTO {STATE}.publication_nodes (publication_id, schema_name, node, view_name, snapshot_id, "
        "table_name, fingerprint, rows_after, rows_before, built) "
        "SELECT $1, $2, unnest($3::VARCHAR[]), unnest($4::VARCHAR[]), unnest($5::VARCHAR[]), unnest($6::VARCHAR[]), "
        "unnest($7::VARCHAR[]), unnest($8::BIGINT[]), unnest($9::BIGINT[]), unnest($10::BOOLEAN[])",
        [number, publication.schema, *(list(column) for column in zip(*values, strict=True))],
    )


def _row_counts(connection: duckdb.DuckDBPyConnection, tables: Sequence[str]) -> dict[str, int]:
    return dict(
        connection.execute(
            f"SELECT table_name, arg_max(row_count, rowid) FROM {STATE}.snapshots "
            "WHERE table_name IN (SELECT unnest($1::VARCHAR[])) GROUP BY table_name",
            [list(tables)],
        ).fetchall()
    )


def drop_environment(connection: duckdb.DuckDBPyConnection, schema: str) -> tuple[Foreign, ...]:
    """Drop an environment's views and forget it. Snapshots stay until `gc`; the views and tables
    that users made there stay too, and are returned."""
    with transaction(connection):
        there, shown = (
            state.views_there(connection, schema),
            state.published(connection, schema).values(),
        )
        for view, table in {(each.view, each.table) for each in shown}:
            if there.get(view) == table:
                connection.execute(f"DROP VIEW {qualified(WAREHOUSE, schema, view)}")
        yours = tuple(state.made_by_others(connection, schema, ()).values())
        if (
            state.is_empty(connection, schema) and schema != "main"
        ):  # the engine's own, which it does not drop
            connection.execute(f"DROP SCHEMA IF EXISTS {qualified(WAREHOUSE, schema)}")
        state.forget_environment(connection, schema)
        state.record_removal(connection, schema)
    return yours
