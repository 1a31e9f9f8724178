"""Queries: which SELECTs and set operations keep each row in its home."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

from seeknal_git.names import folded
from seeknal_git.sql.analysis.terms import Obstacle
from seeknal_git.sql.analysis.tree import Tree, conjuncts
from seeknal_git.sql.analysis.tree import only as only_known
from seeknal_git.sql.locality.carriers import Scope
from seeknal_git.sql.locality.clauses import check_ending, check_groups
from seeknal_git.sql.locality.columns import (
    NAMELESS,
    UNKNOWN,
    Column,
    Input,
    Level,
    Obstruction,
    Partitions,
    Relation,
    Source,
    as_table,
    carried,
    renamed,
    titled,
)
from seeknal_git.sql.locality.inside import Inside
from seeknal_git.sql.locality.joins import joined
from seeknal_git.sql.locality.reading import Queries, Query, level_of
from seeknal_git.sql.locality.stars import columns_of
from seeknal_git.sql.statement import query_of

# The keys that this proof looks at. Those of `analysis` are a list of their own: a key that one of
# both learns to read is unknown to the other.
_NODE = frozenset({"type", "modifiers", "cte_map"})
_SELECT = _NODE | {
    "select_list",
    "from_table",
    "where_clause",
    "group_expressions",
    "group_sets",
    "having",
    "qualify",
    "aggregate_handling",
}
_SET = _NODE | {"setop_type", "setop_all", "left", "right", "children"}
_CTE = frozenset({"aliases", "materialized", "query", "query_node"})
_TABLE = frozenset({"type", "alias", "column_name_alias", "qualified_name", "reference", "called"})
_TABLES = {
    "BASE_TABLE": _TABLE | {"schema_name", "table_name", "catalog_name"},
    "EXPRESSION_LIST": _TABLE | {"expected_names", "expected_types", "values"},
    "SUBQUERY": _TABLE | {"subquery"},
    "TABLE_FUNCTION": _TABLE | {"function", "with_ordinality"},
    "JOIN": _TABLE
    | {
        "left",
        "right",
        "condition",
        "join_type",
        "ref_type",
        "using_columns",
        "nearest_count",
        "nearest_order_type",
        "is_implicit",
    },
}
# The joins on whose left side a condition of the WHERE may be asked before the join.
_KEEPING_LEFT = ("INNER", "LEFT", "SEMI", "ANTI")


def _only(tree: Tree, keys: frozenset[str], what: str) -> None:
    try:
        only_known(tree, keys, what)
    except Obstacle as obstacle:
        raise Obstruction(str(obstacle), tree) from obstacle


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement over its inputs. All its methods raise Obstruction."""

    inputs: tuple[Input, ...]
    partitions: Partitions

    def result(self, tree: Tree) -> Relation:
        """The result of the whole statement, which has no order. That of a DISTINCT ON decides its
        rows."""
        modifiers = tree.get("modifiers") or ()
        chooses = any(modifier.get("distinct_on_targets") for modifier in modifiers)
        for modifier in modifiers:
            if modifier["type"] == "ORDER_MODIFIER" and not chooses:
                raise Obstruction("the ORDER BY of the whole result", modifier["orders"])
        return self._relation(tree, {})

    def _relation(self, tree: Tree, queries: Queries) -> Relation:
        """The result of a query. If it reads no partition, nothing can stand in the way, and its
        columns may stay unknown."""
        level = level_of(tree, queries, self.inputs)
        try:
            relation = self._query(tree, queries, level)
        except Obstruction:
            if level is Level.LOCAL:
                raise
            return Relation(level)
        return replace(relation, level=level)

    def _query(self, tree: Tree, queries: Queries, level: Level) -> Relation:
        seen = dict(queries)
        for entry in (tree.get("cte_map") or {}).get("map") or ():
            seen[folded(entry["key"])] = self._cte(entry["value"], dict(seen))
        match tree["type"]:
            case "SELECT_NODE":
                _only(tree, _SELECT, "a query")
                return self._select(tree, seen, level)
            case "SET_OPERATION_NODE":
                _only(tree, _SET, "a set operation")
                return self._set_operation(tree, seen, level)
            case "RECURSIVE_CTE_NODE":
                raise Obstruction("the recursive CTE", tree)
            case other:
                kind = other.lower().replace("_", " ")
                raise Obstruction(f"a query of the kind {kind}", tree)

    def _cte(self, value: Tree, queries: Queries) -> Query:
        tree = query_of(value)

        @cache
        def relation() -> Relation:
            _only(value, _CTE, "a CTE")
            found = self._relation(tree, queries)
            return replace(found, columns=renamed(found.columns, value.get("aliases") or ()))

        return Query(level_of(tree, queries, self.inputs), relation)

    def _set_operation(self, tree: Tree, queries: Queries, level: Level) -> Relation:
        arms = tree.get("children") or [tree["left"], tree["right"]]
        relations = [self._relation(arm, queries) for arm in arms]
        if any(relation.columns is None for relation in relations):
            raise Obstruction("a set operation of columns that are not known", tree)
        word = tree["setop_type"].replace("_", " ")
        if level is Level.LOCAL:
            for arm, relation in zip(arms, relations, strict=True):
                if relation.level is Level.WHOLE:
                    raise Obstruction(f"the {word} with a query that reads no partition", arm)
        rows = [relation.columns or () for relation in relations]
        columns = (_by_name if word == "UNION BY NAME" else _by_position)(rows, relations, tree)
        if level is Level.LOCAL and not carried(columns) >= self.partitions.keys:
            raise Obstruction(f"the {word} of different columns of the partition", arms[1])
        if level is Level.LOCAL:
            scope = Scope(Source(), self.partitions).with_outputs(columns)
            check_ending(tree, scope, columns)
        return Relation(level, titled(columns))

    def _select(self, tree: Tree, queries: Queries, level: Level) -> Relation:
        where = tree.get("where_clause")
        given = tuple(conjuncts(where)) if where else ()
        source = self._source(tree.get("from_table") or {"type": "EMPTY"}, queries, given)
        inside = Inside(self.inputs, self.partitions, queries, level)
        scope = Scope(source, self.partitions)
        inside.look(where, scope)
        columns: list[Column] = []
        for item in tree["select_list"]:
            inside.look(item, scope.with_outputs(columns))
            columns += columns_of(item, scope.with_outputs(columns))
        scope = scope.with_outputs(columns)
        late = [tree.get("having"), tree.get("qualify"), tree.get("modifiers")]
        inside.look(late, scope)
        groups = tree.get("group_expressions") or ()
        inside.look(groups, scope)
        if level is Level.LOCAL:
            check_groups(tree, scope, columns, inside.aggregate)
            check_ending(tree, scope, columns)
        return Relation(level, titled(columns))

    def _source(self, tree: Tree, queries: Queries, given: Sequence[Tree]) -> Source:
        """The source that a FROM is. given: the terms of the WHERE that may be asked of it."""
        kind = tree["type"]
        if kind == "EMPTY":
            return Source()
        if kind not in _TABLES:
            return self._unlike(tree, queries)
        _only(tree, _TABLES[kind], kind.lower().replace("_", " "))
        if kind == "JOIN":
            return self._join(tree, queries, given)
        return as_table(
            _name(tree), self._table(tree, queries), tree.get("column_name_alias") or ()
        )

    def _unlike(self, tree: Tree, queries: Queries) -> Source:
        """PIVOT and others, whose columns are not known."""
        level = level_of(tree, queries, self.inputs)
        if level is Level.LOCAL:
            raise Obstruction(f"the {tree['type'].replace('_', ' ')}", tree)
        return as_table(_name(tree), Relation(level))

    def _table(self, tree: Tree, queries: Queries) -> Relation:
        if "reference" in tree:
            return self._input(self.inputs[tree["reference"]])
        if tree["type"] == "SUBQUERY":
            return self._relation(tree["subquery"]["node"], queries)
        if tree["type"] == "BASE_TABLE":
            query = queries.get(folded(tree["table_name"]))
            if query is None or tree.get("schema_name") or tree.get("catalog_name"):
                raise Obstruction(f"{tree['table_name']}, which is no input", tree)
            return query.relation()
        level = level_of(tree, queries, self.inputs)
        if level is Level.LOCAL:
            raise Obstruction("a sub-query over a partitioned table", tree)
        if tree["type"] == "EXPRESSION_LIST":
            width = len(tree["values"][0])
            return Relation(level, tuple(Column(f"col{place}") for place in range(width)))
        return Relation(level)

    def _input(self, given: Input) -> Relation:
        if given.known.columns is None:
            return Relation(given.level)
        collated = {folded(name) for name in given.known.collated}
        keys = {folded(name): place for place, name in enumerate(given.key)}
        columns = tuple(
            Column(
                name,
                "" if folded(name) in collated else word,
                keys.get(folded(name)) if given.level is Level.LOCAL else None,
            )
            for name, word in given.known.columns
        )
        return Relation(given.level, columns)

    def _join(self, tree: Tree, queries: Queries, given: Sequence[Tree]) -> Source:
        kind, by_name = (
            tree["join_type"],
            tree.get("using_columns") or tree["ref_type"] == "NATURAL",
        )
        left = self._source(tree["left"], queries, given if kind in _KEEPING_LEFT else ())
        of_the_right = given if kind == "INNER" and not by_name else ()
        right = self._source(tree["right"], queries, of_the_right)
        both = joined(tree, left, right, given, self.partitions)
        level = max(both.level, level_of(tree.get("condition"), queries, self.inputs))
        inside = Inside(self.inputs, self.partitions, queries, level)
        inside.look(tree.get("condition"), Scope(both, self.partitions))
        return both


def _name(tree: Tree) -> str:
    """The name of a table. A table without one gets a name that nobody can write."""
    function = tree.get("function") or {}
    names = (tree.get(key) for key in ("alias", "called", "table_name"))
    written = next(filter(None, names), function.get("function_name") or "")
    return folded(str(written)) or f"{NAMELESS}{id(tree)}"


def _by_position(
    rows: Sequence[Sequence[Column]], relations: Sequence[Relation], tree: Tree
) -> list[Column]:
    if len({len(columns) for columns in rows}) > 1:
        raise Obstruction("a set operation of different numbers of columns", tree)
    return [_of_arms(columns, relations) for columns in zip(*rows, strict=True)]


def _by_name(
    rows: Sequence[Sequence[Column]], relations: Sequence[Relation], tree: Tree
) -> list[Column]:
    if any(column.name is None for columns in rows for column in columns):
        raise Obstruction("UNION BY NAME of columns that the engine names", tree)
    tables = [{folded(str(column.name)): column for column in columns} for columns in rows]
    names = dict.fromkeys(name for table in tables for name in table)
    return [_of_arms([table.get(name, UNKNOWN) for table in tables], relations) for name in names]


def _of_arms(columns: Sequence[Column], relations: Sequence[Relation]) -> Column:
    """A column of a set operation. It carries a key if the columns of all arms do; any column of
    inputs whose window is stated may."""
    types = {column.type for column in columns}
    levels = [relation.level for relation in relations]
    keys = {
        column.key
        for column, level in zip(columns, levels, strict=True)
        if level is not Level.STATED
    }
    if len(types) > 1 or "" in types:
        return Column(columns[0].name)
    return Column(columns[0].name, types.pop(), keys.pop() if len(keys) == 1 else None)
