"""A team and its production: what a command does, and what production may be after it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tests.conftest import Repo, Result
from tests.walk.model import (
    Definition,
    Definitions,
    Rows,
    Shown,
    Violation,
    contents,
    in_commit,
    in_tree,
    is_file_of,
    is_view,
    load,
    name_of,
    paths_of,
    told_apart,
    wrong_tables,
)
from tests.walk.project import BAD, FAIL, WORTH_A_WARNING


@dataclass
class Walk:
    """Who does what. told: what was done; marred: files of production that somebody changed by
    hand."""

    home: Repo
    kills: bool = False
    told: list[str] = field(default_factory=list)
    shown: Shown = field(default_factory=Shown)
    past: list[Shown] = field(default_factory=list)
    marred: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.mate = Repo(self.home.path / "mate")
        self.mate.git("config", "seeknal.dataRoot", str(self.home.path))
        self.mate.git("remote", "set-url", "origin", str(self.home.path / "remote.git"))
        self.show({node: (each,) for node, each in in_tree(self.home).items()})

    # Production

    def show(self, defined: dict[str, tuple[Definition, ...]]) -> None:
        self.shown = Shown(defined, contents(self.home), self.files())
        self.past.append(self.shown)

    def files(self) -> dict[str, str | None]:
        return {
            str(path.relative_to(self.home.path)): path.read_text()
            for path in (self.home.path / "exports").glob("*.csv")
        }

    def stays(self, why: str) -> None:
        """Production is as it was, and so are its files."""
        if contents(self.home) != self.shown.views:
            changed = [
                name
                for name, view in contents(self.home).items()
                if view != self.shown.views.get(name)
            ]
            raise Violation(f"production changed ({', '.join(changed)}), although {why}")
        files = self.files()
        wrong = [
            path
            for path in paths_of(self.shown.defined)
            if files.get(path) != self.shown.files.get(path)
        ]
        if wrong:
            raise Violation(f"{', '.join(wrong)} changed, although {why}")

    def becomes(
        self, defined: Mapping[str, tuple[Definition, ...]], loads: Mapping[str, list[Rows]]
    ) -> None:
        """Production is of one piece, by one of the definitions of each node, on one of the loads
        of each source."""
        views = contents(self.home)
        wanted = {name_of(node) for node in defined if is_view(node)}
        if views.keys() != wanted:
            raise Violation(
                f"production shows {sorted(views.keys() ^ wanted)} wrongly, or not at all"
            )
        wrong = [
            f"{source} is none of its loads"
            for source, options in loads.items()
            if views[name_of(source)].rows not in options
        ]
        wrong += wrong_tables(self.home, defined)
        if wrong:
            raise Violation("; ".join(wrong))
        self.show(told_apart(self.home, defined, views))
        self._files_are_right()

    def _files_are_right(self) -> None:
        for path, view in paths_of(self.shown.defined).items():
            if path not in self.marred and not is_file_of(
                self.shown.files.get(path), self.shown.views.get(view)
            ):
                raise Violation(f"the file {path} is not the table {view}")

    # What a command has to do

    def now(self, defined: Definitions) -> dict[str, list[Rows]]:
        """The loads that reading the files gives."""
        found = {}
        for node, each in defined.items():
            if node.startswith("source."):
                tracked = each["table"].startswith("data/")
                found[node] = [load(self.actor.path if tracked else self.home.path, each)]
        return found

    def kept(self, defined: Definitions) -> dict[str, list[Rows]]:
        """The loads that a promotion takes: those shown of the same definition; the files, if none
        is shown."""
        found = self.now(defined)
        for node, options in found.items():
            table = defined[node]["table"]
            if node == "source.orders":
                committed = self.actor.git("show", f"main:{table}")
                found[node] = [load(self.home.path, defined[node], committed)]
            elif loads := [rows for rows, certain in self._loads_of(table) if certain]:
                found[node] = loads
            else:
                found[node] = [*(rows for rows, _ in self._loads_of(table)), *options]
        return found

    def _loads_of(self, table: str) -> Iterator[tuple[Rows, bool]]:
        """What production shows of some files, and whether it is certain that it is of these."""
        for node, options in self.shown.defined.items():
            if node.startswith("source.") and table in {each["table"] for each in options}:
                yield self.shown.views[name_of(node)].rows, len(options) == 1

    @property
    def actor(self) -> Repo:
        return self.mate if self.told and self.told[-1].startswith("mate") else self.home

    def command(self, *arguments: str) -> Result:
        done = self.actor.seeknal(*arguments, code=None)
        self.told[-1] += f" → seeknal {' '.join(arguments)}: {done.code}"
        if done.code not in (0, 1, 2):
            raise Violation(f"exit code {done.code}: {done.err}")
        return done

    def releases(self, command: str, *options: str) -> None:
        """`run` or `promote` of the production branch."""
        loads_of = self.kept if command == "promote" else self.now
        defined = in_commit(self.actor, "main") if command == "promote" else in_tree(self.actor)
        loads = loads_of(defined)
        fails = failing(defined, loads)
        behind = self.is_behind()
        done = self.command(command, *options)
        if done.code:
            self.stays(f"{command} ended with {done.code}")
            if fails is False and not behind:
                raise Violation(f"{command} failed without need: {done.err}")
            return
        if fails:
            raise Violation(f"{command} succeeded, although a check or a node fails")
        self.marred.clear()
        self.becomes({node: (each,) for node, each in defined.items()}, loads)
        self._warns(done, command)

    def _warns(self, done: Result, command: str) -> None:
        rows = self.shown.views["three"].rows
        if any(row[0] == WORTH_A_WARNING for row in rows) and "warned" not in done.out + done.err:
            raise Violation(f"{command} says nothing of the rule that warns")

    def is_behind(self) -> bool:
        """Whether production shows a commit that the actor's branch does not have."""
        last = self.home.numbers(
            "SELECT arg_max(commit_id, id) FROM _seeknal.publications WHERE schema_name = 'main'"
        )
        return (
            self.actor.try_git("merge-base", "--is-ancestor", str(last[0][0]), "main").returncode
            != 0
        )


def failing(defined: Definitions, loads: Mapping[str, list[Rows]]) -> bool | None:
    """Whether a node or a check fails; None if that hangs on which load is taken."""
    if any(FAIL in each["text"] for each in defined.values()):
        return True
    visits = loads["source.visits"]
    bad = [any(row[0] in BAD for row in rows) for rows in visits]
    return bad[0] if len(set(bad)) == 1 else None
