"""Confine the engine to some files: for SQL of somebody who is not trusted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from seeknal_git.names import literal
from seeknal_git.warehouse.connection import Warehouse

# The order matters: what may be reached is said before everything else is closed, and the lock comes last.
_CLOSED = (
    "SET autoinstall_known_extensions = false; SET autoload_known_extensions = false; "
    "SET allow_community_extensions = false; SET enable_external_access = false; SET lock_configuration = true"
)


def confine(warehouse: Warehouse, files: Iterable[Path], folders: Sequence[Path]) -> None:
    """Leave to all connections of an open warehouse its own files, what the engine puts on disk, some files, and some
    folders with all that is in them. This lasts until the warehouse is closed, and nothing can undo it.

    The engine follows links, here and whenever it opens a file. It has no network then, and loads no extension.
    """
    paths = _listed([*files, *folders])
    warehouse.connection.execute(
        f"SET allowed_paths = {paths}; SET allowed_directories = {_listed(folders, '/')}; {_CLOSED}"
    )


def _listed(paths: Sequence[Path], ending: str = "") -> str:
    return f"[{', '.join(literal(f'{path}{ending}') for path in paths)}]::VARCHAR[]"
