"""The arguments of the decorators, but for those of `@source`: those that YAML knows too, and those
of Python alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, field_validator, model_validator

from seeknal_git.names import folded, quote
from seeknal_git.nodes import feature_group, second_order_aggregation
from seeknal_git.nodes.checks import listed, not_null
from seeknal_git.nodes.column_types import TableFile
from seeknal_git.nodes.node import Check
from seeknal_git.nodes.node_file import Compiled, InputFile, Mistake, as_input
from seeknal_git.nodes.partition import PartitionedFile

_SECONDS = {"s": 1, "m": 60, "h": 3600}
_BYTES = {"KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30}
_TIMEOUT = re.compile(r"(\d{1,6})\s*([smh]?)")
_MEMORY = re.compile(r"(\d{1,6})\s*([KMG]B)", re.IGNORECASE)
_SECRET = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Input(InputFile):
    """An entry of `inputs`. columns: those that the node reads; None for all."""

    model_config = ConfigDict(extra="forbid")
    columns: Annotated[list[str], BeforeValidator(listed), Field(min_length=1)] | None = None

    @field_validator("columns")
    @classmethod
    def _once_each(cls, given: list[str] | None) -> list[str] | None:
        if given and len({*map(folded, given)}) < len(given):
            raise ValueError("a column is named twice")
        return given


_Input = Annotated[Input, BeforeValidator(as_input)]
_Entity = Annotated[feature_group.Entity | None, BeforeValidator(feature_group.as_entity)]


def _seconds(given: object) -> int:
    match = _TIMEOUT.fullmatch(str(given).strip())
    if match is None or not int(match[1]):
        raise ValueError(f"a time such as 90, 90s, 30m or 2h, not {given!r}")
    return int(match[1]) * _SECONDS[match[2] or "s"]


def _bytes(given: object) -> int:
    match = _MEMORY.fullmatch(str(given).strip())
    if match is None or not int(match[1]):
        raise ValueError(f"an amount such as 512MB or 8GB, not {given!r}")
    return int(match[1]) * _BYTES[match[2].upper()]


class PythonFile(TableFile):
    """The arguments that every Python node may have."""

    reads_params = True

    inputs: list[_Input] = Field(default_factory=list)  # type: ignore[assignment]
    timeout: Annotated[int, BeforeValidator(_seconds)] = 1800
    memory: Annotated[int, BeforeValidator(_bytes)] = 8 << 30
    secrets: Annotated[list[str], BeforeValidator(listed)] = Field(default_factory=list)
    volatile: bool = False
    sql: Any = None
    materialized: Any = None

    @field_validator("materialized")
    @classmethod
    def _is_a_table(cls, given: Any) -> Any:
        if given not in (None, "table"):
            raise ValueError(f"the rows of a function are a table, not {given!r}: leave it out")
        return given

    @field_validator("secrets")
    @classmethod
    def _are_variables(cls, given: list[str]) -> list[str]:
        if wrong := [name for name in given if not _SECRET.fullmatch(name)]:
            raise ValueError(f"{wrong[0]!r} is not the name of a variable of the environment")
        return given

    @model_validator(mode="after")
    def _reads_each_input_once(self) -> PythonFile:
        seen = [entry.ref for entry in self.inputs]
        for ref in seen:
            if seen.count(ref) > 1:
                raise ValueError(f"`inputs` names {ref} twice")
        return self

    @property
    def running(self) -> dict[str, Any]:
        """The parameters, the columns that are read of each input, the limits of a run (seconds,
        bytes), and the variables that the code may see."""
        return {
            "params": self.params,
            "columns": [entry.columns for entry in self.inputs],
            "timeout": self.timeout,
            "memory": self.memory,
            "secrets": self.secrets,
            "volatile": self.volatile,
        }


class TransformFile(PythonFile):
    pass


def _in_one_table(file: PartitionedFile) -> None:
    """Raise Mistake for a partition: a function makes all of its rows at once."""
    if file.partition:
        raise Mistake("a node in Python makes all of its rows at once", "partition")


class FeatureGroupFile(PythonFile, feature_group.File):
    entity: _Entity = None  # type: ignore[assignment]

    @model_validator(mode="after")
    def _has_no_partition(self) -> FeatureGroupFile:
        _in_one_table(self)
        return self

    @model_validator(mode="after")
    def _something_to_read(self) -> FeatureGroupFile:
        return self  # a function may make its rows itself


class SecondOrderFile(PythonFile, second_order_aggregation.File):
    @model_validator(mode="after")
    def _has_no_partition(self) -> SecondOrderFile:
        _in_one_table(self)
        return self

    @model_validator(mode="after")
    def _on_something(self) -> SecondOrderFile:
        return self  # the rows are those of the function


class Transform:
    """The kind `transform`, written in Python."""

    File = TransformFile

    @staticmethod
    def compile_file(file: TransformFile, lines: Mapping[str, int]) -> Compiled:
        del lines
        return Compiled(sql=None, promises=dict(file.types), python=file.running)


class FeatureGroup:
    """The kind `feature_group`, written in Python. Without an entity, there are no keys to check.

    If no `event_time_col` is named, a column `event_time` is one.
    """

    File = FeatureGroupFile

    @staticmethod
    def compile_file(file: FeatureGroupFile, lines: Mapping[str, int]) -> Compiled:
        promises = {**file.features, **file.types}
        if file.entity is None:
            return Compiled(sql=None, promises=promises, python=file.running)
        keys, line = file.entity.join_keys, lines.get("entity", 1)
        row = [*keys, file.event_time or "event_time"]
        checks = (
            Check(f"join_keys_not_null({', '.join(keys)})", not_null(keys), line=line),
            Check(
                f"join_keys_unique({', '.join(keys)})",
                _unique(keys, row),
                line=line,
                returns="keys",
            ),
        )
        return Compiled(
            sql=None,
            definition={"entity": file.entity.name, "join_keys": keys},
            promises={**dict.fromkeys(keys), **promises},
            checks=checks,
            python=file.running,
        )


class SecondOrderAggregation:
    """The kind `second_order_aggregation`, written in Python: it aggregates the rows that the
    function returns."""

    File = SecondOrderFile

    @staticmethod
    def compile_file(file: SecondOrderFile, lines: Mapping[str, int]) -> Compiled:
        start = lines.get("kind", 1) - 1
        placed = {key: line - start for key, line in lines.items()}
        return Compiled(
            sql=None,
            definition={"aggregate": second_order_aggregation.compile_file(file, {}).sql},
            promises=dict(file.types),
            python={
                **file.running,
                "aggregate": second_order_aggregation.compile_file(file, placed).sql,
            },
        )


def _unique(keys: Iterable[str], row: Iterable[str]) -> str:
    """The values that occur more than once in those columns of a row that there are."""
    pattern = "|".join(map(re.escape, row)).replace("'", "''")
    there = " AND ".join(f"{quote(key)} IS NOT NULL" for key in keys)
    columns = f"COLUMNS('(?i)^(?:{pattern})$')"
    counted = f"SELECT {columns}, count(*) AS occurrences FROM input_0 WHERE {there}"
    return f"{counted} GROUP BY ALL HAVING count(*) > 1"


FORMS = {
    "transform": Transform,
    "feature_group": FeatureGroup,
    "second_order_aggregation": SecondOrderAggregation,
}
