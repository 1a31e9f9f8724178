"""The YAML files of dbt beside models: descriptions, tests, sources, exposures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from seeknal_git.dbt.jinja import call, tags
from seeknal_git.dbt.settings import Configured, Setting, Settings, merged, text_of
from seeknal_git.dbt.yaml_lines import Entries, Items, read_yaml
from seeknal_git.errors import Problem, ProjectError

_DOCS = re.compile(r"\{%-?\s*docs\s+(\w+)\s*-?%\}(.*?)\{%-?\s*enddocs\s*-?%\}", re.DOTALL)
# Section without a counterpart → the word for an entry, and the way out.
_LEFT = {
    "snapshots": (
        "snapshot",
        "A source keeps its history with `keep: changes` and a `key` (docs/nodes.md).",
    ),
    "semantic_models": ("semantic model", "Write it as kind: semantic_model (docs/nodes.md)."),
    "metrics": ("metric", "Write it as kind: metric (docs/nodes.md)."),
    "saved_queries": ("saved query", "seeknal query --metrics asks metrics."),
    "functions": ("function", "Write a macro of DuckDB in seeknal/macros/."),
    "groups": ("group", "Say `owner:` in the nodes."),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of such a file: of a model, a table of a source, and so on."""

    data: Entries
    path: str
    line: int
    # The folders that the file is in.
    folders: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return str(self.data.get("name"))

    @property
    def configured(self) -> Configured:
        """Its settings: under `config`, or beside it."""
        beside = {
            key: Setting(self.data[key], self.path, self.data.line(key))
            for key in ("tags", "meta", "enabled")
            if key in self.data
        }
        config = self.data.get("config")
        config = config if isinstance(config, Entries) else Entries()
        within = {
            key.replace("-", "_"): Setting(value, self.path, config.line(key))
            for key, value in config.items()
        }
        return merged(beside, within)

    def rows(self, key: str) -> Iterator[tuple[Any, int]]:
        """The items of a list under a key, each with its line."""
        items = self.data.get(key)
        if isinstance(items, Items):
            yield from zip(items, items.lines, strict=True)

    @property
    def columns(self) -> Iterator[Entry]:
        for column, line in self.rows("columns"):
            if isinstance(column, Entries) and column.get("name"):
                yield Entry(column, self.path, line)


@dataclass(slots=True)
class Properties:
    """All entries of a project."""

    models: dict[str, Entry] = field(default_factory=dict)
    seeds: dict[str, Entry] = field(default_factory=dict)
    # Singular tests by name.
    tests: dict[str, Entry] = field(default_factory=dict)
    # Each table with the source that it belongs to.
    sources: list[tuple[Entry, Entry]] = field(default_factory=list)
    exposures: list[Entry] = field(default_factory=list)
    unit_tests: list[Entry] = field(default_factory=list)
    # Texts by the name that `doc('name')` gives them.
    docs: dict[str, str] = field(default_factory=dict)
    # Entries and files that are not taken.
    left: list[Problem] = field(default_factory=list)

    @property
    def versions(self) -> dict[str, Entry]:
        """The model of each file that is a version of one, by the file's name without ending."""
        found = {}
        for model in self.models.values():
            for version, _ in model.rows("versions"):
                if isinstance(version, Entries):
                    usual = f"{model.name}_v{version.get('v')}"
                    found[model.name] = found[str(version.get("defined_in") or usual)] = model
        return found

    def described(self, data: Entries) -> str:
        """A description, with the texts that it names."""
        text = data.get("description")
        if not isinstance(text, str):
            return ""
        for tag in reversed(list(tags(text))):
            found = call(tag.inner)
            if found and found.name == "doc" and found.arguments:
                words = self.docs.get(str(found.arguments[-1]))
                text = text if words is None else f"{text[: tag.start]}{words}{text[tag.end :]}"
        return text.strip()


def read_properties(settings: Settings) -> Properties:
    """All entries in the folders of models, seeds, tests, snapshots and others."""
    found = Properties()
    seen = set()
    for folder in settings.folders:
        for path, shown, folders in settings.files(folder, ".yml", ".yaml", ".md"):
            if shown in seen:
                continue
            seen.add(shown)
            try:
                text = text_of(path, shown)
                if path.suffix == ".md":
                    found.docs |= {name: words.strip() for name, words in _DOCS.findall(text)}
                else:
                    _read(read_yaml(text, shown), shown, folders, found)
            except ProjectError as exc:
                found.left += exc.problems
    return found


def _read(data: Any, path: str, folders: tuple[str, ...], found: Properties) -> None:
    if not isinstance(data, Entries):
        return
    file = Entry(data, path, 1, folders)
    for section in data:
        for item, line in file.rows(section):
            if isinstance(item, Entries) and item.get("name"):
                _put(section, Entry(item, path, line, folders), found)


def _put(section: str, entry: Entry, found: Properties) -> None:
    match section:
        case "models":
            found.models[entry.name] = entry
        case "seeds":
            found.seeds[entry.name] = entry
        case "data_tests" | "tests":
            found.tests[entry.name] = entry
        case "exposures":
            found.exposures.append(entry)
        case "unit_tests":
            found.unit_tests.append(entry)
        case "sources":
            for table, line in entry.rows("tables"):
                if isinstance(table, Entries) and table.get("name"):
                    found.sources.append((entry, Entry(table, entry.path, line, entry.folders)))
        case _ if section in _LEFT:
            word, hint = _LEFT[section]
            message = f"The {word} {entry.name} is not taken."
            node = f"{word.replace(' ', '_')}.{entry.name}"
            found.left.append(Problem(message, entry.path, entry.line, hint, node))
