"""Find the lake that a project's warehouse is: the project file names it, and each person's
environment has the variables in it."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from seeknal_git.errors import Problem, ProjectError
from seeknal_git.git.repository import Repository
from seeknal_git.git.tree import TrackedPaths
from seeknal_git.project.connections import profile_folders, read_profiles
from seeknal_git.project.lake_settings import LakeSettings, overridden
from seeknal_git.project.settings import PROJECT_FILE
from seeknal_git.warehouse.location import POSTGRES, SQLITE, Lake

_SCHEMES = ("s3://", "gs://", "r2://", "az://", "azure://", "abfss://")


@dataclass(frozen=True, slots=True)
class Setting:
    """The setting of a project file, and its line."""

    lake: LakeSettings
    line: int | None


def lake_of(repository: Repository, home: Path, branch: str, written: Setting) -> Lake:
    """The lake that is the warehouse of a project in a folder. branch: production. Raises
    ProjectError."""
    profiles = read_profiles(profile_folders(repository, home), branch, TrackedPaths(repository))
    lake, asks = written.lake, Problem("", PROJECT_FILE, written.line)
    try:
        if own := profiles.mapping("warehouse"):
            lake = overridden(lake, own)
        lake = replace(
            lake,
            catalog=profiles.resolved(lake.catalog, "warehouse.catalog"),
            data=profiles.resolved(lake.data, "warehouse.data"),
        )
        found = _located(lake, home.resolve())
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
