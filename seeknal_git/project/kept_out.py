"""Paths that git may not track: a checkout would put a branch's file over tables and files of a
run, or over secrets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath

from seeknal_git.errors import Problem, ProjectError
from seeknal_git.git.placing import in_the_way
from seeknal_git.git.tree import Tree
from seeknal_git.names import argument, in_lines
from seeknal_git.project.workspace import Workspace

_BUILT = "a run writes there, and a checkout would put a branch's files over its tables and files"
_SECRET = "it is yours alone, with passwords in it"
_NAMES = {"target": _BUILT, ".env": _SECRET, "profiles.yml": _SECRET}
_WAREHOUSE = "a checkout would put a branch's file over production"


def kept_out(workspace: Workspace, tree: Tree) -> tuple[Problem, ...]:
    """The entries of a tree, of any kind, that git must not track; without regard to case, as many
    file systems have none."""
    entries = sorted({*tree.files, *tree.links, *tree.modules})
    found: dict[str, list[str]] = {}
    configured = workspace.settings.warehouse
    named = (configured,) if isinstance(configured, str) else configured.paths
    places = [place for place in map(_place, named) if place]
    for entry, name in _matched(entries, places):
        found.setdefault(name, []).append(entry)
    return tuple(_problem(name, tracked) for name, tracked in found.items())


def need_kept_out(workspace: Workspace, tree: Tree) -> None:
    """Raise ProjectError if git tracks what it must not in a tree that is to become production."""
    if wrong := kept_out(workspace, tree):
        raise ProjectError(wrong)


def _place(configured: str) -> str:
    """A path of the warehouse below the project's folder; empty if it is not there."""
    path = PurePosixPath(configured)
    parts = [part for part in path.parts if part != "."]
    return (
        ""
        if path.is_absolute() or ".." in parts or parts[:1] == ["~"]
        else "/".join(parts).casefold()
    )


def _matched(entries: Iterable[str], places: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each entry that must not be there, and the top folder or the name that says why."""
    for entry in entries:
        top = entry.casefold().partition("/")[0]
        if top in _NAMES:
            yield entry, top
        elif place := next((place for place in places if in_the_way(entry, place)), None):
            yield entry, place


def _problem(name: str, tracked: list[str]) -> Problem:
    first, more = tracked[0], len(tracked) - 1
    others = f" and {more:,} more below {first.partition('/')[0]}" if more else ""
    whole = first.partition("/")[0] if name in _NAMES else first
    return Problem(
        f"git tracks {first}{others}: {_NAMES.get(name, _WAREHOUSE)}.",
        first,
        hint=in_lines(
            [
                f"Take it out of git: git rm -r --cached -- {argument(whole)}",
                "The file stays. Move it away unless it is yours: a branch may have brought it.",
            ]
        ),
    )
