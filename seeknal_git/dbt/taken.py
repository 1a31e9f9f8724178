"""The nodes of a conversion that can be taken together: all that they read is there."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from seeknal_git.dbt.checks import NodeTest
from seeknal_git.dbt.drafts import Draft
from seeknal_git.errors import Problem
from seeknal_git.names import IDENTIFIER


def closed(
    drafts: Iterable[Draft], present: Collection[str]
) -> tuple[dict[str, Draft], list[Problem]]:
    """The drafts that read only each other and nodes that are present; and why others are left."""
    kept = {draft.id: draft for draft in drafts}
    left = []
    while missing := {
        draft.id: node
        for draft in kept.values()
        for node in draft.reads
        if node not in kept and node not in present
    }:
        for identifier, node in missing.items():
            draft = kept.pop(identifier)
            name = identifier.partition(".")[2]
            message = f"{name} reads {node.partition('.')[2]}, which is not taken."
            hint = f"Write {node} as a node, and import again."
            if not IDENTIFIER.fullmatch(node.partition(".")[2]):
                hint = "Give that model another name first."
            left.append(Problem(message, draft.path, draft.line, hint))
    return kept, left


def with_sound_tests(
    drafts: Mapping[str, Draft], present: Collection[str]
) -> tuple[list[Draft], list[Problem]]:
    """The drafts with the tests that can be asked. A test that reads a node which comes after its
    own becomes a rule about both; one that reads a node which is left is left, too."""
    after = Order({draft.id: draft.reads for draft in drafts.values()})
    found, left = [], []
    for draft in drafts.values():
        tests, rules = [], []
        for test in draft.tests:
            if test.reads is not None and not (test.reads in drafts or test.reads in present):
                left.append(_without(draft, test))
            elif test.reads is not None and after.reaches(test.reads, draft.id):
                rules.append(_rule(draft, test))
            else:
                tests.append(test)
                if test.reads is not None:
                    after.add(draft.id, test.reads)
        found += [replace(draft, tests=tests), *rules]
    return found, left


def _without(draft: Draft, test: NodeTest) -> Problem:
    name, other = draft.id.partition(".")[2], str(test.reads).partition(".")[2]
    message = f"A test of {name} is not taken: it reads {other}, which is not taken."
    return Problem(message, test.path, test.line, f"Write {test.reads} as a node first.")


def _rule(draft: Draft, test: NodeTest) -> Draft:
    """A rule that asks the same as a test."""
    data = rule_of(draft.id, test)
    return Draft(f"rule.{test.rule}", test.path, test.line, data, tuple(data["inputs"]))


def rule_of(node: str, test: NodeTest) -> dict[str, Any]:
    """The keys of a rule that asks the same as a test of a node about another."""
    sql = str(test.data["custom_sql"]).replace("__THIS__", f"ref('{node}')", 1)
    data: dict[str, Any] = {
        "inputs": [node, str(test.reads)],
        "rule": {"type": "sql_assertion", "sql": sql},
    }
    if test.data.get("severity"):
        data["params"] = {"severity": test.data["severity"]}
    return data


class Order:
    """Which node reads which, at any distance."""

    def __init__(self, reads: Mapping[str, Iterable[str]]) -> None:
        self._reads = {reader: set(nodes) for reader, nodes in reads.items()}

    def add(self, reader: str, node: str) -> None:
        self._reads.setdefault(reader, set()).add(node)

    def reaches(self, reader: str, node: str) -> bool:
        """Whether a node reads another at any distance, or is that node."""
        return node in self._upstream(reader)

    def _upstream(self, node: str) -> Iterator[str]:
        seen, waiting = set[str](), [node]
        while waiting:
            current = waiting.pop()
            if current not in seen:
                seen.add(current)
                yield current
                waiting += self._reads.get(current, ())
