"""A plan as text and Markdown.

A value of a change is shown in three places: by `_change` on a terminal, by a column of `_COLUMNS`
in a pull request, and by a key of `_change_as_json` in plan_json.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING

from seeknal_git.environments.parts import parts_in_words
from seeknal_git.errors import some
from seeknal_git.names import argument, of_option, split_id
from seeknal_git.nodes.values import of_the_moment
from seeknal_git.plan.changes import Category, Change, Plan
from seeknal_git.project.settings import PROJECT_FILE, SettingChange
from seeknal_git.report import markdown, partitions
from seeknal_git.report.reasons import worded, worded_below
from seeknal_git.report.terminal import (
    below_itself,
    bold,
    coloured,
    counted,
    dim,
    extent,
    listed,
    out,
    problem_of,
    width,
)

if TYPE_CHECKING:
    from seeknal_git.build.moved_data import MovedData
    from seeknal_git.commands.planned import Found, Planned
    from seeknal_git.errors import Problem
    from seeknal_git.plan.reasons import ColumnChange

_EMPTY = "There are no nodes yet. Begin with: seeknal draft source NAME"
_LABEL = len("NON_BREAKING") + 2
_BELOW = " " * 5  # the indent of a layer's nodes, behind its number
_SIGNS = {"added": "+", "removed": "-", "changed": "~"}
_SHOWN = 5  # nodes downstream of a change; --verbose shows all of them


def show(
    planned: Planned, found: Found | None, *, verbose: bool = False, sound: bool = True
) -> None:
    """The plan on a terminal.

    verbose: print every node downstream, and the constructs that could not be resolved. sound:
    False if there is no next step, since the plan is one of a merge with conflicts.
    """
    for problem in (*planned.head.project.unread, *planned.moved, *planned.elsewhere_only):
        problem_of("warning", problem)
    out(bold(_title(planned)))
    if planned.selected is not None:
        out(_extent(planned))
    out()
    _settings(planned)
    if not planned.plan.changes and not planned.plan.builds:
        if not planned.settings:
            out("No changes." if planned.head.graph.members else _EMPTY)
        for line in _doubts(planned, found):
            out(line)
        _answers(found)
        return
    for change in planned.plan.changes:
        _change(change, planned.plan, verbose)
    _layers(planned, found, verbose)
    out()
    for line in _summary(planned, found).split("\n"):
        out(line)
    if sound and not _writes_nothing(planned):
        out(f"Next: {_next(planned, found)}")
    _answers(found)


def as_change(setting: SettingChange) -> Change:
    """A changed setting as a change: production depends on it."""
    return Change(PROJECT_FILE, Category.BREAKING, PROJECT_FILE, setting.line, (setting.words,))


def _settings(planned: Planned) -> None:
    """The changed settings, and how to release them."""
    for setting in planned.settings:
        _headline(as_change(setting), f"{PROJECT_FILE}: {setting.words}")
    if planned.settings and planned.environment.is_production and planned.dirty:
        out("The project file counts as it is committed.")
    if _writes_nothing(planned):
        out(
            "Only production's project file counts, and nothing is written for this branch: merge"
            f" that change by itself, with git merge {argument(planned.environment.name)} on the"
            " production branch, or take it back."
        )


def _writes_nothing(planned: Planned) -> bool:
    """Whether a run of this branch is refused, as it has other settings than production."""
    return (
        bool(planned.settings) and not planned.environment.is_production and planned.merges is None
    )


def _layers(planned: Planned, found: Found | None, verbose: bool) -> None:
    """The layers as a run numbers them. Files are written after the last one."""
    layers, files = _numbered(planned)
    if planned.plan.layers:
        out()
        out(bold("To build"))
    for number, layer in layers.items():
        head = f"  {number}  {extent(layer)}"
        names = ", ".join(layer) if verbose else listed(layer, width() - len(head))
        below_itself(f"{head}{names}", _BELOW)
    for node, forecast in (found.partitions if found else {}).items():
        below_itself(f"{_BELOW}{node}: {partitions.words(forecast)}", f"{_BELOW}  ")
    if files:
        names = ", ".join(files) if verbose else listed(files, width() - 24)
        below_itself(f"{_BELOW}then the files of {names}", _BELOW)


def _numbered(planned: Planned) -> tuple[dict[int, list[str]], list[str]]:
    """The nodes to build by their layer in the whole graph; and the exposures, which a run delivers
    once everything is published."""
    layers: dict[int, list[str]] = {}
    files = [node for node in planned.plan.builds if split_id(node)[0] == "exposure"]
    for node in planned.plan.builds:
        if node not in files:
            layers.setdefault(planned.head.graph.layer_of[node], []).append(node)
    return layers, files


def _answers(found: Found | None) -> None:
    """The checks that were made already and do not hold, on the tables that the plan leads to."""
    for word, said in _said(found):
        out(f"{coloured(word)}: {said}")


def _said(found: Found | None) -> list[tuple[str, str]]:
    if found is None:
        return []
    return [("failed", answer) for answer in found.failing] + [
        ("warning", answer) for answer in found.warned
    ]


def _change(change: Change, plan: Plan, verbose: bool) -> None:
    _headline(change)
    for word in plan.obstacles.get(change.node, ()):
        if verbose or (change.category == Category.BREAKING and word.startswith("unstable")):
            out(f"{' ' * _LABEL}{dim(word)}")
    if change.category == Category.NEW and change.node in plan.builds:
        return
    for word in (*change.words, *column_words(change)):
        out(f"{' ' * _LABEL}{word}")
    for label, nodes in (("rebuilds", change.rebuilds), ("re-uses ", change.reuses)):
        shown = nodes if verbose or len(nodes) <= _SHOWN + 1 else nodes[:_SHOWN]
        for place, node in enumerate(shown):
            why = worded_below(change.reasons[node], change.node)
            said = plan.uses.get(node, node)
            _downstream(label if place == 0 else " " * len(label), said, why)
        if len(shown) < len(nodes):
            out(f"{' ' * (_LABEL + len(label) + 1)}{dim(f'and {len(nodes) - len(shown)} more')}")


def _downstream(label: str, node: str, why: str) -> None:
    """A node downstream of a change, and why it is rebuilt or not. The reason gets a line of its
    own if there is no room."""
    indent = _LABEL + len(label) + 1
    if indent + len(node) + 2 + len(why) <= width():
        out(f"{' ' * _LABEL}{dim(label)} {node}  {dim(why)}")
        return
    out(f"{' ' * _LABEL}{dim(label)} {node}")
    room = max(20, width() - indent - 2)
    for line in wrap(why, room, break_long_words=False, break_on_hyphens=False):
        out(f"{' ' * (indent + 2)}{dim(line)}")


def column_words(change: Change) -> list[str]:
    """`+ added`, `- removed`, `~ changed`, with types; and `rows changed` if no clause says so."""
    words = [f"{_SIGNS[column.kind]} {column.name}{_types(column)}" for column in change.columns]
    return [*([] if change.words or not change.rows else ["rows changed"]), *words]


def _types(column: ColumnChange) -> str:
    if column.retyped:
        return f"  {column.before} → {column.after}"
    return (
        f"  {column.after or column.before}"
        if column.kind != "changed" and (column.after or column.before)
        else ""
    )


def _headline(change: Change, title: str | None = None) -> None:
    """Category, node and place; the place on a line of its own where the terminal is narrow."""
    title = title or change.node
    place = f"{change.path}:{change.line}"
    label = coloured(change.category, change.category.ljust(_LABEL))
    if _LABEL + len(title) + 2 + len(place) <= width():
        out(f"{label}{title}  {dim(place)}")
    else:
        out(f"{label}{title}")
        out(f"{' ' * _LABEL}{dim(place)}")


def _title(planned: Planned) -> str:
    if planned.merges is not None:
        tips = f"{(planned.base_commit or '')[:8]} and {(planned.head_commit or '')[:8]}"
        return f"Plan of merging {planned.merges} into {planned.environment.name} ({tips})"
    head = "the working tree" if planned.dirty else f"its tip {(planned.head_commit or '')[:8]}"
    if planned.environment.is_production:
        base = (
            f"production's last publication ({planned.base_commit[:8]})"
            if planned.base_commit
            else "nothing"
        )
        return f"Plan of production ({planned.environment.name}): from {base} to {head}"
    base = (planned.base_commit or "")[:8]
    return f"Plan of {planned.environment.name}: from the merge base {base} to {head}"


def _extent(planned: Planned) -> str:
    """The number of nodes that the plan is about."""
    number = len(planned.selected or ())
    are = "is" if number == 1 else "are"
    return f"Of {counted(planned.nodes, 'node')}, {number:,} {are} selected."


def _summary(planned: Planned, found: Found | None) -> str:
    """The numbers of tables, checks and files to make; then the doubts about the warehouse."""
    plan, graph = planned.plan, planned.head.graph
    kinds = [split_id(node)[0] for node in plan.builds]
    rules, files = kinds.count("rule"), kinds.count("exposure")
    parts = [f"{counted(len(kinds) - rules - files, 'table')} to build"]
    tests = sum(map(len, plan.tests.values()))
    parts += [f"{counted(rules, 'rule')} to check"] if rules else []
    parts += [f"{counted(tests, 'test')} to check"] if tests else []
    parts += [f"{counted(files, 'file')} to write"] if files else []
    reused = sum(node in graph.views for node in plan.reused)
    lines = [f"{', '.join(parts)}; {counted(reused, 'table')} re-used."]
    if found is not None and found.built and not planned.head.absent:
        lines.append(_built(len(found.built), len(kinds) - rules - files))
    return "\n".join([*lines, *_doubts(planned, found)])


def _doubts(planned: Planned, found: Found | None) -> list[str]:
    """The nodes with a frozen history; and the things that are missing: a warehouse that can be
    read, tables that the plan re-uses, raw data."""
    lines = _frozen(planned)
    if found is not None and found.unread:
        lines.append(f"The warehouse was not read, so this plan goes by git alone: {found.unread}")
    if found is not None and found.partial:
        said = parts_in_words(planned.environment.name, found.partial)
        lines.append(f"{said} {_run(planned)} completes it.")
    if found is not None and found.missing:
        cure = "" if planned.head.absent else f": {_run(planned)} builds what is missing"
        lines.append(f"{_are(len(found.missing))} missing of those to re-use{cure}.")
        uses = planned.head.graph.index.uses
        lines += [
            f"{node} uses {' and '.join(values)}, which may have another value than before."
            for node in sorted(found.missing)
            if (values := of_the_moment(uses.get(node, ())))
        ]
    lines += [
        f"{words} {_run(planned)} reads it again."
        for words in map(moved_words, found.moved if found else ())
    ]
    if unbuilt := planned.head.binding.unbuilt:
        names = some(unbuilt, _SHOWN)
        lines.append(f"Columns unknown until built: {names}. Readers are checked then.")
    if planned.head.absent:
        files = ", ".join(absent_files(planned))
        lines.append(
            f"Raw data is missing: {files}. Nodes that read it were checked by the columns that"
            " were loaded before or are declared, if any are, and cannot be built."
        )
    return lines


def _frozen(planned: Planned) -> list[str]:
    """The nodes whose old partitions need not be those of a build from nothing."""
    return [
        f"{node} keeps its partitions when {some(inputs, _SHOWN)} has new data (history: frozen)."
        for node, inputs in planned.frozen.items()
    ]


def moved_words(moved: MovedData) -> str:
    """The raw data that moved, and the times of the load and of the change."""
    files = some(moved.files, _SHOWN)
    until = f", changed {moved.changed_at:%Y-%m-%d %H:%M:%S}" if moved.changed_at else ""
    loaded = f"loaded {moved.loaded_at:%Y-%m-%d %H:%M:%S}{until} UTC"
    return f"Raw data moved: {files} ({moved.node}), {loaded}."


def absent_files(planned: Planned) -> list[str]:
    """The raw data that is not here, with the sources that read it, or the reason."""
    named = [(one, planned.head.graph.node(one.node)) for one in planned.head.absent if one.node]
    return [
        f"{node.definition['path']} ({node.id}){_reason(absent) if node.outside else ''}"
        for absent, node in named
    ]


def _reason(absent: Problem) -> str:
    """Why nobody can look into a source outside of the project."""
    why = absent.message.removeprefix(f"{absent.node}: ").rstrip(".")
    place = f" ({absent.place})" if absent.place else ""
    return f": {why}{place}{f'; {absent.hint}' if absent.hint else ''}"


def _built(number: int, tables: int) -> str:
    """The number of tables to build that exist already, in words."""
    if number == tables:
        return "It is built already." if tables == 1 else "All of these are built already."
    return f"{number:,} of these {'is' if number == 1 else 'are'} built already."


def _are(tables: int) -> str:
    return f"{counted(tables, 'table')} {'is' if tables == 1 else 'are'}"


def _run(planned: Planned) -> str:
    environment = of_option("--env", planned.environment.name) if planned.elsewhere else ""
    return " ".join(filter(None, ["seeknal run", environment, planned.selecting.words]))


def _next(planned: Planned, found: Found | None) -> str:
    if planned.merges is not None:
        source, branch = argument(planned.merges), argument(planned.environment.name)
        into = "" if planned.environment.is_production else f" {branch}"
        dashes = "-- " if planned.merges.startswith("-") else ""
        return (
            f"seeknal promote {dashes}{source}{into}, or: git switch {branch} && git merge {source}"
        )
    if found is not None and found.restores is not None:
        return "git revert takes this out of the code; seeknal promote publishes it again"
    if _lacks_data(planned):
        return f"put the raw data there, then {_run(planned)}"
    if (
        planned.plan.builds
        or planned.plan.tests
        or (found is not None and (found.missing or found.moved))
    ):
        return _run(planned)
    return (
        "nothing has to be built"
        if planned.environment.is_production
        else f"{_run(planned)} makes the environment"
    )


def _lacks_data(planned: Planned) -> bool:
    """Whether raw data is missing that the run of the planned nodes needs."""
    graph, absent = planned.head.graph, {absent.node for absent in planned.head.absent}
    if not absent or planned.selected is None:
        return bool(absent)
    nodes = {*planned.selected, *planned.plan.builds} & graph.members.keys()
    return not absent.isdisjoint(nodes | graph.upstream(nodes))


def as_markdown(planned: Planned, found: Found | None) -> str:
    """The plan as a comment on a pull request."""
    plan = planned.plan
    lines = [f"### {markdown.text(_title(planned))}", ""]
    if planned.selected is not None:
        lines += [_extent(planned), ""]
    if not plan.changes and not plan.builds and not planned.settings:
        doubts = [markdown.text(doubt) for doubt in _doubts(planned, found)]
        said = ["No changes.", *(["", *doubts] if doubts else []), *_answers_as_markdown(found)]
        return "\n".join([*lines, *said])
    lines += [_row(list(_COLUMNS)), _row(["---"] * len(_COLUMNS))]
    for setting in planned.settings:
        words = markdown.code(f"{PROJECT_FILE}: {setting.words}")
        lines.append(_row([f"**{Category.BREAKING}**", words, "settings"]))
    for change in plan.changes:
        lines.append(_row([cell(change, plan) for cell in _COLUMNS.values()]))
    if plan.layers:
        lines += ["", "<details><summary>Layers to build</summary>", ""]
        layers, files = _numbered(planned)
        lines += [
            f"{number}. {extent(layer)}{_cell(tuple(layer))}" for number, layer in layers.items()
        ]
        lines += [
            f"- {markdown.text(f'{node}: {partitions.words(forecast)}')}"
            for node, forecast in (found.partitions if found else {}).items()
        ]
        lines += ["", f"Then the files of {_cell(tuple(files))}"] if files else []
        lines += ["", "</details>"]
    summary = map(markdown.text, _summary(planned, found).split("\n"))
    return "\n".join([*lines, "", *summary, *_answers_as_markdown(found)])


def _row(cells: Sequence[str]) -> str:
    """A row of the table, with empty cells at the end if some are missing."""
    padded = [*cells, *[""] * (len(_COLUMNS) - len(cells))]
    return f"|{'|'.join(f' {cell} ' if cell else ' ' for cell in padded)}|"


def _downstream_cell(change: Change, nodes: Sequence[str], plan: Plan) -> str:
    """Nodes downstream of a change, with the reasons why they are rebuilt or not."""
    return _cell(
        tuple(f"{plan.uses.get(node, node)} ({worded(change.reasons[node])})" for node in nodes)
    )


# The columns of the table in a pull request: the heading, and the cell of a change.
_COLUMNS: Mapping[str, Callable[[Change, Plan], str]] = {
    "": lambda change, _: f"**{change.category}**",
    "node": lambda change, _: markdown.code(change.node),
    "change": lambda change, _: _cell((*change.words, *column_words(change))),
    "rebuilds": lambda change, plan: _downstream_cell(change, change.rebuilds, plan),
    "re-uses": lambda change, plan: _downstream_cell(change, change.reuses, plan),
}


def _answers_as_markdown(found: Found | None) -> list[str]:
    lines = [f"- **{word}**: {markdown.text(said)}" for word, said in _said(found)]
    return ["", *lines] if lines else []


def _cell(names: tuple[str, ...]) -> str:
    return ", ".join(map(markdown.text, names))
