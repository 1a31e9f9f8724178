"""`seeknal status`"""

from __future__ import annotations

from seeknal_git.cli.options import (
    HERE,
    AsJson,
    At,
    DataRoot,
    ProjectPath,
    opened,
)


def status(
    at: At = None,
    as_json: AsJson = False,
    data_root: DataRoot = None,
    project_path: ProjectPath = HERE,
) -> None:
    """Show the state of the branch, its environment and production.

    With --at, show production as it was then, and the differences to today.

    \b
    Examples:
      seeknal status
      seeknal status --json
      seeknal status --at HEAD~3
    """
    from seeknal_git.commands import status as library
    from seeknal_git.commands.project import settings_reminder
    from seeknal_git.report import status as report
    from seeknal_git.report.terminal import note, out_json

    workspace = opened(project_path, data_root)
    if at is not None:
        past = library.status_at(workspace, at)
        out_json(report.past_as_json(past)) if as_json else report.show_past(past)
        return
    for sentence in settings_reminder(workspace):
        note(sentence)
    found = library.status(workspace)
    out_json(report.as_json(found)) if as_json else report.show(found)
