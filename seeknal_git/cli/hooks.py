"""`seeknal hooks …`"""

from __future__ import annotations

import typer

from seeknal_git.cli.options import HERE, AsJson, ProjectPath, opened

app = typer.Typer(help="Install, remove and look at the git hooks.", no_args_is_help=True)


@app.command()
def install(project_path: ProjectPath = HERE) -> None:
    """Install the hooks: validation before a commit and a merge, promotion after. Hooks that are there are kept.

    \b
    Examples:
      seeknal hooks install
    """
    from seeknal_git.git import hooks
    from seeknal_git.report.hooks import as_text

    workspace = opened(project_path)
    as_text(
        hooks.install(
            workspace.repository.top, workspace.repository.prefix, workspace.production, hooks.this_installation()
        )
    )


@app.command()
def uninstall(project_path: ProjectPath = HERE) -> None:
    """Remove the hooks, and put back those that were there before, byte for byte.

    \b
    Examples:
      seeknal hooks uninstall
    """
    from seeknal_git.git import hooks
    from seeknal_git.report.hooks import as_text

    as_text(hooks.uninstall(opened(project_path).repository.top))


@app.command()
def status(as_json: AsJson = False, project_path: ProjectPath = HERE) -> None:
    """Say of each hook whether it is installed, outdated, edited, shadowed or missing.

    \b
    Examples:
      seeknal hooks status
    """
    from dataclasses import asdict

    from seeknal_git.git import hooks
    from seeknal_git.report.hooks import as_text
    from seeknal_git.report.terminal import out_json

    workspace = opened(project_path)
    found = hooks.status(workspace.repository.top, workspace.repository.prefix, workspace.production)
    out_json([asdict(each) for each in found]) if as_json else as_text(found)
