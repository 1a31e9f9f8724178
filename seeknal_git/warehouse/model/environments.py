"""Environments, and the nodes that they show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from seeknal_git.warehouse.model.queries import Query, as_rows, marked, relation

# The status of a deleted environment, in place of the status of its last run.
REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Published:
    """A node as an environment shows it: its view, and the snapshot that the view selects."""

    node: str
    view: str  # "" if it has none, as the node is ephemeral
    snapshot: str
    table: str
    fingerprint: str
    # The SELECT of a view over several tables. `table` is the name of that SELECT then.
    query: Query | None = None

    @property
    def tables(self) -> tuple[str, ...]:
        """The snapshot tables that the view needs."""
        return (self.table,) if self.query is None else self.query.tables

    @property
    def text(self) -> str:
        """The rows in the text of a query; see `Query.of`."""
        return marked(self.table) if self.query is None else as_rows(self.query.text)

    @property
    def files(self) -> tuple[str, ...]:
        """The kept files that the view needs."""
        return self.query.files if self.query else ()

    @property
    def relation(self) -> str:
        """The rows as SQL names them, from anywhere."""
        return relation(self.table) if self.query is None else as_rows(self.query.over(relation))

    def names_files_in(self, text: str) -> bool:
        """Whether the text of a view names the kept files where they are now."""
        query = self.query
        return query is None or all(query.path_of(file) in text for file in query.files[:1])

    def is_right(self, views: Mapping[str, str]) -> bool:
        """Whether its view, if it has one, is there and selects this. views: those that exist, with
        the tables that they select."""
        return not self.view or views.get(self.view) == self.table


@dataclass(frozen=True, slots=True)
class EnvironmentRecord:
    """The record of an environment that was published or run."""

    schema: str
    branch: str
    commit: str | None  # of its last publication
    created_at: datetime
    used_at: datetime


@dataclass(frozen=True, slots=True)
class Foreign:
    """A view or table in an environment's schema that Seeknal did not make, or that somebody has
    replaced since."""

    schema: str
    name: str
    kind: str  # view or table

    @property
    def place(self) -> str:
        return f"{self.schema}.{self.name}"

    def __str__(self) -> str:
        return f"the {self.kind} {self.place}"
