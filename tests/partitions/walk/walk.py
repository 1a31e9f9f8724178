"""A walk: a random project, and what happens to its data and its code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import duckdb

from tests.conftest import Repo, Result
from tests.partitions.walk.model import Code, Model, Violation, World, differing, ordered
from tests.partitions.walk.nodes import Node, draw_node, shape_of
from tests.partitions.walk.sources import Raw, Source, draw_source

OUTSIDE = ("falls into no partition", "fall into no partition")


def path_of(node: Source | Node) -> str:
    return f"seeknal/{node.id.replace('.', '/')}.yml"


@dataclass
class Walk:
    """raws: the raw data as they are now. shown: what each environment shows. texts: every file of a
    node that ever was. told: what was done."""

    repo: Repo
    engine: duckdb.DuckDBPyConnection
    raws: dict[str, Raw] = field(default_factory=dict)
    texts: dict[str, Source | Node] = field(default_factory=dict)
    shown: dict[str, World] = field(default_factory=dict)
    past: list[World] = field(default_factory=list)
    model: Model = field(default_factory=Model)
    told: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    number: int = 0  # of nodes that were drawn
    taken: int = 0  # of steps
    is_mixed: bool = False  # whether a publication had new tables of some nodes alone

    # The project

    def begin(self, seed: int, dropped: frozenset[str] = frozenset()) -> None:
        chance, repo = Random(seed), self.repo
        repo.path.mkdir(parents=True)
        repo.git("init", "--quiet")
        keep = chance.choice([1, 2, 10])
        repo.write(
            "seeknal_project.yml",
            f"name: walk\nkeep_promotions: {keep}\nkeep_history: 0s\ntime_to_live: 0s\n",
        )
        repo.write(".gitignore", "data/\n")
        for number in range(chance.randrange(1, 4)):
            source = draw_source(f"s{number}", chance)
            self.raws[source.id] = Raw(source)
            self.raws[source.id].begin(chance)
            self.put(source)
        self.write_data()
        for _ in range(chance.randrange(5, 16)):
            node = self.drawn(chance)
            if node.id not in dropped:
                self.put(node)
        while self.repo.seeknal("validate", code=None).code:
            self.leave_out_what_is_refused()
        repo.commit("The project")
        self.run()

    def leave_out_what_is_refused(self) -> None:
        """Nodes of which Seeknal says that they cannot be, and their readers, are left out."""
        said, code = self.repo.seeknal("validate", code=None).err, self.code()
        assert code
        gone = {name for name, node in code.items() if f"{path_of(node)}:" in said}
        if not gone:
            raise Violation(f"validate refuses the project: {said}")
        while (
            more := {
                name
                for name, node in code.items()
                if isinstance(node, Node) and gone & {*node.inputs}
            }
            - gone
        ):
            gone |= more
        for name in gone:
            (self.repo.path / path_of(code[name])).unlink()

    def drawn(self, chance: Random) -> Node:
        self.number += 1
        code = self.code() or {}
        shapes = [
            shape_of(node) if isinstance(node, Source) else node.shape for node in code.values()
        ]
        return draw_node(
            f"n{self.number}", sorted(shapes, key=lambda shape: (len(shape.id), shape.id)), chance
        )

    def put(self, node: Source | Node) -> None:
        self.texts[node.yml] = node
        self.repo.write(path_of(node), node.yml)

    def code(self) -> Code | None:
        """The nodes in the working tree; None if one is nobody's, or lacks an input."""
        found = {}
        for path in self.repo.path.glob("seeknal/**/*.yml"):
            node = self.texts.get(path.read_text())
            if node is None:
                return None
            found[node.id] = node
        return ordered(found)

    def write_data(self) -> None:
        for raw in self.raws.values():
            raw.write(self.repo.path, self.engine)

    @property
    def loads(self) -> dict[str, Any]:
        return {name: raw.load() for name, raw in self.raws.items()}

    # Commands

    def seeknal(self, *arguments: str) -> Result:
        done = self.repo.seeknal(*arguments, code=None)
        self.told[-1] += f" → {' '.join(arguments)}: {done.code}"
        if done.code not in (0, 1, 2):
            raise Violation(f"exit code {done.code}: {done.err[-3000:]}")
        return done

    @property
    def branch(self) -> str:
        return self.repo.git("branch", "--show-current")

    def main(self) -> None:
        if self.branch != "main":
            self.repo.switch("main")

    def validated(self, refused: Callable[[], None]) -> bool:
        """Whether the working tree is sound; else it is made as it was."""
        done = self.repo.seeknal("validate", code=None)
        warned = sum("is built as a whole" in line for line in done.err.splitlines())
        self.counts["whole"] += warned
        if done.code:
            self.counts["refused"] += 1
            self.told[-1] += f" refused: {done.err.splitlines()[0] if done.err else ''}"
            refused()
        return not done.code

    def run(self, *options: str) -> bool:
        """Run production, as its files are; whether that succeeded."""
        self.write_data()
        world = World(self.code() or {}, self.loads)
        if self.releases(world, "run", *options):
            return True
        if self.branch != "main":
            return False
        for raw in self.raws.values():
            raw.calm()
        self.write_data()
        if not self.releases(World(world.code, self.loads), "run", *options):
            raise Violation("a run failed over data of which no row is outside")
        return True

    def promote(self) -> bool:
        """Publish the tip of main, with the loads that production shows."""
        code = self.code() or {}
        return self.releases(World(code, self.shown["main"].loads), "promote") or self.run()

    def releases(self, world: World, *arguments: str, schema: str = "main") -> bool:
        """A command that makes an environment; whether it succeeds."""
        world.build(self.engine)
        misplaced = world.misplaced(self.engine)
        done = self.seeknal(*arguments, "--json")
        if done.code:
            if not misplaced or not any(words in done.out + done.err for words in OUTSIDE):
                raise Violation(f"{arguments[0]} failed: {done.out[-1500:]}{done.err[-1500:]}")
            self.counts["failed"] += 1
            self.stays(schema)
            return False
        self.counts[arguments[0]] += 1
        built = done.json["built"]
        again = "--full" in arguments
        if again:
            self.model.renew()
        wrong = [*differing(self.engine, self.repo, schema, world.code)]
        needless = [*self.model.account(world, built)]
        self.counts["divided"] += sum("partitions" in made for made in built.values())
        self.counts["pieces"] += sum(
            len(made.get("partitions", {}).get("built", ())) for made in built.values()
        )
        self.counts["built"] += len(built)
        strays = [name for name in misplaced if self.model.is_divided(world, name)]
        wrong += [f"{name} has rows outside, and that is no error" for name in strays]
        if wrong:
            raise Violation(f"after {arguments[0]}: {'; '.join(wrong)}")
        if needless and not again:
            raise Violation(f"{arguments[0]} built without need: {'; '.join(needless)}")
        self.model.built(world, built)
        self.shown[schema] = world
        if schema == "main":
            self.past.append(world)
        return True

    def stays(self, schema: str) -> None:
        """An environment shows what it showed."""
        if world := self.shown.get(schema):
            world.build(self.engine)
            if wrong := [*differing(self.engine, self.repo, schema, world.code)]:
                raise Violation(f"{schema} changed, although a command failed: {'; '.join(wrong)}")
