"""The guess over all files of a source, from the engine's guess over each.

A file is looked at by itself, so that a new file is the only one to look at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seeknal_git.cache import Cache
from seeknal_git.names import folded
from seeknal_git.nodes.node import Node
from seeknal_git.project.data_files import DataFile
from seeknal_git.project.each_file import by_name, each_file
from seeknal_git.project.guess import FORMATS, Guess, Unfit, columns_of, said, spelt
from seeknal_git.project.json_guesses import guess_json
from seeknal_git.project.raw_data import Opened
from seeknal_git.sql.readers import csv_select
from seeknal_git.sql.statement import Columns
from seeknal_git.sql.widening import TEXT, wider


def first_guess(source: Node, opened: Opened, cache: Cache) -> Guess:
    """The guess over the files of a source, without the types that it declares. Raises Unfit."""
    look = {"csv": _guess_csv, "parquet": _guess_parquet}.get(
        str(source.definition["format"]), guess_json
    )
    return look(source, opened, cache)


def _guess_csv(source: Node, opened: Opened, cache: Cache) -> Guess:
    files, per_file = opened.files, each_file(source, opened, cache)
    given = source.definition["options"]
    formats = {key: [given[key]] if key in given else _allowed(per_file, key) for key in FORMATS}
    columns, notes = _united(source, opened, per_file)
    columns, undated = _dated(columns, formats, per_file)
    told = [
        (f"{file.path}: {what}", cure)
        for file, guess in zip(files, per_file, strict=True)
        for what, cure in guess["notes"]
    ]
    gaps = ((file.path, guess["gaps"]) for file, guess in zip(files, per_file, strict=True))
    return Guess(
        columns=columns,
        files=_own_columns(files, per_file),
        dialect=_one_dialect(files, per_file),
        formats=formats,
        undated=undated,
        gaps=next((found for found in gaps if found[1]), None),
        notes=(*told, *notes),
    )


def _own_columns(
    files: Sequence[DataFile], per_file: Sequence[Mapping[str, Any]]
) -> tuple[tuple[str, Columns], ...]:
    return tuple(
        (file.path, columns_of(guess["columns"]))
        for file, guess in zip(files, per_file, strict=True)
    )


_PARAMS = {
    "delim": "delimiter",
    "quote": "quote",
    "escape": "escape",
    "skip": "skip",
    "header": "header",
}


def _one_dialect(
    files: Sequence[DataFile], per_file: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """How all files are written. A file without quotes is like any other, and one column has no
    delimiter."""
    found = {}
    for name, param in _PARAMS.items():
        said: dict[Any, str] = {}
        for file, guess in zip(files, per_file, strict=True):
            silent = guess[name] == "" or (name == "delim" and len(guess["columns"]) == 1)
            if not silent:
                said.setdefault(guess[name], file.path)
        if len(said) > 1:
            (one, first), (other, path) = list(said.items())[:2]
            message = f"its {param} is {spelt(other)}, and that of {first} is {spelt(one)}"
            raise Unfit(
                path,
                f"{message}. Write all files alike, or say which it is: `params: {{{param}: …}}`",
            )
        found[name] = next(iter(said), per_file[0][name])
    padded = [guess for guess in per_file if guess["null_padding"]]
    names: list[str] = max((guess["names"] for guess in padded), key=len, default=[])
    if names and len(per_file) > len(padded):
        raise Unfit(
            files[per_file.index(padded[0])].path,
            "its lines are longer than its header: correct it",
        )
    return found | {"null_padding": bool(padded), "names": names}


def _united(
    source: Node, opened: Opened, per_file: Sequence[Mapping[str, Any]]
) -> tuple[Columns, list[tuple[str, str]]]:
    """The columns of all files, each with a type that holds the values of all; and where that is
    text because of some file, a note. A file without a value in a column says nothing of its
    type."""
    found, notes = [], []
    declared = set(map(folded, source.definition["types"]))
    for name, every in by_name(per_file).items():
        words = every
        if len({word for _, word in every}) > 1:
            words = [(number, word) for number, word in every if word != TEXT] + _texts(
                source, opened, per_file, name, every
            )
        word = words[0][1]
        for number, other in words[1:]:
            before, word = word, wider(word, other) or TEXT
            if word == TEXT != before and folded(name) not in declared:
                path = opened.files[number].path
                sentence = (
                    f"{path}: the column {name} is {said(other)} there, "
                    f"and {said(before)} elsewhere."
                )
                line = f"`schema: [{{name: {name}, data_type: …}}]`"
                notes.append((sentence, f"It is read as text: declare it, {line}."))
        found.append((name, word))
    return tuple(found), notes


def _texts(
    source: Node,
    opened: Opened,
    per_file: Sequence[Mapping[str, Any]],
    name: str,
    words: Sequence[tuple[int, str]],
) -> list[tuple[int, str]]:
    """The files in which a column is text, and has a value."""
    paths = opened.paths
    return [
        (number, word)
        for number, word in words
        if word == TEXT and _has_value(source, paths[number], per_file[number], name)
    ]


def _has_value(source: Node, path: Path, guess: Mapping[str, Any], name: str) -> bool:
    from seeknal_git.sql.ragged import has_values

    return has_values(csv_select(source.definition["options"], guess), [path], [name])[0]


def _allowed(per_file: Sequence[Mapping[str, Any]], key: str) -> list[str]:
    """The formats of dates that the values of all files allow; of those that have dates, and none
    the engine knows."""
    lists = [
        guess[key]
        for guess in per_file
        if any(word == FORMATS[key] for _, word in guess["columns"])
    ]
    return [form for form in (lists[0] if lists else []) if all(form in others for others in lists)]


def _dated(
    columns: Columns, formats: Mapping[str, Sequence[str]], per_file: Sequence[Mapping[str, Any]]
) -> tuple[Columns, dict[str, list[str]]]:
    """The columns, with dates as text if nobody can know which number is the day; and which columns
    these are."""
    undated: dict[str, list[str]] = {}
    for key, kind in FORMATS.items():
        written = any(
            guess[key] for guess in per_file if any(word == kind for _, word in guess["columns"])
        )
        if written and len(formats[key]) != 1:
            undated[key] = [name for name, word in columns if word == kind]
    texts = {name for names in undated.values() for name in names}
    return tuple((name, TEXT if name in texts else word) for name, word in columns), undated


def _guess_parquet(source: Node, opened: Opened, cache: Cache) -> Guess:
    files, per_file = opened.files, each_file(source, opened, cache)
    found = []
    for name, words in by_name(per_file).items():
        (_, word), declared = words[0], source.definition["types"].get(name)
        for number, other in words:
            if wider(word, other) is None and declared is None:
                message = (
                    f"the column {name} is {other} there, and {word} in {files[words[0][0]].path}"
                )
                raise Unfit(
                    files[number].path,
                    f"{message}. Declare the type that is meant: "
                    f"`schema: [{{name: {name}, data_type: {TEXT}}}]`",
                )
            word = wider(word, other) or word
        found.append((name, word))
    return Guess(tuple(found), files=_own_columns(files, per_file))
