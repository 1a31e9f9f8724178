"""Load extensions of the engine: out of the package that holds one for this very version, else one
that is installed for the user, else from the network.

An extension is native code, so it is loaded before the engine is closed, and by its name alone: no
project names one.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from seeknal_git.errors import SeeknalError
from seeknal_git.names import literal
from seeknal_git.sql.engine_version import engine_version

if TYPE_CHECKING:
    import duckdb


class MissingExtension(SeeknalError):
    """An extension that this machine does not have, and cannot get."""

    def __init__(self, name: str, words: str) -> None:
        version = engine_version()
        package = f"duckdb-extension-{name.replace('_', '-')}=={version}"
        super().__init__(
            f"DuckDB {version} has no extension {name} here, and cannot get it: {words}",
            f"Install it beside DuckDB: pip install {package}. There is none for some versions: "
            f"where there is a network, DuckDB gets it by itself (INSTALL {name}).",
        )
        self.name = name


def engine(names: Iterable[str]) -> duckdb.DuckDBPyConnection:
    """A new engine in memory, for these extensions and no others. It checks no signature if all of
    them are out of packages, which came here as the engine itself did: to do so takes 0.2 seconds
    for each. One that is installed, or comes from the network, is checked. As soon as the engine is
    closed, it loads nothing any more."""
    import duckdb

    unsigned = all(map(packaged, names))
    return duckdb.connect(":memory:", config={"allow_unsigned_extensions": unsigned})


def load(connection: duckdb.DuckDBPyConnection, names: Iterable[str]) -> None:
    """Load extensions, such as `ducklake` and `postgres_scanner`, into an engine that is not closed
    yet. Raises MissingExtension."""
    for name in names:
        _load(connection, name)


def packaged(name: str) -> Path | None:
    """The file of an extension in its package, of the engine's own version; None if it is not
    installed."""
    found = find_spec(f"duckdb_extension_{name}")
    for folder in found.submodule_search_locations or () if found else ():
        path = Path(folder, "extensions", f"v{engine_version()}", f"{name}.duckdb_extension")
        if path.is_file():
            return path
    return None


def _load(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    import duckdb

    path = packaged(name)
    if path is not None:
        connection.execute(f"LOAD {literal(str(path))}")
        return
    try:
        connection.execute(f"LOAD {name}")
    except duckdb.Error:  # it is not installed
        try:
            connection.execute(f"INSTALL {name}; LOAD {name}")
        except duckdb.Error as exc:
            raise MissingExtension(name, _first_line(exc)) from exc


def _first_line(exc: duckdb.Error) -> str:
    return (str(exc).strip().splitlines() or ["no reason is given"])[0]
