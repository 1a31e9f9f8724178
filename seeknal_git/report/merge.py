"""A merge that was made in memory, as text, Markdown and JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seeknal_git.environments.merges import told, words_of
from seeknal_git.report import markdown, plan_json
from seeknal_git.report import plan as plan_report
from seeknal_git.report.terminal import bold, out

if TYPE_CHECKING:
    from seeknal_git.commands.plan_merge import MergePlan
    from seeknal_git.commands.planned import Found
    from seeknal_git.errors import Problem
    from seeknal_git.plan.conflicts import Conflict


def show(merge: MergePlan, found: Found | None, *, verbose: bool) -> None:
    """The changes of the merge. Its conflicts are an error, which goes to the other stream."""
    if merge.planned is not None:
        plan_report.show(merge.planned, found, verbose=verbose, sound=merge.is_clean)
    else:
        out(bold(_title(merge)))


def _title(merge: MergePlan) -> str:
    return f"Plan of merging {merge.source.name} into {merge.into.name}"


def as_json(merge: MergePlan) -> dict[str, Any]:
    """The keys that `plan --into` adds to a plan; without a graph, they stand alone. docs/cli.md
    documents them."""
    return {
        "version": plan_json.JSON_VERSION,
        "into": merge.into.name,
        "merges": merge.source.name,
        "textual_conflicts": list(merge.textual),
        "conflicts": [_conflict(conflict) for conflict in merge.conflicts],
        "problems": [_problem(problem) for problem in merge.problems],
    }


def _problem(problem: Problem) -> dict[str, Any]:
    return {
        "message": problem.message,
        "node": problem.node,
        "path": problem.path,
        "line": problem.line,
    }


def _conflict(conflict: Conflict) -> dict[str, Any]:
    sides = [
        {
            "branch": edit.branch,
            "commit": edit.commit,
            "node": edit.change.node,
            "path": edit.change.path,
            "line": edit.change.line,
            "what": words_of(edit.change),
        }
        for edit in conflict.edits
    ]
    return {**_problem(conflict.problem), "sides": sides}


def as_markdown(merge: MergePlan, found: Found | None) -> str:
    """For a pull request: the obstacles of the merge first, then its changes."""
    wrong = [f"- {markdown.code(path)} conflicts as text" for path in merge.textual]
    for conflict in merge.conflicts:
        wrong.append(_line(conflict.problem))
        wrong += [f"  - {markdown.text(told(edit))}" for edit in conflict.edits]
    wrong += [_line(problem) for problem in merge.problems]
    title = f"### {markdown.text(_title(merge))}"
    head = [title, "", "**This merge would break the pipeline.**", "", *wrong, ""] if wrong else []
    plan = [plan_report.as_markdown(merge.planned, found)] if merge.planned else []
    return "\n".join([*head, *plan])


def _line(problem: Problem) -> str:
    return f"- {markdown.text(problem.message)}" + (
        f" ({markdown.code(problem.place)})" if problem.place else ""
    )
