"""An error of ours: the traceback goes to a file, with the versions that matter."""

from __future__ import annotations

import platform
import sys
import tempfile
import traceback
from importlib.metadata import version
from pathlib import Path

from seeknal_git import __version__
from seeknal_git.files import write_whole
from seeknal_git.report.terminal import coloured, note

_PACKAGES = ("duckdb", "pygit2", "typer")


def crash(exc: Exception) -> int:
    """Write the log, print its path, and return the exit code."""
    lines = [f"seeknal {__version__}", *(f"{name} {version(name)}" for name in _PACKAGES)]
    lines += [
        f"Python {platform.python_version()} on {platform.platform()}",
        f"command: {' '.join(sys.argv[1:])}",
        "",
    ]
    lines += traceback.format_exception(exc)
    path = Path(tempfile.mkdtemp(prefix="seeknal-")) / "crash.log"
    write_whole(path, "\n".join(lines).encode(errors="replace"))
    note(f"{coloured('error')}: a bug in seeknal: {type(exc).__name__}: {exc}")
    note(f"  Please report it, with {path}")
    return 3
