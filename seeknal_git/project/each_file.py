"""The engine's guess over each file of a source by itself.

It is remembered by the file's content, so that a new file is the only one to look at.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seeknal_git.cache import Cache
from seeknal_git.names import folded
from seeknal_git.nodes.node import Node
from seeknal_git.project.fingerprints import digest
from seeknal_git.project.guess import CORRECT, Unfit
from seeknal_git.project.held_files import ending_of
from seeknal_git.project.raw_data import Opened
from seeknal_git.sql.engine_version import engine_version
from seeknal_git.sql.readers import parquet_select


def each_file(source: Node, opened: Opened, cache: Cache) -> list[dict[str, Any]]:
    """The engine's guess over each file alone, so that a new file is the only one to look at."""
    form, options = source.definition["format"], source.definition["options"]
    said = json.dumps(options, sort_keys=True)
    keys = [
        digest(engine_version(), form, said, ending_of(file.path), blob)
        for file, blob in zip(opened.files, opened.blobs, strict=True)
    ]
    known = cache.get("file guess", keys)
    for key, file, path in zip(keys, opened.files, opened.paths, strict=True):
        if key not in known:
            known[key] = _look(path, form, options)
            cache.put("file guess", {key: known[key]})
        if "error" in known[key]:
            raise Unfit(file.path, *known[key]["error"])
    return [known[key] for key in keys]


def _look(path: Path, form: str, options: Mapping[str, Any]) -> dict[str, Any]:
    from seeknal_git.sql.engine import SqlError
    from seeknal_git.sql.json_guess import json_guess
    from seeknal_git.sql.ragged import Uneven
    from seeknal_git.sql.sniff import csv_guess, select_columns

    try:
        if form == "parquet":
            return {"columns": select_columns(parquet_select({}, {}), [path])}
        return csv_guess(path, options) if form == "csv" else json_guess(path, options)
    except SqlError as exc:
        message = exc.message.replace(f' "{path}"', "")
        return {"error": (message, "" if isinstance(exc, Uneven) else CORRECT)}


def by_name(per_file: Sequence[Mapping[str, Any]]) -> dict[str, list[tuple[int, str]]]:
    """Column → (number of a file, its type there), whichever way a file writes the name."""
    found: dict[str, tuple[str, list[tuple[int, str]]]] = {}
    for number, guess in enumerate(per_file):
        for name, word in guess["columns"]:
            found.setdefault(folded(name), (name, []))[1].append((number, word))
    return dict(found.values())
