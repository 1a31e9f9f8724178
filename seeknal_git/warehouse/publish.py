"""Point an environment's views at snapshots: all of them in one transaction, or none."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from seeknal_git.errors import WarehouseError
from seeknal_git.names import ENTITY, STATE, WAREHOUSE, is_entity, literal, qualified
from seeknal_git.warehouse.catalog import MARK, Catalog
from seeknal_git.warehouse.forms import packed
from seeknal_git.warehouse.model.clock import now
from seeknal_git.warehouse.model.environments import Foreign, Published
from seeknal_git.warehouse.model.publications import Outcome, Publication
from seeknal_git.warehouse.state_tables import insert, of_living
from seeknal_git.warehouse.view_queries import in_own_catalog, need_selects

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True, slots=True)
class _Changes:
    """The difference between the nodes that an environment shows and those that it is to show."""

    before: Mapping[str, Published]  # by node
    views: Collection[str]  # all that are there
    repointed: Sequence[Published]  # their views are missing, or select another table
    removed: Sequence[Published]
    dropped: Sequence[str]  # views that go, and that are ours
    # Views and tables that somebody made in place of views that go. They stay.
    yours: Sequence[Foreign]


def publish(catalog: Catalog, publication: Publication) -> Outcome:
    """See `protocol.Publications`."""
    with catalog.changing(publication.schema):
        return catalog.change(partial(_published, catalog, publication))


def _published(catalog: Catalog, publication: Publication) -> Outcome:
    """Publish within a transaction."""
    connection = catalog.connection
    last = _need_last(connection, publication)
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {qualified(WAREHOUSE, publication.schema)}")
    changes = _changes(catalog, publication)
    need_selects(connection, catalog.guard, changes.repointed)
    _repoint(connection, publication.schema, changes)
    number = _record(connection, publication, changes, last)
    _touch(connection, publication.schema, publication.branch)
    catalog.sign(publication, number)
    repointed = {published.node for published in changes.repointed}
    return Outcome(
        tuple(published.node for published in changes.repointed),
        tuple(node for node in publication.shows if node not in repointed),
        tuple(published.node for published in changes.removed),
        number,
        tuple(changes.yours),
    )


def _need_last(connection: duckdb.DuckDBPyConnection, publication: Publication) -> _Last | None:
    """The last publication of the environment. Raises WarehouseError if somebody else made it since
    the environment was looked at: their nodes would go, and nobody has asked whether they may."""
    last = _last(connection, publication.schema)
    if publication.after is not None and (last.number if last else 0) != publication.after:
        raise WarehouseError(
            f"Somebody else published {publication.branch} in the meantime. Everything is built, "
            "and nothing is published.",
            "Run the same command again.",
        )
    return last


def _changes(catalog: Catalog, publication: Publication) -> _Changes:
    """Raises WarehouseError if something else is in a view's place."""
    schema, shows = publication.schema, publication.shows
    before, views = catalog.shown(schema), catalog.views(schema)
    others = catalog.made_by_others(schema, before.values())
    repointed = _repointed(catalog, publication, before)
    need_places(others, [published.view for published in repointed])
    names = {published.view for published in shows.values()} | {""}
    going = [published.view for published in before.values() if published.view not in names]
    return _Changes(
        before,
        views,
        repointed,
        removed=[published for node, published in before.items() if node not in shows],
        dropped=[view for view in going if view in views and view.lower() not in others],
        yours=[others[view.lower()] for view in going if view.lower() in others],
    )


def _repointed(
    catalog: Catalog, publication: Publication, before: Mapping[str, Published]
) -> list[Published]:
    views, astray = catalog.views(publication.schema), catalog.astray(publication.schema)
    return [
        published
        for node, published in publication.shows.items()
        if before.get(node) != published
        or not published.is_right(views)
        or published.view in astray
    ]


def need_places(others: Mapping[str, Foreign], views: Iterable[str]) -> None:
    """Raise WarehouseError if somebody else's view or table has the name of one of these views.
    others: by name in lower case."""
    taken = [others[view.lower()] for view in views if view.lower() in others]
    if not taken:
        return
    first, them = taken[0], "it" if len(taken) == 1 else "them"
    place = f"{first.kind.upper()} {qualified(first.schema, first.name)}"
    told = ""
    if any(found.name.lower().startswith(f"{ENTITY}_") for found in taken):
        told = "The view of an entity is known by its comment, which is not to be changed. "
    raise WarehouseError(
        f"Something else is in a view's place: {', '.join(map(str, taken))}. "
        "Nothing was published.",
        f"Seeknal did not make {them}, or somebody has changed {them} since. {told}"
        f"Rename or drop {them} (ALTER {place} RENAME TO …; DROP {place}), "
        "or rename the node, then run the same command again.",
    )


def _repoint(connection: duckdb.DuckDBPyConnection, schema: str, changes: _Changes) -> None:
    """A view names its table without the catalog: DuckDB 1 keeps that name, and another client
    calls the file by another one. The engine looks for the table in the view's own catalog.

    Only a view that is there is replaced: that takes the engine longer than to create one. It reads
    FROM alone a tenth faster than SELECT * FROM, and keeps both as the latter.
    """
    statements = [f"DROP VIEW {qualified(WAREHOUSE, schema, view)}" for view in changes.dropped]
    for published in [published for published in changes.repointed if published.view]:
        is_there = published.view in changes.views
        statements += made_view(schema, published, is_there=is_there)
    if statements:
        connection.execute("; ".join(statements))


def made_view(schema: str, published: Published, *, is_there: bool = False) -> list[str]:
    """The statements that make the view of a node in a schema. is_there: whether it is replaced."""
    view, query = qualified(WAREHOUSE, schema, published.view), published.query
    replacing = "OR REPLACE " if is_there else ""
    if query is None:
        return [f"CREATE {replacing}VIEW {view} AS FROM {in_own_catalog(published.table)}"]
    return [
        # Its last line may be a comment.
        f"CREATE {replacing}VIEW {view} AS {query.over(in_own_catalog)}\n",
        f"COMMENT ON VIEW {view} IS {literal(MARK + published.table)}",
    ]


def _touch(connection: duckdb.DuckDBPyConnection, schema: str, branch: str) -> None:
    """Record that an environment was used now, after its last publication."""
    connection.execute(
        f"INSERT INTO {STATE}.environments "
        "(schema_name, branch, created_at, used_at, publication_id) "
        f"SELECT $1, $2, $3, $3, max(id) FROM {STATE}.publications WHERE schema_name = $1",
        [schema, branch, now()],
    )


def _record(
    connection: duckdb.DuckDBPyConnection,
    publication: Publication,
    changes: _Changes,
    last: _Last | None,
) -> int | None:
    """Record a publication and its effects; returns its id, the next one of its environment. None
    if it changed nothing, not even the commit."""
    is_new = last is None or last.commit != publication.commit
    # A run after a rollback has read the raw data again.
    ends_a_rollback = last is not None and last.rolled_back and publication.command == "run"
    if not (changes.repointed or changes.removed or is_new or ends_a_rollback):
        return None
    number = _next_number(connection, publication.schema)
    built = len(publication.built)
    nodes = sum(not is_entity(node) for node in publication.shows)
    values = {
        "id": number,
        "schema_name": publication.schema,
        "branch": publication.branch,
        "commit_id": publication.commit,
        "author": publication.author,
        "command": publication.command,
        "published_at": now(),
        "reused": nodes - built,
        "built": built,
        "removed": len(changes.removed),
        "seconds": publication.seconds,
        "merged": publication.merged if is_new else None,  # it came with an earlier publication
        "restores": publication.restores,
        "base": publication.base,
        "publisher": publication.publisher,
        "clone": publication.clone,
        "edited": publication.edited,
        "reason": publication.reason,
    }
    insert(connection, "publications", list(values), [list(values.values())])
    _record_nodes(connection, number, publication, changes)
    return number


@dataclass(frozen=True, slots=True)
class _Last:
    """The last publication of an environment."""

    number: int
    commit: str
    rolled_back: bool


def _last(connection: duckdb.DuckDBPyConnection, schema: str) -> _Last | None:
    rows = connection.execute(
        f"SELECT id, commit_id, restores IS NOT NULL FROM {of_living('publications')} "
        "WHERE schema_name = $1 ORDER BY id DESC LIMIT 1",
        [schema],
    ).fetchall()
    return _Last(*rows[0]) if rows else None


def _next_number(connection: duckdb.DuckDBPyConnection, schema: str) -> int:
    """Also after those of an environment of that name which was deleted."""
    rows = connection.execute(
        f"SELECT coalesce(max(id), 0) + 1 FROM {STATE}.publications WHERE schema_name = $1",
        [schema],
    ).fetchall()
    return int(rows[0][0])


def _record_nodes(
    connection: duckdb.DuckDBPyConnection,
    number: int,
    publication: Publication,
    changes: _Changes,
) -> None:
    """Record the nodes that a publication re-pointed or removed, with the rows of their tables:
    these may be dropped later."""
    moved = [*changes.repointed, *changes.removed]
    tables = [published.table for published in [*changes.before.values(), *moved]]
    rows = _row_counts(connection, tables) if moved else {}
    columns = (
        "query",
        "reads",
        "publication_id",
        "schema_name",
        "node",
        "view_name",
        "snapshot_id",
        "table_name",
        "fingerprint",
        "rows_after",
        "rows_before",
        "built",
    )
    values = []
    for published in moved:
        node = published.node
        was, is_now = changes.before.get(node), publication.shows.get(node)
        after: tuple[str | int | None, ...] = (None, None, None, None)
        if is_now:
            after = (is_now.snapshot, is_now.table, is_now.fingerprint, rows.get(is_now.table))
        rows_before = rows.get(was.table) if was else None
        built = None if is_entity(node) else node in publication.built
        kept = packed(is_now.query if is_now else None)
        values.append(
            (*kept, number, publication.schema, node, published.view, *after, rows_before, built)
        )
    insert(connection, "publication_nodes", columns, values)


def _row_counts(connection: duckdb.DuckDBPyConnection, tables: Sequence[str]) -> dict[str, int]:
    rows = connection.execute(
        f"SELECT table_name, arg_max(row_count, rowid) FROM {STATE}.snapshots "
        "WHERE table_name IN (SELECT unnest($1::VARCHAR[])) GROUP BY table_name",
        [list(tables)],
    ).fetchall()
    return dict(rows)
