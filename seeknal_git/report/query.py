"""The answer to a query as a table, CSV or JSON: row by row, as large as it may be."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import chain, islice

from seeknal_git.report.terminal import (
    ROWS_OF_A_TABLE,
    as_data,
    counted,
    dim,
    json_part,
    note,
    out_lines,
    out_part,
    table,
)
from seeknal_git.warehouse.model import CSV, JSON, Answer


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
