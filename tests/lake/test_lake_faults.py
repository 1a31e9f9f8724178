"""Faults while several machines work on one lake: nothing is lost, and production always shows the
numbers of one commit. `FAULTS=100` tries as many kills, `TEAM=8 TEAM_SECONDS=120` as large a team."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Repo
from tests.lake.conftest import LakeRepo, begin
from tests.servers import Postgres, need_extensions, needed_programs, running

KILLS = int(os.environ.get("FAULTS", "6"))
TEAM = int(os.environ.get("TEAM", "3"))
SECONDS = float(os.environ.get("TEAM_SECONDS", "12"))
DAILY = "seeknal/transforms/daily.yml"
SUM = "sum(amount) AS total"


def shown(lake: LakeRepo) -> list[Any]:
    """Production's numbers, as anybody reads them."""
    return [total for (total,) in lake.ask("SELECT total FROM main.daily ORDER BY day")]


def times(repo: Repo, factor: int) -> None:
    """Commit other numbers."""
    text = repo.read(DAILY)
    line = next(line for line in text.splitlines() if "AS total" in line)
    repo.write(DAILY, text.replace(line.strip(), line.strip().partition("sum(")[0] + new(factor)))
    repo.commit(f"Times {factor}")


def new(factor: int) -> str:
    return f"sum(amount) * {factor} AS total"


def publications(lake: LakeRepo) -> list[int]:
    rows = lake.ask(
        "SELECT id FROM _seeknal.publications WHERE schema_name = 'main' ORDER BY rowid"
    )
    return [number for (number,) in rows]


def killed(repo: Repo, after: float, *arguments: str) -> bool:
    """Kill a command, with all processes of its own; whether it was still at work."""
    command = subprocess.Popen(
        repo.command(*arguments),
        cwd=repo.path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        command.wait(after)
    except subprocess.TimeoutExpired:
        os.killpg(command.pid, signal.SIGKILL)
        command.wait()
        return True
    return False


@pytest.mark.parametrize("kind", ["run", "promote", "gc"])
def test_a_killed_command_is_completed_by_the_next_one(lake: LakeRepo, kind: str) -> None:
    lake.seeknal("run")
    dice, count = random.Random(kind), 0
    started = time.monotonic()
    lake.seeknal("run", subprocess=True)
    idle = time.monotonic() - started  # a command with something to do takes longer
    for number in range(2, 2 + KILLS // 3):
        lake.git("switch", "--quiet", "--force-create", "dev", "main")
        times(lake, number)
        if kind == "promote":
            lake.seeknal("run")
        lake.git("switch", "--quiet", "main")
        before = shown(lake)
        if kind != "run":
            lake.git("-c", "core.hooksPath=/dev/null", "merge", "--quiet", "dev")
        command = {
            "run": ["run", "--env", "dev"],
            "promote": ["promote"],
            "gc": ["gc", "--yes"],
        }[kind]
        count += killed(lake, dice.uniform(idle / 4, idle), *command)
        assert shown(lake) in (before, [30 * number, 70 * number])
        lake.seeknal(*(["run"] if kind == "gc" else command))
        if kind == "run":
            lake.git("-c", "core.hooksPath=/dev/null", "merge", "--quiet", "dev")
            lake.seeknal("promote")
        assert shown(lake) == [30 * number, 70 * number]
        numbers = publications(lake)
        assert sorted(set(numbers)) == list(range(1, max(numbers) + 1))
    assert count, "no command was killed at work"


@pytest.fixture
def server() -> Iterator[Postgres]:
    """A server of this test alone, which may stop."""
    need_extensions("ducklake", "postgres_scanner")
    with running(needed_programs()) as found:
        yield found


def on(tmp_path: Path, catalog: str) -> LakeRepo:
    setting = f'{{type: ducklake, catalog: "{catalog}", data: target/lake}}'
    return begin(LakeRepo(tmp_path / "shop", catalog), setting)


SLOW = """
    import pathlib
    import time

    from seeknal.pipeline import transform


    @transform(inputs=["transform.daily"])
    def slow(ctx):
        pathlib.Path("{path}").touch()
        time.sleep(8)
        return ctx.ref("transform.daily")
"""


def begun_slowly(lake: LakeRepo) -> subprocess.Popen[str]:
    """A run of a commit with other numbers, which has built these and is at work."""
    mark = lake.path / "target/at_work"
    lake.write("seeknal/slow.py", SLOW.format(path=mark))
    lake.replace(DAILY, SUM, new(2))
    lake.commit("Slow")
    run = subprocess.Popen(
        lake.command("run"),
        cwd=lake.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    while not mark.exists():
        assert run.poll() is None, run.communicate()
        time.sleep(0.1)
    return run


def test_a_server_that_restarts_fails_a_run_and_the_next_one_goes_on(
    tmp_path: Path, server: Postgres
) -> None:
    lake = on(tmp_path, f"postgres:{server.database()}")
    lake.seeknal("run")
    run = begun_slowly(lake)
    server.stop()
    server.start()
    told, _ = run.communicate(timeout=120)
    assert "Traceback" not in told
    assert shown(lake) in ([30, 70], [60, 140])
    lake.seeknal("run")
    assert shown(lake) == [60, 140]


class Proxy:
    """A way to a server that can be cut."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._ends: list[socket.socket] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._server.accept()
                other = socket.create_connection(("127.0.0.1", self._target))
                self._ends += [client, other]
                threading.Thread(target=self._serve, args=(client, other), daemon=True).start()

    def _serve(self, client: socket.socket, server: socket.socket) -> None:
        back = threading.Thread(target=self._copy, args=(server, client), daemon=True)
        with client, server:
            back.start()
            self._copy(client, server)
            back.join()

    @staticmethod
    def _copy(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        """Cut all connections; later ones go through."""
        ends, self._ends = self._ends, []
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._server.close()
        self.cut()


@contextmanager
def proxy(port: int) -> Iterator[Proxy]:
    way = Proxy(port)
    try:
        yield way
    finally:
        way.close()


def test_a_connection_that_is_cut_fails_a_run_and_the_next_one_goes_on(
    tmp_path: Path, postgres: Postgres
) -> None:
    need_extensions("ducklake", "postgres_scanner")
    address = postgres.database()
    with proxy(postgres.port) as way:
        lake = on(
            tmp_path, f"postgres:{address.replace(f'port={postgres.port}', f'port={way.port}')}"
        )
        lake.seeknal("run")
        run = begun_slowly(lake)
        way.cut()
        told, _ = run.communicate(timeout=120)
        assert "Traceback" not in told
        assert shown(lake) in ([30, 70], [60, 140])
        lake.seeknal("run")
        assert shown(lake) == [60, 140]


# A team


class Member(threading.Thread):
    """Somebody who changes numbers, merges and releases, again and again, in a clone."""

    def __init__(self, repo: Repo, number: int, until: float) -> None:
        super().__init__()
        self.repo, self.number, self.until = repo, number, until
        self.releases: list[int] = []
        self.faults: list[str] = []

    def run(self) -> None:
        turn = 0
        while time.monotonic() < self.until:
            turn += 1
            try:
                self.change(self.number * 1000 + turn)
            except AssertionError as exc:
                self.faults.append(str(exc))
                return

    def change(self, factor: int) -> None:
        """Release a commit that multiplies by a factor."""
        repo, branch = self.repo, f"m{self.number}"
        repo.git("fetch", "--quiet", "origin")
        repo.git("switch", "--quiet", "--force-create", branch, "origin/main")
        times(repo, factor)
        ran = repo.seeknal("run", subprocess=True, code=None)
        assert ran.code == 0, ran.err
        assert [row["total"] for row in self.asked(branch)] == [30 * factor, 70 * factor]
        if repo.try_git("push", "--quiet", "origin", f"{branch}:main").returncode:
            return  # somebody else was faster; merge again in the next turn
        repo.git("switch", "--quiet", "main")
        repo.git("-c", "core.hooksPath=/dev/null", "merge", "--quiet", "--ff-only", branch)
        promoted = repo.seeknal("promote", subprocess=True, code=None)
        assert "Traceback" not in promoted.err
        if promoted.code == 0:
            self.releases.append(factor)
        else:  # somebody has released a later commit already
            assert "error:" in promoted.err, promoted.err

    def asked(self, branch: str) -> list[dict[str, object]]:
        question = "SELECT total FROM daily ORDER BY day"
        rows = self.repo.seeknal("query", question, "--env", branch, "--json", subprocess=True).json
        return list(rows)


def test_a_team_that_runs_and_promotes_at_once_loses_nothing(
    tmp_path: Path, postgres: Postgres
) -> None:
    need_extensions("ducklake", "postgres_scanner")
    catalog = f"postgres:{postgres.database()}"
    lake = LakeRepo(tmp_path / "shop", catalog)
    begin(lake, f'{{type: ducklake, catalog: "{catalog}", data: "{tmp_path}/rows"}}')
    lake.seeknal("run")
    lake.git("clone", "--quiet", "--bare", ".", f"{tmp_path}/origin.git")
    members = []
    for number in range(1, TEAM + 1):
        lake.git("clone", "--quiet", f"{tmp_path}/origin.git", f"{tmp_path}/clone{number}")
        clone = Repo(tmp_path / f"clone{number}")
        members.append(Member(clone, number, time.monotonic() + SECONDS))
    for member in members:
        member.start()
    seen = set()
    while any(member.is_alive() for member in members):
        first, second = shown(lake)
        assert first * 7 == second * 3
        seen.add(first)
        time.sleep(0.2)
    for member in members:
        member.join()
        assert member.faults == []
    released = {factor * 30 for member in members for factor in member.releases} | {30}
    assert seen <= released
    numbers = publications(lake)
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) > 1
