"""The guess over the JSON files of a source: that over each of them, if these agree; else the
engine's over all of them, which a file more may change."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from seeknal_git.cache import Cache
from seeknal_git.names import folded
from seeknal_git.nodes.node import Node
from seeknal_git.project.data_paths import is_of_files
from seeknal_git.project.each_file import by_name, each_file
from seeknal_git.project.guess import Guess, Unfit
from seeknal_git.project.raw_data import Opened
from seeknal_git.sql.readers import NO_VALUES, json_select
from seeknal_git.sql.statement import Columns
from seeknal_git.sql.widening import TEXT, is_number, wider

# The end of a name that the engine gives to a column whose own is taken.
_NUMBERED = re.compile(r"_\d+$")
_DECLARED = ", unless the node declares its type"
# The types of a text in JSON.
_TEXTS = (TEXT, "DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "TIME", "UUID")


class _Apart(Exception):
    """Two files do not agree, or one depends on the others."""

    def __init__(self, why: str, cure: str = "") -> None:
        super().__init__(f"{why}. All files are read at each load{cure}")


def guess_json(source: Node, opened: Opened, cache: Cache) -> Guess:
    """Raises Unfit."""
    if not is_of_files(source):
        return _together(source, opened)
    per_file = each_file(source, opened, cache)
    try:
        columns = _united(source, opened, per_file)
    except _Apart as exc:
        return replace(_together(source, opened), mixed=str(exc))
    files = tuple((file.path, ()) for file in opened.files)
    return Guess(columns, files=files, is_each=True)


def _together(source: Node, opened: Opened) -> Guess:
    from seeknal_git.sql.engine import SqlError
    from seeknal_git.sql.sniff import select_columns

    try:
        columns = select_columns(json_select(source.definition["options"]), opened.paths)
    except SqlError as exc:
        message, first = opened.in_words(exc.message), opened.files[0].path
        raise Unfit(
            next((file.path for file in opened.files if file.path in message), first), message
        ) from exc
    _refuse_alike(source, opened, columns)
    return Guess(columns, files=tuple((file.path, ()) for file in opened.files))


def _refuse_alike(source: Node, opened: Opened, columns: Columns) -> None:
    """Raise Unfit if two keys differ in case alone: the engine gives one of them a name that no
    file has, and finds nothing there once types are said."""
    from seeknal_git.sql.ragged import has_values

    types = dict(columns)
    for name, word in columns:
        other = _NUMBERED.sub("", name)
        twins = [twin for twin in types if folded(twin) == folded(other) and twin != name]
        if other == name or not twins or word == NO_VALUES:
            continue
        said = json_select(source.definition["options"], {name: NO_VALUES})
        if not has_values(said, opened.paths, [name])[0]:
            message = f"two of its keys are {twins[0]}, in other cases; columns have one case"
            raise Unfit(opened.files[0].path, message)


def _united(source: Node, opened: Opened, per_file: Sequence[Mapping[str, Any]]) -> Columns:
    """The columns of all files, each with the type that the engine would find in all of them.
    Raises _Apart."""
    paths = [file.path for file in opened.files]
    declared = {folded(name) for name in source.definition["types"]}
    for path, guess in zip(paths, per_file, strict=True):
        _need_said(path, guess, declared)
    _need_one_spelling(paths, per_file)
    columns = tuple(
        (name, _united_type(name, every, paths, per_file, folded(name) in declared))
        for name, every in by_name(per_file).items()
    )
    if not columns:
        raise _Apart(f"{paths[0]}: there is no row in it, nor in another file")
    return columns


def _need_said(path: str, guess: Mapping[str, Any], declared: set[str]) -> None:
    """Raise _Apart for a file whose rows are others once the types of its columns are said."""
    if not guess["objects"]:
        raise _Apart(f"{path}: its rows are no objects")
    for name in guess["guessed"]:
        if folded(name) not in declared:
            word = dict(guess["columns"])[name]
            why = f"{path}: the column {name} may be another {word} beside other files"
            raise _Apart(why, _DECLARED)


def _need_one_spelling(paths: Sequence[str], per_file: Sequence[Mapping[str, Any]]) -> None:
    """Raise Unfit for a key that two files write in other cases: the engine takes them for two."""
    first: dict[str, tuple[str, str]] = {}
    for path, guess in zip(paths, per_file, strict=True):
        for name, _ in guess["columns"]:
            before, was = first.setdefault(folded(name), (path, name))
            if was != name:
                raise Unfit(path, f"its key {name} is written {was} in {before}")


def _united_type(
    name: str,
    every: Sequence[tuple[int, str]],
    paths: Sequence[str],
    per_file: Sequence[Mapping[str, Any]],
    is_declared: bool,
) -> str:
    """every: the number of each file that has the column, and its type there. Raises _Apart."""
    said = [(number, word) for number, word in every if name not in per_file[number]["empty"]]
    if not said or is_declared:
        return NO_VALUES
    first, word = said[0]
    for number, other in said[1:]:
        before, word = word, _both(word, other) or ""
        if not word:
            why = f"the column {name} is {other} there, and {before} in {paths[first]}"
            raise _Apart(f"{paths[number]}: {why}", _DECLARED)
    return word


def _both(one: str, other: str) -> str | None:
    """The engine's type for values of both; None if it depends on their order, or on more than
    these types."""
    if one == other or (is_number(one) and is_number(other)):
        return wider(one, other)
    return TEXT if TEXT in (one, other) and {one, other} <= {*_TEXTS} else None
