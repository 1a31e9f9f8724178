"""Kill a command at random instants, and look at what is left: `python -m tests.faults --command
run --kills 60`.

Production's numbers say of which publication they are: every table has a column `k`, the number in
`data/seed.csv`. So what a reader, the state and the files show can be told from the outside, and
compared with a build from nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from seeknal_git.names import WRITING
from tests.conftest import ENVIRONMENTS, Repo, View, isolated

HEAVY, FILES = 3, 4
DATED = "UPDATE _seeknal.environments SET used_at = used_at - INTERVAL 90 DAY WHERE schema_name <> 'main'"


@dataclass(frozen=True)
class Size:
    """How much there is to do: rows of what takes a while, rows of a file, tables that take none,
    and environments that gc is to drop."""

    heavy: int
    file: int
    tables: int
    environments: int


LARGE, SMALL = Size(4_000_000, 150_000, 20, 6), Size(200_000, 30_000, 6, 2)


@dataclass(frozen=True)
class Case:
    """A command to kill, and what there is before. old, new: what production shows without it, and
    after it."""

    command: list[str]
    arrange: Callable[[Repo], None]
    old: int
    new: int


@dataclass
class Count:
    """Kills that came in time, and what they met. starts: processes that were started."""

    starts: int = 0
    kills: int = 0
    open: int = 0
    after: int = 0
    behind: int = 0
    locks: int = 0
    violations: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.kills} kills of {self.starts} starts: {self.open} with the warehouse open, {self.kills - self.after} "
            f"before publication, {self.after} after it ({self.behind} before all files were there), "
            f"{self.locks} left a lock of git's; {len(self.violations)} violations"
        )


def make(repo: Repo, size: Size) -> None:
    """Production shows 0. On the branch dev, and nowhere built, the number is 1."""
    repo.path.mkdir()
    repo.git("init", "--quiet")
    repo.write("seeknal_project.yml", "name: slow\nkeep_promotions: 1\nkeep_history: 0s\n")
    repo.write(".gitignore", "target/\nexports/\n")
    repo.write("data/seed.csv", "k\n0\n")
    repo.write(
        "seeknal/sources/seed.yml", "kind: source\nname: seed\nsource: csv\ntable: data/seed.csv\n"
    )
    for n in range(HEAVY):
        total = f"sum(hash(range + {n}) % 97)::BIGINT AS total"
        select = f"SELECT range % 1000 AS bucket, {total}, any_value(k) AS k FROM range({size.heavy}), source.seed GROUP BY 1"
        transform(repo, f"buckets_{n}", select)
        joined = f"transform.buckets_{n} AS a JOIN transform.buckets_{(n + 1) % HEAVY} AS b ON b.bucket <= a.bucket"
        total = "sum(b.total * (c.range % 7))::BIGINT AS total, any_value(a.k + b.k) // 2 AS k"
        transform(
            repo,
            f"pairs_{n}",
            f"SELECT a.bucket, {total} FROM {joined}, range(3) AS c GROUP BY 1",
            "total",
        )
    for n in range(size.tables):
        transform(repo, f"value_{n}", f"SELECT {n} AS n, k FROM source.seed")
    transform(
        repo,
        "rows",
        f"SELECT range AS id, range % 3 AS part, k FROM range({size.file}), source.seed",
    )
    for n in range(FILES):
        kind = "parquet" if n % 2 else "csv"
        exposure(repo, f"file_{n}", f"path: exports/{n}.{kind}, format: {kind}")
    exposure(repo, "parts", "path: exports/parts, format: parquet, partition_by: [part]")
    repo.commit("Nothing")
    repo.seeknal("run")
    repo.switch("dev", create=True)
    repo.write("data/seed.csv", "k\n1\n")
    repo.commit("One")
    repo.switch("main")


def transform(repo: Repo, name: str, sql: str, not_null: str = "k") -> None:
    text = f"kind: transform\nname: {name}\ntransform: {sql}\ntests: [not_null: {not_null}]\n"
    repo.write(f"seeknal/transforms/{name}.yml", text)


def exposure(repo: Repo, name: str, params: str) -> None:
    text = f"kind: exposure\nname: {name}\ntype: file\ninputs: [transform.rows]\nparams: {{{params}}}\n"
    repo.write(f"seeknal/exposures/{name}.yml", text)


def edited(repo: Repo) -> None:
    repo.write("data/seed.csv", "k\n1\n")


def merged(repo: Repo) -> None:
    repo.merge("dev")


def hooked(repo: Repo) -> None:
    repo.install_hooks(process=True)  # which is killed


def released(repo: Repo) -> None:
    repo.merge("dev")
    repo.seeknal("promote")


def littered(size: Size) -> Callable[[Repo], None]:
    """Production shows 1; what shows 0, and some environments whose branches are gone, are nobody's
    any more."""

    def arrange(repo: Repo) -> None:
        released(repo)
        for number in range(size.environments):
            repo.switch(f"b{number}", create=True)
            for n in range(size.tables // 2):
                path = f"seeknal/transforms/value_{n}.yml"
                repo.replace(path, f"SELECT {n} AS n", f"SELECT {n} AS n, {number} AS number")
            repo.commit("An idea")
            repo.seeknal("run")
            repo.switch("main")
            repo.git("branch", "--quiet", "-D", f"b{number}")
        repo.tamper(DATED)

    return arrange


def cases(size: Size) -> dict[str, Case]:
    return {
        "run": Case(["run"], edited, 0, 1),
        "promote": Case(["promote"], merged, 0, 1),
        "rollback": Case(["rollback", "1"], released, 1, 0),
        "gc": Case(["gc", "--yes"], littered(size), 1, 1),
        "hook": Case(["git", "merge", "--quiet", "--no-edit", "dev"], hooked, 0, 1),
    }


@dataclass
class Bench:
    """One project, brought back to where it was before each of the kills; always in its place, as
    state names paths."""

    repo: Repo
    case: Case
    kept: Path
    shown: dict[int, dict[str, View]]
    commits: dict[int, str]
    whole: float = 0.0
    tail: float = 0.0
    since: float = 0.0

    def restore(self) -> None:
        shutil.rmtree(self.repo.path)
        shutil.copytree(self.kept, self.repo.path, symlinks=True)

    def command(self) -> list[str]:
        """The hook is killed together with the git that called it."""
        words = self.case.command
        return words if words[0] == "git" else self.repo.command(*words)


def prepare(folder: Path, name: str, size: Size) -> Bench:
    """A project in a folder, always at the same place, as state names paths; it is made once."""
    repo, made, case = Repo(folder / "repo"), folder / "made", cases(size)[name]
    if made.exists():
        shutil.rmtree(repo.path)
        shutil.copytree(made, repo.path, symlinks=True)
    else:
        make(repo, size)
        shutil.copytree(repo.path, made, symlinks=True)
    commits = {0: repo.git("rev-parse", "main"), 1: repo.git("rev-parse", "dev")}
    shown = {number: repo.fresh_build(commits[number]) for number in (0, 1)}
    case.arrange(repo)
    kept = folder / f"kept-{name}"
    shutil.copytree(repo.path, kept, symlinks=True)
    bench = Bench(repo, case, kept, shown, commits)
    measure(bench)
    return bench


def measure(bench: Bench) -> None:
    """How long the command takes, and its end, with nobody to disturb it."""
    process = started(bench)
    begun, first = time.monotonic(), None
    while process.poll() is None:
        if first is None and has_begun(bench):
            first = time.monotonic()
        time.sleep(0.002)
    assert process.returncode == 0
    bench.whole = time.monotonic() - begun
    bench.tail = time.monotonic() - (first or begun)


def started(bench: Bench) -> subprocess.Popen[bytes]:
    bench.since = time.time()  # what an earlier command left is not this one's
    return subprocess.Popen(
        bench.command(),
        cwd=bench.repo.path,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def has_begun(bench: Bench) -> bool:
    """Whether a command has come to its end: files are written in our folder right before
    publication; others write a log."""
    writing, log = bench.repo.path / WRITING, Path(f"{bench.repo.warehouse}.wal")
    if bench.case.command[0] in ("rollback", "gc"):
        return log.exists() and log.stat().st_mtime > bench.since
    return any(each.stat().st_mtime > bench.since for each in writing.glob("*/*") if each.exists())


def killed(bench: Bench, chance: random.Random, stratum: float) -> tuple[bool, bool]:
    """Start the command and kill all of it, every second time near its end; whether it was at work,
    and had the warehouse open."""
    process, begun = started(bench), time.monotonic()
    if at_the_end := chance.random() < 0.5:
        while process.poll() is None and not has_begun(bench):
            time.sleep(0.001)
        begun = time.monotonic()
    wait(process, (bench.tail if at_the_end else bench.whole) * stratum)
    members = group(process.pid)
    opened = any(has_open(pid, bench.repo.warehouse) for pid in members)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    took = time.monotonic() - begun
    process.wait()
    while group(process.pid):
        time.sleep(0.005)
    at_work = process.returncode == -signal.SIGKILL
    if not at_work:  # how long a command takes depends on what else the machine does
        assert process.returncode == 0 or bench.case.command[0] == "rollback"
        if at_the_end:
            bench.tail = 0.5 * bench.tail + 0.5 * min(took, bench.tail)
        else:
            bench.whole = 0.5 * bench.whole + 0.5 * min(took, bench.whole)
    return at_work, opened


def wait(process: subprocess.Popen[bytes], seconds: float) -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)


def group(leader: int) -> list[int]:
    """The processes of a group that live. One whose first thread is gone may still have others, and
    the lock."""
    found = []
    for each in Path("/proc").iterdir():
        with contextlib.suppress(OSError, IndexError):
            fields = (
                (each / "stat").read_text().rpartition(")")[2].split()
                if each.name.isdigit()
                else []
            )
            if (
                fields
                and int(fields[2]) == leader
                and (fields[0] != "Z" or len(list((each / "task").iterdir())) > 1)
            ):
                found.append(int(each.name))
    return found


def has_open(pid: int, path: Path) -> bool:
    with contextlib.suppress(OSError):
        return any(each.readlink() == path for each in Path(f"/proc/{pid}/fd").iterdir())
    return False


# What is left


def number_shown(bench: Bench) -> int:
    """Which publication everybody sees; all that they see has to be of that one, and the state has
    to agree."""
    views = bench.repo.production()
    number = int(views["seed"][1][0][0])
    assert views == bench.shown[number], "production shows half a state"
    numbers = bench.repo.numbers
    assert numbers("SELECT id FROM _seeknal.snapshots GROUP BY id HAVING count(*) > 1") == []
    shown = numbers(
        f"SELECT schema_name, view_name, table_name FROM _seeknal.publication_nodes SEMI JOIN {ENVIRONMENTS} USING (schema_name) "
        "QUALIFY row_number() OVER (PARTITION BY schema_name, node ORDER BY publication_id DESC) = 1 ORDER BY ALL"
    )
    there = numbers(
        "SELECT schema_name, view_name, regexp_extract(sql, '_snapshots\"?\\.\"?(\\w+)', 1) FROM duckdb_views() "
        "WHERE NOT internal ORDER BY ALL"
    )
    assert shown == there, "the state says something else than the views"
    tables = {
        name
        for (name,) in numbers(
            "SELECT table_name FROM duckdb_tables() WHERE schema_name = '_snapshots'"
        )
    }
    assert {table for _, _, table in shown} <= tables, "a table that an environment shows is gone"
    recorded = {table for _, table in bench.repo.snapshots()}
    gone = {
        table for (table,) in numbers("SELECT table_name FROM _seeknal.snapshots WHERE unstable")
    } - tables
    assert recorded - gone == tables, "the records and the tables differ"
    return number


def number_of_file(repo: Repo, name: str) -> int | None:
    """Of which publication a file is; it has to be there entirely. None for a folder between its
    two renames."""
    path = repo.path / "exports" / name
    if not path.exists() and (path.with_name(f".{name}.old")).exists():
        return None
    with duckdb.connect() as connection:
        files = str(path / "*/*.parquet") if path.is_dir() else str(path)
        query = "SELECT count(*), sum(id)::BIGINT, min(k), max(k) FROM "
        rows, total, least, most = connection.execute(f"{query} '{files}'").fetchall()[0]
    wanted = repo.numbers("SELECT count(*), sum(id)::BIGINT FROM main.rows")[0]
    assert (rows, total, least) == (*wanted, most), f"half a file: {name}"
    return int(most)


def numbers_of_files(bench: Bench) -> list[int | None]:
    names = [f"{n}.{'parquet' if n % 2 else 'csv'}" for n in range(FILES)]
    return [number_of_file(bench.repo, name) for name in (*names, "parts")]


def delivered(repo: Repo) -> dict[str, int | None]:
    """What the state says of files: exposure → the number in the table that was written; None where
    it says nothing."""
    rows = repo.numbers(
        "SELECT node, snapshot_id, table_name FROM _seeknal.exposures QUALIFY "
        "row_number() OVER (PARTITION BY node ORDER BY rowid DESC) = 1 ORDER BY node"
    )
    return {
        node: repo.numbers(f'SELECT any_value(k) FROM _snapshots."{table}"')[0][0]
        if snapshot
        else None
        for node, snapshot, table in rows
    }


def look(bench: Bench) -> tuple[int, bool]:
    """What a kill left: which publication is shown, and whether all the files are of the same."""
    repo, case = bench.repo, bench.case
    number = number_shown(bench)
    assert number in (case.old, case.new)
    files = numbers_of_files(bench)
    assert all(each in (None, case.old, number) for each in files), (
        f"files {files} are ahead of publication {number}"
    )
    if case.command[0] != "gc":
        said = list(delivered(repo).values())
        assert all(each in (None, file) for each, file in zip(said, files, strict=True)), (
            said,
            files,
        )
    assert bench.commits[case.old] == repo.production_ref or repo.production_ref == last_commit(
        repo
    )
    return number, all(each == number for each in files)


def last_commit(repo: Repo) -> str:
    query = "SELECT arg_max(commit_id, id) FROM _seeknal.publications WHERE schema_name = 'main'"
    return str(repo.numbers(query)[0][0])


def complete(bench: Bench, count: Count) -> None:
    """The next command, and what there is then. Git's own locks are removed first, as git says."""
    repo, case = bench.repo, bench.case
    if case.command[0] == "git":
        complete_merge(bench, count)
    else:
        repo.seeknal(*case.command, code=0 if case.command[0] != "rollback" else None)
    assert look(bench) == (case.new, True), "the next command did not complete"
    assert last_commit(repo) == repo.production_ref
    status = repo.seeknal("status", "--json").json
    assert not status["production"]["pending"] or case.command[0] == "rollback"
    assert status["production"]["failure"] is None
    if case.command[0] == "gc":
        assert repo.environments() == ["main"]
        assert repo.seeknal("gc", "--json").json["snapshots"] == []
    elif case.command[0] != "rollback":
        assert repo.built() == []
        assert look(bench) == (case.new, True)


def complete_merge(bench: Bench, count: Count) -> None:
    """The merge was made or was not, git goes on, and a merge that was not promoted is said to be
    pending."""
    repo = bench.repo
    locks = list((repo.path / ".git").rglob("*.lock"))
    count.locks += bool(locks)
    for lock in locks:
        lock.unlink()
    repo.git("fsck", "--no-dangling")
    head = repo.git("rev-parse", "main")
    assert head in bench.commits.values(), "the merge is neither done nor not done"
    if head == bench.commits[0]:
        repo.git(
            "reset", "--quiet", "--hard"
        )  # a fast-forward that was killed while it wrote the working tree
        assert not repo.seeknal("status", "--json").json["production"]["pending"]
        repo.merge("dev")
    else:
        assert repo.git("status", "--porcelain") == ""
        production: dict[str, Any] = repo.seeknal("status", "--json").json["production"]
        assert production["pending"] is (number_shown(bench) == 0)
        assert repo.seeknal("promote").code == 0


def trial(bench: Bench, chance: random.Random, stratum: float, count: Count, most: int) -> None:
    """Kill the command, up to three times over, look each time, and let it complete."""
    bench.restore()
    number, there = bench.case.old, True
    for again in range(chance.choice((1, 1, 2, 3))):
        if count.kills >= most or (again and bench.case.command[0] == "git"):
            break
        at_work, opened = killed(bench, chance, stratum if not again else chance.random())
        count.starts += 1
        number, there = look(bench)
        if at_work:
            count.kills += 1
            count.open += opened
            after = (
                number == bench.case.new if bench.case.old != bench.case.new else has_dropped(bench)
            )
            count.after += after
            count.behind += after and not there
    complete(bench, count)


def has_dropped(bench: Bench) -> bool:
    """Of gc: whether anything is gone."""
    before = Repo(bench.kept).numbers("SELECT count(*) FROM duckdb_views() WHERE NOT internal")
    return bench.repo.numbers("SELECT count(*) FROM duckdb_views() WHERE NOT internal") != before


def kill_many(bench: Bench, kills: int, seed: int, keep: Path | None = None) -> Count:
    """Kills at instants that are random, and spread over the command. keep: where to put what went
    wrong."""
    chance, count, told = random.Random(seed), Count(), 0
    while count.kills < kills and count.starts < 4 * kills:
        stratum = (count.kills % 10 + chance.random()) / 10
        try:
            trial(bench, chance, stratum, count, kills)
        except (AssertionError, duckdb.Error, OSError, ValueError) as exc:
            count.violations.append(str(exc).partition("\n")[0])
            if keep is None:
                raise
            place = keep / f"violation-{bench.case.command[0]}-{seed}-{len(count.violations)}"
            shutil.copytree(bench.repo.path, place, symlinks=True)
            sys.stdout.write(f"{place}: {exc}\n")
        if keep and count.kills // 10 > told:
            told = count.kills // 10
            sys.stdout.write(f"  {count}\n")
            sys.stdout.flush()
    return count


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--command", choices=list(cases(LARGE)), action="append", required=True)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with (
        isolated(Path(tempfile.mkdtemp(prefix="home-"))),
        tempfile.TemporaryDirectory(prefix="faults-") as folder,
    ):
        for name in given.command:
            started_at = time.monotonic()
            bench = prepare(Path(folder), name, LARGE)
            count = kill_many(bench, given.kills, given.seed, Path(tempfile.gettempdir()))
            seconds = time.monotonic() - started_at
            took = f"{name} takes {bench.whole:.1f} s, its end {bench.tail:.1f} s"
            sys.stdout.write(f"{took}. {count}; {seconds:.0f} s\n")
            sys.stdout.flush()


if __name__ == "__main__":
    _main()
