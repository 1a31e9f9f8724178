"""Git's conversions between a blob and a file of a checkout: filters, encodings, line ends.

libgit2 knows line ends only. Line ends are no part of data here, since they depend on each user's
`core.autocrlf`: the blob counts. With any other conversion, the file of the checkout counts.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pygit2

from seeknal_git.errors import GitError
from seeknal_git.git.command import environment_in, git_command
from seeknal_git.git.repository import Repository

_ATTRIBUTES = ".gitattributes"
_CONTENT = ("filter", "working-tree-encoding", "ident")
_LINES = ("text", "eol", "crlf")
# Git LFS is not run: its pointers hold the hash of the content.
_LARGE = "lfs"


@dataclass(frozen=True, slots=True)
class Revised:
    """The conversions of one revision of the files."""

    repository: Repository
    # The commit whose attributes count, checked out or not; None for those of the working tree.
    commit: str | None

    def filtered(self, paths: Iterable[str]) -> dict[str, str]:
        """The files that a checkout converts. For each, the conversion in words: the filter with
        its commands, the encoding."""
        paths = list(paths)
        if not paths or not _has_attributes(self.repository, self.commit, paths):
            return {}
        found = {path: self._made_by(values) for path, values in self._attributes(paths).items()}
        return {path: made for path, made in found.items() if made}

    def _attributes(self, paths: Sequence[str]) -> dict[str, dict[str, str]]:
        if self._is_here(paths):
            return attributes(self.repository, paths, _CONTENT)
        with self._elsewhere(paths) as variables:
            return _attributes_by_git(self.repository, paths, _CONTENT, variables)

    def _made_by(self, values: Mapping[str, str]) -> str | None:
        name = values.get("filter")
        commands = [] if name in (None, _LARGE) else _commands(self.repository, str(name))
        others = [
            f"{attribute}={value}" for attribute, value in values.items() if attribute != "filter"
        ]
        return " ".join([*([str(name)] if commands else []), *commands, *others]) or None

    def content(self, path: str, blob: str) -> bytes:
        """The content of a file in a checkout. Raises GitError."""
        command = [
            "-c",
            "core.autocrlf=false",
            "-c",
            "core.eol=lf",
            "cat-file",
            "--filters",
            f"--path={self.repository.prefix}{path}",
            blob,
        ]
        if self._is_here([path]):
            return _ask({"cwd": str(self.repository.top)}, command)
        with self._elsewhere([path]) as variables:
            return _ask(variables, command)

    def _is_here(self, paths: Iterable[str]) -> bool:
        """Whether the working tree has the attributes of the commit, so that filters can run in
        it."""
        if self.commit is None:
            return True
        repository, commit = self.repository, self.commit
        return not repository.bare and all(
            _attributes_in(repository, commit, folder) == _attributes_on_disk(repository, folder)
            for folder in _folders(repository, paths)
        )

    @contextmanager
    def _elsewhere(self, paths: Iterable[str]) -> Iterator[dict[str, str]]:
        """A working tree that holds only the attributes of the commit. (git before 2.41 cannot read
        attributes from a commit, and `cat-file` does not read them from an index.)"""
        with tempfile.TemporaryDirectory() as place:
            tree = Path(place) / "tree"
            tree.mkdir()
            for folder in _folders(self.repository, paths):
                if blob := _attributes_in(self.repository, str(self.commit), folder):
                    (tree / folder).mkdir(parents=True, exist_ok=True)
                    content = self.repository.handle[blob].peel(pygit2.Blob).data
                    (tree / folder / _ATTRIBUTES).write_bytes(content)
            yield {
                "cwd": str(tree),
                "GIT_DIR": self.repository.handle.path,
                "GIT_WORK_TREE": str(tree),
                "GIT_INDEX_FILE": f"{place}/index",
            }


def attributes(
    repository: Repository, paths: Sequence[str], names: Sequence[str]
) -> dict[str, dict[str, str]]:
    """The attributes that the working tree sets for files of the project."""
    try:
        return {path: _attributes_by_libgit2(repository, path, names) for path in paths}
    except pygit2.GitError:  # it cannot read a split or a sparse index
        return _attributes_by_git(repository, paths, names, {"cwd": str(repository.top)})


def _attributes_by_libgit2(
    repository: Repository, path: str, names: Sequence[str]
) -> dict[str, str]:
    found = {name: repository.handle.get_attr(f"{repository.prefix}{path}", name) for name in names}
    return {name: str(value) for name, value in found.items() if value not in (None, False)}


def _attributes_by_git(
    repository: Repository, paths: Sequence[str], names: Sequence[str], variables: Mapping[str, str]
) -> dict[str, dict[str, str]]:
    wanted = "".join(f"{repository.prefix}{path}\0" for path in paths)
    said = _ask(
        variables, ["check-attr", "-z", "--stdin", *names], wanted.encode(errors="surrogateescape")
    )
    found: dict[str, dict[str, str]] = {path: {} for path in paths}
    words = said.decode(errors="surrogateescape").split("\0")[:-1]
    for path, name, value in zip(words[::3], words[1::3], words[2::3], strict=True):
        if value not in ("unspecified", "unset"):
            found[path[len(repository.prefix) :]][name] = value
    return found


def converted(repository: Repository, paths: Iterable[str]) -> list[str]:
    """The files that `git add` may convert."""
    paths = list(paths)
    if not paths or _configured(repository, "core.autocrlf") in ("true", "input"):
        return paths
    found = attributes(repository, paths, (*_CONTENT, *_LINES))
    return [path for path in paths if found[path]]


def stored_ids(repository: Repository, paths: list[str], *, store: bool = False) -> dict[str, str]:
    """The blobs that `git add` would make of files. Raises GitError."""
    if not paths:
        return {}
    names = "\n".join(f"{repository.prefix}{path}" for path in paths)
    command = ["hash-object", *(["-w"] if store else []), "--stdin-paths"]
    said = _ask({"cwd": str(repository.top)}, command, names.encode(errors="surrogateescape"))
    return dict(zip(paths, said.decode().split(), strict=True))


def _has_attributes(repository: Repository, commit: str | None, paths: Iterable[str]) -> bool:
    """Whether a file of attributes may concern these paths. Nearly always there is none, or one."""
    own = _configured(repository, "core.attributesfile")
    usual = Path.home() / ".config/git/attributes"
    if own or usual.exists() or (repository.common / "info" / "attributes").exists():
        return True
    return any(
        _attributes_on_disk(repository, folder)
        or (commit and _attributes_in(repository, commit, folder))
        for folder in _folders(repository, paths)
    )


def _folders(repository: Repository, paths: Iterable[str]) -> set[str]:
    parents = {
        parent for path in paths for parent in PurePosixPath(f"{repository.prefix}{path}").parents
    }
    return {"" if parent == PurePosixPath() else f"{parent}/" for parent in parents}


def _attributes_in(repository: Repository, commit: str, folder: str) -> str | None:
    try:
        return str(repository.handle[commit].peel(pygit2.Tree)[f"{folder}{_ATTRIBUTES}"].id)
    except KeyError:
        return None


def _attributes_on_disk(repository: Repository, folder: str) -> str | None:
    if repository.bare:
        return None
    try:
        return str(pygit2.hash((repository.top / folder / _ATTRIBUTES).read_bytes()))
    except OSError:
        return None


def _commands(repository: Repository, name: str) -> list[str]:
    """The commands that the user's configuration runs for a filter; none if it is not
    configured."""
    found = (
        _configured(repository, f"filter.{name}.{command}")
        for command in ("process", "smudge", "clean")
    )
    return [command for command in found if command]


def _configured(repository: Repository, name: str) -> str | None:
    try:
        return repository.handle.config[name]
    except KeyError:
        return None


def _ask(variables: Mapping[str, str], command: list[str], given: bytes = b"") -> bytes:
    """Run git and return its output. Raises GitError, also for a filter that is allowed to fail."""
    cwd = Path(variables["cwd"])
    environment = environment_in(cwd) | {
        name: value for name, value in variables.items() if name != "cwd"
    }
    done = subprocess.run(
        git_command(*command),
        cwd=cwd,
        env=environment,
        input=given,
        capture_output=True,
        check=False,
    )
    said = done.stderr.decode(errors="replace").strip()
    if done.returncode or "filter" in said:
        raise GitError(
            f"git cannot convert a file as its attributes say: {said}",
            "`git checkout` says the same.",
        )
    return done.stdout
