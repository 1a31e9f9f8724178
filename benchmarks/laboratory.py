"""The projects that are measured, and the journeys through them that several figures share."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from benchmarks.generator import (
    Project,
    Transform,
    downstream,
    generate,
    statement,
    statements,
    write,
)
from benchmarks.process import Cost, cost, python, seeknal

PLAIN = Path(__file__).with_name("plain.py")


@dataclass(frozen=True, slots=True)
class Journey:
    """One node edited on a branch, planned, run and promoted, and the same without the product."""

    edit: Cost  # of plan and run
    promote: Cost
    asked: Cost  # of git status and an interpreter: the least that looking costs
    plain: Cost  # of the changed tables by plain DuckDB
    added: int  # bytes by which the branch made the warehouse grow
    size: int  # bytes of the warehouse before


@dataclass
class Laboratory:
    """The projects of one depth, made when a figure needs them."""

    folder: Path  # a scratch folder
    sizes: Sequence[int]  # of the projects to plan, in nodes
    depth: int  # of all projects, in layers
    repeat: int  # how often each figure is measured
    _projects: dict[int, Project] = field(default_factory=dict)

    @property
    def nodes(self) -> int:
        """The size of the project that is run: one of 1,000 nodes, or the largest below that."""
        return max((size for size in self.sizes if size <= 1_000), default=min(self.sizes))

    def project(self, nodes: int) -> Project:
        """A project on a branch with one node edited, and everything remembered that a first plan
        remembers."""
        if nodes not in self._projects:
            project = self._projects[nodes] = self._generate(f"planned_{nodes}", nodes)
            git(project, "switch", "--quiet", "-c", "dev")
            write(project, project.edited, least=1)
        return self._projects[nodes]

    def _generate(self, name: str, nodes: int | None = None) -> Project:
        return generate(self.folder / name, nodes or self.nodes, self.depth)

    @cached_property
    def first_runs(self) -> list[tuple[Cost, Cost, Cost]]:
        """Runs of everything: where nothing is remembered, where the nodes are, and by plain
        DuckDB."""
        return [
            (self._first_run(cold=True), self._first_run(cold=False), self.plain())
            for _ in range(self.repeat)
        ]

    @cached_property
    def built(self) -> Project:
        """A project whose production was just run."""
        project = self._generate("built")
        cost(seeknal("run"), project.folder)
        cost(seeknal("run"), project.folder)
        return project

    @cached_property
    def published_twice(self) -> Project:
        """A project whose production was run on two loads: every table was built twice."""
        project = self._generate("published_twice")
        cost(seeknal("run"), project.folder)
        for name in project.sources:
            path = project.folder / f"data/{name}.csv"
            path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
        git(project, "commit", "--quiet", "--all", "-m", "A row less")
        cost(seeknal("run"), project.folder)
        return project

    @cached_property
    def journeys(self) -> list[Journey]:
        self.plain()
        node = self.built.edited
        return [self._journey(f"edit_{number}", node, number) for number in self._numbers]

    @cached_property
    def long_journeys(self) -> list[Journey]:
        """Those of a node in the middle, which affects a third of a deep project. None in a flat
        project: the node that is edited there is in the middle."""
        node = self.built.middle
        if node == self.built.edited:
            return []
        return [self._journey(f"middle_{number}", node, number) for number in self._numbers]

    @property
    def _numbers(self) -> range:
        return range(1, self.repeat + 1)

    def plain(self) -> Cost:
        """Everything that a first run builds, by plain DuckDB in one script."""
        project, script = self._unbuilt, self.folder / "plain.sql"
        script.write_text(";\n".join(statements(project)))
        self._database.unlink(missing_ok=True)
        return cost(python(str(PLAIN), str(self._database), str(script)), project.folder)

    @property
    def _database(self) -> Path:
        return self.folder / "plain.duckdb"

    @cached_property
    def _unbuilt(self) -> Project:
        return self._generate("unbuilt")

    def _first_run(self, *, cold: bool) -> Cost:
        project = self._unbuilt
        forget(project, cache=cold)
        return cost(seeknal("run"), project.folder)

    def _journey(self, branch: str, node: Transform, number: int) -> Journey:
        project, folder = self.built, self.built.folder
        git(project, "switch", "--quiet", "-c", branch)
        write(project, node, least=number)
        before = warehouse_size(project)
        edit = cost(seeknal("plan"), folder) + cost(seeknal("run"), folder)
        added = warehouse_size(project) - before
        git(project, "commit", "--quiet", "--all", "-m", f"A filter of {number}")
        git(project, "switch", "--quiet", "main")
        promote = cost(seeknal("promote", branch), folder)
        plain = self._plainly(project, node, number)
        return Journey(edit, promote, asked(project), plain, added, before)

    def _plainly(self, project: Project, node: Transform, number: int) -> Cost:
        """The tables that a journey builds, by plain DuckDB, beside all those that are there."""
        script = self.folder / "changed.sql"
        changed = [
            statement(each, number if each == node else 0, "CREATE OR REPLACE TABLE")
            for each in downstream(project, node)
        ]
        script.write_text(";\n".join(changed))
        return cost(python(str(PLAIN), str(self._database), str(script)), project.folder)


def asked(project: Project) -> Cost:
    """The least that looking at a project costs: git's own look at the files, and starting the
    interpreter."""
    return cost(["git", "status", "--porcelain"], project.folder) + cost(
        python("-c", "pass"), project.folder
    )


def forget(project: Project, *, cache: bool) -> None:
    """Undo every run, and with `cache` forget what was computed from the files too."""
    for path in _warehouse(project):
        path.unlink()
    git(project, "update-ref", "-d", "refs/seeknal/production")
    if cache:
        shutil.rmtree(project.folder / ".git" / "seeknal", ignore_errors=True)


def warehouse_size(project: Project) -> int:
    return sum(path.stat().st_size for path in _warehouse(project))


def _warehouse(project: Project) -> list[Path]:
    """Its files, wherever the version that is measured has them."""
    places = (project.folder / "target", project.folder / ".git" / "seeknal")
    return [path for place in places for path in place.glob("warehouse.duckdb*") if path.is_file()]


def git(project: Project, *arguments: str) -> None:
    cost(["git", *arguments], project.folder)


def has(project: Project, *command: str) -> bool:
    """Whether the product has a command already."""
    return not subprocess.run(
        seeknal(*command, "--help"), cwd=project.folder, capture_output=True, check=False
    ).returncode
