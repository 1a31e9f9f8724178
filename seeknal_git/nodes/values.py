"""The values of templates: those that a command gives, and those that a tree defines. Pure, but for
the day and the environment of the process."""

from __future__ import annotations

import datetime
import hashlib
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from seeknal_git.sql.run_values import PER_RUN, mark

if TYPE_CHECKING:
    from seeknal_git.sql.macros import Macro

# The files whose entries templates may name.
COMMON_FILES = tuple(
    f"seeknal/common/{name}.yml" for name in ("sources", "rules", "transformations")
)
# A name that a file uses, and whether its own `params` have it.
Use = tuple[str, bool]
# Before the path of a file, where a node uses it.
FILE = "file:"
# Before the name of a macro, where a node uses it.
MACRO = "macro "
_CALL = re.compile(r"(\w+)\s*\((.*)\)", re.DOTALL)
_DOTTED = re.compile(r"\w+(?:\.\w+)+")
_ENV = re.compile(r"env:\s*(\w+)\s*(?:\|(.*))?", re.DOTALL)
_ENV_CALL = re.compile(r"""\s*(['"])(\w+)\1\s*(?:,\s*(['"])(.*)\3\s*)?""", re.DOTALL)
_OPEN = "{{"
_CLOSE = "}}"


class Unresolved(ValueError):
    """A template that has no value: the reason, and the way out."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        # The definition in which it stands; None for a template of a node.
        self.within: Definition | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """The values that a command gives to templates.

    params: wins over all other values of that name; date: the day that counts as today, as
    YYYY-MM-DD; environment: the one whose `vars` count, None for the branch that is checked out.
    """

    params: Mapping[str, str] = field(default_factory=dict)
    date: str | None = None
    start_date: str | None = None
    end_date: str | None = None
    environment: str | None = None

    @property
    def values(self) -> dict[str, str]:
        """Name → text."""
        dates = {"date": self.date, "run_date": self.date, "today": self.date}
        period = {"start_date": self.start_date, "end_date": self.end_date}
        given = {name: text for name, text in {**dates, **period}.items() if text is not None}
        return {**given, **self.params}


@dataclass(frozen=True, slots=True)
class Definition:
    """The text of an entry of a common file, or of a variable of the project file, and its place.

    Its own templates are not resolved in it.
    """

    text: str
    path: str
    line: int

    @property
    def place(self) -> str:
        return f"{self.path}:{self.line}"


def _nothing(path: str) -> bytes:
    raise KeyError(path)


@dataclass(frozen=True)
class Values:
    """The values that the nodes of a tree may use. definitions: name → entry, such as `rules.big`
    of a common file, or `region` of the project file's `vars`."""

    given: Given = field(default_factory=Given)
    definitions: Mapping[str, Definition] = field(default_factory=dict)
    # The files of SQL: path → blob, and the way to read one.
    files: Mapping[str, str] = field(default_factory=dict)
    read: Callable[[str], bytes] = _nothing
    macros: Mapping[str, Macro] = field(default_factory=dict)

    @cached_property
    def _command_line(self) -> Mapping[str, str]:
        return self.given.values

    @cached_property
    def _today(self) -> datetime.date:
        return (
            datetime.date.fromisoformat(self.given.date)
            if self.given.date
            else datetime.datetime.now().astimezone().date()
        )

    def value(
        self,
        expression: str,
        params: Mapping[str, str] | None = None,
        within: tuple[str, ...] = (),
    ) -> str:
        """The text of `{{ expression }}`.

        params: those of the node; within: the names whose texts the expression stands in. Raises
        Unresolved.
        """
        known = params or {}
        if expression in self._command_line:
            return self._command_line[expression]
        is_own = expression in known and expression != (within or ("",))[-1]
        if expression in within and (is_own or expression not in known):
            circle = " → ".join([*within[within.index(expression) :], expression])
            raise Unresolved(f"`{expression}` uses itself: {circle}.")
        if is_own:
            return self.filled(known[expression], known, (*within, expression))
        if (found := self._defined(expression)) is not None:
            return self._text_of(expression, found, within)
        return self._of_the_day(expression) or self._of_process(expression, known)

    def _text_of(self, name: str, found: Definition, within: tuple[str, ...]) -> str:
        """The text of a definition. It knows no `params` of the nodes that use it."""
        try:
            text = self.filled(found.text, {}, (*within, name))
        except Unresolved as exc:
            exc.within = exc.within or found
            raise
        # A comment at its end would reach into the statement behind it.
        return f"{text}\n" if "--" in text.rpartition("\n")[2] else text

    def filled(
        self, text: str, params: Mapping[str, str] | None = None, within: tuple[str, ...] = ()
    ) -> str:
        """A text with the values of its templates. Raises Unresolved."""
        return filled(text, lambda expression: self.value(expression, params, within))

    def _defined(self, expression: str) -> Definition | None:
        return self.definitions.get(_spelled(expression))

    def _of_the_day(self, expression: str) -> str | None:
        """The value of a date, or of a word that means another text in each run."""
        call = _CALL.fullmatch(expression)
        name, argument = (call[1], call[2].strip()) if call else (expression, "")
        if name not in _DATES:
            return mark(expression) if expression in PER_RUN else None
        try:
            steps = int(argument or 0)
            return _DATES[name](self._today, steps).isoformat()
        except (ValueError, OverflowError) as exc:
            message = f"`{expression}` is no date: {name} takes one whole number."
            raise Unresolved(message) from exc

    def _of_process(self, expression: str, params: Mapping[str, str]) -> str:
        """The value of a variable of the environment. Raises Unresolved for any other name."""
        asked = variable_of(expression)
        if asked is None:
            raise self._unknown(expression, params)
        name, default = asked
        text = os.environ.get(name, default)
        if text is None:
            raise Unresolved(
                f"The environment has no variable {name}.",
                f"Set it, or give a default: {{{{ env:{name}|default }}}}",
            )
        return text

    def _unknown(self, expression: str, params: Mapping[str, str]) -> Unresolved:
        message = f"`{_OPEN} {expression} {_CLOSE}` is not known."
        if way := _of_another_tool(expression):
            return Unresolved(message, way)
        import difflib

        names = [*self._command_line, *params, *self.definitions, *_DATES, *PER_RUN]
        near = difflib.get_close_matches(_spelled(expression), names, 1)
        if near:
            return Unresolved(message, f"Did you mean {_OPEN} {near[0]} {_CLOSE}?")
        if expression in ("start_date", "end_date", "date"):
            option = f"--{expression.replace('_', '-')}"
            return Unresolved(message, f"Give it with {option}, or a default in `params`.")
        where = "seeknal/common/" if _DOTTED.fullmatch(expression) else "the node's `params`"
        return Unresolved(message, f"Define it in {where}, or give it with --params.")

    def digest(self, uses: Iterable[Use]) -> str:
        """A hash of the values of names. Each comes with whether the node's own `params` have it,
        so that only the command line is before them."""
        found = hashlib.sha256()
        for expression, is_own in uses:
            text = self._command_line.get(expression) if is_own else self._told(expression)
            found.update(f"{expression}\0{text!r}\0".encode())
        return found.hexdigest()

    def _told(self, expression: str) -> str | None:
        if expression.startswith(FILE):
            return self.files.get(expression.removeprefix(FILE))
        if expression.startswith(MACRO):
            return repr(sorted(self.parts([expression]).items()))
        try:
            return self.value(expression)
        except Unresolved:
            return None

    def parts(self, expressions: Iterable[str]) -> dict[str, str]:
        """Name → its own text, of all definitions that expressions use, at any depth."""
        found: dict[str, str] = {}
        waiting = list(expressions)
        while waiting:
            name = _spelled(waiting.pop())
            if macro := self.macros.get(name.removeprefix(MACRO)) if MACRO in name else None:
                if name not in found:
                    from seeknal_git.sql.macros import calls

                    waiting += [f"{MACRO}{called}" for called in calls(macro.body, self.macros)]
                found[name] = macro.definition
                continue
            defined = self.definitions.get(name)
            if defined and name not in found and name not in self._command_line:
                found[name] = defined.text
                waiting += [expression for _, _, expression in templates(defined.text)]
        return found

    @property
    def named(self) -> set[str]:
        """The names that the definitions use."""
        texts = (definition.text for definition in self.definitions.values())
        return {name for text in texts for *_, name in templates(text)}

    def place(self, name: str) -> str:
        """Where a definition or a macro is."""
        if macro := self.macros.get(name.removeprefix(MACRO)):
            return f"{macro.path}:{macro.line}"
        return self.definitions[name].place

    def secrets(self, expressions: Iterable[str]) -> tuple[str, ...]:
        """The variables of the environment that expressions use, at any depth, as far as they are
        set."""
        texts = [f"{_OPEN}{expression}{_CLOSE}" for expression in expressions]
        texts += self.parts(expressions).values()
        asked = (variable_of(expression) for text in texts for *_, expression in templates(text))
        return tuple(dict.fromkeys(name for name, _ in filter(None, asked) if name in os.environ))


def of_the_moment(uses: Iterable[Use]) -> list[str]:
    """The templates among the names that a node uses whose value may be another one tomorrow, or
    elsewhere, as people write them."""
    found = []
    for expression, is_own in uses:
        call = _CALL.fullmatch(expression)
        is_date = (call[1] if call else expression) in _DATES
        if not is_own and (is_date or variable_of(expression) is not None):
            found.append(f"{_OPEN} {expression} {_CLOSE}")
    return found


def hidden(text: str, variables: Iterable[str]) -> str:
    """A text for people: the names of variables of the environment stand in place of their
    values."""
    known = sorted(variables, key=lambda name: -len(os.environ.get(name, "")))
    for name in known:
        if value := os.environ.get(name):
            said = f"{_OPEN} env:{name} {_CLOSE}"
            text = said.join(re.split(rf"(?<!\w){re.escape(value)}(?!\w)", text))
    return text


def templates(text: str) -> Iterator[tuple[int, int, str]]:
    """The templates in a text: where each begins and ends, and its expression. (A regular
    expression would search the end again for each beginning.)"""
    end = 0
    while (start := text.find(_OPEN, end)) >= 0:
        stop = text.find(_CLOSE, start + 2)
        if stop < 0:
            return
        start = text.rfind(_OPEN, start, stop)
        end = stop + 2
        yield start, end, " ".join(text[start + 2 : stop].split())


def filled(text: str, value: Callable[[str], str]) -> str:
    """A text with a value for each of its templates."""
    pieces, end = [], 0
    for start, stop, expression in templates(text):
        pieces += [text[end:start], value(expression)]
        end = stop
    return "".join([*pieces, text[end:]])


def variable_of(expression: str) -> tuple[str, str | None] | None:
    """The variable of the environment that an expression asks for, with its default; None if it
    asks for something else."""
    if found := _ENV.fullmatch(expression):
        return found[1], found[2]
    call = _CALL.fullmatch(expression)
    if call and call[1] in ("env", "env_var") and (asked := _ENV_CALL.fullmatch(call[2])):
        return asked[2], asked[4]
    return None


def _spelled(expression: str) -> str:
    """`transformations.x` means `transforms.x`."""
    first, dot, rest = expression.partition(".")
    return f"transforms.{rest}" if dot and first == "transformations" else expression


def _of_another_tool(expression: str) -> str | None:
    """The way to write an expression of dbt here."""
    call = _CALL.fullmatch(expression)
    if call is None:
        return _WORDS_OF_DBT.get(expression)
    name, arguments = call[1], re.findall(r"['\"]([^'\"]*)['\"]", call[2])
    last = arguments[-1] if arguments else "name"
    if name == "ref":
        kind = "" if "." in last else "transform."
        return f"A reference stands without braces: ref('{kind}{last}')"
    if name == "source":
        return f"A reference stands without braces: ref('source.{last}')"
    if name == "var":
        return f"Write {_OPEN} {arguments[0] if arguments else 'name'} {_CLOSE}."
    return _WORDS_OF_DBT.get(name)


_WORDS_OF_DBT = {
    "this": "A node does not read its own table.",
    "is_incremental": "Leave the condition out: `partition:` builds the days that changed.",
    "config": "Write the setting as a key of the node's YAML file.",
    "target.name": "Give each environment its `vars` in seeknal_project.yml.",
    "target.schema": "The branch is the schema: a node is named ref('kind.name').",
}


def _months_later(day: datetime.date, months: int) -> datetime.date:
    number = day.year * 12 + day.month - 1 + months
    return datetime.date(number // 12, number % 12 + 1, 1)


_DATES: Mapping[str, Callable[[datetime.date, int], datetime.date]] = {
    "today": lambda day, days: day + datetime.timedelta(days),
    "yesterday": lambda day, days: day + datetime.timedelta(days - 1),
    "month_start": _months_later,
    "year_start": lambda day, years: datetime.date(day.year + years, 1, 1),
}
# Names that no variable of a project file may have: nobody could tell what they mean.
RESERVED: Collection[str] = frozenset({*_DATES, *PER_RUN, "date", "start_date", "end_date"})
