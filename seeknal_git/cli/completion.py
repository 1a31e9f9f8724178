"""Completion in a shell: of commands, options, and the names of a project.

A script of `templates/completion` asks the program itself, with the line in the environment, and
gets one candidate a line.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import typer

from seeknal_git.errors import SeeknalError

ASKED = "SEEKNAL_COMPLETE"  # in the environment: the shell that asks
# A shell inserts a candidate as it is. A branch that somebody pushed may be called anything, so no
# sign that a shell obeys is ever offered.
_PLAIN = re.compile(r"[\w./+:@%,=-]+")

# Option or argument → the method of Completions that has its values.
_OPTIONS = {
    "--env": "branches",
    "--into": "branches",
    "--production-branch": "branches",
    "--select": "selection",
    "--exclude": "selection",
    "--nodes": "nodes",
    "--failed": "nodes",
    "--types": "kinds",
    "--tags": "tags",
    "--exclude-tags": "tags",
    "--column": "columns_of_any",
    "--metrics": "metrics",
    "--dimensions": "dimensions",
}
_ARGUMENTS = {
    "env": "branches",
    "target": "branches",
    "which": "selection",
    "draft kind": "kinds_of_drafts",
    "diff node": "nodes",
    "lineage node": "columns",
    "inspect node": "tables",
}
# Options whose values stand with commas between them.
_LISTS = frozenset({"--nodes", "--types", "--tags", "--exclude-tags", "--metrics", "--dimensions"})


def complete(made: Callable[[str | None], Any], names: Sequence[str]) -> None:
    """Print the candidates for a line that a shell asks about.

    made: makes the commands, all of them or the one of a name; names: of those that it can make.
    """
    from seeknal_git.report.terminal import out_part

    words = _words(os.environ.get(f"{ASKED}_LINE", ""))
    first = next((word for word in words[1:-1] if not word.startswith("-")), None)
    found = candidates(made(first if first in names else None), words[1:-1], words[-1])
    typed = words[-1].rfind(" ") + 1  # in quotes; the user wrote it
    found = {word: what for word, what in found.items() if _PLAIN.fullmatch(word, typed)}
    lines = found if os.environ[ASKED] != "fish" else map("\t".join, found.items())
    cut = _part_before(words[-1]) if os.environ[ASKED] == "bash" else ""
    out_part("".join(f"{line.removeprefix(cut)}\n" for line in lines))


def _words(line: str) -> list[str]:
    """The words of a line, as a shell would read them; the last one is the one that was begun."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=False)
    lexer.whitespace_split, lexer.commenters = True, ""
    words: list[str] = []
    with suppress(ValueError):  # a quote is still open
        words.extend(lexer)
        return words if words and not line[-1:].isspace() else [*words, ""]
    return [*words, lexer.token]


def _part_before(begun: str) -> str:
    """The part of a word that bash leaves alone: it completes behind a sign such as `=`."""
    breaks = set(os.environ.get(f"{ASKED}_BREAKS", "")) & set(":=@")
    return begun[: max((begun.rfind(sign) + 1 for sign in breaks), default=0)]


def candidates(root: Any, words: Sequence[str], begun: str) -> dict[str, str]:
    """The words that may stand where one was begun, each with a description. words: those before
    it, without the name of the program."""
    place = _Place.behind(root, words)
    option, equals, value = begun.partition("=")
    if place.waiting is not None:
        return place.values_of(place.waiting, begun)
    if equals and option in place.options:
        found = place.values_of(place.options[option], value)
        return {f"{option}={word}": what for word, what in found.items()}
    if begun.startswith("-"):
        told = {name: _described(parameter) for name, parameter in place.options.items()}
        return _beginning(begun, told)
    if hasattr(place.command, "commands"):
        commands = () if place.arguments else place.command.commands.items()
        return _beginning(begun, {name: _first_line(command.help) for name, command in commands})
    argument = place.argument
    return {} if argument is None else place.values_of(argument, begun)


@dataclass(frozen=True, slots=True)
class _Place:
    """A place in a command line: the command that it belongs to, and the words before it."""

    command: Any
    path: str  # the words of the command
    arguments: int  # how many arguments of the command stand before
    waiting: Any  # the option before, if it waits for its value
    folder: str  # the project's folder

    @classmethod
    def behind(cls, root: Any, words: Iterable[str]) -> _Place:
        place = cls(root, "", 0, None, ".")
        for word in words:
            place = place._after(word)
        return place

    def _after(self, word: str) -> _Place:
        command, path, arguments, waiting, folder = (
            self.command,
            self.path,
            self.arguments,
            None,
            self.folder,
        )
        option, equals, value = word.partition("=")
        if self.waiting is not None:
            folder = word if "-C" in self.waiting.opts else folder
        elif option in self.options:
            parameter = self.options[option]
            takes = not (parameter.is_flag or parameter.count)
            folder = value if equals and "-C" in parameter.opts else folder
            waiting = parameter if takes and not equals else None
        elif not word.startswith("-"):
            further = getattr(command, "commands", {}).get(word)
            if further is None:
                arguments += 1
            else:
                command, path, arguments = further, f"{path} {word}".strip(), 0
        return _Place(command, path, arguments, waiting, folder)

    @property
    def options(self) -> Mapping[str, Any]:
        """Every spelling of an option → the option."""
        return {
            name: parameter
            for parameter in self.command.params
            if parameter.param_type_name == "option"
            for name in (*parameter.opts, *parameter.secondary_opts)
        }

    @property
    def argument(self) -> Any:
        """The argument that comes next; None if there is none."""
        found = [one for one in self.command.params if one.param_type_name == "argument"]
        many = bool(found) and found[-1].nargs == -1
        number = min(self.arguments, len(found) - 1) if many else self.arguments
        return found[number] if number < len(found) else None

    def values_of(self, parameter: Any, begun: str) -> dict[str, str]:
        """The values of a parameter that begin like a word."""
        if choices := getattr(parameter.type, "choices", None):
            return _beginning(begun, {getattr(one, "value", str(one)): "" for one in choices})
        if parameter.param_type_name == "option":
            source = next((_OPTIONS[name] for name in parameter.opts if name in _OPTIONS), None)
        else:
            source = _ARGUMENTS.get(f"{self.path} {parameter.name}", _ARGUMENTS.get(parameter.name))
        if source is None:
            return {}
        before = ""
        if not _LISTS.isdisjoint(parameter.opts):
            before = begun[: begun.rfind(",") + 1]
        words = self._names(source, begun.removeprefix(before))
        return _beginning(begun, {f"{before}{word}": "" for word in words})

    def _names(self, source: str, begun: str) -> list[str]:
        from seeknal_git.commands.completions import Completions
        from seeknal_git.commands.project import open_project

        with suppress(SeeknalError):
            found: list[str] = getattr(Completions(open_project(self.folder), begun), source)()
            return found
        return []


def _beginning(begun: str, found: Mapping[str, str]) -> dict[str, str]:
    return {word: what for word, what in found.items() if word.startswith(begun)}


def _described(option: Any) -> str:
    return _first_line(option.help)


def _first_line(text: str | None) -> str:
    return (text or "").strip().partition("\n")[0]


# The options of the program itself


def install() -> None:
    """The option --install-completion."""
    from seeknal_git.commands.shell_completion import install as installed
    from seeknal_git.report.terminal import note

    done = installed(_shell("--install-completion"))
    note(f"Written: {done.script}")
    if done.settings is not None:
        note(f"Added to {done.settings}: {done.line}")
    note("Open a new terminal to use it.")
    raise typer.Exit


def show() -> None:
    """The option --show-completion."""
    from seeknal_git.commands.shell_completion import script
    from seeknal_git.report.terminal import out_lines

    out_lines(script(_shell("--show-completion")).rstrip("\n"))
    raise typer.Exit


def _shell(option: str) -> str | None:
    """The shell that is named behind an option; None for the one that runs this."""
    words = sys.argv[1:]
    return next(iter(words[words.index(option) + 1 :]), None) if option in words else None
