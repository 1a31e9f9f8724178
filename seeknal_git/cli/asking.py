"""Options and steps that the commands share which ask SQL: `query` and `repl`."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seeknal_git.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from seeknal_git.commands.query import Query
    from seeknal_git.project.workspace import Workspace
    from seeknal_git.warehouse.model.answers import Answer


class Form(StrEnum):
    """How an answer is printed."""

    table = "table"
    csv = "csv"
    json = "json"
    parquet = "parquet"


PRINTED = [form for form in Form if form is not Form.parquet]  # the forms for people

Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        dir_okay=False,
        help="Write the answer into a file: .csv, .json or .parquet.",
    ),
]
Limit = Annotated[
    int | None, typer.Option("--limit", min=0, metavar="N", help="Answer with at most N rows.")
]
_ENDINGS = {".csv": "csv", ".json": "json", ".parquet": "parquet"}


@dataclass(frozen=True, slots=True)
class Answering:
    """How an answer leaves: its form, a file for `show` if there is one, and `show` itself."""

    form: str
    file: Path | None
    show: Callable[[Answer], None]

    @property
    def engine_file(self) -> Path | None:
        """The file that the engine writes."""
        return self.file if self.form == "parquet" else None


@contextmanager
def answering(form: Form | None, output: Path | None) -> Iterator[Answering]:
    """How to answer: printed, or as a file, which is there entirely after the block or not at all.
    Raises UsageError for a file without a form."""
    from seeknal_git.report.query import file_for, piped, save, show, tell_rows

    wanted = _form(form, output)
    if wanted == Form.parquet and output is None:
        with piped() as file:
            yield Answering(wanted, file, tell_rows)
        return
    with file_for(output) as file:
        if file is None or output is None:
            yield Answering(wanted, None, partial(show, form=wanted))
        else:
            yield Answering(wanted, file, partial(save, form=wanted, file=file, path=output))


def _form(form: Form | None, output: Path | None) -> str:
    if output is None:
        return form or Form.table
    if form not in (None, Form.table):
        return str(form)
    if found := _ENDINGS.get(output.suffix.lower()):
        return found
    raise UsageError(
        f"{output} ends in none of {', '.join(_ENDINGS)}.", "Or say the form: --format csv"
    )


def ask(workspace: Workspace, question: Query, form: Form | None, output: Path | None) -> None:
    """Answer a question, on the terminal or into a file."""
    from dataclasses import replace

    from seeknal_git.commands.query import stream
    from seeknal_git.report.watching import TERMINAL

    with answering(form, output) as way:
        asked = replace(question, file=way.engine_file)
        stream(workspace, asked, way.form, way.show, TERMINAL.note)


def statement(sql: str | None, file: Path | None) -> str | None:
    """The statement of a command line: given, in a file, or `-` on standard input. Raises
    UsageError."""
    if file is None:
        return _decoded(sys.stdin.buffer.read(), "Standard input") if sql == "-" else sql
    if sql is not None:
        raise UsageError("The statement is given, or in a file: not both.")
    try:
        return _decoded(file.read_bytes(), str(file))
    except OSError as exc:
        hint = f"The form of an answer: --format {file}" if str(file) in list(Form) else None
        raise UsageError(f"{file} cannot be read: {exc.strerror or exc}.", hint) from exc


def _decoded(content: bytes, name: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise UsageError(f"{name} is not UTF-8.") from exc
