"""The SELECTs of profiles, which follow from the columns of their inputs. Pure.

They are not read by the engine: their parts are known from the way that they are made.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from seeknal_git.errors import Problem
from seeknal_git.names import folded
from seeknal_git.nodes.node import Node
from seeknal_git.nodes.profile import COLUMNS, Select, chosen, family, select_over
from seeknal_git.project.bound_graph import Over
from seeknal_git.project.fingerprints import digest
from seeknal_git.project.graph import Graph
from seeknal_git.sql.statement import (
    COLLATION,
    ROWS,
    Anatomy,
    Columns,
    Known,
    Part,
    Reading,
    Reference,
    columns_typed,
)

KIND = "profile."  # the beginning of the ids


@dataclass(frozen=True, slots=True)
class Profiled:
    """A profile over the columns of its input. select: None if they are not known."""

    select: Select | None = None
    anatomy: Anatomy | None = None
    problems: tuple[Problem, ...] = ()

    @property
    def known(self) -> Known:
        unique = (("column_name", "metric"),)
        return Known(COLUMNS, unique, self.anatomy.collated if self.anatomy else ())


def profiled(node: Node, given: Known) -> Profiled:
    """The SELECT of a profile. given: its input."""
    columns = columns_typed(given.columns)
    if columns is None:
        return Profiled()
    wanted, missing = chosen(columns, node.definition["columns"])
    if missing:
        return Profiled(problems=tuple(_missing(node, name, columns) for name in missing))
    top = node.definition["top"]
    anatomy = _anatomy(tuple(wanted), top, {folded(name) for name in given.collated})
    return Profiled(select_over(wanted, top), anatomy)


def with_profiles(graph: Graph, found: Mapping[str, Profiled]) -> Graph:
    """A graph in which some profiles have the SELECTs that were found."""
    members, targets = {}, {}
    for identifier, profile in found.items():
        member, (_, *others) = graph.members[identifier], graph.targets[identifier]
        places = profile.select.places if profile.select else ()
        sql = profile.select.sql if profile.select else None
        reading = Reading(tuple(Reference(*place, "input_0") for place in places))
        node = replace(member.node, sql=sql, sql_line=member.node.line("profile"))
        members[identifier] = replace(member, node=node, sql=reading if sql else None)
        targets[identifier] = ((node.inputs[0].id,) * len(places), *others)
    return replace(
        graph,
        members=Over(graph.inputs, members, graph.members),
        targets=Over(graph.inputs, targets, graph.targets),
    )


def _anatomy(columns: Columns, top: int, collated: Iterable[str]) -> Anatomy:
    """The parts of a profile: its rows follow from the columns that it profiles, and the values
    from all values of these."""
    every = [folded(name) for name, _ in columns]
    texts = [folded(name) for name, word in columns if family(word) == "text"]
    unstable = COLLATION if {*every} & {*collated} else ""
    said = (repr(columns), str(top))

    def constant(name: str) -> Part:
        return Part(digest("profile", name, *said), ())

    def computed(name: str, read: Iterable[str]) -> Part:
        reads = ((0, ROWS), *((0, column) for column in read))
        return Part(digest("profile", name, *said), reads, unstable)

    parts = (
        ("column_name", constant("column_name")),
        ("metric", constant("metric")),
        ("value", computed("value", every)),
        ("detail", computed("detail", texts) if texts else constant("detail")),
    )
    names = tuple(name for name, _ in parts)
    whole = computed("whole", every)
    return Anatomy(whole, constant("rows"), parts, (("column_name", "metric"),), names=names)


def _missing(node: Node, name: str, columns: Columns) -> Problem:
    names = [there for there, _ in columns]
    near = difflib.get_close_matches(name, names, 1)
    hint = f"Did you mean {near[0]}?" if near else f"It has {', '.join(names)}."
    message = f"{node.id} profiles the column {name}, which {node.inputs[0].id} does not have."
    return Problem(message, node.path, node.line("profile", "columns"), hint, node.id)
