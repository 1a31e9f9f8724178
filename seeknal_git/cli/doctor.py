"""`seeknal doctor`"""

from __future__ import annotations

from dataclasses import asdict

import typer

from seeknal_git.cli.options import HERE, AsJson, DataRoot, ProjectPath, opened


def doctor(
    as_json: AsJson = False, data_root: DataRoot = None, project_path: ProjectPath = HERE
) -> None:
    """Check the set-up of a clone, and say how to mend it.

    Of a lake it checks DuckDB's extensions, the catalog's server (version, round trip, rights,
    clock), the format, and whether rows can be written, read and deleted. The exit code is 1 if
    anything is wrong.

    \b
    Examples:
      seeknal doctor
    """
    from seeknal_git.commands.doctor import examine
    from seeknal_git.report.status import findings
    from seeknal_git.report.terminal import out, out_json

    workspace = opened(project_path, data_root)
    found = examine(workspace) if as_json else examine(workspace, out)
    out_json([asdict(finding) for finding in found]) if as_json else findings(found)
    raise typer.Exit(1 if found else 0)
