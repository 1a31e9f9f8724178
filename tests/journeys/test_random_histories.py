"""After any sequence of commands, `gc` and `env prune` leave all that lives: what it shows, and
what it may go back to."""

from __future__ import annotations

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

from tests.conftest import ENVIRONMENTS, Repo, Templates, copied, examples

EXAMPLES = examples(5)
KEEP, HISTORY, IDLE = 2, timedelta(hours=1), timedelta(days=1)
BRANCHES = ("a", "feat/b")
TRANSFORM = "kind: transform\nname: {name}\ninputs: [{input}]\ntransform: SELECT n + {number} AS n FROM input_0\n"
SOURCE = "kind: source\nname: {name}\nsource: csv\ntable: {path}\n"


def make_small(repo: Repo) -> None:
    """Two sources, of which git tracks one, and three transforms; two branches, of which one has
    newer data and one is on a remote; and a history of production."""
    repo.path.mkdir()
    repo.git("init", "--quiet")
    repo.git("init", "--quiet", "--bare", "remote.git")
    repo.git("remote", "add", "origin", "./remote.git")
    repo.write(
        "seeknal_project.yml",
        "name: small\nkeep_promotions: 2\nkeep_history: 1h\ntime_to_live: 1d\n",
    )
    repo.write(".gitignore", "target/\nraw/\nremote.git/\nbeside-*/\n")
    repo.write("data/orders.csv", "n\n1\n2\n")
    repo.write("raw/visits.csv", "n\n1\n")
    repo.write("seeknal/sources/orders.yml", SOURCE.format(name="orders", path="data/orders.csv"))
    repo.write("seeknal/sources/visits.yml", SOURCE.format(name="visits", path="raw/visits.csv"))
    repo.write(
        "seeknal/transforms/one.yml", TRANSFORM.format(name="one", input="source.orders", number=0)
    )
    repo.write(
        "seeknal/transforms/two.yml", TRANSFORM.format(name="two", input="transform.one", number=0)
    )
    repo.write(
        "seeknal/transforms/three.yml",
        TRANSFORM.format(name="three", input="source.visits", number=0),
    )
    repo.commit("First")
    repo.seeknal("run")
    for number, name in enumerate(("main", *BRANCHES), 1):
        repo.git("switch", "--quiet", *([] if name == "main" else ["--create"]), name)
        repo.write(
            "seeknal/transforms/three.yml",
            TRANSFORM.format(name="three", input="source.visits", number=number),
        )
        repo.commit(f"On {name}")
        repo.seeknal("run")
    repo.git("push", "--quiet", "origin", "feat/b")
    repo.switch("a")
    repo.write("raw/visits.csv", "n\n10\n")
    repo.seeknal("run", "--refresh")
    repo.tamper("UPDATE _seeknal.publications SET published_at = published_at - INTERVAL 2 HOUR")
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
        refs = self.repo.git(
            "for-each-ref", "--format=%(refname)", "refs/heads", "refs/remotes"
        ).splitlines()
        return {
            ref.removeprefix("refs/heads/").removeprefix("refs/remotes/origin/") for ref in refs
        }

    def local(self, number: int) -> str | None:
        found = [
            each
            for each in BRANCHES
            if self.repo.try_git("rev-parse", "-q", "--verify", f"refs/heads/{each}").returncode
            == 0
        ]
        return found[number % len(found)] if found else None

    # Git

    def edit(self, number: int) -> None:
        """Some edits go back to what there was before."""
        self.edits += 1
        name, source = (
            ("one", "source.orders"),
            ("two", "transform.one"),
            ("three", "source.visits"),
        )[number % 3]
        text = TRANSFORM.format(
            name=name, input=source, number=self.edits if number % 2 else number
        )
        self.repo.write(f"seeknal/transforms/{name}.yml", text)
        self.repo.commit(f"Edit {self.edits}")

    def new_data(self, number: int) -> None:
        """Raw data moves on, and the branch reads it again, or reads it otherwise."""
        self.edits += 1
        self.repo.write("raw/visits.csv", f"n\n{self.edits}\n")
        if number > 3:
            path = f"raw/visits{'*' * (number - 4)}.csv"
            self.repo.write("seeknal/sources/visits.yml", SOURCE.format(name="visits", path=path))
            self.repo.commit("Read otherwise")
        self.repo.seeknal("run", "--refresh")

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
        if self.repo.try_git(
            "revert", "--no-edit", *(["-m", "1"] if number % 2 else []), "HEAD"
        ).returncode:
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
        self.repo.seeknal("run")

    def fail(self, number: int) -> None:
        """A run that ends badly, and a commit that mends it."""
        before = self.repo.read("seeknal/transforms/two.yml")
        self.repo.replace("seeknal/transforms/two.yml", "SELECT n +", "SELECT error('no') +")
        self.repo.seeknal("run", code=None)
        self.repo.write("seeknal/transforms/two.yml", before)

    def rollback(self, number: int) -> None:
        """To a publication that may be gone, or be shown already."""
        self.repo.seeknal("rollback", *([str(number)] if number % 3 else []), code=None)

    def env_delete(self, number: int) -> None:
        self.repo.seeknal("env", "delete", BRANCHES[number % len(BRANCHES)], code=None)

    # Time

    def environments_age(self, number: int) -> None:
        where = f" WHERE branch = '{BRANCHES[number % 2]}'" if number % 3 else ""
        self.repo.tamper(
            f"UPDATE _seeknal.environments SET used_at = used_at - INTERVAL 25 HOUR{where}"
        )

    def history_ages(self, number: int) -> None:
        minutes = (40, 80, 80, 80, 80, -200)[number]
        self.repo.tamper(
            f"UPDATE _seeknal.publications SET published_at = published_at - INTERVAL ({minutes}) MINUTE"
        )

    # What is under test

    def prune(self, number: int) -> None:
        self.check("env", "prune")

    def gc(self, number: int) -> None:
        self.check("gc")

    def check(self, *command: str) -> None:
        names, before = self.names(), look(self.repo)
        listed = self.repo.seeknal(*command, "--json").json
        done = self.repo.seeknal(*command, "--yes", "--json").json
        assert done == {**listed, "deleted": True}
        after, going = look(self.repo), before.going(names)
        assert {each["branch"] for each in done["environments"]} == going
        assert after.shows == {
            branch: views for branch, views in before.shows.items() if branch not in going
        }
        assert after.tables == before.tables - {each["table"] for each in done.get("snapshots", ())}
        assert before.history() <= after.tables


@dataclass(frozen=True)
class World:
    """What the warehouse holds. shows: branch → its views with their rows; tables: snapshots;
    used_at: by branch; publications: of production, (id, time, node, table)."""

    shows: dict[str, list[Any]]
    tables: set[str]
    used_at: dict[str, datetime]
    publications: list[Any]

    def going(self, names: set[str]) -> set[str]:
        return {
            branch
            for branch, at in self.used_at.items()
            if branch not in names and now() - at >= IDLE
        }

    def history(self) -> set[str]:
        """The tables of every publication that is kept, played back one by one."""
        states: dict[int, dict[str, str]] = {}
        times: dict[int, datetime] = {}
        state: dict[str, str] = {}
        for number, published_at, node, table in self.publications:
            state = {**state, node: table}
            states[number], times[number] = state, published_at
        last = sorted(states)
        recent = {one for one, other in pairwise(last) if now() - times[other] < HISTORY}
        return {
            table
            for number in recent | set(last[-KEEP:])
            for table in states[number].values()
            if table
        }


def look(repo: Repo) -> World:
    with duckdb.connect(repo.warehouse, read_only=True) as connection:

        def ask(sql: str) -> list[Any]:
            return connection.execute(sql).fetchall()

        used_at = dict(ask(f"SELECT branch, used_at FROM {ENVIRONMENTS}"))
        shows: dict[str, list[Any]] = {branch: [] for branch in used_at}
        for branch, schema, view in ask(
            f"SELECT branch, schema_name, view_name FROM {ENVIRONMENTS} JOIN duckdb_views() USING (schema_name) "
            "WHERE NOT internal ORDER BY ALL"
        ):
            shows[branch].append((view, sorted(ask(f'FROM "{schema}"."{view}"'))))
        return World(
            shows,
            {
                each
                for (each,) in ask(
                    "SELECT table_name FROM duckdb_tables() WHERE schema_name = '_snapshots'"
                )
            },
            used_at,
            ask(
                "SELECT DISTINCT p.id, published_at, node, coalesce(reads, table_name) FROM _seeknal.publications p LEFT JOIN "
                "_seeknal.publication_nodes n ON (publication_id, n.schema_name) = (p.id, p.schema_name) "
                "WHERE p.schema_name = 'main' ORDER BY p.id"
            ),
        )


def now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


OFTEN = (
    Story.edit,
    Story.run,
    Story.branch,
    Story.environments_age,
    Story.merge,
    Story.delete_branch,
    Story.gc,
)
SELDOM = (
    Story.new_data,
    Story.new_data,
    Story.main,
    Story.revert,
    Story.push,
    Story.delete_on_the_remote,
    Story.worktree,
    Story.fail,
    Story.rollback,
    Story.env_delete,
    Story.env_delete,
    Story.history_ages,
    Story.prune,
)
STEPS: tuple[Callable[[Story, int], Any], ...] = OFTEN * 2 + SELDOM


@pytest.fixture(scope="session")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("histories")


@settings(max_examples=EXAMPLES, phases=(Phase.generate,), suppress_health_check=list(HealthCheck))
@given(
    steps=st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 5)), min_size=8, max_size=12)
)
def test_after_any_history_everything_that_lives_still_answers(
    templates: Templates, places: Path, steps: list[tuple[Callable[[Story, int], Any], int]]
) -> None:
    story = Story(copied(templates("small", make_small), places / f"{len(list(places.iterdir()))}"))
    for step, number in [*steps, (Story.gc, 0)]:
        note(f"{step.__name__}({number})")
        step(story, number)
