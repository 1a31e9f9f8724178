"""What production has to be: every table is its SELECT over the tables that production shows, every
source is one load of its files, and every delivered file is its table. This is computed by the
engine alone, without seeknal.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import yaml

from tests.conftest import Repo, opened

Rows = Counter[tuple[Any, ...]]
Definition = Mapping[str, Any]
Definitions = dict[str, Definition]

# What a column may be another one in each time that it is computed.
CHANCE = "random()"
NONE: Rows = Counter()


class Violation(AssertionError):
    """Production is not what it has to be."""


@dataclass(frozen=True)
class View:
    columns: tuple[str, ...]
    rows: Rows

    def without_chance(self) -> Rows:
        """Columns called r are made by chance."""
        kept = [place for place, name in enumerate(self.columns) if name != "r"]
        return _projected(self.rows, kept)


def _projected(rows: Rows, places: list[int]) -> Rows:
    found: Rows = Counter()
    for row, number in rows.items():
        found[tuple(row[place] for place in places)] += number
    return found


@dataclass
class Shown:
    """What production shows. defined: node → its definition, as far as that can be told; views,
    files: as they are."""

    defined: dict[str, tuple[Definition, ...]] = field(default_factory=dict)
    views: dict[str, View] = field(default_factory=dict)
    files: dict[str, str | None] = field(default_factory=dict)


def definitions(texts: Iterable[str]) -> Definitions:
    """`kind.name` → the node."""
    nodes = [{**yaml.safe_load(text), "text": text.strip()} for text in texts]
    return {f"{node['kind']}.{node['name']}": node for node in nodes}


def in_tree(repo: Repo) -> Definitions:
    return definitions(path.read_text() for path in sorted(repo.path.glob("seeknal/**/*.yml")))


def in_commit(repo: Repo, commit: str) -> Definitions:
    paths = repo.git("ls-tree", "-r", "--name-only", commit, "seeknal").splitlines()
    return definitions(repo.git("show", f"{commit}:{path}") for path in paths)


def is_view(node: str) -> bool:
    return node.startswith(("source.", "transform."))


def contents(repo: Repo, schema: str = "main") -> dict[str, View]:
    """View → its columns and rows."""
    if not repo.warehouse.exists():
        return {}
    with opened(repo.warehouse, "READ_ONLY") as connection:
        names = connection.execute(
            "SELECT view_name FROM duckdb_views() WHERE schema_name = $1 AND NOT internal", [schema]
        ).fetchall()
        return {name: asked(connection, f'SELECT * FROM "{schema}"."{name}"') for (name,) in names}


def asked(connection: duckdb.DuckDBPyConnection, sql: str) -> View:
    rows = connection.execute(sql).fetchall()
    return View(tuple(column[0] for column in connection.description or ()), Counter(rows))


def load(root: Path, source: Definition, committed: str | None = None) -> Rows:
    """The rows of a source's files, or of the one file that a commit has."""
    texts = (
        [committed]
        if committed is not None
        else [path.read_text() for path in sorted(root.glob(source["table"]))]
    )
    return Counter((int(line),) for text in texts for line in text.splitlines()[1:] if line)


def statement(sql: str, schema: str = "main") -> str:
    return re.sub(r"\b(source|transform)\.(\w+)", rf'"{schema}"."\2"', sql)


def wrong_tables(
    repo: Repo, defined: Mapping[str, tuple[Definition, ...]], schema: str = "main"
) -> list[str]:
    """The transforms that are not what any of their definitions makes of the tables shown."""
    views = contents(repo, schema)
    with opened(repo.warehouse, "READ_ONLY") as connection:
        return [
            f"{node} is not its SELECT over the tables shown"
            for node, options in sorted(defined.items())
            if node.startswith("transform.")
            and not matching(connection, views.get(name_of(node)), options, schema)
        ]


def matching(
    connection: duckdb.DuckDBPyConnection,
    view: View | None,
    options: Iterable[Definition],
    schema: str = "main",
) -> tuple[Definition, ...]:
    """The definitions that make a view."""
    found = []
    for option in options:
        try:
            made = asked(connection, statement(option["transform"], schema))
        except duckdb.Error:
            continue
        if view and made.columns == view.columns and made.without_chance() == view.without_chance():
            found.append(option)
    return tuple(found)


def told_apart(
    repo: Repo, defined: Mapping[str, tuple[Definition, ...]], views: Mapping[str, View]
) -> dict[str, tuple[Definition, ...]]:
    """Of the definitions that each node may have, those that make what is shown."""
    with opened(repo.warehouse, "READ_ONLY") as connection:
        return {
            node: matching(connection, views[name_of(node)], options)
            if node.startswith("transform.")
            else options
            for node, options in defined.items()
        }


def name_of(node: str) -> str:
    return node.partition(".")[2]


def paths_of(defined: Mapping[str, tuple[Definition, ...]]) -> dict[str, str]:
    """File of production → the view that it is made of, if that is certain."""
    certain = [
        options[0]
        for node, options in defined.items()
        if node.startswith("exposure.") and len(options) == 1
    ]
    return {each["params"]["path"]: name_of(each["inputs"][0]) for each in certain}


def is_file_of(text: str | None, view: View | None) -> bool:
    """Whether a CSV file has the rows of a table."""
    if text is None or view is None:
        return False
    lines = text.splitlines()
    return lines[0] == ",".join(view.columns) and Counter(lines[1:]) == Counter(
        ",".join("" if value is None else _text(value) for value in row)
        for row in view.rows.elements()
    )


def _text(value: object) -> str:
    return repr(value) if isinstance(value, float) else str(value)
