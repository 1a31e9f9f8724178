"""The findings about a lake and everything that it needs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that is as it should be."""

    text: str


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is wrong, and its cure."""

    text: str
    cure: str
