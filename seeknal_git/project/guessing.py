"""How the files of a source are read: the engine's guess over all of them, written down in full.

A guess is a pure function of the bytes of the files, of their names' endings, of the source's
options and of the engine; so it is remembered by these. `contract.py` compares it with the load
before.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from seeknal_git.cache import Cache
from seeknal_git.errors import FileFault, Problem, ProjectError
from seeknal_git.names import folded
from seeknal_git.nodes.node import Node
from seeknal_git.project.data_files import DataFile
from seeknal_git.project.data_versions import contents_of
from seeknal_git.project.fingerprints import digest
from seeknal_git.project.held_files import ending_of
from seeknal_git.project.raw_data import DataRoot, Opened
from seeknal_git.project.unpacking import fault_of, packing_of
from seeknal_git.sql.engine_version import engine_version
from seeknal_git.sql.readers import LONGEST_LINE, csv_select, json_select, parquet_select
from seeknal_git.sql.statement import Columns
from seeknal_git.sql.widening import TEXT, loses, scale, shortens, wider

# Of two formats with day and month the other way round, both fit: nobody can know which one is
# meant.
FORMATS = {"dateformat": "DATE", "timestampformat": "TIMESTAMP"}


@dataclass(frozen=True, slots=True)
class Guess:
    """The engine's guess over the files of a source."""

    # The columns of all files together, as the source declares them or as they are found.
    columns: Columns = ()
    # Column → the engine's word for its declared type.
    declared: Mapping[str, str] = field(default_factory=dict)
    # The path of each file, and the columns that are found in it.
    files: tuple[tuple[str, Columns], ...] = ()
    # How all CSV files are written.
    dialect: Mapping[str, Any] = field(default_factory=dict)
    # `dateformat` and `timestampformat` → all formats that the values allow.
    formats: Mapping[str, Sequence[str]] = field(default_factory=dict)
    # The same keys → the columns that are read as text, as no single format is right.
    undated: Mapping[str, Sequence[str]] = field(default_factory=dict)
    # The path of the first CSV file whose lines have gaps, and where they are.
    gaps: tuple[str, str] | None = None
    # A sentence and a cure for each thing that the source had better declare.
    notes: tuple[tuple[str, str], ...] = ()
    # The path of a file that cannot be read, the reason, and the cure unless the reason has it.
    error: tuple[str, str, str] | None = None


Found = tuple[str, Guess]  # the contents of a source's files, and the guess over them


def remembered(
    root: DataRoot, sources: Sequence[tuple[Node, Sequence[DataFile]]]
) -> dict[str, Found]:
    """The guesses that are remembered, by source. Raises ProjectError."""
    keys = {node.id: _key(node, files, root.blobs(node, files)) for node, files in sources}
    known = root.cache.get("guess", keys.values())
    return {
        node.id: (root.contents(node, files), _from_dict(known[keys[node.id]]))
        for node, files in sources
        if keys[node.id] in known
    }


def guessed(source: Node, root: DataRoot) -> Found:
    """The guess for a source's files as they are now. Raises ProjectError."""
    if found := remembered(root, [(source, root.need_files(source))]):
        return found[source.id]
    with root.opened(source) as opened:
        guess = _guess(source, opened, root.cache)
        try:
            opened.confirm()
        except FileFault as exc:
            raise ProjectError([unfit(source, opened.files[0].path, exc.message)]) from exc
    root.cache.put("guess", {_key(source, opened.files, opened.blobs): _asdict(guess)})
    return contents_of(opened.version), guess


_CORRECT = "Correct the file, or the definition of its source."


def unfit(source: Node, path: str, message: str, hint: str = _CORRECT) -> Problem:
    """Something wrong with a file, at the line of the node that has to do with it. hint: empty if
    the message has its own cure."""
    keys = ("schema", "columns", "params.path", "table")
    line = next((source.line(key) for key in keys if key in source.lines), 1)
    return Problem(
        f"{path} does not fit {source.id}: {message.rstrip('.')}.",
        source.path,
        line,
        hint,
        source.id,
    )


def _key(source: Node, files: Sequence[DataFile], blobs: Sequence[str]) -> str:
    names = (f"{file.path}:{blob}" for file, blob in zip(files, blobs, strict=True))
    return digest(engine_version(), json.dumps(source.definition, sort_keys=True), *names)


def _asdict(guess: Guess) -> dict[str, Any]:
    return {name: getattr(guess, name) for name in Guess.__slots__}


def _from_dict(value: Mapping[str, Any]) -> Guess:
    return Guess(
        columns=_columns(value["columns"]),
        declared=value["declared"],
        files=tuple((path, _columns(columns)) for path, columns in value["files"]),
        dialect=value["dialect"],
        formats=value["formats"],
        undated=value["undated"],
        notes=tuple((what, cure) for what, cure in value["notes"]),
        gaps=tuple(value["gaps"]) if value["gaps"] else None,
        error=tuple(value["error"]) if value["error"] else None,
    )


def _columns(value: Iterable[Sequence[str]]) -> Columns:
    return tuple((name, word) for name, word in value)


class _Unfit(Exception):
    """A file cannot be read as the source says, or not as the others are."""

    def __init__(self, path: str, message: str, hint: str = _CORRECT) -> None:
        super().__init__(message)
        self.path = path
        self.hint = hint


def _guess(source: Node, opened: Opened, cache: Cache) -> Guess:
    _need_to_unpack(source, opened)
    look = {"csv": _guess_csv, "parquet": _guess_parquet}.get(
        str(source.definition["format"]), _guess_json
    )
    try:
        guess = look(source, opened, cache)
        return replace(guess, **_declared(source, opened, guess))
    except _Unfit as exc:
        return Guess(error=(exc.path, str(exc), exc.hint))


def _need_to_unpack(source: Node, opened: Opened) -> None:
    """Raise ProjectError for a packed file that stands for too much: a few MB may do for any number
    of GB."""
    form, given = (
        source.definition["format"],
        str(source.definition["options"].get("compression", "")).lower(),
    )
    if form == "parquet":
        return
    for file, path in zip(opened.files, opened.paths, strict=True):
        if fault := fault_of(
            path, packing_of(path, given), LONGEST_LINE if form == "csv" else None
        ):
            raise ProjectError([unfit(source, file.path, *fault)])


def _declared(source: Node, opened: Opened, guess: Guess) -> dict[str, Any]:
    """The columns with their declared types, and these as the engine calls them."""
    from seeknal_git.sql.engine import type_name

    names = {folded(name): name for name, _ in guess.columns}
    declared = {}
    for name, word in source.definition["types"].items():
        if folded(name) not in names:
            there = ", ".join(name for name, _ in guess.columns)
            raise _Unfit(guess.files[0][0], f'there is no column "{name}" in it; there are {there}')
        declared[names[folded(name)]] = type_name(word)
    notes: dict[str, tuple[str, str]] = {}
    for number, (path, columns) in enumerate(guess.files):
        for name, word in columns:
            wanted = next(
                (declared[column] for column in declared if folded(column) == folded(name)), word
            )
            if loses(word, wanted):
                _refuse_loss(source, opened, guess, number, (name, wanted))
            if (what := shortens(word, wanted)) and _is_shortened(
                source, opened, guess, number, (name, wanted)
            ):
                cure = f"The column is declared as {wanted}, and is {word} in the file."
                notes.setdefault(name, (f"{path}: {what.format(name)}.", cure))
    return {
        "columns": tuple((name, declared.get(name, word)) for name, word in guess.columns),
        "declared": declared,
        "notes": (*guess.notes, *notes.values()),
    }


def _is_shortened(
    source: Node, opened: Opened, guess: Guess, number: int, column: tuple[str, str]
) -> bool:
    """Whether a value of a file has more digits after the point than its type; times have, as they
    were looked at."""
    from seeknal_git.sql.sniff import has_digits

    digits = scale(column[1])
    if digits is None:
        return True
    if not guess.dialect:
        return False
    point = str(source.definition["options"].get("decimal_separator", "."))
    sql = csv_select(source.definition["options"], guess.dialect)
    return has_digits(sql, opened.paths[number], column[0], point, digits + 1)


def _refuse_loss(
    source: Node, opened: Opened, guess: Guess, number: int, column: tuple[str, str]
) -> None:
    """Raise _Unfit for a value that the declared type would round or cut."""
    from seeknal_git.sql.sniff import rounded

    path, (name, wanted) = guess.files[number][0], column
    sql = (
        csv_select(source.definition["options"], guess.dialect)
        if guess.dialect
        else parquet_select({}, {})
    )
    value = rounded(sql, opened.paths[number], name, wanted)
    if value is not None:
        raise _Unfit(
            path,
            f'the column "{name}" is declared as {wanted}, and would lose something of {value!r}',
        )


# Each file by itself


def _each_file(source: Node, opened: Opened, cache: Cache) -> list[dict[str, Any]]:
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
            raise _Unfit(file.path, *known[key]["error"])
    return [known[key] for key in keys]


def _look(path: Path, form: str, options: Mapping[str, Any]) -> dict[str, Any]:
    from seeknal_git.sql.engine import SqlError
    from seeknal_git.sql.ragged import Uneven
    from seeknal_git.sql.sniff import csv_guess, select_columns

    try:
        return (
            csv_guess(path, options)
            if form == "csv"
            else {"columns": select_columns(parquet_select({}, {}), [path])}
        )
    except SqlError as exc:
        message = exc.message.replace(f' "{path}"', "")
        return {"error": (message, "" if isinstance(exc, Uneven) else _CORRECT)}


def _guess_csv(source: Node, opened: Opened, cache: Cache) -> Guess:
    files, per_file = opened.files, _each_file(source, opened, cache)
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
        (file.path, _columns(guess["columns"])) for file, guess in zip(files, per_file, strict=True)
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
            raise _Unfit(
                path,
                f"{message}. Write all files alike, or say which it is: `params: {{{param}: …}}`",
            )
        found[name] = next(iter(said), per_file[0][name])
    padded = [guess for guess in per_file if guess["null_padding"]]
    names: list[str] = max((guess["names"] for guess in padded), key=len, default=[])
    if names and len(per_file) > len(padded):
        raise _Unfit(
            files[per_file.index(padded[0])].path,
            "its lines are longer than its header: correct it",
        )
    return found | {"null_padding": bool(padded), "names": names}


def spelt(value: Any) -> str:
    """A part of a dialect, as a node says it."""
    return json.dumps(value, ensure_ascii=False)


def _united(
    source: Node, opened: Opened, per_file: Sequence[Mapping[str, Any]]
) -> tuple[Columns, list[tuple[str, str]]]:
    """The columns of all files, each with a type that holds the values of all; and where that is
    text because of some file, a note. A file without a value in a column says nothing of its
    type."""
    found, notes = [], []
    for name, every in _by_name(per_file).items():
        words = every
        if len({word for _, word in every}) > 1:
            words = [(number, word) for number, word in every if word != TEXT] + _texts(
                source, opened, per_file, name, every
            )
        word = words[0][1]
        for number, other in words[1:]:
            before, word = word, wider(word, other) or TEXT
            if word == TEXT != before:
                path = opened.files[number].path
                sentence = (
                    f"{path}: the column {name} is {said(other)} there, "
                    f"and {said(before)} elsewhere."
                )
                line = f"`schema: [{{name: {name}, data_type: …}}]`"
                notes.append((sentence, f"It is read as text: declare it, {line}."))
        found.append((name, word))
    return tuple(found), notes


def said(word: str) -> str:
    return "text" if word == TEXT else word


def _by_name(per_file: Sequence[Mapping[str, Any]]) -> dict[str, list[tuple[int, str]]]:
    """Column → (number of a file, its type there), whichever way a file writes the name."""
    found: dict[str, tuple[str, list[tuple[int, str]]]] = {}
    for number, guess in enumerate(per_file):
        for name, word in guess["columns"]:
            found.setdefault(folded(name), (name, []))[1].append((number, word))
    return dict(found.values())


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


# All files at once


def _guess_json(source: Node, opened: Opened, _: Cache) -> Guess:
    from seeknal_git.sql.engine import SqlError
    from seeknal_git.sql.sniff import select_columns

    try:
        columns = select_columns(json_select(source.definition["options"]), opened.paths)
    except SqlError as exc:
        message, first = opened.in_words(exc.message), opened.files[0].path
        raise _Unfit(
            next((file.path for file in opened.files if file.path in message), first), message
        ) from exc
    return Guess(columns, files=tuple((file.path, ()) for file in opened.files))


def _guess_parquet(source: Node, opened: Opened, cache: Cache) -> Guess:
    files, per_file = opened.files, _each_file(source, opened, cache)
    found = []
    for name, words in _by_name(per_file).items():
        (_, word), declared = words[0], source.definition["types"].get(name)
        for number, other in words:
            if wider(word, other) is None and declared is None:
                message = (
                    f"the column {name} is {other} there, and {word} in {files[words[0][0]].path}"
                )
                raise _Unfit(
                    files[number].path,
                    f"{message}. Declare the type that is meant: "
                    f"`schema: [{{name: {name}, data_type: {TEXT}}}]`",
                )
            word = wider(word, other) or word
        found.append((name, word))
    return Guess(tuple(found), files=_own_columns(files, per_file))
