"""What happens to a project: each step changes data or code, gives a command, and looks."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

from tests.conftest import Repo
from tests.partitions.walk.model import Violation, World, differing, outside
from tests.partitions.walk.nodes import Node, edited
from tests.partitions.walk.sources import Source, draw_form
from tests.partitions.walk.walk import OUTSIDE, Walk, path_of


def data(walk: Walk, chance: Random) -> None:
    """Raw data move, and production is run."""
    walk.main()
    _raw(walk, chance)
    walk.run()
    if chance.random() < 0.2:
        again(walk, chance)


def _raw(walk: Walk, chance: Random) -> None:
    for _ in range(chance.choice([1, 1, 2, 4])):
        raw = walk.raws[chance.choice(sorted(walk.raws))]
        walk.told[-1] += f" {raw.change(chance)}"
    walk.write_data()


def old_data(walk: Walk, chance: Random) -> None:
    """The data are as they once were."""
    walk.main()
    world = chance.choice(walk.past)
    for name, raw in walk.raws.items():
        load = world.loads[name]
        raw.files = dict(zip(load.names, load.files, strict=True))
    walk.run()


def again(walk: Walk, chance: Random) -> None:
    """A second run builds nothing."""
    done = walk.seeknal("run", "--json")
    if done.code or done.json["built"]:
        raise Violation(f"a second run built {done.json.get('built')}")


def _commit(walk: Walk, message: str) -> bool:
    """Commit what validate accepts; else the tree is as it was."""

    def back() -> None:
        walk.repo.git("reset", "--quiet", "--hard")
        walk.repo.git("clean", "--quiet", "-fd")

    walk.repo.git("add", "--all")
    if not walk.validated(back):
        return False
    walk.repo.commit(message, hooks=False)
    return True


def _change(walk: Walk, chance: Random) -> bool:
    """A change of the code, committed."""
    code = walk.code()
    assert code
    nodes = [node for node in code.values() if isinstance(node, Node)]
    way = chance.choice(["edit", "edit", "edit", "edit", "source", "add", "add", "remove"])
    read = {name for node in nodes for name in node.inputs}
    if way == "edit" and nodes:
        node = edited(chance.choice(nodes), chance)
        walk.put(node)
        what = f"edit {node.name}"
    elif way == "source":
        source = chance.choice([node for node in code.values() if isinstance(node, Source)])
        form = draw_form(source.time, True, source.wild, chance) if chance.random() < 0.9 else None
        walk.put(replace(source, form=form))
        what = f"form of {source.name}"
    elif way == "remove" and len(unread := [node for node in nodes if node.id not in read]) > 1:
        node = chance.choice(unread)
        (walk.repo.path / path_of(node)).unlink()
        what = f"remove {node.name}"
    elif len(nodes) < 20:
        node = walk.drawn(chance)
        walk.put(node)
        what = f"add {node.name}"
    else:
        return False
    walk.told[-1] += f" {what}"
    return _commit(walk, what)


def edit(walk: Walk, chance: Random) -> None:
    """The code of production is changed, now and then with its data."""
    walk.main()
    for _ in range(chance.choice([1, 1, 2])):
        _change(walk, chance)
    if chance.random() < 0.3:
        _raw(walk, chance)
    walk.run() if chance.random() < 0.7 else walk.promote()


def some(walk: Walk, chance: Random) -> None:
    """Raw data move, and a run of one node comes before that of all."""
    walk.main()
    _raw(walk, chance)
    node = chance.choice(sorted(walk.code() or {}))
    options = chance.choice([(), (), ("--full",)])
    world = World(walk.code() or {}, walk.loads)
    world.build(walk.engine)
    misplaced = world.misplaced(walk.engine)
    done = walk.seeknal("run", "--nodes", node, *options, "--json")
    if done.code and not (misplaced and any(words in done.out + done.err for words in OUTSIDE)):
        raise Violation(f"run --nodes {node} failed: {done.out[-1500:]}{done.err[-1500:]}")
    walk.is_mixed = True
    if options:
        walk.model.renew()
    walk.run()


def full(walk: Walk, chance: Random) -> None:
    walk.main()
    walk.run("--full")


def branch(walk: Walk, chance: Random) -> None:
    """A branch is edited and run, in part or as a whole."""
    name = chance.choice(["dev", "feature/b"])
    if walk.repo.try_git("switch", "--quiet", name).returncode:
        walk.main()
        walk.repo.switch(name, create=True)
    for _ in range(chance.choice([0, 1, 1, 2])):
        _change(walk, chance)
    if chance.random() < 0.2:
        _raw(walk, chance)
    if chance.random() < 0.45:
        _part(walk, chance)
    if chance.random() < 0.6:
        _run_branch(walk, chance)


def _schema(walk: Walk) -> str:
    return str(walk.repo.seeknal("status", "--json").json["schema"])


def _branch_world(walk: Walk) -> World:
    return World(walk.code() or {}, walk.shown["main"].loads)


def _run_branch(walk: Walk, chance: Random) -> None:
    planned = walk.repo.plan()["partitions"] if chance.random() < 0.3 else {}
    world = _branch_world(walk)
    if planned:
        dry = walk.repo.seeknal("run", "--dry-run", "--json", code=None)
        if dry.code == 0 and dry.json["partitions"] != planned:
            raise Violation(f"run --dry-run says {dry.json['partitions']}, plan {planned}")
    schema = _schema(walk)
    walk.releases(world, "run", schema=schema)


def _part(walk: Walk, chance: Random) -> None:
    day = chance.choice(
        ["2026-01-02", "2026-01-15", "2026-01-31", "2026-02-03", "2026-03-01", "2025-12-20"]
    )
    limits = chance.choice(
        [
            ("--since", f"{chance.choice([1, 3, 30, 60, 400])}d"),
            ("--start", day),
            ("--end", day),
            ("--start", "2026-01-04", "--end", "2026-02-01"),
        ]
    )
    world = _branch_world(walk)
    world.build(walk.engine)
    misplaced = world.misplaced(walk.engine)
    done = walk.seeknal("run", *limits, "--json")
    if done.code:
        said = done.out + done.err
        expected = "counts back from the newest" in said or "run without --since" in said
        if not expected and not (misplaced and any(words in said for words in OUTSIDE)):
            raise Violation(f"run in part failed: {said[-2000:]}")
        return
    only = {}
    for name, part in done.json["partial"].items():
        node = world.code[name]
        assert node.form or part["over"]
        only[name] = "" if part["over"] else _condition(node.form, part)
    schema = _schema(walk)
    wrong = [*differing(walk.engine, walk.repo, schema, world.code, only)]
    if wrong:
        raise Violation(f"in part: {'; '.join(wrong)}")
    walk.counts["in part"] += bool(only)
    walk.shown.pop(schema, None)


def _condition(form: Any, part: dict[str, Any]) -> str:
    value = f"({form.by} AT TIME ZONE 'UTC')" if form.by == "z" else form.by
    terms = []
    if part["since"]:
        terms.append(f"{value} >= TIMESTAMP '{form.span(part['since'])[0]}'")
    if part["until"]:
        until = f"{value} < TIMESTAMP '{form.span(part['until'])[0]}'"
        terms.append(until if part["since"] else f"({outside(form)} OR {until})")
    return " AND ".join(terms) or "true"


def merge(walk: Walk, chance: Random) -> None:
    """A branch is merged, and production is promoted, or run over data that moved on."""
    walk.main()
    name = chance.choice(["dev", "feature/b"])
    repo, before = walk.repo, walk.repo.head
    if repo.try_git("rev-parse", "-q", "--verify", f"refs/heads/{name}").returncode:
        name = {"dev": "feature/b"}.get(name, "dev")
        if repo.try_git("rev-parse", "-q", "--verify", f"refs/heads/{name}").returncode:
            return
    way = chance.choice([("--no-ff",), (), ("--squash",)])
    done = repo.try_git("merge", "--quiet", "--no-edit", *way, name)
    if not done.returncode and "--squash" in way:
        repo.commit(f"Squash {name}", hooks=False)
    walk.told[-1] += f" {' '.join(way)} {name}"
    if done.returncode or not walk.code() or walk.repo.seeknal("validate", code=None).code:
        walk.told[-1] += " (in vain)"
        repo.try_git("merge", "--abort")
        repo.git("reset", "--quiet", "--hard", before)
        repo.git("branch", "--quiet", "-D", name)
        return
    if chance.random() < 0.5:
        repo.git("branch", "--quiet", "-D", name)
    if chance.random() < 0.4:
        _raw(walk, chance)
    walk.promote() if chance.random() < 0.7 else walk.run()


def revert(walk: Walk, chance: Random) -> None:
    """The last commit, or one before, is reverted."""
    walk.main()
    repo, before = walk.repo, walk.repo.head
    commits = repo.git("rev-list", "--first-parent", "-n", "4", "main").splitlines()[:-1] or [
        before
    ]
    chosen = chance.choice(commits[:2])
    parents = repo.git("rev-list", "--parents", "-n", "1", chosen).split()
    if len(parents) == 1:
        return
    parent = ["-m", "1"] if len(parents) > 2 else []
    done = repo.try_git("revert", "--no-edit", *parent, chosen)
    if done.returncode or not walk.code() or repo.seeknal("validate", code=None).code:
        repo.try_git("revert", "--abort")
        repo.git("reset", "--quiet", "--hard", before)
        return
    walk.promote() if chance.random() < 0.7 else walk.run()


def promote(walk: Walk, chance: Random) -> None:
    walk.main()
    if chance.random() < 0.5:
        _raw(walk, chance)
    walk.promote()


def rollback(walk: Walk, chance: Random) -> None:
    """Production shows what it once showed."""
    walk.main()
    if walk.seeknal("rollback").code:
        walk.stays("main")
        return
    for world in reversed(walk.past):
        world.build(walk.engine)
        if not [*differing(walk.engine, walk.repo, "main", world.code)]:
            walk.shown["main"] = world
            return
    if walk.is_mixed:
        walk.run()
        return
    raise Violation("a rollback shows what production never showed")


def gc(walk: Walk, chance: Random) -> None:
    done = walk.seeknal("gc", "--yes")
    if done.code:
        raise Violation(f"gc failed: {done.err}")
    walk.stays("main")
    there = {branch: world for branch, world in walk.shown.items() if branch == "main"}
    walk.model.forget([*there.values()])


def verify(walk: Walk, chance: Random) -> None:
    walk.main()
    done = walk.seeknal("plan", "--verify")
    if done.code:
        raise Violation(f"plan --verify: {done.out[-1500:]}{done.err[-1500:]}")


def fresh(walk: Walk, chance: Random) -> None:
    """A second warehouse, empty before, comes to the same as the first."""
    walk.main()
    if not walk.run():
        return
    other = Repo(walk.repo.path.with_name("fresh"))
    shutil.copytree(walk.repo.path, other.path, ignore=shutil.ignore_patterns("seeknal.lock"))
    shutil.rmtree(other.path / ".git/seeknal")
    other.try_git("update-ref", "-d", "refs/seeknal/production")
    other.seeknal("run")
    walk.shown["main"].build(walk.engine)
    wrong = [*differing(walk.engine, other, "main", walk.shown["main"].code)]
    shutil.rmtree(other.path)
    if wrong:
        raise Violation(f"a build from nothing differs: {wrong}")


Step = Callable[[Walk, Random], None]
STEPS: dict[str, Step] = {
    each.__name__: each
    for each in (
        data,
        old_data,
        edit,
        some,
        full,
        branch,
        merge,
        revert,
        promote,
        rollback,
        gc,
        verify,
        fresh,
    )
}
WEIGHTS = {
    "data": 16,
    "old_data": 2,
    "edit": 6,
    "some": 2,
    "full": 1,
    "branch": 8,
    "merge": 5,
    "revert": 3,
    "promote": 2,
    "rollback": 2,
    "gc": 2,
    "verify": 1,
    "fresh": 1,
}
