"""Write a statement again, so that every name in it can have only the meaning of the analysis.

Every table gets a name that nobody can write, every column is written with its table in front of
it, a star is written out, and an alias is replaced by its expression. If the engine makes the same
plan of this statement and of the user's, every name has the same meaning in both. See
docs/design/names.md.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from seeknal_git.names import folded
from seeknal_git.sql.analysis.spelling import Spelling
from seeknal_git.sql.analysis.terms import (
    CALL,
    COALESCE,
    EACH,
    EITHER,
    FRESH,
    ITEM,
    POSITION,
    Obstacle,
    Path,
)
from seeknal_git.sql.analysis.tree import Tree, objects, origin, receiver
from seeknal_git.sql.statement import query_of

_NESTED = (dict, list)
_TABLE_AND_COLUMN = 2
_ONE, _FEW = 1, 4
_NO_PLACE = {"query_location": 0, "query_location_length": 0}


def statements(tree: Tree, spelling: Spelling, tables: Sequence[str]) -> Iterator[Tree]:
    """The statement written again. If names are ambiguous: with the first meaning of all of them,
    with the last meaning of all, and, if they are few, with the last meaning of each.

    tables: the table behind each reference. Raises Obstacle if a name or table was never read.
    """
    if spelling.unclear:
        raise Obstacle(f"{spelling.unclear}, which cannot be written with one meaning only")
    doubtful = {path for path in spelling.names.values() if path[0] == EITHER}
    yield _Writer(spelling, tables, frozenset()).written(tree)
    if doubtful:
        yield _Writer(spelling, tables, frozenset(doubtful)).written(tree)
    if _ONE < len(doubtful) <= _FEW:
        yield from (_Writer(spelling, tables, frozenset({path})).written(tree) for path in doubtful)


# The objects of a statement whose names are certain by themselves: tables side by side, and values
# computed of them. DuckDB 1 describes the type of a DECIMAL by an object that holds only numbers.
_PLAIN = frozenset(
    """
    SELECT_NODE BASE_TABLE JOIN COLUMN_REF CONSTANT FUNCTION COMPARISON CONJUNCTION CAST OPERATOR
    BETWEEN CASE ORDER_MODIFIER LIMIT_MODIFIER DISTINCT_MODIFIER ASCENDING DESCENDING ORDER_DEFAULT
    DECIMAL_TYPE_INFO
    """.split()
)


def certain(tree: Tree, spelling: Spelling) -> bool:
    """Whether no name could mean anything else: there is one scope, and each column has its table
    in front of it."""
    aliases = {folded(str(item.get("alias"))) for item in tree.get("select_list") or ()}
    return all(_is_certain(part, spelling, aliases) for part in objects(tree))


def _is_certain(part: Tree, spelling: Spelling, aliases: Collection[str]) -> bool:
    kind = part.get("class") or part.get("type")
    if kind == "TABLE_FUNCTION" and "reference" in part:
        return True  # `ref('kind.name')` is a table like any other
    if isinstance(kind, str) and (kind not in _PLAIN or receiver(part)):
        return False
    if part.get("using_columns") or part.get("ref_type", "REGULAR") not in ("REGULAR", "CROSS"):
        return False
    if kind == "BASE_TABLE":
        return "reference" in part
    return kind != "COLUMN_REF" or _in_front(part, spelling, aliases)


def _in_front(tree: Tree, spelling: Spelling, aliases: Collection[str]) -> bool:
    """Whether a column is written with its table in front, which no alias hides."""
    path = spelling.names.get(origin(tree)) or ("",)
    return (
        path[0].startswith(FRESH)
        and len(tree["column_names"]) == len(path) == _TABLE_AND_COLUMN
        and folded(tree["column_names"][0]) not in aliases
    )


def over_tables(tree: Tree, tables: Sequence[str]) -> Tree:
    """The statement as it is written, over the tables behind its references."""
    found: Tree = _Writer(Spelling(), tables, ()).piece(tree, {})
    return found


@dataclass(frozen=True, slots=True)
class _Writer:
    spelling: Spelling
    tables: Sequence[str]
    # The ambiguous names that are written with their last meaning, not with the first.
    last: Collection[Path]
    # The column that COLUMNS stands for.
    star: Tree | None = None

    def written(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self.written(inner) for inner in value]
        if not isinstance(value, dict):
            return value
        if id(value) in self.spelling.pieces:
            return self.piece(value, self.spelling.pieces[id(value)])
        kind = value.get("class") or value.get("type")
        write = _WRITERS.get(kind, _Writer._inside) if isinstance(kind, str) else _Writer._inside
        return write(self, value)

    def _inside(self, tree: Tree) -> Tree:
        found = {
            key: self.written(value) if value.__class__ in _NESTED else value
            for key, value in tree.items()
        }
        if (tree.get("cte_map") or {}).get("map"):
            found["cte_map"] = {"map": [self._cte(entry) for entry in tree["cte_map"]["map"]]}
        return found

    def _cte(self, entry: Tree) -> Tree:
        return {
            "key": self.spelling.called[id(query_of(entry["value"]))],
            "value": self.written(_of_engine(entry["value"])),
        }

    def piece(self, value: Any, queries: dict[int, str]) -> Any:
        """A query that was left whole: as it is written, over the tables and CTEs that it reads."""
        if isinstance(value, list):
            return [self.piece(inner, queries) for inner in value]
        if not isinstance(value, dict):
            return value
        if "reference" in value:
            return self._input(value, value["alias"] or value["called"])
        if "materialized" in value:
            value = _of_engine(value)
        found = {key: self.piece(inner, queries) for key, inner in value.items()}
        if id(value) in queries:
            return _renamed(found, queries[id(value)], value["alias"] or value["table_name"])
        return found

    def _items(self, tree: Tree) -> Iterator[Tree]:
        """The columns of an item of a select list."""
        columns = self.spelling.stars.get(id(tree))
        if columns is None:
            yield self._column(tree)
        elif tree["class"] == "STAR":
            whole = {path[0] for path, _ in columns if path[-1:] == ("*",)}
            for path, name in columns:
                if path[0] not in whole:
                    yield (
                        self._path(path)
                        if path[1:] == (name,)
                        else {**self._path(path), "alias": name}
                    )
            yield from (self._path((table, "*")) for table in sorted(whole))
        else:
            yield from (replace(self, star=self._path(path))._column(tree) for path, _ in columns)

    def _column(self, tree: Tree) -> Tree:
        written: Tree = self.written(tree)
        if tree["class"] != "COLUMN_REF" or tree.get("alias"):
            return written
        name, names = tree["column_names"][-1], written.get("column_names") or [""]
        return written if folded(names[-1]) == folded(name) else {**written, "alias": name}

    def _name(self, tree: Tree) -> Tree:
        path = self.spelling.names.get(origin(tree))
        if path is None:
            raise Obstacle(f"{'.'.join(tree.get('column_names') or '#')}, which was never read")
        return {**self._path(path), "alias": tree.get("alias", "")}

    def _path(self, path: Path) -> Tree:
        first, *rest = path
        if first == EITHER:
            return self._path(rest[-1 if path in self.last else 0])
        if first == ITEM:
            return {**self.written(self.spelling.items[rest[0]]), "alias": ""}
        if first == EACH:
            column = self._path(rest[1])
            return {**replace(self, star=column).written(self.spelling.items[rest[0]]), "alias": ""}
        if first == COALESCE:
            return _object(
                "OPERATOR", "OPERATOR_COALESCE", children=[self._path(side) for side in rest]
            )
        if rest == ["*"]:
            return _object("STAR", "STAR", relation_name=first)
        made = {POSITION: _integer, CALL: _call}.get(first)
        return (
            made(rest[0]) if made else _object("COLUMN_REF", "COLUMN_REF", column_names=list(path))
        )

    def _star(self, tree: Tree) -> Tree:
        return self.star or tree

    def _select(self, tree: Tree) -> Tree:
        items = [item for written in tree["select_list"] for item in self._items(written)]
        return {**self._inside(tree), "select_list": items}

    def _recursive(self, tree: Tree) -> Tree:
        return {**self._inside(tree), "cte_name": self.spelling.called[id(tree)]}

    def _pivot(self, tree: Tree) -> Tree:
        return {**tree, "source": self.written(tree["source"]), "alias": self._called(tree)}

    def _method(self, tree: Tree) -> Tree:
        """`name.upper()` is `upper(name)`."""
        column = receiver(tree)
        if column is None:
            return self._inside(tree)
        first = self._name(column)
        inside = self._inside(tree)
        given = {"children": [first, *inside["children"]]} if "children" in inside else {}
        if "arguments" in inside:
            given = {"arguments": [{"name": "", "expression": first}, *inside["arguments"]]}
        return {
            **inside,
            **given,
            "schema": "",
            "catalog": "",
            "qualified_name": {"path": [tree["function_name"]]},
        }

    def _join(self, tree: Tree) -> Tree:
        found = self._inside(tree)
        pairs = self.spelling.joins.get(id(tree))
        if not pairs:
            return found
        sides = [(self._path(one), self._path(other)) for one, other in pairs]
        equal = [
            _object("COMPARISON", "COMPARE_EQUAL", left=one, right=other) for one, other in sides
        ]
        both = _object("CONJUNCTION", "CONJUNCTION_AND", children=equal)
        condition = both if len(equal) > 1 else equal[0]
        return {**found, "condition": condition, "using_columns": []}

    def _table(self, tree: Tree) -> Tree:
        if "subquery_type" in tree:  # an expression
            return self._inside(tree)
        called = self._called(tree)
        if "reference" in tree:
            return self._input(tree, called)
        found = {**self._inside(tree), "alias": called}
        if id(tree) in self.spelling.queries:
            return _renamed(found, self.spelling.queries[id(tree)], called)
        if (
            tree["type"] == "TABLE_FUNCTION"
            and tree.get("alias")
            and not tree.get("column_name_alias")
        ):
            found["column_name_alias"] = [tree["alias"]]  # DuckDB 2 calls the column so
        return found

    def _called(self, tree: Tree) -> str:
        if id(tree) not in self.spelling.called:
            raise Obstacle("a table that was never read")
        return self.spelling.called[id(tree)]

    def _input(self, tree: Tree, alias: str) -> Tree:
        """The table of an input; `ref('…')` is a function in the tree."""
        kept = {key: tree.get(key) for key in ("sample", "column_name_alias")}
        table = {"type": "BASE_TABLE", "schema_name": "", "catalog_name": "", **kept, **_NO_PLACE}
        return _renamed(table, self.tables[tree["reference"]], alias)


def _renamed(table: Tree, name: str, alias: str) -> Tree:
    return {**table, "table_name": name, "qualified_name": {"path": [name]}, "alias": alias}


def _of_engine(cte: Tree) -> Tree:
    """A CTE as the engine accepts it, without the words that `parsed` adds to its
    materialization."""
    return {**cte, "materialized": cte["materialized"].split()[0]}


def _object(kind: str, exact: str, **said: Any) -> Tree:
    return {"class": kind, "type": exact, "alias": "", **_NO_PLACE, **said}


def _integer(text: str) -> Tree:
    """A whole number, in the forms that DuckDB 1 and 2 have for it."""
    value = {"type": {"id": "INTEGER", "type_info": None}, "is_null": False, "value": int(text)}
    return _object(
        "CONSTANT", "VALUE_CONSTANT", value=value, literal={"kind": "INTEGER", "text": text}
    )


def _call(name: str) -> Tree:
    orders = {"type": "ORDER_MODIFIER", "orders": []}
    return _object(
        "FUNCTION",
        "FUNCTION",
        function_name=name,
        schema="",
        catalog="",
        children=[],
        arguments=[],
        qualified_name={"path": [name]},
        order_bys=orders,
    )


_WRITERS: Mapping[str, Callable[[_Writer, Tree], Tree]] = {
    "COLUMN_REF": _Writer._name,
    "POSITIONAL_REFERENCE": _Writer._name,
    "STAR": _Writer._star,
    "FUNCTION": _Writer._method,
    "SELECT_NODE": _Writer._select,
    "RECURSIVE_CTE_NODE": _Writer._recursive,
    "PIVOT": _Writer._pivot,
    "JOIN": _Writer._join,
    "BASE_TABLE": _Writer._table,
    "SUBQUERY": _Writer._table,
    "TABLE_FUNCTION": _Writer._table,
    "EXPRESSION_LIST": _Writer._table,
}
