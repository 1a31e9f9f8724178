"""The data version of each source of a graph: the tree's, a load that is kept, or a new one."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from seeknal_git.errors import Problem, ProjectError
from seeknal_git.nodes.node import Node
from seeknal_git.project.data_versions import contents_of, links, read_by_this_engine
from seeknal_git.project.fingerprints import digest, whole_of_source
from seeknal_git.project.graph import Graph
from seeknal_git.project.raw_data import DataRoot


def keeps_load(source: Node, root: DataRoot, version: str) -> bool:
    """Whether a source keeps a load. If git tracks some of its files, or links to them, these
    decide."""
    files = root.files(source)
    if not any(file.blob for file in files):
        return "".join(version.split("@")[2:]) == links(files)
    return all(file.blob for file in files) and root.contents(source, files) == contents_of(version)


def tracked_versions(graph: Graph, root: DataRoot) -> dict[str, str]:
    """The contents that the tree itself decides: those of sources whose files are all tracked by
    git."""
    found = {}
    for source in graph.sources():
        files = root.files(source)
        if files and all(file.blob for file in files):
            found[source.id] = root.contents(source, files)
    return found


def tracked_parts(graph: Graph, root: DataRoot) -> dict[str, str]:
    """The tree's version of raw data, also if git tracks only some of a source's files, or links to
    them."""
    found = tracked_versions(graph, root)
    for source in graph.sources():
        files = root.files(source)
        if source.id not in found and any(file.tracked for file in files):
            found[source.id] = digest(
                "parts", *(f"{file.path} {file.tracked or ''}" for file in files if file.tracked)
            )
    return found


def untracked_sources(graph: Graph, root: DataRoot) -> set[str]:
    """Sources with no tracked files. A branch keeps using the load it already has."""
    return {
        source.id for source in graph.sources() if not any(file.blob for file in root.files(source))
    }


def need_versions(
    graph: Graph, root: DataRoot, known: Mapping[str, str], spared: Collection[str] = ()
) -> dict[str, str]:
    """The data version of every source: tracked, else known (by id), else read now. Raises
    ProjectError.

    spared: the sources that get no version if they have no files. If git tracks only some files of
    a source, all are read now: the tracked ones are part of the tree. Sources of one definition
    have one version, even if their files move in the meantime.
    """
    read: dict[str, str] = {}
    found = {
        source: version
        if contents_of(version := known.get(source, "")) == contents
        else read_by_this_engine(contents)
        for source, contents in tracked_versions(graph, root).items()
    }
    problems: list[Problem] = []
    for source in graph.sources():
        if source.id in found:
            continue
        whole = whole_of_source(source)
        if source.id in known and keeps_load(source, root, known[source.id]):
            found[source.id] = known[source.id]
            continue
        if source.id in spared and not root.files(source):
            continue
        try:
            found[source.id] = read[whole] = read.get(whole) or root.version(source)
        except ProjectError as exc:
            problems += exc.problems
    if problems:
        raise ProjectError(problems)
    return found
