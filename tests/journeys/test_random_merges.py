"""Whatever two branches did, the preview of their merge is true of the merge: whether it can be
made, whether it holds together, who did what, and what it changes."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from tests.conftest import Repo, Templates, copied, examples

EXAMPLES = examples(8)


@dataclass
class Node:
    """A transform that is written so that git can merge two edits of it: with a comment between any
    two lines."""

    name: str
    path: str
    reads: list[str]
    columns: dict[str, str]
    promises: dict[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        document = [
            "kind: transform",
            f"name: {self.name}",
            "inputs:",
            *(f"  - ref: {each}" for each in self.reads),
        ]
        if self.promises:
            document += [
                "columns:",
                *(f"  {name}: {{dtype: {word}}}" for name, word in self.promises.items()),
            ]
        others = (
            f"POSITIONAL JOIN (SELECT count(*) AS n{n} FROM input_{n})"
            for n in range(1, len(self.reads))
        )
        sql = [
            "SELECT",
            *(f"  {sql} AS {name}," for name, sql in self.columns.items()),
            "FROM input_0 AS i",
            *others,
        ]
        return "\n# .\n".join([*document, "transform: |\n  " + "\n  -- .\n  ".join(sql)]) + "\n"


Nodes = dict[str, Node]


def begin() -> Nodes:
    first, rest = (
        {"id": "i.id", "day": "i.day", "amount": "i.amount"},
        ("first", "second", "third", "fourth"),
    )
    reads = ("source.orders", "transform.first", "transform.first", "transform.second")
    return {
        name: Node(name, f"seeknal/{name}.yml", [each], dict(first))
        for name, each in zip(rest, reads, strict=True)
    }


# The edits. Each takes a node and a number, which chooses among what there is.


def add(nodes: Nodes, node: Node, number: int) -> None:
    new = ("fifth", "sixth")[number % 2]
    names = list(node.columns)[: 1 + number % 3]
    place = ("seeknal", "seeknal/more")[number % 3 == 1]
    nodes[new] = Node(
        new, f"{place}/{new}.yml", [f"transform.{node.name}"], {name: f"i.{name}" for name in names}
    )


def remove(nodes: Nodes, node: Node, number: int) -> None:
    gone = {node.name}
    while (
        more := {each.name for each in nodes.values() if {name[10:] for name in each.reads} & gone}
        - gone
    ):
        gone |= more
    for each in gone:
        nodes.pop(each, None)


def rename(nodes: Nodes, node: Node, number: int) -> None:
    before, node.name = f"transform.{node.name}", ("fifth", f"{node.name}_too")[number % 2]
    for each in nodes.values():
        each.reads = [f"transform.{node.name}" if name == before else name for name in each.reads]


def move(nodes: Nodes, node: Node, number: int) -> None:
    node.path = f"seeknal/moved/{node.name}.yml"


def add_column(nodes: Nodes, node: Node, number: int) -> None:
    node.columns |= {"more": f"i.{('id', 'day', 'amount')[number % 3]}"}


def drop_column(nodes: Nodes, node: Node, number: int) -> None:
    node.columns.pop(list(node.columns)[number % len(node.columns)])


def rename_column(nodes: Nodes, node: Node, number: int) -> None:
    chosen = list(node.columns)[number % len(node.columns)]
    node.columns = {
        f"{name}_too" if name == chosen else name: sql for name, sql in node.columns.items()
    }


def retype(nodes: Nodes, node: Node, number: int) -> None:
    name = list(node.columns)[number % len(node.columns)]
    node.columns[name] = (
        f"TRY_CAST({node.columns[name]} AS {('VARCHAR', 'DOUBLE')[number % 2]})"  # a date is no number
    )


def read(nodes: Nodes, node: Node, number: int) -> None:
    node.reads.append(f"transform.{sorted(nodes)[number % len(nodes)]}")


def promise(nodes: Nodes, node: Node, number: int) -> None:
    node.promises |= {
        ("id", "day", "amount")[number % 3]: ("BIGINT", "DATE", "DOUBLE")[number // 2 % 3]
    }


Edit = Callable[[Nodes, Node, int], None]
EDITS: tuple[Edit, ...] = (
    add,
    add,
    add,
    remove,
    rename,
    move,
    add_column,
    drop_column,
    drop_column,
    rename_column,
    retype,
    read,
    read,
    promise,
)
Steps = list[tuple[Edit, int, int]]


def write(repo: Repo, nodes: Nodes) -> None:
    for path in repo.path.glob("seeknal/**/*.yml"):
        if path.name != "orders.yml":
            path.unlink()
    for node in nodes.values():
        repo.write(node.path, node.text)


def make_pair(repo: Repo) -> None:
    repo.path.mkdir()
    repo.git("init", "--quiet")
    repo.write("seeknal_project.yml", "name: pair\n")
    repo.write(".gitignore", "target/\n")
    repo.write("data/orders.csv", "id,day,amount\n1,2024-01-01,10\n2,2024-01-02,20\n")
    repo.write(
        "seeknal/orders.yml", "kind: source\nname: orders\nsource: csv\ntable: data/orders.csv\n"
    )
    write(repo, begin())
    repo.commit("First")
    repo.seeknal("validate")


def edit(repo: Repo, branch: str, steps: Steps) -> None:
    """One commit for each step that leaves the branch sound; at least one."""
    repo.git("switch", "--quiet", "-C", branch, "start")
    nodes = begin()
    repo.write(f"{branch}.txt", "")
    for step, which, number in steps:
        after = deepcopy(nodes)
        if not after:
            continue
        step(after, after[sorted(after)[which % len(after)]], number)
        write(repo, after)
        if repo.seeknal("validate", code=None).code:
            write(repo, nodes)
        else:
            nodes = after
            repo.commit(f"{step.__name__} on {branch}")
    repo.commit("The last")


@pytest.fixture(scope="session")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("merges")


def check(repo: Repo) -> None:
    before = files(repo)
    done = repo.seeknal("plan", "dev", "--into", "main", "--json", code=None)
    preview = json.loads(done.out)
    assert files(repo) == before, "nothing is written"
    for conflict in preview["conflicts"]:
        check_sides(repo, conflict)
    if repo.try_git("merge", "--no-edit", "--quiet", "dev").returncode:
        assert (done.code, preview["conflicts"]) == (1, [])
        assert (
            preview["textual_conflicts"]
            == repo.git("diff", "--name-only", "--diff-filter=U").splitlines()
        )
        return
    assert (preview["textual_conflicts"], preview["problems"]) == ([], [])
    wrong = {
        each["message"] for each in repo.seeknal("validate", "--json", code=None).json["problems"]
    }
    retyped = {each["message"] for each in preview["conflicts"] if "and becomes" in each["message"]}
    assert {each["message"] for each in preview["conflicts"]} == wrong | retyped
    assert done.code == (1 if preview["conflicts"] else 0)
    if not wrong:
        plan = repo.plan()
        assert (plan["changes"], plan["layers"]) == (preview["changes"], preview["layers"])
        assert repo.built() == sorted(node for layer in preview["layers"] for node in layer)


def check_sides(repo: Repo, conflict: dict[str, Any]) -> None:
    """Both have a part, in a commit of theirs that touched the file."""
    assert [side["branch"] for side in conflict["sides"]] == ["main", "dev"]
    for side in conflict["sides"]:
        touched = repo.git(
            "log", "--format=%H", f"start..{side['branch']}", "--", side["path"]
        ).split()
        assert side["commit"] in touched


def files(repo: Repo) -> dict[str, tuple[int, int]]:
    """All that there is, but for the cache. (git touches objects that it has already.)"""
    found = (
        path
        for path in repo.path.rglob("*")
        if path.is_file() and ".git/seeknal" not in path.as_posix()
    )
    return {
        str(path): (
            path.stat().st_size,
            0 if "/objects/" in path.as_posix() else path.stat().st_mtime_ns,
        )
        for path in found
    }


STEPS = st.lists(
    st.tuples(st.sampled_from(EDITS), st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=3
)


@settings(max_examples=EXAMPLES, phases=(Phase.generate,), suppress_health_check=list(HealthCheck))
@given(mine=STEPS, theirs=STEPS)
def test_the_preview_of_a_merge_is_true_of_the_merge(
    templates: Templates, places: Path, mine: Steps, theirs: Steps
) -> None:
    repo = copied(templates("pair", make_pair), places / f"{len(list(places.iterdir()))}")
    repo.git("tag", "start")
    for branch, steps in (("dev", mine), ("main", theirs)):
        note(
            f"{branch}: {', '.join(f'{step.__name__} {which} {number}' for step, which, number in steps)}"
        )
        edit(repo, branch, steps)
    repo.seeknal("run")
    check(repo)
