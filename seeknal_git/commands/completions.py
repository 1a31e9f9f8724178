"""The names of a project that complete a command line: of branches, nodes, columns and others.

To find them runs nothing of the project: files are parsed, and the state of the warehouse is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

from seeknal_git.commands.shown_tables import shown_tables
from seeknal_git.git import repository as git
from seeknal_git.names import PRODUCTION_ALIAS, called
from seeknal_git.nodes.kinds import KINDS, NAMED
from seeknal_git.nodes.node import Node
from seeknal_git.nodes.semantics import Catalogue, catalogue_of
from seeknal_git.plan.selection import FACTS, METHODS
from seeknal_git.project.node_files import load_project
from seeknal_git.project.workspace import Workspace, current_tree

# The last term of a selection: its steps upstream, and the rest.
_LAST_TERM = re.compile(r"(.*[ ,]|)(\d*\+|)([^ ,]*)", re.DOTALL)


@dataclass(frozen=True)
class Completions:
    """The names of a project, each list read when it is asked for.

    begun: the word that is to be completed, which says how a name is to be written.
    """

    workspace: Workspace
    begun: str = ""

    @cached_property
    def _nodes(self) -> list[Node]:
        workspace = self.workspace
        tree = current_tree(workspace)
        members = load_project(workspace.vocabulary(tree), workspace.cache).members
        return [member.node for member in members]

    def branches(self) -> list[str]:
        """The branches of this clone and of remotes, and the alias of production."""
        return [*git.known_branches(self.workspace.repository), PRODUCTION_ALIAS]

    def nodes(self) -> list[str]:
        """The nodes by their names, or with their kinds if the name does not say enough."""
        return self._named(self._nodes, self.begun)

    def tables(self) -> list[str]:
        """The nodes that have a table."""
        return self._named([node for node in self._nodes if node.yields_table], self.begun)

    def columns(self) -> list[str]:
        """The nodes; behind a node and a dot, its columns, as the environment shows them."""
        owner, dot, _ = self.begun.rpartition(".")
        found = shown_tables(self.workspace) if dot else {}
        of = [table for node, table in found.items() if owner in (node, called(node))]
        return [*self.nodes(), *(f"{owner}.{column}" for table in of for column in table.columns)]

    def columns_of_any(self) -> list[str]:
        """The columns of all tables."""
        tables = shown_tables(self.workspace).values()
        return list(dict.fromkeys(column for table in tables for column in table.columns))

    def selection(self) -> list[str]:
        """The last term of a selection."""
        found = _LAST_TERM.fullmatch(self.begun)
        before, steps, term = found.groups() if found else ("", "", self.begun)
        methods = (f"{method}:" for method in METHODS if method != "name")
        values: dict[str, Callable[[], Iterable[str]]] = {
            "tag": self.tags,
            "kind": self.kinds,
            "owner": self.owners,
            "path": self.paths,
        }
        method, colon, _ = term.partition(":")
        if colon:
            terms = [f"{method}:{value}" for value in values.get(method, list)()]
        else:
            terms = [*self._named(self._nodes, term), *FACTS, *methods]
        return [f"{before}{steps}{written}" for written in terms]

    def kinds(self) -> list[str]:
        """The kinds of nodes."""
        return list(NAMED)

    def kinds_of_drafts(self) -> list[str]:
        """The kinds of nodes and of entries in common files, as `draft` takes them."""
        common = ("common-source", "common-rule", "common-transformation")
        return [*(kind.replace("_", "-") for kind in KINDS), *common]

    def tags(self) -> list[str]:
        """The tags of nodes."""
        return sorted({tag for node in self._nodes for tag in node.tags})

    def owners(self) -> list[str]:
        """The owners of nodes."""
        owners = (node.document.get("owner") for node in self._nodes)
        return sorted({str(owner) for owner in owners if owner})

    def paths(self) -> list[str]:
        """The files of nodes."""
        return sorted({node.path for node in self._nodes})

    def metrics(self) -> list[str]:
        """The metrics, and the measures of semantic models, which are metrics too."""
        measures = (name for model in self._catalogue.models.values() for name in model.measures)
        return list(dict.fromkeys([*self._catalogue.metrics, *measures]))

    def dimensions(self) -> list[str]:
        """The dimensions of semantic models."""
        models = self._catalogue.models.values()
        return list(dict.fromkeys(name for model in models for name in model.dimensions))

    @cached_property
    def _catalogue(self) -> Catalogue:
        kinds = ("semantic_model", "metric")
        return catalogue_of(node for node in self._nodes if node.kind in kinds)

    def _named(self, nodes: Iterable[Node], begun: str) -> list[str]:
        ids = [node.id for node in nodes]
        if "." in begun:
            return ids
        names = list(dict.fromkeys(called(identifier) for identifier in ids))
        return names if any(name.startswith(begun) for name in names) else ids
