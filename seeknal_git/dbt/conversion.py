"""A whole project of dbt as nodes, and the list of everything that is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seeknal_git.dbt.checks import NodeTest
from seeknal_git.dbt.drafts import Draft, NodeExample
from seeknal_git.dbt.exposures import exposures
from seeknal_git.dbt.macros import defined, macros
from seeknal_git.dbt.models import models, python_models
from seeknal_git.dbt.names import Names, source_names
from seeknal_git.dbt.properties import Properties, read_properties
from seeknal_git.dbt.reading import Reading
from seeknal_git.dbt.rules import rules
from seeknal_git.dbt.settings import PROJECT, Settings, as_text, read_settings, text_of
from seeknal_git.dbt.sources import seeds, sources
from seeknal_git.dbt.unit_tests import unit_tests, without_model
from seeknal_git.dbt.yaml_lines import Entries, Items, read_yaml
from seeknal_git.errors import Problem, ProjectError

_PROFILES = "profiles.yml"
_PACKAGES = ("packages.yml", "dependencies.yml")


@dataclass(frozen=True, slots=True)
class Conversion:
    """The nodes that a project of dbt becomes. Paths of problems are those of dbt's files."""

    name: str
    drafts: tuple[Draft, ...]
    # Everything that is not taken. A problem that has a node goes once somebody wrote that.
    left: tuple[Problem, ...]
    # Settings that nodes are taken without.
    notes: tuple[Problem, ...]
    # The tests of each node, also of one that is not taken.
    tests: dict[str, list[NodeTest]]
    examples: dict[str, list[NodeExample]]
    # Name → text of each variable of the project.
    variables: dict[str, str]


def convert(root: Path, prefix: str | None) -> Conversion:
    """Read the project of dbt in a folder.

    prefix: that folder below the project that the nodes are for, "" or ending in `/`; None if it is
    elsewhere, and files of data are copied. Raises UsageError if there is no such project,
    ProjectError if its project file cannot be read, and FileFault.
    """
    settings = read_settings(root)
    properties = read_properties(settings)
    reading = Reading(settings, properties, _names(settings, properties), prefix)
    reading.left += properties.left
    for read in (seeds, sources, models, python_models, rules, exposures, unit_tests):
        read(reading)
    reading.left += without_model(reading)
    reading.left += [*macros(settings), *_analyses(settings), *_of_the_project(settings)]
    twice = {
        name for name, times in Counter(draft.id for draft in reading.drafts).items() if times > 1
    }
    reading.left += [_named_twice(draft) for draft in reading.drafts if draft.id in twice]
    texts = {name: as_text(value) for name, value in settings.variables.items()}
    return Conversion(
        settings.name,
        tuple(draft for draft in reading.drafts if draft.id not in twice),
        tuple(dict.fromkeys(reading.left)),
        tuple(dict.fromkeys(reading.notes)),
        {**reading.tests, **{draft.id: draft.tests for draft in reading.drafts}},
        reading.examples,
        {name: text for name, text in texts.items() if text is not None},
    )


def _named_twice(draft: Draft) -> Problem:
    message = f"{draft.id.partition('.')[2]} is not taken: another file has a node {draft.id}."
    return Problem(message, draft.path, draft.line, "Give one of them another name.", draft.id)


def _names(settings: Settings, properties: Properties) -> Names:
    models = {
        path.stem: f"transform.{path.stem}" for path, _, _ in settings.files("model", ".sql", ".py")
    }
    seeds = {path.stem: f"source.{path.stem}" for path, _, _ in settings.files("seed", ".csv")}
    snapshots = {
        name: f"transform.{name}" for word, name in defined(settings, "snapshot") if word != "macro"
    }
    known = {**snapshots, **seeds, **models}
    tables = [(source.name, table.name) for source, table in properties.sources]
    own = frozenset(name for word, name in defined(settings, "macro") if word == "macro")
    return Names(settings.name, known, source_names(tables, known), own)


def _analyses(settings: Settings) -> Iterator[Problem]:
    for kind in ("analysis", "function"):
        for path, shown, _ in settings.files(kind, ".sql"):
            hint = "seeknal query runs a SELECT of its own."
            yield Problem(f"The {kind} {path.stem} is not taken.", shown, 1, hint)


def _of_the_project(settings: Settings) -> Iterator[Problem]:
    """Packages, connections, folders elsewhere, and statements that dbt runs beside models."""
    for kind, folders in settings.folders.items():
        for folder in folders:
            if not settings.is_inside(folder):
                message = f"The folder {folder} is not taken: it is outside of the project."
                yield Problem(message, PROJECT, settings.data.line(f"{kind}-paths"))
    for key in settings.hooks:
        line = settings.data.line(key)
        hint = "A run executes the SELECTs of nodes alone."
        yield Problem(f"The statements of {key} are not taken.", PROJECT, line, hint)
    if (settings.root / _PROFILES).is_file():
        hint = "The warehouse is a DuckDB file. git must not track this file in a project of ours."
        yield Problem("The connections are not taken.", _PROFILES, 1, hint)
    for file in _PACKAGES:
        if (settings.root / file).is_file():
            try:
                yield from _packages(read_yaml(text_of(settings.root / file, file), file), file)
            except ProjectError as exc:
                yield from exc.problems


def _packages(data: Any, file: str) -> Iterator[Problem]:
    """A problem for each package that a file names."""
    given = data.get("packages") if isinstance(data, Entries) else None
    packages = given if isinstance(given, Items) else Items()
    for package, line in zip(packages, packages.lines, strict=True):
        name = next(iter(package.values()), "") if isinstance(package, Entries) else package
        hint = "There are no packages: DuckDB's functions, and macros in seeknal/macros/."
        yield Problem(f"The package {name} is not taken.", file, line, hint)
