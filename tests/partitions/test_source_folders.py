"""A folder is the path of a source: the files of its format in it, as if a glob named them."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from tests.conftest import Repo
from tests.partitions.shop import shown
from tests.partitions.test_files import days, files, rows, truth, write

SOURCE = "kind: source\nname: orders\nsource: {form}\ntable: {path}\n"
FOLDER = "data/orders/"


def source(repo: Repo, form: str = "csv", path: str = FOLDER, more: str = "") -> None:
    repo.write("seeknal/sources/orders.yml", SOURCE.format(form=form, path=path) + more)


def make(repo: Repo, form: str = "csv") -> Repo:
    for number in range(2):
        write(repo, f"{number}.{form}", days(number))
    source(repo, form)
    repo.write(".gitignore", "data/\n")
    repo.commit(hooks=False)
    return repo


def ids(repo: Repo, schema: str = "main") -> list[int]:
    return sorted(row[0] for row in shown(repo, schema)["orders"])


@pytest.mark.parametrize("form", ["csv", "parquet", "json", "jsonl"])
def test_a_folder_is_read_file_by_file(repo: Repo, form: str) -> None:
    make(repo, form)
    assert files(repo) == ["0", "1"]
    write(repo, f"2.{form}", days(7))
    assert files(repo) == ["2"]
    assert rows(repo) == truth(repo, form)
    (repo.path / f"data/orders/0.{form}").unlink()
    assert files(repo) == []
    assert rows(repo) == truth(repo, form)


TAKEN: dict[str, tuple[str, list[str], list[str]]] = {
    "csv": (
        "csv",
        ["a.csv", "B.CSV", "2026/01/c.csv", "d.csv.gz", "day=3/e.csv"],
        ["notes.txt", "a.csv.bak", "x.json", ".a.csv", "_a.csv", "_old/a.csv", ".tmp/a.csv"],
    ),
    "json": ("json", ["a.json", "b.jsonl", "sub/c.ndjson", "d.json.gz"], ["_delta_log/0.json"]),
    "jsonl": ("jsonl", ["a.json", "b.jsonl", "sub/c.ndjson"], ["a.csv", "_SUCCESS"]),
}


@pytest.mark.parametrize("kind", TAKEN)
def test_its_files_are_those_whose_names_end_like_its_format(repo: Repo, kind: str) -> None:
    form, taken, passed_over = TAKEN[kind]
    for number, name in enumerate(taken + passed_over):
        path = repo.path / FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = f"id\n{number}\n" if form == "csv" else json.dumps({"id": number}) + "\n"
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    source(repo, form)
    repo.commit(hooks=False)
    repo.run()
    assert ids(repo) == [*range(len(taken))]
    tracked = [f"{FOLDER}{name}" for name in sorted(taken)]
    assert repo.run("--full", "--refresh")["built"]["source.orders"]["files"]["read"] == tracked


ABSENT = (
    "source.orders reads the folder data/orders/, and there is no file in it that ends in "
    ".csv, .tsv, also packed as .gz or .zst."
)


@pytest.mark.parametrize("there", [None, "notes.txt"])
def test_a_folder_without_files_is_told_with_the_endings(repo: Repo, there: str | None) -> None:
    source(repo)
    if there:
        repo.write(f"{FOLDER}{there}", "id\n1\n")
    repo.commit(hooks=False)
    for command in ("run", "validate", "plan", "status"):
        said = repo.seeknal(command, code=None)
        assert "data/orders/" in f"{said.out}{said.err}", command
    said = repo.seeknal("run", code=1)
    assert ABSENT in " ".join(said.err.split())
    assert "seeknal/sources/orders.yml:4" in said.err


@pytest.mark.parametrize("tracked", [True, False])
def test_a_folder_that_is_named_like_a_file_is_told(repo: Repo, tracked: bool) -> None:
    repo.write(f"{FOLDER}a.csv", "id\n1\n")
    source(repo, path="data/orders")
    repo.write(".gitignore", "" if tracked else "data/\n")
    repo.commit(hooks=False)
    said = " ".join(repo.seeknal("run", code=1).err.split())
    assert "seeknal/sources/orders.yml:4: source.orders reads data/orders, and there is no" in said
    assert "If it is a folder, end it with a slash: `data/orders/`." in said
    repo.replace("seeknal/sources/orders.yml", "data/orders", "data/orders/")
    repo.run()
    assert ids(repo) == [1]


def test_tracked_files_of_a_folder_are_part_of_the_branch(repo: Repo) -> None:
    repo.write(f"{FOLDER}a.csv", "id\n1\n")
    source(repo)
    repo.commit(hooks=False)
    repo.run()
    repo.switch("dev", create=True)
    repo.write(f"{FOLDER}sub/b.csv", "id\n2\n")
    repo.commit(hooks=False)
    assert repo.categories() == {"source.orders": "DATA"}
    assert files(repo) == ["b"]
    assert (ids(repo, "dev"), ids(repo)) == ([1, 2], [1])
    repo.switch("main")
    repo.merge("dev")
    repo.seeknal("promote")
    assert ids(repo) == [1, 2]


def test_a_worktree_has_its_own_files_in_a_folder(repo: Repo) -> None:
    make(repo)
    repo.run()
    repo.git("worktree", "add", "--quiet", "-b", "dev", str(repo.path.parent / "dev"))
    dev = Repo(repo.path.parent / "dev")
    write(dev, "9.csv", days(9, 1))
    dev.run("--refresh")
    assert sorted(repo_ids(repo, "dev")) == [0, 1, 1, 2, 9]
    assert ids(repo) == [0, 1, 1, 2]


def repo_ids(repo: Repo, schema: str) -> list[Any]:
    return [row[0] for row in repo.numbers(f"SELECT id FROM {schema}.orders")]


def test_no_exposure_writes_a_file_that_a_folder_takes(repo: Repo) -> None:
    make(repo)
    exposure = (
        "kind: exposure\nname: out\ndepends_on: [source.orders]\ntype: file\n"
        "params: {{path: data/orders/{0}, format: {1}}}\n"
    )
    repo.write("seeknal/exposures/out.yml", exposure.format("sub/out.csv", "csv"))
    said = " ".join(repo.seeknal("validate", code=1).err.split())
    assert "would write over data/orders/, which source.orders reads" in said
    repo.write("seeknal/exposures/out.yml", exposure.format("out.parquet", "parquet"))
    repo.seeknal("validate")


@pytest.mark.parametrize("given", ["data/orders", "data/orders/"])
def test_a_draft_from_a_folder_says_how_its_files_are_read(repo: Repo, given: str) -> None:
    make(repo, "jsonl")
    repo.seeknal("draft", "source", "mine", "--from", given)
    text = repo.read("draft_source_mine.yml")
    assert "table: data/orders/" in text
    assert "source: jsonl" in text
    assert "{name: day, data_type: DATE}" in text


def test_a_draft_from_a_folder_of_two_formats_is_refused(repo: Repo) -> None:
    make(repo)
    write(repo, "1.parquet", days(1))
    said = repo.seeknal("draft", "source", "mine", "--from", FOLDER, code=2).err
    assert "data/orders/ has files of csv and of parquet" in " ".join(said.split())


def test_a_folder_without_data_gives_no_draft(repo: Repo) -> None:
    repo.write(f"{FOLDER}notes.md", "x")
    repo.commit(hooks=False)
    said = repo.seeknal("draft", "source", "mine", "--from", FOLDER, code=2).err
    assert "no file in data/orders/" in " ".join(said.split())
