"""A partitioned exposure of a node in pieces: a run writes the folders whose rows changed, and
leaves every other file as it is."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import Repo, examples

NODE = "exposure.daily"
BY_DAY = "{by: day, every: day, begin: 2026-01-01}"
SOURCE = """
    kind: source
    name: orders
    source: csv
    table: {table}
    partition: {partition}
    schema:
      - {{name: id, data_type: BIGINT}}
      - {{name: day, data_type: DATE}}
      - {{name: region, data_type: {region}}}
      - {{name: amount, data_type: BIGINT}}
"""
EXPOSURE = """
    kind: exposure
    name: daily
    type: file
    inputs: [{of}]
    params: {{path: exports/daily, format: {form}, partition_by: [{by}]}}
"""
Row = tuple[int, str, str | None, int]
ROWS: list[Row] = [
    (1, "2026-01-01", "north", 10),
    (2, "2026-01-01", "south", 20),
    (3, "2026-01-02", "north", 30),
    (4, "2026-01-02", "east", 40),
    (5, "2026-01-03", "south", 50),
]


def write(repo: Repo, rows: list[Row], file: str = "data/orders.csv") -> None:
    """`None` is a cell without a value, and an empty text is none."""
    lines = ["id,day,region,amount"]
    for number, day, region, amount in rows:
        lines.append(f"{number},{day},{_quoted(region)},{amount}")
    repo.write(file, "\n".join(lines) + "\n")


def _quoted(text: str | None) -> str:
    return "" if text is None else f'"{text}"'


def make(
    repo: Repo,
    by: str = "day",
    *,
    partition: str = BY_DAY,
    form: str = "parquet",
    table: str = "data/orders.csv",
    of: str = "source.orders",
    region: str = "VARCHAR",
) -> Repo:
    repo.write(".gitignore", "target/\nexports/\ndata/\n")
    repo.write("seeknal/orders.yml", SOURCE.format(table=table, partition=partition, region=region))
    repo.write("seeknal/daily.yml", EXPOSURE.format(of=of, form=form, by=by))
    repo.commit()
    return repo


def published(repo: Repo, by: str = "day", rows: list[Row] = ROWS, **more: str) -> Repo:
    make(repo, by, **more)
    write(repo, rows)
    repo.run()
    return repo


def folder(repo: Repo, schema: str = "main") -> Path:
    return repo.path / ("" if schema == "main" else f"target/exposures/{schema}") / "exports/daily"


@dataclass(frozen=True)
class File:
    """A file as somebody sees it who copies changed files elsewhere."""

    inode: int
    mtime: int
    content: bytes


def files(repo: Repo, schema: str = "main") -> dict[str, File]:
    place = folder(repo, schema)
    return {
        path.relative_to(place).as_posix(): File(
            path.stat().st_ino, path.stat().st_mtime_ns, path.read_bytes()
        )
        for path in place.rglob("*")
        if path.is_file()
    }


def new(before: Mapping[str, File], after: Mapping[str, File]) -> set[str]:
    """The folders with a file that was not there before."""
    return {str(Path(name).parent) for name, file in after.items() if before.get(name) != file}


def delivered(repo: Repo, schema: str = "main") -> list[tuple[Any, ...]]:
    """The rows of the folder, as any reader of such folders has them."""
    form = next(iter(files(repo, schema)), "x.parquet").rpartition(".")[2]
    columns = ", ".join(f"{name}::VARCHAR" for name in ("id", "day", "region", "amount"))
    place = f"{folder(repo, schema)}/**/*.{form}"
    types = ", all_varchar = true, header = true" if form == "csv" else ""
    with duckdb.connect() as connection:
        return sorted(
            connection.execute(
                f"SELECT {columns} FROM read_{form}('{place}', hive_partitioning = true, "
                f"hive_types_autocast = false{types})"
            ).fetchall(),
            key=repr,
        )


def shown(repo: Repo, schema: str = "main", table: str = "orders") -> list[tuple[Any, ...]]:
    columns = ", ".join(f"{name}::VARCHAR" for name in ("id", "day", "region", "amount"))
    return sorted(repo.numbers(f"SELECT {columns} FROM {schema}.{table}"), key=repr)


def rerun(repo: Repo, *options: str) -> tuple[dict[str, int], set[str]]:
    """Run, and hold the law. Returns how many folders the run says it wrote, and those that it
    did."""
    before = files(repo)
    done = repo.run(*options)
    after = files(repo)
    assert delivered(repo) == shown(repo)
    assert done["kept"] == {}
    assert repo.run()["written"] == []
    assert files(repo) == after
    counts = done["folders"][NODE]
    fresh = new(before, after)
    folders = {str(Path(name).parent) for name in after}
    assert (counts["total"], counts["written"]) == (len(folders), len(fresh))
    return counts, fresh


def days(*numbers: int) -> set[str]:
    return {f"day=2026-01-0{number}" for number in numbers}


LATER: Row = (6, "2026-01-04", "west", 60)
HISTORIES = {
    "a day more": ([*ROWS, LATER], days(4), 0),
    "a day corrected": ([*ROWS[:4], (5, "2026-01-03", "south", 51)], days(3), 0),
    "a row late": ([*ROWS, (7, "2026-01-01", "east", 1)], days(1), 0),
    "a row less": (ROWS[1:], days(1), 0),
    "all rows of a day gone": (ROWS[:4], set(), 1),
    "a row moved to another day": ([*ROWS[:4], (5, "2026-01-02", "south", 50)], days(2), 1),
    "a day gone and one more": ([*ROWS[:4], LATER], days(4), 1),
}


@pytest.mark.parametrize("form", ["parquet", "csv"])
@pytest.mark.parametrize("change", HISTORIES)
def test_a_run_writes_the_folders_whose_rows_changed(repo: Repo, change: str, form: str) -> None:
    rows, wanted, removed = HISTORIES[change]
    published(repo, form=form)
    write(repo, rows)
    counts, fresh = rerun(repo)
    assert fresh == wanted
    assert counts["removed"] == removed


def test_a_run_says_how_many_folders_it_wrote(repo: Repo) -> None:
    make(repo)
    write(repo, ROWS)
    assert "  delivered exposure.daily  3 of 3 folders\n" in repo.seeknal("run").err
    write(repo, [*ROWS, LATER])
    assert "  delivered exposure.daily  1 of 4 folders\n" in repo.seeknal("run").err
    write(repo, ROWS)
    assert "  delivered exposure.daily  0 of 3 folders, 1 removed\n" in repo.seeknal("run").err


def test_the_folders_may_be_of_any_column(repo: Repo) -> None:
    published(repo, "region")
    write(repo, [*ROWS[:3], (4, "2026-01-02", "east", 41), ROWS[4]])
    assert rerun(repo)[1] == {"region=east"}
    write(repo, [*ROWS[:3], ROWS[4]])
    assert rerun(repo) == ({"total": 2, "written": 0, "removed": 1}, set())


def test_the_folders_may_be_of_several_columns(repo: Repo) -> None:
    published(repo, "region, day")
    write(repo, [(1, "2026-01-01", "north", 11), *ROWS[1:], LATER])
    assert rerun(repo)[1] == {"region=north/day=2026-01-01", "region=west/day=2026-01-04"}
    write(repo, [*ROWS[1:], LATER])
    assert rerun(repo)[0]["removed"] == 1
    assert (folder(repo) / "region=north/day=2026-01-02").is_dir()


def test_rows_without_a_value_are_in_a_folder_too(repo: Repo) -> None:
    unknown = [(8, "2026-01-02", None, 1), (9, "2026-01-03", None, 2)]
    published(repo, "region", [*ROWS, *unknown])
    nameless = "region=__HIVE_DEFAULT_PARTITION__"
    write(repo, [*ROWS, unknown[0], (9, "2026-01-03", None, 3)])
    assert rerun(repo)[1] == {nameless}
    write(repo, [*ROWS, unknown[0], (9, "2026-01-03", "north", 3)])
    assert rerun(repo)[1] == {nameless, "region=north"}
    write(repo, [*ROWS, (9, "2026-01-03", "north", 3)])
    assert rerun(repo) == ({"total": 3, "written": 0, "removed": 1}, set())


def test_rows_outside_of_all_partitions_are_delivered(repo: Repo) -> None:
    partition = BY_DAY.replace("}", ", outside: keep}")
    early: Row = (8, "2025-12-31", "north", 1)
    published(repo, "day", [early, *ROWS], partition=partition)
    write(repo, [early, (9, "2025-12-30", "north", 2), *ROWS])
    assert rerun(repo)[1] == {"day=2025-12-30"}


ODD = ["a/b c", "100%", "", ".", "..", "é", "x=y", "it's"]
if not duckdb.__version__.startswith("1."):  # which takes it for NULL
    ODD.append("__HIVE_DEFAULT_PARTITION__")


@pytest.mark.parametrize("name", ODD)
def test_any_text_may_name_a_folder(repo: Repo, name: str) -> None:
    published(repo, "region", [*ROWS, (8, "2026-01-03", name, 1)])
    write(repo, [*ROWS, (8, "2026-01-03", name, 2)])
    assert rerun(repo)[0] == {"total": 4, "written": 1, "removed": 0}
    write(repo, ROWS)
    assert rerun(repo)[0] == {"total": 3, "written": 0, "removed": 1}


def test_names_that_a_disk_may_take_for_one_are_written_all(repo: Repo) -> None:
    published(repo, "region", [*ROWS, (8, "2026-01-03", "North", 1)])
    write(repo, [*ROWS, (8, "2026-01-03", "North", 2)])
    assert rerun(repo)[0]["written"] == 4


def test_numbers_that_may_have_several_names_are_written_all(repo: Repo) -> None:
    rows: list[Row] = [(number, day, "1.5", number) for number, day, _, _ in ROWS]
    published(repo, "region", [*rows, (*LATER[:2], "0.0", 1)], region="DOUBLE")
    write(repo, [*rows, (*LATER[:2], "0.0", 2)])
    assert rerun(repo)[0]["written"] == 2


def test_columns_may_have_the_names_of_columns_of_ours(repo: Repo) -> None:
    make(repo, "_0, t", of="transform.odd")
    write(repo, ROWS)
    repo.write(
        "seeknal/odd.yml",
        f"kind: transform\nname: odd\ninputs: [source.orders]\npartition: {BY_DAY}\n"
        "transform: SELECT id, day, region AS _0, region AS t, 1 AS sign, 2 AS _sign, 3 AS _hash,"
        " 4 AS _rows FROM source.orders\n",
    )
    repo.run()
    before = files(repo)
    write(repo, [*ROWS[1:], LATER])
    done = repo.run()
    assert done["folders"][NODE] == {"total": 4, "written": 2, "removed": 0}
    assert new(before, files(repo)) == {"_0=north/t=north", "_0=west/t=west"}


def test_new_code_writes_all_folders(repo: Repo) -> None:
    make(repo, of="transform.bought")
    repo.write(
        "seeknal/bought.yml",
        f"kind: transform\nname: bought\ninputs: [source.orders]\npartition: {BY_DAY}\n"
        "transform: SELECT id, day, region, amount FROM source.orders\n",
    )
    write(repo, ROWS)
    repo.run()
    repo.replace("seeknal/bought.yml", "region, amount", "region, 2 * amount AS amount")
    before = files(repo)
    assert repo.run()["folders"][NODE] == {"total": 3, "written": 3, "removed": 0}
    assert new(before, files(repo)) == days(1, 2, 3)
    assert delivered(repo) == shown(repo, table="bought")
    write(repo, [*ROWS, LATER])
    before = files(repo)
    assert repo.run()["folders"][NODE] == {"total": 4, "written": 1, "removed": 0}
    assert new(before, files(repo)) == days(4)
    assert delivered(repo) == shown(repo, table="bought")


@pytest.mark.parametrize(
    ("old", "new_"), [("[day]", "[region]"), ("exports/daily", "exports/other")]
)
def test_another_form_or_place_writes_all_folders(repo: Repo, old: str, new_: str) -> None:
    published(repo)
    repo.replace("seeknal/daily.yml", old, new_)
    write(repo, [*ROWS, LATER])
    counts = repo.run()["folders"][NODE]
    assert counts["written"] == counts["total"] == 4


def test_a_full_build_of_the_same_rows_writes_no_folder(repo: Repo) -> None:
    published(repo)
    assert rerun(repo, "--full") == ({"total": 3, "written": 0, "removed": 0}, set())


@pytest.mark.parametrize(
    ("partition", "by"),
    [
        ("{by: id, buckets: 2}", "day"),
        ("{by: day, every: month, begin: 2026-01-01}", "day"),
        ("{by: day, every: year, begin: 2026-01-01}", "region"),
    ],
)
def test_the_pieces_may_be_larger_than_the_folders(repo: Repo, partition: str, by: str) -> None:
    published(repo, by, partition=partition)
    write(repo, [*ROWS[:4], (5, "2026-01-03", "south", 51)])
    assert len(rerun(repo)[1]) == 1


def test_a_source_that_is_read_file_by_file_has_pieces_too(repo: Repo) -> None:
    make(repo, "region", table="data/orders/*.csv")
    repo.replace("seeknal/orders.yml", f"partition: {BY_DAY}\n", "")
    repo.commit()
    write(repo, ROWS[:2], "data/orders/1.csv")
    write(repo, ROWS[2:], "data/orders/2.csv")
    repo.run()
    write(repo, [LATER], "data/orders/3.csv")
    assert rerun(repo)[1] == {"region=west"}
    write(repo, [*ROWS[2:4], (5, "2026-01-03", "south", 51)], "data/orders/2.csv")
    assert rerun(repo)[1] == {"region=south"}
    (repo.path / "data/orders/3.csv").unlink()
    assert rerun(repo)[0]["removed"] == 1


def test_a_node_without_pieces_is_written_whole(repo: Repo) -> None:
    make(repo)
    repo.replace("seeknal/orders.yml", f"partition: {BY_DAY}\n", "")
    write(repo, ROWS)
    repo.run()
    write(repo, [*ROWS, LATER])
    assert rerun(repo)[1] == days(1, 2, 3, 4)


def test_all_rows_may_go_and_come_back(repo: Repo) -> None:
    published(repo)
    write(repo, [])
    assert repo.run()["folders"][NODE] == {"total": 0, "written": 0, "removed": 3}
    assert files(repo) == {}
    write(repo, ROWS)
    assert rerun(repo)[0]["written"] == 3


def test_pieces_that_gc_has_deleted_have_all_folders_written(repo: Repo) -> None:
    published(repo)
    repo.switch("dev", create=True)
    for last in (51, 52, 53):
        write(repo, [*ROWS[:4], (5, "2026-01-03", "south", last)])
        chosen = ["--select", "source.orders"] if last == 52 else []
        before = files(repo, "dev")
        done = repo.run("--refresh", *chosen)
        if last == 52:
            assert done["folders"] == {}, "its folder is of pieces that nobody shows"
            assert "1 partition deleted." in repo.seeknal("gc", "--yes").out
    assert done["folders"][NODE]["written"] == 3
    assert new(before, files(repo, "dev")) == days(1, 2, 3)
    assert delivered(repo, "dev") == shown(repo, "dev")


# A folder that is not what was delivered


def test_a_folder_that_somebody_changed_is_put_aside_and_written_whole(repo: Repo) -> None:
    published(repo)
    changed = folder(repo) / "day=2026-01-01/data_0.parquet"
    changed.write_bytes(b"mine")
    write(repo, [*ROWS, LATER])
    done = repo.run()
    kept = Path(done["kept"][NODE])
    assert (kept / "day=2026-01-01/data_0.parquet").read_bytes() == b"mine"
    assert done["folders"][NODE] == {"total": 4, "written": 4, "removed": 0}
    assert delivered(repo) == shown(repo)
    inodes = {path.stat().st_ino for path in kept.rglob("*.parquet")}
    assert inodes.isdisjoint(file.inode for file in files(repo).values()), "an edit has one place"


def test_a_link_in_the_place_of_a_file_is_not_handed_on(repo: Repo) -> None:
    published(repo)
    theirs = folder(repo) / "day=2026-01-01/data_0.parquet"
    away = theirs.rename(repo.path / "mine.parquet")
    theirs.symlink_to(away)
    write(repo, [*ROWS, LATER])
    repo.run()
    assert not theirs.is_symlink()
    assert delivered(repo) == shown(repo)
    assert away.exists()


def test_a_file_that_was_only_touched_is_kept(repo: Repo) -> None:
    published(repo)
    (folder(repo) / "day=2026-01-01/data_0.parquet").touch()
    write(repo, [*ROWS, LATER])
    assert rerun(repo)[1] == days(4)


def test_a_disk_without_links_gets_copies_with_their_times(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    published(repo)
    before = files(repo)
    monkeypatch.setattr(os, "link", _refusing(errno.EPERM))
    write(repo, [*ROWS, LATER])
    assert repo.run()["folders"][NODE]["written"] == 1
    after = files(repo)
    assert delivered(repo) == shown(repo)
    for name, file in before.items():
        assert (after[name].mtime, after[name].content) == (file.mtime, file.content)


def test_another_disk_gets_all_folders(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    published(repo)
    monkeypatch.setattr(os, "link", _refusing(errno.EXDEV))
    write(repo, [*ROWS, LATER])
    assert rerun(repo)[1] == days(1, 2, 3, 4)


def _refusing(number: int) -> Callable[..., None]:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return refuse


def test_files_that_are_kept_are_not_read_again(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their hashes stay known, although each link gives a file another ctime."""
    published(repo)
    time.sleep(2.1)  # what was written just now is always read again
    repo.run()
    names = [f"day=2026-01-0{number}" for number in (1, 2, 3)]
    opened: list[str] = []
    real = os.open

    def spying(path: Any, *arguments: Any, **more: Any) -> int:
        opened.extend(name for name in names if f"{name}/data_" in str(path))
        return real(path, *arguments, **more)

    monkeypatch.setattr(os, "open", spying)
    write(repo, [*ROWS, LATER])
    assert repo.run()["folders"][NODE]["written"] == 1
    assert repo.run()["written"] == []
    assert opened == []


# Branches and rollbacks


def test_a_branch_has_a_folder_of_its_own(repo: Repo) -> None:
    published(repo)
    before = files(repo)
    repo.switch("dev", create=True)
    write(repo, [*ROWS[:4], (5, "2026-01-03", "south", 51)])
    done = repo.run("--refresh")
    assert done["folders"][NODE] == {"total": 3, "written": 3, "removed": 0}
    own = files(repo, "dev")
    write(repo, [*ROWS, LATER])
    assert repo.run("--refresh")["folders"][NODE] == {"total": 4, "written": 2, "removed": 0}
    assert new(own, files(repo, "dev")) == days(3, 4)
    assert delivered(repo, "dev") == shown(repo, "dev")
    assert files(repo) == before
    repo.switch("main")
    assert rerun(repo)[1] == days(4)


def test_a_rollback_writes_the_folders_that_differ(repo: Repo) -> None:
    published(repo)
    first = files(repo)
    write(repo, [(1, "2026-01-01", "north", 11), *ROWS[1:], LATER])
    repo.run()
    second = files(repo)
    repo.seeknal("rollback", "1")
    back = files(repo)
    assert delivered(repo) == shown(repo)
    assert new(second, back) == days(1)
    assert {name for name in back if back[name] == first[name]} == {
        name for name in first if "01-01" not in name
    }
    repo.seeknal("rollback", "2")
    assert new(back, files(repo)) == days(1, 4)
    assert delivered(repo) == shown(repo)
    assert repo.run()["folders"] == {}


def test_two_exposures_of_one_node_follow_it_alone(repo: Repo) -> None:
    make(repo)
    repo.write(
        "seeknal/regions.yml",
        EXPOSURE.format(of="source.orders", form="parquet", by="region")
        .replace("name: daily", "name: regions")
        .replace("exports/daily", "exports/regions"),
    )
    write(repo, ROWS)
    repo.run()
    write(repo, [*ROWS[:3], (4, "2026-01-02", "east", 41), ROWS[4]])
    folders = repo.run()["folders"]
    assert {node: found["written"] for node, found in folders.items()} == {
        NODE: 1,
        "exposure.regions": 1,
    }


# Kills, and edits in between

# Runs a command, and does something right before the n-th step that changes a file of ours.
_AT_A_STEP = """
import os, signal, sys
STEPS = ("os.link", "os.rename", "os.mkdir", "os.rmdir", "os.remove")
wanted, seen = int(sys.argv.pop(1)), 0

def hook(event, arguments):
    global seen
    if event in STEPS and any(
        word in str(arguments) for word in ("daily", "day=", "data_0", ".writing", "'exports'")
    ):
        seen += 1
        if seen == wanted:
            print(event, arguments, file=sys.stderr, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(hook)
from seeknal_git.cli import main
main()
"""


def _restored(repo: Repo, kept: Path) -> None:
    """In its place, as the state names paths."""
    shutil.rmtree(repo.path)
    shutil.copytree(kept, repo.path, symlinks=True)


def test_a_kill_at_any_step_is_mended_by_the_next_run(repo: Repo, tmp_path: Path) -> None:
    published(repo)
    old = delivered(repo)
    changed: list[Row] = [(1, "2026-01-01", "north", 11), *ROWS[1:4], LATER]
    write(repo, changed)
    kept = tmp_path / "kept"
    shutil.copytree(repo.path, kept, symlinks=True)
    wanted = sorted([tuple(map(str, row)) for row in changed], key=repr)
    steps = []
    for number in range(1, 100):
        command = [sys.executable, "-P", "-c", _AT_A_STEP, str(number), "run"]
        done = subprocess.run(command, cwd=repo.path, capture_output=True, text=True, check=False)
        place = folder(repo)
        if place.exists():
            assert delivered(repo) in (old, wanted), done.stderr
        else:
            assert place.with_name(f".{place.name}.old").exists()
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
        steps.append(done.stderr.splitlines()[-1].split()[0])
        mended = repo.run()
        assert mended["kept"] == {}, "nobody had changed anything"
        assert delivered(repo) == shown(repo) == wanted
        assert repo.run()["written"] == []
        assert [path.name for path in place.parent.iterdir()] == ["daily"]
        _restored(repo, kept)
    assert steps.count("os.link") == 1
    assert steps.count("os.rename") == 2
    assert len(steps) < 99


_EDITED = """
import os, sys
from pathlib import Path
moment, file, done = sys.argv.pop(1), Path(sys.argv.pop(1)), False

def hook(event, arguments):
    global done
    path = str(arguments[0]) if arguments else ""
    at = {
        "links": event == "os.link" and "01-02" in path,
        "hashes": event == "open" and "/.writing/" in path and "01-04" in path,
    }
    if at[moment] and not done:
        done = True
        with file.open("ab") as opened:
            opened.write(b"mine")

sys.addaudithook(hook)
from seeknal_git.cli import main
main()
"""


@pytest.mark.parametrize(("moment", "code"), [("links", 0), ("hashes", 1)])
def test_an_edit_while_the_folder_is_made_is_kept(repo: Repo, moment: str, code: int) -> None:
    published(repo)
    write(repo, [*ROWS, LATER])
    edited = folder(repo) / "day=2026-01-01/data_0.parquet"
    command = [sys.executable, "-P", "-c", _EDITED, moment, str(edited), "run"]
    done = subprocess.run(command, cwd=repo.path, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    said = " ".join((done.stdout + done.stderr).split())
    assert code == 0 or "somebody changed it just now" in said
    repo.run()
    kept = [*(repo.path / "target/replaced").rglob("day=2026-01-01/data_0.parquet")]
    assert [path.read_bytes()[-4:] for path in kept] == [b"mine"]
    assert delivered(repo) == shown(repo)


# After any history

REGIONS = ["north", "south", "", None, "North", "a/b"]
ROW = st.tuples(st.integers(1, 6), st.sampled_from(REGIONS), st.integers(0, 2))
TABLE = st.dictionaries(st.integers(1, 9), ROW, max_size=8)
STEP = st.tuples(st.sampled_from(["run", "run", "run", "full", "rollback", "edit"]), TABLE)


@settings(max_examples=examples(6), suppress_health_check=list(HealthCheck))
@given(
    by=st.sampled_from(["day", "region", "region, day", "day, amount"]),
    partition=st.sampled_from([BY_DAY, "{by: id, buckets: 3}"]),
    steps=st.lists(STEP, min_size=2, max_size=6),
)
def test_after_any_history_the_folder_equals_the_table(
    by: str, partition: str, steps: list[tuple[str, dict[int, tuple[int, str | None, int]]]]
) -> None:
    with tempfile.TemporaryDirectory() as place:
        repo = Repo(Path(place) / "repo")
        repo.path.mkdir()
        repo.git("init", "--quiet")
        repo.write("seeknal_project.yml", "name: shop\n")
        published(repo, by, partition=partition)
        for what, table in steps:
            if what == "edit":
                some = next(iter(folder(repo).rglob("*.parquet")), None)
                if some is not None:
                    some.write_bytes(b"mine")
            if what == "rollback":
                repo.seeknal("rollback", code=None)
            else:
                rows = ((number, *row) for number, row in table.items())
                write(repo, [(n, f"2026-01-0{day}", region, n_) for n, day, region, n_ in rows])
                repo.run(*(["--full"] if what == "full" else []))
            assert (delivered(repo) if files(repo) else []) == shown(repo)
