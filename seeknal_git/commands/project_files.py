"""The files that a new project begins with."""

from __future__ import annotations

from pathlib import Path

import yaml

from seeknal_git.nodes.kinds import folder_of
from seeknal_git.project.settings import PROJECT_FILE, Settings

IGNORED = ("target/", "exports/", "draft_*.yml", "profiles.yml", ".env")

_SETTINGS = """\
# The settings of the project. Its nodes are below seeknal/.
{name}
{description}

# The branch that is production. Every other branch is its own environment.
{production}

# The tables are in a DuckDB file in git's own folder. No checkout and no `git clean` reaches it.
# `seeknal warehouse path` prints its path. To put it below the project, in a path that git ignores:
# warehouse: target/warehouse.duckdb

# How long an unused environment stays once its branch is gone (12h, 7d, 4w).
time_to_live: 7d
"""

_PROTECTED = """
# Continuous integration releases commits: a run of production refuses uncommitted changes.
protect_production: true
"""

_PROFILES = """\
# For connections to databases and services. No node reads them yet: sources are files.
# This file is yours alone: git ignores it.
#
# ${NAME} stands for the environment variable NAME, and ${NAME:text} for `text` if it is not set.
# So a password is in no file, no output, no state and no message.
#
# connections:
#   shop:
#     type: postgresql
#     host: ${SHOP_HOST:localhost}
#     port: 5432
#     database: shop
#     user: ${SHOP_USER}
#     password: ${SHOP_PASSWORD}
"""

_IGNORE = "".join(
    f"{line}\n"
    for line in ("# Built and delivered by runs; drafts; files that are yours alone", *IGNORED)
)

# The kinds of nearly every project get a folder at once; `apply` makes those of the others.
_FOUNDED = ("source", "transform", "feature_group", "rule", "exposure")


def files_of(settings: Settings, folder: Path) -> dict[str, str]:
    """Path → text of each file of a project in a folder.

    A kind's folder that has nothing in it gets a file, so that git keeps it.
    """
    text = _SETTINGS.format(
        name=_yaml("name", settings.name),
        description=_yaml("description", settings.description),
        production=_yaml("production_branch", settings.production_branch),
    )
    text += _PROTECTED if settings.protect_production else ""
    folders = [folder_of(kind) for kind in _FOUNDED]
    empty = [name for name in folders if not _has_files(folder / name)]
    found = {PROJECT_FILE: text, "profiles.yml": _PROFILES, ".gitignore": _IGNORE}
    return found | {f"{name}/.gitkeep": "" for name in empty}


def _has_files(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def _yaml(key: str, value: str) -> str:
    return yaml.safe_dump({key: value}, allow_unicode=True, width=10**6).strip()
