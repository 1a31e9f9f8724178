"""Histories of the loads of a source (`keep: changes`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

# The build of a history's version that production made begins with this letter.
OF_PRODUCTION = "p"


@dataclass(frozen=True, slots=True)
class Version:
    """A version of the history of a source's loads: a snapshot over tables. The fields that it
    shares with `Snapshot` mean the same."""

    id: str
    fingerprint: str
    identity: str
    build: str
    tables: tuple[str, ...]  # oldest first; somebody may have dropped some
    view: str
    publication: int  # the first that showed it


@dataclass(frozen=True, slots=True)
class Addition:
    """A load to add to a history."""

    load: str  # its rows as SQL names them
    key: Sequence[str]
    compared: Sequence[str]  # columns; none for all
    before: Sequence[str]  # the tables of the version that it is added to
    is_redefined: bool  # whether that version has another definition
    at: datetime  # when the rows of the load began to hold, in UTC
