"""The names that the templates of a tree may use, read once a node uses one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from seeknal_git.errors import Problem, ProjectError
from seeknal_git.nodes.values import COMMON_FILES, Definition, Given, Use, Values
from seeknal_git.project.definitions import is_sql_path
from seeknal_git.project.settings import PROJECT_FILE, read_written

if TYPE_CHECKING:
    from seeknal_git.git.tree import Tree


@dataclass(frozen=True)
class Vocabulary:
    """The values of a tree for an environment. Nothing is read before somebody asks."""

    tree: Tree
    given: Given = field(default_factory=Given)
    environment: str = "main"

    @cached_property
    def _common(self) -> tuple[Mapping[str, Definition], tuple[Problem, ...]]:
        """The entries of the common files, and the mistakes in them."""
        found: dict[str, Definition] = {}
        problems: list[Problem] = []
        for path in COMMON_FILES:
            if path not in self.tree.files:
                continue
            from seeknal_git.nodes.common_files import read_common

            try:
                found |= read_common(self.tree.read_small(path), path)
            except ProjectError as exc:
                problems += exc.problems
        return found, tuple(problems)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The mistakes in the common files."""
        return self._common[1]

    @cached_property
    def values(self) -> Values:
        """The values, as far as their files can be read."""
        definitions = {**self._variables(), **self._common[0]}
        return Values(self.given, definitions, self._sql_files, self.tree.read_small)

    @cached_property
    def _sql_files(self) -> Mapping[str, str]:
        files = self.tree.files.items()
        return {path: blob for path, blob in files if is_sql_path(path)}

    def _variables(self) -> Mapping[str, Definition]:
        if PROJECT_FILE not in self.tree.files:
            return {}
        try:
            written = read_written(self.tree.read_small(PROJECT_FILE))
        except ProjectError:  # whoever needs the settings says so
            return {}
        return written.variables.of(self.environment)

    def variables_of(self, environment: str) -> Mapping[str, Definition]:
        """The project file's variables of an environment."""
        return replace(self, environment=environment)._variables()

    def changed(self, before: Vocabulary, uses: Iterable[Use]) -> dict[str, Definition]:
        """The entries and variables that have another text here than in another tree, among those
        that some names use, at any depth in both."""
        names = [name for name, is_own in uses if not is_own]
        now = self.values.parts(names)
        was = before.values.parts(names) if now else {}
        return {
            name: self.values.definitions[name]
            for name in sorted(now)
            if name in was and was[name] != now[name]
        }

    def content(self, blob: str, uses: Iterable[Use]) -> str:
        """The id of a file's content together with the values of the names that it uses."""
        return f"{blob}+{self.values.digest(uses)[:40]}"
