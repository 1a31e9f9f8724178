"""The folders of a partitioned delivery whose rows differ from those of an earlier one.

Both are of snapshots in pieces. Rows of pieces that both have are in both, so only the other pieces
are compared, folder by folder: by the number of their rows and the sums of the hashes, as the rows
of a source's pieces are. After a full run, the two have no piece in common. The folders may be of
any columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from seeknal_git.files import folded as folded_name
from seeknal_git.names import STATE, folded, quote
from seeknal_git.sql.ranges import is_among, ranges_in
from seeknal_git.warehouse.copied import copied
from seeknal_git.warehouse.forms import numbers, query
from seeknal_git.warehouse.model.deliveries import Changed, Delivery
from seeknal_git.warehouse.model.pieces import NUMBER
from seeknal_git.warehouse.model.queries import Query, as_rows, relation
from seeknal_git.warehouse.pieces import PLAIN, hash_of_row
from seeknal_git.warehouse.state_tables import with_later_columns

if TYPE_CHECKING:
    import duckdb

    from seeknal_git.sql.statement import Columns
    from seeknal_git.warehouse.guard import Guard

_TOUCHED, _THERE = "temp.main.touched_folders", "temp.main.folders"
# The engine's name of the folder for rows without a value.
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


def write(
    connection: duckdb.DuckDBPyConnection,
    guard: Guard,
    delivery: Delivery,
    before: str,
    target: Path,
) -> Changed | None:
    """See `protocol.Deliveries.write_changed`."""
    assert delivery.definition is not None
    earlier, later = _in_pieces(connection, before), _in_pieces(connection, delivery.table or "")
    if earlier is None or later is None or not later.is_like(earlier):
        return None
    guard.need_own_state(connection, [f"SELECT * FROM {one.rows}" for one in (earlier, later)])
    columns = _columns(connection, later)
    if columns != _columns(connection, earlier):
        return None
    keys = _keys(columns, delivery.definition["partition_by"])
    if keys is None:
        return None
    try:
        _find_touched(connection, earlier, later, columns, keys)
        _find_there(connection, later, keys)
        touched, there = (set(_names(connection, table, keys)) for table in (_TOUCHED, _THERE))
        if touched >= there or _are_alike(touched | there):
            return None
        rows = f"SELECT _rows.* FROM {later.rows} AS _rows SEMI JOIN {_TOUCHED} AS _touched"
        copied(connection, f"{rows} ON {_same(keys)}", delivery.definition, target)
        if touched <= there:
            return Changed(len(there))
        gone = target.with_name(f"{target.name}.gone")
        copied(connection, _absent(keys), delivery.definition, gone)
        return Changed(len(there), gone)
    finally:
        for table in (_TOUCHED, _THERE):
            connection.execute(f"DROP TABLE IF EXISTS {table}")


def _same(keys: Sequence[_Key]) -> str:
    """The condition that a row is of a touched folder."""
    return " AND ".join(
        f"{key.of('_rows')} IS NOT DISTINCT FROM _touched.{key.name}" for key in keys
    )


def _absent(keys: Sequence[_Key]) -> str:
    """The SELECT of a row for each touched folder that has none any more."""
    names = ", ".join(f"_touched.{quote(key.column)}" for key in keys)
    same = " AND ".join(
        f"_there.{key.name} IS NOT DISTINCT FROM _touched.{key.name}" for key in keys
    )
    tables = f"{_TOUCHED} AS _touched ANTI JOIN {_THERE} AS _there"
    return f"SELECT {names}, 0 AS {NUMBER} FROM {tables} ON {same}"


@dataclass(frozen=True, slots=True)
class _InPieces:
    """A snapshot in pieces."""

    query: Query
    numbers: frozenset[int]

    @property
    def table(self) -> str:
        return relation(self.query.names[0])

    @property
    def rows(self) -> str:
        """The rows as SQL names them."""
        return as_rows(self.query.over(relation))

    def is_like(self, other: _InPieces) -> bool:
        """Whether both select the same columns."""
        return self.query.texts[0] == other.query.texts[0]

    def beside(self, other: _InPieces) -> str:
        """The rows of the pieces that another snapshot does not have, as SQL names them."""
        same = self.table == other.table
        own = self.numbers - other.numbers if same else self.numbers
        return f"(FROM {self.table} WHERE {is_among(NUMBER, sorted(own))})"


def _in_pieces(connection: duckdb.DuckDBPyConnection, table: str) -> _InPieces | None:
    """The snapshot of a name; None if it is not in pieces, or not all of them are there."""
    found = connection.execute(
        f"SELECT query, reads, pieces, row_count FROM {with_later_columns('snapshots')} "
        "WHERE table_name = $1 ORDER BY number DESC LIMIT 1",
        [table],
    ).fetchone()
    text, reads, kept, count = found or (None, None, None, 0)
    select = query(text, reads)
    if not kept or select is None or len(select.names) != 1:
        return None
    chosen = " OR ".join(
        f"number BETWEEN {low} AND {high}" for low, high in ranges_in(numbers(kept))
    )
    rows = connection.execute(
        f"SELECT number, row_count FROM {STATE}.pieces WHERE table_name = $1 AND ({chosen})",
        [select.names[0]],
    ).fetchall()
    if sum(rows_ for _, rows_ in rows) != count:
        return None
    return _InPieces(select, frozenset(number for number, _ in rows))


def _columns(connection: duckdb.DuckDBPyConnection, snapshot: _InPieces) -> Columns:
    rows = connection.execute(f"DESCRIBE FROM {snapshot.rows}").fetchall()
    return tuple((row[0], row[1]) for row in rows)


@dataclass(frozen=True, slots=True)
class _Key:
    """A column that names folders."""

    name: str  # in the tables of folders
    column: str
    kind: str

    def of(self, table: str = "") -> str:
        """The value that tells folders apart: text as its bytes, as a collation takes texts for
        alike."""
        column = f"{table}.{quote(self.column)}" if table else quote(self.column)
        return f"encode({column})" if self.kind == "VARCHAR" else column


def _keys(columns: Columns, names: Sequence[str]) -> list[_Key] | None:
    """The columns that name folders; None if one is of a type whose equal values may have several
    names."""
    known = {folded(name): (name, kind) for name, kind in columns}
    found = [known.get(folded(name)) for name in names]
    keys = [
        _Key(f"{_longer(columns)}{number}", *column)
        for number, column in enumerate(found)
        if column and PLAIN.match(column[1])
    ]
    return keys if len(keys) == len(names) else None


def _longer(columns: Columns) -> str:
    """The beginning of a name that no column has: it is longer than theirs."""
    return "_" * max(len(name) + 1 for name, _ in columns)


def _find_touched(
    connection: duckdb.DuckDBPyConnection,
    earlier: _InPieces,
    later: _InPieces,
    columns: Columns,
    keys: Sequence[_Key],
) -> None:
    """Make a table of the folders whose rows differ."""
    sign, hash_ = (f"{_longer(columns)}{name}" for name in ("sign", "hash"))
    differ = f"sum({sign}) <> 0 OR sum({sign} * {hash_}::HUGEINT) <> 0 OR bit_xor({hash_}) <> 0"
    names = ", ".join(quote(name) for name, _ in columns)
    signed = [
        f"SELECT {names}, {value} AS {sign}, {hash_of_row(columns)} AS {hash_} "
        f"FROM {mine.beside(other)}"
        for mine, other, value in ((later, earlier, 1), (earlier, later, -1))
    ]
    rows = " UNION ALL ".join(signed)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE touched_folders AS {_grouped(f'({rows})', keys)} "
        f"HAVING {differ}"
    )


def _find_there(
    connection: duckdb.DuckDBPyConnection, later: _InPieces, keys: Sequence[_Key]
) -> None:
    """Make a table of all folders of the later delivery."""
    connection.execute(f"CREATE OR REPLACE TEMP TABLE folders AS {_grouped(later.rows, keys)}")


def _grouped(rows: str, keys: Sequence[_Key]) -> str:
    """The folders of rows: the values that tell them apart, and those of the columns."""
    fields = [f"{key.of()} AS {key.name}" for key in keys]
    fields += [f"any_value({quote(key.column)}) AS {quote(key.column)}" for key in keys]
    groups = ", ".join(key.of() for key in keys)
    return f"SELECT {', '.join(fields)} FROM {rows} AS _rows GROUP BY {groups}"


Names = tuple[str | None, ...]


def _names(connection: duckdb.DuckDBPyConnection, table: str, keys: Sequence[_Key]) -> list[Names]:
    values = ", ".join(f"{quote(key.column)}::VARCHAR" for key in keys)
    return connection.execute(f"SELECT {values} FROM {table}").fetchall()


def _are_alike(folders: Iterable[Names]) -> bool:
    """Whether a disk may take two folders for one."""
    names = [
        tuple(folded_name(_NO_VALUE if value is None else value) for value in folder)
        for folder in folders
    ]
    return len(set(names)) < len(names)
