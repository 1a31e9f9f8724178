"""The generic tests of dbt as tests of nodes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from seeknal_git.dbt.jinja import call, has_jinja
from seeknal_git.dbt.names import Names
from seeknal_git.dbt.properties import Entry
from seeknal_git.dbt.settings import Configured, listed
from seeknal_git.dbt.sql import NotPlain
from seeknal_git.dbt.yaml_lines import Entries
from seeknal_git.errors import Problem
from seeknal_git.names import IDENTIFIER, bare, literal

# Keys of a test that are no arguments of it.
_CONFIG = frozenset(
    "severity where enabled name description tags meta limit store_failures store_failures_as"
    " warn_if error_if fail_calc schema database alias config arguments test_name".split()
)
_DEFAULTS = {"warn_if": "!= 0", "error_if": "!= 0", "fail_calc": "count(*)"}
_WAY = "A condition of its own is `custom_sql` under tests, or a rule (docs/nodes.md)."


@dataclass(frozen=True, slots=True)
class NodeTest:
    """A test as a node has it under `tests`."""

    data: dict[str, Any]
    # Another node that it reads, and a name for a rule that asks the same of both.
    reads: str | None = None
    rule: str = ""
    path: str = ""
    line: int = 1


@dataclass(frozen=True, slots=True)
class _Given:
    """A test as dbt writes it."""

    kind: str
    column: str | None
    arguments: dict[str, Any]
    config: dict[str, Any]

    @property
    def where(self) -> str:
        """A condition to put before others; empty if all rows are asked."""
        text = self.config.get("where")
        return f"({text}) AND " if text else ""


def tests_of(entry: Entry, names: Names, usual: Configured) -> tuple[list[NodeTest], list[Problem]]:
    """The tests of a model, a seed or a table of a source; and those that are not taken.

    usual: the settings of the project file for tests.
    """
    found, left = list[NodeTest](), list[Problem]()
    for test, line, column in _all_of(entry):
        given = _read(test, column, usual)
        label = given.kind if given.column is None else f"{given.kind}({given.column})"
        try:
            if given.config.get("enabled") is not False:
                found.append(_apart(_converted(given, entry, line, names), found))
        except NotPlain as exc:
            reason = str(exc).removesuffix(".")
            message = f"The test {label} of {entry.name} is not taken: {reason}."
            left.append(Problem(message, entry.path, line, exc.hint or _WAY))
    return found, left


def _apart(test: NodeTest, others: Sequence[NodeTest]) -> NodeTest:
    """A test whose rule is called like that of none of the others."""
    taken, name, number = {other.rule for other in others}, test.rule, 1
    while name and name in taken:
        number += 1
        name = f"{test.rule}_{number}"
    return replace(test, rule=name)


def _all_of(entry: Entry) -> Iterator[tuple[Any, int, str | None]]:
    """All tests of an entry, each with its line and its column."""
    for key in ("data_tests", "tests"):
        yield from ((test, line, None) for test, line in entry.rows(key))
        for column in entry.columns:
            yield from ((test, line, column.name) for test, line in column.rows(key))


def _read(test: Any, column: str | None, usual: Configured) -> _Given:
    given = dict(test) if isinstance(test, Entries) else {str(test): None}
    kind = given.pop("test_name", None)
    if kind is None:
        kind = next((key for key in given if key not in _CONFIG), "")
        inner = given.pop(kind, None)
        given = {**given, **(inner if isinstance(inner, dict) else {})}
    config = {key: setting.value for key, setting in usual.items()}
    config |= {key: given[key] for key in given if key in _CONFIG}
    within = given.get("config")
    config |= within if isinstance(within, dict) else {}
    arguments = {key: value for key, value in given.items() if key not in _CONFIG}
    more = given.get("arguments")
    arguments |= more if isinstance(more, dict) else {}
    return _Given(str(kind), arguments.pop("column_name", column), arguments, config)


def _converted(given: _Given, entry: Entry, line: int, names: Names) -> NodeTest:
    """A test as a node has it. Raises NotPlain."""
    severity = _refuse(given)
    data, reads, rule = _condition(given, entry, names)
    if given.config.get("name"):
        data["name"] = str(given.config["name"])
    if severity == "warn":
        data["severity"] = "warn"
    return NodeTest(data, reads, rule, entry.path, line)


def _refuse(given: _Given) -> str:
    """The severity of a test. Raises NotPlain for a test that is not like those of nodes."""
    if given.kind not in ("unique", "not_null", "accepted_values", "relationships"):
        package = "." in given.kind
        raise NotPlain("it is of a package" if package else "it is a macro of the project")
    if has_jinja(given.arguments) or has_jinja(given.config):
        raise NotPlain("it has a template")
    for key, usual in _DEFAULTS.items():
        if str(given.config.get(key, usual)) != usual:
            raise NotPlain(f"{key} has no counterpart")
    if given.column is None or not IDENTIFIER.fullmatch(given.column):
        raise NotPlain("it asks an expression, and not a column")
    return str(given.config.get("severity", "error")).lower()


def _condition(given: _Given, entry: Entry, names: Names) -> tuple[dict[str, Any], str | None, str]:
    column, where = str(given.column), given.where
    shown = f"{given.kind}({column})"
    key = bare(column)
    match given.kind:
        case "relationships":
            return _relationship(given, entry, names)
        case "accepted_values":
            values = [str(value) for value in listed(given.arguments.get("values") or [])]
            if not values:
                raise NotPlain("it has no values")
            if not where:
                return {"accepted_values": {"column": column, "values": values}}, None, ""
            condition = f"{key} NOT IN ({', '.join(map(literal, values))})"
        case "unique" if where:
            groups = f"{where}{key} IS NOT NULL GROUP BY {key} HAVING count(*) > 1"
            sql = f"SELECT {key}, count(*) AS occurrences FROM __THIS__ WHERE {groups}"
            return {"name": shown, "custom_sql": sql}, None, ""
        case _:
            condition = f"{key} IS NULL"
    if not where:
        return {given.kind: [column]}, None, ""
    return (
        {"name": shown, "custom_sql": f"SELECT * FROM __THIS__ WHERE {where}{condition}"},
        None,
        "",
    )


def _relationship(
    given: _Given, entry: Entry, names: Names
) -> tuple[dict[str, Any], str | None, str]:
    column, field = str(given.column), given.arguments.get("field")
    to = call(str(given.arguments.get("to")))
    if to is None or not isinstance(field, str):
        raise NotPlain("it needs `to: ref('…')` and `field`")
    target = names.node(to)
    parent = target.partition(".")[2]
    key, other = bare(column), bare(field)
    sql = (
        "SELECT * FROM __THIS__ AS child\n"
        f"WHERE {given.where}child.{key} IS NOT NULL AND NOT EXISTS (\n"
        f"  FROM ref('{target}') AS parent WHERE parent.{other} = child.{key}\n)\n"
    )
    rule = f"{entry.name}_{column}_is_in_{parent}"
    return {"name": f"{column} is in {parent}.{field}", "custom_sql": sql}, target, rule
