"""Limits of what may be in a tree, so that a plan of anything ends soon.

The environment sets them, and no file of a project does: a branch must not raise them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from functools import cache

from seeknal_git.errors import UsageError


@dataclass(frozen=True, slots=True)
class Limits:
    """SEEKNAL_LIMIT_COLUMNS=10000 sets `columns`, and so on."""

    file_kb: int = 256  # of a node's file
    yaml_depth: int = 50  # of lists and mappings in a node's file
    yaml_values: int = 20_000  # in a node's file, each alias counted as what it stands for
    statement_kb: int = 128  # of one SELECT
    nesting: int = 1_000  # of one SELECT, in calls of functions that walk its tree: some 150 sub-queries
    columns: int = 5_000  # of a node's table
    seconds: int = 10  # of processor time to parse, bind and take apart one SELECT
    memory_mb: int = 2_048  # for the same
    nodes: int = 20_000  # of a project
    files: int = 1_000_000  # in a tree of git's
    unpack_seconds: int = 10  # to unpack a file of raw data once, and a second more for each 5 MB of it


def limits() -> Limits:
    """The limits in force. Raises UsageError for a variable that is no positive number."""
    return _read(tuple(os.environ.get(variable(name)) for name in _NAMES))


def variable(name: str) -> str:
    return f"SEEKNAL_LIMIT_{name.upper()}"


def raising(name: str) -> str:
    """A hint: how to allow more."""
    return f"If it is meant, allow more: {variable(name)}={getattr(limits(), name) * 2}"


_NAMES = tuple(field.name for field in fields(Limits))


@cache
def _read(values: tuple[str | None, ...]) -> Limits:
    given = {name: value for name, value in zip(_NAMES, values, strict=True) if value}
    for name, value in given.items():
        if not value.isascii() or not value.isdigit() or int(value) == 0:
            raise UsageError(f"{variable(name)} is a number from 1, not {value!r}.")
    return Limits(**{name: int(value) for name, value in given.items()})
