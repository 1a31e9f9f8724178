"""Runs of a branch that build only some partitions (docs/design/partitions.md).

A table in part is a build of its node's identity. So everything that is computed of it is another
snapshot too, and the ids of whole tables stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from seeknal_git.build.options import Since
from seeknal_git.build.rebuilds import build_over_parts, is_limited, limited_build
from seeknal_git.errors import UsageError, some
from seeknal_git.project.partitions import Layout, Layouts
from seeknal_git.project.snapshot_ids import BuildOf, Identity, State, identities
from seeknal_git.sql.partitioning import Ordinal, Partitioning, hours_in
from seeknal_git.warehouse.model.snapshots import Part

if TYPE_CHECKING:
    from seeknal_git.build.rebuilds import Builds
    from seeknal_git.project.bound_graph import BoundGraph
    from seeknal_git.warehouse.model.snapshots import Snapshot
    from seeknal_git.warehouse.protocol import Warehouse

_MOMENT = timedelta(microseconds=1)
_NAMED = 3

# The start and the end of a time; None if it has none.
_Span = tuple[datetime | None, datetime | None]
# The partitions that a source had in its last load.
_Loaded = Mapping[str, Set[Ordinal]]


def since_of(since: str | None, start: str | None, end: str | None) -> Since:
    """The time that a run is limited to, by its options: one at least. Raises UsageError."""
    if since is not None and start is not None:
        raise UsageError("--since and --start say the same: give one of them.")
    until = None if end is None else _moment("--end", end)
    if since is not None and (hours := hours_in(since)) is not None:
        return Since(f"--since {since}", hours=hours, end=until)
    name, given = ("--since", since) if since is not None else ("--start", start)
    begin = None if given is None else _moment(name, given)
    if begin is not None and until is not None and begin >= until:
        raise UsageError(f"{name} {given} is not before --end {end}.")
    return Since(f"--end {end}" if given is None else f"{name} {given}", start=begin, end=until)


def _moment(option: str, given: str) -> datetime:
    try:
        moment = datetime.fromisoformat(given.strip())
    except ValueError as exc:
        length = ", or a length such as 14d, 36h or 2w" if option == "--since" else ""
        raise UsageError(f"{option} is a date such as 2026-11-12{length}, not {given!r}.") from exc
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


@dataclass(frozen=True, slots=True)
class Limit:
    """The partitions of a node that a run builds."""

    partitioning: Partitioning
    first: int | None  # None for the first of all, and for the rows outside
    end: int | None  # the first one after them; None for the last of all

    @property
    def since(self) -> str:
        return "" if self.first is None else self.partitioning.label(self.first)

    @property
    def until(self) -> str:
        return "" if self.end is None else self.partitioning.label(self.end)

    @property
    def build(self) -> str:
        """The build of a table that has them."""
        return limited_build(self.since, self.until)

    @property
    def is_none(self) -> bool:
        return self.first is None and self.end is None

    def takes(self, ordinal: Ordinal) -> bool:
        if ordinal is None:
            return self.first is None
        return (self.first is None or ordinal >= self.first) and (
            self.end is None or ordinal < self.end
        )

    def part(self, held: Sequence[Ordinal], whole: Sequence[Ordinal]) -> Part:
        """held: the partitions that a table has of the whole one."""
        return Part(self.since, self.until, len(held), tuple(whole))


@dataclass(frozen=True, slots=True)
class Limits:
    """The partitions that a run is limited to, and the builds that follow from that."""

    graph: BoundGraph
    builds: Builds
    build_of: BuildOf  # without limits
    limits: Mapping[str, Limit]  # node → the partitions to build, if its whole table is not there
    origin: str  # how a length was counted back, as a sentence; "" if it was not
    whole: Mapping[str, Set[Ordinal]] = field(default_factory=dict)  # node → all partitions
    in_part: dict[str, str] = field(default_factory=dict)  # node → its build, if that is a part

    def meant(self, node: str, identity: str) -> str:
        """The build of an identity that a node means. See `Builds.meant`."""
        limit = self.limits.get(node)
        if limit is not None and not self.builds.there.get(identity):
            self.in_part[node] = limit.build
        elif self.behind(node):
            self.in_part[node] = self._over_parts(node, identity)
        return self.in_part.get(node) or self.build_of(node, identity)

    def parts(self) -> dict[str, Part]:
        """Node → the part of its table that the run leads to. The partitions are left out if no
        one knows them before sources are read."""
        found = {}
        for node, build in self.in_part.items():
            whole = sorted(self.whole.get(node, ()), key=lambda at: (at is not None, at or 0))
            if is_limited(build):
                limit = self.limits[node]
                found[node] = limit.part([at for at in whole if limit.takes(at)], whole)
            else:
                found[node] = Part(over=self.behind(node))
        return found

    def behind(self, node: str) -> tuple[str, ...]:
        """The inputs of a node that are in part."""
        return tuple(read for read in self.graph.feeding(node) if read in self.in_part)

    def _over_parts(self, node: str, identity: str) -> str:
        build = self.build_of(node, identity)
        marked = build_over_parts(build)
        if build and self.builds.begun.get(identity) == build:
            self.builds.begun[identity] = marked
        return marked


def limits_of(
    warehouse: Warehouse,
    state: State,
    builds: Builds,
    build_of: BuildOf,
    since: Since,
) -> Limits:
    """The partitions that a run is limited to.

    build_of: the builds that are meant without limits. Raises UsageError if a length cannot be
    counted back from any partition.
    """
    graph = state.graph
    layouts = Layouts(graph)
    divided = {
        node: layout
        for node in graph.inputs
        if isinstance(layout := layouts.of(node), Layout) and layout.partitioning.every
    }
    sources = [node for node in divided if graph.node(node).kind == "source"]
    if len(sources) == len(divided):
        return Limits(graph, builds, build_of, {}, "")
    loads = _loads(builds, identities(graph, state.versions, build_of), sources)
    loaded = {
        node: {piece.ordinal for piece in warehouse.snapshots.pieces(load)}
        for node, (load, _) in loads.items()
    }
    start, origin = since.start, ""
    if since.hours is not None:
        newest, of = _newest(since, divided, loaded)
        start = newest - timedelta(hours=since.hours)
        origin = f"{since.words} is counted back from {newest:%Y-%m-%d %H:%M}, {of}."
    spans = _spans(graph, divided, start, since.end)
    limits, whole = _widened(divided, spans), dict[str, Set[Ordinal]]()
    if len(loaded) == len(sources) and all(is_wanted for _, is_wanted in loads.values()):
        whole = _whole(divided, loaded)
        limits = {
            node: limit for node, limit in limits.items() if not all(map(limit.takes, whole[node]))
        }
    return Limits(graph, builds, build_of, limits, origin, whole)


def _loads(
    builds: Builds, meant: Mapping[str, Identity], sources: Sequence[str]
) -> dict[str, tuple[Snapshot, bool]]:
    """Source → the load that it needs, or else its last one; and whether it is the former."""
    found = {}
    for source in sources:
        all_of_it = [
            load
            for loads in builds.there.values()
            for load in loads
            if load.node == source and load.is_in_pieces
        ]
        wanted = [load for load in all_of_it if load.id == meant[source].id]
        if all_of_it:
            found[source] = ((wanted or all_of_it)[-1], bool(wanted))
    return found


def _newest(since: Since, divided: Mapping[str, Layout], loaded: _Loaded) -> tuple[datetime, str]:
    """The end of the newest partition that a source has, or of the time that was asked for; and
    whose end it is, in words."""
    if since.end is not None:
        return since.end, "as --end says"
    ends = {
        source: divided[source].partitioning.start(max(inside) + 1)
        for source, ordinals in loaded.items()
        if (inside := [at for at in ordinals if at is not None])
    }
    if not ends:
        raise UsageError(
            f"{since.words} counts back from the newest partition of a source, and none is loaded.",
            "Name a day instead, such as --start 2026-11-12.",
        )
    newest = max(ends.values())
    of = [source for source, end in ends.items() if end == newest]
    return newest, f"the end of the newest partition of {some(of, _NAMED)}"


def _spans(
    graph: BoundGraph, divided: Iterable[str], start: datetime | None, end: datetime | None
) -> dict[str, _Span]:
    """Node → the time that is asked for.

    All of the time if it is behind an input whose history is frozen: a piece does not say which
    data of this input it was computed of, so it would be kept for good.
    """
    frozen = {read for node in divided for read in graph.node(node).frozen}
    whole = frozen | graph.upstream(frozen)
    return {node: (None, None) if node in whole else (start, end) for node in divided}


def _widened(divided: Mapping[str, Layout], given: Mapping[str, _Span]) -> dict[str, Limit]:
    """Node → the partitions that overlap a time, and those that its readers need for theirs.

    given: node → that time.
    """
    spans = {node: [span] for node, span in given.items()}
    limits = {}
    for node, layout in reversed(list(divided.items())):
        own = layout.partitioning
        limit = Limit(own, *_hull(own, spans[node]))
        limits[node] = limit
        for read, window in layout.windows.items():
            first = None if limit.first is None else own.start(limit.first, -window.before)
            last = None if limit.end is None else own.start(limit.end, window.after)
            spans[read].append((first, last))
    return {
        node: limit for node, limit in limits.items() if divided[node].windows and not limit.is_none
    }


def _hull(partitioning: Partitioning, spans: Sequence[_Span]) -> tuple[int | None, int | None]:
    starts, ends = [start for start, _ in spans], [end for _, end in spans]
    first = _outermost(starts, partitioning.interval, min)
    end = _outermost(ends, lambda moment: partitioning.interval(moment - _MOMENT) + 1, max)
    return None if first is not None and first <= partitioning.begin else first, end


def _outermost(
    moments: Sequence[datetime | None],
    number: Callable[[datetime], int],
    choose: Callable[[Sequence[int]], int],
) -> int | None:
    """The number of the first or the last of some moments; None if one of them is none."""
    given = [number(moment) for moment in moments if moment is not None]
    return choose(given) if len(given) == len(moments) else None


def _whole(divided: Mapping[str, Layout], loaded: _Loaded) -> dict[str, Set[Ordinal]]:
    """Node → the partitions of its whole table."""
    found: dict[str, Set[Ordinal]] = dict(loaded)
    for node, layout in divided.items():
        if node in found:
            continue
        ordinals: set[Ordinal] = set()
        for read, window in layout.windows.items():
            ordinals.update(
                layout.partitioning.overlapping(
                    found[read], window.partitioning, window.before, window.after
                )
            )
        if layout.partitioning.outside != "keep":
            ordinals.discard(None)
        found[node] = ordinals
    return found
