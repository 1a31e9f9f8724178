"""What is measured, by name. Each function measures at a laboratory and returns its figures."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.crews import crews
from benchmarks.days import days
from benchmarks.figure import Figure, timed
from benchmarks.generator import Project, python_nodes, write
from benchmarks.laboratory import Laboratory, asked, forget, git, has
from benchmarks.lakes import lakes
from benchmarks.process import Cost, cost, python, seeknal

_MEGABYTE = 1_000_000
_ASKED = "git status, and python -c pass"
_COLD_TARGETS = {1_000: 2.2}
_PLAN_TARGETS = {1_000: 0.35, 10_000: 0.9}


def plan(lab: Laboratory) -> list[Figure]:
    """A plan with one node changed, at each size; and the memory of the largest."""
    figures: list[Figure] = []
    for nodes in sorted(lab.sizes):
        project = lab.project(nodes)
        first = [_cold_plan(project) for _ in range(lab.repeat if nodes <= lab.nodes else 1)]
        costs = [(cost(seeknal("plan"), project.folder), asked(project)) for _ in range(lab.repeat)]
        figures += [
            timed(f"first plan, {nodes:,} nodes", first, _ASKED, _COLD_TARGETS.get(nodes)),
            timed(f"plan, {nodes:,} nodes, one changed", costs, _ASKED, _PLAN_TARGETS.get(nodes)),
        ]
    used = [spent.memory / _MEGABYTE for spent, _ in costs]
    least = [spent.memory / _MEGABYTE for _, spent in costs]
    name = f"memory of a plan, {nodes:,} nodes"
    return [*figures, Figure(name, used, least, _ASKED, 200, unit="MB")]


def _cold_plan(project: Project) -> tuple[Cost, Cost]:
    forget(project, cache=True)
    return cost(seeknal("plan"), project.folder), asked(project)


def growth(lab: Laboratory) -> list[Figure]:
    """A plan with one node changed of the largest project, against one of a tenth of its size."""
    large = max(lab.sizes)
    few, many = lab.project(large // 10).folder, lab.project(large).folder
    for folder in (few, many):
        cost(seeknal("plan"), folder)
    costs = [(cost(seeknal("plan"), many), cost(seeknal("plan"), few)) for _ in range(lab.repeat)]
    name, against = f"growth of a plan to {large:,} nodes", f"the same of {large // 10:,} nodes"
    return [timed(name, costs, against, 2.5, of_ratio=True)]


def run(lab: Laboratory) -> list[Figure]:
    cold, warm, plain = zip(*lab.first_runs, strict=True)
    against = "the same SQL by plain DuckDB"
    return [
        timed("first full run", list(zip(cold, plain, strict=True)), against, 1.0, of_ratio=True),
        timed(
            "full run after a plan",
            list(zip(warm, plain, strict=True)),
            against,
            1.0,
            of_ratio=True,
        ),
    ]


def nothing(lab: Laboratory) -> list[Figure]:
    project = lab.built
    costs = [(cost(seeknal("run"), project.folder), asked(project)) for _ in range(lab.repeat)]
    return [timed("run with nothing to do", costs, _ASKED, 0.45)]


def edit(lab: Laboratory) -> list[Figure]:
    """A plan and a run of one edit near the end of the graph, and of one in its middle."""
    against = f"{_ASKED}, and its tables by plain DuckDB"
    return [
        timed(name, [(way.edit, way.asked + way.plain) for way in journeys], against, target)
        for name, journeys, target in (
            ("edit one node, plan and run", lab.journeys, 1.0),
            ("edit a node in the middle, plan and run", lab.long_journeys, None),
        )
        if journeys
    ]


def promote(lab: Laboratory) -> list[Figure]:
    return [
        timed(
            "promote that branch",
            [(each.promote, each.asked) for each in lab.journeys],
            _ASKED,
            0.6,
        )
    ]


def rollback(lab: Laboratory) -> list[Figure]:
    """To and fro between two publications that have no table in common."""
    project = lab.published_twice
    ways = (str(1 + number % 2) for number in range(lab.repeat))
    costs = [(cost(seeknal("rollback", each), project.folder), asked(project)) for each in ways]
    return [timed(f"rollback of {lab.nodes:,} nodes", costs, _ASKED, 1.0)]


def grown(lab: Laboratory) -> list[Figure]:
    added = [each.added / _MEGABYTE for each in lab.journeys]
    size = [each.size / _MEGABYTE for each in lab.journeys]
    return [Figure("bytes that the branch added", added, size, "the warehouse before", unit="MB")]


def hook(lab: Laboratory) -> list[Figure]:
    """The installed post-commit hook, on the production branch, when production is up to date."""
    project, script = lab.built, lab.built.folder / ".git/hooks/post-commit"
    git(project, "update-ref", "refs/seeknal/production", "HEAD")
    install = "import sys; from pathlib import Path; from seeknal_git.git.hooks import install; "
    install += "install(Path.cwd(), '', 'main', [sys.executable, '-P', '-m', 'seeknal_git'])"
    cost(python("-c", install), project.folder)
    idle = ["sh", "-c", "git rev-parse HEAD"]
    costs = [
        (cost([str(script)], project.folder, SEEKNAL_HOOKS="1"), cost(idle, project.folder))
        for _ in range(lab.repeat)
    ]
    return [timed("hook with nothing to promote", costs, "sh -c 'git rev-parse HEAD'", 0.02)]


def validate(lab: Laboratory) -> list[Figure]:
    """Before a commit, with one node staged. Left out while the product has no such command."""
    project = lab.project(lab.nodes)
    if not has(project, "validate"):
        print("validate: the product has no such command", file=sys.stderr)
        return []
    write(project, project.edited, least=1)
    git(project, "add", ".")
    command = seeknal("validate", "--staged")
    cost(command, project.folder)
    costs = [(cost(command, project.folder), asked(project)) for _ in range(lab.repeat)]
    git(project, "reset", "--quiet")
    return [timed("validate --staged, one node staged", costs, _ASKED, 0.4)]


def lineage(lab: Laboratory) -> list[Figure]:
    """The page of a large project, from its address to the first whole picture. Left out where
    there is no browser."""
    from tests.browser import executable, milliseconds_until_drawn

    if executable() is None:
        print("lineage: there is no Chromium on PATH", file=sys.stderr)
        return []
    project, page = lab.project(2_000), lab.folder / "lineage.html"
    empty = lab.folder / "empty.html"
    empty.write_text("<!doctype html><script>performance.mark('drawn')</script>")
    cost(seeknal("lineage", "--html", str(page)), project.folder)
    drawn = [milliseconds_until_drawn(page) / 1000 for _ in range(lab.repeat)]
    blank = [milliseconds_until_drawn(empty) / 1000 for _ in range(lab.repeat)]
    return [Figure("lineage page of 2,000 nodes", drawn, blank, "an empty page", 3.0)]


def usage(lab: Laboratory) -> list[Figure]:
    here = Path.cwd()
    costs = [
        (cost(seeknal("--help"), here), cost(python("-c", "pass"), here)) for _ in range(lab.repeat)
    ]
    return [timed("seeknal --help", costs, "python -c pass", 0.1)]


def functions(lab: Laboratory) -> list[Figure]:
    """A first run of 50 functions over frames of pandas, in one environment."""
    costs = []
    for number in range(lab.repeat):
        folder = python_nodes(lab.folder / f"functions_{lab.depth}_{number}", 50)
        costs.append((cost(seeknal("run"), folder), cost(python("-c", "import pandas"), folder)))
    return [timed("first run of 50 Python nodes", costs, "python -c 'import pandas'", 4.0)]


def partitions(lab: Laboratory) -> list[Figure]:
    """Three years of rows in partitions of a day."""
    return days(lab.folder / f"days_{lab.depth}", lab.repeat)


def lake(lab: Laboratory) -> list[Figure]:
    """A warehouse in DuckLake on PostgreSQL, against the file."""
    return lakes(lab.folder / f"lakes_{lab.depth}", lab.nodes, lab.depth, lab.repeat)


def workers(lab: Laboratory) -> list[Figure]:
    """Nodes of a lake in processes, against threads."""
    return crews(lab.folder / f"crews_{lab.depth}", lab.repeat)


# Those that depend on the depth of a project.
SHAPED = ("plan", "run", "nothing", "edit", "promote")

FIGURES: dict[str, Callable[[Laboratory], list[Figure]]] = {
    "help": usage,
    "plan": plan,
    "growth": growth,
    "validate": validate,
    "run": run,
    "nothing": nothing,
    "edit": edit,
    "promote": promote,
    "rollback": rollback,
    "grown": grown,
    "hook": hook,
    "lineage": lineage,
    "python": functions,
    "partitions": partitions,
    "lake": lake,
    "workers": workers,
}
