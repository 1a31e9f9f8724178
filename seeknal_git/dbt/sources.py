"""Seeds of dbt, and tables of its sources, as sources."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

from seeknal_git.dbt.checks import tests_of
from seeknal_git.dbt.drafts import Draft
from seeknal_git.dbt.properties import Entry
from seeknal_git.dbt.reading import PLACE, Reading, disabled, templates
from seeknal_git.dbt.settings import Configured, merged
from seeknal_git.dbt.yaml_lines import Entries
from seeknal_git.errors import Problem
from seeknal_git.sql.type_words import is_type

_FORMATS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
_ENDING = re.compile(rf"({'|'.join(map(re.escape, _FORMATS))})(?:\.gz|\.zst)?$", re.IGNORECASE)
_READER = re.compile(
    r"(?:read_)?(?:csv|csv_auto|parquet|json|json_auto)\(\s*'([^']*)'\s*\)", re.IGNORECASE
)
_OF_SEEDS = frozenset("tags meta enabled column_types delimiter".split())
_OF_SOURCES = frozenset({"tags", "meta", "enabled", PLACE, "loaded_at_field", "freshness"})


def seeds(reading: Reading) -> None:
    """Add the seeds of a project. Their files are copied if they are not in the nodes' project."""
    for path, shown, folders in reading.settings.files("seed", ".csv"):
        name = path.stem
        entry = reading.properties.seeds.get(name) or Entry(Entries(name=name), shown, 1)
        config = merged(reading.configured("seeds", folders, name), entry.configured)
        keys = ("enabled", "delimiter", "column_types", "tags")
        if problems := [*disabled(config, name, shown), *templates(config, name, shown, *keys)]:
            reading.left += problems
            continue
        data = {
            **reading.described(entry, config),
            "source": "csv",
            "table": reading.path(shown),
            **_params(config),
            **_types(reading, name, config),
            **reading.columns(entry),
        }
        draft = Draft(f"source.{name}", shown, 1, data, folders=folders, is_seed=True)
        if reading.prefix is None:
            draft.copies[shown] = path
        _add(reading, draft, entry)
        reading.note_unread(config, _OF_SEEDS)
        reading.note_keys(entry)
        reading.notes += _nulls(path, shown, data.get("params", {}).get("delimiter", ","))


def _add(reading: Reading, draft: Draft, entry: Entry) -> None:
    """Add a source with its tests."""
    usual = reading.configured("tests", entry.folders)
    usual |= reading.configured("data_tests", entry.folders)
    draft.tests, left = tests_of(entry, reading.names, usual)
    reading.drafts.append(draft)
    reading.left += left


def _params(config: Configured) -> dict[str, Any]:
    """The params of a seed."""
    if "delimiter" not in config:
        return {}
    return {"params": {"delimiter": str(config["delimiter"].value)}}


def _nulls(path: Path, shown: str, delimiter: str) -> Iterator[Problem]:
    """A note if a seed spells NULL: dbt reads it as NULL for all databases but DuckDB."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        if len(delimiter) != 1:  # Python reads no other, and this is but a note
            return
        rows = csv.reader(file, delimiter=delimiter)
        with suppress(csv.Error):  # the engine reads longer values than Python does
            for row in rows:
                if found := next((cell for cell in row if cell.strip().lower() == "null"), None):
                    message = (
                        f"`{found}` is a text here, as in dbt-duckdb; elsewhere dbt reads NULL."
                    )
                    hint = f"If it is NULL, add to the source: params: {{nullstr: ['', '{found}']}}"
                    yield Problem(message, shown, rows.line_num, hint)
                    return


def _types(reading: Reading, name: str, config: Configured) -> dict[str, Any]:
    """The declared types of a seed's columns."""
    setting = config.get("column_types")
    schema = []
    types = setting.value if setting else None
    for column, word in types.items() if isinstance(types, dict) else ():
        if is_type(str(word)):
            schema.append({"name": str(column), "data_type": str(word)})
        elif setting:
            message = f"The type {word} of {name}.{column} is not one of DuckDB."
            reading.notes.append(Problem(message, setting.path, setting.line))
    return {"schema": schema} if schema else {}


def sources(reading: Reading) -> None:
    """Add the tables of sources: those that dbt-duckdb reads from files, and places for the files
    of all others."""
    for source, table in reading.properties.sources:
        general = reading.configured("sources", table.folders, source.name, table.name)
        config = merged(merged(general, source.configured), table.configured)
        name, path = table.name, table.path
        if found := [
            *disabled(config, name, path),
            *templates(config, name, path, "enabled", "tags"),
        ]:
            reading.left += found
            continue
        _add(reading, _table(reading, source, table, config), table)
        reading.note_unread(config, _OF_SOURCES)
        reading.note_keys(table)
        for entry in (source, table):
            configured = entry.configured.get("freshness")
            if entry.data.get("freshness") or (configured and configured.value):
                message = f"The freshness of {entry.name} is not taken."
                hint = "A rule of type freshness asks how old rows are (docs/nodes.md)."
                line = entry.data.line("freshness")
                reading.left.append(Problem(message, entry.path, line, hint))


def _table(reading: Reading, source: Entry, table: Entry, config: Configured) -> Draft:
    root = reading.settings.root
    location = _location(source, table, config)
    here = _below(root, location) if location else None
    form, path = "parquet", f"data/{source.name}/{table.name}.parquet"
    if here is not None:
        form, path = _format(here), reading.path(here)
    data = {
        **reading.described(table, config),
        "source": form,
        "table": path,
        **reading.columns(table, promised=here is None),
    }
    node = reading.names.sources[source.name, table.name]
    draft = Draft(node, table.path, table.line, data, needs_data=here is None)
    if here is not None and reading.prefix is None:
        draft.copies = {file.relative_to(root).as_posix(): file for file in _files(root, here)}
    return draft


def _location(source: Entry, table: Entry, config: Configured) -> str | None:
    """The file that dbt-duckdb reads a table from; None if it is a table of a database."""
    meta = config["meta"].value if "meta" in config else {}
    given = [
        table.data.get(PLACE),
        config[PLACE].value if PLACE in config else None,
        meta.get(PLACE) if isinstance(meta, dict) else None,
    ]
    text = next((place for place in given if isinstance(place, str)), None)
    if text is None:
        return None
    words = {
        "name": table.name,
        "identifier": str(table.data.get("identifier") or table.name),
        "schema": str(source.data.get("schema") or source.name),
        "source_name": source.name,
    }
    text = re.sub(r"\{(\w+)\}", lambda found: words.get(found[1], found[0]), text.strip())
    reader = _READER.fullmatch(text)
    return reader[1] if reader else text


def _below(root: Path, location: str) -> str | None:
    """The path below the project of dbt; None for another place, or a format that is not read."""
    path = PurePosixPath(location)
    if path.is_absolute() and path.is_relative_to(root.as_posix()):
        path = path.relative_to(root.as_posix())
    inside = not path.is_absolute() and ".." not in path.parts and "://" not in location
    is_read = inside and _ENDING.search(path.name) is not None
    return path.as_posix() if is_read and _files(root, path.as_posix()) else None


def _files(root: Path, pattern: str) -> list[Path]:
    """The files of a pattern, without links that lead out of the project of dbt."""
    with suppress(ValueError):  # no pattern of Python's, such as `a**.csv`
        found = sorted(root.glob(pattern))
        return [file for file in found if file.is_file() and file.resolve().is_relative_to(root)]
    return []


def _format(path: str) -> str:
    found = _ENDING.search(path)
    return _FORMATS[found[1].lower()] if found else "csv"
