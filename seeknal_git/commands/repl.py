"""The command `repl`: statements that come in lines, and the words that complete them."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from seeknal_git.commands.shown_tables import shown_tables
from seeknal_git.environments.revision import environment_of, revision_of
from seeknal_git.errors import SeeknalError
from seeknal_git.names import bare, schema_of
from seeknal_git.project.workspace import Workspace
from seeknal_git.sql.macros import tokens
from seeknal_git.warehouse.opening import open_for_state


def divided(text: str) -> tuple[list[str], str]:
    """The statements of a text that a semicolon ends, and the rest; "" if that is blank.

    A semicolon within a text or a comment ends nothing. A comment alone is no statement.
    """
    found, begin = list[str](), 0
    for token in tokens(text):
        if token.text == ";":
            found.append(text[begin : token.start].strip())
            begin = token.start + 1
    rest = text[begin:]
    return list(filter(_says_something, found)), rest if _says_something(rest) else ""


def _says_something(text: str) -> bool:
    return not all(token.is_blank for token in tokens(text))


def words(workspace: Workspace, environment: str | None = None) -> list[str]:
    """The names of tables, nodes and columns that a statement may have; none if they cannot be
    read."""
    with suppress(SeeknalError):
        shown = shown_tables(workspace, environment)
        tables = {node: table for node, table in shown.items() if table.view}
        columns = (column for table in tables.values() for column in table.columns)
        views = (table.view for table in tables.values())
        return list(dict.fromkeys([*map(bare, views), *tables, *map(bare, columns)]))
    return []


def need_environment(workspace: Workspace, name: str) -> None:
    """Raise UsageError, with the nearest name, for an environment that does not exist."""
    if workspace.has_warehouse:
        with open_for_state(
            workspace.warehouse_location, workspace.marks, workspace.until
        ) as warehouse:
            if schema_of(workspace.branch_of(name)) in warehouse.environments.all():
                return  # also if its branch is gone
    revision_of(workspace, name)


def asked(workspace: Workspace, environment: str | None) -> str:
    """The name of the environment that is asked."""
    return environment_of(workspace, environment)


def history_file(workspace: Workspace) -> Path:
    """Where a prompt keeps the lines that were typed, beside git's own files."""
    return workspace.repository.private / "repl_history"
