"""Plain DuckDB: execute the statements of a file, one by one, against a database. The baseline of a
run."""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb

if __name__ == "__main__":
    database, script = sys.argv[1:]
    with duckdb.connect(database) as connection:
        for statement in Path(script).read_text().split(";\n"):
            connection.execute(statement)
