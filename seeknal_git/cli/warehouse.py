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
    place: Annotated[
        str | None,
        typer.Argument(
            metavar="[FROM|ducklake]",
            help="The path of a file that is to come to its place, from the project's folder; or "
            "`ducklake`, to copy the file into a lake. [default: its old place]",
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="PATH", help="Copy this file, from the project's folder, into a lake."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be copied into a lake.")
    ] = False,
    lock_timeout: LockTimeout = 0.0,
    data_root: DataRoot = None,
    project_path: ProjectPath = HERE,
) -> None:
    """Move the warehouse to where it belongs, or copy it into a lake.

    It belongs in git's own folder, unless the project file names another path. A file in git's
    folder outlives `git clean`, linked working trees, and branches that track `target`.

    With `ducklake`, the file is copied into the lake that `warehouse:` of the project file names,
    also before that is committed: tables, state, history, and the views of all environments. All of
    it is compared, and the file stays. The commit makes the lake the warehouse.

    \b
    Examples:
      seeknal warehouse move
      seeknal warehouse move data/shop.duckdb
      seeknal warehouse move ducklake --dry-run
      seeknal warehouse move ducklake
    """
    from seeknal_git.commands.move_to_lake import DUCKLAKE, move_to_lake
    from seeknal_git.commands.warehouse import move_warehouse
    from seeknal_git.report.terminal import note, out
    from seeknal_git.report.warehouse import moved_to_lake

    workspace = opened(project_path, data_root, lock_timeout)
    if place == DUCKLAKE:
        moved_to_lake(move_to_lake(workspace, source, dry=dry_run, tell=note))
        return
    _need_plain_move(place, source, dry_run=dry_run)
    done = move_warehouse(workspace, place)
    out(
        f"Moved {done.before} to {done.path}."
        if done.before
        else f"The warehouse is where it belongs: {done.path}"
    )


def _need_plain_move(place: str | None, source: str | None, *, dry_run: bool) -> None:
    """Raise UsageError for a move that is no copy into a lake, and is asked for as one."""
    from seeknal_git.errors import UsageError

    scheme = (place or "").partition(":")[0]
    if scheme in ("ducklake", "postgres", "postgresql", "sqlite"):
        raise UsageError(
            "The project file names the lake, so that no password is typed.",
            "Write `warehouse:` there (docs/warehouses.md), then: seeknal warehouse move ducklake",
        )
    if source or dry_run:
        option = "--from" if source else "--dry-run"
        raise UsageError(f"{option} is of a copy into a lake.", "seeknal warehouse move ducklake …")
