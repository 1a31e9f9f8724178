"""Files of exposures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Delivery:
    """The file of an exposure, or a table elsewhere."""

    node: str
    snapshot: str  # the exposure's id; "" once no exposure writes the file, or while it is replaced
    path: Path
    table: str | None  # the snapshot table that was written
    definition: Mapping[str, Any] | None  # the exposure's
    content: str | None = None  # a hash of the file; None until it is written

    @property
    def target(self) -> Mapping[str, Any] | None:
        """The place that it was delivered to, if that is no file of the project."""
        return (self.definition or {}).get("target")


@dataclass(frozen=True, slots=True)
class DeliveredPath:
    """A path to which a file was delivered, or was about to be."""

    schema: str
    path: str
    place: str | None  # the path in the project
    content: str | None  # a hash of the file


@dataclass(frozen=True, slots=True)
class Changed:
    """Those folders of a partitioned delivery were written whose rows are not as before."""

    total: int  # the folders of the whole delivery
    # Holds folders with the names of those that have no rows any more, if there are any.
    gone: Path | None = None


@dataclass(frozen=True, slots=True)
class Folders:
    """The folders of a partitioned delivery that were put in place."""

    total: int
    written: int  # all others are as they were
    removed: int  # that were there, and have no rows any more
