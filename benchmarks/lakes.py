"""A project over a lake on PostgreSQL, against the same project over a file, in turns."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.figure import Figure, timed
from benchmarks.generator import Project, generate, write
from benchmarks.laboratory import git
from benchmarks.process import Cost, cost, seeknal
from seeknal_git.sql.extensions import packaged
from tests.servers import Postgres, postgres_programs, running

_EXTENSIONS = ("ducklake", "postgres_scanner")
_FILE = "the same over a file"


@contextmanager
def catalogs(figure: str) -> Iterator[Postgres | None]:
    """A server for catalogs of lakes; None where a part is missing, which it says."""
    programs = postgres_programs()
    if programs is None or None in [packaged(name) for name in _EXTENSIONS]:
        print(f"{figure}: there is no PostgreSQL, or no DuckLake for this DuckDB", file=sys.stderr)
        yield None
        return
    with running(programs) as server:
        yield server


def lakes(folder: Path, nodes: int, depth: int, repeat: int) -> list[Figure]:
    """A full run, one with nothing to do, and releases of an edit; and the statements that a
    release puts to the catalog, the last against the first. Left out where a part is missing.
    folder: a scratch folder."""
    with catalogs("lake") as server:
        if server is None:
            return []
        first = [_first(folder / str(number), nodes, depth, server) for number in range(repeat)]
        lake, file = (generate(folder / "built" / name, nodes, depth) for name in ("lake", "file"))
        _name_catalog(lake, server)
        for project in (lake, file):
            cost(seeknal("run"), project.folder)
        nothing = [_both(lake, file, "run") for _ in range(repeat)]
        server.log_statements()
        releases, statements = [], []
        for number in range(1, repeat + 2):
            for project in (lake, file):
                _edit(project, number)
            before = server.statements
            releases.append(_both(lake, file, "promote", f"edit_{number}"))
            statements.append(server.statements - before)
    return [
        timed("first full run over a lake", first, _FILE, 4.0, of_ratio=True),
        timed("run over a lake with nothing to do", nothing, _FILE, 1.5),
        timed("promote over a lake", releases, _FILE, 2.0),
        Figure(
            "statements of a promotion to the catalog",
            statements[1:],
            statements[:1],
            "the first promotion",
            1.1,
            unit="statements",
            of_ratio=True,
        ),
    ]


def _first(folder: Path, nodes: int, depth: int, server: Postgres) -> tuple[Cost, Cost]:
    lake, file = (generate(folder / name, nodes, depth) for name in ("lake", "file"))
    _name_catalog(lake, server)
    return _both(lake, file, "run")


def _both(lake: Project, file: Project, *command: str) -> tuple[Cost, Cost]:
    return cost(seeknal(*command), lake.folder), cost(seeknal(*command), file.folder)


def _name_catalog(project: Project, server: Postgres) -> None:
    """Let a project have a lake of its own."""
    settings = project.folder / "seeknal_project.yml"
    catalog = f"postgres:{server.database()}"
    lake = f'{{type: ducklake, catalog: "{catalog}", data: target/lake}}'
    settings.write_text(f"{settings.read_text()}warehouse: {lake}\n")
    git(project, "commit", "--quiet", "--all", "-m", "A lake")


def _edit(project: Project, number: int) -> None:
    """Edit a node on a branch, and build it there."""
    git(project, "switch", "--quiet", "-c", f"edit_{number}", "main")
    write(project, project.edited, least=number)
    git(project, "commit", "--quiet", "--all", "-m", f"A filter of {number}")
    cost(seeknal("run"), project.folder)
    git(project, "switch", "--quiet", "main")
