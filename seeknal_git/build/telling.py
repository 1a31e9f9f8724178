"""Events about single nodes: warnings about their code, and the details of a verbose run."""

from __future__ import annotations

from collections.abc import Callable

from seeknal_git.build.options import Options
from seeknal_git.build.progress import Event, Progress, Report
from seeknal_git.nodes.node import Node
from seeknal_git.warehouse.model.deliveries import Folders
from seeknal_git.warehouse.model.snapshots import Audit, AuditQuery, Blueprint, Snapshot

Hearing = Callable[[str], None]


def of_code(
    node: Node, options: Options, report: Report, progress: Progress
) -> tuple[Hearing, Hearing | None]:
    """Who hears of the warnings about a function, and of its output if the run is verbose."""

    def warned(said: str) -> None:
        message = f"{said}: if its table may change with that, declare volatile=True"
        message = f"{message} ({node.path}:{node.sql_line})"
        progress.doubts.append((node.id, message))
        report(Event("doubted", node.id, message))

    def printed(said: str) -> None:
        report(Event("printed", node.id, said))

    return warned, printed if options.verbose else None


def of_table(node: str, made: Snapshot) -> Event:
    """A table that was built, how many of its partitions, and how many files were read for it."""
    parts, files, told = made.partitions, made.read, []
    if files:
        told.append(f"{len(files.read):,} of {files.total:,} files")
    if parts:
        told.append(f"{len(parts.built):,} of {parts.total:,} partitions")
    if made.part and made.part.whole:
        told.append(f"{len(made.part.whole):,} in all")
    return Event("built", node, ", ".join(told), rows=made.rows, seconds=made.seconds)


def of_folders(node: str, folders: Folders) -> Event:
    """A folder of files that was put in place, and how many of the folders in it are new."""
    told = f"{folders.written:,} of {folders.total:,} folders"
    if folders.removed:
        told += f", {folders.removed:,} removed"
    return Event("delivered", node, told)


def sql(node: Node, blueprint: Blueprint, report: Report) -> None:
    """Tell the SQL that a node is built by, with the tables that it reads. A function has none."""
    if not node.is_python:
        report(Event("sql", node.id, node.hides(blueprint.sql)))


def check(title: str, question: AuditQuery, audit: Audit, seconds: float, report: Report) -> None:
    """Tell that a check was made, and in how many pieces if not in all rows. seconds: the time
    that it took."""
    if question.earlier:
        asked, total = question.earlier.pieces
        title = f"{title} in {asked:,} of {total:,} pieces"
    report(Event("checked", audit.node, title, rows=audit.violations, seconds=seconds))
