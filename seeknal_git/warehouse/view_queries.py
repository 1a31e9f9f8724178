"""Views over several snapshot tables, which are made of a SELECT that the state keeps.

Somebody else may have written the state, so a text of it is executed only if it is one SELECT.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

from seeknal_git.errors import WarehouseError
from seeknal_git.names import SNAPSHOTS, qualified
from seeknal_git.warehouse.model.environments import Published
from seeknal_git.warehouse.model.queries import relation

if TYPE_CHECKING:
    import duckdb

    from seeknal_git.warehouse.guard import Guard


def in_own_catalog(table: str) -> str:
    """A snapshot table as a view of a warehouse names it."""
    return qualified(SNAPSHOTS, table)


def need_selects(
    connection: duckdb.DuckDBPyConnection, guard: Guard, views: Iterable[Published]
) -> None:
    """Raise WarehouseError if the query of a view is anything else than one SELECT of the
    warehouse."""
    queries = [view.query for view in views if view.query]
    texts = [query.over(in_own_catalog) for query in queries]
    if not texts:
        return
    rows = connection.execute(
        "SELECT text, json_serialize_sql(text) FROM (SELECT unnest($1::VARCHAR[]) AS text)", [texts]
    ).fetchall()
    for text, tree in rows:
        parsed = json.loads(tree)
        if parsed["error"] or len(parsed["statements"]) != 1:
            raise WarehouseError(
                "The warehouse's state is damaged, or somebody else's: a view is no SELECT: "
                f"{text[:80]}",
                "If the file is not yours, move it away: seeknal run builds it again.",
            )
    guard.need_own_state(connection, [query.over(relation) for query in queries])


def rows_of(view: Published) -> str:
    """A view's rows, as SQL that is executed beside the warehouse."""
    return f"SELECT * FROM {view.relation}"
