"""The FROM of a SELECT becomes a source: its rows, and the terms of the columns of its tables."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from seeknal_git.names import folded
from seeknal_git.sql.analysis import functions
from seeknal_git.sql.analysis.constants import BOOLEAN, constant
from seeknal_git.sql.analysis.context import Context
from seeknal_git.sql.analysis.expressions import terms_of
from seeknal_git.sql.analysis.joins import both_sides, looked_up
from seeknal_git.sql.analysis.normal import normal
from seeknal_git.sql.analysis.scope import (
    WRITTEN,
    Filter,
    Marks,
    Output,
    Query,
    Relation,
    Scope,
    Source,
    Table,
    names_of,
    renamed,
)
from seeknal_git.sql.analysis.terms import Obstacle, Term, compound, is_hole, same
from seeknal_git.sql.analysis.tree import Tree, arguments, objects, only, spelled
from seeknal_git.sql.statement import COLLATION, ROWS

_JOINS = frozenset({"INNER", "LEFT", "RIGHT", "FULL", "OUTER", "SEMI", "ANTI"})
_WAYS = frozenset({"REGULAR", "CROSS", "NATURAL", "ASOF", "POSITIONAL", "DEPENDENT"})
# Takes the place of a table's number if a LEFT JOIN only looks the table up.
_LOOKED_UP = "L"
_ANY = frozenset(
    {"type", "alias", "sample", "column_name_alias", "qualified_name", "reference", "called"}
)
_KEYS = {
    "BASE_TABLE": _ANY | {"schema_name", "table_name", "catalog_name"},
    "EXPRESSION_LIST": _ANY | {"expected_names", "expected_types", "values"},
    "JOIN": _ANY
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
    "SUBQUERY": _ANY | {"subquery"},
    "TABLE_FUNCTION": _ANY | {"function", "with_ordinality"},
}


def source_of(tree: Tree, around: Scope, context: Context, number: int = 0) -> Source:
    """The source that a FROM is. Raises Obstacle.

    around: the scope that its sub-queries see: the query around it, and the tables to their left.
    number: the number of its first table.
    """
    if tree["type"] == "EMPTY":
        return Source(Term("one row"))
    if tree["type"] == "JOIN":
        return _joined(only(tree, _KEYS["JOIN"], "a join"), around, context, number)
    return named(tree, _sampled(tree, around, context), number, context)


def _sampled(tree: Tree, around: Scope, context: Context) -> Relation:
    if tree["type"] in _KEYS:
        only(tree, _KEYS[tree["type"]], tree["type"].lower().replace("_", " "))
    relation = _relation(tree, around, context)
    if tree.get("sample"):
        sample = compound(
            f"sample {json.dumps(tree['sample'], sort_keys=True)}", [relation.rows], "a sample"
        )
        return replace(relation, rows=sample, last=None, single=False)
    return relation


def _relation(tree: Tree, around: Scope, context: Context) -> Relation:
    match tree["type"]:
        case "BASE_TABLE" | "TABLE_FUNCTION" if "reference" in tree:
            return _input(context.first[tree["reference"]], context)
        case "BASE_TABLE":
            return _query_named(tree, around.queries, context)
        case "SUBQUERY":
            return context.query(tree["subquery"]["node"], around, around.queries, context)
        case "EXPRESSION_LIST":
            return _values(tree, around, context)
        case "TABLE_FUNCTION":
            return _rows_of_function(tree, around, context)
        case "PIVOT":
            return _pivot(tree, around, context)
        case other:
            raise Obstacle(f"{other.lower().replace('_', ' ')} in FROM")


def _input(reference: int, context: Context) -> Relation:
    """The table of an input: one hole for its rows, and one for each column."""
    known, rows = context.inputs[reference], context.holes.term(reference, ROWS)
    if known.columns is None:
        anything = Output(None, rows, lambda name: context.holes.term(reference, name))
        return Relation(rows, (anything,))
    names = [folded(name) for name, _ in known.columns]
    outputs = tuple(
        Output(name, _column_of(reference, name, word, context), label="" if word else WRITTEN)
        for name, word in known.columns
    )
    return Relation(rows, outputs, tuple(frozenset(map(names.index, key)) for key in known.unique))


def _column_of(reference: int, name: str, word: str, context: Context) -> Term:
    hole = context.holes.term(reference, folded(name))
    if folded(name) in context.inputs[reference].collated:
        return hole._replace(unstable=COLLATION, name=name)
    return hole._replace(type=word, name=name)


def _query_named(tree: Tree, queries: Mapping[str, Query], context: Context) -> Relation:
    query = queries.get(folded(tree["table_name"]))
    if query is None or tree.get("schema_name") or tree.get("catalog_name"):
        raise Obstacle(f"{tree['table_name']}, which is no input")
    context.spelling.queries[id(tree)] = query.called
    return query.read()


def _values(tree: Tree, around: Scope, context: Context) -> Relation:
    rows = [terms_of(row, _nothing_in(around), context) for row in tree["values"]]
    columns = [compound("values", column) for column in zip(*rows, strict=True)]
    outputs = tuple(
        Output(f"col{place}", context.holes.short(term)) for place, term in enumerate(columns)
    )
    return Relation(Term(f"{len(rows)} rows"), outputs)


def _nothing_in(around: Scope) -> Scope:
    """The scope of an expression in a FROM: all names in it belong to the scope around."""
    return Scope(Source(Term("")), around, around.queries, Marks())


def _rows_of_function(tree: Tree, around: Scope, context: Context) -> Relation:
    function = tree["function"]
    name = function["function_name"].lower()
    if (
        name not in functions.TABLES
        or tree.get("with_ordinality", "WITHOUT_ORDINALITY") != "WITHOUT_ORDINALITY"
    ):
        raise Obstacle(f"{name}() in FROM")
    if any(argument.get("alias") for argument in arguments(function)):
        raise Obstacle(f"{name}() with named arguments")
    given = terms_of(arguments(function), _nothing_in(around), context)
    rows = context.holes.short(compound(f"rows of {name}", given))
    alias = tree.get("alias") or ""  # DuckDB 2 names the column after it, DuckDB 1 does not
    called = None if alias and not tree.get("column_name_alias") else functions.TABLES[name]
    return Relation(rows, (Output(called, compound("value", [rows]), label=f"alias {alias}"),))


def _pivot(tree: Tree, around: Scope, context: Context) -> Relation:
    """PIVOT and UNPIVOT as one piece: all columns that they read, with their names, and their own
    text."""
    _keep_names(tree["source"], context)
    source = source_of(tree["source"], around, context)
    if any(output.name is None for _, output in source.star):
        raise Obstacle("PIVOT over columns that the engine names")
    passed = ("source", "alias", "column_name_alias")
    said = {key: value for key, value in tree.items() if key not in passed}
    unstable = next(filter(None, map(_unstable, objects(said))), "")
    names = names_of((output for _, output in source.star), "PIVOT")
    kind = f"pivot {json.dumps(names)} {spelled(said)}"
    whole = context.holes.short(
        compound(kind, [source.rows, *(output.term for _, output in source.star)], unstable)
    )
    return Relation(
        whole, (Output(None, whole, lambda name: compound(f"of {json.dumps(name)}", [whole])),)
    )


def _keep_names(tree: Tree, context: Context) -> None:
    """The tables of a FROM keep their names in the statement that is written again."""
    if tree["type"] == "JOIN":
        _keep_names(tree["left"], context)
        _keep_names(tree["right"], context)
    else:
        context.spelling.called[id(tree)] = _name(tree)


def _unstable(tree: Tree) -> str:
    """The unstable function that an object of a tree calls, if it does. Raises Obstacle for an
    object that cannot be left as it is written."""
    if tree.get("class") in ("SUBQUERY", "WINDOW", "COLLATE"):
        raise Obstacle(f"{tree['class'].lower()} in PIVOT")
    function = tree.get("function_name", "").lower()
    if not function:
        return ""
    if function in functions.ORDERED or function in functions.VOLATILE:
        return f"{function}()"
    if function not in functions.SCALAR | functions.NAMING | functions.AGGREGATE:
        raise Obstacle(f"{function}(), a function that is not known")
    return ""


def named(tree: Tree, relation: Relation, number: int, context: Context, mark: str = "") -> Source:
    """A relation as a table of a FROM, under its alias, its columns marked with its number."""
    handed: Callable[[Term], Term] = _handed_on if is_hole(relation.rows) else lambda term: term
    outputs = tuple(output.mapped(handed) for output in relation.outputs)
    if aliases := tree.get("column_name_alias"):
        outputs = renamed(outputs, aliases)
    called = context.spelling.fresh(tree)
    columns = tuple(
        _of_table(mark or str(number), output, called, context) for output in distinct(outputs)
    )
    unique = tuple(frozenset(columns[place].term.text for place in key) for key in relation.unique)
    name = _name(tree)
    table = Table(columns, tree["type"] == "TABLE_FUNCTION" and "reference" not in tree, called)
    numbered = {
        f"#{mark or number}({text})": frozenset(
            f"#{mark or number}({handed(Term(key)).text})" for key in partition
        )
        for text, partition in relation.numbered.items()
    }
    star = tuple((name, column) for column in columns)
    return Source(relation.rows, {name: table}, star, {}, unique, number + 1, numbered=numbered)


def seen_through(tree: Tree, relation: Relation, last: Filter, context: Context) -> Source:
    """A query that is all of a FROM, merged with the SELECT that reads it. See shapes.py."""
    outputs = relation.outputs
    if aliases := tree.get("column_name_alias"):
        outputs = renamed(outputs, aliases)
    called = context.spelling.fresh(tree)
    columns = tuple(_spelled(output, called) for output in distinct(outputs))
    unique = tuple(frozenset(columns[place].term.text for place in key) for key in relation.unique)
    name = _name(tree)
    star = tuple((name, column) for column in columns)
    return Source(
        last.rows,
        {name: Table(columns, called=called)},
        star,
        {},
        unique,
        1,
        last,
        relation.numbered,
    )


def relation_alone(tree: Tree, around: Scope, context: Context) -> Relation | None:
    """The query that is all of a FROM, if it is one."""
    is_query = tree["type"] == "SUBQUERY" or (
        tree["type"] == "BASE_TABLE" and "reference" not in tree
    )
    return _sampled(tree, around, context) if is_query and not tree.get("sample") else None


def _handed_on(term: Term) -> Term:
    """A column of a query whose rows are those of an input; if it is a column of the input, that
    column.

    So an input means the same if it is read through a CTE that only hands it on.
    """
    inner = term._replace(text=term.text.removeprefix("#0(").removesuffix(")"))
    return inner if is_hole(inner) else term


def _asks(tree: Tree, beside: Scope) -> bool:
    """Whether a join has a condition that some rows may not meet."""
    using, condition = tree.get("using_columns"), tree.get("condition")
    return bool(using) or (
        condition is not None and constant(normal(condition, beside)) != (BOOLEAN, "true")
    )


def _spelled(output: Output, called: str) -> Output:
    """A column that is named with its table in front."""
    path = (called, output.name or "*")
    return output.mapped(lambda term: term._replace(name=output.spelled, path=path))


def _of_table(mark: str, output: Output, called: str, context: Context) -> Output:
    """A column as it is seen under the number of its table."""
    path = (called, output.name or "*")
    return output.mapped(
        lambda term: same(f"#{mark}", context.holes.short(term))._replace(
            name=output.spelled, path=path
        )
    )


def _name(tree: Tree) -> str:
    """The name of a table. A table without one gets a name that nobody can write."""
    function = tree.get("function") or {}
    written = (
        tree.get("alias")
        or tree.get("called")
        or tree.get("table_name")
        or function.get("function_name")
        or ""
    )
    return folded(str(written)) or f"\x00{id(tree)}"


def distinct(outputs: Sequence[Output]) -> Iterator[Output]:
    """The columns with distinct names: the engine renames the second of two columns of one name."""
    seen: set[str] = set()
    for output in outputs:
        name = output.name and folded(output.name)
        yield replace(output, name=None, label=f"again {name}") if name in seen else output
        seen |= {name} if name else set()


def _joined(tree: Tree, around: Scope, context: Context, number: int) -> Source:
    kind, way, right = tree["join_type"], tree["ref_type"], tree["right"]
    if kind not in _JOINS or way not in _WAYS:
        raise Obstacle(f"a join of the kind {kind} {way}")
    left = source_of(tree["left"], around, context, number)
    beside = Scope(left, around, around.queries, Marks())
    if right["type"] == "JOIN":
        return both_sides(tree, left, source_of(right, beside, context, left.size), around, context)
    relation = _sampled(right, beside, context)
    one_row = relation.single and kind == "INNER" and way in ("REGULAR", "CROSS")
    keeps_rows = not _asks(tree, beside) if one_row else (kind, way) == ("LEFT", "REGULAR")
    if relation.unique and keeps_rows:
        table = named(right, relation, left.size, context, _LOOKED_UP)
        found = looked_up(tree, left, table, beside, context)
        if found is not None:
            return found
    return both_sides(tree, left, named(right, relation, left.size, context), around, context)
