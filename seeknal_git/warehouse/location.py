"""Where a warehouse is: the path of a DuckDB file, or a DuckLake.

A location is a value that says which module implements the warehouse (`opening`). Its text has no
password in it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from seeknal_git.sql.addresses import Address, hidden

# The databases that may hold the catalog of a lake, as its address begins.
POSTGRES, SQLITE = "postgres:", "sqlite:"
_SCHEME = re.compile(r"[a-z][a-z0-9+]+://")


@dataclass(frozen=True, slots=True)
class Lake:
    """A warehouse in DuckLake: rows in Parquet files, and everything else in a catalog."""

    # `postgres:` and the words of libpq, `sqlite:` and a path, or the path of a DuckDB file
    catalog: str = field(repr=False)
    data: str  # a folder, or an address such as s3://bucket/lake/
    schema: str = ""  # of the catalog's tables in PostgreSQL
    format: str = ""  # the version of the lake's format that is expected; any if empty
    # how to log in at an object store
    secrets: tuple[Address, ...] = field(default=(), repr=False, compare=False)

    @property
    def is_shared(self) -> bool:
        """Whether several machines may use it at once."""
        return self.catalog.startswith(POSTGRES)

    @property
    def extensions(self) -> tuple[str, ...]:
        """The extensions that it takes: its own, and those of its places."""
        catalog = () if self.file and not self.catalog.startswith(SQLITE) else ("sqlite_scanner",)
        catalog = ("postgres_scanner",) if self.is_shared else catalog
        return ("ducklake", *catalog, *(() if self.folder else ("httpfs",)))

    @property
    def file(self) -> Path | None:
        """The file of its catalog, if that is one."""
        if self.is_shared:
            return None
        return Path(self.catalog.removeprefix(SQLITE))

    @property
    def folder(self) -> Path | None:
        """The folder of its rows, if they are on this machine."""
        return None if _SCHEME.match(self.data) else Path(self.data)

    def __str__(self) -> str:
        place = f"ducklake:{hidden(self.catalog)}"
        return f"{place} (schema {self.schema})" if self.schema else place


Location: TypeAlias = Path | Lake


def files_of(location: Location) -> tuple[list[Path], list[Path]]:
    """The files, and the folders, on this machine that a warehouse is in."""
    if isinstance(location, Path):
        return [location], []
    return [location.file] if location.file else [], [location.folder] if location.folder else []


def exists(location: Location) -> bool:
    """Whether there may be a warehouse: only opening a lake tells whether it is there."""
    return not isinstance(location, Path) or location.exists()
