"""An exposure: a table delivered to the outside, here as a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from seeknal_git.files import wrong_name
from seeknal_git.nodes.checks import Columns
from seeknal_git.nodes.form import Form
from seeknal_git.nodes.node_file import (
    Compiled,
    InputFile,
    Mistake,
    NodeFile,
    as_input,
    below_project,
)

_COMPRESSIONS = {
    "csv": ("none", "gzip", "zstd"),
    "json": ("none", "gzip", "zstd"),
    "parquet": ("none", "uncompressed", "snappy", "gzip", "zstd", "lz4", "brotli"),
}


_EXAMPLE = "exports/orders.csv"
_WHERE = ("params.path", "url")


class Params(Form):
    """The path and the form of the file."""

    model_config = ConfigDict(extra="forbid")
    path: str | None = None
    format: Literal["csv", "parquet", "json", "jsonl"] = "csv"
    partition_by: Columns | None = None
    compression: str | None = None


class File(NodeFile):
    reads_params = True

    type: Literal["file"]
    url: str | None = None
    depends_on: list[Annotated[InputFile, BeforeValidator(as_input)]] = Field(default_factory=list)
    params: Params = Field(default_factory=Params)  # type: ignore[assignment]

    @model_validator(mode="before")
    @classmethod
    def _inputs(cls, given: Any) -> Any:
        """`depends_on` is preferred to `inputs`."""
        return (
            {**given, "inputs": given["depends_on"]}
            if isinstance(given, dict) and given.get("depends_on")
            else given
        )

    @model_validator(mode="after")
    def _complete(self) -> File:
        if len(self.inputs) != 1:
            message = "an exposure has exactly one input: `inputs: [{ref: transform.orders}]`"
            raise Mistake(message, "depends_on", "inputs")
        if wrong := wrong_name(self.path):
            raise Mistake(
                f"`{self.path}` {wrong}: name another file, for example {_EXAMPLE}", *_WHERE
            )
        allowed = _COMPRESSIONS["json" if self.params.format == "jsonl" else self.params.format]
        if self.params.compression and self.params.compression not in allowed:
            raise Mistake(
                f"compression of {self.params.format} is one of {', '.join(allowed)}",
                "params.compression",
            )
        return self

    @property
    def path(self) -> str:
        path = (self.params.path or self.url or "").strip()
        if not path:
            raise Mistake(
                f"an exposure says where its file goes: `params: {{path: {_EXAMPLE}}}`", "params"
            )
        return below_project(path, _EXAMPLE, *_WHERE)


def compile_file(file: File, lines: Mapping[str, int]) -> Compiled:
    definition = {
        "path": file.path,
        "format": "json" if file.params.format == "jsonl" else file.params.format,
        "partition_by": file.params.partition_by or [],
        "compression": file.params.compression,
    }
    promises = dict.fromkeys(file.params.partition_by or ())
    return Compiled(sql="SELECT * FROM input_0", definition=definition, promises=promises)
