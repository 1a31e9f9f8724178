"""Corrections of values that the engine counts as equal, or whose hashes it makes alike."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from tests.conftest import Repo

SOURCE = """\
kind: source
name: orders
source: parquet
table: data/orders.parquet
partition: {by: day, every: day, begin: 2026-01-01}
"""
DAILY = """\
kind: transform
name: daily
inputs: [source.orders]
partition: {by: day, every: day, begin: 2026-01-01}
transform: SELECT day, value::VARCHAR AS value FROM source.orders
"""


def write(file: Path, value: str) -> str:
    """A row with a value; its text."""
    file.parent.mkdir(exist_ok=True)
    with duckdb.connect() as connection:
        rows = f"SELECT DATE '2026-01-01' AS day, {value} AS value"
        connection.execute(f"COPY ({rows}) TO '{file}'")
        return str(connection.execute(f"SELECT value::VARCHAR FROM '{file}'").fetchall()[0][0])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("[]::INTEGER[]", "NULL::INTEGER[]"),
        ("[[1], [2]]", "[[1, 2]]"),
        ("{'a': NULL::INTEGER}", "NULL::STRUCT(a INTEGER)"),
        ("INTERVAL 1 MONTH", "INTERVAL 30 DAY"),
        ("0.0::DOUBLE", "-0.0::DOUBLE"),
    ],
)
def test_a_correction_to_a_value_with_the_same_hash_is_seen(
    repo: Repo, before: str, after: str
) -> None:
    repo.write("seeknal/sources/orders.yml", SOURCE)
    repo.write("seeknal/transforms/daily.yml", DAILY)
    repo.write(".gitignore", "data/\n")
    repo.commit()
    file = repo.path / "data/orders.parquet"
    write(file, before)
    repo.seeknal("run")
    wanted = write(file, after)
    repo.seeknal("run")
    ((_, value),) = repo.production()["daily"][1]
    assert str(value) == wanted
