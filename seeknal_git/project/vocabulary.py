"""The names that the templates of a tree may use, read once a node uses one."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from seeknal_git.errors import Problem, ProjectError
from seeknal_git.nodes.values import COMMON_FILES, Definition, Given, Use, Values
from seeknal_git.project.definitions import is_macro_path, is_sql_path
from seeknal_git.project.fingerprints import digest
from seeknal_git.project.settings import PROJECT_FILE, read_written

if TYPE_CHECKING:
    from seeknal_git.cache import Cache
    from seeknal_git.git.tree import Tree
    from seeknal_git.sql.macro_files import MacroFiles
    from seeknal_git.sql.macros import Macro


@dataclass(frozen=True)
class Vocabulary:
    """The values of a tree for an environment. Nothing is read before somebody asks."""

    tree: Tree
    given: Given = field(default_factory=Given)
    environment: str = "main"
    cache: Cache | None = None

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
        """The mistakes in the common files, and in those of macros."""
        if not self._macro_files:
            return self._common[1]
        found = (Problem(*mistake) for mistake in self._macros.mistakes)
        return (*self._common[1], *found)

    @cached_property
    def _macro_files(self) -> Mapping[str, str]:
        return {path: blob for path, blob in self.tree.files.items() if is_macro_path(path)}

    @cached_property
    def _macros(self) -> MacroFiles:
        from seeknal_git.sql.macro_files import packed, unpacked

        files = self._macro_files
        key = digest(*(word for file in sorted(files.items()) for word in file))
        known = self.cache.get("macros", [key]) if self.cache else {}
        if key in known:
            return unpacked(known[key])
        found = _read_macros(self.tree, sorted(files))
        if self.cache:
            self.cache.put("macros", {key: packed(found)})
        return found

    @cached_property
    def names_of_macros(self) -> str:
        """A hash of the names of all macros, which decide the calls that a file may have; empty if
        there are none."""
        if not self._macro_files:
            return ""
        return digest(*sorted(macro.name for macro in self._macros.macros))[:12]

    @cached_property
    def values(self) -> Values:
        """The values, as far as their files can be read."""
        definitions = {**self._variables(), **self._common[0]}
        read = self.tree.read_small
        return Values(self.given, definitions, self._sql_files, read, self.macros)

    @cached_property
    def macros(self) -> Mapping[str, Macro]:
        """The macros that the engine understands, by name."""
        found = self._macros.macros if self._macro_files else ()
        return {macro.name: macro for macro in found}

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

    def changed(self, before: Vocabulary, uses: Iterable[Use]) -> dict[str, str]:
        """The entries, variables and macros that have another text here than in another tree, among
        those that some names use, at any depth in both: name → place."""
        names = [name for name, is_own in uses if not is_own]
        now = self.values.parts(names)
        was = before.values.parts(names) if now else {}
        return {
            name: self.values.place(name)
            for name in sorted(now)
            if name in was and was[name] != now[name]
        }

    def files_changed(self, before: Vocabulary, uses: Iterable[Use]) -> set[str]:
        """The files of the entries, variables and macros that have another text here than in
        another tree, or are only in one of them, among those that some names use."""
        names = [name for name, is_own in uses if not is_own]
        now, was = self.values.parts(names), before.values.parts(names)
        return {
            side.values.place(name).rpartition(":")[0]
            for side, parts in ((self, now), (before, was))
            for name in parts
            if now.get(name) != was.get(name)
        }

    def content(self, blob: str, uses: Iterable[Use]) -> str:
        """The id of a file's content together with the values of the names that it uses."""
        return f"{blob}+{self.values.digest(uses)[:40]}"


_NO_FUNCTION = re.compile(
    r"((?:Scalar|Table) Function with name (\w+) does not exist!)(?: Did you mean \"[^\"]*\"\?)?"
)


def with_near_macro(problem: Problem, vocabulary: Vocabulary) -> Problem:
    """The problem. If it is a function that the engine does not know, and a macro has almost that
    name, it names the macro."""
    if not (found := _NO_FUNCTION.search(problem.message)):
        return problem
    macros = vocabulary.macros
    near = difflib.get_close_matches(found[2].lower(), [name.lower() for name in macros], 1)
    macro = next((macro for macro in macros.values() if macro.name.lower() in near), None)
    if macro is None:
        return problem
    message = problem.message.replace(found[0], found[1])
    hint = f"Did you mean the macro {macro.name} ({macro.path}:{macro.line})?"
    return replace(problem, message=message, hint=hint)


def _read_macros(tree: Tree, paths: Sequence[str]) -> MacroFiles:
    """The macros in files of a tree."""
    from seeknal_git.nodes.yaml_document import text_of
    from seeknal_git.sql.macro_files import MacroFiles, read_macros

    texts: list[tuple[str, str]] = []
    mistakes: list[tuple[str, str, int]] = []
    for path in paths:
        try:
            texts.append((path, text_of(tree.read_small(path), path).replace("\r\n", "\n")))
        except ProjectError as exc:
            mistakes += [(found.message, path, found.line or 1) for found in exc.problems]
    found = read_macros(texts) if texts else MacroFiles()
    return MacroFiles(found.macros, (*mistakes, *found.mistakes))
