"""Three years of rows in partitions of a day: the first build, one day more, and reading it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from datetime import date
from itertools import pairwise
from pathlib import Path

import duckdb

from benchmarks.figure import Figure
from benchmarks.process import Cost, cost, python, seeknal

ROWS = 20_000_000
DAYS = 1_096
FIRST = date(2023, 1, 1)
DAILY = "SELECT ordered_at::DATE AS day, customer, count(*) AS orders, sum(amount) AS amount"
_EVERY = "every: day, begin: 2023-01-01"
_NODES = {
    "sources/orders": f"""kind: source
name: orders
source: parquet
table: data/*.parquet
partition: {{by: ordered_at, {_EVERY}}}
""",
    "transforms/daily": f"""kind: transform
name: daily
inputs: [source.orders]
partition: {{by: day, {_EVERY}}}
transform: |
  {DAILY}
  FROM source.orders GROUP BY ALL
""",
}
PLAIN = f"""CREATE TABLE orders AS FROM read_parquet('data/*.parquet');
CREATE TABLE daily AS {DAILY} FROM orders GROUP BY ALL"""
_READ = "SELECT sum(amount), count(*) FROM {}"
WAREHOUSE = ".git/seeknal/warehouse.duckdb"
SCRIPT = str(Path(__file__).with_name("plain.py"))
_ASKED = "git status, and python -c pass"


def days(folder: Path, repeat: int, rows: int = ROWS) -> list[Figure]:
    """folder: a scratch folder; repeat: how often each figure is measured."""
    project(folder, rows)
    plain_script, database = folder / "plain.sql", folder / "plain.duckdb"
    plain_script.write_text(PLAIN)
    first, plain, added, nothing, least = [list[Cost]() for _ in range(5)]
    for number in range(repeat):
        database.unlink(missing_ok=True)
        forget(folder)
        first.append(cost(seeknal("run"), folder))
        plain.append(cost(python(SCRIPT, str(database), str(plain_script)), folder))
        write(folder, f"more_{number}", DAYS + number, DAYS + number + 1, rows // DAYS)
        added.append(cost(seeknal("run"), folder))
        nothing.append(cost(seeknal("run"), folder))
        least.append(_asked(folder))
        (folder / f"data/more_{number}.parquet").unlink()
    warehouse = folder / WAREHOUSE
    view, table = zip(
        *((read(warehouse, "orders"), read(database, "orders")) for _ in range(repeat)),
        strict=True,
    )
    return [
        Figure(
            f"first build of {rows:,} rows by day",
            _seconds(first),
            _seconds(plain),
            "the same SELECTs by plain DuckDB",
            1.3,
            of_ratio=True,
            cpu=[each.cpu for each in first],
        ),
        Figure("one day more", _seconds(added), _seconds(plain), "all of it by plain DuckDB"),
        Figure("nothing to do, by day", _seconds(nothing), _seconds(least), _ASKED, 0.6),
        Figure("reading the view", view, table, "a plain table", 1.1, of_ratio=True),
    ]


def _seconds(costs: Sequence[Cost]) -> list[float]:
    return [each.seconds for each in costs]


def _asked(folder: Path) -> Cost:
    return cost(["git", "status", "--porcelain"], folder) + cost(python("-c", "pass"), folder)


def project(folder: Path, rows: int, days: int = DAYS) -> None:
    """Write the project, and its rows in 36 files."""
    folder.mkdir(parents=True)
    (folder / "seeknal_project.yml").write_text("name: days\n")
    (folder / ".gitignore").write_text("data/\nplain*\n")
    for name, text in _NODES.items():
        path = folder / f"seeknal/{name}.yml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for command in (["init", "--quiet", "-b", "main"], ["add", "."], ["commit", "-qm", "Days"]):
        cost(["git", *command], folder)
    months = 36
    bounds = [days * month // months for month in range(months + 1)]
    for month, (start, end) in enumerate(pairwise(bounds)):
        write(folder, f"month_{month:02}", start, end, rows * (end - start) // days)


def write(folder: Path, name: str, start: int, end: int, rows: int) -> None:
    """Write a file of rows. start, end: in days since the first one."""
    (folder / "data").mkdir(exist_ok=True)
    with duckdb.connect() as connection:
        connection.execute(
            "COPY (SELECT range AS id, (range * 7919 % 50000)::INTEGER AS customer, "
            f"TIMESTAMP '{FIRST}' + to_days({start}) + to_microseconds("
            f"(range * {(end - start) * 86_400_000_000 / max(rows, 1)})::BIGINT) AS ordered_at, "
            f"(range * 31 % 1000)::BIGINT AS amount FROM range({rows})) "
            f"TO '{folder / 'data' / name}.parquet' (FORMAT parquet)"
        )


def forget(folder: Path) -> None:
    """Undo every run, and forget what was computed from the files."""
    subprocess.run(["rm", "-rf", ".git/seeknal"], cwd=folder, check=True)
    subprocess.run(["git", "update-ref", "-d", "refs/seeknal/production"], cwd=folder, check=True)


def read(database: Path, table: str) -> float:
    """Seconds to read a table or a view, in a process of its own."""
    code = (
        "import duckdb, sys, time\n"
        "connection = duckdb.connect(sys.argv[1], read_only=True)\n"
        "connection.execute(sys.argv[2])\n"
        "started = time.perf_counter()\n"
        "for _ in range(5): connection.execute(sys.argv[2]).fetchall()\n"
        "print((time.perf_counter() - started) / 5)\n"
    )
    command = python("-c", code, str(database), _READ.format(table))
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    return float(done.stdout)
