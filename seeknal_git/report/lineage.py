"""The lineage as trees, as JSON, and as one page that needs nothing but a browser."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seeknal_git.errors import ProjectError, UsageError
from seeknal_git.files import write_whole
from seeknal_git.report.reasons import worded
from seeknal_git.report.terminal import (
    bold,
    coloured,
    dim,
    draw,
    is_terminal,
    listed,
    note,
    out,
    width,
    with_styles,
)

if TYPE_CHECKING:
    from seeknal_git.plan.column_lineage import LineageColumn, LineageNode, Place
    from seeknal_git.plan.lineage import Lineage, Selection, Step

# Raise it when a key of the JSON is removed or changes its meaning; new keys may come at any time.
JSON_VERSION = 1
_PLACE = "@LINEAGE@"
_WIDEST = 10_000
_ROOM = 24  # for the text of a line, however deep in a tree it stands
_LEVEL = 4
_ONLY_ROWS = " (rows)"


def write_page(path: Path, chosen: Selection) -> None:
    """Write the page to a file. Raises UsageError if that is not possible."""
    try:
        write_whole(path, as_html(as_json(chosen)).encode(), private=False)
    except OSError as exc:
        raise UsageError(f"{path} cannot be written: {exc.strerror or exc}.") from exc
    note(f"Written: {path}")


def as_html(lineage: Mapping[str, Any]) -> str:
    """The page with its data in it. `<` is never written out, so that no name can end the script
    that holds the data."""
    data = json.dumps(lineage, separators=(",", ":")).replace("<", "\\u003c")
    page = files("seeknal_git.report").joinpath("lineage.html").read_text("utf-8")
    return page.replace(_PLACE, data, 1)


def as_json(chosen: Selection) -> dict[str, Any]:
    """The lineage as data, which is also what the page takes; docs/cli.md documents it."""
    lineage = chosen.lineage
    return {
        "version": JSON_VERSION,
        "project": lineage.project,
        "branch": lineage.branch,
        "planned": lineage.gap is None,
        "selected": chosen.place and ".".join(filter(None, chosen.place)),
        "nodes": [_node(node, lineage.layers[node.id]) for node in lineage.nodes.values()],
        "edges": [[source, node.id] for node in lineage.nodes.values() for source in node.inputs],
    }


def _node(node: LineageNode, layer: int) -> dict[str, Any]:
    return {
        "id": node.id,
        "kind": node.kind,
        "layer": layer,
        "path": node.path,
        "line": node.line,
        "description": node.description,
        "ends": node.is_end,
        "use": node.use,
        "url": node.url,
        "change": node.change,
        "state": node.state,
        "why": _why(node) or None,
        "columns": [
            {
                "name": column.name,
                "type": column.type,
                "change": column.change,
                "reads": list(map(list, column.reads)),
            }
            for column in node.columns
        ],
        "rows": list(map(list, node.rows)),
    }


def _why(node: LineageNode) -> str:
    """The differences of a changed node, and the reasons of a node that is rebuilt or re-used."""
    return "; ".join([*node.differences, *filter(None, [worded(node.reasons)])])


def warn(chosen: Selection) -> None:
    """Why nothing of the plan is shown."""
    gap = chosen.lineage.gap
    if isinstance(gap, ProjectError):
        note(
            "The project does not validate (seeknal validate):"
            " no plan is shown, and the nodes with problems may be missing."
        )
    elif gap is not None:
        note(f"No plan is shown: {gap.message}")


def show(chosen: Selection) -> None:
    lineage, place = chosen.lineage, chosen.place
    if not lineage.nodes and lineage.in_part:
        out("No node is selected.")
    elif not lineage.nodes:
        out("There are no nodes yet. Begin with: seeknal draft source NAME")
    elif place is None:
        _tree(chosen, f"Lineage of {lineage.project}", chosen.up or chosen.down or ())
    elif place.column:
        _one_column(chosen, place)
    else:
        _one_node(chosen, lineage.nodes[place.node])


def _one_node(chosen: Selection, node: LineageNode) -> None:
    out("  ".join([bold(node.id), *map(coloured, _marks(node))]))
    out(dim(f"{node.path}:{node.line}"))
    if node.use:
        out(", ".join(filter(None, (node.use, node.url))))
    if why := _why(node):
        out(why)
    if node.columns:
        out(f"Columns: {listed([column.name for column in node.columns], _room() - 9)}")
    _part(chosen, "Reads", chosen.up, "raw data" if node.kind == "source" else "nothing")
    _part(chosen, "Read by", chosen.down, "nothing in this project")
    edges = [_edge(chosen.lineage, step) for step in (*(chosen.up or ()), *(chosen.down or ()))]
    if any(name.endswith(_ONLY_ROWS) for names in edges for name in names):
        out()
        out(dim(f"{_ONLY_ROWS.strip()}: decides which rows there are, and no value"))


def _one_column(chosen: Selection, place: Place) -> None:
    node, column = chosen.lineage.nodes[place.node], chosen.lineage.columns[place]
    out("  ".join([bold(".".join(place)), *_about(column)]))
    out(dim(f"{node.path}:{node.line}"))
    _part(chosen, "Fed by", chosen.up, "raw data" if node.kind == "source" else "no column")
    if deciding := _deciding(chosen):
        out()
        _draw(
            "Rows decided by",
            [(0, _rows_of(identifier, places)) for identifier, places in deciding.items()],
        )
    _part(chosen, "Feeds", chosen.down, "no column in this project")


def _rows_of(identifier: str, places: Sequence[Place]) -> str:
    """The columns that decide a node's rows, each input named once."""
    of: dict[str, list[str]] = {}
    for at, name in places:
        of.setdefault(at, []).append(name)
    words = [
        f"{at}.{names[0]}" if len(names) == 1 else f"{at} ({', '.join(names)})"
        for at, names in of.items()
    ]
    return f"{', '.join(words)}  {dim(f'decides rows of {identifier}')}"


def _deciding(chosen: Selection) -> dict[str, list[Place]]:
    """For each node that a column's rows come from, the columns that decide them and no value on
    the way."""
    way = dict.fromkeys(step.place for step in chosen.up or ())
    values = {read for place in way for read in chosen.lineage.columns[place].reads}
    nodes = [identifier for identifier in chosen.deciding if identifier in chosen.lineage.nodes]
    found = {
        node: [place for place in chosen.lineage.nodes[node].rows if place not in values]
        for node in nodes
    }
    return {identifier: places for identifier, places in found.items() if places}


def _part(chosen: Selection, title: str, steps: Sequence[Step] | None, nothing: str) -> None:
    if steps is None:
        return
    out()
    if steps[1:]:
        _tree(chosen, title, [replace(step, level=step.level - 1) for step in steps[1:]])
    else:
        out(f"{bold(title)}  {nothing}")


def _tree(chosen: Selection, title: str, steps: Sequence[Step]) -> None:
    _draw(title, [(step.level, "  ".join(_label(chosen, step))) for step in steps])


def _label(chosen: Selection, step: Step) -> list[str]:
    """A node with the columns that lead to it, or a column; or a node whose rows the column before
    decides."""
    lineage, (identifier, column) = chosen.lineage, step.place
    node = lineage.nodes[identifier]
    rest = ["…"] if step.again else [f"and {step.beyond} beyond"] if step.beyond else []
    if column:
        return [".".join(step.place), *_about(lineage.columns[step.place]), *map(dim, rest)]
    if chosen.place and chosen.place.column:
        ends = "checked by" if node.kind == "rule" else "used by"
        return [dim(ends if node.is_end else "decides rows of"), identifier]
    marks, edge = [*_marks(node), *rest], _edge(lineage, step)
    told = [identifier, *([node.use] if node.use else [])]
    room = _room() - (step.level + 1) * _LEVEL - len("  ".join([*told, *marks, ""]))
    return [*told, *map(coloured, marks), *([dim(listed(edge, room))] if edge else [])]


def _edge(lineage: Lineage, step: Step) -> list[str]:
    """The columns that one node reads of the other. A node without rows only looks at them."""
    if step.before is None or step.before.column:
        return []
    one, other = step.before.node, step.place.node
    read, reader = (one, other) if one in lineage.nodes[other].inputs else (other, one)
    values, rows = lineage.between(read, reader)
    return [
        *values,
        *(name if lineage.nodes[reader].is_end else f"{name}{_ONLY_ROWS}" for name in rows),
    ]


def _marks(node: LineageNode) -> list[str]:
    """The words of the plan for a node."""
    return [
        *([node.change] if node.change else []),
        *(["to build"] if node.state == "build" else []),
    ]


def _about(column: LineageColumn) -> list[str]:
    return [dim(words) for words in (column.type, column.change) if words]


def _room() -> int:
    return width() if is_terminal() else _WIDEST


def _draw(title: str, lines: Sequence[tuple[int, str]]) -> None:
    """Draw labels with their levels as a tree. The terminal wraps labels that are deeper than it is
    wide."""
    from rich.text import Text
    from rich.tree import Tree

    branches = [Tree(Text.from_ansi(with_styles(bold(title))))]
    for level, label in lines:
        del branches[level + 1 :]
        branches.append(branches[-1].add(Text.from_ansi(with_styles(label))))
    deepest = max((level for level, _ in lines), default=0)
    room = max(_room(), (deepest + 1) * _LEVEL + _ROOM)
    draw(branches[0], room)
