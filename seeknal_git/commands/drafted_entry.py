"""Drafts of entries of the common files: written, and merged into the file that they belong to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from seeknal_git.errors import Problem, ProjectError, UsageError
from seeknal_git.files import write_below
from seeknal_git.git.command import git
from seeknal_git.names import command_line
from seeknal_git.nodes.common_files import read_common
from seeknal_git.nodes.yaml_document import read_yaml
from seeknal_git.plan.text_diff import unified
from seeknal_git.project.load import load, with_nodes
from seeknal_git.project.workspace import Workspace, current_tree

# Kind of a draft → the list that its entry belongs to, and the text of a draft.
_LISTS = {
    "common_source": (
        "sources",
        "# Templates write {{ <NAME>.idCol }} and {{ <NAME>.ref }}.\n"
        "ref: source.<NAME>\nparams:\n  idCol: id\n",
    ),
    "common_rule": (
        "rules",
        "# Templates write {{ rules.<NAME> }}.\nvalue: <CONDITION>\n",
    ),
    "common_transformation": (
        "transformations",
        "# Templates write {{ transforms.<NAME> }}. Another entry is named in the same way.\n"
        "sql: <CONDITION>\n",
    ),
}
ENTRIES = tuple(_LISTS)
# List → the name of an entry, as templates write it.
_WRITTEN = {
    "sources": "{}.…",
    "rules": "rules.{}",
    "transformations": "transforms.{}",
}
_KIND = re.compile(r"^kind:\s*(\w+)\s*$", re.MULTILINE)
_ITEM = re.compile(r"^( *)- ", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Merged:
    """A draft that was merged into a common file."""

    name: str  # as templates write it
    target: str
    diff: tuple[str, ...]
    command: str  # the git command that staged it


def template(kind: str, name: str, description: str | None) -> str:
    """A draft of an entry."""
    words = f"description: {description}\n" if description else ""
    return f"kind: {kind}\nid: {name}\n{words}{_LISTS[kind][1].replace('<NAME>', name)}"


def kind_of(content: bytes) -> str | None:
    """The kind of an entry that a draft is of; None for a draft of a node."""
    found = _KIND.search(content.decode(errors="replace"))
    return found[1] if found and found[1] in _LISTS else None


def merge(workspace: Workspace, draft: Path, shown: str, *, force: bool) -> Merged:
    """Put the entry of a draft into its common file, stage that, and remove the draft.

    Raises ProjectError for an entry that is not valid in the project, and UsageError for one that
    is there already, without `force`.
    """
    content = draft.read_bytes()
    key, _ = _LISTS[kind_of(content) or ""]
    target = f"seeknal/common/{key}.yml"
    data = read_yaml(content, shown).data
    name = str(data.get("id") or "")
    if not name:
        raise ProjectError([Problem("An entry has an `id`.", shown, 1)])
    tree = current_tree(workspace)
    before = tree.read_small(target).decode() if target in tree.files else ""
    after = _with_entry(before, key, name, content.decode(), force=force, target=target)
    read_common(after.encode(), target)
    loaded = load(workspace, with_nodes(tree, {target: after.encode()}))
    if loaded.problems:
        raise ProjectError(loaded.problems)
    write_below(workspace.repository.project, target, after.encode())
    path = f":(top,literal){workspace.repository.prefix}{target}"
    git("add", "--", path, cwd=workspace.repository.top)
    draft.unlink()
    old, new = before.splitlines(), after.splitlines()
    diff = tuple(unified(old, new, f"a/{target}", f"b/{target}"))
    return Merged(_WRITTEN[key].format(name), target, diff, command_line("git", "add", target))


def _with_entry(before: str, key: str, name: str, draft: str, *, force: bool, target: str) -> str:
    """The text of a common file with the entry of a draft: in place of one of its name, else at the
    end."""
    lines = [line for line in draft.splitlines() if line.strip() and not line.startswith("#")]
    own = [line for line in lines if not _KIND.match(line)]
    own.sort(key=lambda line: not line.startswith("id:"))
    text = before or f"{key}:\n"
    found = _ITEM.search(text)
    indent = found[1] if found else "  "
    entry = [f"{indent}{'  ' if number else '- '}{line}" for number, line in enumerate(own)]
    there = _lines_of(text, key, name, target)
    kept = text.splitlines()
    if there is None:
        return "\n".join([*kept, *entry, ""])
    if not force:
        raise UsageError(f"{target} has the entry {name} already.", "--force replaces it.")
    first, last = there
    return "\n".join([*kept[:first], *entry, *kept[last:], ""])


def _lines_of(text: str, key: str, name: str, target: str) -> tuple[int, int] | None:
    """The lines of an entry, from 0, the last one excluded; None if there is none of that name."""
    document = read_yaml(text.encode(), target)
    data = document.data
    listed = data.get(key) if isinstance(data, dict) else data
    names = [str(entry.get("id")) for entry in listed or () if isinstance(entry, dict)]
    if name not in names:
        return None
    at = names.index(name)
    first = document.lines[f"{key}.{at}"] - 1
    following = document.lines.get(f"{key}.{at + 1}")
    return first, following - 1 if following else len(text.splitlines())
