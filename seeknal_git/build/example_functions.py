"""Try the examples of Python nodes: their code is run as a run does it, over the given rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from seeknal_git.build.example_questions import Case
from seeknal_git.build.failures import NodeFailed
from seeknal_git.build.python_nodes import Functions
from seeknal_git.project.load import Loaded
from seeknal_git.sql.example import Bench


def answers_of_functions(
    loaded: Loaded, cases: Mapping[int, Case], questions: Mapping[int, dict[str, Any]]
) -> dict[int, dict[str, Any]]:
    """The answer to each question about a Python node, in the form of those about SQL."""
    functions = Functions.of(loaded.graph, loaded.root, {case.node.id for case in cases.values()})
    try:
        bench = Bench(functions.folder)
        return {
            number: _answer(
                bench, question, partial(_made, functions, cases[number], bench, question)
            )
            for number, question in questions.items()
        }
    finally:
        functions.close()


def _answer(
    bench: Bench,
    question: dict[str, Any],
    made: Callable[[], tuple[str, Mapping[str, Any]]],
) -> dict[str, Any]:
    try:
        return bench.answer(question, made)
    except NodeFailed as exc:
        return {"error": str(exc), "at": "sql"}


def _made(
    functions: Functions, case: Case, bench: Bench, question: Mapping[str, Any]
) -> tuple[str, Mapping[str, Any]]:
    """Run the function; the SELECT of its rows, and its parameters. Raises NodeFailed."""
    tables = {table["of"]: table["name"] for table in question["tables"]}
    statement = functions.statement(case.node.id, tables, bench)
    return statement.sql, statement.parameters
