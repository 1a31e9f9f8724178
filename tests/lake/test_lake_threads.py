"""Threads that build in a lake at the same time."""

from __future__ import annotations

import duckdb
import pytest

from seeknal_git.errors import WarehouseError
from seeknal_git.project.workspace import open_workspace
from seeknal_git.sql.sandbox import NOTHING
from seeknal_git.warehouse.deadline import NO_WAIT
from seeknal_git.warehouse.ducklake import DuckLake
from seeknal_git.warehouse.lake_connection import another_engine, opened
from seeknal_git.warehouse.location import Lake
from tests.lake.conftest import LakeRepo, many_numbers

# More than a run builds in one go, by itself.
ROWS = 12_000
LAYERS, NODES = 8, 4


def test_threads_see_each_others_tables(lake: LakeRepo) -> None:
    """Two threads of one engine that commit at once left its list of tables without some."""
    many_numbers(lake, ROWS)
    for layer in range(LAYERS):
        for node in range(NODES):
            other = (node + 1) % NODES
            read = ["source.numbers"]
            if layer:
                read = [f"transform.t{layer - 1}_{before}" for before in (node, other)]
            sql = " UNION ".join(f"SELECT number + {node} AS number FROM {name}" for name in read)
            text = f"kind: transform\nname: t{layer}_{node}\ntransform: {sql}\n"
            lake.write(f"seeknal/transforms/t{layer}_{node}.yml", text)
    lake.commit("Many layers")
    told = lake.seeknal("run", "--max-workers", "4", "--json", subprocess=True).json
    assert len(told["built"]) == LAYERS * NODES + 1
    last = " UNION ALL ".join(f"FROM main.t{LAYERS - 1}_{node}" for node in range(NODES))
    assert lake.ask(f"SELECT min(number), max(number) FROM ({last})") == [
        (0, ROWS - 1 + (NODES - 1) * LAYERS)
    ]


def test_engines_that_build_at_once_share_the_memory(lake: LakeRepo) -> None:
    """To read a CSV file, an engine takes 1.5 GiB at once."""
    lake.seeknal("run")
    location = open_workspace(lake.path).warehouse_location
    assert isinstance(location, Lake)
    made: list[duckdb.DuckDBPyConnection] = []

    def another() -> duckdb.DuckDBPyConnection:
        made.append(another_engine(location, None, NOTHING, NO_WAIT))
        return made[-1]

    with opened(location, None) as catalog:
        warehouse = DuckLake(location, catalog, None, another)
        for whole, engines, share in ((9, 4, 2.25), (5, 2, 2.5), (3, 1, 3)):
            made.clear()
            catalog.connection.execute(f"SET memory_limit = '{whole} GiB'")
            with warehouse.more_builders(7) as builders:
                assert len(builders) == len(made) == engines - 1
                for engine in [catalog.connection, *made]:
                    assert limit(engine) == pytest.approx(share, abs=0.1)
                for builder in builders:
                    builder.close()
            assert limit(catalog.connection) == whole


def test_a_run_goes_on_with_one_engine_where_no_other_can_be_had(
    lake: LakeRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise WarehouseError("too many connections")

    monkeypatch.setattr("seeknal_git.warehouse.ducklake.another_engine", refused)
    told = lake.run("--max-workers", "4")
    assert len(told["built"]) > 3


def limit(connection: duckdb.DuckDBPyConnection) -> float:
    """The memory that an engine may take, in GiB."""
    text = connection.execute("SELECT current_setting('memory_limit')").fetchall()[0][0]
    return float(text.removesuffix(" GiB"))
