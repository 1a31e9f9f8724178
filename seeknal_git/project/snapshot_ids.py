"""Which snapshot a node means: a function of its fingerprint, of the raw data that decides it, and
of builds. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from seeknal_git.project.bound_graph import BoundGraph
from seeknal_git.project.fingerprints import digest
from seeknal_git.project.origins import NOTHING, Origins, origins_of
from seeknal_git.project.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Identity:
    """The code and data that a table is made of, and which of the tables made of these is meant.

    text: a hash of the code, of the raw data, and of the inputs' builds; build: "" for the first
    table that was made of these, another word for each later one.
    """

    text: str
    build: str = ""
    is_view: bool = False
    pieces: str = ""  # the form in which the rows are kept in pieces

    @property
    def rows(self) -> str:
        """A hash of all that decides the rows: the same for a table, for a view, and in pieces."""
        return digest("build", self.text, self.build) if self.build else self.text

    @property
    def id(self) -> str:
        """The snapshot's id."""
        if self.pieces:
            return digest("pieces", self.pieces, self.rows)
        return digest("view", self.rows) if self.is_view else self.rows


@dataclass(frozen=True, slots=True)
class State:
    """A graph with the data versions (source id → version) that are known of its sources, and the
    values of templates."""

    graph: BoundGraph
    versions: Mapping[str, str]
    vocabulary: Vocabulary | None = None


# The build of a node's identity that is meant.
BuildOf = Callable[[str, str], str]


def contents(graph: BoundGraph, versions: Mapping[str, str]) -> dict[str, tuple[str, str, str]]:
    """id → all that decides a node's identity as long as nothing is built again: its fingerprint,
    the hash of the raw data behind it, and the form of its rows. See `identities`."""
    texts = _texts(graph, _decide(graph, versions))
    wholes, masks = graph.index.wholes, graph.index.masks
    forms = {**dict.fromkeys(graph.structure.as_views, "view"), **graph.structure.pieces}
    return {
        identifier: (wholes[identifier], texts[masks[identifier]], forms.get(identifier, ""))
        for identifier in graph.inputs
    }


def identities(
    graph: BoundGraph,
    versions: Mapping[str, str],
    build_of: BuildOf = lambda _node, _text: "",
) -> dict[str, Identity]:
    """id → identity: a hash of the node's fingerprint, of the data versions of the sources that
    decide its data, and of the builds of its inputs.

    The sources are its ancestors, but for those that only decide columns it does not read: if `b`
    reads only `x` of `a`, and another source decides `y` of `a` alone, that other source decides
    nothing of `b`. A table that was built again decides everything that reads it, as a source does.

    versions: source id → data version; a source without one counts as having none. build_of: asked
    once for each node that yields a table, inputs first.
    """
    decide = _decide(graph, versions)
    texts = _texts(graph, decide)
    wholes, masks, views = graph.index.wholes, graph.index.masks, graph.views
    as_views, pieces = graph.structure.as_views, graph.structure.pieces
    builds: dict[str, Origins] = {}  # the nodes behind which something was built again
    found: dict[str, Identity] = {}
    for identifier, inputs in graph.inputs.items():
        mask = masks[identifier]
        if builds and not builds.keys().isdisjoint(inputs):
            own = _origins(graph, identifier, builds)
            builds[identifier] = own
            mask = own.whole
            if mask not in texts:
                texts[mask] = _text_of(mask, decide)
        text = digest("snapshot", wholes[identifier], texts[mask])
        build = build_of(identifier, text) if identifier in views else ""
        found[identifier] = Identity(
            text, build, identifier in as_views, pieces.get(identifier, "")
        )
        if build:
            own = builds.get(identifier) or graph.facts[identifier].origins
            builds[identifier] = own.decided_by(1 << len(decide))
            decide.append(found[identifier].rows)
    return found


def deciding(
    graph: BoundGraph,
    versions: Mapping[str, str],
    meant: Mapping[str, Identity],
    identifier: str,
    inputs: Collection[str],
) -> dict[str, str]:
    """All that decides a node by way of some of its inputs: fingerprint of a source → a hash of its
    data, and `built_again` of a node that was built again → a hash of its build.

    versions: as for `identities`; meant: the identities of all nodes.
    """
    decide = _decide(graph, versions)
    names = [graph.wholes.get(source, "") for source in graph.origins]
    builds: dict[str, Origins] = {}
    for node in graph.inputs:
        is_again = bool(meant[node].build)
        if is_again or not builds.keys().isdisjoint(graph.inputs[node]):
            own = _origins(graph, node, builds)
            builds[node] = own.decided_by(1 << len(decide)) if is_again else own
            decide += [meant[node].rows] if is_again else []
            names += [built_again(graph.wholes[node])] if is_again else []
    nothing = {read: NOTHING for read in graph.inputs[identifier] if read not in inputs}
    mask = _origins(graph, identifier, {**builds, **nothing}).whole
    pairs = enumerate(zip(names, decide, strict=True))
    return {name: text for number, (name, text) in pairs if mask >> number & 1}


_AGAIN = "built "


def built_again(key: str) -> str:
    """The name of something that was built again, among all that decides a node. key: the
    fingerprint of a node that is read as a whole, or the key of a table of pieces."""
    return f"{_AGAIN}{key}"


def is_build(name: str) -> bool:
    return name.startswith(_AGAIN)


def _decide(graph: BoundGraph, versions: Mapping[str, str]) -> list[str]:
    """A hash of each source and its data, by the number of its bit."""
    wholes = graph.index.wholes
    return [digest(wholes.get(source, ""), versions.get(source, "")) for source in graph.origins]


def _origins(graph: BoundGraph, identifier: str, builds: Mapping[str, Origins]) -> Origins:
    """The origins of a node, if something behind it was built again."""
    facts = graph.facts[identifier]
    behind = {
        read: builds.get(read) or graph.facts[read].origins for read in graph.inputs[identifier]
    }
    behind[identifier] = facts.origins  # its tests read it, and decide nothing
    own = facts.origins.whole if identifier.startswith("source.") else 0
    return origins_of(graph, identifier, facts.answers.anatomies, behind, bit=own)


def _texts(graph: BoundGraph, decide: Sequence[str]) -> dict[int, str]:
    return {mask: _text_of(mask, decide) for mask in set(graph.index.masks.values())}


def _text_of(mask: int, decide: Sequence[str]) -> str:
    return digest(*sorted({text for number, text in enumerate(decide) if mask >> number & 1}))
