"""The three ways to query: as an environment is, as production was, and what failed its checks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from seeknal_git.commands import query as verb
from seeknal_git.errors import UsageError
from seeknal_git.report.history import note_nearest
from seeknal_git.report.query import show
from seeknal_git.report.terminal import tell

if TYPE_CHECKING:
    from seeknal_git.project.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Question:
    """What somebody asked `query` for."""

    sql: str | None
    env: str | None
    at: str | None
    failed: str | None
    lock_timeout: float


def ask(workspace: Workspace, question: Question, form: str) -> None:
    sql = question.sql
    asked = verb.Question(
        sql,
        question.env,
        question.lock_timeout,
        form,
        partial(tell, err=True),
        partial(show, form=form),
    )
    if question.failed is not None:
        if question.at is not None:
            raise UsageError("--failed asks what was built last: it goes without --at.")
        verb.query_failed(workspace, asked, question.failed)
    elif sql is None:
        raise UsageError("Missing argument SQL.", "Usage: seeknal query [OPTIONS] SQL")
    elif question.at is not None:
        verb.query_past(workspace, asked, question.at, note_nearest)
    else:
        verb.query(workspace, asked)
