"""A source of several files reads new ones alone, and equals a read of all of them."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import Repo, examples
from tests.partitions.shop import shown

SOURCE = "kind: source\nname: orders\nsource: {form}\ntable: data/orders/*.{form}\n"
DAILY = "partition: {by: day, every: day, begin: 2026-01-01}\n"
ROWS = "SELECT {low} + i AS id, DATE '2026-01-01' + ({low} + i)::INT AS day FROM range({n}) AS t(i)"


COPY = {".json": "(FORMAT json, ARRAY true)", ".jsonl": "(FORMAT json)"}
# More options of the engine, so that it looks at all rows of all files.
HOW = {
    "csv": ", types = {id: 'BIGINT', day: 'DATE'}",
    "json": ", sample_size = -1, maximum_sample_files = 100",
}
HOW["jsonl"] = HOW["json"]
FORMS = ["parquet", "csv", "json", "jsonl"]


def write(repo: Repo, name: str, rows: str) -> None:
    path = repo.path / "data/orders" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as connection:
        form = COPY.get(path.suffix, "")
        connection.execute(f"COPY ({rows}) TO '{path}' {form}")
    if not path.stat().st_size:  # the engine writes no line of JSON
        path.write_text("\n")


def days(low: int, number: int = 2) -> str:
    return ROWS.format(low=low, n=number)


def make(repo: Repo, form: str = "parquet", more: str = "") -> Repo:
    for number in range(3):
        write(repo, f"{number}.{form}", days(number))
    repo.write("seeknal/sources/orders.yml", SOURCE.format(form=form) + more)
    repo.write(".gitignore", "data/\n")
    repo.commit()
    return repo


def files(repo: Repo, *options: str) -> list[str]:
    """The names of the files that a run reads."""
    built = repo.run(*options)["built"].get("source.orders", {"files": {"read": []}})
    return [Path(path).stem for path in built["files"]["read"]]


def rows(repo: Repo, schema: str = "main") -> list[tuple[Any, ...]]:
    return shown(repo, schema)["orders"]


def truth(repo: Repo, form: str = "parquet") -> list[tuple[Any, ...]]:
    """All files, read by the engine alone."""
    with duckdb.connect() as connection:
        place, read = f"{repo.path}/data/orders/*.{form}", form.replace("jsonl", "json")
        read = f"FROM read_{read}('{place}', union_by_name = true{HOW.get(form, '')})"
        return sorted(connection.execute(read).fetchall(), key=repr)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("more", ["", DAILY])
def test_a_run_reads_the_files_that_are_new(repo: Repo, form: str, more: str) -> None:
    make(repo, form, more)
    assert files(repo) == ["0", "1", "2"]
    write(repo, f"10.{form}", days(7))
    assert files(repo) == ["10"]
    assert rows(repo) == truth(repo, form)
    write(repo, f"1.{form}", days(9, 3))
    assert files(repo) == ["1"]
    assert rows(repo) == truth(repo, form)
    (repo.path / f"data/orders/0.{form}").unlink()
    assert files(repo) == []
    assert rows(repo) == truth(repo, form)
    write(repo, f"0.{form}", days(0))
    assert files(repo) == []
    assert rows(repo) == truth(repo, form)
    assert repo.run()["built"] == {}


def test_a_run_says_how_many_files_it_read(repo: Repo) -> None:
    make(repo)
    assert "3 of 3 files" in repo.seeknal("run", "--verbose").err
    write(repo, "3.parquet", days(8))
    assert "1 of 4 files" in repo.seeknal("run", "--verbose").err


def test_two_files_of_the_same_content_count_twice(repo: Repo) -> None:
    make(repo)
    repo.run()
    write(repo, "copy.parquet", days(1))
    assert files(repo) == ["copy"]
    assert rows(repo) == truth(repo)
    assert len(rows(repo)) == 8
    (repo.path / "data/orders/1.parquet").rename(repo.path / "data/orders/renamed.parquet")
    repo.run()
    (repo.path / "data/orders/copy.parquet").unlink()
    assert files(repo) == []
    assert rows(repo) == truth(repo)


def test_a_file_without_rows_is_read_once(repo: Repo) -> None:
    make(repo, more=DAILY)
    write(repo, "empty.parquet", days(0, 0))
    assert "empty" in files(repo)
    write(repo, "3.parquet", days(8))
    assert files(repo) == ["3"]
    assert rows(repo) == truth(repo)


def test_a_column_more_has_all_files_read_again(repo: Repo) -> None:
    make(repo)
    repo.run()
    write(repo, "3.parquet", f"SELECT *, 'x' AS town FROM ({days(5)})")
    assert files(repo) == ["0", "1", "2", "3"]
    assert rows(repo) == truth(repo)
    write(repo, "4.parquet", days(6))
    assert files(repo) == ["4"]
    assert rows(repo) == truth(repo)


def test_two_types_of_a_column_have_all_files_read_and_told(repo: Repo) -> None:
    make(repo)
    repo.run()
    write(repo, "3.parquet", f"SELECT id::INTEGER AS id, day FROM ({days(5)})")
    done = repo.run()
    assert "files" not in done["built"]["source.orders"]
    assert [doubt["message"] for doubt in done["doubted"]] == [
        "data/orders/3.parquet: the column id is INTEGER there, and BIGINT in "
        "data/orders/0.parquet. All files are read at each load (seeknal/sources/orders.yml)"
    ]
    assert rows(repo) == truth(repo)
    (repo.path / "data/orders/3.parquet").unlink()
    write(repo, "4.parquet", days(6))
    assert files(repo) == ["4"]
    assert rows(repo) == truth(repo)


def test_a_full_run_reads_all_files_again(repo: Repo) -> None:
    make(repo)
    repo.run()
    assert files(repo, "--full", "--refresh") == ["0", "1", "2"]
    assert rows(repo) == truth(repo)


def test_a_branch_and_a_rollback_have_their_own_files(repo: Repo) -> None:
    make(repo)
    repo.run()
    before = rows(repo)
    write(repo, "3.parquet", days(8))
    repo.switch("dev", create=True)
    repo.run("--refresh")
    assert rows(repo, "dev") == truth(repo)
    assert rows(repo) == before
    repo.switch("main")
    repo.run()
    assert rows(repo) == truth(repo)
    repo.seeknal("rollback")
    assert rows(repo) == before


def test_rows_outside_all_partitions_are_refused_and_nothing_is_kept(repo: Repo) -> None:
    make(repo, more=DAILY)
    repo.run()
    before = rows(repo)
    write(repo, "old.parquet", "SELECT 1::BIGINT AS id, DATE '2020-01-01' AS day")
    failed = repo.run(code=1)["failed"]["source.orders"]
    assert "1 row falls into no partition" in failed
    assert rows(repo) == before
    write(repo, "old.parquet", days(3))
    assert files(repo) == ["old"]
    assert rows(repo) == truth(repo)


def test_readers_build_the_partitions_whose_rows_changed(repo: Repo) -> None:
    make(repo, more=DAILY)
    daily = "kind: transform\nname: daily\ninputs: [source.orders]\n" + DAILY
    repo.write(
        "seeknal/transforms/daily.yml",
        daily + "transform: SELECT day, count(*) AS n FROM source.orders GROUP BY day\n",
    )
    repo.commit()
    repo.run()
    write(repo, "3.parquet", days(3, 2))
    parts = repo.run()["built"]["transform.daily"]["partitions"]
    assert parts["built"] == ["2026-01-04", "2026-01-05"]
    # The same rows, in one file.
    for number in range(1, 4):
        (repo.path / f"data/orders/{number}.parquet").unlink()
    three = " UNION ALL ".join(f"SELECT * FROM ({days(number)})" for number in range(1, 4))
    write(repo, "all.parquet", three)
    parts = repo.run()["built"]["transform.daily"]["partitions"]
    assert (parts["built"], parts["total"]) == ([], 5)


def test_a_history_of_changes_takes_in_new_files(repo: Repo) -> None:
    make(repo, more="keep: changes\nkey: [id]\n")
    for number in range(1, 3):
        (repo.path / f"data/orders/{number}.parquet").unlink()
    repo.run()
    write(repo, "3.parquet", days(8))
    assert files(repo) == ["3"]
    assert [row[:2] for row in shown(repo)["orders_changes"]] == truth(repo)


@pytest.mark.parametrize("more", ["", DAILY])
def test_a_file_whose_rows_were_dropped_is_read_again(repo: Repo, more: str) -> None:
    settings = "name: shop\nkeep_promotions: 1\nkeep_history: 0s\n"
    repo.write("seeknal_project.yml", settings)
    make(repo, more=more)
    write(repo, "empty.parquet", days(0, 0))
    repo.run()
    (repo.path / "data/orders/1.parquet").unlink()
    write(repo, "4.parquet", days(4))
    repo.run()
    write(repo, "5.parquet", days(5))
    repo.run()
    repo.seeknal("gc", "--yes")
    assert repo.seeknal("gc", "--json").json["pieces"] == []
    assert rows(repo) == truth(repo)
    write(repo, "7.parquet", days(8))
    write(repo, "1.parquet", days(1))
    assert files(repo) == ["1", "7"]
    assert rows(repo) == truth(repo)


# Any history of files

FILE = st.tuples(st.integers(0, 12), st.integers(0, 4), st.sampled_from(["", "town", "code"]))
STEP = st.one_of(
    st.tuples(st.just("write"), st.tuples(st.integers(0, 4), FILE)),
    st.tuples(st.just("remove"), st.integers(0, 4)),
    st.tuples(st.just("rename"), st.tuples(st.integers(0, 4), st.integers(5, 7))),
    st.tuples(st.just("copy"), st.tuples(st.integers(0, 7), st.integers(5, 7))),
)


@pytest.mark.parametrize("form", FORMS)
def test_a_source_equals_a_read_of_all_its_files(form: str) -> None:
    @settings(max_examples=examples(3), suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(["", DAILY]), st.lists(STEP, min_size=3, max_size=8))
    def holds(more: str, steps: list[tuple[str, Any]]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            repo = Repo(Path(folder) / "shop")
            repo.path.mkdir()
            repo.git("init", "--quiet")
            repo.write("seeknal_project.yml", "name: shop\n")
            make(repo, form, more + "params: {on_drift: warn}\n")
            repo.run()
            known = {columns(repo): contents(repo)}
            for step, given in steps:
                take(repo, form, step, given)
                read = files(repo)
                assert rows(repo) == truth(repo, form)
                before = known.setdefault(columns(repo), set())
                assert len(read) == len(contents(repo) - before)
                before |= contents(repo)

    holds()


def columns(repo: Repo) -> str:
    return str(sorted(repo.views("main")["orders"][0]))


def contents(repo: Repo) -> set[tuple[bytes, int]]:
    """The content of each file; of a second file of the same content, with its number."""
    counted = Counter(path.read_bytes() for path in (repo.path / "data/orders").iterdir())
    return {(content, place) for content, times in counted.items() for place in range(times)}


def take(repo: Repo, form: str, step: str, given: Any) -> None:
    folder = repo.path / "data/orders"
    if step == "write":
        number, (low, many, column) = given
        more = f", {low}::INTEGER AS {column}" if column else ""
        write(repo, f"{number}.{form}", f"SELECT *{more} FROM ({days(low, many)})")
    elif step == "remove":
        path = folder / f"{given}.{form}"
        if path.exists() and len(list(folder.iterdir())) > 1:
            path.unlink()
    else:
        path = folder / f"{given[0]}.{form}"
        if path.exists() and path != folder / f"{given[1]}.{form}":
            (folder / f"{given[1]}.{form}").write_bytes(path.read_bytes())
            if step == "rename":
                path.unlink()
