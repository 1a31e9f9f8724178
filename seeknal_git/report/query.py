"""The answer to a query as a table, CSV or JSON: row by row, as large as it may be."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from seeknal_git.errors import UsageError
from seeknal_git.files import replacing
from seeknal_git.names import argument
from seeknal_git.report.terminal import (
    ROWS_OF_A_TABLE,
    as_data,
    counted,
    dim,
    json_part,
    note,
    out_bytes,
    out_lines,
    out_part,
    table,
)
from seeknal_git.warehouse.model.answers import CSV, JSON, PARQUET, Answer


def show(answer: Answer, form: str) -> None:
    if form in (CSV, JSON):
        as_data()
        lines = map(json_part, _json_lines(answer)) if form == JSON else _csv_lines(answer)
        while (line := next(lines, None)) is not None and out_part(line):
            pass
    elif answer.is_plan:
        for *_, text in answer.rows:
            out_lines(text)
    else:
        few = list(islice(answer.rows, ROWS_OF_A_TABLE))
        rows = len(few) + sum(1 for _ in answer.rows)
        table(answer.names, few, rows)
        note(dim(counted(rows, "row")))


@contextmanager
def file_for(path: Path | None) -> Iterator[Path | None]:
    """A file for `save`, which is put at a path at the end; None for none. Raises UsageError if it
    cannot be there."""
    if path is None:
        yield None
        return
    with ExitStack() as stack:
        try:
            file = stack.enter_context(replacing(path))
        except OSError as exc:
            raise _unwritable(path, exc) from exc
        yield file


@contextmanager
def piped() -> Iterator[Path]:
    """A file that goes to standard output at the end. Raises UsageError on a terminal."""
    if sys.stdout.isatty():
        hint = "Write it into a file: -o FILE.parquet, or > FILE.parquet"
        raise UsageError("A terminal shows no Parquet.", hint)
    with TemporaryDirectory(prefix="seeknal-") as folder:
        file = Path(folder).resolve() / "answer.parquet"
        yield file
        with file.open("rb") as opened:
            out_bytes(opened)


def tell_rows(answer: Answer) -> None:
    """The number of rows in a file that the engine has written."""
    ((rows,),) = answer.rows
    note(dim(counted(rows, "row")))


def _unwritable(path: Path, exc: OSError) -> UsageError:
    """The mistake of naming a file that cannot be written."""
    if not path.parent.exists():
        folder = argument(str(path.parent))
        return UsageError(f"There is no folder {path.parent}.", f"Make it: mkdir -p {folder}")
    return UsageError(f"{path} cannot be written: {exc.strerror or exc}.")


def save(answer: Answer, form: str, file: Path, path: Path) -> None:
    """Write an answer into a file, unless the engine has done so. path: where it is going to be."""
    if form == PARQUET:
        ((rows,),) = answer.rows
    else:
        passed = _Passed(answer.rows)
        answer = replace(answer, rows=passed)
        with file.open("w", encoding="utf-8", newline="") as opened:
            opened.writelines(_json_lines(answer) if form == JSON else _csv_lines(answer))
        rows = passed.number
    note(f"Written: {path} ({counted(rows, 'row')})")


class _Passed(Iterator[Sequence[Any]]):
    """Rows, and the number of those that were read."""

    def __init__(self, rows: Iterator[Sequence[Any]]) -> None:
        self._rows, self.number = rows, 0

    def __next__(self) -> Sequence[Any]:
        row = next(self._rows)
        self.number += 1
        return row


def _json_lines(answer: Answer) -> Iterator[str]:
    """A list of objects, one on a line."""
    keys = [json.dumps(name, ensure_ascii=False) for name in answer.names]
    first = "["
    for row in answer.rows:
        members = (f"{key}: {value}" for key, value in zip(keys, row, strict=True))
        yield f"{first}\n  {{{', '.join(members)}}}"
        first = ","
    yield "[]\n" if first == "[" else "\n]\n"


def _csv_lines(answer: Answer) -> Iterator[str]:
    for row in chain([answer.names], answer.rows):
        yield f"{','.join(map(_csv, row))}\n"


_QUOTED = re.compile('[",\r\n]|^$')


def _csv(value: str | None) -> str:
    """NULL is nothing; a text without signs is in quotes."""
    if value is None:
        return ""
    quoted = value.replace('"', '""')
    return f'"{quoted}"' if _QUOTED.search(value) else value
