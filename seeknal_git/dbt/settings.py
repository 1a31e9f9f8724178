"""The project file of dbt: folders, variables, and the settings of each model by its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from seeknal_git.dbt.yaml_lines import Entries, read_yaml
from seeknal_git.errors import FileFault, Problem, ProjectError, UsageError

PROJECT = "dbt_project.yml"
_FOLDERS = {
    "model": "models",
    "seed": "seeds",
    "test": "tests",
    "macro": "macros",
    "snapshot": "snapshots",
    "analysis": "analyses",
    "function": "functions",
}
# Settings that may stand in the project file without a `+`.
_SETTINGS = frozenset(
    "materialized tags meta enabled schema database alias docs persist_docs column_types"
    " quote_columns delimiter pre-hook post-hook pre_hook post_hook severity contract".split()
)
# Settings that concern people or another database, and no table.
_QUIET = frozenset(
    "docs persist_docs description on_schema_change full_refresh store_failures limit quote_columns"
    " static_analysis event_time quoting".split()
)


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting, and where it stands."""

    value: Any
    path: str
    line: int

    def problem(self, message: str, path: str, hint: str | None = None) -> Problem:
        """A problem of a file because of the setting, which may stand elsewhere. message: without a
        full stop."""
        if self.path == path:
            return Problem(f"{message}.", path, self.line, hint)
        return Problem(f"{message} ({self.path}:{self.line}).", path, 1, hint)


Configured = dict[str, Setting]


@dataclass(frozen=True, slots=True)
class Settings:
    """A project of dbt, as its project file describes it."""

    root: Path
    name: str
    # `model`, `seed`, … → the folders of their files.
    folders: Mapping[str, tuple[str, ...]]
    data: Entries
    variables: Mapping[str, Any] = field(default_factory=dict)

    def configured(self, section: str, place: Sequence[str]) -> Configured:
        """The settings of the project file for something.

        section: `models`, `seeds` and so on; place: the name of the project, the folders, and the
        name.
        """
        found: Configured = {}
        level = self.data.get(section)
        for step in (*place, ""):
            if not isinstance(level, Entries):
                break
            found = merged(found, _of_level(level))
            level = level.get(step)
        return found

    def files(self, folder: str, *endings: str) -> Iterator[tuple[Path, str, tuple[str, ...]]]:
        """The files of a kind: each with its path in the project, and the folders that it is in,
        below the folder of the kind."""
        for top in self.folders[folder]:
            base = self.root / top
            for path in sorted(base.rglob("*")) if self.is_inside(top) else ():
                if path.suffix in endings and self._is_own(path):
                    yield path, path.relative_to(self.root).as_posix(), _within(path, base)

    def is_inside(self, folder: str) -> bool:
        """Whether a folder is in the project. One that does not exist is, too."""
        return (self.root / folder).resolve().is_relative_to(self.root)

    def _is_own(self, path: Path) -> bool:
        """Whether a path is a file of the project: none that dbt wrote or installed, and no link
        that leads out."""
        made = (self.data.get("target-path", "target"), "dbt_packages", "dbt_modules")
        is_made = path.relative_to(self.root).parts[0] in made
        return not is_made and path.is_file() and path.resolve().is_relative_to(self.root)

    @property
    def hooks(self) -> Iterator[str]:
        """The keys of statements that dbt runs before or after all models."""
        return (key for key in ("on-run-start", "on-run-end") if self.data.get(key))


def _within(path: Path, base: Path) -> tuple[str, ...]:
    return path.relative_to(base).parts[:-1]


def _of_level(level: Entries) -> Configured:
    return {
        key.removeprefix("+").replace("-", "_"): Setting(value, PROJECT, level.line(key))
        for key, value in level.items()
        if key.startswith("+") or (key in _SETTINGS)
    }


def merged(general: Configured, special: Configured) -> Configured:
    """Settings of two places: tags are added, meta is merged, all else is replaced."""
    found = {**general, **special}
    if "tags" in general and "tags" in special:
        before, after = general["tags"], special["tags"]
        found["tags"] = replace(after, value=[*listed(before.value), *listed(after.value)])
    if "meta" in general and "meta" in special:
        metas = [setting.value for setting in (general["meta"], special["meta"])]
        whole = dict(item for meta in metas if isinstance(meta, dict) for item in meta.items())
        found["meta"] = replace(special["meta"], value=whole)
    return found


def unread(found: Configured, known: frozenset[str]) -> Iterator[tuple[str, Setting]]:
    """The settings that have no counterpart, and might matter to somebody."""
    for key, setting in found.items():
        if key not in known | _QUIET and setting.value not in (None, False, [], {}):
            yield key, setting


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def text_of(path: Path, shown: str) -> str:
    """The text of a file. Raises ProjectError if it is not UTF-8, and FileFault if it cannot be
    read."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as exc:
        raise ProjectError([Problem("The file is not UTF-8.", shown, 1)]) from exc
    except OSError as exc:
        raise FileFault(f"{shown} cannot be read: {exc.strerror}.") from exc


def read_settings(root: Path) -> Settings:
    """The project of dbt in a folder. Raises UsageError if there is none, and ProjectError if its
    file cannot be read."""
    path = root / PROJECT
    if not path.is_file():
        raise UsageError(f"There is no {PROJECT} in {root}.", "Name the folder of a dbt project.")
    data = read_yaml(text_of(path, PROJECT), PROJECT)
    if not isinstance(data, Entries) or not isinstance(data.get("name"), str):
        raise ProjectError([Problem("A project of dbt has a `name`.", PROJECT, 1)])
    folders = {
        kind: tuple(map(str, listed(data.get(f"{kind}-paths") or [usual])))
        for kind, usual in _FOLDERS.items()
    }
    return Settings(root, data["name"], folders, data, _variables(data))


def _variables(data: Entries) -> dict[str, Any]:
    """The variables of a project: those of all packages, and its own."""
    given = data.get("vars")
    if not isinstance(given, Entries):
        return {}
    own = given.get(data["name"])
    general = {name: value for name, value in given.items() if not isinstance(value, dict)}
    return {**general, **(own if isinstance(own, Entries) else {})}


def as_text(value: Any) -> str | None:
    """The text that Jinja writes for a value; None for nothing, a list or a mapping."""
    return None if isinstance(value, list | dict | None) else str(value)
