"""A project becomes a graph: who reads whom, in which order, and every node's fingerprint. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from graphlib import CycleError, TopologicalSorter

from seeknal_git.errors import Problem, ProjectError, UsageError
from seeknal_git.names import split_id, view_names
from seeknal_git.nodes.node import Node
from seeknal_git.project.definitions import Member, Project
from seeknal_git.project.fingerprints import Fingerprint, fingerprint
from seeknal_git.project.references import resolved
from seeknal_git.sql.statement import Anatomy, Columns, Reading


@dataclass(frozen=True)
class Graph:
    """Who reads whom.

    members: id → member, inputs first; inputs: id → ids that it reads, without repeats; targets: id
    → for its SQL and then for each check, the id that each reference means; problems: what does not
    fit together (left out of the rest). anatomies: id → of each of its SELECTs that decide data,
    once the engine was asked; columns: id → (name, type) of each column, None where nobody can
    know; volatile: (id, number) of the checks that may answer otherwise at another time; like:
    another graph, whose fingerprints hold for what is the same.
    """

    members: Mapping[str, Member]
    inputs: Mapping[str, tuple[str, ...]]
    targets: Mapping[str, tuple[tuple[str, ...], ...]]
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    like: Graph | None = None
    anatomies: Mapping[str, tuple[Anatomy, ...]] = field(default_factory=dict)
    columns: Mapping[str, Columns | None] = field(default_factory=dict)
    volatile: frozenset[tuple[str, int]] = frozenset()

    def node(self, identifier: str) -> Node:
        return self.members[identifier].node

    @cached_property
    def fingerprints(self) -> dict[str, Fingerprint]:
        found: dict[str, Fingerprint] = {}
        for identifier in self.members:
            found[identifier] = self._known(identifier, found) or fingerprint_of(
                self, identifier, found
            )
        return found

    def _known(self, identifier: str, found: Mapping[str, Fingerprint]) -> Fingerprint | None:
        """The other graph's fingerprint of a node, where it has the same node on the same
        inputs."""
        like = self.like
        if like is None or like.members.get(identifier) is not self.members[identifier]:
            return None
        same = (
            like.targets[identifier] == self.targets[identifier]
            and like.inputs[identifier] == self.inputs[identifier]
            and like.anatomies.get(identifier) == self.anatomies.get(identifier)
            and (identifier in like.delivered) == (identifier in self.delivered)
        )
        same = same and all(
            like.fingerprints[each] is found[each] for each in self.feeding(identifier)
        )
        return like.fingerprints[identifier] if same else None

    @cached_property
    def layers(self) -> tuple[tuple[str, ...], ...]:
        """Nodes that can be built side by side, in the order in which the layers can be built."""
        depths: dict[str, int] = {}
        for identifier in self.members:
            depths[identifier] = 1 + max(
                (depths[each] for each in self.inputs[identifier]), default=-1
            )
        layers: list[list[str]] = [[] for _ in range(max(depths.values(), default=-1) + 1)]
        for identifier, depth in depths.items():
            layers[depth].append(identifier)
        return tuple(tuple(sorted(layer)) for layer in layers)

    @cached_property
    def layer_of(self) -> dict[str, int]:
        """id → the number of its layer, from 1."""
        return {
            identifier: number
            for number, layer in enumerate(self.layers, 1)
            for identifier in layer
        }

    @cached_property
    def depth(self) -> int:
        """How many layers are built and checked; files are written when all of them are done."""
        done = (number for each, number in self.layer_of.items() if split_id(each)[0] != "exposure")
        return max(done, default=0)

    @cached_property
    def readers(self) -> dict[str, list[str]]:
        """id → the nodes that read it directly."""
        found: dict[str, list[str]] = {identifier: [] for identifier in self.members}
        for identifier, inputs in self.inputs.items():
            for each in inputs:
                found[each].append(identifier)
        return found

    @cached_property
    def delivered(self) -> frozenset[str]:
        """The nodes that an exposure writes to a file, so that the order of their rows is seen."""
        exposures = (
            each for each, member in self.members.items() if member.node.kind == "exposure"
        )
        return frozenset(read for each in exposures for read in self.inputs[each])

    @cached_property
    def views(self) -> dict[str, str]:
        """id → the name of its view, for every node that yields a table."""
        return view_names(
            identifier for identifier, member in self.members.items() if member.node.yields_table
        )

    def is_unstable(self, identifier: str) -> bool:
        """Whether a table of the node may hold other values each time that it is built of the same
        data."""
        return any(
            anatomy.rows is None
            or anatomy.rows.unstable
            or any(part.unstable for _, part in anatomy.columns or ())
            for anatomy in self.anatomies.get(identifier, ())
        )

    def feeding(self, identifier: str) -> tuple[str, ...]:
        """The inputs that decide a node's data: all but those that only its tests read."""
        targets = self.targets[identifier]
        decide = {number for number, _ in deciding(self.members[identifier])}
        read = {each for number in decide for each in targets[number]}
        asked = {
            each for number, named in enumerate(targets) if number not in decide for each in named
        }
        return tuple(each for each in self.inputs[identifier] if each in read or each not in asked)

    def downstream(self, identifiers: Iterable[str]) -> set[str]:
        """Everything that reads one of the nodes, directly or not; without them unless they read
        each other."""
        return _closure(identifiers, self.readers)

    def upstream(self, identifiers: Iterable[str]) -> set[str]:
        return _closure(identifiers, self.inputs)


def _closure(start: Iterable[str], edges: Mapping[str, Sequence[str]]) -> set[str]:
    found: set[str] = set()
    waiting = list(start)
    while waiting:
        for each in edges[waiting.pop()]:
            if each not in found:
                found.add(each)
                waiting.append(each)
    return found


def node_named(graph: Graph, name: str) -> str:
    """The node that an id or a bare name means. Raises UsageError."""
    same = [each for each in graph.members if name in (each, split_id(each)[1])]
    if len(same) == 1:
        return same[0]
    if same:
        raise UsageError(f"{name} may be {' or '.join(same)}.", "Write the kind too.")
    near = difflib.get_close_matches(
        name, [*graph.members, *(split_id(each)[1] for each in graph.members)], 1
    )
    raise UsageError(
        f"There is no node {name}.",
        f"Did you mean {near[0]}?" if near else "seeknal parse lists them.",
    )


def fingerprint_of(
    graph: Graph, identifier: str, of_inputs: Mapping[str, Fingerprint]
) -> Fingerprint:
    """A node's fingerprint over given fingerprints of its inputs. Tests do not decide data, so they
    are not in it."""
    member, anatomies = graph.members[identifier], graph.anatomies.get(identifier, ())
    targets = [graph.targets[identifier][number] for number, _ in deciding(member)]
    statements = [
        (anatomy, [of_inputs[each] for each in named])
        for anatomy, named in zip(anatomies, targets, strict=False)
    ]
    inputs = [of_inputs[each] for each in graph.feeding(identifier)]
    return fingerprint(member.node, statements, inputs, ordered=identifier in graph.delivered)


def deciding(member: Member) -> list[tuple[int, Reading]]:
    """The SELECTs of a node that decide its data, by their number in its targets: its own, or the
    checks of a rule."""
    own = [(0, member.sql)] if member.sql else []
    return own + (list(enumerate(member.checks, 1)) if member.node.kind == "rule" else [])


def build_graph(project: Project, like: Graph | None = None) -> Graph:
    """Resolve every reference of a project. What does not fit together is in `problems`, with files
    and lines."""
    members, problems = _by_id(project.members)
    inputs: dict[str, tuple[str, ...]] = {}
    targets: dict[str, tuple[tuple[str, ...], ...]] = {}
    for identifier, member in members.items():
        if (
            like
            and like.members.get(identifier) is member
            and all(each in members for each in like.inputs[identifier])
        ):
            inputs[identifier], targets[identifier] = (
                like.inputs[identifier],
                like.targets[identifier],
            )
            continue
        try:
            inputs[identifier], targets[identifier] = resolved(member, members, len(problems))
        except ProjectError as exc:
            problems += exc.problems
    order, cycle = _ordered(inputs, members)
    problems += cycle
    graph = Graph(
        {each: members[each] for each in order},
        {each: inputs[each] for each in order},
        targets,
        tuple(problems),
    )
    views = _view_problems(graph)
    return Graph(
        graph.members, graph.inputs, graph.targets, (*problems, *views[0]), tuple(views[1]), like
    )


def _by_id(members: Iterable[Member]) -> tuple[dict[str, Member], list[Problem]]:
    found: dict[str, Member] = {}
    problems = []
    for member in members:
        node = member.node
        if node.id in found:
            first = found[node.id].node
            other = f"{first.path}:{first.line('name')}"
            problems.append(
                Problem(
                    f"{node.id} is defined twice: here and in {other}.",
                    node.path,
                    node.line("name"),
                    "Rename one of them, or delete it.",
                    node.id,
                )
            )
        else:
            found[node.id] = member
    return found, problems


def _ordered(
    inputs: Mapping[str, tuple[str, ...]], members: Mapping[str, Member]
) -> tuple[list[str], list[Problem]]:
    """Nodes with their inputs before them. Left out: those in or behind a cycle, and behind a node
    that is wrong."""
    sorter = TopologicalSorter(inputs)
    try:
        order = list(sorter.static_order())
    except CycleError as exc:
        cycle = list(reversed(exc.args[1]))
        rest = {name: reads for name, reads in inputs.items() if name not in cycle}
        node = members[cycle[0]].node
        line = next((each.line for each in node.inputs if each.id == cycle[1]), node.sql_line)
        problem = Problem(
            f"These nodes read each other in a circle: {' → '.join(cycle)}.",
            node.path,
            line,
            "Break the circle: one of them has to do without the other.",
            node.id,
        )
        order, more = _ordered(rest, members)
        return order, [problem, *more]
    sound: list[str] = []
    present: set[str] = set()
    for name in order:
        if name in inputs and all(each in present for each in inputs[name]):
            sound.append(name)
            present.add(name)
    return sound, []


def _view_problems(graph: Graph) -> tuple[list[Problem], list[Problem]]:
    """Two nodes may not end up with one view; and that a view is not called as its node deserves a
    word."""
    problems, warnings = [], []
    owners: dict[str, str] = {}
    for identifier, view in graph.views.items():
        node, other = graph.node(identifier), owners.setdefault(view.lower(), identifier)
        if other != identifier:
            problems.append(
                Problem(
                    f"{identifier} and {other} would both be the view {view}.",
                    node.path,
                    node.line("name"),
                    "Rename one of them.",
                    identifier,
                )
            )
        elif view != node.name:
            warnings.append(
                Problem(
                    f"Two kinds share the name {node.name}: the view of {identifier} is called {view}.",
                    node.path,
                    node.line("name"),
                    node=identifier,
                )
            )
    return problems, warnings
