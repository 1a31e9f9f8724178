"""The two plans: of an environment, and of a merge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from seeknal_git.commands import plan as verb
from seeknal_git.report import merge as merge_report
from seeknal_git.report import plan as report
from seeknal_git.report import verify as verification
from seeknal_git.report.terminal import note, out_json, out_lines

if TYPE_CHECKING:
    from seeknal_git.build.trial import Verified
    from seeknal_git.commands.plan import Planned
    from seeknal_git.project.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Form:
    """How a plan is printed."""

    verbose: bool
    as_markdown: bool
    as_json: bool


def plan(
    workspace: Workspace, env: str | None, form: Form, *, verify: bool, create: bool = False
) -> None:
    if env is not None:
        from seeknal_git.environments.uncommitted import arrive

        for command in arrive(
            workspace, env, create=create, may_switch=not (form.as_json or form.as_markdown)
        ):
            note(f"$ {command}")
    planned = verb.plan_environment(workspace, env)
    if verb.left_out(workspace, planned):
        note("Not in this plan: the uncommitted changes of the branch that is checked out.")
    verified = _verified(workspace, planned) if verify else None
    found = verb.found_in_warehouse(workspace, planned)
    if form.as_json:
        out_json({**report.as_json(planned, found), "verified": verification.as_json(verified)})
    elif form.as_markdown:
        out_lines(report.as_markdown(planned, found) + verification.as_markdown(verified))
    else:
        report.as_text(planned, found, verbose=form.verbose)
        verification.as_text(verified)
    _need_kept(planned, verified)


def plan_merge(
    workspace: Workspace, env: str | None, into: str, form: Form, *, verify: bool
) -> None:
    from seeknal_git.commands import plan_merge

    merge = plan_merge.plan_merge(workspace, env, into)
    planned = merge.planned
    verified = _verified(workspace, planned) if verify and planned else None
    found = verb.found_in_warehouse(workspace, planned) if planned else None
    if planned and verb.left_out(workspace, planned):
        note("Not in this plan: the uncommitted changes of the branch that is checked out.")
    if form.as_json:
        plan_part = report.as_json(planned, found) if planned else {}
        out_json(
            {**plan_part, **merge_report.as_json(merge), "verified": verification.as_json(verified)}
        )
    elif form.as_markdown:
        out_lines(merge_report.as_markdown(merge, found) + verification.as_markdown(verified))
    else:
        merge_report.as_text(merge, found, verbose=form.verbose)
        verification.as_text(verified)
    plan_merge.need_clean(workspace, merge)
    if planned:
        _need_kept(planned, verified)


def _verified(workspace: Workspace, planned: Planned) -> tuple[Verified, ...]:
    """The engine is loaded for this, and otherwise not."""
    from seeknal_git.commands.verify import verify_plan

    return verify_plan(workspace, planned)


def _need_kept(planned: Planned, verified: tuple[Verified, ...] | None) -> None:
    if verified:
        from seeknal_git.commands.verify import need_kept
        from seeknal_git.report.verify import notes

        notes(verified)
        need_kept(planned, verified)
