"""Files are held open while they are read: what is named is what was read, whatever happens to them
meanwhile."""

from __future__ import annotations

import gzip
import os
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest

from seeknal_git.cache import Cache
from seeknal_git.errors import FileFault
from seeknal_git.git.tree import blob_id_of
from seeknal_git.project import guessing
from seeknal_git.project.held_files import (
    Hashed,
    Held,
    carried,
    holding,
    identity,
    remembered_blob_id,
    remembered_blob_ids,
)
from seeknal_git.sql import engine_version
from seeknal_git.warehouse.builder import Builder
from tests.conftest import Repo

OLD = "id,n\n1,1\n"
NEW = "id,n\n2,2\n"
LONG_AGO = 1_600_000_000


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache.sqlite", "2.0.0")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "raw" / "[orders]*.csv"
    file.parent.mkdir()
    file.write_text(OLD)
    return file


def rows(*held: Held) -> list[tuple[Any, ...]]:
    paths = {"files": [str(each.path) for each in held]}
    return duckdb.execute("SELECT n FROM read_csv($files) ORDER BY n", paths).fetchall()


def replaced(file: Path) -> None:
    aside = file.with_name("new")
    aside.write_text(NEW)
    aside.replace(file)


def swapped_folders(file: Path) -> None:
    file.parent.rename(file.parent.with_name("old"))
    file.parent.mkdir()
    file.write_text(NEW)


def swapped_link(file: Path) -> None:
    """The link that led to the file leads to another one."""
    file.unlink()
    file.with_name("b").write_text(NEW)
    file.symlink_to("b")


def written_in_place(file: Path) -> None:
    with file.open("r+") as opened:
        opened.write(NEW)


def longer(file: Path) -> None:
    with file.open("a") as opened:
        opened.write("3,3\n")


def there_and_back(file: Path) -> None:
    written_in_place(file)
    file.write_text(OLD)


@pytest.mark.parametrize("happens", [replaced, swapped_folders, swapped_link, Path.unlink])
def test_a_file_that_is_replaced_while_it_is_held_is_read_as_it_was(
    tmp_path: Path, cache: Cache, file: Path, happens: Callable[[Path], None]
) -> None:
    with holding(tmp_path / "reading", cache) as holder:
        held = holder.hold(file)
        happens(file)
        assert rows(held) == [(1,)]
        held.confirm()
        assert held.blob == blob_id_of(held.path)
    assert not list((tmp_path / "reading").iterdir())


@pytest.mark.parametrize("happens", [written_in_place, longer, there_and_back])
def test_a_file_that_is_written_in_place_while_it_is_held_is_refused(
    tmp_path: Path, cache: Cache, file: Path, happens: Callable[[Path], None]
) -> None:
    os.utime(file, (LONG_AGO, LONG_AGO))
    with holding(tmp_path / "reading", cache) as holder:
        held = holder.hold(file)
        happens(file)
        with pytest.raises(FileFault, match="changed while it was read"):
            held.confirm()


def test_a_file_that_is_only_renamed_or_linked_is_as_it_was(
    tmp_path: Path, cache: Cache, file: Path
) -> None:
    with holding(tmp_path / "reading", cache) as holder:
        held = holder.hold(file)
        file.chmod(0o600)
        file.with_name("other").hardlink_to(file)
        file.rename(file.with_name("third"))
        held.confirm()


def test_files_beyond_what_a_process_may_open_are_copied(
    tmp_path: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (64, 64))
    files = [tmp_path / f"{number}.csv.gz" for number in range(20)]
    for number, each in enumerate(files):
        each.write_bytes(gzip.compress(f"n\n{number}\n".encode()))
    with holding(tmp_path / "reading", cache) as holder:
        held = [holder.hold(each) for each in files]
        assert [each.descriptor is None for each in held] == [False] * 16 + [True] * 4
        for each in files:
            replaced(each)
        assert rows(*held) == [(number,) for number in range(20)]
        for copy in held:
            copy.confirm()


def test_a_pipe_or_a_folder_in_the_place_of_a_file_is_not_waited_for(
    tmp_path: Path, cache: Cache
) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, words in (
        (tmp_path / "pipe", "not a file"),
        (tmp_path, "not a file"),
        (tmp_path / "x", "is gone"),
    ):
        with holding(tmp_path / "reading", cache) as holder, pytest.raises(FileFault, match=words):
            holder.hold(path)


def test_nothing_is_remembered_of_a_file_that_was_just_written(cache: Cache, file: Path) -> None:
    """A further write within the same tick of the clock has the same size and times."""
    before = file.stat()
    assert remembered_blob_id(file, cache) == blob_id_of(file)
    seen = f"{before.st_dev}:{before.st_ino}:{before.st_size}:{before.st_mtime_ns}:{before.st_ctime_ns}"
    assert cache.get("file", [seen]) == {}
    time.sleep(2.05)
    remembered_blob_id(file, cache)
    assert cache.get("file", [seen]) == {seen: blob_id_of(file)}


def linked(file: Path) -> tuple[Path, Hashed]:
    """A second name of a file that was written long ago, and how the file was before."""
    os.utime(file, (LONG_AGO, LONG_AGO))
    before = Hashed(identity(file), blob_id_of(file))
    other = file.with_name("other.csv")
    other.hardlink_to(file)
    return other, before


def test_a_file_with_another_name_is_not_read_again(cache: Cache, file: Path) -> None:
    other, before = linked(file)
    found = carried({other: before}, cache)
    assert found[other].is_at(file)
    assert remembered_blob_ids([file, other], cache) == dict.fromkeys(
        (file, other), blob_id_of(file)
    )
    file.unlink()
    assert remembered_blob_ids([other], cache) == {}, "it has another ctime"
    carried(found, cache)
    assert remembered_blob_ids([other], cache) == {other: blob_id_of(other)}


@pytest.mark.parametrize("edit", ["another size", "another time", "another file", "gone"])
def test_a_file_that_changed_with_its_name_is_read_again(
    cache: Cache, file: Path, edit: str
) -> None:
    other, before = linked(file)
    if edit == "another size":
        other.write_text(f"{OLD}3,3\n")
        os.utime(other, (LONG_AGO, LONG_AGO))
    elif edit == "another time":
        other.write_text(NEW)
    else:
        other.unlink()
    if edit == "another file":
        other.write_text(NEW)
        os.utime(other, (LONG_AGO, LONG_AGO))
    assert carried({other: before}, cache) == {}
    assert remembered_blob_ids([other], cache) == {}


def test_a_file_that_was_written_just_now_is_read_again(cache: Cache, file: Path) -> None:
    before = Hashed(identity(file), blob_id_of(file))
    assert carried({file: before}, cache) == {}
    assert remembered_blob_ids([file], cache) == {}


def test_another_engine_remembers_nothing_of_this_one(tmp_path: Path) -> None:
    Cache(tmp_path / "cache.sqlite", "1.5.5").put("source", {"key": {"error": "no such reader"}})
    assert Cache(tmp_path / "cache.sqlite", "2.0.0").get("source", ["key"]) == {}


def test_the_engines_version_is_found_without_importing_it() -> None:
    assert engine_version.engine_version() == duckdb.__version__
    assert duckdb.__version__.startswith(f"{engine_version.engine_release()}.")


# Through the command line


def make_raw(repo: Repo, content: str = OLD, more: str = "") -> Path:
    repo.write("raw/p.csv", content)
    repo.write("seeknal/p.yml", f"kind: source\nname: p\nsource: csv\ntable: raw/p.csv\n{more}")
    repo.write("seeknal/t.yml", "kind: transform\nname: t\ntransform: SELECT * FROM source.p\n")
    repo.commit()
    return repo.path / "raw/p.csv"


@contextmanager
def meanwhile(
    patch: pytest.MonkeyPatch, where: Any, name: str, begin: Callable[[], Any]
) -> Iterator[None]:
    """Something happens once, at the moment when a function is called, and the function does what
    it does."""
    real, left = getattr(where, name), [begin]

    def function(*arguments: Any, **options: Any) -> Any:
        if left:
            left.pop()()
        return real(*arguments, **options)

    with patch.context() as context:
        context.setattr(where, name, function)
        yield
    assert not left


@pytest.mark.parametrize("moment", [(guessing, "_guess"), (Builder, "build")])
@pytest.mark.parametrize(
    "other", [NEW, "id,n,more\n1,7,x\n"], ids=["other values", "other columns"]
)
def test_a_file_that_is_another_one_for_a_moment_is_read_as_it_was_and_never_called_another(
    repo: Repo, monkeypatch: pytest.MonkeyPatch, moment: tuple[Any, str], other: str
) -> None:
    file = make_raw(repo, more="on_drift: warn\n")
    aside = repo.path / "raw/aside"

    def swap() -> None:
        file.rename(aside)
        file.write_text(other)

    with meanwhile(monkeypatch, *moment, begin=swap):
        repo.seeknal("run", code=None)
    aside.replace(file)
    repo.seeknal("run")
    assert repo.numbers("SELECT id, n FROM t") == [(1, 1)]
    file.write_text(other)
    repo.seeknal("run")
    assert repo.production()["t"] == repo.production()["p"]
    assert repo.production() == fresh(repo)


def fresh(repo: Repo) -> Any:
    """Production as it would be, were it built from nothing on the raw data of now."""
    warehouse = repo.warehouse.rename(repo.path / "kept")
    try:
        repo.seeknal("run")
        return repo.production()
    finally:
        (repo.path / "kept").replace(warehouse)


def test_git_that_checks_out_another_branch_under_a_run_changes_nothing(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo.write("data/a.csv", OLD)
    repo.write("seeknal/p.yml", "kind: source\nname: p\nsource: csv\ntable: data/*.csv\n")
    repo.commit()
    repo.switch("dev", create=True)
    repo.write("data/a.csv", NEW)
    repo.commit()
    with meanwhile(monkeypatch, Builder, "load_files", lambda: repo.switch("main")):
        repo.seeknal("run", "--env", "dev")
    assert repo.numbers("SELECT n FROM dev.p") == [(2,)]
    assert repo.git("branch", "--show-current") == "main"
    repo.seeknal("run", "--env", "dev")
    assert repo.numbers("SELECT n FROM dev.p") == [(2,)]


def test_raw_data_that_moved_while_a_run_waited_is_bound_again(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    from seeknal_git.build import aside

    file = make_raw(repo)
    repo.seeknal("run")
    repo.write("seeknal/u.yml", "kind: transform\nname: u\ntransform: SELECT * FROM transform.t\n")
    with meanwhile(
        monkeypatch, aside, "open_for_state", lambda: file.write_text("id,n,more\n1,1,x\n")
    ):
        repo.seeknal("run")
    assert repo.numbers("SELECT more FROM t") == [("x",)]


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        pytest.param(
            lambda path: path.symlink_to(path.name), "leads nowhere", id="a link to itself"
        ),
        pytest.param(
            lambda path: path.symlink_to("nobody.csv"), "leads nowhere", id="a link to nothing"
        ),
    ],
)
def test_a_glob_passes_over_no_broken_link(
    repo: Repo, break_it: Callable[[Path], None], words: str
) -> None:
    make_raw(repo)
    repo.replace("seeknal/p.yml", "raw/p.csv", "raw/*.csv")
    break_it(repo.path / "raw/q.csv")
    said = repo.seeknal("run", code=1).err
    assert f"seeknal/p.yml:4: raw/q.csv is a link that {words}" in said
    (repo.path / "raw/q.csv").rename(repo.path / "raw/.#q.csv")
    repo.seeknal("run")


def test_what_a_files_name_ends_with_decides_how_it_is_read(repo: Repo) -> None:
    make_raw(repo)
    repo.replace("seeknal/p.yml", "raw/p.csv", "raw/p.*")
    packed = repo.path / "raw/p.csv"
    packed.write_bytes(gzip.compress(OLD.encode()))
    assert "raw/p.csv does not fit source.p" in repo.seeknal("run", code=1).err
    packed.rename(repo.path / "raw/p.csv.gz")
    repo.seeknal("run")
    assert repo.numbers("SELECT n FROM t") == [(1,)]


def test_an_upgrade_of_the_engine_reads_production_again_and_leaves_branches_as_they_are(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_raw(repo)
    repo.write("data/d.csv", OLD)
    repo.write("seeknal/d.yml", "kind: source\nname: d\nsource: csv\ntable: data/d.csv\n")
    repo.commit()
    repo.seeknal("run")
    repo.switch("dev", create=True)
    monkeypatch.setattr(engine_version, "engine_version", lambda: "9.1.0")
    assert repo.built() == [], "a branch goes on with production's loads"
    repo.write("data/d.csv", NEW)
    assert repo.built() == ["source.d"]
    repo.git("checkout", "--quiet", "main", "--", ".")
    repo.switch("main")
    assert repo.seeknal("promote", "--dry-run").out.count("DuckDB") == 0
    release = ".".join(duckdb.__version__.split(".")[:2])
    said = repo.seeknal("run", "--dry-run").out
    assert said.count(f"DuckDB {release} read its raw data, and 9.1 may do otherwise") == 2
    assert repo.built() == ["source.d", "source.p", "transform.t"]
    monkeypatch.setattr(engine_version, "engine_version", lambda: "9.1.7")
    assert repo.built() == [], "a correction of the same release reads nothing again"


TYPED = "kind: transform\nname: t\ntransform: SELECT n + 1 AS m FROM source.p\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(
            "id,n\n1,many\n", "would change source.p: n is VARCHAR, not BIGINT", id="another type"
        ),
        pytest.param(
            "id,more\n1,1\n", "would change source.p: n is gone; more comes", id="other columns"
        ),
        pytest.param("", "is empty, since production read it", id="nothing in it"),
    ],
)
def test_a_bad_raw_file_stops_nobodys_commit_on_a_branch_and_is_told(
    repo: Repo, content: str, words: str
) -> None:
    file = make_raw(repo)
    repo.write("seeknal/t.yml", TYPED)
    repo.commit()
    repo.install_hooks()
    repo.seeknal("run")
    repo.switch("dev", create=True)
    file.write_text(content)
    repo.write("seeknal/t.yml", TYPED.replace("+ 1", "+ 2"))
    with repo.held():  # a plan needs no warehouse: what it showed is remembered
        assert words in repo.seeknal("validate").err
        said = repo.seeknal("plan")
        assert words in said.err
        assert "transform.t" in said.out
        assert "source.p " not in said.out
    repo.commit()
    assert repo.built() == ["transform.t"]
    assert repo.numbers("FROM dev.t") == [(3,)]
    repo.switch("main")
    repo.seeknal("run", code=1)


def test_a_file_that_moved_and_has_the_same_columns_is_no_news(repo: Repo) -> None:
    file = make_raw(repo)
    repo.seeknal("run")
    repo.switch("dev", create=True)
    file.write_text(NEW)
    assert "raw/p.csv" not in repo.seeknal("plan").err + repo.seeknal("validate").err


def test_production_reads_raw_data_from_the_data_root_and_a_branch_its_own_first(
    repo: Repo,
) -> None:
    file = make_raw(repo)
    repo.seeknal("run")
    repo.switch("aside", create=True)
    other = Repo(repo.path.with_name("other"))
    repo.git("worktree", "add", "--quiet", str(other.path), "main")
    other.write("raw/p.csv", NEW)
    assert other.built() == [], "production has one raw file, wherever it is run"
    file.write_text("id,n\n3,3\n")
    assert other.built() == ["source.p", "transform.t"]
    assert repo.numbers("SELECT n FROM main.t") == [(3,)]
    other.switch("dev", create=True)
    assert other.built() == [], "a branch goes on with production's load"
    other.seeknal("run", "--refresh")
    assert repo.numbers("SELECT n FROM dev.t") == [(2,)]
    (other.path / "raw/p.csv").unlink()
    other.seeknal("run", "--refresh")
    assert repo.numbers("SELECT n FROM dev.t") == [(3,)]


@pytest.mark.parametrize("way", ["config", "variable", "option"])
def test_a_relative_data_root_has_one_meaning(
    repo: Repo, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    make_raw(repo)
    (repo.path / "sub").mkdir()
    (repo.path / "raw").rename(repo.path.parent / "raw")
    options = []
    if way == "config":
        repo.git("config", "seeknal.dataRoot", "..")  # below the main working tree, from wherever
    elif way == "variable":
        monkeypatch.setenv("SEEKNAL_DATA_ROOT", "../..")
    else:
        options = ["--data-root", "../.."]
    Repo(repo.path / "sub").seeknal("run", *options)
    assert (repo.path.parent / "target/warehouse.duckdb").exists()
