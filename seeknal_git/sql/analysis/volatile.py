"""Whether a statement may give another result at another time, on the same tables."""

from __future__ import annotations

from seeknal_git.sql.analysis import functions
from seeknal_git.sql.analysis.tree import Tree, objects

KNOWN = frozenset(functions.TABLES).union(
    functions.SCALAR,
    functions.NAMING,
    functions.LAMBDAS,
    functions.AGGREGATE,
    functions.ORDERED,
    functions.COLLECTING,
    functions.RANKING,
    functions.POSITIONAL,
)


def is_volatile(tree: Tree) -> bool:
    """Whether the engine's tree of a statement uses the time, chance, or a function that is on no
    list."""
    return any(_of_another_time(part) for part in objects(tree))


def _of_another_time(tree: Tree) -> bool:
    function, names = str(tree.get("function_name") or "").lower(), tree.get("column_names") or ()
    if function and function not in KNOWN:
        return True
    called = [str(name).lower() for name in names]  # `current_date` stands without parentheses
    return bool(tree.get("sample")) or (len(called) == 1 and called[0] in functions.VOLATILE)
