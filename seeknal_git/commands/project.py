"""A project, opened: every command begins with it."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path

from seeknal_git.environments.production import pending
from seeknal_git.errors import ProjectError, UsageError
from seeknal_git.nodes.values import Given
from seeknal_git.project.branch_settings import on_production, overruled_here
from seeknal_git.project.settings import PROJECT_FILE
from seeknal_git.project.workspace import Workspace, open_workspace
from seeknal_git.sql.run_values import name_run


def open_project(
    path: str | PathLike[str] = ".",
    *,
    data_root: str | PathLike[str] | None = None,
    lock_timeout: float = 0.0,
    profile: str | PathLike[str] | None = None,
    mending: bool = False,
    params: Mapping[str, object] | None = None,
    date: str | None = None,
    start_date: str | None = None,
    end_date: str | None = None,
    run_id: str | None = None,
) -> Workspace:
    """Open the project that a folder is part of, or that a bare repository holds.

    data_root: the folder with the warehouse and raw data, if it is not the main working tree.
    lock_timeout: how many seconds each command waits while another process holds the warehouse.
    profile: the file with the connections, in place of profiles.yml.
    mending: open the project even if production's own project file cannot be read.
    params, date, start_date, end_date, run_id: values of the templates of nodes. Dates are written
    YYYY-MM-DD; the date counts as today.

    Raises UsageError if there is no project or a value is wrong, and GitError if there is no
    repository.
    """
    root = None if data_root is None else Path(data_root)
    found = open_workspace(
        Path(path),
        root,
        mending=mending,
        lock_timeout=lock_timeout,
        profile=None if profile is None else Path(profile),
    )
    if run_id is not None:
        name_run(run_id)
    texts = {name: _as_text(name, value) for name, value in (params or {}).items()}
    dates = {"date": date, "start_date": start_date, "end_date": end_date}
    for option, day in dates.items():
        _need_date(option.replace("_", "-"), day)
    return replace(found, given=Given(texts, **dates))


def _as_text(name: str, value: object) -> str:
    """A value as it is put in a template. Raises UsageError for a list or a mapping."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return str(value)
    raise UsageError(f"The parameter {name} is one text or number, not {value!r}.")


def _need_date(option: str, day: str | None) -> None:
    """Raise UsageError for a text that is no date."""
    try:
        _ = day is None or datetime.date.fromisoformat(day)
    except ValueError as exc:
        raise UsageError(f"--{option} is a date, such as 2026-10-12, not {day!r}.") from exc


def params_of(given: Sequence[str]) -> dict[str, str]:
    """The parameters of a command line, each `{"name": "value", …}` or `name=value`.

    Values keep their text: 007 is 007. Raises UsageError.
    """
    found: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if equals and name.strip().isidentifier():
            found[name.strip()] = value
        else:
            found |= _mapping(text)
    return found


def _mapping(text: str) -> dict[str, str]:
    from seeknal_git.nodes.yaml_document import read_yaml

    try:
        data = read_yaml(text.encode(), "--params").data
    except ProjectError:
        data = None
    if not isinstance(data, dict):
        raise UsageError(
            f"--params is a mapping, and not {text!r}.",
            """Write --params '{"region": "EU"}', or --params region=EU.""",
        )
    return {str(name): _as_text(str(name), value) for name, value in data.items()}


def reminders(workspace: Workspace) -> tuple[str, ...]:
    """Sentences about edited settings and a promotion that is due.

    No hook sees every way in which production can fall behind its branch.
    """
    found = settings_reminder(workspace) if on_production(workspace) else ()
    due = pending(workspace)
    return (*found, f"{due.what}: {due.cure}") if due else found


def settings_reminder(workspace: Workspace) -> tuple[str, ...]:
    """A sentence about the settings of this branch that are not in force; empty if all are."""
    changed = overruled_here(workspace)
    if not changed:
        return ()
    words = ", ".join(setting.words for setting in changed)
    if on_production(workspace):
        return (f"{PROJECT_FILE} is edited, and counts as it is committed: {words}",)
    return (f"{PROJECT_FILE} of this branch does not count: {words}",)
