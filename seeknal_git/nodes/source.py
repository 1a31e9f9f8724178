"""A source: files, a sheet, or a table of another database, read as one table.

Files are of csv, parquet, json, jsonl or excel, below the project or at a URL. Declared types are
applied when they are read; declared columns that they do not have are an error. See `outside.py`
for everything that is not below the project.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, field_validator, model_validator

from seeknal_git.nodes.checks import Columns, not_null, unique
from seeknal_git.nodes.node import Check
from seeknal_git.nodes.node_file import Compiled, Mistake, below_project, refuse_unknown_params
from seeknal_git.nodes.outside import ALIASES, DATABASES, EXCEL, deciding, is_url, words_of
from seeknal_git.nodes.outside_keys import PARAMS as OF_OUTSIDE
from seeknal_git.nodes.outside_keys import outside_of, sheet_of
from seeknal_git.nodes.partition import PartitionedFile
from seeknal_git.nodes.scalars import flag, whole
from seeknal_git.sql.type_words import is_any_number, read_as

# Raise it if the same options begin to read the same file differently, so that older tables are not
# used again.
_READER = 2

# Systems whose tables people look for, and that are not read here.
_SYSTEMS = frozenset("hive starrocks bigquery snowflake redshift mssql oracle mongodb".split())
# Our parameter → DuckDB's option.
_CSV_OPTIONS = {
    "delimiter": "delim",
    "delim": "delim",
    "sep": "delim",
    "header": "header",
    "skip": "skip",
    "quote": "quote",
    "escape": "escape",
    "nullstr": "nullstr",
    "null_values": "nullstr",
    "dateformat": "dateformat",
    "timestampformat": "timestampformat",
    "decimal_separator": "decimal_separator",
    "thousands": "thousands",
    "encoding": "encoding",
    "compression": "compression",
    "union_by_name": "union_by_name",
    "sample_size": "sample_size",
    "comment": "comment",
    "null_padding": "null_padding",
    "strict_mode": "strict_mode",
    "max_line_size": "max_line_size",
    "new_line": "new_line",
}
_JSON_OPTIONS = (
    "format",
    "union_by_name",
    "compression",
    "sample_size",
    "maximum_object_size",
    "dateformat",
    "timestampformat",
)
# The types of DuckDB's options that are no texts.
_FLAGS = ("header", "union_by_name", "null_padding", "strict_mode")
_NUMBERS = ("skip", "sample_size", "max_line_size", "maximum_object_size")
_READ_AS = {**dict.fromkeys(_FLAGS, flag), **dict.fromkeys(_NUMBERS, whole)}
_OPTIONS = {
    "csv": _CSV_OPTIONS,
    "parquet": {"union_by_name": "union_by_name"},
    "json": dict(zip(_JSON_OPTIONS, _JSON_OPTIONS, strict=True)),
}
_OPTIONS["jsonl"] = _OPTIONS["json"]


class File(PartitionedFile):
    reads_params = True

    source: Literal[
        "csv",
        "parquet",
        "json",
        "jsonl",
        "excel",
        "postgresql",
        "mysql",
        "sqlite",
        "duckdb",
        "delta",
        "iceberg",
    ]
    table: str | None = None
    connection: str | None = None
    query: str | None = None
    on_drift: Literal["error", "warn"] = "error"
    keep: Literal["changes"] | None = None
    key: Columns | None = None
    compare: Columns | None = None
    materialized: Literal["table", "view", "ephemeral"] = "table"
    immutable: Annotated[bool, BeforeValidator(flag)] = False

    @field_validator("examples")
    @classmethod
    def _have_rows(cls, given: Any) -> Any:
        if given:
            why = "a source reads raw data, so it has no example"
            raise ValueError(f"{why}: give rows in its place to the nodes that read it")
        return given

    @field_validator("source", mode="before")
    @classmethod
    def _of_files(cls, given: object) -> object:
        word = str(given).lower()
        if word in _SYSTEMS:
            databases = f"a source is of files, or of {', '.join(DATABASES)}"
            raise ValueError(f"{databases}: write the table of {given} to a file")
        return ALIASES.get(word, given)

    @model_validator(mode="after")
    def _sound(self) -> File:
        known = PARAMS[self.source] | ({"connection"} if self.is_remote else set())
        _ = self.outside  # raises for keys that belong to a connection
        refuse_unknown_params(self.params, known, f"{_article(self.source)} {self.source} source")
        if self.source not in DATABASES:
            self._need_plain_folders()
        if self.keep and not self.key:
            raise Mistake("`keep: changes` needs the `key` of a row, such as `key: [id]`", "keep")
        if not self.keep and (self.key or self.compare):
            given = "key" if self.key else "compare"
            raise Mistake(f"`{given}` belongs to `keep: changes`, which is not here", given)
        _ = self.options  # raises for a wrong value
        self._need_still_files()
        return self

    def _need_plain_folders(self) -> None:
        """Raise Mistake for a path whose `**` is not the name of folders alone."""
        if any("**" in part and part != "**" for part in self.path.split("/")):
            raise Mistake(
                "`**` stands for folders, and is a part of its own: data/**/*.csv",
                "params.path",
                "table",
            )

    def _need_still_files(self) -> None:
        """Raise Mistake for files that are to be read in place, and cannot be."""
        if self.materialized == "table":
            return
        if self.keep or self.partition:
            key = "keep: changes" if self.keep else "partition"
            raise Mistake(
                f"`{key}` stores rows: it goes without `materialized: {self.materialized}`",
                "materialized",
            )
        if self.source != "parquet" or self.outside:
            what = f"{self.source} is read" if self.source != "parquet" else "a URL is read"
            raise Mistake(
                f"only files of parquet are read in place: {what} into a `table`, "
                "or each reader would parse its text again",
                "materialized",
            )
        if not self.immutable:
            raise Mistake(
                f"`materialized: {self.materialized}` reads files in place, and a publication "
                "never changes: add `immutable: true` if a file stays as it is once it is there",
                "materialized",
            )

    @property
    def path(self) -> str:
        path = str(self.params.get("path") or self.table or "").strip().replace("\\", "/")
        if not path:
            raise Mistake("a source says where its data is: `table: data/orders.csv`", "table")
        if is_url(path):
            return path
        way = "copy the file below it, and name that"
        plain = below_project(path, "data/orders.csv", "params.path", "table", way=way)
        return f"{plain}/" if path.endswith("/") else plain

    @property
    def is_remote(self) -> bool:
        """Whether it is of files that have a URL."""
        return self.source not in DATABASES and is_url(self.params.get("path") or self.table)

    @property
    def outside(self) -> dict[str, Any]:
        """Where its rows come from, if not from files below the project; see `outside.py`."""
        return outside_of(self)

    @property
    def form(self) -> str:
        """The format of the files that the engine reads. Tables and sheets come as Parquet."""
        return self.source if self.source in _OPTIONS else "parquet"

    @property
    def options(self) -> dict[str, object]:
        """DuckDB's options for reading the files."""
        names = _OPTIONS.get(self.source, {})
        options = {
            names[key]: _option(key, names[key], self.params[key])
            for key in self.params
            if key in names
        }
        if self.source == "jsonl":
            options.setdefault("format", "newline_delimited")
        elif options.get("format") == "newline":
            options["format"] = "newline_delimited"
        return options

    @property
    def read_as(self) -> dict[str, str]:
        """The type with which each column is read; without columns that a file of typed columns
        already has as numbers."""
        typed = self.form == "parquet"
        return {
            name: read_as(word)
            for name, word in self.types.items()
            if not (typed and is_any_number(word))
        }


PARAMS: dict[str, frozenset[str]] = {
    **{name: frozenset({"path", "on_drift", *options}) for name, options in _OPTIONS.items()},
    **OF_OUTSIDE,
}


def _article(word: str) -> str:
    return "an" if word[0] in "aei" else "a"


def _option(key: str, option: str, value: object) -> object:
    """The value of a parameter. Raises Mistake if the option does not take it."""
    if value is None:
        raise Mistake(
            f"the parameter `{key}` has no value; an empty text is written ''", f"params.{key}"
        )
    if isinstance(value, list) and option not in _READ_AS:
        return ["" if entry is None else str(entry) for entry in value]
    if isinstance(value, list | dict):
        raise Mistake(f"the parameter `{key}` has one value", f"params.{key}")
    try:
        return _READ_AS.get(option, str)(value)
    except ValueError as exc:
        raise Mistake(f"the parameter `{key}` is {exc}", f"params.{key}") from exc


def compile_file(file: File, lines: Mapping[str, int]) -> Compiled:
    outside = file.outside
    of_database = file.source in DATABASES
    definition: dict[str, Any] = {
        "format": file.form,
        "path": words_of(outside) if of_database else file.path,
        "options": file.options,
        "types": file.read_as,
        "reader": _READER,
    }
    if outside:
        definition["outside"] = deciding(outside)
    if file.source == EXCEL:
        definition["sheet"] = sheet_of(file)
    as_it_is = {name: "NUMBER" for name in file.types if name not in file.read_as}
    if file.key is None:
        return Compiled(
            sql=None,
            definition=definition,
            promises=as_it_is,
            materialized=file.materialized,
            outside=outside,
        )
    return Compiled(
        sql=None,
        definition=definition,
        promises=as_it_is,
        outside=outside,
        checks=_checks_of_key(file.key, lines),
        keeps={"key": file.key, "compare": file.compare or []},
    )


def _checks_of_key(key: Sequence[str], lines: Mapping[str, int]) -> tuple[Check, ...]:
    """The conditions on a load whose rows are compared with those of the load before."""
    names, line = ", ".join(key), lines.get("key", 1)
    return (
        Check(f"key_not_null({names})", not_null(key), line=line),
        Check(f"key_unique({names})", unique(key), line=line, key=tuple(key), returns="keys"),
    )
