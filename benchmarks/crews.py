"""A layer of nodes that only the processor limits, over a lake: workers in processes against
threads of the run, in turns."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from benchmarks.figure import Figure
from benchmarks.lakes import catalogs
from benchmarks.process import Cost, cost, seeknal

_NODES = 8
_ROWS = 20_000  # fit one thread of the engine, so nodes share no work
_JOBS = 2
_SQL = "SELECT number, list_sum(list_transform(range({steps}), i -> sqrt(i + number))) AS slow"
_STEPS = 3_000


def crews(folder: Path, repeat: int) -> list[Figure]:
    """Full runs with Dask, two worker processes that are there before, and with loky, which begins
    them. Left out where a part is missing. folder: a scratch folder."""
    if find_spec("distributed") is None:
        print("workers: there is no distributed", file=sys.stderr)
        return []
    import distributed

    with catalogs("workers") as server:
        if server is None:
            return []
        project(folder, f"postgres:{server.database()}")
        with distributed.LocalCluster(
            n_workers=_JOBS, threads_per_worker=1, dashboard_address="127.0.0.1:0"
        ) as cluster:
            given = {
                "threading": ("--backend", "threading"),
                "dask": ("--backend", "dask", "--address", cluster.scheduler_address),
                "loky": ("--backend", "loky"),
            }
            run = ("run", "--full", "--max-workers", str(_JOBS))
            cost(seeknal(*run), folder)
            took: dict[str, list[Cost]] = {name: [] for name in given}
            for _ in range(repeat):
                for name, options in given.items():
                    took[name].append(cost(seeknal(*run, *options), folder))
    threads = [one.seconds for one in took["threading"]]
    return [
        Figure(
            f"{_NODES} nodes by {_JOBS} workers of {name}",
            [one.seconds for one in took[name]],
            threads,
            f"{_JOBS} threads",
            of_ratio=True,
        )
        for name in ("dask", "loky")
    ]


def project(folder: Path, catalog: str) -> None:
    """Write a project of one layer, and commit it."""
    numbers = "\n".join(map(str, range(_ROWS)))
    files = {
        "seeknal_project.yml": "name: crews\nwarehouse: {type: ducklake, "
        f'catalog: "{catalog}", data: target/lake}}\n',
        ".gitignore": "target/\n",
        "data/numbers.csv": f"number\n{numbers}\n",
        "seeknal/sources/numbers.yml": "kind: source\nname: numbers\nsource: csv\n"
        "table: data/numbers.csv\n",
    }
    for number in range(_NODES):
        sql = f"{_SQL.format(steps=_STEPS + number)} FROM source.numbers"
        name = f"slow_{number}"
        files[f"seeknal/transforms/{name}.yml"] = (
            f"kind: transform\nname: {name}\ntransform: |\n  {sql}\n"
        )
    for path, text in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "First"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
