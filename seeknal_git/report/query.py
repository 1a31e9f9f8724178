"""The answer to a query as a table, CSV or JSON."""

from __future__ import annotations

import csv
import sys

from seeknal_git.report.terminal import counted, dim, note, out_json, table
from seeknal_git.warehouse.query import Answer


def show(answer: Answer, form: str) -> None:
    if form == "json":
        out_json([dict(zip(answer.names, row, strict=True)) for row in answer.rows])
    elif form == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(answer.names)
        writer.writerows(answer.rows)
    else:
        table(answer.names, answer.rows)
        note(dim(counted(len(answer.rows), "row")))
