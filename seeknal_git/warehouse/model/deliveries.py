"""Files of exposures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Delivery:
    """The file of an exposure."""

    node: str
    snapshot: str  # the exposure's id; "" once no exposure writes the file, or while it is replaced
    path: Path
    table: str | None  # the snapshot table that was written
    definition: Mapping[str, Any] | None  # the exposure's
    content: str | None = None  # a hash of the file; None until it is written


@dataclass(frozen=True, slots=True)
class DeliveredPath:
    """A path to which a file was delivered, or was about to be."""

    schema: str
    path: str
    place: str | None  # the path in the project
    content: str | None  # a hash of the file
