"""Python nodes: decorated functions, read by `ast` and never imported.

`declarations` finds them in a file, `reach` says which code decides each of them, `header` which
packages, and `load` makes them nodes.
"""

from __future__ import annotations

_PASSED_OVER = ("common", "templates")


def is_module_path(path: str) -> bool:
    """Whether a file may hold Python nodes, or code of theirs. path: relative to the project."""
    return path.startswith("seeknal/") and path.endswith(".py")


def is_python_path(path: str) -> bool:
    """Whether Seeknal looks for Python nodes in a file. path: relative to the project."""
    if not is_module_path(path):
        return False
    *folders, name = path.split("/")[1:]
    return not name.startswith("_") and not any(folder in _PASSED_OVER for folder in folders)
