"""How the files of a source are read: the engine's guess over all of them, written down in full.

A guess is a pure function of the bytes of the files, of their names' endings, of the source's
options and of the engine; so it is remembered by these. `contract.py` compares it with the load
before.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from seeknal_git.cache import Cache
from seeknal_git.errors import FileFault, ProjectError
from seeknal_git.names import folded
from seeknal_git.nodes.node import Node
from seeknal_git.project.data_files import DataFile
from seeknal_git.project.data_versions import contents_of
from seeknal_git.project.file_guesses import first_guess
from seeknal_git.project.fingerprints import digest
from seeknal_git.project.guess import Guess, Unfit, as_dict, from_dict, unfit
from seeknal_git.project.raw_data import DataRoot, Opened
from seeknal_git.project.unpacking import fault_of, packing_of
from seeknal_git.sql.engine_version import engine_version
from seeknal_git.sql.readers import LONGEST_LINE, csv_select, parquet_select
from seeknal_git.sql.widening import loses, scale, shortens

Found = tuple[str, Guess]  # the contents of a source's files, and the guess over them


def remembered(
    root: DataRoot, sources: Sequence[tuple[Node, Sequence[DataFile]]]
) -> dict[str, Found]:
    """The guesses that are remembered, by source. Raises ProjectError."""
    keys = {node.id: _key(node, files, root.blobs(node, files)) for node, files in sources}
    known = root.cache.get("guess", keys.values())
    return {
        node.id: (root.contents(node, files), from_dict(known[keys[node.id]]))
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
    root.cache.put("guess", {_key(source, opened.files, opened.blobs): as_dict(guess)})
    return contents_of(opened.version), guess


def _key(source: Node, files: Sequence[DataFile], blobs: Sequence[str]) -> str:
    names = (f"{file.path}:{blob}" for file, blob in zip(files, blobs, strict=True))
    return digest(engine_version(), json.dumps(source.definition, sort_keys=True), *names)


def _guess(source: Node, opened: Opened, cache: Cache) -> Guess:
    _need_to_unpack(source, opened)
    try:
        guess = first_guess(source, opened, cache)
        return replace(guess, **_declared(source, opened, guess))
    except Unfit as exc:
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
            raise Unfit(guess.files[0][0], f'there is no column "{name}" in it; there are {there}')
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
    """Raise Unfit for a value that the declared type would round or cut."""
    from seeknal_git.sql.sniff import rounded

    path, (name, wanted) = guess.files[number][0], column
    sql = (
        csv_select(source.definition["options"], guess.dialect)
        if guess.dialect
        else parquet_select({}, {})
    )
    value = rounded(sql, opened.paths[number], name, wanted)
    if value is not None:
        raise Unfit(
            path,
            f'the column "{name}" is declared as {wanted}, and would lose something of {value!r}',
        )
