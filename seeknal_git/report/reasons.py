"""Why a node is built or re-used, in words."""

from __future__ import annotations

from collections.abc import Iterable

from seeknal_git.plan.reason import Because, Reason

_SHOWN = 4  # columns in a sentence; the others are counted

# {of}: " of" and the node that is read, unless that is known from the line above.
_WORDS = {
    Because.DEFINITION: "its definition changed{or_values}",
    Because.DATA_BEHIND: "the raw data behind it moved on",
    Because.NEW: "a new node",
    Because.READS_NEW: "reads {nodes}, which is new",
    Because.READS_ROWS: "reads the rows{of}",
    Because.READS_NODE: "reads {nodes}",
    Because.READS_COLUMNS: "reads {columns}{of}",
    Because.READS_TIMES: "joins by `event_time_col`{of}",
    Because.COLUMN_ORDER: "depends on the order of the columns{of}",
    Because.ROW_ORDER: "its ORDER BY counts, as a file shows it now",
    Because.READS_NOTHING: "reads nothing that changed",
    Because.READS_NO_COLUMN: "reads no column{of}",
    Because.READS_ONLY: "reads only {columns}",
    Because.NEVER_BUILT: "never built",
    Because.VOLATILE: "it is volatile, so it is built in each run",
    Because.FULL: "asked for with --full",
    Because.LOST: "its table is missing",
    Because.INPUT_AGAIN: "reads {nodes}, which is built again",
    Because.TABLE_BEHIND: "a table behind it is built again",
    Because.INPUT_CHANGED: "reads {nodes}, which changed",
    Because.IN_PART: "it was built in part",
    Because.DATA_SINCE: "the raw data behind it moved on since it was built",
    Because.DATA: "its raw data moved on",
    Because.FORM: "it is {values[0]} now",
    Because.ENGINE: "DuckDB {values[0]} read its raw data, and {values[1]} may do otherwise",
}
_BESIDE = _WORDS | {
    Because.INPUT_AGAIN: "because {nodes} {are} built again",
    Because.INPUT_CHANGED: "because {nodes} changed",
}


def worded(reasons: Iterable[Reason]) -> str:
    """The reasons of one node."""
    return "; ".join(_filled(_WORDS, reason) for reason in reasons)


def worded_below(reasons: Iterable[Reason], changed: str) -> str:
    """The reasons of one node, below the change of another one, which is not named again."""
    return "; ".join(
        _filled(_WORDS, reason, named=reason.nodes != (changed,)) for reason in reasons
    )


def worded_beside(reason: Reason) -> str:
    """A reason beside the names of the nodes that a run has built."""
    return _filled(_BESIDE, reason)


def _filled(words: dict[Because, str], reason: Reason, *, named: bool = True) -> str:
    nodes = ", ".join(reason.nodes)
    return words[reason.kind].format(
        nodes=nodes,
        of=f" of {nodes}" if named else "",
        are="is" if len(reason.nodes) == 1 else "are",
        columns=_listed(reason.columns),
        values=reason.values,
        or_values="".join(f" or the value of {value}" for value in reason.values),
    )


def _listed(names: tuple[str, ...]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names) if more <= 1 else f"{', '.join(names[:_SHOWN])} and {more} more"
