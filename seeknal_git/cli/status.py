"""`seeknal status`"""

from __future__ import annotations

from seeknal_git.cli.options import HERE, AsJson, ProjectPath, opened


def status(as_json: AsJson = False, project_path: ProjectPath = HERE) -> None:
    """Show on one screen how the branch, its environment and production stand.

    \b
    Examples:
      seeknal status
      seeknal status --json
    """
    from seeknal_git.report import status as report
    from seeknal_git.report.terminal import out_json
    from seeknal_git.status import read_status

    found = read_status(opened(project_path))
    out_json(report.as_json(found)) if as_json else report.as_text(found)
