"""An exposure: a table delivered to the outside, here as a file; or a use of tables by another
system, such as a dashboard, which is told of and not delivered."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, field_validator, model_validator

from seeknal_git.files import wrong_name
from seeknal_git.nodes.checks import Columns
from seeknal_git.nodes.delivered_tables import TYPES, label_of, target_of
from seeknal_git.nodes.form import Form
from seeknal_git.nodes.node_file import (
    Compiled,
    InputFile,
    Mistake,
    NodeFile,
    as_input,
    below_project,
)
from seeknal_git.nodes.outside import ALIASES

_COMPRESSIONS = {
    "csv": ("none", "gzip", "zstd"),
    "json": ("none", "gzip", "zstd"),
    "parquet": ("none", "uncompressed", "snappy", "gzip", "zstd", "lz4", "brotli"),
}

# Types of exposures that other systems deliver.
USES = (
    "analysis",
    "api",
    "application",
    "dashboard",
    "database",
    "ml",
    "notebook",
    "notification",
    "report",
    "starrocks_materialized_view",
    "starrocks_mv",
    "webhook",
)

_EXAMPLE = "exports/orders.csv"
_WHERE = ("params.path", "path", "url")
_OF_TARGETS = frozenset(
    "connection table mode key unique_keys time_column lookback branch_target".split()
)
_OF_FILE = ("path", "format")  # also understood beside `params`


class Params(Form):
    """The path and the form of the file."""

    model_config = ConfigDict(extra="forbid")
    path: str | None = None
    format: Literal["csv", "parquet", "json", "jsonl"] = "csv"
    partition_by: Columns | None = None
    compression: str | None = None
    # Of a table of another database, or of a file in a bucket.
    connection: str | None = None
    table: str | None = None
    mode: str | None = None
    key: Columns | None = None
    unique_keys: Columns | None = None
    time_column: str | None = None
    lookback: str | None = None
    branch_target: str | None = None


class File(NodeFile):
    reads_params = True

    type: str
    url: str | None = None
    path_: str | None = Field(default=None, alias="path")
    format: str | None = None
    depends_on: list[Annotated[InputFile, BeforeValidator(as_input)]] = Field(default_factory=list)
    params: Params = Field(default_factory=Params)  # type: ignore[assignment]

    @model_validator(mode="before")
    @classmethod
    def _forms(cls, given: Any) -> Any:
        """`depends_on` is preferred to `inputs`, and `params` to keys beside them. The params of
        another system are not read."""
        if not isinstance(given, dict):
            return given
        if given.get("depends_on"):
            given = {**given, "inputs": given["depends_on"]}
        if given.get("type") in USES:
            return {**given, "params": {}}
        params = given.get("params") or {}
        beside = {key: given[key] for key in _OF_FILE if given.get(key) is not None}
        return {**given, "params": {**beside, **params}} if isinstance(params, dict) else given

    @field_validator("type")
    @classmethod
    def _known(cls, given: str) -> str:
        given = ALIASES.get(given, given)
        if given in ("file", *TYPES, *USES):
            return given
        near = get_close_matches(given, ("file", *TYPES, *USES), 1)
        ours = f"file, {', '.join(TYPES)}"
        hint = f"did you mean {near[0]}?" if near else f"it is {ours}, or {', '.join(USES)}"
        raise ValueError(f"there is no exposure of type {given}; {hint}")

    @model_validator(mode="after")
    def _complete(self) -> File:
        if self.type in USES:
            return self
        if len(self.inputs) != 1:
            message = f"an exposure of type {self.type} has one input: "
            message += "`inputs: [{ref: transform.orders}]`"
            raise Mistake(message, "depends_on", "inputs")
        if self.type in TYPES:
            _ = self.target
            return self
        if given := sorted(_OF_TARGETS & self.params.model_fields_set):
            message = f"a file has no `{given[0]}`: that is of a table elsewhere"
            raise Mistake(message, f"params.{given[0]}")
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
    def target(self) -> dict[str, Any]:
        """The table elsewhere, or the file in a bucket. Raises Mistake."""
        return target_of(self.type, self.params)

    @property
    def path(self) -> str:
        path = (self.params.path or self.url or "").strip()
        if not path:
            raise Mistake(
                f"an exposure says where its file goes: `params: {{path: {_EXAMPLE}}}`", "params"
            )
        return below_project(path, _EXAMPLE, *_WHERE)


def compile_file(file: File, lines: Mapping[str, int]) -> Compiled:
    if file.type in TYPES:
        target = file.target
        promises = dict.fromkeys(target.get("columns", ()))
        definition: dict[str, Any] = {"path": label_of(target), "target": target}
        return Compiled(sql="SELECT * FROM input_0", definition=definition, promises=promises)
    if file.type != "file":
        return Compiled(sql=None, definition={"use": file.type, "name": file.name})
    definition = {
        "path": file.path,
        "format": "json" if file.params.format == "jsonl" else file.params.format,
        "partition_by": file.params.partition_by or [],
        "compression": file.params.compression,
    }
    promises = dict.fromkeys(file.params.partition_by or ())
    return Compiled(sql="SELECT * FROM input_0", definition=definition, promises=promises)
