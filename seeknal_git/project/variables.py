"""The variables of a project file: `vars`, and those that `environments` has for some branches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from seeknal_git.errors import Problem
from seeknal_git.nodes.scalars import is_nothing
from seeknal_git.nodes.values import RESERVED, Definition

if TYPE_CHECKING:
    from seeknal_git.nodes.yaml_document import Document

VARIABLE_KEYS = ("vars", "environments")


@dataclass(frozen=True, slots=True)
class Variables:
    """Name → text: of every environment, and of those whose name matches a pattern."""

    everywhere: Mapping[str, Definition] = field(default_factory=dict)
    of_environments: Mapping[str, Mapping[str, Definition]] = field(default_factory=dict)

    def of(self, environment: str) -> Mapping[str, Definition]:
        """The variables of an environment. Its own name comes before a pattern, and an earlier
        pattern before a later one."""
        own = self.of_environments.get(environment)
        if own is None:
            matching = (
                found
                for pattern, found in self.of_environments.items()
                if fnmatchcase(environment, pattern)
            )
            own = next(matching, {})
        return {**self.everywhere, **own}


NO_VARIABLES = Variables()


def read_variables(document: Document, path: str) -> tuple[Variables, list[Problem]]:
    """The variables in a project file, and the mistakes in them."""
    data, reading = document.data, _Reading(document, path, [])
    if not data.keys() & set(VARIABLE_KEYS):
        return NO_VARIABLES, []
    everywhere = reading.variables(data.get("vars"), "vars")
    of_environments: dict[str, Mapping[str, Definition]] = {}
    for name, given in reading.mapping(data.get("environments"), "environments"):
        place = f"environments.{name}"
        for key, inner in reading.mapping(given, place):
            if key == "vars":
                of_environments[name] = reading.variables(inner, f"{place}.vars")
            else:
                reading.wrong(f"An environment has `vars` alone, not `{key}`.", f"{place}.{key}")
    return Variables(everywhere, of_environments), reading.problems


@dataclass(frozen=True, slots=True)
class _Reading:
    """A project file that is read, and the mistakes so far."""

    document: Document
    path: str
    problems: list[Problem]

    def wrong(self, message: str, place: str) -> None:
        self.problems.append(Problem(message, self.path, self.document.lines.get(place)))

    def mapping(self, given: Any, place: str) -> Iterator[tuple[str, Any]]:
        """The entries of a mapping. Anything else is a mistake."""
        if isinstance(given, dict):
            yield from ((str(key), value) for key, value in given.items())
        elif not is_nothing(given):
            self.wrong(f"`{place}` is a mapping of names.", place)

    def variables(self, given: Any, place: str) -> dict[str, Definition]:
        found = {}
        for name, text in self.mapping(given, place):
            line = self.document.lines.get(f"{place}.{name}", 1)
            if not name.isidentifier() or name in RESERVED:
                self.wrong(f"`{name}` cannot be the name of a variable.", f"{place}.{name}")
            elif not isinstance(text, str):
                message = f"The variable `{name}` is one text or number."
                self.wrong(message, f"{place}.{name}")
            else:
                found[name] = Definition(str(text), self.path, line)
        return found
