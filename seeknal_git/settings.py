"""The project file: what a team decides once."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from seeknal_git.errors import Problem, ProjectError
from seeknal_git.nodes.scalars import flag, is_nothing, text, whole

PROJECT_FILE = "seeknal_project.yml"
_DURATIONS = frozenset({"time_to_live", "keep_history"})
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_READ_AS: dict[type, Callable[[object], str | int | bool]] = {str: text, int: whole, bool: flag}
# Keys of older projects that mean nothing here.
_CARRIED = frozenset({"version", "profile", "config-version", "state_backend"})


@dataclass(frozen=True, slots=True)
class Settings:
    """time_to_live: seconds since last use after which an environment whose branch is gone is pruned; keep_promotions,
    keep_history: how many of production's last publications keep their snapshots, and for how many seconds any does;
    show_rows: whether runs show rows that violate a check."""

    name: str
    description: str = ""
    production_branch: str = "main"
    warehouse: str = "target/warehouse.duckdb"
    time_to_live: int = 7 * 86400
    protect_production: bool = False
    keep_promotions: int = 10
    keep_history: int = 7 * 86400
    show_rows: bool = True


def read_settings(content: bytes, path: str = PROJECT_FILE) -> Settings:
    """The settings in a project file. Raises ProjectError with the line of each mistake."""
    from seeknal_git.nodes.text import read_yaml

    document = read_yaml(content, path)
    if not isinstance(document.data, Mapping):
        raise ProjectError(
            [Problem("The project file is a mapping of settings.", path, 1, "Begin with: name: my_project")]
        )
    values: dict[str, Any] = {}
    problems = []
    for key, value in document.data.items():
        try:
            values |= _setting(str(key), value)
        except ValueError as exc:
            problems.append(Problem(str(exc), path, document.lines.get(str(key))))
    if "name" not in values and not problems:
        problems.append(Problem("The project has no `name`.", path, 1))
    if problems:
        raise ProjectError(problems)
    return Settings(**values)


def _setting(key: str, value: Any) -> dict[str, Any]:
    if key in _CARRIED:
        return {}
    kinds = {name: type(default) for name, default in asdict(Settings("")).items()}
    if key not in kinds:
        raise ValueError(f"There is no setting `{key}`. The settings are {', '.join(kinds)}.")
    if key in _DURATIONS:
        return {key: _seconds(key, value)}
    if is_nothing(value):
        return {}
    try:
        found: str | int | bool = _READ_AS[kinds[key]](value)
    except ValueError as exc:
        raise ValueError(f"`{key}` is {exc}.") from exc
    if (found == "" and key != "description") or (isinstance(found, int) and found < 0):
        raise ValueError(f"`{key}` cannot be {found!r}.")
    return {key: found}


def _seconds(key: str, value: Any) -> int:
    match = re.fullmatch(r"(\d{1,6})\s*([smhdw])", str(value).strip())
    if not match:
        raise ValueError(f"`{key}` is a number and a unit, such as 12h or 7d, not {value!r}.")
    return int(match[1]) * _SECONDS[match[2]]
