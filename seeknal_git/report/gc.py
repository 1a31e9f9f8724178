"""The things that `gc` and `env prune` would delete, have deleted, or keep."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seeknal_git.names import SNAPSHOTS, command_line, qualified
from seeknal_git.report.terminal import coloured, counted, kept_views, note, out, pairs
from seeknal_git.warehouse.model.unused import Outdated, Unnamed, UnusedPieces, counted_by_reason

if TYPE_CHECKING:
    from seeknal_git.commands.env import Deleted
    from seeknal_git.commands.gc import Garbage
    from seeknal_git.environments.expiry import Lifetime
    from seeknal_git.warehouse.model.histories import Version

_WORDS = {
    "production": "shown by production",
    "changes": "of the changes that a source keeps",
    "environment": "shown by another environment",
    "history": "of production's history",
    "view": "read by a view of somebody's own",
    "unfinished run": "finished by a run that did not succeed, for the next",
}

_FEW = 8  # views and tables of somebody's that are named


def _going(found: Garbage) -> list[tuple[str, str]]:
    """The things that go, and why or how much."""
    rows = [
        (f"environment {environment.environment.branch}", environment.why)
        for environment in found.environments
    ]
    rows += [
        (f"folder {_near(exposure)}", "files of its exposures")
        for exposure in found.exposures.values()
    ]
    rows += [(f"snapshot {snapshot.table}", _extent(snapshot)) for snapshot in found.snapshots]
    rows += [(f"partitions of {one.node}", _extent_of_pieces(one)) for one in found.pieces]
    rows += [(f"file {_near(leftover)}", "left behind") for leftover in found.leftovers]
    if found.outdated:
        rows.append(("the lake's past", _extent_of_past(found.outdated)))
    return rows


def show(found: Garbage, command: str) -> None:
    rows = _going(found)
    verb = "Deleted" if found.deleted else "Would delete"
    if rows:
        out(f"{verb}:")
        pairs(rows)
    kept = [(f"environment {keeping.environment.branch}", keeping.why) for keeping in found.kept]
    kept += [
        (counted(number, "snapshot"), _WORDS[reason])
        for reason, number in counted_by_reason(found.kept_tables or {}).items()
    ]
    kept += [(f"{view.kind} {view.place}", "yours") for view in found.yours[:_FEW]]
    more = len(found.yours) - _FEW
    kept += [(f"{more:,} more of such", "yours")] if more > 0 else []
    if kept:
        out("Kept:")
        pairs(kept)
    out(_summary(found, rows, command))
    for node, version in found.histories.items():
        _history(node, version)
    stuck(found.stuck)


def _history(node: str, version: Version) -> None:
    """How to give up a history whose source is gone."""
    file, number = f"{version.view}.parquet", str(version.publication)
    words = ("seeknal", "query", "--at", number, f"FROM {version.view}", "-o", file)
    drops = " ".join(f"DROP TABLE {qualified(SNAPSHOTS, table)};" for table in version.tables)
    note(f"{node} is no node of production any more. Its history stays: no run can build it again.")
    note(f"  To give it up, export it: {command_line(*words)}")
    note(f"  and drop it, with DuckDB, in the file of `seeknal warehouse path`: {drops}")


def _near(path: Path) -> Path:
    """A path as somebody here would write it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def deleted(done: Deleted) -> None:
    """The result of `env delete`."""
    files = f" and {_near(done.files)}" if done.files and not done.stuck else ""
    git = f"Git is as it was: {done.held}." if done.held else "Its branch is gone."
    out(
        f"Dropped schema {done.schema}{files}. {git}"
        " Tables that nothing else shows stay until: seeknal gc --yes"
    )
    kept_views(view.place for view in done.yours)
    stuck(done.stuck)
    for told in done.elsewhere:
        note(told)


def stuck(paths: Sequence[Path]) -> None:
    for path in paths:
        note(
            f"{coloured('warning')}: {path} cannot be deleted."
            " Mend its permissions, then delete it by hand."
        )


def _summary(found: Garbage, rows: Sequence[object], command: str) -> str:
    if not rows:
        return "There is nothing to delete."
    parts = {
        "environment": found.environments,
        "folder": found.exposures,
        "snapshot": found.snapshots,
        "partition": [number for one in found.pieces for number in one.numbers],
        "file": found.leftovers,
    }
    numbers = {noun: len(part) for noun, part in parts.items()}
    numbers["lake snapshot"] = found.outdated.lake_snapshots
    numbers["lake file"] = found.outdated.files
    what = ", ".join(counted(number, noun) for noun, number in numbers.items() if number)
    if found.deleted:
        return f"{what} deleted."
    return f"{what} to delete. Nothing was deleted; this does it: {command} --yes"


def as_json(found: Garbage) -> dict[str, Any]:
    value: dict[str, Any] = {
        "version": 1,
        "deleted": found.deleted,
        "environments": [_environment(environment) for environment in found.environments],
        "exposures": [str(exposure) for exposure in found.exposures.values()],
        "lake_snapshots": found.outdated.lake_snapshots,
        "lake_files": found.outdated.files,
        "not_deleted": [str(path) for path in found.stuck],
        "kept": {
            "environments": [_environment(keeping) for keeping in found.kept],
            "yours": [view.place for view in found.yours],
        },
    }
    if found.kept_tables is not None:
        value["snapshots"] = [
            {
                "table": snapshot.table,
                "node": snapshot.node,
                "rows": snapshot.rows,
                "bytes": snapshot.bytes,
            }
            for snapshot in found.snapshots
        ]
        value["pieces"] = [
            {
                "table": one.table,
                "node": one.node,
                "rows": one.rows,
                "pieces": len(one.numbers),
            }
            for one in found.pieces
        ]
        value["files"] = [str(leftover) for leftover in found.leftovers]
        value["kept"]["snapshots"] = counted_by_reason(found.kept_tables)
        value["kept"]["histories"] = {
            node: list(version.tables) for node, version in found.histories.items()
        }
    return value


def _environment(each: Lifetime) -> dict[str, Any]:
    return {"branch": each.environment.branch, "schema": each.environment.schema, "why": each.why}


def _extent_of_pieces(each: UnusedPieces) -> str:
    return f"{counted(len(each.numbers), 'old version')}, {counted(each.rows, 'row')}"


def _extent_of_past(past: Outdated) -> str:
    """How much of a lake's past goes."""
    snapshots = counted(past.lake_snapshots, "lake snapshot")
    return f"{snapshots}, {counted(past.files, 'file')} that none of them names"


def _extent(each: Unnamed) -> str:
    """Rows and size; small tables share blocks of the file, so that their sizes say little."""
    sizes = ((2**30, "GB"), (2**20, "MB"))
    size = [f"{each.bytes / unit:.1f} {name}" for unit, name in sizes if each.bytes >= unit]
    return ", ".join([counted(each.rows, "row"), *size[:1]])
