"""The files of HEAD and of the index are listed by short ways: they say the same as the long ones."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pygit2

from seeknal_git.git import index, tree
from seeknal_git.git import repository as git
from tests.conftest import Repo

NAMES = (b"x y.txt", b"\xff\xfe.bin", "ü.yml".encode(), b"a/b/c", b"a/b.txt", b"new\nline", b"run")


def entry_by_entry(folder: pygit2.Tree, prefix: str = "") -> Iterator[index.Entry]:
    for entry in folder:
        if isinstance(entry, pygit2.Tree):
            yield from entry_by_entry(entry, f"{prefix}{entry.name}/")
        else:
            yield f"{prefix}{entry.name}", str(entry.id), int(entry.filemode)


def agree(repo: Repo) -> None:
    repository = git.open_repository(repo.path)
    root = repository.handle.head.peel(pygit2.Tree)
    assert list(tree.walked(root, "")) == list(entry_by_entry(root))
    listed, _ = index.entries_and_status(repository, lambda: tree._head_entries(repository))
    assert sorted(listed) == sorted(index.entries(repository))
    tracked = tree.TrackedPaths(repository)
    everything = frozenset(tracked)
    assert [
        path for path, *_ in [*listed, ("none",)] if (path in tracked) != (path in everything)
    ] == []


def test_files_are_the_same_however_they_are_listed(repo: Repo) -> None:
    (repo.path / "a/b").mkdir(parents=True)
    for name in NAMES:
        with open(os.path.join(os.fsencode(repo.path), name), "wb") as file:  # noqa: PTH118, PTH123
            file.write(name)
    (repo.path / "link").symlink_to("run")
    repo.commit()
    steps: tuple[Callable[[], object], ...] = (
        lambda: repo.write("run", "edited"),
        lambda: repo.git("add", "run"),
        lambda: repo.write("run", "edited again"),
        lambda: repo.git("rm", "--quiet", "--cached", "x y.txt"),
        lambda: repo.write("new.yml", "new"),
        lambda: repo.git("add", "--intent-to-add", "new.yml"),
        lambda: repo.git("add", "new.yml"),
        lambda: repo.git("mv", "a/b.txt", "moved"),
        (repo.path / "link").unlink,
        lambda: repo.write("link", "no link any more"),
        lambda: repo.git("add", "link"),
        lambda: repo.git("update-index", "--chmod=+x", "moved"),
        repo.commit,
    )
    for step in steps:
        step()
        agree(repo)
    repo.switch("other", create=True)
    repo.write("run", "there")
    repo.commit()
    repo.switch("main")
    repo.write("run", "here")
    repo.commit()
    repo.try_git("merge", "other")
    agree(repo)
