"""Know whose a warehouse is: two projects that name one file are refused, and never merged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from seeknal_git.errors import WarehouseRefused
from seeknal_git.names import STATE
from seeknal_git.warehouse.forms import commit_id
from seeknal_git.warehouse.state import with_later_columns

if TYPE_CHECKING:
    import duckdb


class Owner(Protocol):
    """A clone that opens a warehouse. folder: the project's in its repository; private: where it
    keeps what is ours."""

    @property
    def folder(self) -> str: ...

    @property
    def private(self) -> Path: ...

    def at_hand(self) -> list[str]: ...

    def given(self) -> list[str]: ...

    def first_commits(self) -> list[str]: ...

    def knows(self, commit: str) -> bool: ...


def claim(connection: duckdb.DuckDBPyConnection, path: Path, owner: Owner) -> None:
    """Write down that a warehouse is this project's. Raises WarehouseRefused if it is another's.

    A clone is of the project if it has one mark of it, or a commit that was published; so an
    address or a history may be replaced, and the clone that knows both hands the new marks on.
    """
    known, lacks_marks = need_own(connection, path, owner)
    if lacks_marks:
        marks, first = owner.at_hand(), owner.first_commits()
        if first or marks:
            _note(connection, owner.folder, [*(marks or owner.given()), *first], known)


def need_own(
    connection: duckdb.DuckDBPyConnection, path: Path, owner: Owner
) -> tuple[set[str], bool]:
    """The marks of the project in a warehouse, and whether the clone's own are not among them.
    Writes nothing.

    Raises WarehouseRefused if it is another project's.
    """
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
            f"The warehouse {path} belongs to another project, or to another clone's history. Nothing was done.",
            "Give this project a data root or a `warehouse` of its own. (In a shallow clone: git fetch --unshallow)",
        )
    return known, True


def _has_published(connection: duckdb.DuckDBPyConnection, owner: Owner) -> bool:
    rows = connection.execute(
        f"SELECT DISTINCT unnest([commit_id, base]) FROM {with_later_columns('publications')} WHERE commit_id <> ''"
    ).fetchall()
    return any(owner.knows(commit) for (value,) in rows if (commit := commit_id(value)))


def _note(
    connection: duckdb.DuckDBPyConnection, folder: str, marks: Sequence[str], known: set[str]
) -> None:
    new = [each for each in marks if each not in known]
    connection.execute(
        f"INSERT INTO {STATE}.project SELECT $1, unnest($2::VARCHAR[])", [folder, new]
    )
