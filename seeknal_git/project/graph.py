"""A project becomes a graph: who reads whom, and in which order. Pure."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from graphlib import CycleError, TopologicalSorter

from seeknal_git.errors import Problem, ProjectError, UsageError
from seeknal_git.names import CHANGES, called, view_names
from seeknal_git.nodes.kinds import WITHOUT_TABLE
from seeknal_git.nodes.node import Node
from seeknal_git.project.definitions import Member, Project
from seeknal_git.project.references import resolved
from seeknal_git.sql.statement import Reading


@dataclass(frozen=True)
class Structure:
    """Everything that follows from ids and inputs, and from the nodes that nobody builds."""

    inputs: Mapping[str, tuple[str, ...]]  # id → the ids that it reads, once each; inputs first
    # the nodes that a run has nothing to do for
    inert: frozenset[str] = frozenset()
    python: frozenset[str] = frozenset()  # the nodes whose table a function makes
    as_views: frozenset[str] = frozenset()  # the nodes whose rows are kept in no table
    ephemeral: frozenset[str] = frozenset()  # those of them that no environment shows
    # the nodes whose rows are kept in pieces → the form of these
    pieces: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def frozen(self) -> dict[str, tuple[str, ...]]:
        """id → the inputs whose new data changes no partition that is there, for the nodes that
        have such inputs."""
        found = {node: json.loads(form).get("frozen") for node, form in self.pieces.items()}
        return {node: tuple(inputs) for node, inputs in found.items() if inputs}

    @cached_property
    def layers(self) -> tuple[tuple[str, ...], ...]:
        """Nodes that can be built side by side, in the order in which the layers can be built."""
        depths: dict[str, int] = {}
        layers: list[list[str]] = []
        for identifier, inputs in self.inputs.items():
            depth = max([depths[read] for read in inputs]) + 1 if inputs else 0
            depths[identifier] = depth
            if depth == len(layers):
                layers.append([])
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
    def readers(self) -> dict[str, list[str]]:
        """id → the nodes that read it directly."""
        found: dict[str, list[str]] = {identifier: [] for identifier in self.inputs}
        for identifier, inputs in self.inputs.items():
            for read in inputs:
                found[read].append(identifier)
        return found

    @cached_property
    def delivered(self) -> frozenset[str]:
        """The nodes that an exposure writes to a file, or a function reads, so that the order of
        their rows is seen."""
        readers = (*self.files, *self.python)
        return frozenset(read for node in readers for read in self.inputs[node])

    @cached_property
    def files(self) -> tuple[str, ...]:
        """The exposures that are written to a file, inputs first."""
        return tuple(node for node in self.of_kind("exposure") if node not in self.inert)

    @cached_property
    def views(self) -> dict[str, str]:
        """id → the name of its view, for every node that yields a table; "" if none is shown."""
        apart = {node for kind in WITHOUT_TABLE for node in self.of_kind(kind)}
        if not self.ephemeral:
            return view_names(identifier for identifier in self.inputs if identifier not in apart)
        nodes = [identifier for identifier in self.inputs if identifier not in apart]
        names = view_names(node for node in nodes if node not in self.ephemeral)
        return {node: names.get(node, "") for node in nodes}

    def of_kind(self, kind: str) -> list[str]:
        """The nodes of a kind, inputs first."""
        start = f"{kind}."
        return [identifier for identifier in self.inputs if identifier.startswith(start)]

    def downstream(self, identifiers: Iterable[str]) -> set[str]:
        """Everything that reads one of the nodes, directly or not. A node itself is only among
        them if it reads another one of them."""
        return _closure(identifiers, self.readers)

    def upstream(self, identifiers: Iterable[str]) -> set[str]:
        """Everything that the nodes read, directly or not."""
        return _closure(identifiers, self.inputs)


@dataclass(frozen=True)
class Graph:
    """The nodes of a project, and the meaning of every reference. Nodes that do not fit together
    are left out."""

    members: Mapping[str, Member]  # inputs first
    structure: Structure
    # id → for its SQL and then for each check, the id that each reference means
    targets: Mapping[str, tuple[tuple[str, ...], ...]]
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()

    def node(self, identifier: str) -> Node:
        return self.members[identifier].node

    @property
    def inputs(self) -> Mapping[str, tuple[str, ...]]:
        """id → the ids that it reads, once each; inputs first."""
        return self.structure.inputs

    @property
    def layers(self) -> tuple[tuple[str, ...], ...]:
        """Nodes that can be built side by side, in the order in which the layers can be built."""
        return self.structure.layers

    @property
    def layer_of(self) -> Mapping[str, int]:
        """id → the number of its layer, from 1."""
        return self.structure.layer_of

    @property
    def depth(self) -> int:
        """How many layers are built and checked; files are written when all of them are done."""
        apart = {*self.structure.files, *self.structure.inert}
        return max((at for node, at in self.layer_of.items() if node not in apart), default=0)

    @property
    def readers(self) -> Mapping[str, list[str]]:
        """id → the nodes that read it directly."""
        return self.structure.readers

    @property
    def delivered(self) -> frozenset[str]:
        """The nodes that an exposure writes to a file, or a function reads, so that the order of
        their rows is seen."""
        return self.structure.delivered

    @property
    def views(self) -> Mapping[str, str]:
        """id → the name of its view, for every node that yields a table; "" if none is shown."""
        return self.structure.views

    def sources(self) -> list[Node]:
        """The sources of raw data."""
        return [self.node(identifier) for identifier in self.structure.of_kind("source")]

    def feeding(self, identifier: str) -> tuple[str, ...]:
        """The inputs that decide a node's data: all but those that only its tests read."""
        targets = self.targets[identifier]
        if identifier.startswith("metric."):  # its SELECT says all that its models do
            return tuple(dict.fromkeys(targets[0]))
        decide = {number for number, _ in deciding(self.members[identifier])}
        if len(decide) == len(targets):  # there are no tests
            return self.inputs[identifier]
        read = {target for number in decide for target in targets[number]}
        asked = {
            target
            for number, named in enumerate(targets)
            if number not in decide
            for target in named
        }
        inputs = self.inputs[identifier]
        return tuple(node for node in inputs if node in read or node not in asked)

    def downstream(self, identifiers: Iterable[str]) -> set[str]:
        """Everything that reads one of the nodes, directly or not. A node itself is only among
        them if it reads another one of them."""
        return self.structure.downstream(identifiers)

    def upstream(self, identifiers: Iterable[str]) -> set[str]:
        """Everything that the nodes read, directly or not."""
        return self.structure.upstream(identifiers)


def python_of(nodes: Iterable[str], paths: Mapping[str, str]) -> frozenset[str]:
    """The nodes whose table a function makes. paths: their files. A source in Python has no code,
    nor has its history."""
    apart = ("source.", f"{CHANGES}.")
    return frozenset(
        node for node in nodes if paths[node].endswith(".py") and not node.startswith(apart)
    )


def _closure(start: Iterable[str], edges: Mapping[str, Sequence[str]]) -> set[str]:
    found: set[str] = set()
    waiting = list(start)
    while waiting:
        for node in edges[waiting.pop()]:
            if node not in found:
                found.add(node)
                waiting.append(node)
    return found


def node_named(graph: Graph, name: str) -> str:
    """The node that an id or a bare name means. Raises UsageError."""
    same = [node for node in graph.members if name in (node, called(node))]
    if len(same) == 1:
        return same[0]
    if same:
        raise UsageError(f"{name} may be {' or '.join(same)}.", "Write the kind too.")
    near = difflib.get_close_matches(
        name, [*graph.members, *(called(node) for node in graph.members)], 1
    )
    raise UsageError(
        f"There is no node {name}.",
        f"Did you mean {near[0]}?" if near else "seeknal parse lists them.",
    )


def deciding(member: Member) -> list[tuple[int, Reading]]:
    """The SELECTs of a node that decide its data, by their number in its targets: its own, or the
    checks of a rule."""
    own = [(0, member.sql)] if member.sql else []
    return own + (list(enumerate(member.checks, 1)) if member.node.kind == "rule" else [])


def build_graph(project: Project) -> Graph:
    """Resolve every reference of a project. Nodes that do not fit together are in `problems`, with
    files and lines."""
    members, problems = _by_id(project.members)
    if any(member.node.semantics for member in members.values()):
        from seeknal_git.project.semantics import with_metrics

        members, wrong = with_metrics(members)
        problems += wrong
    inputs: dict[str, tuple[str, ...]] = {}
    targets: dict[str, tuple[tuple[str, ...], ...]] = {}
    for identifier, member in members.items():
        try:
            inputs[identifier], targets[identifier] = resolved(member, members, len(problems))
        except ProjectError as exc:
            problems += exc.problems
    order, cycle = ordered(inputs, members)
    structure = structure_of({identifier: inputs[identifier] for identifier in order}, members)
    sound = {identifier: members[identifier] for identifier in order}
    views = view_problems(structure, sound)
    problems += [*cycle, *views[0]]
    return Graph(sound, structure, targets, tuple(problems), tuple(views[1]))


def structure_of(inputs: Mapping[str, tuple[str, ...]], members: Mapping[str, Member]) -> Structure:
    """The structure of nodes in order. members: these at least."""
    nodes = {identifier: members[identifier].node for identifier in inputs}
    return Structure(
        inputs,
        frozenset(identifier for identifier, node in nodes.items() if node.is_inert),
        frozenset(identifier for identifier, node in nodes.items() if node.is_python),
        frozenset(identifier for identifier, node in nodes.items() if node.is_view),
        frozenset(identifier for identifier, node in nodes.items() if node.is_ephemeral),
        {identifier: node.storage for identifier, node in nodes.items() if node.partition},
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


def ordered(
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
        lines = (given.line for given in node.inputs if given.id == cycle[1])
        line = next(lines, node.sql_line)
        problem = Problem(
            f"These nodes read each other in a circle: {' → '.join(cycle)}.",
            node.path,
            line,
            "Break the circle: one of them has to do without the other.",
            node.id,
            tuple(cycle),
        )
        order, more = ordered(rest, members)
        return order, [problem, *more]
    sound: list[str] = []
    present: set[str] = set()
    for name in order:
        if name in inputs and all(read in present for read in inputs[name]):
            sound.append(name)
            present.add(name)
    return sound, []


def view_problems(
    structure: Structure, members: Mapping[str, Member]
) -> tuple[list[Problem], list[Problem]]:
    """Problems: two nodes would end up with one view. Warnings: a view is not called as its node
    is."""
    problems, warnings = [], []
    owners: dict[str, str] = {}
    for identifier, view in structure.views.items():
        if not view:
            continue
        other = owners.setdefault(view.lower(), identifier)
        if other == identifier and view == called(identifier):
            continue
        node = members[identifier].node
        place = (node.path, node.line("name"))
        if other != identifier:
            message = f"{identifier} and {other} would both be the view {view}."
            hint = "Rename one of them."
            problems.append(Problem(message, *place, hint, identifier, (other,)))
        else:
            message = (
                f"Two kinds share the name {node.name}: the view of {identifier} is called {view}."
            )
            warnings.append(Problem(message, *place, node=identifier))
    return problems, warnings
