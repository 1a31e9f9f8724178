"""Notes on the meaning of each name of a statement, made while the statement is taken apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from seeknal_git.names import folded
from seeknal_git.sql.analysis.terms import FRESH, ITEM, Path
from seeknal_git.sql.analysis.tree import Tree, origin
from seeknal_git.sql.statement import tables_with_ctes


@dataclass(slots=True)
class Spelling:
    """Objects of the tree are known by their `id`, since one text may mean two things at two
    places."""

    # The path of each name of a column.
    names: dict[int, Path] = field(default_factory=dict)
    # The name of each table of a FROM, and of each CTE, in the statement that is written again.
    called: dict[int, str] = field(default_factory=dict)
    # The columns, with their names, that an item with a star stands for.
    stars: dict[int, list[tuple[Path, str]]] = field(default_factory=dict)
    # The pairs of columns that USING compares.
    joins: dict[int, list[tuple[Path, Path]]] = field(default_factory=dict)
    # Expressions that a path may stand for.
    items: dict[str, Tree] = field(default_factory=dict)
    # The CTE that a table of a FROM reads.
    queries: dict[int, str] = field(default_factory=dict)
    # The same, for each query that is left whole.
    pieces: dict[int, dict[int, str]] = field(default_factory=dict)
    # A name that cannot be written again, so that nothing can be confirmed.
    unclear: str = ""

    def name(self, tree: Tree, path: Path) -> None:
        """Note the meaning of a name. A name that is read twice must have the same meaning."""
        if not path or self.names.setdefault(origin(tree), path) != path:
            self.unclear = self.unclear or ".".join(tree["column_names"])

    def fresh(self, tree: Tree) -> str:
        """The name of a table of a FROM, or of a CTE: one that nobody can write."""
        return self.called.setdefault(id(tree), f"{FRESH}{len(self.called)}")

    def item(self, tree: Tree) -> Path:
        """The path that means an expression."""
        self.items[str(id(tree))] = tree
        return (ITEM, str(id(tree)))

    def star(self, tree: Tree, columns: Sequence[tuple[Path, str]]) -> None:
        if self.stars.setdefault(id(tree), list(columns)) != list(columns):
            self.unclear = self.unclear or "*"

    def piece(self, tree: Tree, queries: Mapping[str, str]) -> None:
        """Note a query that stays as it is written. queries: the new names of the CTEs that it
        sees."""
        found = [
            (table, folded(table["table_name"]), inner)
            for table, inner in tables_with_ctes(tree)
            if table["type"] == "BASE_TABLE" and "reference" not in table
        ]
        self.pieces[id(tree)] = {
            id(table): queries[name]
            for table, name, inner in found
            if name in queries and name not in inner
        }
