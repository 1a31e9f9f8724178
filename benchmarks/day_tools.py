"""The project of `days.py` in plain DuckDB, Seeknal, dbt and SQLMesh, and its steps in each.

All read the same files of Parquet into a table `orders`, and make `daily` of it by the same SELECT.
dbt does it by its strategy microbatch, a batch a day; SQLMesh by INCREMENTAL_BY_TIME_RANGE; plain
DuckDB makes everything again at each step.

The rows are of past years, so dbt and SQLMesh are told the date, which they take from the clock
elsewhere: dbt the day before and the day itself, which its look-back of one gives, and SQLMesh the
time of execution.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import ClassVar, Protocol

import duckdb

from benchmarks import days
from benchmarks.process import Cost, cost, python, seeknal

_BEGIN = days.FIRST.isoformat()
_DAY = timedelta(days=1)
_MONTH = 3  # the file that is corrected
_MORE = "more"
_DBT = {
    "dbt_project.yml": f"""name: days
version: "1.0"
config-version: 2
profile: days
models:
  +materialized: incremental
  +incremental_strategy: microbatch
  +batch_size: day
  +begin: {_BEGIN}
flags:
  send_anonymous_usage_stats: false
""",
    "profiles.yml": """days:
  target: prod
  outputs:
    prod: {type: duckdb, path: warehouse.duckdb, schema: prod, threads: 2}
""",
    "models/sources.yml": """sources:
  - name: raw
    tables:
      - name: orders
        config:
          event_time: ordered_at
          meta: {external_location: "FILES"}
""",
    "models/orders.sql": """{{ config(event_time='ordered_at') }}
SELECT * FROM {{ source('raw', 'orders') }}
""",
    "models/daily.sql": f"""{{{{ config(event_time='day') }}}}
{days.DAILY} FROM {{{{ ref('orders') }}}} GROUP BY ALL
""",
}
_SQLMESH = {
    "config.yaml": f"""gateways:
  local:
    connection: {{type: duckdb, database: warehouse.duckdb, concurrent_tasks: 2}}
default_gateway: local
model_defaults: {{dialect: duckdb, start: {_BEGIN}, cron: '@daily'}}
disable_anonymized_analytics: true
""",
    "models/orders.sql": """MODEL (
  name shop.orders, kind INCREMENTAL_BY_TIME_RANGE (time_column ordered_at)
);
SELECT id, customer, ordered_at, amount FROM FILES
WHERE ordered_at BETWEEN @start_dt AND @end_dt
""",
    "models/daily.sql": f"""MODEL (
  name shop.daily, kind INCREMENTAL_BY_TIME_RANGE (time_column day)
);
{days.DAILY} FROM shop.orders
WHERE ordered_at BETWEEN @start_dt AND @end_dt GROUP BY ALL
""",
}


@dataclass(frozen=True, slots=True)
class Data:
    """The files that all tools read, in the project of Seeknal."""

    folder: Path
    rows: int
    days: int

    @property
    def last(self) -> date:
        """The day of the file that comes later."""
        return days.FIRST + self.days * _DAY

    @property
    def corrected(self) -> date:
        """A day in the middle of the file that is corrected."""
        return days.FIRST + (2 * _MONTH + 1) * self.days // 72 * _DAY

    @property
    def files(self) -> str:
        return f"read_parquet('{self.folder / 'data'}/*.parquet')"

    def forget(self) -> None:
        (self.folder / f"data/{_MORE}.parquet").unlink(missing_ok=True)

    def add_a_day(self) -> None:
        days.write(self.folder, _MORE, self.days, self.days + 1, self.rows // self.days)

    def correct(self) -> None:
        """Another amount in each order of one day."""
        path = self.folder / f"data/month_{_MONTH:02}.parquet"
        other = self.folder / "corrected.parquet"
        with duckdb.connect() as connection:
            connection.execute(
                "COPY (SELECT * REPLACE (amount + "
                f"(ordered_at::DATE = DATE '{self.corrected}')::INTEGER AS amount) "
                f"FROM '{path}') TO '{other}' (FORMAT parquet)"
            )
        other.replace(path)


class Peer(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def database(self) -> Path: ...

    @property
    def schema(self) -> str:
        """Where its database has both tables."""

    def forget(self) -> None:
        """Undo everything that a step of this tool did."""

    def step(self, name: str) -> Cost | None:
        """None if the tool has no such step."""


@dataclass(frozen=True, slots=True)
class Plain:
    data: Data
    name: str = "plain DuckDB"
    schema: str = "main"

    @property
    def database(self) -> Path:
        return self.data.folder / "plain.duckdb"

    def forget(self) -> None:
        self.database.unlink(missing_ok=True)

    def step(self, name: str) -> Cost | None:
        if name in {"nothing", "told"}:
            return None
        self.forget()
        script = self.data.folder / "plain.sql"
        script.write_text(days.PLAIN)
        return cost(python(days.SCRIPT, str(self.database), str(script)), self.data.folder)


@dataclass(frozen=True, slots=True)
class Seeknal:
    data: Data
    name: str = "Seeknal"
    schema: str = "main"

    @property
    def database(self) -> Path:
        return self.data.folder / days.WAREHOUSE

    def forget(self) -> None:
        days.forget(self.data.folder)

    def step(self, name: str) -> Cost | None:
        return None if name == "told" else cost(seeknal("run"), self.data.folder)


@dataclass(frozen=True)
class _Other:
    """A tool that has a project of its own in a folder."""

    files: ClassVar[Mapping[str, str]]  # of the project, by their paths
    data: Data
    folder: Path
    program: Path

    @property
    def database(self) -> Path:
        return self.folder / "warehouse.duckdb"

    def forget(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        for name, text in self.files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.replace("FILES", self.data.files))


@dataclass(frozen=True)
class Dbt(_Other):
    files = _DBT
    name: str = "dbt"
    schema: str = "prod"

    def step(self, name: str) -> Cost | None:
        last = self.data.last
        start, end = {
            "first": (days.FIRST, last),
            "nothing": (last - 2 * _DAY, last),
            "told": (self.data.corrected, self.data.corrected + _DAY),
        }.get(name, (last - _DAY, last + _DAY))
        between = ["--event-time-start", str(start), "--event-time-end", str(end)]
        return cost([str(self.program), "--quiet", "run", *between], self.folder)


@dataclass(frozen=True)
class SqlMesh(_Other):
    files = _SQLMESH
    name: str = "SQLMesh"
    schema: str = "shop"

    def step(self, name: str) -> Cost | None:
        now = self.data.last if name in {"first", "nothing"} else self.data.last + _DAY
        corrected = str(self.data.corrected)
        more = {
            "first": [],
            "told": ["--restate-model", "shop.orders", "--start", corrected, "--end", corrected],
        }.get(name, ["--run"])
        arguments = ["plan", "--auto-apply", "--no-prompts", "--execution-time", str(now), *more]
        return cost([str(self.program), *arguments], self.folder)
