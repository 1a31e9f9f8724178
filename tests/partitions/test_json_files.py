"""JSON is read file by file if no file decides how another one is read; else a run says which one
does."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seeknal_git.cache import Cache
from seeknal_git.nodes.load import load_node
from seeknal_git.project.data_files import DataFile
from seeknal_git.project.guess import Guess
from seeknal_git.project.held_files import Held, identity
from seeknal_git.project.json_guesses import guess_json
from seeknal_git.project.raw_data import Opened
from seeknal_git.sql.ragged import asked
from seeknal_git.sql.readers import json_pinned, json_select
from tests.conftest import Repo, examples
from tests.partitions.shop import shown

SOURCE = "kind: source\nname: events\nsource: {form}\ntable: data/*.json\n"


def make(repo: Repo, texts: list[str], more: str = "", form: str = "json") -> Repo:
    for number, text in enumerate(texts):
        deliver(repo, number, text)
    repo.write("seeknal/sources/events.yml", SOURCE.format(form=form) + more)
    repo.write(".gitignore", "data/\n")
    repo.commit(hooks=False)
    return repo


def deliver(repo: Repo, number: int, text: str) -> None:
    repo.write(f"data/{number}.json", text + "\n")


def read(repo: Repo, *options: str) -> list[str] | None:
    """The names of the files that a run reads; None if they are read together."""
    built = repo.run(*options)["built"].get("source.events", {"files": {"read": []}})
    return [Path(path).stem for path in built["files"]["read"]] if "files" in built else None


def rows(repo: Repo) -> list[tuple[Any, ...]]:
    return shown(repo)["events"]


# The second text comes later, and is the only one to be read.
ALONE: dict[str, tuple[str, str, list[tuple[Any, ...]]]] = {
    "an array and lines": ('[{"a": 1}, {"a": 2}]', '{"a": 3}\n{"a": 4}', [(1,), (2,), (3,), (4,)]),
    "a key less": ('{"a": 1, "b": "x"}', '{"a": 2}', [(1, "x"), (2, None)]),
    "nested values": (
        '{"a": {"b": [1, 2]}}',
        '{"a": {"b": [3]}}',
        [({"b": [1, 2]},), ({"b": [3]},)],
    ),
    "only nulls": ('{"a": 1.5}', '{"a": null}', [(1.5,), (None,)]),
    "whole numbers after fractions": ('{"a": 1.5}', '{"a": 2}', [(1.5,), (2.0,)]),
    "dates after texts": ('{"a": "x"}', '{"a": "2026-01-02"}', [("2026-01-02",), ("x",)]),
    "several types in each": (
        '{"a": 1}\n{"a": "x"}',
        '{"a": true}\n{"a": 2}',
        [('"x"',), ("1",), ("2",), ("true",)],
    ),
}


@pytest.mark.parametrize("case", ALONE)
def test_a_new_file_is_the_only_one_that_is_read(repo: Repo, case: str) -> None:
    first, second, expected = ALONE[case]
    make(repo, [first])
    assert read(repo) == ["0"]
    deliver(repo, 1, second)
    assert read(repo) == ["1"]
    assert rows(repo) == expected
    with duckdb.connect() as connection:
        found = connection.execute(f"FROM read_json('{repo.path}/data/*.json')").fetchall()
    assert Counter(map(str, rows(repo))) == Counter(map(str, found))


TOGETHER = {
    "two types": (
        ['{"a": 1}', '{"a": "x"}'],
        "data/1.json: the column a is VARCHAR there, and BIGINT in data/0.json. "
        "All files are read at each load, unless the node declares its type",
    ),
    "two kinds of times": (
        ['{"a": "2026-01-02"}', '{"a": "2026-01-02 10:00:00"}'],
        "data/1.json: the column a is TIMESTAMP there, and DATE in data/0.json. "
        "All files are read at each load, unless the node declares its type",
    ),
    "dates in another order": (
        ['{"a": 1, "d": "2026-01-02"}', '{"a": 2, "d": "01-02-2026"}'],
        "data/1.json: the column d may be another DATE beside other files. "
        "All files are read at each load, unless the node declares its type",
    ),
    "other keys within": (
        ['{"a": {"b": 1}}', '{"a": {"b": 1, "c": 2}}'],
        "data/1.json: the column a is STRUCT(b BIGINT, c BIGINT) there, and STRUCT(b BIGINT) in "
        "data/0.json. All files are read at each load, unless the node declares its type",
    ),
    "no objects": (
        ["[1, 2]", "[3]"],
        "data/0.json: its rows are no objects. All files are read at each load",
    ),
}


@pytest.mark.parametrize("case", TOGETHER)
def test_files_that_decide_about_each_other_are_read_together_and_told(
    repo: Repo, case: str
) -> None:
    texts, message = TOGETHER[case]
    done = make(repo, texts).run("--json")
    assert "files" not in done["built"]["source.events"]
    assert [doubt["message"] for doubt in done["doubted"]] == [
        f"{message} (seeknal/sources/events.yml)"
    ]
    with duckdb.connect() as connection:
        found = connection.execute(f"FROM read_json('{repo.path}/data/*.json')").fetchall()
    assert Counter(map(str, rows(repo))) == Counter(map(str, found))


def test_a_declared_type_has_new_files_read_alone(repo: Repo) -> None:
    declared = 'schema:\n  - {name: a, data_type: VARCHAR}\n  - {name: b, data_type: "BIGINT[]"}\n'
    make(repo, ['{"a": 1, "b": []}', '{"a": "x", "b": [1]}'], declared)
    assert read(repo) == ["0", "1"]
    deliver(repo, 2, '{"a": "01-02-2026", "c": true}')
    assert read(repo) == ["0", "1", "2"], "a column more"
    deliver(repo, 3, '{"a": {"b": 1}, "c": false}')
    assert read(repo) == ["3"]
    assert Counter(row[0] for row in rows(repo)) == Counter(["1", "x", "01-02-2026", '{"b":1}'])


def test_a_guess_over_some_rows_is_one_over_all_files(repo: Repo) -> None:
    make(repo, ['{"a": 1}', '{"a": 2}'], "params: {sample_size: 10}\n")
    assert read(repo) is None


def test_a_file_without_rows_has_no_columns(repo: Repo) -> None:
    make(repo, ["[]", '{"a": 1}'])
    assert read(repo) == ["0", "1"]
    assert rows(repo) == [(1,)]


def test_a_broken_file_is_named(repo: Repo) -> None:
    make(repo, ['{"a": 1}', '{"a": '])
    said = " ".join(repo.seeknal("run", code=1).err.split())
    assert "data/1.json does not fit source.events" in said
    assert "Malformed JSON in file" in said


# Any files: as they are read one by one, so does the engine read all of them

TEXTS = {
    "whole": st.integers(-3, 3).map(str),
    "huge": st.just("12345678901234567890"),
    "fraction": st.sampled_from(["0.5", "-1e3"]),
    "truth": st.sampled_from(["true", "false"]),
    "text": st.sampled_from(['"x"', '""', '"2026"']),
    "date": st.sampled_from(['"2026-01-02"', '"1999-12-31"']),
    "day first": st.sampled_from(['"02-01-2026"', '"13-01-2026"']),
    "time": st.sampled_from(['"2026-01-02 10:00:00"', '"2026-01-02T10:00:00Z"', '"10:00:00"']),
    "nothing": st.just("null"),
    "list": st.sampled_from(["[]", "[1]", "[1.5]", '["2026-01-02"]', "[null]"]),
    "object": st.sampled_from(["{}", '{"x": 1}', '{"x": null}', '{"y": "2026-01-02", "x": 2}']),
}
VALUE = st.one_of(*TEXTS.values())


@st.composite
def texts(draw: st.DrawFn) -> list[str]:
    """Files whose columns are of a kind each, but for some values."""
    kinds = {name: draw(st.sampled_from([*TEXTS])) for name in "abc"}
    files = []
    for _ in range(draw(st.integers(1, 5))):
        lines = []
        for _ in range(draw(st.integers(0, 4))):
            names = draw(st.lists(st.sampled_from("abc"), unique=True, min_size=1))
            values = {
                name: draw(VALUE if draw(st.integers(0, 19)) == 0 else TEXTS[kinds[name]])
                for name in names
            }
            pairs = ", ".join(f'"{name}": {text}' for name, text in values.items())
            lines.append(f"{{{pairs}}}")
        files.append(f"[{','.join(lines)}]" if draw(st.booleans()) else "\n".join([*lines, ""]))
    return [text or "[]" for text in files]


def test_rows_that_are_read_one_by_one_are_those_of_all_files() -> None:
    counted: Counter[bool] = Counter()

    @settings(max_examples=examples(60))
    @given(texts())
    def hold(files: list[str]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            paths = [Path(folder) / f"{number}.json" for number in range(len(files))]
            for path, text in zip(paths, files, strict=True):
                path.write_text(text)
            guess = guess_of(paths)
            counted[guess.is_each] += 1
            if guess.is_each:
                pinned = json_pinned({}, guess.columns, {})
                together = as_texts(json_select({}), paths, guess)
                assert as_texts(pinned, paths, guess) == together
                each = (as_texts(pinned, [path], guess) for path in paths)
                assert sum(each, Counter[Any]()) == together

    hold()
    assert counted[True] > counted[False] / 2, counted


def guess_of(paths: list[Path]) -> Guess:
    node, _ = load_node(SOURCE.format(form="json").encode(), "seeknal/sources/events.yml")
    assert node is not None
    files = [DataFile(path.name, path, path.read_text()) for path in paths]
    held = [Held(path, path, "", identity(path), None) for path in paths]
    return guess_json(node, Opened(files, held, ""), Cache(paths[0].parent / "cache"))


def as_texts(sql: str, paths: list[Path], guess: Guess) -> Counter[Any]:
    """The rows of some files. Two types may write a value in the same way."""
    columns = ", ".join(f'"{name}"::VARCHAR' for name, _ in guess.columns)
    return Counter(asked(f"SELECT {columns} FROM ({sql})", *paths))


def test_keys_of_two_files_that_differ_in_case_alone_are_refused(repo: Repo) -> None:
    make(repo, ['{"id": 1}', '{"ID": 2}'])
    said = repo.seeknal("run", code=1)
    words = "data/1.json does not fit source.events: its key ID is written id in data/0.json"
    assert words in " ".join((said.out + said.err).split())


@pytest.mark.parametrize("more", ["", "schema: [{name: a, data_type: DOUBLE}]\n"])
@pytest.mark.parametrize("table", ["data/*.json", "data/0.json"])
def test_keys_that_differ_in_case_alone_are_refused(repo: Repo, table: str, more: str) -> None:
    """The engine calls the second `A_1`, and finds nothing under that name once types are said."""
    make(repo, ['{"a": 1, "A": 2}'], more)
    repo.replace("seeknal/sources/events.yml", "data/*.json", table)
    said = repo.seeknal("run", code=1)
    assert "two of its keys are a, in other cases" in " ".join((said.out + said.err).split())
    deliver(repo, 0, '{"a": 1, "a_1": 2}')
    repo.seeknal("run")
    assert rows(repo) == [(1, 2)]
