"""The diff of changed files, with the category and the effects of each change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from seeknal_git.plan.changes import Category, Change
from seeknal_git.plan.text_diff import unified
from seeknal_git.project.settings import PROJECT_FILE
from seeknal_git.report.plan import column_words
from seeknal_git.report.terminal import coloured, counted, dim, in_colour, listed, out, width

if TYPE_CHECKING:
    from seeknal_git.commands.diff import Diff
    from seeknal_git.commands.planned import Planned
    from seeknal_git.project.load import Loaded

_LINE_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


def show(found: Diff, *, stat: bool) -> None:
    planned, changes = found.planned, found.changes
    for setting in planned.settings:
        out(f"{coloured(Category.BREAKING)} {PROJECT_FILE}: {setting.words}")
    if not changes and not planned.settings:
        out("No changes.")
    for change in changes:
        lines = list(_diff(planned, change))
        added = sum(line.startswith("+") and not line.startswith("+++") for line in lines)
        removed = sum(line.startswith("-") and not line.startswith("---") for line in lines)
        words = ", ".join((*change.words, *column_words(change)))
        impact = f"rebuilds {len(change.rebuilds)}, re-uses {len(change.reuses)}"
        out(
            f"{coloured(change.category)} {change.node}  {dim(f'+{added} -{removed}')}  "
            f"{words}; {impact}"
        )
        if stat:
            continue
        if change.rebuilds:
            out(dim(f"rebuilds {listed(change.rebuilds, width() - 10)}"))
        for line in lines:
            out(in_colour(line.expandtabs(4), _LINE_COLOURS.get(line[:1])), whole=True)
        out()
    if stat and changes:
        out(f"{counted(len(changes), 'node')} changed.")


def as_json(found: Diff) -> list[dict[str, Any]]:
    return [
        {
            "node": change.node,
            "category": str(change.category),
            "path": change.path,
            "what": [*change.words, *column_words(change)],
            "rebuilds": list(change.rebuilds),
            "reuses": list(change.reuses),
            "diff": list(_diff(found.planned, change)),
        }
        for change in found.changes
    ]


def _diff(planned: Planned, change: Change) -> Iterator[str]:
    old, new = (_text(side, change.node) for side in (planned.base, planned.head))
    yield from unified(old[1], new[1], old[0], new[0])


def _text(side: Loaded, identifier: str) -> tuple[str, list[str]]:
    member = side.graph.members.get(identifier)
    if member is None:
        return "/dev/null", []
    files = dict.fromkeys((member.node.path, member.node.sql_path))
    texts = [side.tree.read(side.tree.files[path]).decode("utf-8-sig") for path in files]
    return member.node.path, [line for text in texts for line in text.splitlines()]
