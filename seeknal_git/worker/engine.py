"""The engine of the nodes: a database in memory that the worker opens once, and each child has a
copy of.

To open one takes longer than most nodes: the engine fills its catalog. A copy is sound as long as
no thread of the engine runs in the worker when it forks, as only the forking thread is copied. So
the worker's database has no threads, and is given up if any appear.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from seeknal_git.worker.tables import relation_of_result

# Options of a database without threads of its own; DuckDB before 2.0 knows only the first.
_ALONE: tuple[dict[str, Any], ...] = ({"threads": 1, "async_threads": 0}, {"threads": 1})
_THREADS = Path("/proc/self/task")
_SHARE = 0.75  # of a node's memory is the engine's, which spills to disk beyond that
_opened: list[tuple[Any, int]] = []  # the database, and the memory that it would take


def warm_up(folder: str) -> None:
    """Open the database, and do once what each child would do for the first time. folder: for a
    file in between."""
    import duckdb

    threads = _threads()
    for options in _ALONE if threads else ():
        with suppress(duckdb.Error):
            connection = duckdb.connect(":memory:", config=options)
            _use(connection, Path(folder, f"warm-{os.getpid()}.parquet"))
            if _threads() == threads:
                _opened.append((connection, _limit(connection)))
                return
            connection.close()


def connect(folder: str, memory: int) -> Any:
    """A connection to an empty database, in a child. folder: for the rows that do not fit into
    memory; memory: the bytes that the child may have."""
    import duckdb

    own = duckdb.connect(":memory:") if not _opened else None
    database, limit = (own, _limit(own)) if own else _opened[0]
    connection = database.cursor()  # with random numbers of its own
    connection.execute("RESET threads")
    connection.execute(f"SET temp_directory = '{folder.replace(chr(39), chr(39) * 2)}'")
    share = int(memory * _SHARE)
    if share < limit:
        connection.execute(f"SET memory_limit = '{share >> 10}KiB'")
    return connection


def _limit(connection: Any) -> int:
    """The bytes that the engine would take by itself, as it says: `18.8 GiB`."""
    said = connection.execute("SELECT current_setting('memory_limit')").fetchall()[0][0]
    number, _, unit = str(said).partition(" ")
    return int(float(number) * 1024 ** "BKMGT".find(unit[:1].upper()))


def _use(connection: Any, file: Path) -> None:
    rows = connection.sql("SELECT 1 AS a, 'b' AS b")
    if "pandas" in sys.modules:
        rows = relation_of_result(connection, rows.df(), "")
    rows.write_parquet(str(file))
    again = connection.read_parquet(str(file))
    again.df() if "pandas" in sys.modules else again.fetchall()
    file.unlink()


def _threads() -> int:
    """How many threads this process has; 0 if nobody can know."""
    return len([*_THREADS.iterdir()]) if _THREADS.exists() else 0
