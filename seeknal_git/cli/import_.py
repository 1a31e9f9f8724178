"""`seeknal import …`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seeknal_git.cli.options import HERE, AsJson, DataRoot, ProjectPath, opened

app = typer.Typer(no_args_is_help=True)


@app.callback()
def import_() -> None:  # it keeps `dbt` the name of a command
    """Turn the project of another tool into nodes."""


@app.command()
def dbt(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="The folder with dbt_project.yml.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be written, and write nothing.")
    ] = False,
    as_json: AsJson = False,
    data_root: DataRoot = None,
    project_path: ProjectPath = HERE,
) -> None:
    """Write the nodes that a dbt project becomes, and stage them.

    Taken are models whose Jinja is ref, source, var and config with literal arguments, seeds,
    sources, singular tests, and of the YAML files descriptions, generic tests and exposures. All
    else is listed, file by file. A model is taken as a whole or left, and so are those that read
    it. No file is overwritten: write a model that was left as a node, and import again.

    \b
    Examples:
      seeknal import dbt ../shop --dry-run
      seeknal import dbt ../shop
      seeknal import dbt . --json
    """
    from seeknal_git.commands.import_dbt import import_dbt
    from seeknal_git.report import imported as report
    from seeknal_git.report.terminal import out_json

    done = import_dbt(opened(project_path, data_root), path, dry_run=dry_run)
    out_json(report.as_json(done)) if as_json else report.show(done)
