"""Singular tests of dbt as rules."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from seeknal_git.dbt.drafts import Draft
from seeknal_git.dbt.properties import Entry
from seeknal_git.dbt.reading import Reading, disabled, templates
from seeknal_git.dbt.settings import Configured, merged, text_of
from seeknal_git.dbt.sql import converted
from seeknal_git.dbt.writing import Writing, with_own
from seeknal_git.dbt.yaml_lines import Entries
from seeknal_git.errors import Problem
from seeknal_git.names import IDENTIFIER

_GENERIC = re.compile(r"\{%-?\s*(?:test|data_test|macro)\b")
_NO_COUNTERPART = ("where", "warn_if", "error_if", "fail_calc")


def rules(reading: Reading) -> None:
    """Add a rule for each query whose rows violate a condition."""
    for path, shown, folders in reading.settings.files("test", ".sql"):
        text, name = text_of(path, shown), path.stem
        if _GENERIC.search(text):
            continue
        writing = Writing(reading)
        sql = converted(text, shown, writing)
        entry = reading.properties.tests.get(name) or Entry(Entries(name=name), shown, 1)
        usual = reading.configured("tests", folders, name)
        usual |= reading.configured("data_tests", folders, name)
        config = with_own(merged(usual, entry.configured), sql, shown)
        if problems := sql.problems or [*_refused(config, name, shown, writing)]:
            reading.left += (replace(problem, node=f"rule.{name}") for problem in problems)
            continue
        data = reading.described(entry, config)
        data["inputs"] = list(writing.reads)
        data["rule"] = {"type": "sql_assertion", "sql": sql.text}
        if params := _params(config, writing):
            data["params"] = params
        reading.drafts.append(
            Draft(
                id=f"rule.{name}",
                path=shown,
                line=1,
                data=data,
                reads=tuple(writing.reads),
                folders=folders,
                variables=tuple(writing.variables),
            )
        )


def _params(config: Configured, writing: Writing) -> dict[str, Any]:
    is_warning = "severity" in config and str(config["severity"].value).lower() == "warn"
    return {**writing.params, **({"severity": "warn"} if is_warning else {})}


def _refused(config: Configured, name: str, path: str, writing: Writing) -> Iterator[Problem]:
    """The reasons why a test is not taken."""
    yield from disabled(config, name, path)
    yield from templates(config, name, path, "enabled", "severity", "tags")
    if not IDENTIFIER.fullmatch(name):
        yield Problem(f"{name!r} cannot be a node's name.", path, 1)
    if not writing.reads:
        yield Problem(f"The test {name} reads no model.", path, 1)
    for key in _NO_COUNTERPART:
        if key in config:
            message = f"The setting {key} of {name} has no counterpart"
            yield config[key].problem(message, path, "Write the condition into the query.")
