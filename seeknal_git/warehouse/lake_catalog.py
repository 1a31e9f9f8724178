"""The tables and views of a lake: as those of a file, but for their room, and for others who write
at the same time."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import duckdb

from seeknal_git.names import STATE, WAREHOUSE, literal, qualified
from seeknal_git.sql.transaction import transaction
from seeknal_git.warehouse.catalog import Catalog
from seeknal_git.warehouse.engine_errors import is_conflict
from seeknal_git.warehouse.guard import WITH_EXTENSIONS

if TYPE_CHECKING:
    from seeknal_git.warehouse.lake_tables import LakeTables
    from seeknal_git.warehouse.model.publications import Publication

T = TypeVar("T")
_FENCES = "_fences"
_ATTEMPTS = 5
_LONGEST_WAIT = 0.5  # seconds before a change is begun again


class LakeCatalog(Catalog):
    guard = WITH_EXTENSIONS
    commit_seconds = 0.05  # with the time to read the whole catalog anew after it

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        tables: Mapping[str, Iterable[str]],
        listed: LakeTables,
        folder: Path | None = None,
    ) -> None:
        super().__init__(connection, tables, folder)
        self._listed = listed

    def tables_now(self, schema: str) -> set[str]:
        if not self._tables:  # there may be no lake to ask
            return set()
        return set(self._listed.names(self.connection).get(schema, ()))

    def change(self, action: Callable[[], T]) -> T:
        """Also again if somebody else has committed first, from the beginning."""
        for attempt in range(1, _ATTEMPTS):
            try:
                return super().change(action)
            except duckdb.Error as exc:
                if not is_conflict(exc):
                    raise
            self.forget()
            time.sleep(random.uniform(0, _LONGEST_WAIT) * attempt / _ATTEMPTS)
        return super().change(action)

    @contextmanager
    def at_one_moment(self) -> Iterator[None]:
        """Everything is read again, in one transaction: known views may be from before somebody's
        publication, and known nodes from after it."""
        self.forget()
        with transaction(self.connection):
            yield
        self.forget()

    def keep_publications_out(self) -> None:
        """Each publication appends a row to this table, and nobody may do that while another one
        changes its comment."""
        self.connection.execute(f"COMMENT ON TABLE {STATE}.publications IS 'gc was here'")

    def sign(self, publication: Publication, number: int | None) -> None:
        """Keep others from making a publication of the same number, and write the commit into the
        history of the lake.

        Two who append rows are in nobody's way, also if both rows have one number. So both set the
        comment of a table, which the lake allows one of them.
        """
        fence = qualified(WAREHOUSE, _FENCES, publication.schema)
        extra = {"commit": publication.commit, "branch": publication.branch, "publication": number}
        message = f"{publication.command} of {publication.branch} at {publication.commit[:12]}"
        self.connection.execute(
            f"CREATE SCHEMA IF NOT EXISTS {qualified(WAREHOUSE, _FENCES)}; "
            f"CREATE TABLE IF NOT EXISTS {fence} (nothing BOOLEAN); "
            f"COMMENT ON TABLE {fence} IS {literal(f'publication {number}')}; "
            f"CALL {WAREHOUSE}.set_commit_message({literal(publication.author)}, "
            f"{literal(message)}, extra_info => {literal(json.dumps(extra))})"
        )

    def stamp(self) -> str:
        return self._listed.stamp(self.connection) if self._tables else ""

    def sizes(self, tables: Sequence[str]) -> dict[str, int]:
        if not tables:  # there may be no lake to ask
            return {}
        rows = self.connection.execute(
            "SELECT table_name, (file_size_bytes + delete_file_size_bytes)::BIGINT "
            f"FROM ducklake_table_info({literal(WAREHOUSE)})"
        ).fetchall()
        found = dict(rows)  # no other schema has tables of these names
        return {table: found.get(table) or 0 for table in tables}
