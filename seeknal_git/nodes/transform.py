"""A transform: one SELECT over its inputs, as a table or as a view."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field, field_validator, model_validator

from seeknal_git.nodes.node_file import Compiled, Mistake
from seeknal_git.nodes.partition import PartitionedFile

_OTHERWISE = {
    "incremental": "leave it out, and write `partition:` to build the days that changed",
    "materialized_view": "a `table` is built again whenever what it reads has changed",
}


class File(PartitionedFile):
    transform: str = Field(min_length=1)
    materialized: str = "table"

    @field_validator("materialized")
    @classmethod
    def _known(cls, given: str) -> str:
        if given not in ("table", "view", "ephemeral"):
            way = f"; {_OTHERWISE[given]}" if given in _OTHERWISE else ""
            raise ValueError(f"a transform is `table`, `view` or `ephemeral`, not {given!r}{way}")
        return given

    @model_validator(mode="after")
    def _has_rows_of_its_own(self) -> File:
        if self.partition and self.materialized != "table":
            message = f"a node that is {self.materialized} keeps no rows, so it has no partitions"
            raise Mistake(message, "partition")
        return self


def compile_file(file: File, lines: Mapping[str, int]) -> Compiled:
    return Compiled(
        sql=file.transform,
        sql_key="transform",
        promises=dict(file.types),
        materialized=file.materialized,
    )
