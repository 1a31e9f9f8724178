"""Find the lake that a project's warehouse is: the project file names it, and each person's
environment has the variables in it."""

from __future__ import annotations

import os
from collections.abc import Container
from dataclasses import dataclass, replace
from pathlib import Path

from seeknal_git.errors import Problem, ProjectError
from seeknal_git.project.connections import read_profiles
from seeknal_git.project.lake_settings import LakeSettings, overridden
from seeknal_git.project.profile_places import ProfilePlaces
from seeknal_git.project.settings import PROJECT_FILE
from seeknal_git.warehouse.location import POSTGRES, SQLITE, Lake

_SCHEMES = ("s3://", "gs://", "r2://", "az://", "azure://", "abfss://")


@dataclass(frozen=True, slots=True)
class Setting:
    """The setting of a project file, and its line."""

    lake: LakeSettings
    line: int | None


@dataclass(frozen=True, slots=True)
class Directions:
    """The way to a lake, for anybody who has a profile and variables of their own. Nothing secret
    is in it: the setting names variables and connections."""

    setting: Setting
    home: Path  # the project's folder in the data root
    places: ProfilePlaces
    branch: str  # production

    def lake(self, tracked: Container[str]) -> Lake:
        """The lake. tracked: the paths that git tracks in the project. Raises ProjectError."""
        profiles = read_profiles(self.places, self.branch, tracked)
        lake, asks = self.setting.lake, Problem("", PROJECT_FILE, self.setting.line)
        try:
            if own := profiles.mapping("warehouse"):
                lake = overridden(lake, own)
            lake = replace(
                lake,
                catalog=profiles.resolved(lake.catalog, "warehouse.catalog"),
                data=profiles.resolved(lake.data, "warehouse.data"),
            )
            found = _located(lake, self.home.resolve())
        except ValueError as exc:
            raise ProjectError([replace(asks, message=str(exc))]) from exc
        secrets = tuple(profiles.connection(name, asks)[0] for name in lake.secrets)
        return replace(found, secrets=secrets)


def _located(lake: LakeSettings, home: Path) -> Lake:
    """The place of a lake whose variables are resolved. Paths are below a project's folder.

    Raises ValueError for data at an address that nothing here opens.
    """
    catalog, data = lake.catalog, lake.data
    if catalog.startswith(SQLITE):
        catalog = f"{SQLITE}{home / catalog.removeprefix(SQLITE)}"
    elif not catalog.startswith(POSTGRES):
        if catalog.partition(":")[0] in ("postgresql", "mysql", "ducklake", "duckdb"):
            raise ValueError(
                f"`warehouse.catalog` is `{POSTGRES}…`, `{SQLITE}PATH` or the path of a DuckDB "
                f"file, not {catalog.partition(':')[0]}:…"
            )
        catalog = str(home / catalog)
    if not data.startswith(_SCHEMES):
        if "://" in data:
            raise ValueError(f"`warehouse.data` is a folder, or begins with {', '.join(_SCHEMES)}.")
        data = f"{os.path.normpath(home / data)}/"
    return replace(
        Lake(catalog, data if data.endswith("/") else f"{data}/"),
        schema=lake.schema,
        format=lake.format,
    )
