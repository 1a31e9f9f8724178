"""A layered project of any size and depth, the same on every machine, and its SQL for plain DuckDB.

`python -m benchmarks.generator 1000 FOLDER` writes one to look at; a third argument is its depth.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROWS = 1_000
MOST_SOURCES = 20
AFFECTED = 20  # nodes behind an edit, at least: about as many at any size
DEEP = 32  # layers of transforms, as in a grown project: 1,000 nodes have 31 in each
FLAT = 7
_WHEN = "2020-01-01T00:00:00Z"
_REGIONS = ("north", "east", "south", "west")

_SELECT = """\
SELECT
    a.id,
    a.region,
    round(a.amount * 0.75 + b.amount * {weight}, 2) AS amount,
    greatest(a.quantity, b.quantity) AS quantity
FROM {left} AS a
JOIN {right} AS b ON a.id = b.id
WHERE a.quantity >= {least}"""


@dataclass(frozen=True, slots=True)
class Transform:
    """A join of two nodes of the layer before: their ids, and the numbers in its SQL."""

    name: str
    left: str
    right: str
    weight: float

    def sql(self, left: str, right: str, least: int = 0) -> str:
        return _SELECT.format(left=left, right=right, weight=self.weight, least=least)


@dataclass(frozen=True, slots=True)
class Project:
    folder: Path
    sources: tuple[str, ...]  # their names
    layers: tuple[tuple[Transform, ...], ...]  # those that read sources first

    @property
    def middle(self) -> Transform:
        """A node of the middle layer: in a deep project, a third of all nodes read it."""
        return self.layers[len(self.layers) // 2][0]

    @property
    def edited(self) -> Transform:
        """The node to change: the last one with enough nodes downstream, so that most are not."""
        firsts = [layer[0] for layer in reversed(self.layers)]
        return next((node for node in firsts if len(downstream(self, node)) > AFFECTED), firsts[-1])

    def path(self, node: Transform) -> Path:
        return self.folder / "seeknal" / "transforms" / f"{node.name}.yml"


def generate(folder: Path, nodes: int, depth: int = DEEP) -> Project:
    """Write a project as a git repository with one commit.

    nodes: how many it has, sources included; depth: its layers of transforms, fewer if a layer
    would have less than two of them.
    """
    project = _designed(folder, nodes, depth)
    for place in ("data", "seeknal/sources", "seeknal/transforms"):
        (folder / place).mkdir(parents=True)
    (folder / "seeknal_project.yml").write_text("name: benchmark\n")
    (folder / ".gitignore").write_text("target/\n")
    for number, name in enumerate(project.sources):
        (folder / f"data/{name}.csv").write_text(_csv(random.Random(number)))
        (folder / f"seeknal/sources/{name}.yml").write_text(
            f"kind: source\nname: {name}\nsource: csv\ntable: data/{name}.csv\n"
        )
    for layer in project.layers:
        for node in layer:
            write(project, node)
    _commit(folder)
    return project


def write(project: Project, node: Transform, least: int = 0) -> None:
    """Write a transform's file; with another `least`, its filter is another one, and what reads it
    is affected."""
    sql = node.sql(f"ref('{node.left}')", f"ref('{node.right}')", least).replace("\n", "\n  ")
    project.path(node).write_text(
        f"kind: transform\nname: {node.name}\ndescription: Two nodes of the layer before, joined.\n"
        f"inputs:\n  - ref: {node.left}\n  - ref: {node.right}\ntransform: |\n  {sql}\n"
    )


def downstream(project: Project, node: Transform) -> list[Transform]:
    """A node and every node behind it, in an order in which they can be built."""
    found = {f"transform.{node.name}": node}
    for layer in project.layers:
        found |= {
            f"transform.{each.name}": each
            for each in layer
            if each.left in found or each.right in found
        }
    return list(found.values())


def statements(project: Project) -> list[str]:
    """What a full run builds, as statements for plain DuckDB."""
    tables = [
        f"CREATE TABLE {name} AS SELECT * FROM read_csv(['data/{name}.csv'])"
        for name in project.sources
    ]
    return tables + [statement(node) for layer in project.layers for node in layer]


def statement(node: Transform, least: int = 0, made: str = "CREATE TABLE") -> str:
    left, right = (each.partition(".")[2] for each in (node.left, node.right))
    return f"{made} {node.name} AS {node.sql(left, right, least)}"


def _designed(folder: Path, nodes: int, depth: int) -> Project:
    chance = random.Random(nodes)
    sources = tuple(
        f"orders_{number:02}" for number in range(max(2, min(MOST_SOURCES, nodes // 10)))
    )
    before = [f"source.{name}" for name in sources]
    left, layers = nodes - len(sources), []
    depth = max(1, min(depth, left // 2))
    for level in range(1, depth + 1):
        size = left // (depth + 1 - level)
        layer = [
            _transform(f"joined_{level}_{number:04}", before, chance) for number in range(size)
        ]
        before, left = [f"transform.{node.name}" for node in layer], left - size
        layers.append(tuple(layer))
    return Project(folder, sources, tuple(layers))


def _transform(name: str, before: Sequence[str], chance: random.Random) -> Transform:
    left, right = chance.sample(before, 2)
    return Transform(name, left, right, round(chance.uniform(0.1, 0.9), 3))


def _csv(chance: random.Random) -> str:
    rows = (
        f"{number},{chance.choice(_REGIONS)},{chance.uniform(1, 500):.2f},{chance.randint(0, 20)}"
        for number in range(ROWS)
    )
    return "\n".join(["id,region,amount,quantity", *rows, ""])


_FUNCTION = """

@transform(inputs=["source.orders"], factor={number})
def node_{number}(ctx):
    orders = ctx.ref("source.orders")
    orders["total"] = orders.amount * ctx.params["factor"]
    return orders.groupby("region", as_index=False).total.sum()
"""
_FUNCTIONS = 5  # in a file


def python_nodes(folder: Path, nodes: int) -> Path:
    """A project of functions that read one source; returns its folder."""
    (folder / "data").mkdir(parents=True)
    (folder / "seeknal/sources").mkdir(parents=True)
    (folder / "seeknal_project.yml").write_text("name: functions\n")
    (folder / "data/orders.csv").write_text(_csv(random.Random(0)))
    source = "kind: source\nname: orders\nsource: csv\ntable: data/orders.csv\n"
    (folder / "seeknal/sources/orders.yml").write_text(source)
    for first in range(0, nodes, _FUNCTIONS):
        numbers = range(first, min(first + _FUNCTIONS, nodes))
        text = "".join(_FUNCTION.format(number=number) for number in numbers)
        head = "from seeknal.pipeline import transform\n"
        (folder / f"seeknal/nodes_{first}.py").write_text(f"{head}{text}")
    _commit(folder)
    return folder


def _commit(folder: Path) -> None:
    """One commit with a fixed author and date, packed as a clone is."""
    git = ["git", "-c", "user.name=Benchmark", "-c", "user.email=benchmark@localhost"]
    when = {"GIT_AUTHOR_DATE": _WHEN, "GIT_COMMITTER_DATE": _WHEN}
    for command in (
        ["init", "--quiet", "--initial-branch=main"],
        ["config", "gc.auto", "0"],
        ["add", "."],
        ["commit", "--quiet", "--no-verify", "-m", "A project"],
        ["gc", "--quiet"],
    ):
        subprocess.run([*git, *command], cwd=folder, check=True, env={**os.environ, **when})


if __name__ == "__main__":
    generate(Path(sys.argv[2]), int(sys.argv[1]), int((*sys.argv, str(DEEP))[3]))
