"""Raw data that is no longer as production read it: what reading it again would change.

A branch goes on with production's load, so a bad file stops nobody's work. It is told all the same.
"""

from __future__ import annotations

from dataclasses import replace

from seeknal_git.binding import columns_now
from seeknal_git.errors import Problem
from seeknal_git.statement import Columns
from seeknal_git.workspace import Loaded

_HINT = "Production's load counts here. `seeknal run` on the production branch reads the file; --refresh tries it out."


def moved_columns(loaded: Loaded) -> tuple[Problem, ...]:
    """The sources that keep a load, and whose files have other columns by now or do not fit any more."""
    kept = loaded.kept or {}
    untracked = [each for each in kept if not any(file.blob for file in loaded.root.files(loaded.graph.node(each)))]
    found, problems = columns_now(loaded.graph, loaded.root, untracked)
    told = [
        replace(each, message=f"{each.message.rstrip('.')}, since production read it.", hint=_HINT) for each in problems
    ]
    for each, columns in found.items():
        if changes := _changes(kept[each], columns):
            node = loaded.graph.node(each)
            message = f"{node.definition['path']} moved since production read it, and would change {each}: {changes}."
            line = node.line("params.path" if "params.path" in node.lines else "table")
            told.append(Problem(message, node.path, line, _HINT, each))
    return tuple(told)


def _changes(before: Columns, now: Columns) -> str:
    old, new = dict(before), dict(now)
    words = [f"{name} is gone" for name in old if name not in new]
    words += [f"{name} is {new[name]}, not {word}" for name, word in old.items() if new.get(name, word) != word]
    words += [f"{name} comes" for name in new if name not in old]
    return "; ".join(words)
