"""Unit tests of dbt as examples of nodes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from seeknal_git.dbt.drafts import NodeExample, Row
from seeknal_git.dbt.jinja import call, has_jinja
from seeknal_git.dbt.properties import Entry
from seeknal_git.dbt.reading import Reading
from seeknal_git.dbt.settings import as_text, text_of
from seeknal_git.dbt.sql import NotPlain
from seeknal_git.dbt.yaml_lines import Entries
from seeknal_git.errors import Problem, ProjectError
from seeknal_git.nodes.examples import csv_rows

_FIXTURES = "fixtures"


def unit_tests(reading: Reading) -> None:
    """Give the unit tests of a project to its models."""
    drafts = {draft.id: draft for draft in reading.drafts}
    for entry in reading.properties.unit_tests:
        try:
            model = f"transform.{entry.data.get('model')}"
            example = NodeExample(_converted(reading, entry), entry.path, entry.line)
        except (NotPlain, ProjectError) as exc:
            reason = _reason(exc)
            reading.left.append(_left(entry, reason, getattr(exc, "hint", None)))
            continue
        if model in drafts:
            drafts[model].examples.append(example)
        reading.examples.setdefault(model, []).append(example)


def _reason(exc: NotPlain | ProjectError) -> str:
    text = exc.problems[0].message if isinstance(exc, ProjectError) else str(exc)
    return f"{text[0].lower()}{text[1:]}".removesuffix(".")


def _left(entry: Entry, reason: str, hint: str | None = None) -> Problem:
    message = f"The unit test {entry.name} is not taken: {reason}."
    way = hint or "Write it under `examples` of the node (docs/nodes.md)."
    return Problem(message, entry.path, entry.line, way)


def without_model(reading: Reading) -> Iterator[Problem]:
    """A problem for each unit test of a model that is not taken."""
    drafts = {draft.id for draft in reading.drafts}
    for model, examples in reading.examples.items():
        for example in examples if model not in drafts else ():
            message = f"The unit test {example.name} is not taken, as its model is not."
            hint = f"Write {model} as a node, with the test under `examples`."
            yield Problem(message, example.path, example.line, hint, model)


def _converted(reading: Reading, entry: Entry) -> dict[str, Any]:
    """The keys of an example. Raises NotPlain."""
    data = entry.data
    found: dict[str, Any] = {"name": entry.name}
    if text := reading.properties.described(data):
        found["description"] = text
    given: dict[str, Any] = {}
    for item, _ in entry.rows("given"):
        if not isinstance(item, Entries):
            raise NotPlain("an entry of `given` is no mapping")
        asked = call(str(item.get("input")))
        if asked is None:
            raise NotPlain("its input `this` is the table before a run, which no node reads")
        given[reading.names.node(asked)] = _rows(reading, item)
    if given:
        found["given"] = given
    expect = data.get("expect")
    if not isinstance(expect, Entries):
        raise NotPlain("it expects nothing")
    rows = _rows(reading, expect)
    found["expect"] = {"rows": rows, "only": columns} if (columns := _columns(rows)) else rows
    if params := _params(data.get("overrides")):
        found["params"] = params
    return found


def _params(overrides: Any) -> dict[str, str]:
    """The variables that a unit test sets. Raises NotPlain for other things that it replaces."""
    given = overrides if isinstance(overrides, Entries) else {}
    macros = given.get("macros")
    for name, value in macros.items() if isinstance(macros, dict) else ():
        if name != "is_incremental" or value not in (False, "false"):
            raise NotPlain(f"it replaces the macro {name}")
    if given.get("env_vars"):
        raise NotPlain("it replaces variables of the environment")
    variables = given.get("vars")
    texts = {
        str(name): as_text(value)
        for name, value in (variables.items() if isinstance(variables, dict) else ())
    }
    if wrong := [name for name, text in texts.items() if text is None]:
        raise NotPlain(f"its variable {wrong[0]} is no text and no number")
    return {name: text for name, text in texts.items() if text is not None}


def _rows(reading: Reading, given: Entries) -> Any:
    """Rows of a unit test, as an example has them. Raises NotPlain."""
    form, rows = str(given.get("format", "dict")), given.get("rows")
    if given.get("fixture"):
        return _fixture(reading, str(given["fixture"]), form)
    if form == "csv" or (form == "dict" and isinstance(rows, str)):
        return _csv(str(rows or ""))
    if form == "sql":
        if not isinstance(rows, str) or has_jinja(rows):
            raise NotPlain("its SQL has a template")
        return {"sql": rows.strip()}
    items = list(rows) if isinstance(rows, list) else []
    if has_jinja(items):
        raise NotPlain("its rows have a template")
    return [Row(item) for item in items if isinstance(item, dict)]


def _csv(text: str) -> str:
    try:
        csv_rows(text)
    except ValueError as exc:
        raise NotPlain(str(exc)) from exc
    return f"{text.strip()}\n"


def _fixture(reading: Reading, name: str, form: str) -> Any:
    """The rows of a file beside the tests. Raises NotPlain."""
    for path, shown, folders in reading.settings.files("test", ".csv", ".sql"):
        if _FIXTURES in folders and name in (path.stem, path.name):
            text = text_of(path, shown)
            if path.suffix == ".csv":
                return _csv(text)
            return _rows(reading, Entries(format="sql", rows=text))
    raise NotPlain(f"there is no file of its fixture {name} ({form})")


def _columns(rows: Any) -> list[str]:
    """The columns that rows have: dbt compares no others."""
    if isinstance(rows, str):
        return csv_rows(rows)[0]
    if isinstance(rows, list):
        return list(dict.fromkeys(str(name) for row in rows for name in row))
    return _columns_of_sql(rows["sql"])


def _columns_of_sql(sql: str) -> list[str]:
    """The columns of a SELECT without tables; none if the engine refuses it."""
    from seeknal_git.sql.engine import SqlError, bound_columns

    try:
        return [name for name, _ in bound_columns(sql, (), {})]
    except SqlError as exc:
        raise NotPlain(f"its SQL is refused: {exc.message}") from exc
