"""Raw data that has changed since production read it, and the effect of reading it again.

A branch keeps using production's load, so a bad file stops nobody's work. It is reported all the
same.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from seeknal_git.errors import Problem
from seeknal_git.project.data_files import DataFile
from seeknal_git.project.data_versions import contents_of
from seeknal_git.project.load import Loaded
from seeknal_git.project.source_columns import columns_now
from seeknal_git.sql.statement import Columns

if TYPE_CHECKING:
    from seeknal_git.build.work import Work
    from seeknal_git.project.load import Loaded
    from seeknal_git.sql.statement import Columns

_HINT = (
    "Production's load counts here. `seeknal run` on the production branch reads the file; "
    "--refresh tries it out."
)


@dataclass(frozen=True, slots=True)
class MovedData:
    """Raw data that has changed since production read it. Times are in UTC."""

    node: str
    files: tuple[str, ...]
    loaded_at: datetime
    changed_at: datetime | None


def moved_data(loaded: Loaded, work: Work) -> tuple[MovedData, ...]:
    """The sources whose raw data a run would read again: git does not track it, and it has another
    content now."""
    found = []
    for source, contents in loaded.binding.read.items():
        load = work.inventory.snapshot(source)
        files = loaded.root.files(loaded.graph.node(source))
        if (
            load is None
            or any(file.tracked for file in files)
            or contents_of(work.inventory.versions.get(source, "")) == contents
        ):
            continue
        times = {file.path: _changed_at(file) for file in files}
        newer = {path: time for path, time in times.items() if time and time > load.built_at}
        # If none is newer, one of them is gone or older: the path stands for all.
        named = newer or [str(loaded.graph.node(source).definition["path"])]
        found.append(
            MovedData(source, tuple(named), load.built_at, max(newer.values(), default=None))
        )
    return tuple(found)


def _changed_at(file: DataFile) -> datetime | None:
    with suppress(OSError):
        return datetime.fromtimestamp(file.at.stat().st_mtime, UTC).replace(tzinfo=None)
    return None


def moved_columns(loaded: Loaded) -> tuple[Problem, ...]:
    """The sources that keep a load, and whose files have other columns now or do not fit any
    more."""
    kept = loaded.kept or {}
    untracked = [
        source
        for source in kept
        if not any(file.blob for file in loaded.root.files(loaded.graph.node(source)))
    ]
    found, problems = columns_now(loaded.graph, loaded.root, untracked)
    told = [
        replace(
            problem, message=f"{problem.message.rstrip('.')}, since production read it.", hint=_HINT
        )
        for problem in problems
    ]
    for source, columns in found.items():
        if changes := _changes(kept[source], columns):
            node = loaded.graph.node(source)
            path = node.definition["path"]
            message = (
                f"{path} moved since production read it, and would change {source}: {changes}."
            )
            line = node.line("params.path" if "params.path" in node.lines else "table")
            told.append(Problem(message, node.path, line, _HINT, source))
    return tuple(told)


def _changes(before: Columns, now: Columns) -> str:
    old, new = dict(before), dict(now)
    words = [f"{name} is gone" for name in old if name not in new]
    words += [
        f"{name} is {new[name]}, not {word}"
        for name, word in old.items()
        if new.get(name, word) != word
    ]
    words += [f"{name} comes" for name in new if name not in old]
    return "; ".join(words)
