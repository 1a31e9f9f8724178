"""The path of a source: a file, a glob, or a folder; and whether its files are read one by one.

Pure. A folder ends with a slash, so that the node alone says which of them is meant.
"""

from __future__ import annotations

import glob
from dataclasses import dataclass

from seeknal_git.nodes.node import Node

_JSON = (".json", ".jsonl", ".ndjson")
_ENDINGS = {"csv": (".csv", ".tsv"), "parquet": (".parquet",), "json": _JSON, "jsonl": _JSON}
# Behind these: files that the engine unpacks by their names. Parquet is packed within.
_PACKED = (".gz", ".zst")
# The first letter of a name that is no data, such as `_SUCCESS`, `_delta_log` or `.part-0.crc`.
_HIDDEN = (".", "_")


@dataclass(frozen=True, slots=True)
class DataPath:
    """Which files a source names."""

    path: str
    format: str

    @classmethod
    def of(cls, source: Node) -> DataPath:
        return cls(str(source.definition["path"]), str(source.definition["format"]))

    @property
    def is_folder(self) -> bool:
        return self.path.endswith("/")

    @property
    def is_many(self) -> bool:
        """Whether there may be several files, however many there are now."""
        return self.is_folder or glob.has_magic(self.path)

    @property
    def may_be_folder(self) -> bool:
        """Whether it looks like a folder without its slash: files have an ending."""
        return not self.is_many and "." not in self.path.rpartition("/")[2]

    @property
    def glob(self) -> str:
        """A glob that matches all of them; `takes` says which of its files are meant."""
        return f"{self.path}**/*" if self.is_folder else self.path

    @property
    def globs(self) -> tuple[str, ...]:
        """Globs of these files alone, but for hidden ones."""
        if not self.is_folder:
            return (self.path,)
        return tuple(f"{self.path}**/*{ending}" for ending in self.endings)

    @property
    def endings(self) -> tuple[str, ...]:
        """The endings of the files of a folder, in any case of letters."""
        plain = _ENDINGS[self.format]
        packed = () if self.format == "parquet" else _PACKED
        return tuple(f"{ending}{more}" for more in ("", *packed) for ending in plain)

    def takes(self, file: str) -> bool:
        """Whether a file that matches the glob is meant."""
        if not self.is_folder:
            return True
        below = file.split("/")[self.path.partition("**")[0].count("/") :]
        return file.lower().endswith(self.endings) and not any(
            part.startswith(_HIDDEN) for part in below
        )

    @property
    def absence(self) -> str:
        """That there is no such file, in words."""
        if not self.is_folder:
            return f"{self.path}, and there is no such file"
        endings = ", ".join(_ENDINGS[self.format])
        more = "" if self.format == "parquet" else f", also packed as {' or '.join(_PACKED)}"
        return f"the folder {self.path}, and there is no file in it that ends in {endings}{more}"


def is_of_files(source: Node) -> bool:
    """Whether a source may have several files, each read by itself. A guess that looks at some rows
    alone is one over all files."""
    options, form = source.definition["options"], source.definition["format"]
    return (
        DataPath.of(source).is_many
        and not source.is_view
        and options.get("union_by_name") is not False
        and (form in ("csv", "parquet") or options.get("sample_size", -1) < 0)
    )
