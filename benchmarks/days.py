"""Three years of rows in partitions of a day: the first build, one day more, and reading it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import duckdb

from benchmarks.figure import Figure
from benchmarks.process import Cost, cost, python, seeknal

ROWS = 20_000_000
DAYS = 1_096  # from 2023-01-01
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
  SELECT ordered_at::DATE AS day, customer, count(*) AS orders, sum(amount) AS amount
  FROM source.orders GROUP BY ALL
""",
}
_PLAIN = """CREATE TABLE orders AS FROM read_parquet('data/*.parquet');
CREATE TABLE daily AS SELECT ordered_at::DATE AS day, customer, count(*) AS orders,
sum(amount) AS amount FROM orders GROUP BY ALL"""
_READ = "SELECT sum(amount), count(*) FROM {}"
_ASKED = "git status, and python -c pass"


def days(folder: Path, repeat: int, rows: int = ROWS) -> list[Figure]:
    """folder: a scratch folder; repeat: how often each figure is measured."""
    _project(folder, rows)
    plain_script, database = folder / "plain.sql", folder / "plain.duckdb"
    plain_script.write_text(_PLAIN)
    first, plain, added, nothing, least = [list[Cost]() for _ in range(5)]
    for number in range(repeat):
        database.unlink(missing_ok=True)
        _forget(folder)
        first.append(cost(seeknal("run"), folder))
        plain.append(cost(python(_script(), str(database), str(plain_script)), folder))
        _write(folder, f"more_{number}", DAYS + number, DAYS + number + 1, rows // DAYS)
        added.append(cost(seeknal("run"), folder))
        nothing.append(cost(seeknal("run"), folder))
        least.append(_asked(folder))
        (folder / f"data/more_{number}.parquet").unlink()
    view, table = zip(*(_read(folder, database) for _ in range(repeat)), strict=True)
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


def _script() -> str:
    return str(Path(__file__).with_name("plain.py"))


def _asked(folder: Path) -> Cost:
    return cost(["git", "status", "--porcelain"], folder) + cost(python("-c", "pass"), folder)


def _project(folder: Path, rows: int) -> None:
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
    bounds = [DAYS * month // months for month in range(months + 1)]
    for month, (start, end) in enumerate(pairwise(bounds)):
        _write(folder, f"month_{month:02}", start, end, rows * (end - start) // DAYS)


def _write(folder: Path, name: str, start: int, end: int, rows: int) -> None:
    (folder / "data").mkdir(exist_ok=True)
    with duckdb.connect() as connection:
        connection.execute(
            "COPY (SELECT range AS id, (range * 7919 % 50000)::INTEGER AS customer, "
            f"TIMESTAMP '2023-01-01' + to_days({start}) + to_microseconds("
            f"(range * {(end - start) * 86_400_000_000 / max(rows, 1)})::BIGINT) AS ordered_at, "
            f"(range * 31 % 1000)::BIGINT AS amount FROM range({rows})) "
            f"TO '{folder / 'data' / name}.parquet' (FORMAT parquet)"
        )


def _forget(folder: Path) -> None:
    subprocess.run(["rm", "-rf", ".git/seeknal"], cwd=folder, check=True)
    subprocess.run(["git", "update-ref", "-d", "refs/seeknal/production"], cwd=folder, check=True)


def _read(folder: Path, database: Path) -> tuple[float, float]:
    """Seconds to read a view in partitions, and a plain table, in one process each."""
    code = (
        "import duckdb, sys, time\n"
        "connection = duckdb.connect(sys.argv[1], read_only=True)\n"
        "connection.execute(sys.argv[2])\n"
        "started = time.perf_counter()\n"
        "for _ in range(5): connection.execute(sys.argv[2]).fetchall()\n"
        "print((time.perf_counter() - started) / 5)\n"
    )

    def seconds(path: Path) -> float:
        command = python("-c", code, str(path), _READ.format("orders"))
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
        return float(done.stdout)

    return seconds(folder / ".git/seeknal/warehouse.duckdb"), seconds(database)
