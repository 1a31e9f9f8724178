"""A SELECT as a value: the tables that it names, their places in the text, and its parts.

These values are remembered between commands, so they are plain, and restoring them imports nothing
heavy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seeknal_git.names import folded, quote

Columns = tuple[tuple[str, str], ...]

# Two words that stand in place of a column: the row set of a table, and all of a table.
ROWS = ""
EVERYTHING = "*"

# The word for an unstable value: two values may be equal under a collation and not the same, so
# that either may be taken.
COLLATION = "COLLATE"


# The obstacle of a node that is no SELECT, but a function.
FUNCTION = "a Python function"


@dataclass(frozen=True, slots=True)
class Reference:
    """A table that a statement names."""

    # The place of the name: text[start:end].
    start: int
    end: int
    # `kind.name`, a bare name such as `input_0`, or `function()`.
    target: str
    # Whether it is written as `ref('kind.name')`.
    explicit: bool = False
    # The name that the statement itself gives to it, if any.
    alias: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """The known facts about a table that a statement reads."""

    # The name and the type of each column; None if they are not known.
    columns: Columns | None = None
    # Keys: sets of columns. No two rows have the same values in all columns of a key.
    unique: tuple[tuple[str, ...], ...] = ()
    # The columns with a collation, which their type does not tell.
    collated: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a statement: its rows, a column, or all of it."""

    # The hash of a canonical text.
    text: str
    # The reads in that text: (number of the reference, column in lower case, ROWS or EVERYTHING).
    reads: tuple[tuple[int, str], ...]
    # The construct that may give another result each time, on the same data.
    unstable: str = ""


@dataclass(frozen=True, slots=True)
class Anatomy:
    """The parts of a SELECT."""

    # All of the statement, with the order of its rows.
    whole: Part
    # The row set, and each column with its name; None if the statement could not be taken apart.
    rows: Part | None = None
    columns: tuple[tuple[str, Part], ...] | None = None
    # Keys: sets of columns. No two rows have the same values in all columns of a key.
    unique: tuple[tuple[str, ...], ...] = ()
    # The hash of each clause (`filter`, `grouping`, …), to say in words which clause changed.
    clauses: tuple[tuple[str, str], ...] = ()
    # The constructs that could not be resolved.
    obstacles: tuple[str, ...] = ()
    # The names of the columns, as the table has them.
    names: tuple[str, ...] = ()
    # The ORDER BY of the whole result, if it has one: it decides the order of the rows alone.
    order: Part | None = None

    @property
    def collated(self) -> tuple[str, ...]:
        """The columns whose values may have a collation, which the table keeps."""
        return tuple(name for name, part in self.columns or () if part.unstable == COLLATION)

    @property
    def counted(self) -> Part:
        """The part that decides the number of rows: enough for a check, which only counts them."""
        return self.whole if self.rows is None or self.rows.unstable else self.rows


@dataclass(frozen=True, slots=True)
class Reading:
    """The tables that a SELECT names."""

    references: tuple[Reference, ...] = ()
    # The error of the engine, and the line of the SQL, if it cannot be parsed.
    error: str | None = None
    error_line: int | None = None


def _brings_ctes(tree: Mapping[str, Any]) -> bool:
    return bool(tree.get("cte_map")) or tree.get("type") == "RECURSIVE_CTE_NODE"


def tables_with_ctes(
    tree: Any, seen: Mapping[str, int] | None = None
) -> Iterator[tuple[Any, Mapping[str, int]]]:
    """Every table that the tree names in a FROM, each with the CTEs that it could mean: name → `id`
    of the query.

    A CTE is seen by the CTEs after it, and by the query that it belongs to. It sees itself only if
    it is recursive, and only in the repeated part; elsewhere in its own definition its name has the
    meaning that it has outside.
    """
    waiting: list[tuple[Any, Mapping[str, int]]] = [(tree, seen or {})]
    while waiting:
        value, around = waiting.pop()
        if isinstance(value, list):
            waiting += [(inner, around) for inner in value]
        if not isinstance(value, dict):
            continue
        if value.get("type") in ("BASE_TABLE", "TABLE_FUNCTION", "SHOW_REF"):
            yield value, around
        if _brings_ctes(value):
            waiting += _parts_with_ctes(value, around)
        else:
            waiting += [(part, around) for part in value.values() if isinstance(part, dict | list)]


def _parts_with_ctes(
    value: Mapping[str, Any], around: Mapping[str, int]
) -> list[tuple[Any, Mapping[str, int]]]:
    """The parts of an object of the tree, each with the CTEs that it sees. around: those that the
    object sees."""
    found, inside = [], around
    for entry in (value.get("cte_map") or {}).get("map") or ():
        found.append((entry["value"], inside))
        inside = {**inside, folded(entry["key"]): id(query_of(entry["value"]))}
    others = {key: inner for key, inner in value.items() if key != "cte_map"}
    if value.get("type") == "RECURSIVE_CTE_NODE":
        # The first part comes before anything has the CTE's name.
        found.append((others.pop("left"), inside))
        inside = {**inside, folded(value["cte_name"]): id(value)}
    return [*found, *((other, inside) for other in others.values())]


def columns_typed(columns: Columns | None) -> Columns | None:
    """Columns with their types; None if a type is not known."""
    return None if columns is None or any(not word for _, word in columns) else columns


def query_of(cte: Mapping[str, Any]) -> Any:
    """The query of a CTE, as DuckDB 2 and 1 give it."""
    return cte.get("query_node") or cte["query"]["node"]


def rendered(
    sql: str, references: Sequence[Reference], relation_of: Callable[[Reference], str]
) -> str:
    """The statement with each reference replaced in its place. All other text, and the number of
    lines, stays the same."""
    pieces, position = [], 0
    for reference in references:
        alias = "" if reference.alias else f" AS {quote(reference.target.rpartition('.')[2])}"
        pieces += [sql[position : reference.start], relation_of(reference), alias]
        position = reference.end
    return "".join([*pieces, sql[position:]])


def over_tables(
    sql: str, reading: Reading | None, targets: Sequence[str], tables: Mapping[str, str]
) -> str:
    """The statement over tables. targets: the node behind each reference; tables: node → its table
    as SQL names it."""
    references = reading.references if reading else ()
    meant = dict(zip(references, targets, strict=True))
    return rendered(sql, references, lambda reference: tables[meant[reference]])


def packed(anatomy: Anatomy) -> list[Any]:
    """An anatomy as JSON takes it."""
    return [
        _packed_part(anatomy.whole),
        anatomy.rows and _packed_part(anatomy.rows),
        anatomy.columns and [[name, *_packed_part(part)] for name, part in anatomy.columns],
        anatomy.unique,
        anatomy.clauses,
        anatomy.obstacles,
        anatomy.names,
        anatomy.order and _packed_part(anatomy.order),
    ]


def _packed_part(part: Part) -> list[Any]:
    return [part.text, part.reads, part.unstable]


def unpacked(value: list[Any]) -> Anatomy:
    whole, rows, columns, unique, clauses, obstacles, names, order = value
    return Anatomy(
        _part(whole),
        None if rows is None else _part(rows),
        None if columns is None else tuple((name, _part(part)) for name, *part in columns),
        tuple(map(tuple, unique)),
        tuple((word, text) for word, text in clauses),
        tuple(obstacles),
        tuple(names),
        None if order is None else _part(order),
    )


def _part(value: list[Any]) -> Part:
    text, reads, unstable = value
    return Part(text, tuple(map(tuple, reads)), unstable)
