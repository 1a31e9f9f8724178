"""The path of a source; and whether its files are read one by one. Pure."""

from __future__ import annotations

import glob

from seeknal_git.nodes.node import Node


def is_of_files(source: Node) -> bool:
    """Whether a source may have several files, each read by itself. A guess that looks at some rows
    alone is one over all files."""
    options, form = source.definition["options"], source.definition["format"]
    return (
        glob.has_magic(str(source.definition["path"]))
        and not source.is_view
        and options.get("union_by_name") is not False
        and (form in ("csv", "parquet") or options.get("sample_size", -1) < 0)
    )
