"""The SELECT over files that a source is, with everything said that the engine would guess.
Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from seeknal_git.names import option, quote
from seeknal_git.sql.statement import Columns
from seeknal_git.sql.widening import TEXT


@dataclass(frozen=True, slots=True)
class Contract:
    """The result of earlier loads of a source, with its present definition."""

    # The columns of its table; the type is "" if no row had a value.
    columns: Columns = ()
    # The dialect of its files.
    dialect: Mapping[str, Any] = field(default_factory=dict)
    # The contents of all its loads.
    contents: frozenset[str] = frozenset()


LONGEST_LINE = 100_000_000
# The type of a column in JSON that has no value.
NO_VALUES = "JSON"
# The column with the file of a row, where several are read and told apart.
FILE = "_seeknal_file"
# Options that the user has not given. No text is a comment, no line is skipped, and the whole file
# is examined.
DEFAULTS: Mapping[str, Any] = {
    "comment": "",
    "skip": 0,
    "sample_size": -1,
    "max_line_size": LONGEST_LINE,
}
_WHOLE_JSON: Mapping[str, Any] = {
    "sample_size": -1,
    "maximum_sample_files": 2**31 - 1,
    "union_by_name": True,
}
_DIALECT = ("delim", "quote", "escape", "skip", "header")


def arguments(options: Mapping[str, Any]) -> str:
    """The arguments of a reader of `$files`. The text of a path is in no data version, so it is not
    read either."""
    named = (f"{name} = {option(value)}" for name, value in sorted(options.items()))
    return ", ".join(["$files", "hive_partitioning = false", *named])


def csv_select(
    given: Mapping[str, Any], dialect: Mapping[str, Any], types: Mapping[str, str] | None = None
) -> str:
    """A SELECT over CSV files. given: the options of the source; types: of every column; without
    them all are text."""
    found = {name: dialect[name] for name in _DIALECT}
    if dialect.get(
        "null_padding"
    ):  # the engine has to read such a file line by line, for texts of several lines
        found |= {"null_padding": True, "parallel": False}
    said = {**DEFAULTS, "union_by_name": True, **found, **given, "sample_size": 1}
    read_as = {"types": dict(types)} if types is not None else {"all_varchar": True}
    if names := dialect.get("names"):  # the header has fewer of them than the lines have fields
        said |= {
            "header": False,
            "skip": int(said["skip"]) + 1,
            "auto_detect": False,
            "union_by_name": False,
        }
        read_as = {"columns": {name: (types or {}).get(name, TEXT) for name in names}}
    return f"SELECT * FROM read_csv({arguments(said | read_as)})"


def json_select(
    given: Mapping[str, Any],
    types: Mapping[str, str] | None = None,
    cast: Mapping[str, str] | None = None,
) -> str:
    """A SELECT over JSON files. types: the types of all columns, if they are not to be guessed;
    cast: the types to cast columns to."""
    columns = {"columns": dict(types)} if types else {}
    options = arguments({**_WHOLE_JSON, **given, **columns})
    return f"SELECT *{_casts(cast or {})} FROM read_json({options})"


def json_pinned(given: Mapping[str, Any], columns: Columns, declared: Mapping[str, str]) -> str:
    """A SELECT over files of JSON objects with all types said, so that no file decides how another
    is read. declared: of these columns, those whose text is cast."""
    types = {name: as_text(word) if name in declared else word for name, word in columns}
    return json_select({**given, "records": "true"}, types, declared)


def parquet_select(given: Mapping[str, Any], cast: Mapping[str, str]) -> str:
    return (
        f"SELECT *{_casts(cast)} FROM read_parquet({arguments({'union_by_name': True, **given})})"
    )


def _casts(types: Mapping[str, str]) -> str:
    casts = ", ".join(
        f"CAST({quote(name)} AS {word}) AS {quote(name)}" for name, word in types.items()
    )
    return f" REPLACE ({casts})" if casts else ""


def as_text(word: str) -> str:
    """The type that JSON is read as before it is cast: the text of a number has all its digits, a
    DOUBLE has not."""
    return word if word.endswith("]") or word in ("JSON", TEXT) else TEXT
