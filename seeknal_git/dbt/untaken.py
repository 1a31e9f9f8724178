"""The tests and unit tests of dbt that are not taken, as their node was there already."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import yaml

from seeknal_git.dbt.checks import NodeTest
from seeknal_git.dbt.drafts import NodeExample
from seeknal_git.dbt.taken import Order, rule_of
from seeknal_git.errors import Problem
from seeknal_git.names import split_id
from seeknal_git.nodes.checks import Test, compile_test
from seeknal_git.nodes.examples import examples_of
from seeknal_git.nodes.node import Check, Node


def untaken(
    node: Node, tests: Iterable[NodeTest], reads: Mapping[str, Iterable[str]]
) -> Iterator[Problem]:
    """A problem for each test that a node of the project does not have.

    reads: each node that is there, or is taken now → the nodes that it reads.
    """
    name, order = split_id(node.id)[1], Order(reads)
    for test in tests:
        if f"rule.{test.rule}" in reads or _has(node.checks, test):
            continue
        shown = _check(test).name
        message = f"The test {shown} of {name} is not taken: {name} was there already."
        hint = f"Write it in {node.path}, under tests: {_flow(test.data)}"
        if test.reads is not None and test.reads not in reads:
            hint = f"Write {test.reads} as a node first."
        elif test.reads is not None and order.reaches(test.reads, node.id):
            hint = f"Write it as a rule {test.rule}: {_flow(rule_of(node.id, test))}"
        yield Problem(message, test.path, test.line, hint)


def untaken_examples(node: Node, examples: Iterable[NodeExample]) -> Iterator[Problem]:
    """A problem for each unit test that a node of the project does not have."""
    there = {example.name for example in examples_of(node)}
    name = split_id(node.id)[1]
    for example in examples:
        if example.name not in there:
            message = (
                f"The unit test {example.name} of {name} is not taken: {name} was there already."
            )
            hint = f"Write it in {node.path}, under examples."
            yield Problem(message, example.path, example.line, hint)


def _has(checks: Iterable[Check], test: NodeTest) -> bool:
    """Whether one of a node's checks asks the same as a test; SQL is known by its name."""
    wanted = _check(test)
    if "custom_sql" in test.data:
        return any(check.name == wanted.name for check in checks)
    return any(wanted.sql in (check.sql, *_conditions(check)) for check in checks)


def _check(test: NodeTest) -> Check:
    return compile_test(Test.model_validate(test.data), test.line)


def _conditions(check: Check) -> Iterator[str]:
    """The single columns of `not_null: [a, b]`, each as a check of its own."""
    select, where, conditions = check.sql.partition(" WHERE ")
    return (f"{select}{where}{condition}" for condition in conditions.split(" OR "))


def _flow(data: Mapping[str, Any]) -> str:
    """Keys as they stand in a file, on one line."""
    text = yaml.safe_dump(
        dict(data),
        default_flow_style=True,
        allow_unicode=True,
        sort_keys=False,
        width=float("inf"),
    )
    return text.strip()
