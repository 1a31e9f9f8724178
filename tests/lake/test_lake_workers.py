"""Workers in other processes: joblib's own, those of Dask and of Ray; and workers that die."""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from seeknal_git.build import tasks
from seeknal_git.project.lake_place import Directions
from seeknal_git.project.profile_places import ProfilePlaces
from seeknal_git.project.workspace import open_workspace
from seeknal_git.warehouse.model.snapshots import Blueprint
from tests.lake.conftest import LakeRepo, many_numbers

T = TypeVar("T")
# Too many rows for a run to build the nodes that read them in one go, by itself.
ROWS = 20_000
SUM = "SELECT sum(number) FROM {}"


EVEN = "SELECT number FROM source.orders WHERE number % 2 = 0"


def transform(name: str, sql: str, checks: str = "") -> str:
    return f"kind: transform\nname: {name}\ntransform: |\n  {sql}\n{checks}"


@pytest.fixture
def layers(lake: LakeRepo) -> LakeRepo:
    """A project of three layers with many rows: four nodes, then one that reads them, and a
    rule."""
    many_numbers(lake, ROWS)
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
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def engines() -> int:
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
    layers.git("switch", "--quiet", "-c", "half")
    layers.replace("seeknal/transforms/part_3.yml", "WHERE", "WHERE number < 10000 AND")
    layers.commit("Half of a part")
    told = layers.run("--backend", "dask", "--address", address)
    assert sorted(told["built"]) == ["transform.part_3", "transform.parts"]
    layers.switch("main")
    layers.merge("half")
    told = layers.seeknal("promote", "--backend", "dask", "--address", address, "--json").json
    assert told["built"] == {}, "workers built it for the branch"
    assert nothing_twice(layers)


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


def test_failures_have_the_words_and_lines_of_a_run_in_threads(layers: LakeRepo) -> None:
    layers.replace("seeknal/transforms/part_0.yml", "SELECT number", "SELECT number // 8 AS number")
    layers.replace(
        "seeknal/transforms/part_1.yml", "SELECT number", "SELECT error('no ' || number) AS number"
    )
    layers.commit("Wrong")
    told = [
        layers.run("--continue-on-error", "--backend", backend, "--max-workers", "2", code=1)
        for backend in ("threading", "loky")
    ]
    assert told[0]["failed"] == told[1]["failed"]
    assert "unique" in told[1]["failed"]["transform.part_0"]
    assert "no 1 (seeknal/transforms/part_1.yml)" in told[1]["failed"]["transform.part_1"]
    assert told[1]["skipped"] == ["transform.parts"]


def test_a_bucket_is_opened_by_the_profile_that_the_worker_finds(bucket: LakeRepo) -> None:
    numbers = "\n".join(map(str, range(ROWS)))
    bucket.write("data/orders.csv", f"number\n{numbers}\n")
    bucket.git("rm", "--quiet", "-r", "seeknal/transforms", "seeknal/exposures", "seeknal/rules")
    bucket.write("seeknal/transforms/even.yml", transform("even", EVEN))
    bucket.write("seeknal/transforms/odd.yml", transform("odd", EVEN.replace("= 0", "= 1")))
    settings = bucket.read("seeknal_project.yml")
    bucket.write("seeknal_project.yml", f"{settings}workers: {{backend: loky, jobs: 2}}\n")
    bucket.commit("Two halves")
    bucket.seeknal("run")
    assert bucket.ask("SELECT count(*) FROM main.even") == [(ROWS // 2,)]


def test_a_task_has_no_secret_and_a_worker_elsewhere_has_a_profile_of_its_own(
    bucket: LakeRepo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.seeknal("run")
    directions = open_workspace(bucket.path).directions
    assert directions is not None
    elsewhere = replace(directions, places=ProfilePlaces((tmp_path / "nowhere",)))
    task = a_task(elsewhere, "SELECT 42 AS answer")
    assert bucket.catalog.encode() not in pickle.dumps(task)
    assert b"url_style" not in pickle.dumps(task)
    monkeypatch.chdir(tmp_path)
    refused = performed(task).refusal
    assert refused is not None
    assert "LAKE_CATALOG is not set" in refused.message
    for name in (".env", "profiles.yml"):
        shutil.move(bucket.path / name, tmp_path / name)
    done = performed(task)
    assert done.snapshot is not None, done
    assert performed(task).snapshot == done.snapshot, "a second try finds the first one's table"


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param("SELECT * FROM read_text('/etc/hostname')", id="a file"),
        pytest.param("SELECT * FROM postgres_query('warehouse', 'SELECT 1')", id="the catalog"),
        pytest.param("FROM duckdb_databases()", id="addresses"),
    ],
)
def test_a_worker_is_confined_as_a_run_is(lake: LakeRepo, sql: str) -> None:
    lake.seeknal("run")
    directions = open_workspace(lake.path).directions
    assert directions is not None
    done = performed(a_task(directions, sql))
    assert done.snapshot is None
    assert done.refusal is not None


def test_a_worker_without_the_folder_of_the_rows_says_so(lake: LakeRepo) -> None:
    lake.seeknal("run")
    directions = open_workspace(lake.path).directions
    assert directions is not None
    shutil.move(lake.path / "target/lake", lake.path / "target/gone")
    refused = performed(a_task(directions, "SELECT 42 AS answer")).refusal
    assert refused is not None
    assert "There is no folder" in refused.message


def performed(task: tasks.Task) -> tasks.Done:
    """Do a task here. It takes Ctrl-C away from its process."""
    before = signal.getsignal(signal.SIGINT)
    try:
        return tasks.perform(task)
    finally:
        signal.signal(signal.SIGINT, before)


def a_task(directions: Directions, sql: str) -> tasks.Task:
    """To build a table by a SELECT, in a run of its own."""
    blueprint = Blueprint(
        id="0123456789abcdef",
        identity="of a test",
        build="",
        unstable=False,
        node="transform.answer",
        name="answer",
        fingerprint="of a test",
        data_version=None,
        sql=sql,
        parameters={},
    )
    return tasks.Task(0, uuid.uuid4().hex, directions, blueprint, (), (), 1)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param("--backend dsk", "Did you mean dask?", id="an unknown backend"),
        pytest.param("--backend loky --address tcp://h:1", "has no address", id="address of loky"),
        pytest.param("--backend dask --address tcp://127.0.0.1:1", "Nobody answers", id="nobody"),
        pytest.param("--backend dask --address here", "tcp://HOST:8786", id="no address"),
    ],
)
@pytest.mark.parametrize("command", ["run", "promote"])
def test_workers_that_cannot_be_are_one_message(
    lake: LakeRepo, command: str, options: str, said: str
) -> None:
    told = lake.seeknal(command, *options.split(), code=2)
    assert said in told.err
    assert not (lake.path / "target/lake").exists(), "nothing was begun"


# Workers that die. `FAULTS=100` kills ten of each kind.

TIMES = range(max(1, int(os.environ.get("FAULTS", "6")) // 10))
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


def workers_of(run: int) -> list[int]:
    """The processes that a run has begun, and that have worked for some seconds."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            after_name = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        group, ticks = int(after_name[2]), int(after_name[11]) + int(after_name[12])
        if group == run != int(folder.name) and ticks > 3 * os.sysconf("SC_CLK_TCK"):
            found.append(int(folder.name))
    return found


def assert_whole(layers: LakeRepo, run: subprocess.Popen[bytes], said: str) -> None:
    """The run ended well, nothing is lost, and nothing was made twice."""
    assert run.returncode == 0, said
    assert layers.ask(SUM.format("main.parts")) == [(sum(range(ROWS)),)]
    assert nothing_twice(layers), said


def begun(layers: LakeRepo, command: Sequence[str]) -> subprocess.Popen[bytes]:
    """A command that is at work, in a session of its own."""
    return subprocess.Popen(
        command,
        cwd=layers.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


@pytest.mark.parametrize("_time", TIMES)
def test_a_worker_that_is_killed_costs_a_retry_with_loky(layers: LakeRepo, _time: int) -> None:
    slowed(layers)
    command = layers.command("run", "--backend", "loky", "--max-workers", "2")
    with begun(layers, command) as run:
        os.kill(until(lambda: workers_of(run.pid)), signal.SIGKILL)
        said = run.communicate(timeout=120)[0].decode()
    assert_whole(layers, run, said)


@pytest.mark.parametrize("_time", TIMES)
def test_a_worker_that_is_killed_costs_a_retry_with_dask(
    layers: LakeRepo, cluster: Any, _time: int
) -> None:
    slowed(layers)
    address, before = cluster.scheduler.address, cluster.run(os.getpid)
    command = layers.command("run", "--backend", "dask", "--address", address)
    with begun(layers, command) as run:
        busy = until(lambda: [name for name, keys in cluster.processing().items() if keys])
        time.sleep(2)
        os.kill(before[busy], signal.SIGKILL)
        said = run.communicate(timeout=120)[0].decode()
    assert_whole(layers, run, said)


@pytest.mark.parametrize("backend", ["loky", "dask"])
def test_ctrl_c_ends_the_workers(layers: LakeRepo, backend: str) -> None:
    pytest.importorskip("distributed")
    slowed(layers)
    command = layers.command("run", "--backend", backend, "--max-workers", "2")
    with begun(layers, command) as run:
        until(lambda: workers_of(run.pid))
        os.killpg(run.pid, signal.SIGINT)
        said = run.communicate(timeout=60)[0].decode()
    assert run.returncode == 130, said
    assert "Traceback" not in said
    assert not workers_of(run.pid)
