"""`seeknal warehouse …`"""

from __future__ import annotations

from typing import Annotated

import typer

from seeknal_git.cli.options import HERE, DataRoot, LockTimeout, ProjectPath, opened

app = typer.Typer(help="Find and move the warehouse.", no_args_is_help=True)


@app.command()
def path(data_root: DataRoot = None, project_path: ProjectPath = HERE) -> None:
    """Print the path of the DuckDB file that holds the tables.

    A notebook or the DuckDB CLI can open it.

    \b
    Examples:
      duckdb -readonly "$(seeknal warehouse path)"
    """
    from seeknal_git.report.terminal import out

    out(str(opened(project_path, data_root).warehouse_location), whole=True)


@app.command()
def move(
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="[FROM]",
            help="Its path, from the project's folder. [default: its old place]",
        ),
    ] = None,
    lock_timeout: LockTimeout = 0.0,
    data_root: DataRoot = None,
    project_path: ProjectPath = HERE,
) -> None:
    """Move the warehouse to where it belongs.

    It belongs in git's own folder, unless the project file names another path. A file in git's
    folder outlives `git clean`, linked working trees, and branches that track `target`.

    \b
    Examples:
      seeknal warehouse move
      seeknal warehouse move data/shop.duckdb
    """
    from seeknal_git.commands.warehouse import move_warehouse
    from seeknal_git.report.terminal import out

    done = move_warehouse(opened(project_path, data_root, lock_timeout), source)
    out(
        f"Moved {done.before} to {done.path}."
        if done.before
        else f"The warehouse is where it belongs: {done.path}"
    )
