"""A feature group: features of an entity, with one row for each value of its join keys, or for each
value and time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, field_validator, model_validator

from seeknal_git.nodes.checks import Columns, not_null, unique
from seeknal_git.nodes.column_types import known_type
from seeknal_git.nodes.form import Form
from seeknal_git.nodes.node import Check, event_time_of
from seeknal_git.nodes.node_file import Compiled
from seeknal_git.nodes.partition import PartitionedFile
from seeknal_git.nodes.scalars import is_nothing


class Entity(Form):
    """The thing that the features describe, and the columns that identify it."""

    model_config = ConfigDict(extra="allow")
    name: str
    join_keys: Columns
    description: str | None = None


def as_entity(value: object) -> object:
    """`entity: plane` means the join key `plane_id`."""
    return {"name": value, "join_keys": [f"{value}_id"]} if isinstance(value, str) else value


def _features(value: object) -> object:
    """The declared type of each feature, from a list of names or of `{name: …, dtype: …}`, or from
    a mapping by name."""
    if isinstance(value, list):
        value = {item.get("name") if isinstance(item, dict) else item: item for item in value}
    return (
        {name: _dtype(declared) for name, declared in value.items()}
        if isinstance(value, dict)
        else value
    )


def _dtype(feature: object) -> object:
    given = (
        (feature.get("dtype") or feature.get("data_type")) if isinstance(feature, dict) else None
    )
    return known_type(str(given), "features") if given else None


class File(PartitionedFile):
    entity: Annotated[Entity, BeforeValidator(as_entity)]
    features: Annotated[dict[str, str | None], BeforeValidator(_features)] = Field(
        default_factory=dict
    )
    transform: str | None = None
    mode: Any = None
    engine: Any = None

    @property
    def event_time(self) -> str | None:
        """The column with the time of a row, if there is a row for each key and time; else None."""
        return event_time_of({"materialization": self.materialization})

    @field_validator("materialization")
    @classmethod
    def _one_column(cls, given: Any) -> Any:
        column = given.get("event_time_col") if isinstance(given, Mapping) else None
        if not is_nothing(column) and (not isinstance(column, str) or not column.strip()):
            raise ValueError("`event_time_col` is the name of a column")
        return given

    @model_validator(mode="after")
    def _something_to_read(self) -> File:
        if self.transform is None and not self.inputs:
            raise ValueError(
                "a feature group has a `transform`, or `inputs` whose first one it passes through"
            )
        return self


def compile_file(file: File, lines: Mapping[str, int]) -> Compiled:
    keys, event_time = file.entity.join_keys, file.event_time
    timeless = event_time is None or event_time.lower() in [key.lower() for key in keys]
    row = keys if timeless else [*keys, str(event_time)]
    line = lines.get("entity", 1)
    return Compiled(
        sql=file.transform or "SELECT * FROM input_0",
        sql_key="transform" if file.transform else None,
        aliases={"source": "input_0"},
        definition={"entity": file.entity.name, "join_keys": keys},
        promises={**dict.fromkeys(row), **file.features, **file.types},
        checks=(
            Check(f"join_keys_not_null({', '.join(keys)})", not_null(keys), line=line),
            Check(
                f"join_keys_unique({', '.join(row)})",
                unique(row),
                line=line,
                key=tuple(row),
                returns="keys",
            ),
        ),
    )
