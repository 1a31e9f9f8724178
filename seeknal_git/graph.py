"""A project becomes a graph: who reads whom, in which order, and every node's fingerprint. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter

from seeknal_git.errors import Problem, ProjectError
from seeknal_git.fingerprint import Fingerprint, digest, fingerprint
from seeknal_git.names import split_id, view_names
from seeknal_git.nodes.kinds import KINDS
from seeknal_git.nodes.node import Node
from seeknal_git.project import Member, Project
from seeknal_git.statement import Anatomy, Reading, Reference

_INPUT = re.compile(r"input_(\d+)")


@dataclass(frozen=True)
class Graph:
    """Who reads whom.

    members: id → member, inputs first; inputs: id → ids that it reads, without repeats; targets: id → for its SQL and
    then for each check, the id that each reference means; problems: what does not fit together (left out of the rest).
    """

    members: Mapping[str, Member]
    inputs: Mapping[str, tuple[str, ...]]
    targets: Mapping[str, tuple[tuple[str, ...], ...]]
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    like: Graph | None = None

    def node(self, identifier: str) -> Node:
        return self.members[identifier].node

    @cached_property
    def fingerprints(self) -> dict[str, Fingerprint]:
        found: dict[str, Fingerprint] = {}
        for identifier in self.members:
            found[identifier] = self._known(identifier, found) or fingerprint_of(self, identifier, found)
        return found

    def _known(self, identifier: str, found: Mapping[str, Fingerprint]) -> Fingerprint | None:
        """The other graph's fingerprint of a node, where it has the same node on the same inputs."""
        like = self.like
        if like is None or like.members.get(identifier) is not self.members[identifier]:
            return None
        same = (
            like.targets[identifier] == self.targets[identifier] and like.inputs[identifier] == self.inputs[identifier]
        )
        same = same and all(like.fingerprints[each] is found[each] for each in self.inputs[identifier])
        return like.fingerprints[identifier] if same else None

    @cached_property
    def layers(self) -> tuple[tuple[str, ...], ...]:
        """Nodes that can be built side by side, in the order in which the layers can be built."""
        depths: dict[str, int] = {}
        for identifier in self.members:
            depths[identifier] = 1 + max((depths[each] for each in self.inputs[identifier]), default=-1)
        layers: list[list[str]] = [[] for _ in range(max(depths.values(), default=-1) + 1)]
        for identifier, depth in depths.items():
            layers[depth].append(identifier)
        return tuple(tuple(sorted(layer)) for layer in layers)

    @cached_property
    def readers(self) -> dict[str, list[str]]:
        """id → the nodes that read it directly."""
        found: dict[str, list[str]] = {identifier: [] for identifier in self.members}
        for identifier, inputs in self.inputs.items():
            for each in inputs:
                found[each].append(identifier)
        return found

    @cached_property
    def views(self) -> dict[str, str]:
        """id → the name of its view, for every node that yields a table."""
        return view_names(identifier for identifier, member in self.members.items() if member.node.yields_table)

    def downstream(self, identifiers: Iterable[str]) -> set[str]:
        """Everything that reads one of the nodes, directly or not; without them unless they read each other."""
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


def fingerprint_of(graph: Graph, identifier: str, of_inputs: Mapping[str, Fingerprint]) -> Fingerprint:
    """A node's fingerprint over given fingerprints of its inputs. Tests do not decide data, so they are not in it."""
    member, targets = graph.members[identifier], graph.targets[identifier]
    readings = [(member.sql, targets[0])] if member.sql else []
    if member.node.kind == "rule":
        readings += list(zip(member.checks, targets[1:], strict=True))
    statements = [(reading.anatomy or Anatomy(""), [of_inputs[each] for each in named]) for reading, named in readings]
    return fingerprint(member.node, statements, [of_inputs[each] for each in graph.inputs[identifier]])


def identities(graph: Graph, versions: Mapping[str, str]) -> dict[str, str]:
    """id → snapshot id: a hash of the node's fingerprint and of the data versions of its ancestor sources.

    versions: source id → data version; a source without one counts as having none.
    """
    sources = [identifier for identifier in graph.members if split_id(identifier)[0] == "source"]
    bits = {identifier: 1 << number for number, identifier in enumerate(sources)}
    loads = {
        bit: digest(graph.fingerprints[identifier].whole, versions.get(identifier, ""))
        for identifier, bit in bits.items()
    }
    masks: dict[str, int] = {}
    texts: dict[int, str] = {}
    found: dict[str, str] = {}
    for identifier in graph.members:
        mask = bits.get(identifier, 0)
        for each in graph.inputs[identifier]:
            mask |= masks[each]
        masks[identifier] = mask
        if mask not in texts:
            texts[mask] = digest(*sorted({load for bit, load in loads.items() if bit & mask}))
        found[identifier] = digest("snapshot", graph.fingerprints[identifier].whole, texts[mask])
    return found


def build_graph(project: Project, like: Graph | None = None) -> Graph:
    """Resolve every reference of a project. What does not fit together is in `problems`, with files and lines."""
    members, problems = _by_id(project.members)
    inputs: dict[str, tuple[str, ...]] = {}
    targets: dict[str, tuple[tuple[str, ...], ...]] = {}
    for identifier, member in members.items():
        if like and like.members.get(identifier) is member and all(each in members for each in like.inputs[identifier]):
            inputs[identifier], targets[identifier] = like.inputs[identifier], like.targets[identifier]
            continue
        try:
            inputs[identifier], targets[identifier] = _resolved(member, members)
        except ProjectError as exc:
            problems += exc.problems
    order, cycle = _ordered(inputs, members)
    problems += cycle
    graph = Graph(
        {each: members[each] for each in order}, {each: inputs[each] for each in order}, targets, tuple(problems)
    )
    views = _view_problems(graph)
    return Graph(graph.members, graph.inputs, graph.targets, (*problems, *views[0]), tuple(views[1]), like)


def _by_id(members: Iterable[Member]) -> tuple[dict[str, Member], list[Problem]]:
    found: dict[str, Member] = {}
    problems = []
    for member in members:
        node = member.node
        if node.id in found:
            first = found[node.id].node
            other = f"{first.path}:{first.line('name')}"
            problems.append(Problem(f"{node.id} is defined twice: here and in {other}.", node.path, node.line("name"),
                                    "Rename one of them, or delete it.", node.id))  # fmt: skip
        else:
            found[node.id] = member
    return found, problems


def _resolved(member: Member, members: Mapping[str, Member]) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """The inputs of a node, and what each reference of each statement means. Raises ProjectError."""
    node, problems = member.node, []
    declared = [each.id for each in node.inputs]
    for each in node.inputs:
        problems += _missing(each.id, members, node.path, each.line, node.id)
    statements = [(member.sql, node.sql_line, False)] if member.sql else []
    statements += [
        (reading, check.line, node.kind != "rule") for reading, check in zip(member.checks, node.checks, strict=True)
    ]
    targets: list[tuple[str, ...]] = [] if member.sql else [()]
    reads = list(declared)
    for reading, line, on_itself in statements:
        named = []
        own = reading is member.sql
        for reference in _parsed(reading, node, line, own, problems):
            here = line + (node.sql or "").count("\n", 0, reference.start) if own else line
            try:
                itself = on_itself and _is_itself(reference, node)
                target = node.id if itself else _target(reference, node, declared)
                if target not in declared:
                    problems += _missing(target, members, node.path, here, node.id)
                named.append(target)
                reads += [] if itself else [target]
            except LookupError as exc:
                problems.append(Problem(str(exc.args[0]), node.path, here, _declare(exc.args[1], members), node.id))
        targets.append(tuple(named))
    if problems:
        raise ProjectError(problems)
    return tuple(dict.fromkeys(reads)), tuple(targets)


def _parsed(reading: Reading, node: Node, line: int, own: bool, problems: list[Problem]) -> Sequence[Reference]:
    if reading.error is not None:
        where = line + (reading.error_line or 1) - 1 if own else line
        problems.append(Problem(f"The SQL does not parse: {reading.error}.", node.path, where, node=node.id))
    return reading.references


def _is_itself(reference: Reference, node: Node) -> bool:
    return reference.target in ("input_0", "__THIS__", node.id)


def _target(reference: Reference, node: Node, declared: Sequence[str]) -> str:
    """The id that a reference means. Raises LookupError(what is wrong, name to look for)."""
    name = node.aliases.get(reference.target, reference.target)
    if position := _INPUT.fullmatch(name):
        if int(position[1]) < len(declared):
            return declared[int(position[1])]
        raise LookupError(f"`{name}` is not there: {node.id} declares {len(declared)} input(s).", "")
    if name == "__THIS__":
        if len(declared) == 1:
            return declared[0]
        raise LookupError(f"`__THIS__` means the only input, and {node.id} declares {len(declared)}.", "")
    if name.endswith("()"):
        raise LookupError(f"`{name}` reads something that is not an input of {node.id}.", "")
    kind, _ = split_id(name)
    if reference.explicit or (kind in KINDS and (not declared or name in declared)):
        return name
    if kind in KINDS:
        raise LookupError(f"{node.id} reads {name}, which its `inputs` do not declare.", name)
    raise LookupError(f"{node.id} reads `{name}`, which is not a node.", name)


def _declare(name: str, members: Mapping[str, Member]) -> str:
    if name in members and members[name].node.yields_table:
        return f"Add it to inputs:  - ref: {name}"
    same = [identifier for identifier in members if split_id(identifier)[1] == name]
    if same:
        return f"Write ref('{same[0]}')."
    if "." in name and (near := difflib.get_close_matches(name, members, 1)):
        return f"Did you mean {near[0]}?"
    return "Name a node: ref('kind.name'), kind.name or input_0. Files are read by a source."


def _missing(identifier: str, members: Mapping[str, Member], path: str, line: int, reader: str) -> list[Problem]:
    if identifier in members:
        if members[identifier].node.yields_table:
            return []
        return [Problem(f"{identifier} yields no table that {reader} could read.", path, line, node=reader)]
    near = difflib.get_close_matches(identifier, members, 1)
    hint = f"Did you mean {near[0]}?" if near else f"Write it with: seeknal draft {identifier.replace('.', ' ')}"
    return [Problem(f"{reader} reads {identifier}, which does not exist.", path, line, hint, reader)]


def _ordered(inputs: Mapping[str, tuple[str, ...]], members: Mapping[str, Member]) -> tuple[list[str], list[Problem]]:
    """Nodes with their inputs before them. Left out: those in or behind a cycle, and behind a node that is wrong."""
    sorter = TopologicalSorter(inputs)
    try:
        order = list(sorter.static_order())
    except CycleError as exc:
        cycle = list(reversed(exc.args[1]))
        rest = {name: reads for name, reads in inputs.items() if name not in cycle}
        node = members[cycle[0]].node
        line = next((each.line for each in node.inputs if each.id == cycle[1]), node.sql_line)
        problem = Problem(f"These nodes read each other in a circle: {' → '.join(cycle)}.", node.path, line,
                          "Break the circle: one of them has to do without the other.", node.id)  # fmt: skip
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
    """Two nodes may not end up with one view; and that a view is not called as its node deserves a word."""
    problems, warnings = [], []
    owners: dict[str, str] = {}
    for identifier, view in graph.views.items():
        node, other = graph.node(identifier), owners.setdefault(view.lower(), identifier)
        if other != identifier:
            problems.append(Problem(f"{identifier} and {other} would both be the view {view}.", node.path,
                                    node.line("name"), "Rename one of them.", identifier))  # fmt: skip
        elif view != node.name:
            warnings.append(Problem(f"Two kinds share the name {node.name}: the view of {identifier} is called {view}.",
                                    node.path, node.line("name"), node=identifier))  # fmt: skip
    return problems, warnings
