"""The unit tests of dbt that hold as examples of their nodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from seeknal_git.build.examples import ALL, Tried, tried
from seeknal_git.dbt.drafts import Draft, NodeExample
from seeknal_git.errors import Problem
from seeknal_git.git.tree import Tree
from seeknal_git.project.load import Loaded


def with_sound_examples(
    drafts: list[Draft], loaded: Loaded, tree: Tree, left: list[Problem]
) -> list[Draft]:
    """The drafts with those of their examples that hold, or that cannot be tried yet.

    loaded, tree: the project with the drafts. left: gets a problem for each example that does not
    hold.
    """
    exampled = [draft.id for draft in drafts if draft.examples]
    wrong = {
        (example.node, example.name): example
        for example in tried(loaded, tree, exampled, ALL)
        if not example.holds and not example.is_open
    }
    return [replace(draft, examples=[*_holding(draft, wrong, left)]) for draft in drafts]


def _holding(
    draft: Draft, wrong: Mapping[tuple[str, str], Tried], left: list[Problem]
) -> Iterator[NodeExample]:
    for example in draft.examples:
        failure = wrong.get((draft.id, example.name))
        if failure is None:
            yield example
            continue
        message = f"The unit test {example.name} is not taken. {failure.reason}"
        hint = "Write it under `examples` of the node (docs/nodes.md)."
        left.append(Problem(message, example.path, example.line, hint))
