"""Which snapshot a node means: a function of its fingerprint, and of the raw data that decides it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from seeknal_git.fingerprint import decisive, digest
from seeknal_git.graph import Graph, deciding
from seeknal_git.names import split_id
from seeknal_git.statement import EVERYTHING, Anatomy, Part


def identities(graph: Graph, versions: Mapping[str, str]) -> dict[str, str]:
    """id → snapshot id: a hash of the node's fingerprint and of the data versions of the sources that decide its data.

    These are its ancestors, but for those of which it reads nothing: where `b` reads only `x` of `a`, and another
    source decides `y` of `a` alone, that other source decides nothing of `b`. versions: source id → data version; a
    source without one counts as having none.
    """
    sources = [identifier for identifier in graph.members if split_id(identifier)[0] == "source"]
    bits = {identifier: 1 << number for number, identifier in enumerate(sources)}
    loads = _loads(graph, bits, versions)
    behind: dict[str, _Behind] = {}
    texts: dict[int, str] = {}
    found: dict[str, str] = {}
    for identifier in graph.members:
        behind[identifier] = _behind(graph, identifier, bits.get(identifier, 0), behind)
        mask = behind[identifier].whole
        if mask not in texts:
            texts[mask] = digest(*sorted({load for bit, load in loads.items() if bit & mask}))
        found[identifier] = digest("snapshot", graph.fingerprints[identifier].whole, texts[mask])
    return found


def _loads(graph: Graph, bits: Mapping[str, int], versions: Mapping[str, str]) -> dict[int, str]:
    """Bit → hash of what is loaded. Sources of one definition are told apart where they mean different loads."""
    meant: dict[str, set[str]] = {}
    for each in bits:
        meant.setdefault(graph.fingerprints[each].whole, set()).add(versions.get(each, ""))
    found = {}
    for each, bit in bits.items():
        whole = graph.fingerprints[each].whole
        found[bit] = digest(whole, versions.get(each, ""), *([each] if len(meant[whole]) > 1 else []))
    return found


@dataclass(frozen=True, slots=True)
class _Behind:
    """The sources that decide a node, its rows and each of its columns: sets, as the bits of a number."""

    whole: int
    rows: int | None = None
    columns: Mapping[str, int] = field(default_factory=dict)

    def of(self, column: str) -> int:
        if column == EVERYTHING:
            return self.whole
        if not column and self.rows is not None:
            return self.rows
        return self.columns.get(column, self.whole)


def _behind(graph: Graph, identifier: str, own: int, behind: Mapping[str, _Behind]) -> _Behind:
    member, anatomies = graph.members[identifier], graph.anatomies.get(identifier, ())
    targets = [[behind[each] for each in graph.targets[identifier][number]] for number, _ in deciding(member)]
    if len(anatomies) != len(targets) or not anatomies:
        return _Behind(_union(own, (behind[each].whole for each in graph.inputs[identifier])))
    named = {each for number, _ in deciding(member) for each in graph.targets[identifier][number]}
    own = _union(own, (behind[each].whole for each in graph.inputs[identifier] if each not in named))
    if graph.fingerprints[identifier].columns is None:
        parts = [decisive(member.node, anatomy) for anatomy in anatomies]
        return _Behind(_union(own, (_of(part, at) for part, at in zip(parts, targets, strict=True))))
    return _in_parts(anatomies[0], targets[0], own)


def _in_parts(anatomy: Anatomy, inputs: Sequence[_Behind], own: int) -> _Behind:
    parts = {"": anatomy.rows, **dict(anatomy.columns or ())}
    masks = {
        name: _of(anatomy.whole if part.unstable else part, inputs) for name, part in parts.items() if part is not None
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
