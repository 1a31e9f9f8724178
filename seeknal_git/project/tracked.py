"""Files that a tree tracks under a name or a glob, also through links that it tracks."""

from __future__ import annotations

import fnmatch
import glob
import posixpath
from collections.abc import Iterator, Sequence

from seeknal_git.errors import FileFault
from seeknal_git.git.tree import Tree

_MOST_LINKS = 40  # as many as Linux follows
_MOST_NAMES = 10_000_000  # of files behind links, to compare with a glob: some ten seconds


def tracked_files(tree: Tree, pattern: str) -> dict[str, str]:
    """Path → blob of the files that a pattern names. Through a link, a file has the name that leads
    to it."""
    real = resolved(tree, pattern) or ""
    if real in tree.files or not glob.has_magic(pattern):
        return {pattern: tree.files[real]} if real in tree.files else {}
    wanted = pattern.split("/")
    found = {path: blob for path, blob in tree.files.items() if glob_match(path.split("/"), wanted)}
    looked = 0
    for link in filter(lambda link: _may_lead_to(link.split("/"), wanted), tree.links):
        looked += len(tree.files)
        if looked > _MOST_NAMES:
            raise FileFault(f"{pattern} leads through too many links.", "Name their folders.")
        found |= {
            path: tree.files[real]
            for path, real in _through(tree, link)
            if _matches(path, link, wanted)
        }
    return found


def _may_lead_to(link: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether a file behind a link, or the link itself, may match a glob."""
    return any(glob_match(link, pattern[:at]) for at in range(1, len(pattern) + 1))


def _through(tree: Tree, link: str) -> Iterator[tuple[str, str]]:
    """The files that a link leads to: the name that it gives them, and their own."""
    target = resolved(tree, link)
    if target in tree.files:
        yield link, str(target)
    elif target is not None:
        for path in tree.files:
            if not target or path.startswith(f"{target}/"):
                yield f"{link}/{path[len(target) + 1 :] if target else path}", path


def _matches(path: str, link: str, pattern: Sequence[str]) -> bool:
    """`**` goes through no links to folders, as on disk."""
    parts, before = path.split("/"), link.count("/") + 1
    if path == link:
        return glob_match(parts, pattern)
    return any(
        pattern[at - 1] != "**"
        and glob_match(parts[:before], pattern[:at])
        and glob_match(parts[before:], pattern[at:])
        for at in range(1, len(pattern))
    )


def resolved(tree: Tree, path: str) -> str | None:
    """The path that a path means once the links in it are followed; None if it leaves the project,
    or leads nowhere."""
    if not tree.links:
        return path
    for _ in range(_MOST_LINKS):
        parts = path.split("/")
        heads = ("/".join(parts[: number + 1]) for number in range(len(parts)))
        link = next((head for head in heads if head in tree.links), None)
        if link is None:
            return path
        target = tree.read(tree.links[link]).decode(errors="surrogateescape")
        path = posixpath.normpath(
            posixpath.join(posixpath.dirname(link), target, path[len(link) + 1 :])
        )
        if path.startswith(("/", "..")):
            return None
        path = "" if path == "." else path
    return None


def glob_match(path: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether a path matches a glob: `*` stays within a folder, `**` is any number of folders."""
    if "**" not in pattern:
        return len(path) == len(pattern) and all(map(fnmatch.fnmatchcase, path, pattern))
    places = _after({0}, pattern)  # how much of the pattern may be used up so far
    for part in path:
        used = {
            at if pattern[at] == "**" else at + 1
            for at in places
            if at < len(pattern) and _fits(part, pattern[at])
        }
        places = _after(used, pattern)
    return len(pattern) in places


def _fits(part: str, pattern: str) -> bool:
    return pattern == "**" or fnmatch.fnmatchcase(part, pattern)


def _after(places: set[int], pattern: Sequence[str]) -> set[int]:
    """With the places behind a `**`, which may be no folder at all."""
    found, waiting = set(places), list(places)
    while waiting:
        at = waiting.pop()
        if at < len(pattern) and pattern[at] == "**" and at + 1 not in found:
            found.add(at + 1)
            waiting.append(at + 1)
    return found
