"""The answer to a query as a table, CSV or JSON."""

from __future__ import annotations

import csv
import math
import sys
from typing import Any

from seeknal_git.report.terminal import as_data, counted, dim, note, out_json, table
from seeknal_git.warehouse.query import Answer


def show(answer: Answer, form: str) -> None:
    if form == "json":
        out_json([dict(zip(answer.names, map(_for_json, row), strict=True)) for row in answer.rows])
    elif form == "csv":
        as_data()
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(answer.names)
        writer.writerows(answer.rows)
    else:
        table(answer.names, answer.rows)
        note(dim(counted(len(answer.rows), "row")))


def _for_json(value: Any) -> Any:
    """JSON has no number for what is not finite: it is told as a text."""
    if isinstance(value, dict):
        return {str(key): _for_json(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_for_json(each) for each in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
