"""Proves that a SELECT over one table looks at each row by itself.

The rows that such a SELECT gives for a table are those that it gives for any parts of the table,
together. So its answer about some rows is known for good. A wrong "row by row" would let rows pass
that nobody looked at, so whatever is not known to look at one row is an obstacle.
"""

from __future__ import annotations

from seeknal_git.sql.analysis import functions
from seeknal_git.sql.analysis.terms import Obstacle
from seeknal_git.sql.analysis.tree import Tree, objects, only
from seeknal_git.sql.analysis.volatile import is_volatile

# The keys that a query and a table may have, and say something.
_QUERY = frozenset(
    {"type", "cte_map", "select_list", "from_table", "where_clause", "aggregate_handling"}
)
_TABLE = frozenset(
    {"type", "alias", "column_name_alias", "qualified_name", "reference", "called"}
    | {"schema_name", "table_name", "catalog_name"}
)
# The classes of expressions that are computed of one row. Windows, sub-queries and parameters are
# others.
_OF_ONE_ROW = frozenset(
    """BETWEEN CASE CAST COLLATE COLUMN_REF COMPARISON CONJUNCTION CONSTANT FUNCTION LAMBDA OPERATOR
    STAR TYPE""".split()
)
_FUNCTIONS = functions.SCALAR | functions.NAMING | functions.LAMBDAS


def is_row_by_row(tree: Tree) -> bool:
    """Whether a SELECT filters the rows of one table, each by itself. tree: the engine's, as
    `sql.engine.parsed` gives it."""
    if tree["type"] != "SELECT_NODE" or tree["aggregate_handling"] != "STANDARD_HANDLING":
        return False
    table = tree["from_table"]
    if table["type"] != "BASE_TABLE" or "reference" not in table or tree["cte_map"]["map"]:
        return False
    try:
        only(tree, _QUERY, "a query")
        only(table, _TABLE, "a table")
    except Obstacle:
        return False
    parts = objects([tree["select_list"], tree["where_clause"]])
    return not is_volatile(tree) and all(_is_of_one_row(part) for part in parts)


def _is_of_one_row(part: Tree) -> bool:
    name = str(part.get("function_name") or "").lower()
    return part.get("class", "TYPE") in _OF_ONE_ROW and (not name or name in _FUNCTIONS)
