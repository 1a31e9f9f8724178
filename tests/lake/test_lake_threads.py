"""Threads that build in a lake at the same time."""

from __future__ import annotations

from typing import Any

import pytest

from seeknal_git.errors import WarehouseError
from seeknal_git.project.workspace import open_workspace
from seeknal_git.warehouse.ducklake import _bytes
from seeknal_git.warehouse.opening import open_warehouse
from tests.lake.conftest import LakeRepo

# More than a run builds in one go, by itself.
ROWS = 12_000
LAYERS, NODES = 8, 4


def test_threads_see_each_others_tables(lake: LakeRepo) -> None:
    """Two threads of one engine that commit at once left its list of tables without some."""
    lake.git("rm", "--quiet", "-r", "seeknal", "data")
    numbers = "\n".join(map(str, range(ROWS)))
    lake.write("data/numbers.csv", f"number\n{numbers}\n")
    lake.write(
        "seeknal/sources/numbers.yml",
        "kind: source\nname: numbers\nsource: csv\ntable: data/numbers.csv\n",
    )
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
    workspace = open_workspace(lake.path)
    with open_warehouse(workspace.warehouse_location, workspace.marks) as warehouse:
        connection = warehouse._connection  # type: ignore[attr-defined]
        limits = {"9 GiB": (3, 2304), "5 GiB": (1, 2560), "3 GiB": (0, 3072)}
        for whole, (others, share) in limits.items():
            connection.execute(f"SET memory_limit = '{whole}'")
            with warehouse.more_builders(7) as builders:
                assert len(builders) == others
                for engine in [connection, *(builder._connection for builder in builders)]:  # type: ignore[attr-defined]
                    assert limit(engine) == pytest.approx(share, rel=0.05)
                for builder in builders:
                    builder.close()
            assert limit(connection) == pytest.approx(int(whole[0]) * 1024)


def test_a_run_goes_on_with_one_engine_where_no_other_can_be_had(
    lake: LakeRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise WarehouseError("too many connections")

    monkeypatch.setattr("seeknal_git.warehouse.ducklake.another_engine", refused)
    told = lake.run("--max-workers", "4")
    assert len(told["built"]) > 3


def limit(connection: Any) -> float:
    """The memory that an engine may take, in MiB."""
    text = connection.execute("SELECT current_setting('memory_limit')").fetchall()[0][0]
    return _bytes(text) / 2**20
