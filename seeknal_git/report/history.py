"""The publications of production, and a rollback, as text and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from seeknal_git.names import of_option
from seeknal_git.report.terminal import (
    bold,
    coloured,
    columns,
    counted,
    dim,
    kept_files,
    kept_views,
    listed,
    note,
    out,
    pairs,
    width,
)

if TYPE_CHECKING:
    from seeknal_git.commands.log import Entry, Log
    from seeknal_git.commands.rollback import Rollback
    from seeknal_git.warehouse.model.publications import Move, Record, Warned

_COLOURS = {
    "added": "NEW",
    "removed": "REMOVED",
    "re-pointed": "NON_BREAKING",
    "restored": "warning",
}
_FEW = 8


def show_log(found: Log, *, whole: bool = False) -> None:
    """Publications, newest first, one block for each."""
    if not found.entries:
        command = (
            "seeknal run"
            if found.environment.is_production
            else f"seeknal run {of_option('--env', found.environment.name)}"
        )
        out(f"{found.environment.name} was never published. Build and publish it with: {command}")
    for number, entry in enumerate(found.entries):
        if number:
            out()
        _entry(entry, whole=whole)
    if found.earlier:
        note(dim(f"and {counted(found.earlier, 'earlier publication')}; -n 0 shows all"))


def _entry(entry: Entry, *, whole: bool) -> None:
    record = entry.record
    marks = ["current"] if entry.current else []
    marks += ["with uncommitted nodes"] if entry.uncommitted else []
    marks += [f"not kept: {counted(len(entry.lost), 'table')} gone"] if entry.lost else []
    out(
        "  ".join(
            [coloured("warning", f"publication {record.id}"), record.commit[:8], *marks]
        ).rstrip()
    )
    author, *rest = about(record)
    subject = [f"Commit: {entry.subject}"] if entry.subject and not entry.uncommitted else []
    out(author, *subject, *rest)
    if entry.moves:
        out()
        moved(entry.moves, whole=whole, more_with="--verbose")
    _warnings(record.warnings, whole=whole)


def _warnings(warnings: Sequence[Warned], *, whole: bool) -> None:
    shown = warnings if whole else warnings[:_FEW]
    for warning in shown:
        out(f"{coloured('warning')}: {warning}")
    if len(shown) < len(warnings):
        out(f"    {dim(f'and {len(warnings) - len(shown)} more warnings; --verbose shows all')}")


def about(record: Record) -> list[str]:
    """Author, date and reason."""
    return [
        f"Author: {record.author}",
        f"Date:   {record.published_at:%Y-%m-%d %H:%M:%S} UTC",
        f"Reason: {_reason(record)}",
    ]


def _reason(record: Record) -> str:
    words = record.command
    if record.restores is not None:
        words += f" to publication {record.restores}"
    if record.merged is not None:
        words += f" after a merge of {record.merged}"
    if record.reason is not None:
        words += f", by force: {record.reason}"
    return words + (f", {record.seconds:.1f} s" if record.seconds is not None else "")


def moved(moves: Sequence[Move], *, whole: bool = False, more_with: str = "--json") -> None:
    """The changes of nodes: all if `whole`, else a few. more_with: the option that shows all."""
    shown = moves if whole else moves[:_FEW]
    lines = columns(
        [[move.change, move.node, _rows(move), _built(move)] for move in shown],
        "    ",
    )
    for move, line in zip(shown, lines, strict=True):
        out(line.replace(move.change, coloured(_COLOURS[move.change], move.change), 1))
    if rest := moves[len(shown) :]:
        kinds = [move.change for move in rest]
        more = ", ".join(f"{kinds.count(kind):,} more {kind}" for kind in dict.fromkeys(kinds))
        out(f"    {dim(f'and {more}; {more_with} shows all')}")


def _rows(move: Move) -> str:
    before, after = move.rows_before, move.rows_after
    if move.change == "removed":
        after = before
    elif before is not None and after is not None and before != after:
        return f"{before:,} → {counted(after, 'row')}"
    return counted(after, "row") if after is not None else ""


def _built(move: Move) -> str:
    if move.change == "removed" or move.built is None:
        return ""
    return "built" if move.built else "re-used"


def log_as_json(found: Log) -> dict[str, Any]:
    return {
        "version": 1,
        "environment": found.environment.name,
        "schema": found.environment.schema,
        "production": found.environment.is_production,
        "earlier": found.earlier,
        "publications": [
            {
                **record_as_json(entry.record),
                "current": entry.current,
                "kept": not entry.lost,
                "lost": list(entry.lost),
                "uncommitted": entry.uncommitted,
                "subject": entry.subject,
                "nodes": [move_as_json(move) for move in entry.moves],
            }
            for entry in found.entries
        ],
    }


def record_as_json(record: Record) -> dict[str, Any]:
    return {
        "id": record.id,
        "commit": record.commit or None,
        "author": record.author,
        "published_at": record.published_at,
        "command": record.command,
        "seconds": record.seconds if record.seconds is None else round(record.seconds, 3),
        "merged": record.merged,
        "restores": record.restores,
        "reason": record.reason,
        "built": record.built,
        "reused": record.reused,
        "removed": record.removed,
        "warnings": list(map(str, record.warnings)),
    }


def move_as_json(move: Move) -> dict[str, Any]:
    return {
        "node": move.node,
        "change": move.change,
        "rows_before": move.rows_before,
        "rows_after": move.rows_after,
        "built": move.built,
    }


def between_as_json(move: Move) -> dict[str, Any]:
    """A difference between two publications, as data. It was not built for the comparison."""
    return {key: value for key, value in move_as_json(move).items() if key != "built"}


def show_rollback(done: Rollback) -> None:
    """The result of a rollback, or of its dry run, and how to go on."""
    verb = "was rolled back" if done.publication else "would be rolled back"
    out(
        f"{bold(done.environment.name)} {verb} from publication {named(done.before)}"
        f" to publication {named(done.to)}."
    )
    moved(done.moves)
    for node in done.to_write:
        if node not in done.unwritten:
            out(f"    {'written again' if done.publication else 'to write again'}  {node}")
    for node, path in done.left.items():
        note(
            f"{coloured('warning')}: {node} was first delivered later:"
            f" its file is left as it is ({path})."
        )
    kept_files(done.kept)
    kept_views(done.yours)
    for node, why in done.unwritten.items():
        note(
            f"{coloured('warning')}: the file of {node} is not that of publication {done.to.id}:"
            f" {why}."
        )
    if done.publication:
        _how_to_go_on(done)


def named(record: Record) -> str:
    return f"{record.id} ({record.commit[:8]})" if record.commit else str(record.id)


def _how_to_go_on(done: Rollback) -> None:
    if done.tip is not None and done.tip != done.to.commit:
        out(
            "Git is as it was, so production now differs from the tip of"
            f" {done.environment.name} ({done.tip[:8]}):"
        )
        data = ", on the raw data of then" if done.loads else ""
        _ways(
            done,
            [
                (
                    "seeknal promote",
                    f"publishes the tip again{data}; so does a hook, at the next commit or merge",
                ),
                ("git revert …", "takes the change out of the code, and production follows"),
            ],
        )
    if done.loads:
        out(f"Earlier loads of raw data are shown ({listed(done.loads, width() - 40)}):")
        _ways(done, [("seeknal run", "reads the raw data again, and publishes the tip")])
    _ways(done, [(_undo(done), f"goes back to publication {done.undo.id}")])


def _undo(done: Rollback) -> str:
    return f"seeknal rollback {done.undo.id}"


def _ways(done: Rollback, ways: Sequence[tuple[str, str]]) -> None:
    """Commands with their effects, aligned with the longest command."""
    pairs([(command.ljust(len(_undo(done))), does) for command, does in ways])


def rollback_as_json(done: Rollback) -> dict[str, Any]:
    return {
        "version": 1,
        "dry_run": done.publication is None,
        "environment": done.environment.name,
        "schema": done.environment.schema,
        "publication": done.publication,
        "from": record_as_json(done.before),
        "to": record_as_json(done.to),
        "tip": done.tip,
        "differs_from_tip": done.tip is not None and done.tip != done.to.commit,
        "nodes": [between_as_json(move) for move in done.moves],
        "earlier_loads": list(done.loads),
        "files": {
            "written": [
                exposure
                for exposure in done.to_write
                if done.publication and exposure not in done.unwritten
            ],
            "to_write": [] if done.publication else list(done.to_write),
            "not_written": done.unwritten,
            "left": {node: str(path) for node, path in done.left.items()},
            "kept": {node: str(path) for node, path in done.kept.items()},
        },
        "yours": list(done.yours),
    }
