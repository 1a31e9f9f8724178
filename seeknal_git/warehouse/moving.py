"""Move a warehouse: hold its file while that is moved, or copy it into a lake."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from seeknal_git.errors import WarehouseError
from seeknal_git.warehouse.connection import make_folder, opened

if TYPE_CHECKING:
    from seeknal_git.warehouse.deadline import Deadline
    from seeknal_git.warehouse.location import Lake
    from seeknal_git.warehouse.model.copies import Contents, Copy
    from seeknal_git.warehouse.owner import Owner


@contextmanager
def held_for_move(path: Path, target: Path, owner: Owner, deadline: Deadline) -> Iterator[None]:
    """Inside the block nobody else has the warehouse open, all of it is in its file, and the folder
    of the target exists. Raises WarehouseBusy or WarehouseError."""
    make_folder(target.parent)
    with opened(path, owner, deadline=deadline) as catalog:
        catalog.connection.execute("CHECKPOINT warehouse")
        log = path.with_name(f"{path.name}.wal")
        if log.exists() and log.stat().st_size:
            raise WarehouseError(
                f"The log {log} is not part of its warehouse yet.", "Run the same command again."
            )
        yield


def contents(path: Path, owner: Owner, deadline: Deadline) -> Contents:
    """Everything in a warehouse file. Raises as `opening.open_warehouse`."""
    from seeknal_git.warehouse.file_contents import contents_of

    with opened(path, owner, read_only=True, deadline=deadline) as catalog:
        return contents_of(path, catalog)


def need_room(path: Path, lake: Lake, owner: Owner, deadline: Deadline) -> None:
    """Raise WarehouseError if a lake cannot be reached, is another project's, or holds something
    that a warehouse file does not. Nothing is written."""
    from seeknal_git.warehouse.lake_filling import both_opened

    with both_opened(lake, path, owner, deadline, read_only=True):
        pass


def copy_into(
    lake: Lake,
    contents: Contents,
    owner: Owner,
    *,
    deadline: Deadline,
    tell: Callable[[str], None],
) -> Copy:
    """Copy a warehouse file into a lake, and compare everything. Until the end the lake counts for
    nobody, and the next call goes on with it. Nobody publishes in the file meanwhile.

    contents: of the file, as `contents` gave them. tell: is called with each step. Raises
    WarehouseError.
    """
    from seeknal_git.warehouse.lake_filling import both_opened, fill

    with both_opened(lake, contents.path, owner, deadline, read_only=False) as catalog:
        return fill(catalog, contents, tell)
