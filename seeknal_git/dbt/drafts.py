"""A node that dbt's files become, and its files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from seeknal_git.dbt.checks import NodeTest
from seeknal_git.names import split_id
from seeknal_git.nodes.kinds import folder_of

_WIDTH = 100


@dataclass(frozen=True, slots=True)
class NodeExample:
    """An example, as a node's file has it, and where dbt has it."""

    data: dict[str, Any]
    path: str
    line: int

    @property
    def name(self) -> str:
        return str(self.data["name"])


class Row(dict[str, Any]):
    """A row that stands on one line of a file."""


@dataclass(slots=True)
class Draft:
    """A node to write."""

    id: str
    # The file of dbt that it comes from.
    path: str
    line: int
    # Its YAML, but for kind and name.
    data: dict[str, Any]
    # The nodes that it reads, without those of tests.
    reads: tuple[str, ...] = ()
    tests: list[NodeTest] = field(default_factory=list)
    examples: list[NodeExample] = field(default_factory=list)
    # Its SQL in a file of its own.
    sql: str | None = None
    # The line of dbt's file that each of its lines comes from.
    lines: list[int] = field(default_factory=list)
    # The folders of its files, below that of its kind.
    folders: tuple[str, ...] = ()
    # Files of data to put into the project: path there → the file.
    copies: dict[str, Path] = field(default_factory=dict)
    # Whether its raw data is still to come.
    needs_data: bool = False
    # Whether it is a seed, whose file belongs into git.
    is_seed: bool = False
    # Variables of the project that it uses.
    variables: tuple[str, ...] = ()

    @property
    def base(self) -> str:
        """The path of its files, without an ending."""
        kind, name = split_id(self.id)
        return "/".join((folder_of(kind), *self.folders, name))

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths of its own files."""
        return (f"{self.base}.yml", *([f"{self.base}.sql"] if self.sql is not None else []))

    def files(self) -> dict[str, bytes]:
        """Path → content of the node's own files."""
        kind, name = split_id(self.id)
        data = {"kind": kind, "name": name, **self.data}
        if self.tests:
            data["tests"] = [test.data for test in self.tests]
        if self.examples:
            data["examples"] = [example.data for example in self.examples]
        found = {f"{self.base}.yml": _as_yaml(data).encode()}
        if self.sql is not None:
            found[f"{self.base}.sql"] = self.sql.encode()
        return found


class _Dumper(yaml.SafeDumper):
    """Texts of several lines keep them."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _row(dumper: yaml.SafeDumper, row: Row) -> yaml.MappingNode:
    return dumper.represent_mapping("tag:yaml.org,2002:map", row.items(), flow_style=True)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(Row, _row)


def _dumped(value: Any, *, flow: bool | None, width: float) -> str:
    return yaml.dump(
        value,
        Dumper=_Dumper,
        allow_unicode=True,
        sort_keys=False,
        default_flow_style=flow,
        width=width,
    )


def _as_yaml(data: Mapping[str, Any]) -> str:
    return "".join(_entry(key, value) for key, value in data.items())


def _entry(key: str, value: Any) -> str:
    if key == "tests":
        return "tests:\n" + "".join(f"  - {line}" for line in _tests(value))
    if key in ("tags", "params", "inputs", "depends_on", "schema"):
        return f"{key}: {_dumped(value, flow=True, width=float('inf'))}"
    if key == "examples":
        lines = _dumped(value, flow=False, width=float("inf")).splitlines()
        return "\n".join(["examples:", *(f"  {line}" if line else "" for line in lines), ""])
    return _dumped({key: value}, flow=False, width=_WIDTH)


def _tests(tests: list[dict[str, Any]]) -> Iterator[str]:
    """Each test: `not_null: [a]` or `{…}` on one line, and SQL on lines of its own."""
    for test in tests:
        if "custom_sql" in test:
            lines = _dumped(test, flow=False, width=float("inf")).splitlines()
            yield "\n    ".join(lines) + "\n"
            continue
        line = _dumped(test, flow=True, width=float("inf"))
        yield f"{line.strip()[1:-1]}\n" if len(test) == 1 else line
