"""Open a project's warehouse. Nothing here knows an engine.

The location of a warehouse decides which module implements it, and that module is imported when the
first warehouse is opened. Without a location, a warehouse is empty and in memory.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from seeknal_git.errors import WarehouseError
from seeknal_git.names import SPILL
from seeknal_git.sql.sandbox import NOTHING, Reach
from seeknal_git.warehouse.deadline import NO_WAIT, Deadline
from seeknal_git.warehouse.file_version import file_version
from seeknal_git.warehouse.location import Lake, Location

if TYPE_CHECKING:
    from seeknal_git.warehouse.model.health import Fact, Fault
    from seeknal_git.warehouse.owner import Owner
    from seeknal_git.warehouse.protocol import Aside, Warehouse


class Implementation(Protocol):
    """A module that implements a kind of warehouse. Its functions do the work of the two functions
    of the same names below."""

    def open_warehouse(
        self,
        location: Location | None,
        owner: Owner | None,
        *,
        read_only: bool,
        deadline: Deadline,
        reach: Reach,
    ) -> AbstractContextManager[Warehouse]: ...

    def open_for_state(
        self, location: Location | None, owner: Owner | None, deadline: Deadline
    ) -> AbstractContextManager[Warehouse]: ...


def _implementation(location: Location | None) -> Implementation:
    """The module for a location."""
    if isinstance(location, Lake):
        from seeknal_git.warehouse import ducklake

        return ducklake
    from seeknal_git.warehouse import duckdb_file

    return duckdb_file


def version_of(location: Location, owner: Owner | None, deadline: Deadline = NO_WAIT) -> str:
    """The version of a warehouse: every write changes it. Empty if it cannot be told, as just after
    a write. Raises WarehouseError if a lake cannot be reached."""
    if isinstance(location, Path):
        return file_version(location)
    from seeknal_git.warehouse import lake_connection

    return lake_connection.version_of(location, owner, deadline)


def open_warehouse(
    location: Location | None,
    owner: Owner | None,
    *,
    read_only: bool = False,
    deadline: Deadline = NO_WAIT,
    reach: Reach = NOTHING,
) -> AbstractContextManager[Warehouse]:
    """The warehouse at a location, open inside the block.

    One that is to be written and does not exist is created; one that is to be read and holds
    nothing yet counts as empty.

    owner: the clone that opens it. A warehouse of another project is refused; the first clone that
    writes claims it. deadline: the end of the wait while another process holds it. reach: the files
    that SQL may open. Raises WarehouseBusy, WarehouseRefused, or WarehouseError if it cannot be
    used. An error of the engine that nobody has caught inside the block leaves it as one of ours.
    """
    return _implementation(location).open_warehouse(
        location, owner, read_only=read_only, deadline=deadline, reach=reach
    )


def examined(lake: Lake) -> Iterator[Fact | Fault]:
    """Everything about a lake that is as it should be, or is not: the engine, the server of its
    catalog, and the place of its rows. Raises WarehouseError if an extension is missing, or the
    catalog cannot be reached."""
    from seeknal_git.warehouse.lake_examination import examined as found

    return found(lake)


def open_for_state(
    location: Location | None, owner: Owner | None, deadline: Deadline = NO_WAIT
) -> AbstractContextManager[Warehouse]:
    """A warehouse for reading its state, as `open_warehouse` opens it. Run no query of a user and
    no SQL of a node in it: the next caller may get the same engine."""
    return _implementation(location).open_for_state(location, owner, deadline)


@contextmanager
def beside(path: Path, owner: Owner) -> Iterator[Path]:
    """A file to build in, beside the warehouse at an address; inside the block it is this process's
    alone. If one is there that a run left which was killed, it is this one."""
    from seeknal_git.warehouse.turns import claimed

    with claimed(path, owner) as file:
        yield file


def open_aside(
    path: Path, owner: Owner, file: Path, *, deadline: Deadline, reach: Reach
) -> AbstractContextManager[Aside]:
    """The warehouse at an address for reading, and a file of `beside` in which tables are built.

    What the file has already counts as built, if it still belongs to the warehouse. deadline,
    reach: as for `open_warehouse`, with the same errors.
    """
    from seeknal_git.warehouse import aside

    return aside.open_aside(path, owner, file, deadline=deadline, reach=reach)


def reach_of_taking(file: Path) -> list[Path]:
    """The files that a warehouse has to open to copy the tables of a file of `beside`."""
    from seeknal_git.warehouse.turns import files_of

    return files_of(file)


def remove_aside(file: Path) -> None:
    """Remove a file of `beside`."""
    from seeknal_git.warehouse.turns import remove

    remove(file)


def publishing(path: Path, owner: Owner) -> AbstractContextManager[None]:
    """Let readers of this clone wait for the end of the block, in which a warehouse is held for a
    short time."""
    from seeknal_git.warehouse import turns

    return turns.publishing(path, owner)


@contextmanager
def open_for_scratch(
    location: Location | None, owner: Owner | None, reach: Reach = NOTHING
) -> Iterator[Warehouse]:
    """A warehouse for reading, or an empty one in memory without a location. Nothing is written
    beside it. Raises WarehouseError if it cannot be read."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="seeknal-")))
        reach = replace(reach, spill=folder / SPILL)
        yield stack.enter_context(
            open_warehouse(location, owner, read_only=location is not None, reach=reach)
        )


@contextmanager
def open_if_readable(
    location: Location | None, owner: Owner, reach: Reach
) -> Iterator[tuple[Warehouse, str | None]]:
    """A warehouse for reading, and None; or an empty one in memory, and why the other cannot be
    read."""
    with ExitStack() as stack:
        obstacle = None
        try:
            warehouse = stack.enter_context(open_for_scratch(location, owner, reach))
        except WarehouseError as exc:
            obstacle = exc.message
            warehouse = stack.enter_context(open_for_scratch(None, None, reach))
        yield warehouse, obstacle
