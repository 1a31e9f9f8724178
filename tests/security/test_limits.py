"""A plan of anything ends soon: whatever a tree holds, one message says which file exceeds which
limit."""

from __future__ import annotations

import contextlib
import functools
import gzip
import os
import re
import resource
import signal
import socket
import subprocess
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import duckdb
import pygit2
import pytest
from pygit2.enums import FileMode

from seeknal_git.errors import Limits, limits, variable
from seeknal_git.sql import worker
from tests.conftest import ROOT, Repo

# Statements that cost minutes or gigabytes where they are bound.
ENDLESS = {
    "a long text in a filter": "SELECT 1 AS a WHERE length(repeat('x', 500000000)) > 3",
    "aliases that double": "SELECT 1 AS a0, "
    + ", ".join(f"a{i} + a{i} AS a{i + 1}" for i in range(60)),
    "conditions side by side": f"SELECT {' AND '.join(['a=1'] * 15_000)} AS b FROM (SELECT 1 AS a)",
    "sub-queries that see each other": f"SELECT {'(SELECT a + ' * 20}a{' FROM (SELECT a) t)' * 20} AS z FROM (SELECT 1 AS a)",
}
if int(duckdb.__version__.partition(".")[0]) > 1:  # the version before reads it in time
    ENDLESS["tables one below the other"] = " UNION ALL ".join(["SELECT 1 AS a"] * 5_000)


def _limit(monkeypatch: pytest.MonkeyPatch, **given: int) -> None:
    for name, value in given.items():
        monkeypatch.setenv(variable(name), str(value))


def _transform(shop: Repo, sql: str, name: str = "endless") -> None:
    shop.write(
        f"seeknal/transforms/{name}.yml", f"kind: transform\nname: {name}\ntransform: |\n  {sql}\n"
    )


LONG_TEXT = "SELECT length(repeat('x', 500000000)) AS a"
LONG_LIST = "SELECT 1 AS a LIMIT (SELECT len(range(100000000)))"


@pytest.mark.parametrize("sql", ENDLESS.values(), ids=ENDLESS)
def test_a_statement_that_is_never_read_to_its_end_is_named(
    shop: Repo, monkeypatch: pytest.MonkeyPatch, sql: str
) -> None:
    _limit(monkeypatch, seconds=1)
    _transform(shop, sql)
    start = time.process_time()
    result = shop.seeknal("validate", code=1)
    assert time.process_time() - start < 5
    assert result.err.startswith("error: seeknal/transforms/endless.yml:4: ")
    assert result.err.count("error:") == 1
    assert "more than 1 s" in result.err
    assert "SEEKNAL_LIMIT_SECONDS=2" in result.err


def test_all_other_nodes_are_judged_all_the_same(
    shop: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    _limit(monkeypatch, seconds=1)
    _transform(shop, LONG_TEXT, "a")
    _transform(shop, "SELECT 1 AS a", "b")
    _transform(shop, LONG_LIST, "c")
    _transform(shop, "SELECT missing FROM transform.clean_orders", "d")
    _transform(shop, "SELECT a FROM transform.a", "e")
    result = shop.seeknal("validate", code=1)
    said = [
        line.split(":")[1].strip() for line in result.err.splitlines() if line.startswith("error")
    ]
    assert said == [f"seeknal/transforms/{name}.yml" for name in "acd"]
    assert result.err.count("more than 1 s") == 2


def test_several_workers_name_the_same_nodes_as_one(
    shop: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.stop()
    _limit(monkeypatch, seconds=1)
    monkeypatch.setattr(worker, "_processors", lambda: 3)
    for number in range(200):
        sql = LONG_TEXT if number in (3, 150) else f"SELECT {number} AS a"
        _transform(shop, sql, f"n{number:03}")
    result = shop.seeknal("validate", code=1)
    assert re.findall(r"transforms/(\w+)\.yml", result.err) == ["n003", "n150"]
    assert len(next(iter(worker._started.values())).processes) > 1
    worker.stop()


def _cube(columns: int) -> str:
    """A statement whose tree has 2 to the power of `columns` parts."""
    names = ", ".join(f"a{number}" for number in range(columns))
    values = ", ".join(f"{number} AS a{number}" for number in range(columns))
    return f"SELECT {names} FROM (SELECT {values}) GROUP BY CUBE ({names})"


def test_memory_is_bounded_and_who_allows_more_is_not_told_what_was_said_before(
    shop: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    _transform(shop, _cube(14 if int(duckdb.__version__.partition(".")[0]) > 1 else 15))
    _limit(monkeypatch, memory_mb=100)
    # A process of its own: the memory that other tests left free here would count.
    result = shop.seeknal("plan", code=1, subprocess=True)
    assert result.err.startswith("error: seeknal/transforms/endless.yml:4: ")
    assert "it takes the engine more than 100 MB" in result.err
    assert result.err.count("error:") == 1
    monkeypatch.delenv(variable("memory_mb"))
    shop.seeknal("plan")


def test_all_statements_together_are_bounded_too(
    shop: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.stop()
    monkeypatch.setattr(worker, "_ALL", 0.0)
    monkeypatch.setattr(worker, "_EACH", 0.0)
    result = shop.seeknal("validate", code=1)
    assert "The SQL of this project takes the engine more than a minute" in result.err
    assert result.err.startswith("error: seeknal/")
    worker.stop()


def test_a_worker_that_is_killed_is_no_fault_of_the_statement(shop: Repo) -> None:
    shop.seeknal("validate")
    running = next(iter(worker._started.values())).processes[0]
    os.kill(running.pid, signal.SIGKILL)
    _transform(shop, "SELECT 1 AS a", "sound")
    shop.seeknal("validate")


def test_a_system_that_allows_less_is_no_obstacle(shop: Repo) -> None:
    less = functools.partial(resource.setrlimit, resource.RLIMIT_CPU, (8, 8))
    done = subprocess.run(
        shop.command("validate"),
        cwd=shop.path,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=less,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_process_with_many_open_files_is_no_obstacle(shop: Repo) -> None:
    worker.stop()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, most[1]), most[1]))
    opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        shop.seeknal("validate")
    finally:
        for descriptor in opened:
            os.close(descriptor)
        worker.stop()
        resource.setrlimit(resource.RLIMIT_NOFILE, most)


def test_a_worker_ends_with_its_command(shop: Repo) -> None:
    """Whoever reads the output to its end must not wait for it, and nothing is left behind."""
    shop.seeknal("plan", subprocess=True)
    left = [each for each in Path("/proc").glob("[0-9]*/cwd") if _leads_to(each, shop.path)]
    assert left == []


def _leads_to(link: Path, folder: Path) -> bool:
    try:
        return link.readlink() == folder
    except OSError:  # it has ended, or is somebody else's
        return False


@pytest.mark.parametrize("value", ["0", "-1", "many", "1.5"])
def test_a_limit_is_a_number_from_one(
    shop: Repo, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("SEEKNAL_LIMIT_COLUMNS", value)
    assert "SEEKNAL_LIMIT_COLUMNS is a number from 1" in shop.seeknal("plan", code=2).err


_LONG = 120_000

# Files of nodes that take minutes to read, for what is looked for in their texts.
FILES = {
    "templates that never end": f"transform: SELECT 1 AS a\nparams:\n  a: '{'{{' * _LONG}'\n",
    "comments in many texts": "transform: SELECT 1 AS a\nparams:\n"
    + "".join(f"  k{n}: a --\n    b\n" for n in range(8_000)),
    "comments in many tests": "transform: SELECT 1 AS a\ntests:\n"
    + "".join("- custom_sql: SELECT --\n    b\n" for _ in range(5_000)),
    "comments that never end": f"transform: >\n  SELECT '--' AS a\n  FROM x {'/*' * _LONG}\n",
    "dollars that never end": f"transform: >\n  SELECT '--' AS a\n  FROM x {'$a$ ' * (_LONG // 2)}\n",
    "texts by name": f"a: &a '{'x -- y ' * 9_000}'\ntransform: SELECT 1 AS a\nb: [{', '.join(['*a'] * 15_000)}]\n",
    "words that are nearly right": "transform: SELECT 1 AS a\n"
    + "".join(f"descriptio{n}: 1\n" for n in range(6_000)),
    "a glob for any number of folders": f"source: csv\ntable: '{'**/' * 3_000}x.csv'\n",
    "a type of lists of lists": f"source: csv\ntable: data/orders.csv\nschema: [{{name: id, data_type: 'int{'[]' * 5_000}'}}]\n",
}


@pytest.mark.parametrize(
    "sql", [f"SELECT {'NOT ' * 30_000}true AS a", f"SELECT {'-(' * 20_000}1{')' * 20_000} AS a"]
)
def test_what_is_nested_too_deep_for_the_engine_is_told_what_to_do(shop: Repo, sql: str) -> None:
    _transform(shop, sql)
    said = shop.seeknal("validate", code=1).err
    assert "nested too deep: divide it into CTEs, or nodes of their own" in said
    assert "SET " not in said


@pytest.mark.parametrize("text", FILES.values(), ids=FILES)
def test_a_file_is_read_in_a_time_that_grows_with_its_size(shop: Repo, text: str) -> None:
    kind = "source" if text.startswith("source") else "transform"
    shop.write(f"seeknal/{kind}s/hostile.yml", f"kind: {kind}\nname: hostile\n{text}")
    start = time.process_time()
    result = shop.seeknal("validate", code=None)
    assert time.process_time() - start < 5
    assert result.code in (0, 1)


GLOBS = {
    "any folders again and again": "**/" * 12 + "x.csv",
    "folders of one name again and again": "**/a*/" * 9 + "x.csv",
    "letters again and again": "data/" + "*a" * 100 + "b.csv",
}


@pytest.mark.parametrize("glob", GLOBS.values(), ids=GLOBS)
def test_a_glob_finds_each_file_once(shop: Repo, glob: str) -> None:
    for place in ("a/" * 40, "raw/" + "a/" * 40):
        shop.write(f"{place}y.csv", "a\n1\n")
    shop.write(f"data/{'a' * 240}.csv", "a\n1\n")
    shop.write(
        "seeknal/sources/hostile.yml",
        f"kind: source\nname: hostile\nsource: csv\ntable: '{glob}'\n",
    )
    shop.write(
        "seeknal/exposures/hostile.yml",
        "kind: exposure\nname: hostile\ntype: file\ninputs:\n  - ref: transform.daily\n"
        f"params: {{path: '{'a/' * 40}{'a' * 200}.csv'}}\n",
    )
    shop.commit()
    start = time.process_time()
    shop.seeknal("validate", code=None)
    assert time.process_time() - start < 5


def test_folders_that_link_to_each_other_are_not_followed_for_ever(
    shop: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        (shop.path / f"data/{name}").symlink_to(".")
    shop.write(
        "seeknal/sources/round.yml",
        f"kind: source\nname: round\nsource: csv\ntable: 'data/{'*/' * 30}x.csv'\n",
    )
    _limit(monkeypatch, files=5_000)
    for _ in range(2):  # then the links are tracked
        result = shop.seeknal("validate", code=1)
        assert result.err.startswith("error: seeknal/sources/round.yml:4: data/")
        assert "more than 5,000 files" in result.err
        shop.commit()


def test_only_the_first_names_that_are_missing_are_looked_for(shop: Repo) -> None:
    tables = ", ".join(f"transform.dayly{number}" for number in range(100))
    _transform(shop, f"SELECT 1 AS a FROM {tables}")
    hints = shop.seeknal("validate", code=1).err.count("Did you mean transform.daily?")
    assert hints == 20


def test_a_diff_of_long_files_is_that_of_what_differs(shop: Repo) -> None:
    lines = [f"-- {number % 97}" for number in range(20_000)]
    _transform(shop, "\n  ".join(["SELECT 1 AS a", *lines]))
    shop.commit()
    shop.switch("dev", create=True)
    _transform(shop, "\n  ".join(["SELECT 1 AS a", "-- first", *reversed(lines)]))
    start = time.process_time()
    out = shop.seeknal("diff").out
    assert time.process_time() - start < 5
    assert "+  -- first" in out


def _folder_in_folders(repo: Repo, levels: int) -> str:
    """A tree of git's in which each folder has the one below it ten times: 10 to the power of
    `levels` files."""
    entry = f"100644 blob {repo.git('hash-object', '-w', 'README')}\tx.yml"
    for _ in range(levels):
        entries = (
            entry
            if entry.endswith("x.yml")
            else "\n".join(f"{entry}{number}" for number in range(10))
        )
        entry = f"040000 tree {_made(repo, entries)}\tf"
    return entry.split()[2]


def _made(repo: Repo, entries: str) -> str:
    command = ["git", "mktree"]
    return subprocess.run(
        command, cwd=repo.path, input=entries, capture_output=True, text=True, check=True
    ).stdout.strip()


def test_a_commit_of_endless_folders_is_refused(
    shop: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    _limit(monkeypatch, files=20_000)
    shop.write("README", "kind: transform\n")
    bomb = _folder_in_folders(shop, 12)
    root = _made(shop, f"{shop.git('ls-tree', 'HEAD')}\n040000 tree {bomb}\tdocs")
    commit = shop.git("commit-tree", "-p", "HEAD", "-m", "A bomb", root)
    shop.git("branch", "bomb", commit)
    start = time.process_time()
    for arguments in (["plan", "bomb"], ["plan", "bomb", "--into", "main"]):
        result = shop.seeknal(*arguments, code=None)
        assert result.code == 1
        assert "has more than 20,000 files" in result.err
    assert time.process_time() - start < 5
    shop.seeknal("plan")


def test_folders_may_lie_deep_in_each_other(shop: Repo) -> None:
    handle = pygit2.Repository(str(shop.path))
    folder, mode = handle.create_blob(b"x"), FileMode.BLOB
    for _ in range(1_500):
        builder = handle.TreeBuilder()
        builder.insert("f", folder, mode)
        folder, mode = builder.write(), FileMode.TREE
    root = _made(shop, f"{shop.git('ls-tree', 'HEAD')}\n040000 tree {folder}\tf")
    shop.git("branch", "deep", shop.git("commit-tree", "-p", "HEAD", "-m", "Deep", root))
    shop.seeknal("plan", "deep")


def test_a_node_that_unpacks_to_gigabytes_is_not_unpacked(shop: Repo) -> None:
    (shop.path / "seeknal/transforms/zeros.yml").write_bytes(bytes(80 << 20))
    shop.commit()
    (shop.path / "seeknal/transforms/zeros.yml").unlink()
    shop.seeknal("plan", code=None)  # imports what it needs
    tracemalloc.start()
    result = shop.seeknal("plan", shop.head, code=None)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 60 << 20
    assert "seeknal/transforms/zeros.yml:1: The file is larger than 256 KB." in result.err


def _fifo(place: Path) -> None:
    os.mkfifo(place)


def _device(place: Path) -> None:
    place.symlink_to("/dev/zero")


def _socket(place: Path) -> None:
    with contextlib.chdir(place.parent), socket.socket(socket.AF_UNIX) as made:
        made.bind(place.name)


@pytest.mark.parametrize("make", [_fifo, _device, _socket])
@pytest.mark.parametrize("glob", [False, True])
def test_raw_data_that_is_no_file_is_refused(
    shop: Repo, make: Callable[[Path], None], glob: bool
) -> None:
    if glob:
        shop.replace("seeknal/sources/orders.yml", "data/orders.csv", "data/o*.csv")
    shop.git("rm", "--quiet", "--cached", "data/orders.csv")
    shop.write(".gitignore", "target/\ndata/orders.csv\n")
    shop.commit()
    (shop.path / "data/orders.csv").unlink()
    make(shop.path / "data/orders.csv")
    result = shop.seeknal("validate", code=1)
    assert result.err.startswith(
        "error: seeknal/sources/orders.yml:4: data/orders.csv is a link that leads nowhere, or no"
    )


@pytest.mark.parametrize("make", [_fifo, _socket])
def test_a_node_that_is_no_file_is_refused(shop: Repo, make: Callable[[Path], None]) -> None:
    (shop.path / "seeknal/transforms/daily.yml").unlink()
    make(shop.path / "seeknal/transforms/daily.yml")
    for command, code in (("validate", 1), ("plan", 1), ("status", 0)):
        result = shop.seeknal(command, code=code)
        assert (
            "seeknal/transforms/daily.yml is a pipe, a socket or a device"
            in result.out + result.err
        )


def test_raw_data_that_unpacks_to_gigabytes_is_refused(
    shop: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    _limit(monkeypatch, unpack_seconds=1)
    packed = gzip.compress(b"1,2\n" * (5 << 20), 6)
    (shop.path / "data/orders.csv.gz").write_bytes(gzip.compress(b"a,b\n") + packed * 300)
    shop.replace("seeknal/sources/orders.yml", "data/orders.csv", "data/orders.csv.gz")
    result = shop.seeknal("validate", code=1)
    assert (
        "data/orders.csv.gz does not fit source.orders: it takes more than 2 s to unpack"
        in result.err
    )
    assert "SEEKNAL_LIMIT_UNPACK_SECONDS=2" in result.err


def test_packed_raw_data_that_is_one_line_without_end_is_refused(shop: Repo) -> None:
    (shop.path / "data/orders.csv.gz").write_bytes(gzip.compress(bytes(110_000_000), 1))
    shop.replace("seeknal/sources/orders.yml", "data/orders.csv", "data/orders.csv.gz")
    said = shop.seeknal("validate", code=1).err
    assert (
        "data/orders.csv.gz does not fit source.orders: a line of it is longer than 100 MB" in said
    )
    assert "SEEKNAL_LIMIT" not in said, "no limit would help"


SMALL = {
    "columns": (
        {"columns": 4},
        "SELECT 1 AS a, 2 AS b, 3 AS c, 4 AS d, 5 AS e",
        "it returns 5 columns",
    ),
    "statement": ({"statement_kb": 1}, f"SELECT '{'x' * 1025}' AS a", "longer than 1 KB"),
    "nesting": (
        {"nesting": 300},
        f"SELECT * FROM {'(SELECT * FROM ' * 100}(SELECT 1 AS a){')' * 100}",
        "too deep",
    ),
    "size": ({"file_kb": 1}, f"SELECT 1 AS a -- {'x' * 1025}", "larger than 1 KB"),
    "files of nodes": ({"nodes": 7}, "SELECT 1 AS a", "8 files of nodes"),
}


@pytest.mark.parametrize(("given", "sql", "words"), SMALL.values(), ids=SMALL)
def test_a_limit_that_is_exceeded_says_how_to_raise_it(
    shop: Repo, monkeypatch: pytest.MonkeyPatch, given: dict[str, int], sql: str, words: str
) -> None:
    _transform(shop, sql)
    shop.seeknal("validate")
    (shop.path / ".git/seeknal/cache/nodes.sqlite").unlink()
    _limit(monkeypatch, **given)
    result = shop.seeknal("validate", code=1)
    assert words in result.err
    (name,) = given
    assert f"{variable(name)}={given[name] * 2}" in result.err
    assert result.err.startswith("error: seeknal")
    assert result.err.count("error:") == 1


def test_no_file_of_a_project_sets_a_limit(shop: Repo) -> None:
    shop.write("seeknal_project.yml", "name: shop\nlimits: {columns: 1}\n")
    assert shop.seeknal("validate", code=None).code in (0, 1)
    assert limits() == Limits()


def test_every_limit_is_documented_with_its_default() -> None:
    rows = (ROOT / "docs/security.md").read_text().splitlines()
    for name in Limits.__dataclass_fields__:
        row = next(each for each in rows if f"`{variable(name)}`" in each)
        assert f"{getattr(Limits(), name):,}" in row
