"""After any sequence of commands, `gc` and `env prune` leave all that lives: what it shows, and what it may go back to."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from tests.conftest import Repo, Templates, copied

EXAMPLES = 8
KEEP, HISTORY, IDLE = 2, timedelta(hours=1), timedelta(days=1)
BRANCHES = ("a", "feat/b")
TRANSFORM = "kind: transform\nname: {name}\ninputs: [{input}]\ntransform: SELECT n + {number} AS n FROM input_0\n"
SOURCE = "kind: source\nname: {name}\nsource: csv\ntable: {path}\n"


def make_small(repo: Repo) -> None:
    """Two sources, of which git tracks one, and three transforms; two branches, two publications, and a remote."""
    repo.path.mkdir()
    repo.git("init", "--quiet")
    repo.git("init", "--quiet", "--bare", "remote.git")
    repo.git("remote", "add", "origin", "./remote.git")
    repo.write("seeknal_project.yml", "name: small\nkeep_promotions: 2\nkeep_history: 1h\ntime_to_live: 1d\n")
    repo.write(".gitignore", "target/\nraw/\nremote.git/\nbeside-*/\n")
    repo.write("data/orders.csv", "n\n1\n2\n")
    repo.write("raw/visits.csv", "n\n1\n")
    repo.write("seeknal/sources/orders.yml", SOURCE.format(name="orders", path="data/orders.csv"))
    repo.write("seeknal/sources/visits.yml", SOURCE.format(name="visits", path="raw/visits.csv"))
    repo.write("seeknal/transforms/one.yml", TRANSFORM.format(name="one", input="source.orders", number=0))
    repo.write("seeknal/transforms/two.yml", TRANSFORM.format(name="two", input="transform.one", number=0))
    repo.write("seeknal/transforms/three.yml", TRANSFORM.format(name="three", input="source.visits", number=0))
    repo.commit("First")
    repo.seeknal("run")
    for number, name in enumerate(("main", *BRANCHES), 1):
        repo.git("switch", "--quiet", *([] if name == "main" else ["--create"]), name)
        repo.write("seeknal/transforms/three.yml", TRANSFORM.format(name="three", input="source.visits", number=number))
        repo.commit(f"On {name}")
        repo.seeknal("run")
    repo.switch("main")


@dataclass
class Story:
    """A repository, and what is done to it; `number` chooses among what there is."""

    repo: Repo
    told: list[str] = field(default_factory=list)
    edits: int = 0

    @property
    def here(self) -> str:
        return self.repo.git("branch", "--show-current")

    def names(self) -> set[str]:
        """The branches that are here, on the remote or in a worktree."""
        refs = self.repo.git("for-each-ref", "--format=%(refname)", "refs/heads", "refs/remotes").splitlines()
        return {ref.removeprefix("refs/heads/").removeprefix("refs/remotes/origin/") for ref in refs}

    def local(self, number: int) -> str | None:
        found = [
            each
            for each in BRANCHES
            if self.repo.try_git("rev-parse", "-q", "--verify", f"refs/heads/{each}").returncode == 0
        ]
        return found[number % len(found)] if found else None

    # Git

    def edit(self, number: int) -> None:
        """Some edits go back to what there was before."""
        self.edits += 1
        name, source = (("one", "source.orders"), ("two", "transform.one"), ("three", "source.visits"))[number % 3]
        text = TRANSFORM.format(name=name, input=source, number=self.edits if number % 2 else number)
        self.repo.write(f"seeknal/transforms/{name}.yml", text)
        self.repo.commit(f"Edit {self.edits}")

    def new_data(self, number: int) -> None:
        self.edits += 1
        self.repo.write("raw/visits.csv", f"n\n{self.edits}\n")
        if number % 2:
            self.redefine(number)

    def redefine(self, number: int) -> None:
        """Another definition of the source, which the branch reads on its own."""
        path = f"raw/visits{'?' * (number % 2)}.csv"
        self.repo.write(f"raw/visits{number % 2}.csv", f"n\n{self.edits}\n")
        self.repo.write("seeknal/sources/visits.yml", SOURCE.format(name="visits", path=path))
        self.repo.commit("Read otherwise")

    def branch(self, number: int) -> None:
        name = BRANCHES[number % len(BRANCHES)]
        if self.repo.try_git("switch", "--quiet", name).returncode:
            self.repo.try_git("switch", "--quiet", "--create", name, "main")

    def main(self, number: int) -> None:
        self.repo.switch("main")

    def merge(self, number: int) -> None:
        if name := self.local(number):
            self.repo.switch("main")
            if self.repo.try_git("merge", "--no-edit", "--quiet", name).returncode:
                self.repo.git("merge", "--abort")
            self.repo.seeknal("promote")

    def revert(self, number: int) -> None:
        self.repo.switch("main")
        if self.repo.try_git("revert", "--no-edit", *(["-m", "1"] if number % 2 else []), "HEAD").returncode:
            self.repo.try_git("revert", "--abort")
        self.repo.seeknal("promote")

    def delete_branch(self, number: int) -> None:
        if name := self.local(number):
            self.repo.switch("main")
            self.repo.try_git("branch", "--quiet", "-D", name)

    def push(self, number: int) -> None:
        if name := self.local(number):
            self.repo.git("push", "--quiet", "--force", "origin", name)

    def delete_on_the_remote(self, number: int) -> None:
        self.repo.try_git("push", "--quiet", "origin", "--delete", BRANCHES[number % len(BRANCHES)])

    def worktree(self, number: int) -> None:
        """Another one for a branch, or the end of it."""
        name = BRANCHES[number % len(BRANCHES)]
        folder = f"beside-{number % len(BRANCHES)}"
        if (self.repo.path / folder).exists():
            self.repo.git("worktree", "remove", "--force", folder)
        elif self.repo.try_git("worktree", "add", "--quiet", folder, name).returncode == 0:
            Repo(self.repo.path / folder).seeknal("run")

    # Seeknal

    def run(self, number: int) -> None:
        self.repo.seeknal("run", *(["--refresh"] if number % 3 == 0 else []))

    def fail(self, number: int) -> None:
        """A run that ends badly, and a commit that mends it."""
        before = self.repo.read("seeknal/transforms/two.yml")
        self.repo.replace("seeknal/transforms/two.yml", "SELECT n +", "SELECT error('no') +")
        self.repo.seeknal("run", code=None)
        self.repo.write("seeknal/transforms/two.yml", before)

    def rollback(self, number: int) -> None:
        if importlib.util.find_spec("seeknal_git.cli.rollback") is not None:
            self.repo.seeknal("rollback", code=None)

    def env_delete(self, number: int) -> None:
        self.repo.seeknal("env", "delete", BRANCHES[number % len(BRANCHES)], code=None)

    # Time

    def environments_age(self, number: int) -> None:
        where = f" WHERE branch = '{BRANCHES[number % 2]}'" if number % 3 else ""
        self.repo.tamper(f"UPDATE _seeknal.environments SET used_at = used_at - INTERVAL 25 HOUR{where}")

    def history_ages(self, number: int) -> None:
        minutes = (40, 80, -200)[number % 3]
        self.repo.tamper(f"UPDATE _seeknal.publications SET published_at = published_at - INTERVAL ({minutes}) MINUTE")

    # What is under test

    def prune(self, number: int) -> None:
        self.check("env", "prune")

    def gc(self, number: int) -> None:
        self.check("gc")

    def check(self, *command: str) -> None:
        before, going, needed = self.look(), self.going(), self.needed() if command == ("gc",) else set()
        listed = self.repo.seeknal(*command, "--json").json
        assert self.look() == before, "a list deletes nothing"
        done = self.repo.seeknal(*command, "--yes", "--json").json
        assert done == {**listed, "deleted": True}
        assert {each["branch"] for each in done["environments"]} == going
        (shown, tables), (shown_after, tables_after) = before, self.look()
        assert shown_after == {branch: views for branch, views in shown.items() if branch not in going}
        assert tables_after == tables - {each["table"] for each in done.get("snapshots", ())}
        assert needed <= tables_after

    def look(self) -> tuple[dict[str, list[Any]], set[str]]:
        """Branch → everything that its environment shows; and all snapshot tables."""
        with duckdb.connect(self.repo.warehouse, read_only=True) as connection:

            def ask(sql: str) -> list[Any]:
                return connection.execute(sql).fetchall()

            views = ask("SELECT branch, schema_name, view_name FROM _seeknal.environments JOIN duckdb_views() v "
                        "USING (schema_name) WHERE NOT internal ORDER BY ALL")  # fmt: skip
            shown: dict[str, list[Any]] = {branch: [] for (branch,) in ask("SELECT branch FROM _seeknal.environments")}
            for branch, schema, view in views:
                shown[branch].append((view, ask(f'FROM "{schema}"."{view}" ORDER BY ALL')))
            return shown, {
                each for (each,) in ask("SELECT table_name FROM duckdb_tables() WHERE schema_name = '_snapshots'")
            }

    def going(self) -> set[str]:
        rows = self.repo.numbers("SELECT branch, used_at FROM _seeknal.environments")
        names = self.names() | {"main"}
        return {branch for branch, used_at in rows if branch not in names and now() - used_at >= IDLE}

    def needed(self) -> set[str]:
        """Tables of the publications that are kept, one by one, and the newest load of each source that somebody has."""
        rows = self.repo.numbers(
            "SELECT p.id, p.published_at, n.node, n.table_name FROM _seeknal.publications p LEFT JOIN "
            "_seeknal.publication_nodes n ON n.publication_id = p.id WHERE p.schema_name = 'main' ORDER BY p.id"
        )
        states: dict[int, dict[str, str]] = {}
        times: dict[int, datetime] = {}
        state: dict[str, str] = {}
        for number, published_at, node, table in rows:
            state = {**state, node: table}
            states[number], times[number] = state, published_at
        last = sorted(states)
        recent = {one for one, other in pairwise(last) if now() - times[other] < HISTORY}
        kept = recent | set(last[-KEEP:])
        tables = {table for number in kept for table in states[number].values() if table is not None}
        return tables | self.loads()

    def loads(self) -> set[str]:
        going = self.going()
        shown = {
            fingerprint
            for branch, fingerprint in self.repo.numbers(
                "SELECT e.branch, n.fingerprint FROM _seeknal.publication_nodes n JOIN _seeknal.environments e USING "
                "(schema_name) WHERE node LIKE 'source.%' QUALIFY "
                "row_number() OVER (PARTITION BY schema_name, node ORDER BY publication_id DESC) = 1"
            )
            if branch not in going
        }
        newest = self.repo.numbers(
            "SELECT fingerprint, arg_max(table_name, built_at) FROM _seeknal.snapshots WHERE data_version IS NOT NULL "
            "GROUP BY 1"
        )
        return {table for fingerprint, table in newest if fingerprint in shown}


def now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


OFTEN = (Story.edit, Story.run, Story.branch, Story.environments_age, Story.merge, Story.delete_branch, Story.gc)
SELDOM = (
    Story.new_data, Story.main, Story.revert, Story.push, Story.delete_on_the_remote, Story.worktree, Story.fail,
    Story.rollback, Story.env_delete, Story.history_ages, Story.prune,
)  # fmt: skip
STEPS: tuple[Callable[[Story, int], Any], ...] = OFTEN * 2 + SELDOM


@pytest.fixture(scope="session")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("histories")


@settings(max_examples=EXAMPLES, phases=(Phase.generate,), suppress_health_check=list(HealthCheck))
@given(steps=st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 5)), min_size=8, max_size=14))
def test_after_any_history_everything_that_lives_still_answers(
    templates: Templates, places: Path, steps: list[tuple[Callable[[Story, int], Any], int]]
) -> None:
    story = Story(copied(templates("small", make_small), places / f"{len(list(places.iterdir()))}"))
    for step, number in [*steps, (Story.gc, 0)]:
        note(f"{step.__name__}({number})")
        step(story, number)
