"""The SQL of a source that reads another database: one SELECT over tables of that database alone.

It runs with the rights of a connection, and may be of a branch that somebody else wrote. So each
table is named in full, and no function is called that an engine without extensions does not have,
or that opens anything.
"""

from __future__ import annotations

from seeknal_git.names import folded, qualified
from seeknal_git.sql.engine import SqlError, parsed, queries_and_calls
from seeknal_git.sql.reachable import BY_NAME, SETTING, functions_of_engine
from seeknal_git.sql.statement import Reference, rendered


def checked(sql: str) -> None:
    """Raise SqlError unless a text is one SELECT that opens nothing but tables."""
    tree, references = parsed(sql)
    for reference in references:
        if reference.target.endswith("()") or reference.explicit:
            name = "ref()" if reference.explicit else reference.target
            raise SqlError(f"it names tables of its connection alone, and no {name}", 1)
    names = {folded(call["function_name"]) for call in queries_and_calls(tree)[1]}
    if unknown := sorted(names - functions_of_engine() | names & {*BY_NAME, SETTING}):
        raise SqlError(f"there is no function {unknown[0]}() that it may call", 1)


def over_catalog(sql: str, catalog: str, schema: str) -> str:
    """The SELECT with each table named in full. schema: of names without one. Raises SqlError."""
    checked(sql)
    return rendered(sql, parsed(sql)[1], lambda reference: _in_full(reference, catalog, schema))


def table_in_full(name: str, catalog: str, schema: str) -> str:
    """A table that a node names as `schema.table`, as the engine names it. Raises SqlError."""
    return over_catalog(f"SELECT * FROM {name}", catalog, schema)


def _in_full(reference: Reference, catalog: str, schema: str) -> str:
    *around, name = reference.target.split(".")
    if len(around) == 2 and folded(around[0]) != folded(catalog):
        raise SqlError(f"{reference.target} is not a table of {catalog}", 1)
    return qualified(catalog, around[-1] if around else schema, name)
