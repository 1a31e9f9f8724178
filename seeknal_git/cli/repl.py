"""`seeknal repl`"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seeknal_git.cli.asking import PRINTED, Form, Limit, Output, ask, statement
from seeknal_git.cli.options import (
    HERE,
    DataRoot,
    LockTimeout,
    Profile,
    ProjectPath,
    opened,
    opened_with_a_reminder,
)
from seeknal_git.errors import SeeknalError, UsageError

if TYPE_CHECKING:
    from seeknal_git.project.workspace import Workspace

_HELP = """\
A statement ends with a semicolon or an empty line. It reads; nothing can be changed.
  .tables         the tables of the environment, with their rows
  .schema TABLE   the columns of a table
  .env [NAME]     ask another environment; without NAME, that of the branch again
  .mode FORM      print answers as table, csv or json
  .exit           leave, as Ctrl-D does"""
_LEAVING = ("exit", "quit", ".exit", ".quit", ".q")

Environment = Annotated[
    str | None,
    typer.Option("--env", help="Ask this environment; by default, the current branch's."),
]
Execute = Annotated[
    str | None,
    typer.Option("--exec", "-e", metavar="SQL", help="Answer this, and leave; - for stdin."),
]


def repl(
    execute: Execute = None,
    env: Environment = None,
    form: Annotated[
        Form | None, typer.Option("--format", "-f", help="Print answers in this form.")
    ] = None,
    output: Output = None,
    limit: Limit = None,
    lock_timeout: LockTimeout = 0.0,
    profile: Profile = None,
    data_root: DataRoot = None,
    project_path: ProjectPath = HERE,
) -> None:
    """Ask the tables of an environment, statement by statement.

    Each statement is a query: it reads, and knows the same names. Between statements the warehouse
    is free for others. Statements may also come from a file or a pipe; the first one that is wrong
    ends it then.

    \b
    Examples:
      seeknal repl
      seeknal repl --env prod
      seeknal repl -e 'SELECT count(*) FROM transform.orders'
      seeknal repl < report.sql
    """
    workspace = opened_with_a_reminder(project_path, data_root, lock_timeout, profile=profile)
    session = _Session(project_path, data_root, lock_timeout, profile, env, form, limit)
    if execute is not None:
        session.answer(statement(execute, None) or "", output)
        return
    if output is not None:
        raise UsageError("-o is for one statement: give it with -e.")
    if sys.stdin.isatty():
        session.talk(workspace)
        return
    from seeknal_git.commands.repl import divided

    statements, rest = divided(statement("-", None) or "")
    for sql in [*statements, *([rest] if rest else [])]:
        session.answer(sql)


@dataclass(slots=True)
class _Session:
    """The environment that somebody asks, and how the answers are printed."""

    project_path: Path
    data_root: Path | None
    lock_timeout: float
    profile: Path | None
    environment: str | None
    form: Form | None
    limit: int | None

    def workspace(self) -> Workspace:
        """The project as it is now: its branch or its settings may have changed."""
        return opened(self.project_path, self.data_root, self.lock_timeout, profile=self.profile)

    def answer(self, sql: str, output: Path | None = None) -> None:
        from seeknal_git.commands.query import Query

        question = Query(sql, self.environment, limit=self.limit)
        ask(self.workspace(), question, self.form, output)

    def talk(self, workspace: Workspace) -> None:
        """Read statements and commands from a terminal until somebody leaves."""
        from seeknal_git.commands.repl import history_file, words
        from seeknal_git.report.prompt import line_editor
        from seeknal_git.report.terminal import error, note

        note("A statement ends with a semicolon. .help lists the commands, .exit leaves.")
        with line_editor(history_file(workspace), lambda: words(workspace, self.environment)):
            for text in self._read():
                try:
                    self._command(text) if text.startswith(".") else self.answer(text)
                except SeeknalError as exc:
                    error(exc)
                except KeyboardInterrupt:
                    note("Interrupted.")

    def _read(self) -> Iterator[str]:
        """Statements and commands, as they are typed."""
        from seeknal_git.commands.repl import divided
        from seeknal_git.report.prompt import line
        from seeknal_git.report.terminal import note

        begun = ""
        while True:
            try:
                typed = line("  ..." if begun else f"{self._name()}>")
            except KeyboardInterrupt:
                note("")
                begun = ""
                continue
            if typed is None:
                note("")
                return
            word = typed.strip().rstrip(";").lower()
            if not begun and word in _LEAVING:
                return
            if not begun and word.startswith("."):
                yield typed.strip()
                continue
            statements, begun = divided(f"{begun}\n{typed}" if begun else typed)
            if begun and not typed.strip():
                statements, begun = [*statements, begun], ""
            yield from statements

    def _name(self) -> str:
        """The environment that is asked, for the prompt. If the project file is wrong, nobody can
        tell: each statement says why."""
        from seeknal_git.commands.repl import asked

        with suppress(SeeknalError):
            return asked(self.workspace(), self.environment)
        return self.environment or "seeknal"

    def _command(self, text: str) -> None:
        from seeknal_git.commands.inspect import question, tables
        from seeknal_git.commands.repl import need_environment
        from seeknal_git.report import inspect as report
        from seeknal_git.report.terminal import out_lines

        command, _, argument = text.rstrip(";").partition(" ")
        argument = argument.strip()
        match command:
            case ".help":
                out_lines(_HELP)
            case ".tables":
                report.show(tables(self.workspace(), self.environment))
            case ".schema" if argument:
                env = self.environment
                self.answer(question(self.workspace(), argument, env, columns=True, limit=0))
            case ".env":
                if argument:
                    need_environment(self.workspace(), argument)
                self.environment = argument or None
            case ".mode" if argument in PRINTED:
                self.form = Form(argument)
            case ".schema":
                raise UsageError("Which table? .schema TABLE", ".tables lists them.")
            case ".mode":
                forms = f"The forms are {', '.join(PRINTED)}."
                wrong = f"There is no form {argument}." if argument else "Which form? .mode FORM"
                raise UsageError(wrong, forms)
            case _:
                raise UsageError(f"{text} is no command.", ".help lists the commands.")
