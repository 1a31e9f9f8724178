"""Find the lake that a project's warehouse is: the project file names it, and each person's
environment has the variables in it."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

from seeknal_git.errors import Problem, ProjectError
from seeknal_git.project.lake_settings import LakeSettings
from seeknal_git.project.settings import PROJECT_FILE
from seeknal_git.warehouse.location import POSTGRES, SQLITE, Lake

_SCHEMES = ("s3://", "gs://", "r2://", "az://", "azure://", "abfss://")
_VARIABLE = re.compile(r"\$\{\s*([A-Za-z_]\w*)\s*(?:(:)-?([^}]*))?\}")


def lake_of(home: Path, settings: LakeSettings, line: int | None) -> Lake:
    """The lake that is the warehouse of a project in a folder. line: of the setting. Raises
    ProjectError."""
    try:
        catalog, data = _resolved(settings.catalog), _resolved(settings.data)
        return _located(replace(settings, catalog=catalog, data=data), home.resolve())
    except ValueError as exc:
        message, _, hint = str(exc).partition("\n")
        raise ProjectError([Problem(message, PROJECT_FILE, line, hint or None)]) from exc


def _resolved(text: str) -> str:
    def value(found: re.Match[str]) -> str:
        name, has_default, default = found[1], found[2], found[3]
        known = os.environ.get(name)
        if known is None and not has_default:
            raise ValueError(f"The variable {name} is not set.\nSet it: export {name}=…")
        return default if known is None else known

    return _VARIABLE.sub(value, text)


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
