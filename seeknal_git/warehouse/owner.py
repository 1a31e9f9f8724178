"""Know whose a warehouse is: two projects that name one file are refused, and never merged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from seeknal_git.errors import WarehouseRefused
from seeknal_git.names import STATE
from seeknal_git.warehouse.forms import commit_id
from seeknal_git.warehouse.state_tables import insert, with_later_columns

if TYPE_CHECKING:
    import duckdb

    from seeknal_git.warehouse.location import Location


class Owner(Protocol):
    """A clone that opens a warehouse."""

    @property
    def folder(self) -> str:
        """The project's folder in its repository."""
        ...

    @property
    def private(self) -> Path:
        """The folder in which the clone keeps files of ours."""
        ...

    def at_hand(self) -> list[str]:
        """The address of its remote, or an id that the clone was given, as marks."""
        ...

    def given(self) -> list[str]:
        """A new id, as a mark, which the clone keeps; none if it cannot be kept."""
        ...

    def first_commits(self) -> list[str]:
        """The first commits of its history, as marks."""
        ...

    def knows(self, commit: str) -> bool:
        """Whether the clone has a commit."""
        ...


def claim(connection: duckdb.DuckDBPyConnection, place: Location, owner: Owner) -> None:
    """Write down that a warehouse is this project's. Raises WarehouseRefused if it is another's.

    A clone belongs to the project if it has one of its marks, or a commit that was published. So an
    address or a history may be replaced: the clone that knows both adds the new marks.
    """
    known, lacks_marks = need_own(connection, place, owner)
    if lacks_marks:
        marks, first = owner.at_hand(), owner.first_commits()
        if first or marks:
            _note(connection, owner.folder, [*(marks or owner.given()), *first], known)


def need_own(
    connection: duckdb.DuckDBPyConnection, place: Location, owner: Owner
) -> tuple[set[str], bool]:
    """The marks of the project in a warehouse, and whether the clone's own are missing there.
    Writes nothing. Raises WarehouseRefused if the warehouse is another project's."""
    rows = connection.execute(f"SELECT folder, mark FROM {STATE}.project").fetchall()
    known = {mark for folder, mark in rows if folder == owner.folder}
    if known & set(owner.at_hand()):
        return known, False
    if (
        rows
        and not known & set(owner.first_commits())
        and not (known and _has_published(connection, owner))
    ):
        raise WarehouseRefused(
            f"The warehouse {place} belongs to another project, or to another clone's history. "
            "Nothing was done.",
            "Give this project a data root or a `warehouse` of its own. "
            "(In a shallow clone: git fetch --unshallow)",
        )
    return known, True


def _has_published(connection: duckdb.DuckDBPyConnection, owner: Owner) -> bool:
    rows = connection.execute(
        "SELECT DISTINCT unnest([commit_id, base]) "
        f"FROM {with_later_columns('publications')} WHERE commit_id <> ''"
    ).fetchall()
    return any(owner.knows(commit) for (value,) in rows if (commit := commit_id(value)))


def _note(
    connection: duckdb.DuckDBPyConnection, folder: str, marks: Sequence[str], known: set[str]
) -> None:
    insert(
        connection,
        "project",
        ("folder", "mark"),
        [(folder, mark) for mark in marks if mark not in known],
    )
