"""The result of `plan`: the plan itself, the merge that it is of, and its verification."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seeknal_git.report import merge as of_merge
from seeknal_git.report import plan as of_plan
from seeknal_git.report import plan_json
from seeknal_git.report import verify as of_verification

if TYPE_CHECKING:
    from seeknal_git.commands.plan import PlanResult


def show(result: PlanResult, *, verbose: bool) -> None:
    """verbose: print every node downstream, and the constructs that could not be resolved."""
    if result.merge is not None:
        of_merge.show(result.merge, result.found, verbose=verbose)
    elif result.planned is not None:
        of_plan.show(result.planned, result.found, verbose=verbose)
    of_verification.show(result.verified)


def as_markdown(result: PlanResult) -> str:
    """The text of a comment on a pull request."""
    text = ""
    if result.merge is not None:
        text = of_merge.as_markdown(result.merge, result.found)
    elif result.planned is not None:
        text = of_plan.as_markdown(result.planned, result.found)
    return text + of_verification.as_markdown(result.verified)


def as_json(result: PlanResult) -> dict[str, Any]:
    """docs/cli.md documents the keys."""
    found: dict[str, Any] = {}
    if result.planned is not None:
        found |= plan_json.as_json(result.planned, result.found)
    if result.merge is not None:
        found |= of_merge.as_json(result.merge)
    return found | {"verified": of_verification.as_json(result.verified)}


def notes(result: PlanResult) -> None:
    """Name the promises that could not be verified, unless the merge itself is at fault."""
    if result.verified and (result.merge is None or result.merge.is_clean):
        of_verification.notes(result.verified)
