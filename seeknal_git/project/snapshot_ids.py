"""Which snapshot a node means: a function of its fingerprint, of the raw data that decides it, and
of builds. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from seeknal_git.names import split_id
from seeknal_git.project.fingerprints import decisive, digest
from seeknal_git.project.graph import Graph, deciding
from seeknal_git.sql.statement import EVERYTHING, Anatomy, Part


@dataclass(frozen=True, slots=True)
class Identity:
    """The code and data that a table is made of, and which of the tables made of these is meant.

    text: a hash of the code, of the raw data, and of the inputs' builds; build: "" for the first
    table that was made of these, another word for each later one.
    """

    text: str
    build: str = ""

    @property
    def id(self) -> str:
        """The snapshot's id."""
        return digest("build", self.text, self.build) if self.build else self.text


@dataclass(frozen=True, slots=True)
class State:
    """A graph with the data versions (source id → version) that are known of its sources."""

    graph: Graph
    versions: Mapping[str, str]


# The build of a node's identity that is meant.
BuildOf = Callable[[str, str], str]


def identities(
    graph: Graph, versions: Mapping[str, str], build_of: BuildOf = lambda _node, _text: ""
) -> dict[str, Identity]:
    """id → identity: a hash of the node's fingerprint, of the data versions of the sources that
    decide its data, and of the builds of its inputs.

    The sources are its ancestors, but for those that only decide columns it does not read: where
    `b` reads only `x` of `a`, and another source decides `y` of `a` alone, that other source
    decides nothing of `b`. A table that was built again decides what reads it like a source does.
    versions: source id → data version; a source without one counts as having none. build_of: asked
    once for each node that yields a table, inputs first.
    """
    sources = [identifier for identifier in graph.members if split_id(identifier)[0] == "source"]
    decide = [digest(graph.fingerprints[each].whole, versions.get(each, "")) for each in sources]
    bits = {identifier: 1 << number for number, identifier in enumerate(sources)}
    behind: dict[str, _Behind] = {}
    texts: dict[int, str] = {}
    found: dict[str, Identity] = {}
    for identifier, member in graph.members.items():
        own = _behind(graph, identifier, bits.get(identifier, 0), behind)
        if own.whole not in texts:
            texts[own.whole] = _text_of(own.whole, decide)
        text = digest("snapshot", graph.fingerprints[identifier].whole, texts[own.whole])
        build = build_of(identifier, text) if member.node.yields_table else ""
        found[identifier] = Identity(text, build)
        if build:
            own = own.decided_by(1 << len(decide))
            decide.append(found[identifier].id)
        behind[identifier] = own
    return found


def _text_of(mask: int, decide: Sequence[str]) -> str:
    return digest(*sorted({text for number, text in enumerate(decide) if mask >> number & 1}))


@dataclass(frozen=True, slots=True)
class _Behind:
    """The sources and builds that decide a node, its rows and each of its columns, as the bits of a
    number."""

    whole: int
    rows: int | None = None
    columns: Mapping[str, int] = field(default_factory=dict)

    def of(self, column: str) -> int:
        if column == EVERYTHING:
            return self.whole
        if not column and self.rows is not None:
            return self.rows
        return self.columns.get(column, self.whole)

    def decided_by(self, bit: int) -> _Behind:
        """The same, with one more thing that decides all of it."""
        rows = None if self.rows is None else self.rows | bit
        return _Behind(
            self.whole | bit, rows, {name: mask | bit for name, mask in self.columns.items()}
        )


def _behind(graph: Graph, identifier: str, own: int, behind: Mapping[str, _Behind]) -> _Behind:
    member, anatomies = graph.members[identifier], graph.anatomies.get(identifier, ())
    targets = [
        [behind[each] for each in graph.targets[identifier][number]]
        for number, _ in deciding(member)
    ]
    if len(anatomies) != len(targets) or not anatomies:
        return _Behind(_union(own, (behind[each].whole for each in graph.feeding(identifier))))
    parts_of = (
        [] if member.node.kind == "exposure" else deciding(member)
    )  # a file shows all of a table
    named = {each for number, _ in parts_of for each in graph.targets[identifier][number]}
    own = _union(
        own, (behind[each].whole for each in graph.feeding(identifier) if each not in named)
    )
    if graph.fingerprints[identifier].columns is None:
        parts = [decisive(member.node, anatomy) for anatomy in anatomies]
        return _Behind(
            _union(own, (_of(part, at) for part, at in zip(parts, targets, strict=True)))
        )
    if anatomies[0].order and identifier in graph.delivered:
        own |= _of(anatomies[0].order, targets[0])
    return _in_parts(anatomies[0], targets[0], own)


def _in_parts(anatomy: Anatomy, inputs: Sequence[_Behind], own: int) -> _Behind:
    parts = {"": anatomy.rows, **dict(anatomy.columns or ())}
    masks = {
        name: _of(anatomy.whole if part.unstable else part, inputs)
        for name, part in parts.items()
        if part is not None
    }
    rows = masks.pop("") | own
    return _Behind(_union(rows, masks.values()), rows, masks)


def _of(part: Part, inputs: Sequence[_Behind]) -> int:
    mask = 0
    for number, column in part.reads:
        mask |= inputs[number].of(column)
    return mask


def _union(mask: int, others: Iterable[int]) -> int:
    for other in others:
        mask |= other
    return mask
