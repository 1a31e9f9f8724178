"""The results of verifying a plan, as text, Markdown and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from seeknal_git.report import markdown
from seeknal_git.report.terminal import bold, coloured, counted, dim, note, out, table

if TYPE_CHECKING:
    from seeknal_git.build.trial import Verified
    from seeknal_git.warehouse.model.answers import Rest

_NOTHING = (
    "nothing: this plan has no METADATA and no NON_BREAKING change of a SELECT,"
    " and no reader that is re-used"
)


def notes(verified: Sequence[Verified]) -> None:
    """The nodes that could not be verified, on the other stream."""
    for verdict in verified:
        if verdict.result == "not verified":
            note(f"{coloured('warning', 'not verified')}: {verdict.node}: {verdict.reason}")


def show(verified: Sequence[Verified] | None) -> None:
    """The results, below the plan. None prints nothing."""
    if verified is None:
        return
    out()
    out(bold("Verified"))
    told = [verdict for verdict in verified if verdict.result != "not verified"]
    if not verified:
        out(f"  {_NOTHING}")
    size = max((len(verdict.node) for verdict in told), default=0)
    for verdict in told:
        out(f"  {verdict.node.ljust(size)}  {_colour(verdict)}")
        for words, rest in _sides(verdict):
            out(dim(f"    {words}"))
            table(verdict.columns, rest.rows)


def _colour(verified: Verified) -> str:
    words = _words(verified)
    return coloured("error", words) if verified.result in ("differs", "cannot be built") else words


def _words(verified: Verified) -> str:
    """The result of a node in one line."""
    if verified.partitions:
        return f"in pieces, {_result(verified)}"
    return f"re-used, {_result(verified)}" if verified.reused else _result(verified)


def _result(verified: Verified) -> str:
    if verified.result in ("not verified", "cannot be built"):
        return f"{verified.result}: {verified.reason}"
    if verified.result == "equal":
        rows, columns = counted(verified.rows or 0, "row"), counted(len(verified.columns), "column")
        extent = f"equal on {rows}, {columns}"
        return f"{extent} ({verified.reason})" if verified.reason else extent
    sides = [f"{counted(rest.count, 'row')} {words}" for words, rest in _sides(verified)]
    return f"differs: {', '.join([*([verified.reason] if verified.reason else []), *sides])}"


def _sides(verified: Verified) -> list[tuple[str, Rest]]:
    both = (("only before", verified.only_before), ("only after", verified.only_after))
    return [(words, rest) for words, rest in both if rest is not None and rest.count]


def as_markdown(verified: Sequence[Verified] | None) -> str:
    """A line per node, below the plan, and the rows of a difference; nothing where nobody asked for
    it."""
    if verified is None:
        return ""
    lines = ["", "", "#### Verified", ""]
    for verdict in verified:
        lines.append(f"- {markdown.code(verdict.node)}: {markdown.text(_words(verdict))}")
        lines += [
            f"  - {words}: {markdown.text(str(row))}"
            for words, rest in _sides(verdict)
            for row in rest.rows
        ]
    return "\n".join(lines if verified else [*lines, f"- {_NOTHING}"])


def as_json(verified: Sequence[Verified] | None) -> list[dict[str, Any]] | None:
    """docs/cli.md documents it. None where nobody asked for it."""
    return (
        None
        if verified is None
        else [
            {
                "node": verdict.node,
                "result": verdict.result,
                "rows": verdict.rows,
                "columns": len(verdict.columns) if verdict.result in ("equal", "differs") else None,
                "reason": verdict.reason,
                "reused": verdict.reused,
                "partitions": verdict.partitions,
                "only_before": _rest_as_json(verdict, verdict.only_before),
                "only_after": _rest_as_json(verdict, verdict.only_after),
            }
            for verdict in verified
        ]
    )


def _rest_as_json(verified: Verified, rest: Rest | None) -> dict[str, Any] | None:
    if rest is None:
        return None
    rows = [dict(zip(verified.columns, row, strict=True)) for row in rest.rows]
    return {"count": rest.count, "rows": rows}
