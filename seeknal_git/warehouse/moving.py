"""Hold a warehouse while its file is moved. Only a warehouse that is a file can be moved."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from seeknal_git.errors import WarehouseError
from seeknal_git.warehouse.connection import make_folder, opened

if TYPE_CHECKING:
    from seeknal_git.warehouse.deadline import Deadline
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
