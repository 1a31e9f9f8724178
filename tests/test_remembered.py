"""Graphs that are remembered: the same as from nothing, after any edits, and never trusted blindly."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seeknal_git.project import held_files, remembered
from seeknal_git.project.bound_graph import Facts
from seeknal_git.project.load import Loaded, load
from seeknal_git.project.snapshot_ids import identities
from seeknal_git.project.workspace import current_tree, open_workspace
from seeknal_git.sql.describe import Statement, judged
from seeknal_git.warehouse import duckdb_file
from seeknal_git.warehouse.protocol import Warehouse
from tests.conftest import Repo, make_shop

TRANSFORMS = "seeknal/transforms"
CLEAN = f"{TRANSFORMS}/clean_orders.yml"
DAILY = f"{TRANSFORMS}/daily.yml"
RULES = "seeknal/common/rules.yml"
CUSTOMERS = f"{TRANSFORMS}/by_customer.yml"


def written(path: str, text: str) -> Callable[[Repo], None]:
    return lambda repo: repo.write(path, text)


def turned(path: str, old: str, new: str) -> Callable[[Repo], None]:
    """An edit that a further one may take back, or that a file may not have any more."""

    def turn(repo: Repo) -> None:
        file = repo.path / path
        if file.exists():
            text = file.read_text()
            file.write_text(text.replace(old, new) if old in text else text.replace(new, old))

    return turn


def moved(path: str, to: str) -> Callable[[Repo], None]:
    def move(repo: Repo) -> None:
        one, other = repo.path / path, repo.path / to
        if one.exists():
            one.rename(other)
        elif other.exists():
            other.rename(one)

    return move


def gone(path: str) -> Callable[[Repo], None]:
    return lambda repo: (repo.path / path).unlink(missing_ok=True)


ANOTHER = "kind: {kind}\nname: {name}\ninputs: [{{ref: {ref}}}]\ntransform: {sql}\n"
EDITS: dict[str, Callable[[Repo], object]] = {
    "a filter": turned(CLEAN, "amount IS NOT NULL", "amount > 15"),
    "a column more": turned(CLEAN, "day, amount\n", "day, amount, amount * 2 AS twice\n"),
    "a column's type": turned(CLEAN, "id, customer", "id::VARCHAR AS id, customer"),
    "a column that is read is gone": turned(CLEAN, "day, amount\n", "day\n"),
    "a form": turned(DAILY, "SELECT day, sum", "SELECT  day,  sum"),
    "a description": turned(DAILY, "name: daily\n", "name: daily\ndescription: By day\n"),
    "an input replaced": turned(DAILY, "transform.clean_orders", "source.orders"),
    "a test": turned(DAILY, "name: daily\n", "name: daily\ntests: [{not_null: [day]}]\n"),
    "a test that reads another node": turned(
        "seeknal/sources/customers.yml",
        "name: customers\n",
        "name: customers\ntests: [{custom_sql: SELECT total FROM ref('transform.daily')}]\n",
    ),
    "a test that may answer otherwise": turned(
        CLEAN, "unique: id", 'custom_sql: "SELECT * FROM __THIS__ WHERE day > current_date"'
    ),
    "an order that a file shows": turned(CUSTOMERS, "BY c.name", "BY c.name ORDER BY total"),
    "a node that uses a rule": turned(CLEAN, "amount IS NOT NULL", "{{ rules.known }}"),
    "the text of the rule": turned(RULES, "NOT NULL", "NOT NULL AND amount > 15"),
    "a value of the environment": turned(DAILY, "SELECT day", "SELECT '{{ env:HOME }}', day"),
    "a node with a file of SQL": written(
        "seeknal/own.yml", "kind: transform\nname: own\ninputs: [transform.daily]\n"
    ),
    "another file of SQL": turned("seeknal/own.sql", "FROM", "SELECT day FROM"),
    "no file of SQL": moved("seeknal/own.sql", "seeknal/other.sql"),
    "a macro": written(
        "seeknal/macros/known.sql", "CREATE MACRO is_known(x) AS x IS NOT NULL AND x > 0;\n"
    ),
    "a node that calls a macro": turned(CLEAN, "amount IS NOT NULL", "is_known(amount)"),
    "the text of the macro": turned("seeknal/macros/known.sql", "> 0", "> 15"),
    "no parts": turned(CLEAN, "WHERE amount", "WHERE random() < 2 AND amount"),
    "a syntax error": turned(DAILY, "GROUP BY day", "GROUP BYE day"),
    "an unknown column": turned(CUSTOMERS, "c.name AS name", "c.nom AS name"),
    "no YAML": turned(DAILY, "kind: transform", "kind: [transform"),
    "another name": turned(DAILY, "name: daily", "name: per_day"),
    "another file": moved(DAILY, f"{TRANSFORMS}/a_daily.yml"),
    "a new node": written(
        f"{TRANSFORMS}/more.yml",
        ANOTHER.format(kind="transform", name="more", ref="transform.daily", sql="FROM input_0"),
    ),
    "the same name in another kind": written(
        "seeknal/feature_groups/daily.yml",
        "kind: feature_group\nname: daily\nentity: {name: day, join_keys: [day]}\n"
        "inputs: [{ref: transform.daily}]\ntransform: FROM input_0\n",
    ),
    "the same node twice": written(
        f"{TRANSFORMS}/again.yml",
        ANOTHER.format(kind="transform", name="daily", ref="source.orders", sql="FROM input_0"),
    ),
    "a circle": turned(CLEAN, "source.orders", "transform.daily"),
    "a node deleted": gone(DAILY),
    "a source deleted": gone("seeknal/sources/customers.yml"),
    "no file to write": gone("seeknal/exposures/by_customer_csv.yml"),
    "another rule": turned("seeknal/rules/amounts_are_positive.yml", "> 0", ">= 0"),
    "rows": turned("data/orders.csv", "1,1,2024-01-01,10", "1,1,2024-01-01,11"),
    "raw data of another type": turned("data/customers.csv", "1,Ada", "A1,Ada"),
    "a column of raw data": turned("data/orders.csv", "amount\n", "amount,note\n"),
    "no raw data": moved("data/customers.csv", "data/other.csv"),
    "raw data that git does not track": turned(
        "seeknal/sources/customers.yml", "data/customers.csv", "raw/customers.csv"
    ),
    "declared types": turned(
        "seeknal/sources/orders.yml", "name: orders\n", "name: orders\nschema: {amount: DOUBLE}\n"
    ),
    "a stranger's file": written("seeknal/strange.yml", "hello: [world]\n"),
    "a setting": turned("seeknal_project.yml", "name: shop", "name: store"),
    "a Python node": written("seeknal/nodes.py", "from seeknal import transform\n@transform()\n"),
    "everything restored": lambda repo: repo.git("checkout", "--quiet", "--", "."),
    "a commit": lambda repo: repo.commit(),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Repo:
    repo = Repo(tmp_path_factory.mktemp("remembered") / "shop")
    make_shop(repo)
    repo.write(RULES, "rules: [{id: known, value: amount IS NOT NULL}]\n")
    repo.write("seeknal/own.sql", "FROM input_0\n")
    repo.commit()
    repo.write("raw/customers.csv", "id,name\n1,Ada\n")
    repo.git("tag", "start")
    return repo


def loaded(repo: Repo) -> Loaded:
    workspace = open_workspace(repo.path, mending=True)
    return load(workspace, current_tree(workspace))


def from_nothing(repo: Repo, act: Callable[[Repo], Any]) -> Any:
    """An answer if no graph is remembered; the remembered ones are put back."""
    graphs, aside = graphs_of(repo), repo.path.parent / "aside"
    if graphs.exists():
        graphs.rename(aside)
    try:
        return act(repo)
    finally:
        shutil.rmtree(graphs, ignore_errors=True)
        if aside.exists():
            aside.rename(graphs)


def graphs_of(repo: Repo) -> Path:
    return repo.path / ".git/seeknal/cache/graphs"


def everything(found: Loaded) -> dict[str, Any]:
    """All values that follow from a tree."""
    graph, project = found.graph, found.project

    def named(mask: int) -> set[str]:
        return {each for number, each in enumerate(graph.origins) if mask >> number & 1}

    facts = {
        identifier: (
            each.member,
            each.targets,
            each.answers,
            each.fingerprint,
            list(each.fingerprint.columns or ()),
            named(each.origins.whole),
            each.origins.rows is not None and named(each.origins.rows),
            {name: named(mask) for name, mask in each.origins.columns.items()},
        )
        for identifier, each in graph.facts.items()
    }
    return {
        "tree": (dict(found.tree.files), found.tree.commit, found.tree.dirty),
        "problems": (found.problems, found.all_problems),
        "warnings": (found.warnings, found.absent),
        "project": (list(project.members), project.foreign, project.unread),
        "facts": list(facts.items()),
        "structure": (list(graph.inputs.items()), graph.layers, list(graph.views.items())),
        "members": list(graph.members.items()),
        "targets": {identifier: graph.targets[identifier] for identifier in graph.members},
        "files": (dict(graph.index.files), graph.index.wholes),
        "masks": {identifier: named(mask) for identifier, mask in graph.index.masks.items()},
        "checks": (graph.index.tested, graph.volatile),
        "binding": found.binding,
        "versions": found.state.versions,
        "identities": list(identities(graph, found.state.versions).items()),
    }


def plan(repo: Repo) -> tuple[int, str, str]:
    done = repo.seeknal("plan", "--json", code=None)
    return done.code, done.out, done.err


def begin_anew(project: Repo) -> None:
    project.git("reset", "--quiet", "--hard", "start")
    project.git("clean", "--quiet", "-fd")
    loaded(project)


@pytest.mark.parametrize(
    "first", ["a filter", "a new node", "no parts", "an order that a file shows"]
)
def test_each_edit_gives_the_same_from_a_remembered_graph_as_from_nothing(
    project: Repo, first: str
) -> None:
    for edit in sorted(EDITS):
        begin_anew(project)
        EDITS[first](project)
        EDITS[edit](project)
        assert everything(loaded(project)) == everything(from_nothing(project, loaded)), edit
        assert plan(project) == from_nothing(project, plan), edit


@settings(max_examples=20)
@given(st.lists(st.lists(st.sampled_from(sorted(EDITS)), min_size=1, max_size=2), max_size=6))
def test_any_edits_give_the_same_from_a_remembered_graph_as_from_nothing(
    project: Repo, steps: Iterable[list[str]]
) -> None:
    begin_anew(project)
    for edits in steps:
        for edit in edits:
            EDITS[edit](project)
        assert everything(loaded(project)) == everything(from_nothing(project, loaded)), edits


def only_graph(repo: Repo) -> Path:
    paths = list(graphs_of(repo).glob("*/*.graph"))
    assert len(paths) == 1
    return paths[0]


def test_a_plan_reads_only_the_nodes_that_changed(
    shop: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.switch("dev", create=True)
    shop.plan()
    shop.replace(DAILY, "sum(amount)", "max(amount)")
    decoded: list[str] = []
    read = remembered._facts

    def noted(value: Sequence[Any], path: str, blob: str, whole: str) -> Facts:
        decoded.append(path)
        return read(value, path, blob, whole)

    monkeypatch.setattr(remembered, "_facts", noted)
    assert shop.categories() == {"transform.daily": "BREAKING"}
    assert CUSTOMERS not in decoded
    assert DAILY in decoded


def resealed(content: bytes) -> bytes:
    """The content of a file with the sum that is right for it."""
    head, _, body = content.partition(b"\n")
    return json.dumps({**json.loads(head), "crc": zlib.crc32(body)}).encode() + b"\n" + body


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-7],
        lambda content: content[: len(content) // 3],
        lambda content: b"",
        lambda content: content.replace(b"amount", b"anount"),
        lambda content: content.replace(b'{"format": 1', b'{"format": 0'),
        lambda content: b"no JSON\n" + content,
        lambda content: b'{"format": 1}\n' + content,
        lambda content: resealed(content.replace(b'"macros":', b'"macro5":')),
    ],
    ids=[
        "a few bytes less",
        "a third",
        "empty",
        "others",
        "another form",
        "noise",
        "no head",
        "another key",
    ],
)
def test_a_damaged_file_is_passed_over(shop: Repo, damage: Callable[[bytes], bytes]) -> None:
    plan = shop.plan()
    path = only_graph(shop)
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    assert shop.plan() == plan
    assert path.read_bytes() == whole


@pytest.mark.parametrize("other", ["engine_version", "machine", "limits"])
def test_a_graph_of_another_engine_machine_or_limit_is_passed_over(
    shop: Repo, monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    shop.plan()
    if other == "machine":
        there = os.uname()
        another = SimpleNamespace(sysname=there.sysname, machine="another")
        monkeypatch.setattr(os, "uname", lambda: another)
    else:
        monkeypatch.setattr(remembered, other, lambda: "another")
    shop.plan()
    assert len(list(graphs_of(shop).glob("*/*.graph"))) == 2


WRITE = """
import sys
from pathlib import Path
from seeknal_git.project.remembered import Graphs
graphs = Graphs(Path(sys.argv[1]))
found = graphs.nearest("0")
assert found is not None
for _ in range(100):
    graphs.keep("f" * 40, found)
"""


def test_two_processes_that_write_one_graph_at_once_leave_it_whole(shop: Repo) -> None:
    shop.plan()
    first = only_graph(shop)
    target = first.with_name(f"{'f' * 40}.graph")
    command = [sys.executable, "-c", WRITE, str(first.parent)]
    writers = [subprocess.Popen(command) for _ in range(2)]
    seen = set()
    while any(writer.poll() is None for writer in writers):
        with suppress(FileNotFoundError):
            seen.add(target.read_bytes())
    assert [writer.returncode for writer in writers] == [0, 0]
    assert seen
    assert all(map(remembered._decoded, seen))
    assert {path.suffix for path in first.parent.iterdir()} == {".graph"}


def test_a_folder_that_cannot_be_written_only_costs_time(shop: Repo) -> None:
    graphs_of(shop).parent.mkdir(parents=True)
    graphs_of(shop).write_text("no folder")
    assert shop.plan()["layers"]


def test_old_graphs_are_removed(shop: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "MOST_FILES", 2)
    shop.plan()
    first = only_graph(shop)
    for number in range(3):
        copy = first.with_name(f"{number:040}.graph")
        shutil.copy(first, copy)
    shop.replace(CLEAN, "amount IS NOT NULL", "amount > 15")
    shutil.rmtree(first.parent / "none", ignore_errors=True)
    workspace = open_workspace(shop.path)
    graphs = remembered.Graphs.of(workspace.repository.cache, workspace.repository.prefix)
    found = graphs.nearest("0" * 40)
    assert found is not None
    graphs.keep("f" * 40, found)
    kept = sorted(path.stem for path in first.parent.glob("*.graph"))
    assert len(kept) == 2
    assert "f" * 40 in kept


def last_first(
    statements: Iterable[Statement | None], heard: Callable[[int, dict[str, Any]], None]
) -> None:
    """Judge statements as late as possible, the last one first."""
    waiting: list[tuple[int, Statement]] = []
    number = 0
    for statement in statements:
        if statement is None:
            last, asked = waiting.pop()
            heard(last, judged([asked])[0])
        else:
            waiting.append((number, statement))
            number += 1


def test_everything_is_the_same_whichever_answer_comes_first(
    project: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.git("reset", "--quiet", "--hard", "start")
    project.git("clean", "--quiet", "-fd")
    for path, name in ((DAILY, "daily"), ("seeknal/sources/customers.yml", "customers")):
        read = "transform.daily" if name == "customers" else "source.orders"
        wrong = f"name: {name}\ntests: [{{custom_sql: SELECT no FROM ref('{read}')}}]\n"
        turned(path, f"name: {name}\n", wrong)(project)
    for name in "ab":
        sql = ANOTHER.format(kind="transform", name=name, ref="source.orders", sql=f"SELECT {name}")
        project.write(f"{TRANSFORMS}/{name}.yml", sql)

    def found(repo: Repo) -> dict[str, Any]:
        shutil.rmtree(repo.path / ".git/seeknal/cache", ignore_errors=True)
        return everything(loaded(repo))

    expected = found(project)
    assert len(expected["problems"][0]) == 4
    monkeypatch.setattr("seeknal_git.sql.describe.judge", last_first)
    assert found(project) == expected


@pytest.mark.parametrize("branch", ["main", "dev"])
def test_a_plan_after_a_publication_opens_the_warehouse_for_its_state_and_for_its_work(
    published: Repo, branch: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit that production shows, and the loads of raw data, are read in one opening."""
    if branch != "main":
        published.git("switch", "-q", "-c", branch)
    published.write(
        "seeknal/transforms/more.yml", "kind: transform\nname: more\ntransform: SELECT 1 AS n\n"
    )
    published.tamper("CREATE TABLE main.somebodys AS SELECT 1 AS n")
    while held_files.identity(published.warehouse).recent:
        time.sleep(0.05)
    opened: list[Path | None] = []
    opens = duckdb_file.open_for_state

    def counted(path: Path | None, *rest: Any) -> AbstractContextManager[Warehouse]:
        opened.append(path)
        return opens(path, *rest)

    monkeypatch.setattr(duckdb_file, "open_for_state", counted)
    assert "more" in published.seeknal("plan").out
    assert opened == [published.warehouse] * 2
    published.seeknal("plan")
    assert opened == [published.warehouse] * 3
