"""A git branch is a data environment; a merge is a release.

The Python library, provisional until 1.0, is the names of `__all__`; docs/python.md documents it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seeknal_git.commands.checks import checks
    from seeknal_git.commands.lineage import lineage
    from seeknal_git.commands.plan import plan_changes
    from seeknal_git.commands.project import open_project
    from seeknal_git.commands.promote import promote
    from seeknal_git.commands.query import query
    from seeknal_git.commands.rollback import rollback
    from seeknal_git.commands.run import run
    from seeknal_git.commands.status import status
    from seeknal_git.commands.validate import validate
    from seeknal_git.errors import SeeknalError

__version__ = "0.1.0"

__all__ = [
    "SeeknalError",
    "checks",
    "lineage",
    "open_project",
    "plan_changes",
    "promote",
    "query",
    "rollback",
    "run",
    "status",
    "validate",
]

# The module of each name. It is imported when the name is first used: it loads git and the engine.
_MODULES = {
    "SeeknalError": "errors",
    "checks": "commands.checks",
    "lineage": "commands.lineage",
    "open_project": "commands.project",
    "plan_changes": "commands.plan",
    "promote": "commands.promote",
    "query": "commands.query",
    "rollback": "commands.rollback",
    "run": "commands.run",
    "status": "commands.status",
    "validate": "commands.validate",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
