"""A dbt project while it is read, and the nodes found so far."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from seeknal_git.dbt.checks import NodeTest
from seeknal_git.dbt.drafts import Draft, NodeExample
from seeknal_git.dbt.jinja import has_jinja
from seeknal_git.dbt.names import Names
from seeknal_git.dbt.properties import Entry, Properties
from seeknal_git.dbt.settings import Configured, Settings, listed, unread
from seeknal_git.errors import Problem

# The key of dbt-duckdb for the file that a table of a source is read from.
PLACE = "external_location"
_KEYS = frozenset(
    "name description columns tests data_tests config tags meta enabled docs versions tables schema"
    " database identifier loader loaded_at_field freshness quoting external_location".split()
)
_KEYS_OF_COLUMNS = frozenset("name description data_type tests data_tests quote".split())


@dataclass(slots=True)
class Reading:
    """A project of dbt, the nodes that its files become, and everything that is left."""

    settings: Settings
    properties: Properties
    names: Names
    # Its folder below that of the nodes' project, "" or ending in `/`; None if it is elsewhere.
    prefix: str | None
    drafts: list[Draft] = field(default_factory=list)
    # The tests of each model that is no draft.
    tests: dict[str, list[NodeTest]] = field(default_factory=dict)
    # The examples of each model.
    examples: dict[str, list[NodeExample]] = field(default_factory=dict)
    left: list[Problem] = field(default_factory=list)
    # Settings that nodes are taken without.
    notes: list[Problem] = field(default_factory=list)

    def path(self, shown: str) -> str:
        """The path in the nodes' project of a file of dbt."""
        return f"{self.prefix or ''}{shown}"

    def configured(self, section: str, folders: tuple[str, ...], *names: str) -> Configured:
        """The settings of the project file for something in folders."""
        return self.settings.configured(section, (self.settings.name, *folders, *names))

    def note_unread(self, config: Configured, known: frozenset[str]) -> None:
        """Note the settings that have no counterpart."""
        for key, setting in unread(config, known):
            message = f"The setting {key} has no counterpart."
            self.notes.append(Problem(message, setting.path, setting.line))

    def note_keys(self, entry: Entry) -> None:
        """Note the keys of an entry, and of its columns, that have no counterpart."""
        for key in entry.data:
            if key not in _KEYS:
                message = f"The key {key} of {entry.name} has no counterpart."
                self.notes.append(Problem(message, entry.path, entry.data.line(key)))
        lines = {
            key: column.data.line(key)
            for column in reversed([*entry.columns])
            for key in column.data
            if key not in _KEYS_OF_COLUMNS and column.data[key]
        }
        if lines:
            keys = " and ".join(sorted(lines))
            message = f"The {keys} of columns of {entry.name} have no counterpart."
            self.notes.append(Problem(message, entry.path, min(lines.values())))

    def described(self, entry: Entry, config: Configured) -> dict[str, Any]:
        """The keys of a node that are for people."""
        found: dict[str, Any] = {}
        if text := self.properties.described(entry.data):
            found["description"] = text
        meta = config["meta"].value if "meta" in config else {}
        meta = meta if isinstance(meta, dict) else {}
        if isinstance(meta.get("owner"), str):
            found["owner"] = meta["owner"]
        if "tags" in config and config["tags"].value:
            found["tags"] = list(dict.fromkeys(map(str, listed(config["tags"].value))))
        kept = {key: plain(value) for key, value in meta.items() if key != PLACE}
        return {**found, **({"meta": kept} if kept else {})}

    def columns(self, entry: Entry, *, promised: bool = False) -> dict[str, Any]:
        """The documentation of columns; promised: with their types as promises."""
        found: dict[str, Any] = {}
        for column in entry.columns:
            text, word = self.properties.described(column.data), column.data.get("data_type")
            if promised and word:
                found[column.name] = {"dtype": str(word)}
                found[column.name] |= {"description": text} if text else {}
            elif text or word:
                found[column.name] = f"{text} ({word})" if text and word else text or str(word)
        return {"columns": found} if found else {}


def disabled(config: Configured, name: str, path: str) -> Iterator[Problem]:
    """A problem for something in a file that is not enabled."""
    setting = config.get("enabled")
    if setting and setting.value is False:
        yield setting.problem(f"{name} is disabled", path)


def templates(config: Configured, name: str, path: str, *keys: str) -> Iterator[Problem]:
    """A problem for each of some settings that is a template."""
    for key in keys:
        if key in config and has_jinja(config[key].value):
            message = f"The setting {key} of {name} is a template"
            yield config[key].problem(message, path, "Write its value.")


def plain(value: Any) -> Any:
    """A value of a YAML file as plain data."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)
