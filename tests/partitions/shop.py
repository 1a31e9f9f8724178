"""A project in partitions, and the law that it is held to: its tables equal the SQL of its nodes
over the raw files as they are now, whatever they were before."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from tests.conftest import Repo

DAYS = "{by: day, every: day, begin: 2026-01-01}"


@dataclass(frozen=True)
class Transform:
    sql: str
    inputs: tuple[str, ...]
    partition: str = ""
    reads: str = ""

    def yml(self, name: str) -> str:
        lines = ["kind: transform", f"name: {name}", f"inputs: [{', '.join(self.inputs)}]"]
        lines += [f"partition: {self.partition}"] if self.partition else []
        lines += [f"reads: {self.reads}"] if self.reads else []
        return "\n".join([*lines, "transform: |", textwrap.indent(self.sql, "  ")])


TRANSFORMS = {
    "daily": Transform(
        "SELECT ordered_at::DATE AS day, count(*) AS orders, sum(amount) AS amount\n"
        "FROM source.orders GROUP BY 1",
        ("source.orders",),
        DAYS,
    ),
    "net": Transform(
        "SELECT d.day, d.amount - coalesce(r.amount, 0) AS net\nFROM transform.daily AS d\n"
        "LEFT JOIN (SELECT day, sum(amount) AS amount FROM source.refunds GROUP BY day) AS r\n"
        "ON r.day = d.day",
        ("transform.daily", "source.refunds"),
        DAYS,
    ),
    "by_town": Transform(
        "SELECT o.ordered_at::DATE AS day, c.town, sum(o.amount) AS amount\n"
        "FROM source.orders AS o JOIN source.customers AS c ON c.id = o.customer GROUP BY ALL",
        ("source.orders", "source.customers"),
        DAYS,
    ),
    "monthly": Transform(
        "SELECT date_trunc('month', day) AS month, sum(net) AS net\nFROM transform.net GROUP BY 1",
        ("transform.net",),
        "{by: month, every: month, begin: 2026-01-01}",
    ),
    "rolling": Transform(
        "SELECT a.day, sum(b.amount) AS amount FROM transform.daily AS a\n"
        "JOIN transform.daily AS b ON b.day BETWEEN a.day - 2 AND a.day GROUP BY a.day",
        ("transform.daily",),
        DAYS,
        "{transform.daily: {before: 2d}}",
    ),
    "by_customer": Transform(
        "SELECT customer, sum(amount) AS amount FROM source.orders GROUP BY customer",
        ("source.orders",),
    ),
    "best": Transform(
        "SELECT day, town FROM transform.by_town\n"
        "QUALIFY row_number() OVER (PARTITION BY day ORDER BY amount DESC, town) = 1",
        ("transform.by_town",),
        DAYS,
    ),
}
SOURCES = {
    "orders": "{by: ordered_at, every: day, begin: 2026-01-01}",
    "refunds": DAYS,
    "customers": "",
}


@dataclass
class Raw:
    """The raw data."""

    orders: dict[int, tuple[str, int, int]] = field(default_factory=dict)  # time, customer, amount
    refunds: dict[int, tuple[str, int]] = field(default_factory=dict)  # day, amount
    towns: dict[int, str] = field(default_factory=dict)

    def write(self, repo: Repo) -> None:
        rows = ((number, *order) for number, order in self.orders.items())
        _csv(repo, "orders", "id,ordered_at,customer,amount", rows)
        refunds = ((number, *refund) for number, refund in self.refunds.items())
        _csv(repo, "refunds", "id,day,amount", refunds)
        _csv(repo, "customers", "id,town", self.towns.items())


def _csv(repo: Repo, name: str, header: str, rows: Iterable[tuple[Any, ...]]) -> None:
    lines = [header, *(",".join(map(str, row)) for row in rows)]
    repo.write(f"data/{name}.csv", "\n".join(lines) + "\n")


_TYPES = {
    "orders": "ordered_at, data_type: TIMESTAMP",
    "refunds": "day, data_type: DATE",
    "customers": "town, data_type: VARCHAR",
}


def write_nodes(repo: Repo, transforms: Mapping[str, Transform] = TRANSFORMS) -> None:
    for name, partition in SOURCES.items():
        lines = ["kind: source", f"name: {name}", "source: csv", f"table: data/{name}.csv"]
        lines += [f"partition: {partition}"] if partition else []
        types = [_TYPES[name], "id, data_type: BIGINT"]
        types += ["amount, data_type: BIGINT"] if name != "customers" else []
        types += ["customer, data_type: BIGINT"] if name == "orders" else []
        lines += ["schema:", *(f"  - {{name: {column}}}" for column in types)]
        repo.write(f"seeknal/sources/{name}.yml", "\n".join(lines) + "\n")
    for name, transform in transforms.items():
        repo.write(f"seeknal/transforms/{name}.yml", transform.yml(name) + "\n")


def begin(repo: Repo, raw: Raw, transforms: Mapping[str, Transform]) -> None:
    """Make a project, with one commit, that was never run."""
    repo.path.mkdir()
    repo.git("init", "--quiet")
    repo.write("seeknal_project.yml", "name: shop\n")
    repo.write(".gitignore", "data/\n")
    raw.write(repo)
    write_nodes(repo, transforms)
    repo.commit("The project")


def truth(folder: Path, transforms: Mapping[str, Transform]) -> dict[str, list[tuple[Any, ...]]]:
    """Every table, computed by the engine from the raw files alone."""
    with duckdb.connect() as connection:
        connection.execute("CREATE SCHEMA source; CREATE SCHEMA transform")
        types = {
            "orders": "{id: 'BIGINT', ordered_at: 'TIMESTAMP', customer: 'BIGINT', amount: 'BIGINT'}",
            "refunds": "{id: 'BIGINT', day: 'DATE', amount: 'BIGINT'}",
            "customers": "{id: 'BIGINT', town: 'VARCHAR'}",
        }
        for name, columns in types.items():
            file = folder / f"data/{name}.csv"
            connection.execute(
                f"CREATE TABLE source.{name} AS FROM read_csv('{file}', header = true, "
                f"columns = {columns})"
            )
        for name, transform in transforms.items():
            connection.execute(f"CREATE TABLE transform.{name} AS {transform.sql}")
        return {
            name: sorted(connection.execute(f"FROM {kind}.{name}").fetchall(), key=repr)
            for kind, names in (("source", types), ("transform", transforms))
            for name in names
        }


def shown(repo: Repo, schema: str = "main") -> dict[str, list[tuple[Any, ...]]]:
    return {name: rows for name, (_, rows) in repo.views(schema).items()}
