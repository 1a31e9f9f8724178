"""`keep: changes`: the history of a source, which raw data cannot give back."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Repo, Templates

ORDERS = "seeknal/sources/orders.yml"
VERSIONS = "seeknal/transforms/versions.yml"
FILES = {
    ORDERS: """
        kind: source
        name: orders
        source: csv
        table: raw/orders.csv
        keep: changes
        key: [id]
    """,
    VERSIONS: """
        kind: transform
        name: versions
        transform: |
          SELECT id, count(*) AS versions FROM ref('changes.orders') GROUP BY id
    """,
}
Rows = dict[int, str]


def load(repo: Repo, rows: Rows) -> None:
    """Another file of orders: id → status."""
    lines = [f"{key},{value}" for key, value in rows.items()]
    repo.write("raw/orders.csv", "\n".join(["id,status", *lines, ""]))


def make_kept(repo: Repo) -> None:
    """Three orders, of the first load that production kept."""
    repo.path.mkdir()
    repo.git("init", "--quiet")
    repo.write("seeknal_project.yml", "name: kept\n")
    repo.write(".gitignore", "target/\nexports/\nraw/\n")
    for path, text in FILES.items():
        repo.write(path, text)
    load(repo, {1: "new", 2: "new", 3: "new"})
    repo.commit("First")
    repo.seeknal("run")


@pytest.fixture
def kept(copy_of: Templates) -> Repo:
    return copy_of("kept", make_kept)


def intervals(
    repo: Repo, columns: str = "id, status", schema: str = "main"
) -> list[tuple[Any, ...]]:
    """The rows of the history, with the number of the load that began and ended each."""
    rows = repo.numbers(
        f"SELECT {columns}, _valid_from, _valid_to FROM {schema}.orders_changes ORDER BY ALL"
    )
    times = sorted({time for *_, start, end in rows for time in (start, end) if time})
    number: dict[datetime | None, int | None] = {time: at for at, time in enumerate(times, 1)}
    return [(*row, number[start], number.get(end)) for *row, start, end in rows]


FIRST = [(1, "new", 1, None), (2, "new", 1, None), (3, "new", 1, None)]
SECOND = [
    (1, "new", 1, None),
    (2, "new", 1, 2),
    (2, "paid", 2, None),
    (3, "new", 1, 2),
    (4, "new", 2, None),
]


def test_each_load_ends_rows_and_begins_others(kept: Repo) -> None:
    assert intervals(kept) == FIRST
    load(kept, {1: "new", 2: "paid", 4: "new"})
    kept.seeknal("run")
    assert intervals(kept) == SECOND
    assert kept.numbers("FROM main.versions ORDER BY ALL") == [(1, 1), (2, 2), (3, 1), (4, 1)]


def test_raw_data_that_goes_back_begins_new_intervals(kept: Repo) -> None:
    for rows in ({1: "new"}, {1: "new", 2: "new", 3: "new"}):
        load(kept, rows)
        kept.seeknal("run")
    assert intervals(kept) == [
        (1, "new", 1, None),
        (2, "new", 1, 2),
        (2, "new", 3, None),
        (3, "new", 1, 2),
        (3, "new", 3, None),
    ]


def test_a_load_in_another_order_makes_no_difference(kept: Repo) -> None:
    load(kept, {3: "new", 2: "new", 1: "new"})
    assert "changes.orders" in kept.built()
    assert intervals(kept) == FIRST
    assert kept.built() == []


def test_a_key_that_is_twice_or_missing_in_a_load_fails_the_run(kept: Repo) -> None:
    kept.write("raw/orders.csv", "id,status\n1,new\n1,paid\n,new\n")
    said = kept.seeknal("run", code=1)
    assert "key_not_null(id): 1 of 3 rows violates it" in said.out
    assert "key_unique(id): 1 value occurs more than once in 3 rows" in said.out
    assert intervals(kept) == FIRST


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("keep: changes", "`keep: changes` needs the `key` of a row, such as `key: [id]`"),
        ("key: [id]", "`key` belongs to `keep: changes`, which is not here"),
        ("keep: changes\nkey: [no]", "key_not_null(no)"),
        ("keep: changes\nkey: [id]\ncompare: [no]", "changes.orders compares the column no"),
        ("keep: all\nkey: [id]", "`keep`"),
    ],
    ids=["no key", "a key alone", "an unknown key", "an unknown column", "an unknown word"],
)
def test_a_mistake_in_the_file_is_told_with_its_line(kept: Repo, lines: str, message: str) -> None:
    kept.replace(ORDERS, "keep: changes\nkey: [id]", lines)
    said = kept.seeknal("validate", code=1)
    assert message in said.err
    assert f"{ORDERS}:" in said.err


def test_a_node_of_the_kind_cannot_be_written(kept: Repo) -> None:
    kept.write("seeknal/changes.yml", "kind: changes\nname: orders\n")
    assert "Write `keep: changes` and the `key`" in kept.seeknal("validate", code=1).err


def test_gc_keeps_a_history_whose_source_is_gone(kept: Repo, tmp_path: Path) -> None:
    load(kept, {1: "paid"})
    kept.seeknal("run")
    expected = intervals(kept)
    kept.write("seeknal_project.yml", "name: kept\nkeep_promotions: 1\nkeep_history: 0s\n")
    kept.git("rm", "--quiet", ORDERS, VERSIONS)
    without = kept.commit("Without orders")
    kept.seeknal("promote")
    said = kept.seeknal("gc", "--yes").out
    assert "snapshot versions__" in said
    assert "snapshot orders_changes__" not in said
    kept.git("revert", "--no-edit", without)
    kept.seeknal("promote")
    assert intervals(kept) == expected
