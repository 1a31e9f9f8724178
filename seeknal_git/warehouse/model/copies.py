"""A warehouse file as it is copied into a lake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from seeknal_git.sql.lake_types import Unheld
from seeknal_git.warehouse.model.environments import Foreign, Published


@dataclass(frozen=True, slots=True)
class Obstacle:
    """A node that an environment shows, and that a lake cannot hold as it is."""

    node: str
    environments: Sequence[str]
    column: Unheld | None  # None if its view reads files of this clone


@dataclass(frozen=True, slots=True)
class Contents:
    """Everything in a warehouse file."""

    path: Path
    stamp: str
    tables: Mapping[str, str]  # snapshot table that is copied → its node
    rows: int
    environments: Mapping[str, Mapping[str, Published]]  # schema → the nodes that it shows
    obstacles: Sequence[Obstacle]
    left: Mapping[str, str]  # snapshot table of earlier publications that stays behind → why
    foreign: Sequence[Foreign]  # views and tables that somebody made; they stay behind


@dataclass(frozen=True, slots=True)
class Answer:
    """A view that answers alike in the file and in the lake."""

    schema: str
    view: str
    rows: int


@dataclass(frozen=True, slots=True)
class Copy:
    """A file in a lake: everything in it was compared."""

    contents: Contents
    copied: int  # tables that were copied now; the others were there
    answers: Sequence[Answer]
