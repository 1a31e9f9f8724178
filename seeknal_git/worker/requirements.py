"""Which requirements of a script this interpreter does not satisfy."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import re
from collections.abc import Sequence

_REQUIREMENT = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*\(?([^;)]*)\)?")
_CLAUSE = re.compile(r"\s*(===|==|>=|<=|!=|~=|<|>)\s*([0-9][0-9A-Za-z.*+!-]*)\s*")


def missing(requirements: Sequence[str]) -> list[str]:
    """Those that are not satisfied, with the release that is here, if there is one."""
    return [said for requirement in requirements if (said := _missing(requirement))]


def _missing(requirement: str) -> str:
    known = None
    if importlib.util.find_spec("packaging"):
        known = importlib.import_module("packaging.requirements").Requirement(requirement)
        if known.marker and not known.marker.evaluate():
            return ""
    match = _REQUIREMENT.match(requirement)
    if match is None:
        return requirement
    try:
        found = importlib.metadata.version(match[1])
    except importlib.metadata.PackageNotFoundError:
        return requirement
    if known is None:
        sound = _satisfies(found, match[2])
    else:
        sound = known.specifier.contains(found, prereleases=True)
    return "" if sound else f"{requirement} ({found} is here)"


def _satisfies(found: str, clauses: str) -> bool:
    """Whether a release satisfies clauses such as `>=2,<3`. One that cannot be read counts as not
    satisfied."""
    for clause in filter(None, (part.strip() for part in clauses.split(","))):
        match = _CLAUSE.fullmatch(clause)
        if match is None or not _compares(match[1], _numbers(found), match[2]):
            return False
    return True


def _compares(word: str, have: tuple[int, ...], wanted: str) -> bool:
    bound = _numbers(wanted)
    if word in ("==", "!=", "===") and (wanted.endswith("*") or word == "==="):
        return (have[: len(bound)] == bound) == (word != "!=")
    size = max(len(have), len(bound))
    one, other = (numbers + (0,) * (size - len(numbers)) for numbers in (have, bound))
    answers = {
        "==": one == other,
        "!=": one != other,
        ">=": one >= other,
        "<=": one <= other,
        ">": one > other,
        "<": one < other,
        "~=": one >= other and have[: len(bound) - 1] == bound[:-1],
    }
    return answers[word]


def _numbers(release: str) -> tuple[int, ...]:
    found = re.match(r"\d+(?:\.\d+)*", release)
    return tuple(map(int, found[0].split("."))) if found else ()
