"""Inputs as frames, and the result of a function as a Parquet file.

Some types are not Parquet's. A column of such a type goes as text, and is cast back by its name.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

# Types that Parquet does not keep, also within others.
_AS_TEXT = re.compile(
    r"\b(?:U?HUGEINT|INTERVAL|BIT|TIME WITH TIME ZONE|TIMETZ|UNION|BIGNUM|VARINT|ENUM)\b"
)
_NONE = ("NULL", '"NULL"')  # the type of a column without any value
_LIBRARIES = {"pandas": "pandas", "polars": "polars", "arrow": "pyarrow"}


class Unfit(Exception):
    """Something that is no table."""


def has(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def relation_of(connection: Any, path: str, types_of: Mapping[str, str]) -> Any:
    """An input as a DuckDB relation, not yet read. types_of: column that goes as text → type."""
    relation = connection.read_parquet(path)
    if not types_of:
        return relation
    return relation.project(", ".join(_read(name, types_of.get(name)) for name in relation.columns))


def _read(name: str, word: str | None) -> str:
    return quoted(name) if word is None else f"CAST({quoted(name)} AS {word}) AS {quoted(name)}"


def first_form() -> str | None:
    """The form of frames whose library is here, if any is."""
    return next((form for form, library in _LIBRARIES.items() if has(library)), None)


def frame_of(relation: Any, form: str) -> Any:
    """A relation as a frame of a library. Raises Unfit if it is not here."""
    library = _LIBRARIES.get(form)
    if library and not has(library):
        raise Unfit(f"a frame of {form} needs {library}: name it among the file's dependencies")
    match form:
        case "relation":
            return relation
        case "pandas":
            return relation.df()
        case "arrow":
            return relation.to_arrow_table()
        case "polars":
            return _polars(relation)
    forms = ", ".join([*_LIBRARIES, "relation"])
    raise Unfit(f"An input is read as one of {forms}, not as {form!r}.")


def _polars(relation: Any) -> Any:
    if has("pyarrow"):
        return relation.pl()
    polars = importlib.import_module("polars")
    return polars.DataFrame(
        dict(zip(relation.columns, zip(*relation.fetchall(), strict=True), strict=True))
        if len(relation)
        else {name: [] for name in relation.columns}
    )


def write(connection: Any, result: Any, path: str) -> list[tuple[str, str, bool]]:
    """Write a result as a Parquet file. Returns its columns: name, type, and whether it goes as
    text. Raises Unfit."""
    relation = relation_of_result(connection, result, path)
    columns = [
        (name, _word(str(word)), bool(_AS_TEXT.search(str(word))))
        for name, word in zip(relation.columns, relation.types, strict=True)
    ]
    if not columns:
        raise Unfit("it returned a table without columns")
    written = ", ".join(
        f"CAST({quoted(name)} AS VARCHAR) AS {quoted(name)}"
        if as_text or word == "VARCHAR"
        else quoted(name)
        for name, word, as_text in columns
    )
    relation.project(written).write_parquet(path)
    return columns


def _word(word: str) -> str:
    return "VARCHAR" if word in _NONE or word.startswith("ENUM") else word


def relation_of_result(connection: Any, result: Any, path: str) -> Any:
    """A table of any library as a relation. path: for files in between. Raises Unfit."""
    home, name = type(result).__module__.partition(".")[0], type(result).__name__
    if result is None:
        raise Unfit("it returned nothing: a node returns its table")
    match home, name:
        case (("duckdb" | "_duckdb"), "DuckDBPyRelation"):
            found = result
        case "pandas", "DataFrame":
            found = _of_pandas(connection, result)
        case "polars", ("DataFrame" | "LazyFrame"):
            found = _of_polars(connection, result, path)
        case "pyarrow", _:
            found = _of_arrow(connection, result)
        case "builtins", "list":
            found = _of_rows(connection, result)
        case _ if isinstance(result, Iterator):
            found = _of_parts(connection, result, path)
        case _ if hasattr(result, "__arrow_c_stream__") and has("pyarrow"):
            reader = importlib.import_module("pyarrow").RecordBatchReader.from_stream(result)
            found = connection.from_arrow(reader)
        case _:
            form = "such as a DataFrame or a DuckDB relation"
            raise Unfit(f"it returned a {name}: a node returns a table, {form}")
    return found


def _of_pandas(connection: Any, frame: Any) -> Any:
    if not len(frame.columns):
        raise Unfit("it returned a table without columns")
    frame = frame.reset_index(drop=True)
    frame.columns = [str(name) for name in frame.columns]
    twice = sorted({name for name in frame.columns if list(frame.columns).count(name) > 1})
    if twice:
        raise Unfit(f"it returned the column {twice[0]} twice")
    connection.execute("SET pandas_analyze_sample = 100000000")  # a type fits all rows
    return connection.from_df(frame)


def _of_polars(connection: Any, frame: Any, path: str) -> Any:
    frame = frame.collect() if hasattr(frame, "collect") else frame
    if not frame.width:
        raise Unfit("it returned a table without columns")
    between = f"{path}.polars"
    frame.write_parquet(between)
    return connection.read_parquet(between)


def _of_arrow(connection: Any, result: Any) -> Any:
    if type(result).__name__ == "RecordBatch":
        arrow = importlib.import_module("pyarrow")
        result = arrow.Table.from_batches([result])
    return connection.from_arrow(result)


def _of_rows(connection: Any, rows: Sequence[Any]) -> Any:
    if not all(isinstance(row, dict) for row in rows):
        raise Unfit("it returned a list: a node returns a table, or a list of dicts")
    if not rows:
        raise Unfit("it returned an empty list, which has no columns: return an empty DataFrame")
    if not has("pandas"):
        raise Unfit("it returned a list of dicts, which needs pandas among the dependencies")
    return _of_pandas(connection, importlib.import_module("pandas").DataFrame(rows))


def _of_parts(connection: Any, parts: Iterator[Any], path: str) -> Any:
    """The tables that a generator gives, one after the other."""
    table = "seeknal_result"
    made = False
    for number, part in enumerate(parts):
        relation = relation_of_result(connection, part, f"{path}.{number}")
        relation.insert_into(table) if made else relation.create(table)
        made = True
    if not made:
        raise Unfit("it gave no table at all: an empty one says which columns there are")
    return connection.table(table)
