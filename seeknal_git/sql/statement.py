"""A SELECT as a value: which tables it names and where, and the parts that it is made of.

These values are remembered between commands, so they are plain, and nothing heavy is imported to
restore them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seeknal_git.names import folded, quote

Columns = tuple[tuple[str, str], ...]

EVERYTHING = "*"  # of a table, where a column's name would stand

# Equal is not the same under a collation, so that one of several may be taken.
COLLATION = "COLLATE"


@dataclass(frozen=True, slots=True)
class Reference:
    """A table that a statement names: `text[start:end]` is the name, `target` what it says.

    target: `kind.name`, a bare name such as `input_0`, or `function()`; explicit: written as
    `ref('kind.name')`; alias: the name that the statement itself gives to it, if any.
    """

    start: int
    end: int
    target: str
    explicit: bool = False
    alias: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a table that a statement reads.

    columns: (name, type) of each, None where nobody can know; unique: sets of columns, each of
    which no two rows share; collated: columns with a collation, which their type does not tell.
    """

    columns: Columns | None = None
    unique: tuple[tuple[str, ...], ...] = ()
    collated: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """The hash of a canonical text, and what it reads: (number of the reference, column in lower
    case).

    Instead of a column, an empty text stands for the rows of the table, and `*` for all of it.
    unstable: the construct because of which it may be another one each time that the statement is
    run on the same data.
    """

    text: str
    reads: tuple[tuple[int, str], ...]
    unstable: str = ""


@dataclass(frozen=True, slots=True)
class Anatomy:
    """whole: everything that the statement says, the order of its rows included.

    rows: what decides the row set; columns: (name, part) in order; both None where it could not be
    taken apart. unique: sets of columns, each of which no two rows share; clauses: (`filter`,
    `grouping`, … → hash), to say in words what changed; obstacles: what could not be resolved;
    names: of the columns, as the table that is made has them; order: the ORDER BY of the whole
    result, if it has one, which decides the order of rows and nothing else.
    """

    whole: Part
    rows: Part | None = None
    columns: tuple[tuple[str, Part], ...] | None = None
    unique: tuple[tuple[str, ...], ...] = ()
    clauses: tuple[tuple[str, str], ...] = ()
    obstacles: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    order: Part | None = None

    @property
    def collated(self) -> tuple[str, ...]:
        """The columns whose values may go by a collation, in the table too that is made of them."""
        return tuple(name for name, part in self.columns or () if part.unstable == COLLATION)

    @property
    def counted(self) -> Part:
        """What decides how many rows there are: enough for a check, which only counts them."""
        return self.whole if self.rows is None or self.rows.unstable else self.rows


@dataclass(frozen=True, slots=True)
class Reading:
    """The tables that a SELECT names; `error` and `error_line` (of the SQL) where the engine cannot
    parse it."""

    references: tuple[Reference, ...] = ()
    error: str | None = None
    error_line: int | None = None


def tables_with_ctes(
    tree: Any, seen: Mapping[str, int] | None = None
) -> Iterator[tuple[Any, Mapping[str, int]]]:
    """Every table that the tree names in a FROM, each with the CTEs that it could mean: name → `id`
    of the query.

    The CTEs after it see a CTE, and the query that it belongs to; the CTE itself does only if it is
    recursive, and only in the part that is repeated. Elsewhere in its own definition its name means
    what it means outside.
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
        inside = around
        for entry in (value.get("cte_map") or {}).get("map") or ():
            waiting.append((entry["value"], inside))
            inside = {**inside, folded(entry["key"]): id(query_of(entry["value"]))}
        others = {key: inner for key, inner in value.items() if key != "cte_map"}
        if value.get("type") == "RECURSIVE_CTE_NODE":
            waiting.append(
                (others.pop("left"), inside)
            )  # it begins with this, before there is anything of its name
            inside = {**inside, folded(value["cte_name"]): id(value)}
        waiting += [(other, inside) for other in others.values()]


def columns_typed(columns: Columns | None) -> Columns | None:
    """Columns with their types; where only the names are known, nothing."""
    return None if columns is None or any(not word for _, word in columns) else columns


def query_of(cte: Mapping[str, Any]) -> Any:
    """The query of a CTE, as DuckDB 2 and 1 give it."""
    return cte.get("query_node") or cte["query"]["node"]


def rendered(
    sql: str, references: Sequence[Reference], relation_of: Callable[[Reference], str]
) -> str:
    """The statement with each reference replaced in place; everything else, and every line, stays
    as written."""
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
