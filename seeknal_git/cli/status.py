"""`seeknal status`"""

from __future__ import annotations

from seeknal_git.cli.options import (
    HERE,
    AsJson,
    At,
    DataRoot,
    ProjectPath,
    opened,
    remind_of_settings,
)


def status(
    at: At = None,
    as_json: AsJson = False,
    data_root: DataRoot = None,
    project_path: ProjectPath = HERE,
) -> None:
    """Show how the branch, its environment and production stand.

    With --at, show what production was then, and what is different today.

    \b
    Examples:
      seeknal status
      seeknal status --json
      seeknal status --at HEAD~3
    """
    from seeknal_git.commands.status import read_past, read_status
    from seeknal_git.report import status as report
    from seeknal_git.report.terminal import out_json

    if at is not None:
        past = read_past(opened(project_path, data_root), at)
        out_json(report.past_as_json(past)) if as_json else report.past_as_text(past)
        return
    workspace = opened(project_path, data_root)
    remind_of_settings(workspace)
    found = read_status(workspace)
    out_json(report.as_json(found)) if as_json else report.as_text(found)
