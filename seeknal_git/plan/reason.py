"""A reason why a node is built or re-used, as a value. report/reasons.py puts it into words."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto


class Because(Enum):
    """The kinds of reasons. The comments say which nodes, columns or values a reason names."""

    # Of a node that is built, in a plan and in a run.
    DEFINITION = auto()  # values: those of the moment that it uses
    DATA_BEHIND = auto()
    # Of a node that a plan builds.
    NEW = auto()
    READS_NEW = auto()  # the input
    READS_ROWS = auto()  # the input
    READS_NODE = auto()  # the input
    READS_COLUMNS = auto()  # the input, and the columns that changed
    READS_TIMES = auto()  # the inputs
    COLUMN_ORDER = auto()  # the input
    ROW_ORDER = auto()
    # Of a node that a plan re-uses.
    READS_NOTHING = auto()
    READS_NO_COLUMN = auto()  # the node that changed
    READS_ONLY = auto()  # the node that changed, and all columns that are read
    # Of a node that a run builds.
    NEVER_BUILT = auto()
    VOLATILE = auto()
    FULL = auto()
    LOST = auto()
    INPUT_AGAIN = auto()  # the inputs
    TABLE_BEHIND = auto()
    INPUT_CHANGED = auto()  # the inputs
    IN_PART = auto()
    DATA_SINCE = auto()
    DATA = auto()
    FORM = auto()  # values: a view, or a table
    ENGINE = auto()  # values: the releases of DuckDB that read the data, and will read it


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a node is built or re-used."""

    kind: Because
    nodes: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
