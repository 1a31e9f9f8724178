"""The name of a data version: a hash of the contents, the release of the engine that read them, and
the links that led to them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from seeknal_git.project.data_files import DataFile
from seeknal_git.project.fingerprints import digest
from seeknal_git.project.held_files import ending_of
from seeknal_git.sql.engine_version import engine_release


def contents_hash(files: Sequence[DataFile], blobs: Sequence[str]) -> str:
    """A hash of some files. blobs: the ids of their contents.

    The engine unpacks a file by the ending of its name. (The name in full is the definition's,
    or nobody's.)
    """
    return digest(
        "data", *(f"{blob}{ending_of(file.path)}" for file, blob in zip(files, blobs, strict=True))
    )


def adopting(contents: str, adopted: str) -> str:
    """Contents that are read as an earlier load was."""
    return digest(contents, adopted) if adopted else contents


def read_by_this_engine(contents: str, files: Iterable[DataFile] = ()) -> str:
    """The data version of contents: another release of the engine finds other types, and other
    values, in them; and links that git tracks say which files are meant."""
    return "@".join(filter(None, (contents, engine_release(), links(files))))


def links(files: Iterable[DataFile]) -> str:
    """A hash of the links that git tracks and whose targets it does not; empty without any."""
    leads = [f"{file.path} {file.leads}" for file in files if file.leads is not None]
    return digest("links", *leads) if leads else ""


def contents_of(version: str) -> str:
    """A data version without the engine that read it."""
    return version.partition("@")[0]


def engine_of(version: str) -> str:
    """The release of the engine that read a data version."""
    return "".join(version.split("@")[1:2])
