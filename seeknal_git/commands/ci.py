"""The workflow for continuous integration: one file for each project of a repository."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Literal

from seeknal_git.names import schema_of

Service = Literal["github", "gitlab"]
_GITLAB = ".gitlab-ci.yml"
# The signs that mean something in a pattern of paths or branches.
_MAGIC = re.compile(r"([\\*?+\[\]!])")


@dataclass(frozen=True, slots=True)
class Workflow:
    """A file of continuous integration."""

    # Relative to the repository's top.
    path: str
    text: str
    # The lines that another file needs, so that this one is read.
    include: str | None = None


def workflow(service: Service, top: Path, prefix: str, production: str) -> Workflow:
    """The workflow of a project in the folder `prefix` of a repository; several projects have a
    file each."""
    folder = prefix.rstrip("/")
    name = f"seeknal-{schema_of(folder)}" if folder else "seeknal"
    text = _rendered(service, name, folder, production)
    if service == "github":
        return Workflow(f".github/workflows/{name}.yml", text)
    main = top / _GITLAB
    if (
        not main.exists()
        or main.read_text(errors="replace").splitlines()[:2] == text.splitlines()[:2]
    ):
        return Workflow(_GITLAB, text)
    path = f".gitlab/{name}.yml"
    return Workflow(path, text, f"include:\n  - local: {path}")


def _rendered(service: Service, name: str, folder: str, production: str) -> str:
    below = _text(f"{_plain(folder)}/**")
    project = _text(folder) if folder else "the project"
    values = {
        "title": f"Continuous integration of Seeknal, for {project}",
        "id": name,
        "production": _text(production),
        "pattern": _text(_plain(production)),
        "folder": _text(folder or "."),
        "cd": _text(f"cd {shlex.quote(folder or '.')}"),
        "paths": f"\n    paths: [{below}]" if folder else "",
        "changes": f"\n      changes: [{below}]" if folder else "",
    }
    template = (files("seeknal_git") / "templates" / "ci" / f"{service}.yml").read_text(
        encoding="utf-8"
    )
    names = "|".join(values)
    return re.sub(rf"@({names})@", lambda found: values[found[1]], template)


def _text(value: str) -> str:
    """A text as YAML takes it."""
    return json.dumps(value, ensure_ascii=False)


def _plain(path: str) -> str:
    """A path or a branch as a pattern that stands for nothing else."""
    return _MAGIC.sub(r"\\\1", path)
