"""A warehouse file that was copied into a lake, in words."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from seeknal_git.errors import some
from seeknal_git.report.terminal import counted, out, pairs

if TYPE_CHECKING:
    from seeknal_git.commands.move_to_lake import MovedToLake

_NAMED = 5


def moved_to_lake(done: MovedToLake) -> None:
    contents = done.contents
    views = {
        schema: sum(bool(published.view) for published in shown.values())
        for schema, shown in contents.environments.items()
    }
    if done.copy is None:
        tables = counted(len(contents.tables), "table")
        out(f"Would copy {done.contents.path} to {done.lake}:")
        out(f"  {tables}, about {contents.rows:,} rows, the state and the history")
        pairs([(f"environment {name}", counted(number, "view")) for name, number in views.items()])
    else:
        _copied(done)
    if contents.left:
        out(f"{counted(len(contents.left), 'table')} of earlier publications stay behind:")
        pairs([*contents.left.items()])
    if contents.foreign:
        named = some([found.place for found in contents.foreign], _NAMED)
        out(f"Not Seeknal's, and left behind: {named}")
    if done.copy and not done.counts:
        out("The file is the warehouse until the project file is committed on production.")


def _copied(done: MovedToLake) -> None:
    copy = done.copy
    assert copy is not None
    all_ = len(copy.contents.tables)
    there = f", {all_ - copy.copied} were there" if all_ > copy.copied else ""
    out(f"Copied {done.contents.path} to {done.lake}: {counted(copy.copied, 'table')}{there}.")
    rows: Counter[str] = Counter()
    views: Counter[str] = Counter()
    for answer in copy.answers:
        rows[answer.schema] += answer.rows
        views[answer.schema] += 1
    out("Every environment answers alike in both:")
    pairs(
        [
            (f"environment {schema}", f"{counted(views[schema], 'view')}, {rows[schema]:,} rows")
            for schema in copy.contents.environments
        ]
    )
