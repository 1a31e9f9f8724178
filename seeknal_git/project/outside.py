"""The data of sources outside of the project, as one command sees it.

A plan asks for columns alone, and only if nobody knows them. A run asks each source that it reads
whether it moved, and has the rows of those that did written to a file of ours. From there on they
are raw data like any other.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from seeknal_git.errors import Problem, ProjectError, SeeknalError
from seeknal_git.files import make_private, write_whole
from seeknal_git.git import repository as git
from seeknal_git.nodes.node import Node
from seeknal_git.nodes.outside import FILES, LAKES, is_url
from seeknal_git.project.connections import Profiles, read_profiles
from seeknal_git.project.data_files import DataFile
from seeknal_git.project.data_versions import contents_hash, read_by_this_engine
from seeknal_git.project.fingerprints import digest, whole_of_source
from seeknal_git.project.guess import columns_of
from seeknal_git.project.held_files import ending_of, remembered_blob_id
from seeknal_git.project.outsides import OUTSIDE, Away, Outsides, drop_unused, used
from seeknal_git.sql.addresses import Address
from seeknal_git.sql.engine_version import engine_version

if TYPE_CHECKING:
    from seeknal_git.cache import Cache
    from seeknal_git.git.tree import TrackedPaths
    from seeknal_git.project.workspace import Workspace
    from seeknal_git.sql.outside import Outside, RemoteFile, Table

_COLUMNS, _REMOTE, _QUERIES = "outside columns", "remote files", "outside queries"
EACH_RUN = (
    "{} is read at each run, as nothing says when it moved: `params: {{version: "
    "watermark(COLUMN)}}` asks first, and `version: each_run` means this."
)


def seeing_of(workspace: Workspace, tracked: TrackedPaths) -> Seeing:
    """How a command sees the sources outside. The branch that it is about decides the profiles."""
    repository, places = workspace.repository, workspace.profiles
    environment = workspace.given.environment or git.current_branch(repository)
    branch = environment or workspace.production
    profiles = cache(lambda: read_profiles(places, branch, tracked))
    return Seeing(workspace.outsides, profiles, repository.private, places.folders, workspace.cache)


@dataclass(frozen=True, slots=True)
class Seeing:
    """How the sources outside of a tree are seen."""

    outsides: Outsides
    profiles: Callable[[], Profiles]
    private: Path  # the clone's own folder
    home: tuple[Path, ...]  # where files below the project are
    cache: Cache

    def away(self, source: Node, load: str | None) -> Away:
        """A source, seen once. load: the version of the load that it has, if there is any."""
        outsides = self.outsides
        key = digest(whole_of_source(source), json.dumps(dict(source.outside)), load or "")
        if key not in outsides.seen:
            outsides.seen[key] = self._looked_at(source, load)
        found = outsides.seen[key]
        if found.problem is None:
            return found
        # Another source of the same definition may have been the first.
        if found.problem.path == self.profiles().path:
            return replace(found, problem=replace(found.problem, node=source.id, group=OUTSIDE))
        told = _at(source, found.problem.message, found.problem.hint)
        return replace(found, problem=told)

    def _looked_at(self, source: Node, load: str | None) -> Away:
        try:
            if self.outsides.reads:
                return self._read(source, load)
            if load is None and not source.definition["types"]:
                return self._asked(source)
        except ProjectError as exc:
            return Away(problem=exc.problems[0])
        return Away()

    # Plans

    def _asked(self, source: Node) -> Away:
        """The columns of a source that was never read, from the database itself, once. Raises
        ProjectError."""
        if source.outside["system"] == FILES:
            message = f"{source.id} reads {source.outside['object']}, which no run has read yet."
            hint = "Declare its columns (`schema`) to have its readers checked before the first run"
            raise ProjectError([_at(source, message, f"{hint}.")])
        said = json.dumps(source.definition, sort_keys=True)
        key = digest(said, engine_version())
        if (known := self.cache.get(_COLUMNS, [key]).get(key)) is not None:
            return Away(columns=columns_of(known))
        with self._opened(source) as (made, table):
            columns = made.columns(table)
        self.cache.put(_COLUMNS, {key: columns})
        return Away(columns=columns)

    # Runs

    def _read(self, source: Node, load: str | None) -> Away:
        """The rows of a source, if they moved. Raises ProjectError."""
        if source.outside["system"] == FILES:
            return self._downloaded(source, load)
        with self._opened(source) as (made, table), made.unmoved():
            asked, note = _version_of(source)
            select = made.select(table)
            answer = _answer(made, select, asked)
            path = str(source.definition["path"])
            if answer and load and not self.outsides.full:
                file = DataFile(path, Path(path), content=digest("outside", *answer))
                if _as_load([file]) == load:
                    return Away(version=load)
            folder = self.outsides.folder(self.private)
            at = folder / f"{uuid.uuid4().hex[:16]}.parquet"
            made.copy(select, at)
            if not answer or asked["by"] == "digest":  # the rows that were read count
                answer = ("digest", made.digest_of(at))
        return Away(files=(DataFile(path, at, content=digest("outside", *answer)),), note=note)

    def _downloaded(self, source: Node, load: str | None) -> Away:
        folder = self.private / "outside" / "files"
        make_private(folder.parent)
        make_private(folder)
        url = str(source.outside["object"])
        pattern = f"{url}**" if url.endswith("/") else url
        with self._opened(source) as (made, _):
            found = [file for file in made.files(pattern) if not file.url.endswith("/")]
            if not found:
                message = f"{source.id} reads {url}, and there is no such file."
                raise ProjectError([_at(source, message, "Correct the URL.")])
            keys = {file.url: _key_of(file) for file in found}
            known = self.cache.get(_REMOTE, filter(None, keys.values()))
            blobs = {url: known.get(key or "") for url, key in keys.items()}
            if load and not self.outsides.full and all(blobs.values()):
                files = [DataFile(url, folder, content=blobs[url]) for url in sorted(blobs)]
                if _as_load(files) == load:
                    return Away(version=load)
            files = [self._downloaded_file(made, folder, file, keys[file.url]) for file in found]
            drop_unused(folder)
        return Away(files=tuple(sorted(files, key=lambda file: file.path)))

    def _downloaded_file(
        self, made: Outside, folder: Path, file: RemoteFile, key: str | None
    ) -> DataFile:
        if not key:  # it is of no use to the next command
            folder = self.outsides.folder(self.private)
        at = folder / f"{key or uuid.uuid4().hex}{ending_of(file.url.partition('?')[0])}"
        if not used(at):
            write_whole(at, made.content(file.url))
        blob = remembered_blob_id(at, self.cache)
        if key:
            self.cache.put(_REMOTE, {key: blob})
        return DataFile(file.url, at, content=blob)

    # Connections

    @contextmanager
    def _opened(self, source: Node) -> Iterator[tuple[Outside, Table]]:
        """Raises ProjectError with the one problem of whatever fails in the block."""
        from seeknal_git.sql.outside import Table, Unreached, outside

        address, line = self._address(source)
        given, place = source.outside, address.name
        if place and place in self.outsides.lost:
            message, hint = self.outsides.lost[place]
            raise ProjectError([_at(source, f"{source.id}: {message}.", hint)])
        named = self._object(source, address)
        places = [named] if given["system"] in LAKES and not address.has_catalog else []
        if given["system"] == FILES:
            places = [named.partition("*")[0]]
        try:
            with outside(address, self.outsides.folder(self.private), places) as made:
                yield made, Table(named, given["query"])
        except Unreached as exc:
            hint = exc.hint
            if exc.of_login and address.name:
                hint = f"{exc.hint.rstrip('.')}: {self.profiles().path}:{line}"
                self.outsides.lost[place] = (exc.message, hint)
            raise ProjectError([_at(source, f"{source.id}: {exc.message}.", hint)]) from exc
        except SeeknalError as exc:
            if isinstance(exc, ProjectError):
                raise
            raise ProjectError([_at(source, exc.message, exc.hint or "")]) from exc

    def _address(self, source: Node) -> tuple[Address, int]:
        """The connection of a source, and its line. Raises ProjectError."""
        given, system = source.outside, str(source.outside["system"])
        profiles = self.profiles()
        wanted = {FILES: "s3"}.get(system, system)
        name = given["connection"] or profiles.default(wanted)
        if not name:
            if path := given.get("path"):
                return Address(system, "", {"path": str(self._below(source, path))}), 1
            if system in LAKES:
                return Address(system, ""), 1
            if system == FILES:
                return Address("http", ""), 1
            message = f"{source.id} names no connection."
            hint = f"Add `connection: NAME`, or a default for {system} to `source_defaults`."
            raise ProjectError([_at(source, message, hint)])
        address, line = profiles.connection(name, _at(source, "", ""))
        fits = {FILES: ("s3", "http"), "delta": ("delta", "s3"), "iceberg": ("iceberg", "s3")}
        allowed = fits.get(system, (system,))
        if address.system not in allowed:
            what = f"{source.id} is of {' or '.join(allowed)}"
            message = f"{what}, and the connection {name} is of {address.system}."
            hint = f"Name another connection: {profiles.path}:{line}"
            raise ProjectError([_at(source, message, hint)])
        return (replace(address, system=system) if system in LAKES else address), line

    def _object(self, source: Node, address: Address) -> str:
        named = str(source.outside["object"])
        if address.has_catalog:
            return named
        if source.outside["system"] in LAKES and not is_url(named):
            return str(self._below(source, named))
        return named

    def _below(self, source: Node, path: str) -> Path:
        """A file or folder below the project, links followed. Raises ProjectError."""
        for folder in self.home:
            at = (folder / path).resolve()
            if at.exists() and at.is_relative_to(folder.resolve()):
                return at
            if at.exists():
                message = f"{path} is a link that leaves the project."
                raise ProjectError([_at(source, message, "Name it in a connection.")])
        message = f"{source.id} reads {path}, which is not here."
        raise ProjectError([_at(source, message, "Put it there, or correct the path.")])


def _version_of(source: Node) -> tuple[Mapping[str, str], str]:
    """How a source tells that it moved, and a note if it does not say so itself."""
    if said := source.outside["version"]:
        return said, ""
    if source.partition:
        return {"by": "digest", "text": ""}, ""
    return {"by": "each_run", "text": ""}, EACH_RUN.format(source.id)


def _answer(made: Outside, select: str, asked: Mapping[str, str]) -> tuple[str, ...]:
    """The source's answer to whether it moved; empty if only its rows tell."""
    match asked["by"]:
        case "watermark":
            return "watermark", asked["text"], made.watermark(select, asked["text"])
        case "sql":
            return "sql", asked["text"], made.answer(asked["text"])
        case "digest":
            return "digest", made.digest(select)
        case _:
            return ()


def _as_load(files: list[DataFile]) -> str:
    """The data version of a source with these files."""
    return read_by_this_engine(contents_hash(files, [file.content or "" for file in files]), files)


def _key_of(file: RemoteFile) -> str | None:
    """A remote file that nobody has changed has the same key; None if its server tells no time."""
    return digest(file.url, str(file.size), file.changed) if file.changed else None


def _at(source: Node, message: str, hint: str | None) -> Problem:
    """A problem at the line of a source that has to do with it."""
    keys = ("connection", "params.connection", "table", "params.path", "params.query", "query")
    line = next((source.lines[key] for key in keys if key in source.lines), 1)
    return Problem(message, source.path, line, hint or None, source.id, group=OUTSIDE)


def refused_query(source: Node, cache: Cache) -> list[Problem]:
    """The problem of the query of a source, if it is not one SELECT over tables."""
    query = str(source.outside.get("query") or "")
    if not query:
        return []
    key = digest(query, engine_version())
    if (said := cache.get(_QUERIES, [key]).get(key)) is None:
        from seeknal_git.sql.engine import SqlError
        from seeknal_git.sql.outside_query import checked

        try:
            checked(query)
            said = ""
        except SqlError as exc:
            said = exc.message
        cache.put(_QUERIES, {key: said})
    if not said:
        return []
    hint = "It is one SELECT over tables of its connection, in DuckDB's SQL."
    line = source.line("query" if "query" in source.lines else "params.query")
    message = f"The query of {source.id} is refused: {said}."
    return [Problem(message, source.path, line, hint, source.id)]
