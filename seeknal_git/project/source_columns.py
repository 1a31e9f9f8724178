"""The columns of sources, from their files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from seeknal_git.errors import Problem, ProjectError
from seeknal_git.nodes.node import Node
from seeknal_git.project.contract import drifted, read_by, told
from seeknal_git.project.data_files import DataFile
from seeknal_git.project.data_versions import adopting
from seeknal_git.project.graph import Graph
from seeknal_git.project.guessing import Found, guessed, remembered
from seeknal_git.project.raw_data import DataRoot
from seeknal_git.sql.statement import Columns, columns_typed


@dataclass(slots=True)
class SourceFiles:
    """The files of some sources, and everything that comes up while they are read."""

    root: DataRoot
    files: dict[str, list[DataFile]] = field(default_factory=dict)  # of the sources that have any
    guesses: dict[str, Found] = field(default_factory=dict)  # those that are remembered
    # source → the contents in which its columns were found
    read: dict[str, str] = field(default_factory=dict)
    # source → the hash of everything that it takes from an earlier load
    adopted: dict[str, str] = field(default_factory=dict)
    absent: dict[str, Problem] = field(default_factory=dict)  # one for each source without files
    unfound: list[Problem] = field(default_factory=list)  # files that cannot be had
    problems: list[Problem] = field(default_factory=list)  # files that do not fit
    warnings: list[Problem] = field(default_factory=list)

    @classmethod
    def of(cls, sources: Iterable[Node], root: DataRoot) -> SourceFiles:
        """Look for the files. Raises ProjectError."""
        made = cls(root)
        there: list[tuple[Node, list[DataFile]]] = []
        for source in sources:
            try:
                if source.outside and (refused := _refused(source, root)):
                    made.problems += refused
                    continue
                if files := root.sound_files(source):
                    made.read[source.id] = root.contents(source, files)
                    there.append((source, files))
                elif not made._is_known(source):
                    made.absent[source.id] = root.absence(source)
            except ProjectError as exc:
                made.unfound += exc.problems
        made.files = {source.id: files for source, files in there}
        made.guesses = remembered(root, there)
        return made

    def _is_known(self, source: Node) -> bool:
        """Whether nobody misses the rows of a source outside: a plan knows its columns."""
        away = self.root.away.get(source.id)
        if not source.outside or (away and away.problem):
            return False
        return source.id in self.root.contracts or bool(away and away.columns)

    def columns(self, source: Node) -> Columns | None:
        """The columns of a source: of its last load if it has no files, None if they cannot be
        read."""
        if source.id not in self.files:
            may_be_away = source.id in self.absent or source.outside
            contract = self.root.contracts.get(source.id) if may_be_away else None
            away = self.root.away.get(source.id)
            if contract:
                return columns_typed(contract.columns)
            return away.columns if away else None
        try:
            found = self.guesses.get(source.id) or guessed(source, self.root)
            self.read[source.id], guess = found
            reader = read_by(source, self.root, guess)
        except ProjectError as exc:  # raw data that cannot be had, or does not fit
            self.problems += exc.problems
            return None
        errors, warnings = drifted(source, reader)
        self.problems += errors
        self.warnings += [*warnings, *told(source, reader)]
        if reader.adopted:
            self.adopted[source.id] = reader.adopted
            self.read[source.id] = adopting(self.read[source.id], reader.adopted)
        return reader.columns


def _refused(source: Node, root: DataRoot) -> list[Problem]:
    """The problem of the query of a source outside of the project."""
    from seeknal_git.project.outside import refused_query

    return refused_query(source, root.cache)


def columns_now(
    graph: Graph, root: DataRoot, sources: Iterable[str]
) -> tuple[dict[str, Columns], list[Problem]]:
    """The columns that sources would have if they were read now, and the problems of
    their files."""
    nodes = [graph.node(source) for source in sources]
    files = SourceFiles.of(nodes, root)
    found = {node.id: files.columns(node) for node in nodes}
    known = {source: columns for source, columns in found.items() if columns}
    return known, [*files.unfound, *files.problems]
