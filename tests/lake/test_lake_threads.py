"""Threads that build in a lake at the same time."""

from __future__ import annotations

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
