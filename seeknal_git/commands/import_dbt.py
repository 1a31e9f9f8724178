"""The command `import dbt`: the models, seeds, sources, tests and exposures of a dbt project as
nodes of this one."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import yaml

from seeknal_git.commands.imported_examples import with_sound_examples
from seeknal_git.dbt.conversion import Conversion, convert
from seeknal_git.dbt.drafts import Draft
from seeknal_git.dbt.taken import closed, with_sound_tests
from seeknal_git.dbt.untaken import untaken, untaken_examples
from seeknal_git.errors import GitError, Problem, ProjectError, UsageError
from seeknal_git.files import write_below
from seeknal_git.git.command import git, run_git
from seeknal_git.git.repository import Repository
from seeknal_git.git.tree import Tree
from seeknal_git.names import command_line, split_id
from seeknal_git.nodes.yaml_document import read_yaml
from seeknal_git.project.load import Loaded, load, with_nodes
from seeknal_git.project.settings import PROJECT_FILE, read_written
from seeknal_git.project.workspace import Workspace, current_tree


@dataclass(frozen=True, slots=True)
class Taken:
    """A node that was written, or would be."""

    id: str
    # Its files, relative to the project.
    paths: tuple[str, ...]
    # The file of dbt that it comes from.
    origin: str


@dataclass(frozen=True, slots=True)
class Imported:
    """The result of an import. Paths of problems are those of dbt's files."""

    name: str
    taken: tuple[Taken, ...]
    # Everything that is not taken.
    left: tuple[Problem, ...]
    # Settings that nodes are taken without.
    notes: tuple[Problem, ...]
    # Nodes that were there already.
    present: tuple[str, ...]
    # Files of data that are copied: path → bytes.
    copies: Mapping[str, int]
    # Variables that the project file gets: name → text.
    variables: Mapping[str, str]
    # Sources whose data is still to come: node → the path of the file.
    awaited: Mapping[str, str]
    is_dry_run: bool
    # The git command that staged the files.
    command: str = ""


@dataclass(slots=True)
class _Import:
    """An import on its way."""

    workspace: Workspace
    conversion: Conversion
    # The project as it is.
    there: Loaded
    # The texts of variables that the project has.
    variables: Mapping[str, str]
    # Whether variables can be added to the project file.
    is_open: bool
    left: list[Problem] = field(default_factory=list)
    notes: list[Problem] = field(default_factory=list)

    @property
    def present(self) -> dict[str, str]:
        """The nodes of the project → their files."""
        return {member.node.id: member.node.path for member in self.there.project.members}

    @property
    def macros(self) -> set[str]:
        """The macros of the project, as `macro.NAME`."""
        vocabulary = self.there.vocabulary
        return {f"macro.{name}" for name in vocabulary.macros} if vocabulary else set()


def import_dbt(workspace: Workspace, folder: Path, *, dry_run: bool = False) -> Imported:
    """Write the nodes that a dbt project becomes, and stage them. No file is overwritten.

    folder: that of the dbt project. dry_run: write nothing. A model is taken as a whole or left:
    each that is written binds in the project, with all that it reads. Raises UsageError if there is
    no dbt project, and ProjectError if this project or the project file of dbt is not in order.
    """
    importing = _begun(workspace, folder.resolve())
    drafts = _sound(importing, _free(importing))
    if any(draft.examples for draft in drafts):
        tree = _tree_with(importing, drafts)
        drafts = with_sound_examples(drafts, load(importing.workspace, tree), tree, importing.left)
    variables, copies = _missing(importing, drafts), _to_copy(importing, drafts)
    command = "" if dry_run or not drafts else _written(importing, drafts, copies, variables)
    conversion = importing.conversion
    left = {*_left(importing), *_untaken(importing, drafts), *importing.left}
    return Imported(
        name=conversion.name,
        taken=tuple(Taken(draft.id, draft.paths, draft.path) for draft in drafts),
        left=tuple(sorted(left, key=_in_order)),
        notes=(*conversion.notes, *importing.notes),
        present=_present(importing),
        copies={path: at.stat().st_size for path, at in copies.items()},
        variables=variables,
        awaited={draft.id: draft.data["table"] for draft in drafts if draft.needs_data},
        is_dry_run=dry_run,
        command=command,
    )


def _left(importing: _Import) -> Iterator[Problem]:
    """Everything that the conversion left, without the nodes and macros that are there by now."""
    there = {*importing.present, *importing.macros}
    return (problem for problem in importing.conversion.left if problem.node not in there)


def _untaken(importing: _Import, drafts: Iterable[Draft]) -> Iterator[Problem]:
    """The tests of nodes that are there already, and that do not have them."""
    graph = importing.there.graph
    reads = {**graph.inputs, **{draft.id: draft.reads for draft in drafts}}
    for node, tests in importing.conversion.tests.items():
        if node in importing.present:
            yield from untaken(graph.node(node), tests, reads)
    for node, examples in importing.conversion.examples.items():
        if node in importing.present:
            yield from untaken_examples(graph.node(node), examples)


def _present(importing: _Import) -> tuple[str, ...]:
    """The nodes and macros of dbt that the project has already."""
    conversion = importing.conversion
    ids = [draft.id for draft in conversion.drafts]
    ids += [problem.node for problem in conversion.left if problem.node]
    there = {*importing.present, *importing.macros}
    return tuple(identifier for identifier in dict.fromkeys(ids) if identifier in there)


def _missing(importing: _Import, drafts: Iterable[Draft]) -> dict[str, str]:
    """The variables that drafts use and the project file does not have: name → text."""
    used = dict.fromkeys(name for draft in drafts for name in draft.variables)
    texts = importing.conversion.variables
    return {name: texts[name] for name in used if name not in importing.variables}


def _to_copy(importing: _Import, drafts: Iterable[Draft]) -> dict[str, Path]:
    """The files of data that are not in the project yet: path there → the file."""
    project = importing.workspace.repository.project
    copies = {path: at for draft in drafts for path, at in draft.copies.items()}
    return {path: at for path, at in copies.items() if not os.path.lexists(project / path)}


def _in_order(problem: Problem) -> tuple[str, int, str]:
    return (problem.path or "", problem.line or 0, problem.message)


def _prefix(root: Path, project: Path) -> str | None:
    """The folder of dbt below the project's; None if it is elsewhere."""
    if not root.is_relative_to(project):
        return None
    inside = root.relative_to(project).as_posix()
    return "" if inside == "." else f"{inside}/"


def _begun(workspace: Workspace, root: Path) -> _Import:
    """An import of the dbt project in a folder."""
    if workspace.repository.bare:
        raise UsageError("A bare repository has no folder to write to.", "Import in a clone.")
    prefix = _prefix(root, workspace.repository.project.resolve())
    workspace = replace(workspace, coming_data=root if prefix is None else None)
    conversion = convert(root, prefix)
    there = load(workspace, current_tree(workspace))
    if there.problems:
        raise ProjectError(there.problems)
    content = there.tree.read_small(PROJECT_FILE)
    written = read_written(content)
    texts = {name: found.text for name, found in written.variables.everywhere.items()}
    has_variables = "vars" in read_yaml(content, PROJECT_FILE).data
    return _Import(workspace, conversion, there, texts, not has_variables)


def _free(importing: _Import) -> list[Draft]:
    """The drafts that no node or file of the project stands in the way of."""
    found = []
    for draft in importing.conversion.drafts:
        if draft.id in importing.present:
            continue
        if problem := _in_the_way(importing, draft) or _without_variable(importing, draft):
            importing.left.append(problem)
        else:
            found.append(draft)
    return found


def _in_the_way(importing: _Import, draft: Draft) -> Problem | None:
    """A problem if a file of the project has the place of one of the draft's."""
    project, name = importing.workspace.repository.project, split_id(draft.id)[1]
    paths = [path for path in draft.paths if os.path.lexists(project / path)]
    paths += [path for path, at in draft.copies.items() if not _is_same(project / path, at)]
    if not paths:
        return None
    message = f"{name} is not taken: {paths[0]} is there already, and stays as it is."
    hint = "Move that file away, and import again."
    return Problem(message, draft.path, draft.line, hint)


def _without_variable(importing: _Import, draft: Draft) -> Problem | None:
    """A problem if the project file lacks a variable, and has a place for it that people keep."""
    missing = {} if importing.is_open else _missing(importing, [draft])
    if not missing:
        return None
    name, (variable, text) = split_id(draft.id)[1], next(iter(missing.items()))
    message = f"{name} uses the variable {variable}, which {PROJECT_FILE} does not have."
    hint = f"Write there, under `vars`: {_yaml({variable: text}).strip()}"
    return Problem(message, draft.path, draft.line, hint)


def _is_same(path: Path, other: Path) -> bool:
    """Whether nothing is at a path, or the same bytes as in another file."""
    if not os.path.lexists(path):
        return True
    return path.is_file() and path.read_bytes() == other.read_bytes()


def _sound(importing: _Import, drafts: list[Draft]) -> list[Draft]:
    """The drafts that the engine takes, with all that they read. A view that cannot be one is a
    table."""
    present = importing.present
    while True:
        kept, left = closed(drafts, present)
        importing.left += left
        sound, without = with_sound_tests(kept, present)
        if blocked := _blocked(importing, kept, sound):
            importing.left += blocked.values()
            drafts = [_without_rules(draft, blocked) for draft in kept.values()]
            continue
        wrong = _wrong(importing, sound)
        if not wrong:
            importing.left += without
            return sound
        for draft in sound:
            if draft.id in wrong and _is_about_the_view(draft, wrong[draft.id]):
                importing.notes.append(_as_table(draft, wrong.pop(draft.id)))
        importing.left += (_in_dbt(wrong[draft.id], draft) for draft in sound if draft.id in wrong)
        # A rule that stands for a test is refused alone, and its node is kept without the test.
        drafts = [_without_rules(draft, wrong) for draft in kept.values() if draft.id not in wrong]


def _without_rules(draft: Draft, rules: Container[str]) -> Draft:
    """A draft without the tests that some rules stand for."""
    tests = [test for test in draft.tests if f"rule.{test.rule}" not in rules]
    return replace(draft, tests=tests)


def _blocked(
    importing: _Import, kept: Mapping[str, Draft], sound: Iterable[Draft]
) -> dict[str, Problem]:
    """The rules in place of tests whose name or file something else has."""
    sound = list(sound)
    times = Counter(draft.id for draft in sound)
    found = {}
    for draft in sound:
        if draft.id in kept and draft.path == kept[draft.id].path:
            continue
        problem = _in_the_way(importing, draft)
        if times[draft.id] > 1 or draft.id in importing.present:
            name = split_id(draft.id)[1]
            message = f"A test is not taken: there is another rule {name}."
            problem = Problem(message, draft.path, draft.line, "Give that rule another name.")
        if problem:
            found[draft.id] = problem
    return found


def _wrong(importing: _Import, drafts: list[Draft]) -> dict[str, Problem]:
    """The drafts that are wrong in the project, each with the first reason."""
    tree = _tree_with(importing, drafts)
    loaded = load(importing.workspace, tree)
    owners = {path: draft.id for draft in drafts for path in draft.paths}
    ids = {draft.id for draft in drafts}
    found: dict[str, Problem] = {}
    for problem in loaded.problems:
        identifier = owners.get(problem.path or "", problem.node or "")
        if identifier not in ids:
            raise ProjectError(loaded.problems)
        found.setdefault(identifier, problem)
    if not found:
        found = {draft.id: problem for draft in drafts for problem in _read_besides(loaded, draft)}
    return found


def _tree_with(importing: _Import, drafts: Iterable[Draft]) -> Tree:
    """The project's tree with the files of drafts."""
    files = {path: content for draft in drafts for path, content in draft.files().items()}
    files[PROJECT_FILE] = _project_file(importing, importing.conversion.variables)
    return with_nodes(importing.there.tree, files)


def _read_besides(loaded: Loaded, draft: Draft) -> Iterator[Problem]:
    """A problem for each node that a draft reads by a name that means another table in dbt."""
    known = {*draft.reads, *(test.reads for test in draft.tests)}
    for node in loaded.graph.inputs[draft.id]:
        if node not in known:
            message = f"Its SQL names {node}, which is a node here."
            yield Problem(message, hint="Name the table by ref or source.")


def _is_about_the_view(draft: Draft, problem: Problem) -> bool:
    """Whether a problem lies in the line that makes a draft a view."""
    content = draft.files().get(problem.path or "", b"").splitlines()
    line = content[problem.line - 1] if problem.line and problem.line <= len(content) else b""
    return "materialized" in draft.data and line.startswith(b"materialized:")


def _as_table(draft: Draft, problem: Problem) -> Problem:
    """Make a draft a table; returns the note that says why."""
    del draft.data["materialized"]
    return Problem(problem.message, draft.path, draft.line, "It is taken as a table.")


def _in_dbt(problem: Problem, draft: Draft) -> Problem:
    """A problem of a node at its place in dbt's file."""
    line = draft.line
    if (problem.path or "").endswith(".sql") and problem.line and draft.lines:
        line = draft.lines[min(problem.line, len(draft.lines)) - 1]
    name = split_id(draft.id)[1]
    message = f"{name} is not taken: {problem.message[0].lower()}{problem.message[1:]}"
    return Problem(message, draft.path, line, problem.hint)


def _project_file(importing: _Import, variables: Mapping[str, str]) -> bytes:
    """The project file with more variables."""
    content = importing.there.tree.read_small(PROJECT_FILE)
    if not variables or not importing.is_open:
        return content
    end = b"" if content.endswith(b"\n") or not content else b"\n"
    return content + end + f"\n{_yaml({'vars': dict(variables)})}".encode()


def _yaml(data: Mapping[str, object]) -> str:
    return yaml.safe_dump(data, allow_unicode=True, sort_keys=False, width=10**6)


def _written(
    importing: _Import, drafts: list[Draft], copies: Mapping[str, Path], missing: Mapping[str, str]
) -> str:
    """Write all files, or none if one cannot be written, and stage them; returns the git
    command."""
    project, written = importing.workspace.repository.project, list[str]()
    files = {path: content for draft in drafts for path, content in draft.files().items()}
    try:
        for path in (*files, *copies):
            content = files[path] if path in files else copies[path].read_bytes()
            write_below(project, path, content)
            written.append(path)
        if missing:
            write_below(project, PROJECT_FILE, _project_file(importing, missing))
    except BaseException:
        for path in written:
            (project / path).unlink(missing_ok=True)
        raise
    seeds = [path for draft in drafts if draft.is_seed for path in draft.copies if path in copies]
    return _staged(
        importing.workspace.repository, [*files, *seeds, *([PROJECT_FILE] if missing else [])]
    )


def _staged(repository: Repository, paths: list[str]) -> str:
    """Stage files, without data that git ignores; returns the command."""
    paths = [
        path for path in paths if not (path.endswith(".csv") and _is_ignored(repository, path))
    ]
    places = (f":(top,literal){repository.prefix}{path}" for path in paths)
    command = command_line("git", "add", *sorted({path.split("/")[0] for path in paths}))
    try:
        git("add", "--", *places, cwd=repository.top)
    except GitError as exc:
        message = f"The files of the import are written, and not staged: {exc.message}"
        raise GitError(message, f"When that is mended: {command}") from exc
    return command


def _is_ignored(repository: Repository, path: str) -> bool:
    place = f"{repository.prefix}{path}"
    return run_git("check-ignore", "--quiet", "--", place, cwd=repository.top).returncode == 0
