"""A project that was begun, and the way from there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from seeknal_git.errors import some
from seeknal_git.names import argument, command_line
from seeknal_git.report.terminal import bold, coloured, mapping, note, out

if TYPE_CHECKING:
    from seeknal_git.commands.ci import Workflow
    from seeknal_git.commands.init import Initialized
    from seeknal_git.git.hooks import HookState

# (task, command). {production} is the production branch, in quotes if a shell needs them.
_BEGIN = (
    ("Create sources", "seeknal draft source <name>"),
    ("Validate drafts", "seeknal dry-run draft_source_<name>.yml"),
    ("Apply to project", "seeknal apply draft_source_<name>.yml"),
)
_RUN = (("Plan execution", "seeknal plan"), ("Run pipeline", "seeknal run"))
_KEEP = (("Keep it in git", 'git add seeknal && git commit -m "First nodes"'),)
_ADVANCED = (
    ("Test in isolation", "seeknal plan dev && seeknal run --env dev"),
    ("Release with git", 'git commit -am "A change" && git switch {production} && git merge dev'),
    ("Promote to prod", "seeknal promote dev"),
    ("Parallel execution", "seeknal run --parallel"),
)


def initialized(done: Initialized) -> None:
    for command in done.commands:
        note(f"$ {command}", whole=True)
    out(_title(done))
    mapping(_facts(done))
    _commit(done)
    _warnings(done)
    for hook in done.hooks:
        _by_hand(hook)
    if done.workflow is not None:
        _integration(done, done.workflow)
    if done.workflow is None or done.hooks:
        _next(done)


def _integration(done: Initialized, flow: Workflow) -> None:
    kept = any(path.endswith(flow.path) for path in done.kept)
    if kept:
        note(
            f"{coloured('warning')}: {flow.path} was there, and was left as it is."
            " Move it away for a new one."
        )
    if flow.include:
        note("To have it read, add to .gitlab-ci.yml:")
        note(*flow.include.split("\n"), whole=True)
    note(
        "Give it the variable SEEKNAL_INSTALL: where Seeknal is installed from, as it is on no"
        " package index. It is what `pip install` takes: git+https://HOST/REPOSITORY@COMMIT."
        " Without it, jobs stop."
    )
    note(
        "Give it the variable SEEKNAL_DATA_ROOT: the folder of the warehouse and raw data, on the"
        " runner. Without it, only plans are made."
    )
    if not kept:
        add = command_line("git", "add", f":/{flow.path}")
        note(f"Not committed yet: {add} && git commit -m 'Continuous integration'")


def _facts(done: Initialized) -> dict[str, str]:
    installed = [hook.name for hook in done.hooks if hook.state == "installed"]
    facts = {
        "  folder": str(done.folder),
        "  created": ", ".join(done.created),
        "  kept": ", ".join(done.kept),
        "  production": _production(done),
        "  hooks": some(installed, 3),
        "  commit": (done.commit or "")[:8],
    }
    return {label: fact for label, fact in facts.items() if fact}


def _production(done: Initialized) -> str:
    why = f", {done.founded.why}" if done.founded.why else ""
    return f"the branch {done.founded.branch}{why}"


def _commit(done: Initialized) -> None:
    if done.obstacle is None:
        if done.left_out:
            names = command_line(*done.left_out)
            note(f"Not committed yet: git add {names}")
        return
    note(f"{coloured('warning')}: the first commit is still to be made: {done.obstacle}")
    if not done.has_identity:
        note('  git config --global user.name "Your Name"')
        note("  git config --global user.email you@example.com")
        note("Then:")
    note(f"  {done.pending}", whole=True)


def _warnings(done: Initialized) -> None:
    branch = done.settings.production_branch
    founded = done.founded
    if founded.unnamed:
        added = founded.with_line is not None
        where = (
            "Added to seeknal_project.yml" if added else f"Add to seeknal_project.yml on {branch}"
        )
        note(f"{where}: production_branch: {branch}")
    elif founded.why:
        note("If another branch is production, name it in seeknal_project.yml: production_branch")
    if done.missing_branch:
        note(
            f"{coloured('warning')}: there is no branch {branch},"
            " which the project file calls the production branch."
        )
    if done.exposed:
        note(
            f"{coloured('warning')}: .gitignore was there, and git does not ignore"
            f" {', '.join(done.exposed)}: add what is missing."
        )


def _by_hand(hook: HookState) -> None:
    """The lines to add to a hook that is not ours to write."""
    if hook.state == "shadowed":
        note(
            f"{coloured('warning')}: git runs {hook.path} as its {hook.name} hook."
            " Add these lines to it:"
        )
        note(*hook.lines.split("\n"), whole=True)
    elif hook.state != "installed":
        note(f"{coloured('warning')}: the hook {hook.path} is {hook.state}, and was left as it is.")


def _title(done: Initialized) -> str:
    name = bold(f"'{done.settings.name}'")
    return (
        f"Project {name} initialized successfully!"
        if done.created
        else f"Project {name} is initialized already."
    )


def _next(done: Initialized) -> None:
    go = [] if done.folder == Path.cwd() else [("Go there", f"cd {argument(str(done.folder))}")]
    steps = [*go, *(_RUN if done.has_nodes else (*_BEGIN, *_RUN, *_KEEP))]
    size = max(len(word) for word, _ in (*steps, *_ADVANCED)) + 2
    out()
    out(bold("Next steps:"))
    for number, (word, command) in enumerate(steps, 1):
        out(f"  {number}. {f'{word}:'.ljust(size)}{command}")
    out()
    out(bold("Advanced:"))
    production = argument(done.settings.production_branch)
    for word, command in _ADVANCED:
        out(f"  - {f'{word}:'.ljust(size + 1)}{command.replace('{production}', production)}")
