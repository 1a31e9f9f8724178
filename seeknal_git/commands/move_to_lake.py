"""The command `warehouse move ducklake`: copy the warehouse file into the lake that the project
file names.

The project file says where, and git makes it count: the commit of that line is the switch. So no
password is typed, each person's `profiles.yml` has its say, and a copy that was cut off changes
nothing for anybody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from seeknal_git.errors import Problem, ProjectError, UsageError
from seeknal_git.nodes.node import Node
from seeknal_git.project.branch_settings import need_authority
from seeknal_git.project.lake_columns import unheld_column
from seeknal_git.project.node_files import load_project
from seeknal_git.project.settings import PROJECT_FILE
from seeknal_git.project.workspace import Workspace, current_tree
from seeknal_git.warehouse import moving
from seeknal_git.warehouse.location import Lake
from seeknal_git.warehouse.model.copies import Contents, Copy, Obstacle

DUCKLAKE = "ducklake"
_LINES = (
    'warehouse:\n  type: ducklake\n  catalog: "postgres:dbname=lake host=db.example '
    'user=${LAKE_USER} password=${LAKE_PASSWORD}"\n  data: "s3://bucket/lake/"'
)


@dataclass(frozen=True, slots=True)
class MovedToLake:
    """A warehouse file that was copied, or would be."""

    lake: Lake
    contents: Contents
    copy: Copy | None  # None if nothing was copied
    counts: bool  # whether the lake is the warehouse already, as production names it


def move_to_lake(
    workspace: Workspace,
    file: str | None = None,
    *,
    dry: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> MovedToLake:
    """Copy the warehouse file into the lake that the project file here names. The file stays.

    file: its path below the project; without it, the warehouse, or git's own place. dry: copy
    nothing. tell: is called with each step. Raises UsageError, ProjectError or WarehouseError.
    """
    need_authority(workspace)
    lake = workspace.lake_at_hand
    if lake is None:
        raise UsageError(
            f"{PROJECT_FILE} names no lake.", f"Write it there, and commit it afterwards:\n{_LINES}"
        )
    path, owner = _file(workspace, file), workspace.marks
    contents = moving.contents(path, owner, workspace.until)
    if contents.obstacles:
        raise ProjectError([*_problems(workspace, contents)])
    counts = not isinstance(workspace.settings.warehouse, str)
    if dry:
        moving.need_room(path, lake, owner, workspace.until)
        return MovedToLake(lake, contents, None, counts)
    copy = moving.copy_into(lake, contents, owner, deadline=workspace.until, tell=tell)
    return MovedToLake(lake, contents, copy, counts)


def _file(workspace: Workspace, named: str | None) -> Path:
    """The file to copy. Raises UsageError if there is none."""
    place = workspace.place
    found = place.below_home(named) if named else place.path
    if not found.exists():
        raise UsageError(
            f"There is no warehouse {found} to copy.",
            "Name its path, as seen from the project's folder: "
            f"seeknal warehouse move {DUCKLAKE} --from PATH. "
            "A project that was never run needs no move.",
        )
    return found


def _problems(workspace: Workspace, contents: Contents) -> Iterator[Problem]:
    vocabulary = workspace.vocabulary(current_tree(workspace))
    members = load_project(vocabulary, workspace.cache).members
    nodes = {member.node.id: member.node for member in members}
    for obstacle in contents.obstacles:
        node = nodes.get(obstacle.node)
        found = _problem(obstacle, node)
        shown = f"{' and '.join(obstacle.environments)} {_SHOWS[len(obstacle.environments) > 1]} it"
        yield replace(found, message=f"{found.message} ({shown})")


_SHOWS = ("shows", "show")


def _problem(obstacle: Obstacle, node: Node | None) -> Problem:
    column = obstacle.column
    if column is None:
        return Problem(
            f"{obstacle.node} is a view of files in place, which no other machine has.",
            node.path if node else None,
            node.line("materialized") if node else None,
            "Leave out `materialized: view`, commit, and run: then its rows are in a table.",
            obstacle.node,
        )
    if node is not None:
        found = unheld_column(node, column)
        return replace(found, hint=f"{found.hint}. Then commit, and run it in each environment.")
    return Problem(
        f"The column {column.column} of {obstacle.node} is of type {column.type}, which no lake "
        "holds.",
        hint="The node is not here: end the environments that show it (seeknal env delete).",
        node=obstacle.node,
    )
