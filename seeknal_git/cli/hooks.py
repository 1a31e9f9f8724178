"""`seeknal hooks …`"""

from __future__ import annotations

import typer

from seeknal_git.cli.options import HERE, AsJson, DataRoot, ProjectPath, opened

app = typer.Typer(help="Install, remove and look at the git hooks.", no_args_is_help=True)


@app.command()
def install(data_root: DataRoot = None, project_path: ProjectPath = HERE) -> None:
    """Install hooks that validate before a commit, and promote after.

    Hooks that exist are kept. In a repository of several projects, each project installs its own.

    A bare repository, on a server, gets one hook that promotes after a push. --data-root is kept in
    git's configuration, for the hooks and for every later command.

    \b
    Examples:
      seeknal hooks install
      seeknal hooks install --data-root /srv/shop
    """
    from seeknal_git.commands import hooks
    from seeknal_git.report.hooks import show
    from seeknal_git.report.terminal import note

    found = hooks.install(opened(project_path, data_root), data_root)
    if found.command is not None:
        note(f"$ {found.command}", whole=True)
    show(found.hooks)


@app.command()
def uninstall(data_root: DataRoot = None, project_path: ProjectPath = HERE) -> None:
    """Remove the project from the hooks.

    The last project restores the earlier hooks, byte for byte.

    \b
    Examples:
      seeknal hooks uninstall
    """
    from seeknal_git.commands import hooks
    from seeknal_git.report.hooks import show

    show(hooks.uninstall(opened(project_path, data_root)))


@app.command()
def status(
    data_root: DataRoot = None, as_json: AsJson = False, project_path: ProjectPath = HERE
) -> None:
    """Say for each hook whether it works.

    A hook is installed, outdated, edited, shadowed or missing.

    \b
    Examples:
      seeknal hooks status
    """
    from dataclasses import asdict

    from seeknal_git.commands import hooks
    from seeknal_git.report.hooks import show
    from seeknal_git.report.terminal import out_json

    found = hooks.status(opened(project_path, data_root))
    out_json([asdict(hook) for hook in found]) if as_json else show(found)
