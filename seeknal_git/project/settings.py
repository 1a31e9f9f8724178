"""The project file: the decisions that a team makes once."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, Literal

from seeknal_git.errors import Problem, ProjectError
from seeknal_git.nodes.scalars import flag, is_nothing, text, whole
from seeknal_git.project.lake_settings import LakeSettings, read_lake
from seeknal_git.project.variables import (
    NO_VARIABLES,
    VARIABLE_KEYS,
    Variables,
    read_variables,
)
from seeknal_git.project.worker_settings import THREADS, WorkerSettings, read_workers

PROJECT_FILE = "seeknal_project.yml"
_DURATIONS = frozenset({"time_to_live", "keep_history"})
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_READ_AS: dict[type, Callable[[object], str | int | bool]] = {str: text, int: whole, bool: flag}
# Keys of older projects that mean nothing here.
_CARRIED = frozenset({"version", "profile", "config-version", "state_backend"})
# The settings that any tree may have for itself. All others count only as production has them.
_FREE = frozenset({"name", "description"})
# The spelling of a warehouse that no project file names.
NOWHERE = "the default place"
Releaser = Literal["anywhere", "ci"]
_WORDS = {"promote": ("anywhere", "ci")}


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings in a project file. Only `name` and `description` count for every tree as it has
    them."""

    name: str
    description: str = ""
    production_branch: str = "main"
    warehouse: str | LakeSettings = ""  # none: in git's own folder (see place.py)
    time_to_live: int = (
        7 * 86400
    )  # seconds from its last use until an environment without a branch goes
    protect_production: bool = False
    promote: Releaser = "anywhere"  # who releases: everybody, or continuous integration alone
    keep_promotions: int = 10  # publications of production that keep their tables
    keep_history: int = 7 * 86400  # seconds for which any publication of production does
    show_rows: bool = True  # whether runs show rows that violate a check
    workers: WorkerSettings = THREADS  # what builds nodes


@dataclass(frozen=True, slots=True)
class Written:
    """A project file. lines: setting that it has → its line; the others have their defaults."""

    settings: Settings
    lines: Mapping[str, int]
    variables: Variables = NO_VARIABLES


@dataclass(frozen=True, slots=True)
class SettingChange:
    """A setting that a tree has otherwise than production. before, after: as somebody would write
    them."""

    name: str
    before: str
    after: str
    line: int

    @property
    def words(self) -> str:
        return f"{self.name} {self.before} → {self.after}"


def changed_settings(
    before: Settings, after: Written, base: Settings | None = None
) -> tuple[SettingChange, ...]:
    """The settings that count only as production has them, and that a file has otherwise. base: the
    settings that production had when the branch left it: a branch that is merely behind has changed
    nothing."""
    old, new = _values(before), _values(after.settings)
    known = (old, _values(base) if base else old)
    return tuple(
        SettingChange(name, spelt(name, old[name]), spelt(name, value), after.lines.get(name, 1))
        for name, value in new.items()
        if name not in _FREE and all(value != settings[name] for settings in known)
    )


def _values(settings: Settings) -> dict[str, object]:
    return {field.name: getattr(settings, field.name) for field in fields(settings)}


def spelt(name: str, value: object) -> str:
    """The value of a setting as somebody would write it.

    >>> spelt("time_to_live", 604800), spelt("protect_production", True)
    ('7d', 'true')
    """
    if isinstance(value, bool):
        return str(value).lower()
    if name in _DURATIONS and isinstance(value, int):
        unit = next(
            (unit for unit in ("d", "h", "m") if value and value % _SECONDS[unit] == 0), "s"
        )
        return f"{value // _SECONDS[unit]}{unit}"
    return str(value) or NOWHERE


def read_settings(content: bytes, path: str = PROJECT_FILE) -> Settings:
    """The settings in a project file. Raises ProjectError with the line of each mistake."""
    return read_written(content, path).settings


@cache
def read_written(content: bytes, path: str = PROJECT_FILE) -> Written:
    """A project file, with the lines of its settings. Raises ProjectError with the line of each
    mistake."""
    from seeknal_git.nodes.yaml_document import read_yaml

    document = read_yaml(content, path)
    if not isinstance(document.data, Mapping):
        raise ProjectError(
            [
                Problem(
                    "The project file is a mapping of settings.",
                    path,
                    1,
                    "Begin with: name: my_project",
                )
            ]
        )
    values: dict[str, Any] = {}
    variables, problems = read_variables(document, path)
    for key, value in document.data.items():
        try:
            values |= _setting(str(key), value)
        except ValueError as exc:
            problems.append(Problem(str(exc), path, document.lines.get(str(key))))
    if "name" not in values and not problems:
        problems.append(Problem("The project has no `name`.", path, 1))
    if problems:
        raise ProjectError(problems)
    lines = {name: document.lines.get(name, 1) for name in values}
    return Written(Settings(**values), lines, variables)


def _setting(key: str, value: Any) -> dict[str, Any]:
    if key in _CARRIED or key in VARIABLE_KEYS:
        return {}
    kinds = {name: type(default) for name, default in _values(Settings("")).items()}
    if key not in kinds:
        raise ValueError(
            f"There is no setting `{key}`. The settings are {', '.join([*kinds, *VARIABLE_KEYS])}."
        )
    if key in _DURATIONS:
        return {key: _seconds(key, value)}
    if is_nothing(value):
        return {}
    if key == "warehouse" and isinstance(value, Mapping):
        return {key: read_lake(value)}
    if key == "workers":
        return {key: read_workers(value)}
    return {key: _sound(key, kinds[key], value)}


def _sound(key: str, kind: type, value: Any) -> str | int | bool:
    """The value of a setting. Raises ValueError for one that cannot be meant."""
    try:
        found: str | int | bool = _READ_AS[kind](value)
    except ValueError as exc:
        raise ValueError(f"`{key}` is {exc}.") from exc
    if (found == "" and key != "description") or (isinstance(found, int) and found < 0):
        raise ValueError(f"`{key}` cannot be {found!r}.")
    if key in _WORDS and found not in _WORDS[key]:
        raise ValueError(f"`{key}` is {' or '.join(_WORDS[key])}, not {found!r}.")
    return found


def _seconds(key: str, value: Any) -> int:
    match = re.fullmatch(r"(\d{1,6})\s*([smhdw])", str(value).strip())
    if not match:
        raise ValueError(f"`{key}` is a number and a unit, such as 12h or 7d, not {value!r}.")
    return int(match[1]) * _SECONDS[match[2]]
