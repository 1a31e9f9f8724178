"""Confine the engine to the warehouse and a few files, before it has read any of them.

A warehouse is a file that somebody else may have made: views and macros in it, and SQL of a branch,
run in our process.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seeknal_git.names import literal
from seeknal_git.process_folders import own_folder, remove_left
from seeknal_git.sql.engine_version import exactly

# The engine's log, and its names while it is merged into the file.
_LOGS = (".wal", ".wal.checkpoint", ".wal.recovery")
# `query` takes both ways to write a lambda, and `plan --verify` adds up in one order: neither opens
# anything.
_FREE = ("lambda_syntax", "threads")
# The order matters: the reach is set before everything else is closed, and the lock comes last.
_CLOSED = (
    "SET autoinstall_known_extensions = false; SET autoload_known_extensions = false; "
    "SET allow_community_extensions = false; SET enable_external_access = false; "
    "SET allowed_configs = {}; SET lock_configuration = true"
)


@dataclass(frozen=True, slots=True)
class Reach:
    """The files, and the folders with their content, that SQL may open beside the warehouse."""

    files: Sequence[Path] = ()
    folders: Sequence[Path] = ()
    # The beginnings of addresses in an object store.
    addresses: Sequence[str] = ()
    # A place for data that does not fit in memory; None for one beside the warehouse.
    spill: Path | None = None


NOTHING = Reach()


def confinement(warehouse: Path | None, reach: Reach, free: Sequence[str] = ()) -> str:
    """The settings that confine one engine to a warehouse, a folder to spill to, and its reach.
    They last until the engine is closed, and nothing can undo them: there is no network, and no
    extension is loaded.

    Each call names another folder to spill to. DuckDB 1.5 names the files in it alike in each
    process: of two engines with one folder, one reads the rows of the other, or its process ends.
    The engine makes the folder when it needs it, and removes it when it is closed.

    The engine follows links, here and whenever it opens a file.

    free: settings that can be set later all the same.
    """
    place = reach.spill or (spill_of(warehouse) if warehouse else None)
    spill = own_folder(place) if place else None
    own = (
        [warehouse, *(warehouse.with_name(f"{warehouse.name}{suffix}") for suffix in _LOGS)]
        if warehouse
        else []
    )
    folders = [*reach.folders, *([spill] if spill else [])]
    return (
        f"SET temp_directory = {literal(str(spill or ''))}; "
        f"SET allowed_paths = {_listed([*own, *reach.files, *folders])}; "
        f"SET allowed_directories = {_listed(folders, '/', reach.addresses)}; "
        f"{_CLOSED.format([*_FREE, *free])}"
    )


def spill_of(warehouse: Path) -> Path:
    """The place beside which the engines of a warehouse file have their folders to spill to."""
    return warehouse.with_name(f"{warehouse.name}.tmp")


def remove_spilled(place: Path) -> None:
    """Remove what engines of killed processes have spilled."""
    remove_left(place)


def _listed(paths: Sequence[Path], ending: str = "", addresses: Sequence[str] = ()) -> str:
    """The engine asks for a path as it is named to it, and again as it finds it."""
    names = [name for path in paths for name in (f"{path}{ending}", f"{exactly(path)}{ending}")]
    return f"[{', '.join(map(literal, dict.fromkeys([*names, *addresses])))}]::VARCHAR[]"
