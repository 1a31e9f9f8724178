"""`make bench-peers`: the same project in Seeknal, dbt and SQLMesh, step by step and side by side.

Every tool has the same CSV files and the same SELECTs, builds tables in a DuckDB file with two
threads, and goes the same way: plan, build everything, do nothing, edit one node, plan that, build
it in an environment called dev, release it. A step that a tool does not have is its nearest one:
dbt plans by listing the models that differ from a manifest that was kept, and releases by building
them again in production.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from benchmarks.generator import DEEP, Project, Transform, generate, write
from benchmarks.laboratory import forget, git
from benchmarks.process import Cost, cost, install, seeknal

STEPS = {
    "first": "plan everything, nothing remembered",
    "build": "build everything",
    "nothing": "run again, nothing to do",
    "plan": "plan one edit",
    "run": "build that edit in dev",
    "release": "release it",
}

_DBT_PROJECT = """\
name: benchmark
version: "1.0"
config-version: 2
profile: benchmark
models:
  +materialized: table
flags:
  send_anonymous_usage_stats: false
"""
_DBT_PROFILES = """\
benchmark:
  target: prod
  outputs:
    prod: {type: duckdb, path: warehouse.duckdb, schema: prod, threads: 2}
    dev: {type: duckdb, path: warehouse.duckdb, schema: dev, threads: 2}
"""
_SQLMESH_CONFIG = """\
gateways:
  local:
    connection: {type: duckdb, database: warehouse.duckdb, concurrent_tasks: 2}
default_gateway: local
model_defaults: {dialect: duckdb, start: 2020-01-01}
disable_anonymized_analytics: true
"""


class Peer(Protocol):
    """A tool with a project of its own. Each step is measured; what stands between is not."""

    @property
    def name(self) -> str: ...

    def forget(self) -> None:
        """Undo everything that a step of this tool did."""

    def step(self, name: str) -> Cost: ...

    def edit(self, least: int) -> None:
        """Change the filter of the node that is edited, and keep what the tool compares with."""


@dataclass(frozen=True, slots=True)
class Seeknal:
    project: Project
    name: str = "Seeknal"

    def forget(self) -> None:
        git(self.project, "switch", "--quiet", "main")
        forget(self.project, cache=True)

    def step(self, name: str) -> Cost:
        if name == "release":
            git(self.project, "commit", "--quiet", "--all", "-m", "Another filter")
            git(self.project, "switch", "--quiet", "main")
        command = {"first": "plan", "plan": "plan", "release": "promote dev"}.get(name, "run")
        return cost(seeknal(*command.split()), self.project.folder)

    def edit(self, least: int) -> None:
        git(self.project, "switch", "--quiet", "-C", "dev")
        write(self.project, self.project.edited, least)


@dataclass(frozen=True, slots=True)
class Dbt:
    project: Project
    folder: Path
    program: Path
    name: str = "dbt"

    def write(self) -> None:
        models = self.folder / "models"
        models.mkdir(parents=True)
        (self.folder / "dbt_project.yml").write_text(_DBT_PROJECT)
        (self.folder / "profiles.yml").write_text(_DBT_PROFILES)
        shutil.copytree(self.project.folder / "data", self.folder / "data")
        for source in self.project.sources:
            (models / f"{source}.sql").write_text(_select_of(source))
        for node in _transforms(self.project):
            (models / f"{node.name}.sql").write_text(self._sql(node))

    def forget(self) -> None:
        _remove(self.folder, "target", "state", "warehouse.duckdb", "warehouse.duckdb.wal")

    def step(self, name: str) -> Cost:
        changed = ["--select", "state:modified+", "--state", "state"]
        arguments = {
            "first": ["ls", "--no-partial-parse"],
            "build": ["run"],
            "nothing": ["run", *changed],
            "plan": ["ls", *changed],
            "run": ["run", *changed, "--defer", "--target", "dev"],
            "release": ["run", *changed, "--target", "prod"],
        }[name]
        spent = cost([str(self.program), "--quiet", *arguments], self.folder)
        if name in {"build", "release"}:
            _remove(self.folder, "state")
            shutil.copytree(self.folder / "target", self.folder / "state")
        return spent

    def edit(self, least: int) -> None:
        node = self.project.edited
        (self.folder / f"models/{node.name}.sql").write_text(self._sql(node, least))

    def _sql(self, node: Transform, least: int = 0) -> str:
        left, right = (f"{{{{ ref('{name}') }}}}" for name in _inputs(node))
        return node.sql(left, right, least)


@dataclass(frozen=True, slots=True)
class SqlMesh:
    project: Project
    folder: Path
    program: Path
    name: str = "SQLMesh"

    def write(self) -> None:
        (self.folder / "models").mkdir(parents=True)
        (self.folder / "config.yaml").write_text(_SQLMESH_CONFIG)
        shutil.copytree(self.project.folder / "data", self.folder / "data")
        for source in self.project.sources:
            self._model(source, _select_of(source))
        for node in _transforms(self.project):
            self._model(node.name, self._sql(node))

    def forget(self) -> None:
        _remove(self.folder, ".cache", "logs", "warehouse.duckdb", "warehouse.duckdb.wal")

    def step(self, name: str) -> Cost:
        apply = ["--auto-apply", "--no-prompts"]
        arguments = {
            "first": ["plan", "--explain", "--no-prompts"],
            "plan": ["plan", "dev", "--explain", "--no-prompts"],
            "run": ["plan", "dev", *apply],
        }.get(name, ["plan", *apply])
        return cost([str(self.program), *arguments], self.folder)

    def edit(self, least: int) -> None:
        node = self.project.edited
        self._model(node.name, self._sql(node, least))

    def _model(self, name: str, sql: str) -> None:
        text = f"MODEL (name shop.{name}, kind FULL);\n{sql}\n"
        (self.folder / f"models/{name}.sql").write_text(text)

    def _sql(self, node: Transform, least: int = 0) -> str:
        left, right = (f"shop.{name}" for name in _inputs(node))
        return node.sql(left, right, least)


def _transforms(project: Project) -> list[Transform]:
    return [node for layer in project.layers for node in layer]


def _inputs(node: Transform) -> tuple[str, str]:
    """The names of a node's inputs, without their kinds."""
    return node.left.partition(".")[2], node.right.partition(".")[2]


def _select_of(source: str) -> str:
    return f"SELECT * FROM read_csv(['data/{source}.csv'])"


def _remove(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def measure(peers: Sequence[Peer], repeat: int) -> Mapping[str, Mapping[str, list[Cost]]]:
    """Step → peer → what it took, once for each repetition. All begin again each time."""
    found: dict[str, dict[str, list[Cost]]] = {
        step: {peer.name: [] for peer in peers} for step in STEPS
    }
    for number in range(1, repeat + 1):
        for peer in peers:
            peer.forget()
        for step in STEPS:
            if step == "plan":
                for peer in peers:
                    peer.edit(least=number)
            for peer in peers:
                print(f"measuring {step}, {peer.name}", file=sys.stderr)
                found[step][peer.name].append(peer.step(step))
    return found


def as_markdown(found: Mapping[str, Mapping[str, list[Cost]]]) -> str:
    """The medians, in seconds on the clock, as a table."""
    names = list(next(iter(found.values())))
    lines = [f"| step | {' | '.join(names)} |", "| --- |" + " ---: |" * len(names)]
    for step, by_peer in found.items():
        medians = [statistics.median(spent.seconds for spent in by_peer[name]) for name in names]
        lines.append(f"| {STEPS[step]} | {' | '.join(f'{median:.2f} s' for median in medians)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("--dbt", type=Path, required=True, help="its virtual environment")
    parser.add_argument("--sqlmesh", type=Path, required=True, help="its virtual environment")
    parser.add_argument("--nodes", type=int, default=1_000)
    parser.add_argument("--layers", type=int, default=DEEP)
    parser.add_argument("--repeat", type=int, default=3, metavar="TIMES")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="seeknal-benchmarks-") as name:
        folder = Path(name)
        install(folder / "installed")
        project = generate(folder / "seeknal", given.nodes, given.layers)
        dbt = Dbt(project, folder / "dbt", given.dbt.absolute() / "bin/dbt")
        sqlmesh = SqlMesh(project, folder / "sqlmesh", given.sqlmesh.absolute() / "bin/sqlmesh")
        for peer in (dbt, sqlmesh):
            peer.write()
        found = measure([Seeknal(project), dbt, sqlmesh], given.repeat)
    print(f"{given.nodes:,} nodes in {given.layers} layers; medians of {given.repeat}.\n")
    print(as_markdown(found))


if __name__ == "__main__":
    main()
