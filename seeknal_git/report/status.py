"""How things stand, on one screen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from seeknal_git.environments.parts import parts_as_json, parts_listed
from seeknal_git.environments.publications import Shown, nearest
from seeknal_git.names import is_changes
from seeknal_git.report.history import about, between_as_json, moved, record_as_json
from seeknal_git.report.plan import moved_words
from seeknal_git.report.terminal import (
    bold,
    coloured,
    columns,
    counted,
    dim,
    is_terminal,
    listed,
    mapping,
    note,
    out,
    width,
)
from seeknal_git.warehouse.model.clock import now

if TYPE_CHECKING:
    from seeknal_git.commands.doctor import Finding
    from seeknal_git.commands.env import EnvironmentState
    from seeknal_git.commands.status import Past, Production, Status


def show(status: Status) -> None:
    room = width() - 16
    rows = {"Project": bold(status.project), "Branch": _branch(status)}
    if status.schema:
        of = f"{status.environment}, " if status.environment != status.branch else ""
        by = f", published {status.published}" if status.published else ""
        rows["Environment"] = f"{of}schema {status.schema}{by}"
    if status.operation:
        rows["Git"] = coloured("warning", f"in the middle of a {status.operation}")
    if status.commit is not None:
        rows["Changed"] = _changed(status, room)
    rows |= _tables(status, room)
    if status.absent:
        files = ", ".join(f"{absent.raw_data} ({absent.node})" for absent in status.absent)
        rows["Raw data"] = coloured("warning", f"missing: {files}")
    rows["Production"] = _production(status.production)
    rows.setdefault("Warehouse", status.place)
    mapping(rows)
    for alarm in _alarms(status):
        out(
            *f"{coloured('warning')}: {alarm}".split("\n")
        )  # a problem has its hint on a line of its own
    _answers(status)


def _tables(status: Status, room: int) -> dict[str, str]:
    """The tables that are built, shown and promoted, as far as that is known."""
    if status.warehouse:
        return {"Warehouse": coloured("warning", status.warehouse)}
    if status.problems:
        return {}
    tables = len(status.built) + len(status.unbuilt)
    if status.absent and not tables:
        return {"Built": "unknown, as raw data is missing"}
    nodes = counted(status.nodes or tables, "node")
    rows = {"Built": f"{len(status.built)} of {counted(tables, 'table')}, {nodes}"}
    if status.partial:
        rows["Partial"] = parts_listed(status.partial)
    if status.unbuilt:
        rows["Unbuilt"] = f"{listed(status.unbuilt, room - 20)}{_cure(status)}"
    if status.unpublished:
        every = len(status.unpublished) == tables
        rows["Unpublished"] = (
            f"{'all' if every else listed(status.unpublished, room - 20)}{_cure(status)}"
        )
    if status.unpromoted:
        rows["Unpromoted"] = listed(status.unpromoted, room)
    return rows


def _cure(status: Status) -> str:
    """A run of production that was rolled back would only undo that, and one without raw data would
    end there."""
    if status.absent:
        return ""
    on_production = status.branch == status.production.branch
    return "" if on_production and status.production.restores is not None else "  (seeknal run)"


def _branch(status: Status) -> str:
    if status.commit is None:
        return f"{status.branch}, without a commit yet"
    detached = coloured("warning", "HEAD is detached")
    parts = [f"{status.branch or detached} at {status.commit[:8]}"]
    if status.branch != status.production.branch and status.ahead is not None:
        parts.append(
            f"{status.ahead} ahead of and {status.behind} behind {status.production.branch}"
        )
    return ", ".join([*parts, *(["with uncommitted changes"] if status.dirty else [])])


def _changed(status: Status, room: int) -> str:
    if status.changed is None:
        return coloured("warning", "unknown, as no plan can be made (see below)")
    if not status.changed:
        return "nothing"
    return "; ".join(
        f"{coloured(category)} {listed(nodes, room // len(status.changed))}"
        for category, nodes in status.changed.items()
    )


def _production(production: Production) -> str:
    if production.published is None:
        return f"{production.branch}, never published"
    since = f", published {_ago(production.published_at)}" if production.published_at else ""
    if production.uncommitted:
        return f"{production.branch} with uncommitted nodes{since}"
    at = f"at {production.published[:8]}" if production.published else "in part"
    return f"{production.branch} {at}{since}"


def _missing(status: Status) -> Iterator[str]:
    """The tables that are gone. A run does not bring back the loads of a history."""
    for schema, nodes in status.missing.items():
        yield (
            f"tables that schema {schema} shows are missing: {', '.join(nodes)}:"
            " seeknal run builds them again"
        )
        if histories := [node for node in nodes if is_changes(node)]:
            yield (
                f"no run builds the loads before again that {', '.join(histories)} had: restore the"
                " warehouse, if nobody dropped these tables on purpose"
            )


def _alarms(status: Status) -> list[str]:
    production = status.production
    found = list(status.problems)
    if production.advice:
        found.append(production.advice)
    elif production.restores is not None and not production.uncommitted:
        found.append(
            f"production was rolled back to publication {production.restores}, an earlier one of"
            f" the tip of {production.branch}: seeknal run reads the raw data again"
        )
    if status.failure:
        found.append(
            f"the last run of {status.environment} failed (seeknal run tries again):"
            f" {status.failure}"
        )
    if production.failure:
        found.append(
            f"the last run of production failed (seeknal run tries again): {production.failure}"
        )
    if production.uncommitted and (status.changed or status.branch != production.branch):
        found.append(
            "production shows nodes that are in no commit: seeknal promote goes back to the tip, "
            f"git restore --source {(production.published or '')[:8]} seeknal brings them here"
        )
    found += _missing(status)
    found += [f"production cannot read {node}: {why}" for node, why in status.broken.items()]
    found += [f"{moved_words(moved)} seeknal run reads it again" for moved in status.moved]
    return found


_MOST_ANSWERS = 10


def _answers(status: Status) -> None:
    """The checks that do not hold, in the words of the run, and how to see the rows."""
    told = status.production.failed.items()  # the alarm about production's last run has them
    failing = [answer for answer in status.failing if (answer.node, answer.message) not in told]
    lines = [("failed", answer) for answer in failing]
    lines += [("warning", answer) for answer in status.warnings]
    for word, answer in lines[:_MOST_ANSWERS]:
        out(f"{coloured(word)}: {answer.node}: {answer.message}")
    if len(lines) > _MOST_ANSWERS:
        out(dim(f"and {len(lines) - _MOST_ANSWERS} more; --json shows all"))
    nodes = list(dict.fromkeys(answer.node for answer in (*status.failing, *status.warnings)))
    if nodes:
        out(f"  {dim('rows:')} seeknal query --failed {nodes[0] if len(nodes) == 1 else 'NODE'}")


def show_past(found: Past) -> None:
    """Production at an earlier time, and the differences to today."""
    record, shown = found.shown.named.record, found.shown
    if shown.named.asked:
        note(nearest(shown.named))
    kept = f"no longer kept whole: {counted(len(shown.lost), 'table')} gone" if shown.lost else ""
    out(
        "  ".join(
            filter(
                None,
                [bold(f"publication {record.id}"), record.commit[:8], f"of {found.branch}", kept],
            )
        )
    )
    for line in about(record):
        out(line)
    out()
    for line in columns(
        [[node, "" if rows is None else counted(rows, "row")] for node, rows in _nodes(shown)],
        "    ",
    ):
        out(line)
    out()
    if not found.since:
        out(
            "Production shows the same today."
            if not found.current
            else "It is what production shows."
        )
        return
    out("Since then:")
    moved(found.since)


def _nodes(shown: Shown) -> list[tuple[str, int | None]]:
    return [(node, shown.rows.get(node)) for node in sorted(shown.views)]


def past_as_json(found: Past) -> dict[str, Any]:
    shown = found.shown
    return {
        "version": 1,
        "environment": found.branch,
        "asked": shown.named.asked,
        "publication": record_as_json(shown.named.record),
        "current": found.current,
        "kept": not shown.lost,
        "lost": list(shown.lost),
        "nodes": [
            {
                "node": node,
                "view": shown.views[node].view,
                "rows": rows,
                "kept": node not in shown.lost,
            }
            for node, rows in _nodes(shown)
        ],
        "since": [between_as_json(between) for between in found.since],
    }


def as_json(status: Status) -> dict[str, Any]:
    return {"version": 1, **asdict(status), "partial": parts_as_json(status.partial)}


def _ago(moment: datetime | None) -> str:
    if moment is None:
        return ""
    seconds = max((now() - moment).total_seconds(), 0)
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            return f"{counted(int(seconds // size), unit)} ago"
    return "just now"


def environments(found: list[EnvironmentState]) -> None:
    if not found:
        out("No environments yet. Make one with: seeknal run")
        return
    names = ["branch", "schema", "shows", "ahead", "behind", "idle", "expires", "tables"]
    rows = [names, *([str(cell) for cell in _row(environment)] for environment in found)]
    fitting = len(names)
    while is_terminal() and fitting > 1 and max(map(len, columns(_first(rows, fitting)))) > width():
        fitting -= 1
    first, *others = columns(_first(rows, fitting))
    out(bold(first), *others)
    if hidden := names[fitting:]:
        note(dim(f"and {counted(len(hidden), 'column')} more: {', '.join(hidden)}"))


def _first(rows: list[list[str]], number: int) -> list[list[str]]:
    """The first cells of each row."""
    return [row[:number] for row in rows]


def _row(environment: EnvironmentState) -> list[Any]:
    """The cells of an environment. The last ones are left out on a narrow terminal."""
    left = "never"
    if environment.expires_at is not None:
        days = (environment.expires_at - now()).total_seconds() / 86400
        left = (
            "expired" if days <= 0 else f"in {days:.0f} d" if days >= 1 else f"in {days * 24:.0f} h"
        )
    partial = len(environment.partial)
    branch = f"{environment.branch} (gone)" if environment.branch_is_gone else environment.branch
    beside = (
        [environment.ahead, environment.behind]
        if environment.ahead is not None and not environment.production
        else ["", ""]
    )
    return [
        branch,
        environment.schema,
        (environment.commit or "")[:8],
        *beside,
        _idle(environment.used_at),
        left,
        f"{environment.nodes}, {partial} partial" if partial else environment.nodes,
    ]


def _idle(since: datetime) -> str:
    seconds = max((now() - since).total_seconds(), 0)
    return next(
        (f"{seconds // size:.0f} {unit}" for size, unit in _IDLE if seconds >= size), "0 min"
    )


_IDLE = ((86400, "d"), (3600, "h"), (60, "min"))


def findings(found: list[Finding]) -> None:
    for complaint in found:
        out(f"{coloured('warning', 'wrong')}: {complaint.what}")
        out(f"  {complaint.cure}")
    out("Everything is in order." if not found else f"{counted(len(found), 'thing')} to mend.")
