"""A project as a value: its nodes, and everything that is wrong with its files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seeknal_git.errors import Problem
from seeknal_git.git.tree import Tree
from seeknal_git.nodes.node import Node
from seeknal_git.nodes.values import COMMON_FILES
from seeknal_git.sql.statement import Reading


@dataclass(frozen=True, slots=True)
class Member:
    """A node of a project, with the tables that its SQL and its checks name."""

    node: Node
    # The blob of its file; of a node that uses values of other files, with a hash of these.
    content: str
    sql: Reading | None
    checks: tuple[Reading, ...]
    # The same node in an earlier commit, if its code there decides partitions.
    earlier: Member | None = None


@dataclass(frozen=True, slots=True)
class Project:
    """The nodes of one tree."""

    members: Sequence[Member]  # in the order of their paths
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    foreign: tuple[str, ...]  # the YAML files below seeknal/ that are no nodes
    tree: Tree
    unread: tuple[Problem, ...] = ()  # one for each foreign file that could not be read


def is_node_path(path: str) -> bool:
    """Whether a file, named relative to the project, may hold a node."""
    return (
        path.startswith("seeknal/")
        and path.endswith((".yml", ".yaml"))
        and path not in COMMON_FILES
    )


def is_definition_path(path: str) -> bool:
    """Whether a file may hold a node, or something that nodes use."""
    return is_node_path(path) or path in COMMON_FILES or is_sql_path(path)


def is_sql_path(path: str) -> bool:
    """Whether a file may hold the SQL of a node, or macros."""
    return path.startswith("seeknal/") and path.endswith(".sql")


def is_macro_path(path: str) -> bool:
    """Whether a file holds macros."""
    return path.startswith("seeknal/macros/") and path.endswith(".sql")
