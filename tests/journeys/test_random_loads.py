"""After any sequence of loads, failures, rollbacks and releases, the history of a source is that of the
loads which production published, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from tests.conftest import Repo, copied, examples

EXAMPLES = examples(6)
ORDERS = "seeknal/sources/orders.yml"
SOURCE = """
kind: source
name: orders
source: csv
table: raw/orders.csv
schema: [{name: id, data_type: BIGINT}, {name: status, data_type: VARCHAR}, {name: note, data_type: VARCHAR}]
keep: changes
key: [id]
compare: [%s]
"""
RULE = """
kind: rule
name: nothing_is_bad
inputs: [changes.orders]
rule: status <> 'bad'
"""
READER = """
kind: transform
name: versions
transform: SELECT id, count(*) AS n FROM ref('changes.orders') GROUP BY id
"""
ALL, STATUS = "status, note", "status"
Rows = dict[int, tuple[str, str]]
Interval = tuple[Any, ...]


@dataclass(frozen=True)
class Load:
    """Raw data, and the columns that were compared when it was published."""

    rows: tuple[tuple[int, tuple[str, str]], ...]
    compared: str


History = tuple[Load, ...]


def intervals(history: History) -> list[Interval]:
    """The law: the rows that each load began, with the numbers of the loads that began and ended them."""
    found: list[list[Any]] = []
    for number, load in enumerate(history):
        rows, width = dict(load.rows), 2 if load.compared == ALL else 1
        for row in found:
            if row[-1] is None and rows.get(row[0], ())[:width] != row[1][:width]:
                row[-1] = number
        holding = {row[0] for row in found if row[-1] is None}
        found += [[key, row, number, None] for key, row in rows.items() if key not in holding]
    return ranked([(key, *row, start, end) for key, row, start, end in found])


def ranked(rows: list[Interval]) -> list[Interval]:
    """Intervals with the rank of each time among all of them."""
    times = sorted({time for *_, start, end in rows for time in (start, end) if time is not None})
    rank = {time: number for number, time in enumerate(times)}
    return sorted(
        ((*row, rank[start], None if end is None else rank[end]) for *row, start, end in rows),
        key=repr,
    )


def make_loads(repo: Repo) -> None:
    repo.path.mkdir()
    repo.git("init", "--quiet")
    repo.write("seeknal_project.yml", "name: loads\nkeep_promotions: 3\nkeep_history: 0s\n")
    repo.write(".gitignore", "target/\nraw/\n")
    repo.write(ORDERS, SOURCE % ALL)
    repo.write("seeknal/rules/bad.yml", RULE)
    repo.write("seeknal/transforms/versions.yml", READER)
    repo.write("raw/orders.csv", "id,status,note\n1,new,x\n2,new,x\n")
    repo.commit("First")
    repo.seeknal("run")


@dataclass
class Walk:
    """Production, and what it has to be."""

    repo: Repo
    monkeypatch: pytest.MonkeyPatch
    raw: Rows = field(default_factory=lambda: {1: ("new", "x"), 2: ("new", "x")})
    compared: str = ALL
    published: dict[int, History] = field(default_factory=dict)
    newest: History = ()
    shown: History = ()

    def begin(self) -> None:
        self.newest = self.shown = (self.load,)
        self.published = {self.number: self.shown}

    @property
    def load(self) -> Load:
        return Load(tuple(self.raw.items()), self.compared)

    @property
    def number(self) -> int:
        [(found,)] = self.repo.numbers(
            "SELECT max(id) FROM _seeknal.publications WHERE schema_name = 'main'"
        )
        return int(found)

    def publishes(self, load: Load) -> None:
        """Production published a load."""
        self.newest = self.shown = self.extended(self.newest, load)
        self.published[self.number] = self.shown

    @staticmethod
    def extended(history: History, load: Load) -> History:
        return history if history[-1] == load else (*history, load)

    # The steps

    def write(self, rows: Rows) -> None:
        self.raw = rows
        lines = [f"{key},{status},{note}" for key, (status, note) in rows.items()]
        self.repo.write("raw/orders.csv", "\n".join(["id,status,note", *lines, ""]))

    def run(self, *options: str) -> None:
        ended = self.repo.seeknal("run", *options, code=None)
        rows = dict(intervals_of(self.extended(self.newest, self.load)))
        assert ended.code == (1 if "bad" in rows else 0), ended.out + ended.err
        if not ended.code:
            self.publishes(self.load)

    def interrupted(self) -> None:
        def stop(*_: object) -> None:
            raise KeyboardInterrupt

        with self.monkeypatch.context() as patch:
            patch.setattr("seeknal_git.build.publish.write_files", stop)
            patch.setattr("seeknal_git.build.settled.settled", lambda _: None)
            self.repo.seeknal("run", code=None)

    def twice(self) -> None:
        """A load in which a key is twice."""
        self.repo.write("raw/orders.csv", "id,status,note\n1,new,x\n1,new,y\n")
        self.repo.seeknal("run", code=1)
        self.write(self.raw)

    def rollback(self) -> None:
        ended = self.repo.seeknal("rollback", "--json", code=None)
        if not ended.code:
            self.shown = self.published[ended.json["to"]["id"]]
            self.published[self.number] = self.shown

    def gc(self) -> None:
        self.repo.seeknal("gc", "--yes")

    def release(self, compared: str) -> None:
        """Other code, released on the load that production shows."""
        self.compared = compared
        self.repo.write(ORDERS, SOURCE % compared)
        self.repo.commit("Compare")
        load = Load(self.shown[-1].rows, compared)
        self.repo.seeknal("promote")
        self.publishes(load)

    def branch(self, refresh: bool) -> None:
        self.repo.git("switch", "--quiet", "--force-create", "dev")
        ended = self.repo.seeknal("run", *(["--refresh"] if refresh else []), code=None)
        load = self.load if refresh else Load(self.shown[-1].rows, self.compared)
        expected = self.extended(self.newest, load)
        if load == self.shown[-1]:
            expected = self.shown
        if not ended.code:
            assert self.seen("dev") == intervals(expected)
        self.repo.git("switch", "--quiet", "main")

    def seen(self, schema: str = "main") -> list[Interval]:
        return ranked(self.repo.numbers(f"SELECT * FROM {schema}.orders_changes"))

    def holds(self) -> None:
        assert self.seen() == intervals(self.shown)
        counts = self.repo.numbers("SELECT sum(n)::BIGINT FROM main.versions")
        assert counts == [(len(intervals(self.shown)) or None,)]


def intervals_of(history: History) -> list[tuple[str, None]]:
    return [(row[1], None) for row in intervals(history)]


ROWS = st.dictionaries(
    st.integers(1, 4), st.tuples(st.sampled_from(["new", "paid", "bad"]), st.sampled_from("xy"))
)
STEPS = st.one_of(
    ROWS.map(lambda rows: ("write", rows)),
    ROWS.map(lambda rows: ("write", {key: ("new", row[1]) for key, row in rows.items()})),
    st.sampled_from(
        [
            ("run",),
            ("run",),
            ("run", "--full"),
            ("interrupted",),
            ("twice",),
            ("rollback",),
            ("gc",),
        ]
    ),
    st.sampled_from([ALL, STATUS]).map(lambda compared: ("release", compared)),
    st.booleans().map(lambda refresh: ("branch", refresh)),
)


@settings(
    max_examples=EXAMPLES,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)
@given(steps=st.lists(STEPS, min_size=6, max_size=16))
def test_the_history_is_that_of_the_loads_that_production_published(
    steps: list[tuple[Any, ...]],
    templates: Callable[[str, Callable[[Repo], None]], Repo],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = tmp_path_factory.mktemp("walk")
    walk = Walk(copied(templates("loads", make_loads), place / "repo"), monkeypatch)
    walk.begin()
    for name, *arguments in steps:
        note(f"{name} {arguments}")
        getattr(walk, name)(*arguments)
        walk.holds()
