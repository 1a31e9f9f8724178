"""The setting `warehouse` of a team: a DuckLake, in place of the path of a file."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from seeknal_git.nodes.scalars import is_nothing

_TYPES = ("ducklake",)
_SUCH = (
    'warehouse: {type: ducklake, catalog: "postgres:dbname=lake host=db.example", '
    'data: "s3://bucket/lake/"}'
)
_KEYS = ("type", "catalog", "data", "schema", "format", "secrets")
_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_FORMAT = re.compile(r"\d+\.\d+")


@dataclass(frozen=True, slots=True)
class LakeSettings:
    """A lake as the project file names it; `${NAME}` stands for a variable yet."""

    catalog: str
    data: str
    schema: str = ""
    format: str = ""
    secrets: tuple[str, ...] = ()  # the connections of `profiles.yml` that open its places

    @property
    def paths(self) -> tuple[str, ...]:
        """Its catalog and its data, if they are paths."""
        catalog = self.catalog.removeprefix("sqlite:")
        return tuple(place for place in (catalog, self.data) if ":" not in place)

    def __str__(self) -> str:
        given = {"type": "ducklake", **asdict(self)}
        return f"{{{', '.join(f'{key}: {value}' for key, value in given.items() if value)}}}"


def read_lake(value: Mapping[Any, Any]) -> LakeSettings:
    """The setting of a project file. Raises ValueError with the mistake and how to mend it."""
    given = {str(key): entry for key, entry in value.items() if not is_nothing(entry)}
    for key in given:
        if key not in _KEYS:
            near = difflib.get_close_matches(key, _KEYS, 1)
            hint = f"Did you mean `{near[0]}`?" if near else f"The keys are {', '.join(_KEYS)}."
            raise ValueError(f"`warehouse` has no key `{key}`. {hint}")
    if given.get("type") not in _TYPES:
        raise ValueError(
            f"`warehouse.type` is {' or '.join(_TYPES)}, not {given.get('type')!r}. A DuckDB file "
            "is named by its path alone."
        )
    for key in ("catalog", "data"):
        if not isinstance(given.get(key), str):
            raise ValueError(f"`warehouse` needs `{key}`, such as {_SUCH}")
    names = given.get("secrets", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("`warehouse.secrets` is a list of connections, such as [lake_s3].")
    words = {
        key: str(given.get(key, "")).strip() for key in ("catalog", "data", "schema", "format")
    }
    return _sound(LakeSettings(**words, secrets=tuple(names)))


def _sound(lake: LakeSettings) -> LakeSettings:
    """Raise ValueError for values that cannot be meant."""
    if lake.schema and not lake.catalog.startswith(("postgres:", "$")):
        raise ValueError("`warehouse.schema` is of a catalog in PostgreSQL; others have none.")
    if lake.schema and not _SCHEMA.fullmatch(lake.schema):
        raise ValueError(f"`warehouse.schema` is a plain name, not {lake.schema!r}.")
    if lake.format and not _FORMAT.fullmatch(lake.format):
        raise ValueError(f'`warehouse.format` is a version such as "1.0", not {lake.format!r}.')
    return lake


def overridden(lake: LakeSettings, given: Mapping[str, Any]) -> LakeSettings:
    """A lake as one person reaches it: some keys of `profiles.yml` in place of the project's.
    Raises ValueError."""
    return read_lake({"type": "ducklake", **_without_nothing(asdict(lake)), **given})


def _without_nothing(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in values.items()
        if value
    }
