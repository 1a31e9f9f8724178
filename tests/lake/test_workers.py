"""Workers in other processes: joblib's own, those of Dask and of Ray; and workers that die."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.lake.conftest import LakeRepo

T = TypeVar("T")
# Too many rows for a run to build the nodes that read them in one go, by itself.
ROWS = 20_000
SUM = "SELECT sum(number) FROM {}"


def transform(name: str, sql: str, checks: str = "") -> str:
    return f"kind: transform\nname: {name}\ntransform: |\n  {sql}\n{checks}"


@pytest.fixture
def layers(lake: LakeRepo) -> LakeRepo:
    """A project of three layers with many rows: four nodes, then one that reads them, and a
    rule."""
    lake.git("rm", "--quiet", "-r", "seeknal", "data")
    numbers = "\n".join(map(str, range(ROWS)))
    lake.write("data/numbers.csv", f"number\n{numbers}\n")
    lake.write(
        "seeknal/sources/numbers.yml",
        "kind: source\nname: numbers\nsource: csv\ntable: data/numbers.csv\n",
    )
    for part in range(4):
        sql = f"SELECT number FROM source.numbers WHERE number % 4 = {part}"
        text = transform(f"part_{part}", sql, "tests:\n  - unique: number\n")
        lake.write(f"seeknal/transforms/part_{part}.yml", text)
    union = " UNION ALL ".join(f"FROM transform.part_{part}" for part in range(4))
    lake.write("seeknal/transforms/parts.yml", transform("parts", union))
    lake.commit("Many rows")
    return lake


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A Dask cluster of two worker processes."""
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def engines() -> int:
    from seeknal_git.build import tasks

    return len(tasks._engines)


def test_a_run_on_dask_has_the_tables_and_answers_of_a_run_in_threads(
    layers: LakeRepo, cluster: Any
) -> None:
    address = cluster.scheduler.address
    told = layers.run("--backend", "dask", "--address", address)
    assert sorted(told["built"]) == sorted(
        ["source.numbers", "transform.parts", *(f"transform.part_{part}" for part in range(4))]
    )
    assert layers.ask(SUM.format("main.parts")) == [(sum(range(ROWS)),)]
    assert sum(cluster.run(engines).values()) >= 1


@pytest.mark.parametrize("backend", ["loky", "ray"])
def test_a_run_in_processes_of_this_machine(layers: LakeRepo, backend: str) -> None:
    if backend == "ray":
        pytest.importorskip("ray")
    layers.seeknal("run", "--backend", backend, "--max-workers", "2", subprocess=True)
    assert layers.ask(SUM.format("main.parts")) == [(sum(range(ROWS)),)]
    assert nothing_twice(layers)


def nothing_twice(repo: LakeRepo) -> bool:
    """Whether each table, and each answer, was recorded once."""
    return not repo.ask(
        "SELECT id FROM _seeknal.snapshots GROUP BY ALL HAVING count(*) > 1 UNION ALL "
        "SELECT id FROM _seeknal.audits GROUP BY ALL HAVING count(*) > 1"
    )


# Workers that die

SLOW = "SELECT number, (SELECT sum(sqrt(i + {part})) FROM range({steps}) AS t(i)) AS slow"


def slowed(repo: LakeRepo, steps: int = 300_000_000) -> None:
    """Let each of the four nodes take some seconds."""
    for part in range(4):
        sql = SLOW.format(part=part, steps=steps)
        repo.replace(f"seeknal/transforms/part_{part}.yml", "SELECT number", sql)
    repo.commit("Slow")


def until(found: Callable[[], Sequence[T]], seconds: float = 60) -> T:
    """The first of what is found, once there is one."""
    deadline = time.monotonic() + seconds
    while not (all_ := found()):
        assert time.monotonic() < deadline, "in time"
        time.sleep(0.05)
    return all_[0]


def loky_workers(pid: int) -> list[int]:
    """The processes of joblib's pool that a run has begun, and that have worked for a second."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text().rpartition(")")[2].split()
            command = (folder / "cmdline").read_text()
        except OSError:
            continue
        ticks = int(stat[11]) + int(stat[12])
        if int(stat[1]) == pid and "loky" in command and ticks > 3 * os.sysconf("SC_CLK_TCK"):
            found.append(int(folder.name))
    return found


def test_a_worker_that_is_killed_costs_a_retry_with_loky(layers: LakeRepo) -> None:
    slowed(layers)
    command = layers.command("run", "--backend", "loky", "--max-workers", "2")
    with subprocess.Popen(
        command, cwd=layers.path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as run:
        os.kill(until(lambda: loky_workers(run.pid)), signal.SIGKILL)
        said = run.communicate(timeout=120)[0].decode()
    assert run.returncode == 0, said
    assert layers.ask(SUM.format("main.parts")) == [(sum(range(ROWS)),)]
    assert nothing_twice(layers), said


def test_a_worker_that_is_killed_costs_a_retry_with_dask(layers: LakeRepo, cluster: Any) -> None:
    slowed(layers)
    address, before = cluster.scheduler.address, cluster.run(os.getpid)
    command = layers.command("run", "--backend", "dask", "--address", address)
    with subprocess.Popen(
        command, cwd=layers.path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as run:
        busy = until(lambda: [name for name, keys in cluster.processing().items() if keys])
        time.sleep(2)
        os.kill(before[busy], signal.SIGKILL)
        said = run.communicate(timeout=120)[0].decode()
    assert run.returncode == 0, said
    assert layers.ask(SUM.format("main.parts")) == [(sum(range(ROWS)),)]
    assert nothing_twice(layers), said
