"""Ask the engine which columns a JSON file has, and whether its rows stay as they are once their
types are said.

The engine guesses over all files that it is given: it may take another format of dates, or other
types, as soon as there is one more. With every type said, no file has a say in how another is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seeknal_git.names import quote
from seeknal_git.sql.engine import SqlError
from seeknal_git.sql.ragged import asked
from seeknal_git.sql.readers import NO_VALUES, json_pinned, json_select
from seeknal_git.sql.sniff import select_columns
from seeknal_git.sql.statement import Columns


def json_guess(path: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of one JSON file: `columns`; of these `empty`, without any value, and `guessed`,
    whose values are others once their type is said; and whether its rows are `objects`.

    given: the reader's options, as the source has them. Raises SqlError.
    """
    found = select_columns(json_select(given), [path])
    rows, *contents = _contents(json_select(given), path, [name for name, _ in found])
    if not rows:
        return {"columns": [], "empty": [], "guessed": [], "objects": True}
    by_name = dict(zip((name for name, _ in found), contents, strict=True))
    empty = [name for name, (values, *_) in by_name.items() if not values]
    columns = tuple((name, NO_VALUES if name in empty else word) for name, word in found)
    guessed = _guessed(path, given, columns, by_name)
    # The engine's name for rows that are no objects.
    objects = guessed != ["json"] or len(columns) > 1
    return {"columns": columns, "empty": empty, "guessed": guessed, "objects": objects}


def _guessed(
    path: Path, given: Mapping[str, Any], columns: Columns, by_name: Mapping[str, Any]
) -> list[str]:
    """The columns whose values are others once the types are said."""
    try:
        _, *contents = _contents(
            json_pinned(given, columns, {}), path, [name for name, _ in columns]
        )
    except SqlError:
        if len(columns) == 1:
            return [columns[0][0]]
        return [name for one in columns for name in _guessed(path, given, (one,), by_name)]
    return [
        name
        for (name, _), content in zip(columns, contents, strict=True)
        if content != by_name[name]
    ]


def _contents(sql: str, path: Path, names: Sequence[str]) -> list[Any]:
    """The number of rows of a SELECT over a file; of each column, the number of its values and a
    hash of them. Raises SqlError."""
    questions = ["count(*)"]
    for name in names:
        column = quote(name)
        hashed = f"hash({column})"
        questions.append(
            f"[count({column})::HUGEINT, bit_xor({hashed})::HUGEINT, sum({hashed}::HUGEINT)]"
        )
    return list(asked(f"SELECT {', '.join(questions)} FROM ({sql})", path)[0])
