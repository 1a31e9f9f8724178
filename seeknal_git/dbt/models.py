"""Models of dbt as transforms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from seeknal_git.dbt.checks import NodeTest, tests_of
from seeknal_git.dbt.drafts import Draft
from seeknal_git.dbt.properties import Entry
from seeknal_git.dbt.reading import Reading, disabled, templates
from seeknal_git.dbt.settings import Configured, Setting, merged, text_of
from seeknal_git.dbt.sql import converted
from seeknal_git.dbt.writing import Writing, with_own
from seeknal_git.dbt.yaml_lines import Entries
from seeknal_git.errors import Problem, ProjectError
from seeknal_git.names import IDENTIFIER

_READ = frozenset(
    "materialized tags meta enabled contract pre_hook post_hook sql_header alias".split()
)
_AS_VIEW = ("view", "ephemeral")
_BUILT = ("table", *_AS_VIEW)
_WAYS = {
    "incremental": "Write it as a SELECT over all rows, with `partition:` (docs/partitions.md).",
    "external": "Write an exposure of type file, which delivers the table.",
}
_BESIDE = ("pre_hook", "post_hook", "sql_header")


def models(reading: Reading) -> None:
    """Add the models of a project."""
    versions = reading.properties.versions
    for path, shown, folders in reading.settings.files("model", ".sql"):
        entry = versions.get(path.stem) or reading.properties.models.get(path.stem)
        entry = entry or Entry(Entries(name=path.stem), shown, 1)
        general = reading.configured("models", folders, path.stem)
        config = merged(general, entry.configured)
        try:
            draft, config = _model(reading, (path, shown, folders), entry, config)
        except ProjectError as exc:
            node = f"transform.{path.stem}"
            reading.left += (replace(problem, node=node) for problem in exc.problems)
            if not [*disabled(config, path.stem, shown)]:
                reading.tests[node] = _tests(reading, entry, folders, path.stem)
            continue
        draft.tests = _tests(reading, entry, folders, path.stem)
        reading.drafts.append(draft)
        reading.note_unread(config, _READ)
        reading.note_keys(entry)
        if "alias" in config:
            setting = config["alias"]
            message = f"The view of {path.stem} has this name, and not {setting.value}."
            reading.notes.append(Problem(message, setting.path, setting.line))


def _tests(reading: Reading, entry: Entry, folders: tuple[str, ...], name: str) -> list[NodeTest]:
    """The tests of a model. Those that have no counterpart are listed as left."""
    usual = reading.configured("tests", folders, name)
    usual |= reading.configured("data_tests", folders, name)
    tests, left = tests_of(entry, reading.names, usual)
    reading.left += left
    return tests


def _model(
    reading: Reading, file: tuple[Path, str, tuple[str, ...]], entry: Entry, config: Configured
) -> tuple[Draft, Configured]:
    """The node of a model, and its settings with those of its own file. Raises ProjectError with
    everything that keeps it from being taken."""
    path, shown, folders = file
    name, writing = path.stem, Writing(reading)
    sql = converted(text_of(path, shown), shown, writing)
    config = with_own(config, sql, shown)
    if problems := [*sql.problems, *_refused(config, entry, name, shown)]:
        raise ProjectError(problems)
    contract = config["contract"].value if "contract" in config else None
    promised = isinstance(contract, dict) and contract.get("enforced") is True
    data = reading.described(entry, config)
    if "materialized" in config and config["materialized"].value in _AS_VIEW:
        data["materialized"] = "view"
    data |= reading.columns(entry, promised=promised)
    if writing.params:
        data["params"] = writing.params
    draft = Draft(
        id=f"transform.{name}",
        path=shown,
        line=1,
        data=data,
        reads=tuple(writing.reads),
        sql=sql.text,
        lines=sql.lines,
        folders=folders,
        variables=tuple(writing.variables),
    )
    return draft, config


def _refused(config: Configured, entry: Entry, name: str, path: str) -> Iterator[Problem]:
    """The reasons why a model with these settings is not taken."""
    if not IDENTIFIER.fullmatch(name):
        hint = "A name is made of letters, digits and _, and begins with no digit."
        yield Problem(f"{name!r} cannot be a node's name.", path, 1, hint)
    if "versions" in entry.data:
        versions = Setting(None, entry.path, entry.data.line("versions"))
        yield versions.problem(f"{name} has versions", path, "A node has none: a branch is one.")
    yield from disabled(config, name, path)
    yield from templates(config, name, path, "materialized", "enabled", "tags", "contract")
    built = config.get("materialized")
    if built and built.value not in _BUILT:
        hint = _WAYS.get(str(built.value), "Write it as a SELECT.")
        yield built.problem(f"{name} is built as {built.value}, which is not taken", path, hint)
    for key in _BESIDE:
        if key in config and config[key].value:
            message = f"{name} has a {key.replace('_', '-')}, a statement beside its SELECT"
            hint = "A node is one SELECT. Leave the statement out."
            yield config[key].problem(message, path, hint)


def python_models(reading: Reading) -> None:
    """Say which models are functions."""
    for path, shown, folders in reading.settings.files("model", ".py"):
        node = f"transform.{path.stem}"
        message = f"The Python model {path.stem} is not taken."
        hint = "Write it as a function with @transform (docs/nodes.md, Python nodes)."
        reading.left.append(Problem(message, shown, 1, hint, node))
        if entry := reading.properties.models.get(path.stem):
            reading.tests[node] = _tests(reading, entry, folders, path.stem)
