"""The command `test`: the examples of nodes, tried in memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from seeknal_git.build.examples import Choice, Tried, tried
from seeknal_git.commands.selected import selected_to_run
from seeknal_git.environments.revision import as_environment, head_tree, load_sound, revision_of
from seeknal_git.errors import Problem
from seeknal_git.git.tree import Tree
from seeknal_git.plan.selection import Selecting, asked
from seeknal_git.project.load import Loaded
from seeknal_git.project.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Tests:
    """The examples that were asked for, in the order of their nodes and files."""

    tried: tuple[Tried, ...]
    # The number of nodes that were selected, with or without examples.
    nodes: int

    @property
    def failures(self) -> tuple[Tried, ...]:
        """Those that do not hold, or could not be run."""
        return tuple(example for example in self.tried if not example.holds)


def try_examples(
    workspace: Workspace,
    select: Selecting | str = "",
    exclude: str = "",
    *,
    text: str = "",
    sandbox: bool = False,
) -> Tests:
    """Try the examples of the nodes in the working tree. The warehouse is not opened for it.

    select, exclude: the nodes, in the grammar of docs/selection.md; by default, all.
    text: a part of the names of the examples that are tried.
    sandbox: pass over Python nodes, whose code would be run.

    Raises UsageError for a name that does not exist, and ProjectError if the nodes are wrong.
    """
    revision, options = revision_of(workspace), asked(select, exclude)
    workspace, keeps = as_environment(workspace, revision)
    tree = head_tree(workspace, revision)
    loaded = load_sound(workspace, tree, revision, keeps=keeps, whatever_data=True)
    chosen = selected_to_run(workspace, revision, loaded, options, keeps=keeps)
    nodes = loaded.graph.inputs.keys() if chosen is None else chosen
    choice = Choice(text, afresh=True, functions=not sandbox)
    found = tried(loaded, tree, _exampled(loaded, nodes), choice)
    return Tests(tuple(found), len(nodes))


def _exampled(loaded: Loaded, nodes: Iterable[str]) -> list[str]:
    """The nodes that have examples, inputs first."""
    wanted = loaded.graph.index.exampled.intersection(nodes)
    return [node for node in loaded.graph.inputs if node in wanted]


def moved_examples(loaded: Loaded, tree: Tree) -> list[Tried]:
    """The outcome of each example of a sound tree; those that held before, with everything that
    decides them as it is now, are not tried again.

    Passed over are Python nodes, and examples over columns that nobody knows yet. tree: the one
    that was loaded, with all its edits.
    """
    found = tried(loaded, tree, _exampled(loaded, loaded.graph.inputs))
    return [example for example in found if not example.is_open]


def as_problem(example: Tried) -> Problem | None:
    """The problem of an example that does not hold; None for one that does."""
    if example.holds or example.problem:
        return example.problem
    words = "; ".join(mismatch.words for mismatch in example.mismatches)
    message = f"The example {example.name!r} of {example.node} does not hold: {words}."
    hint = f"seeknal test {example.node} shows the rows."
    return Problem(message, example.path, example.line, hint, example.node)
