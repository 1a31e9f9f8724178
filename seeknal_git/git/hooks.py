"""Install the hooks that git runs, beside those that a user already has.

An installed hook has a line for each project of the repository, which names the project's folder,
its production branch and the installation to call. If one of them has changed, `status` calls the
hook outdated, and so does `seeknal doctor`. A server's bare repository has only a hook of its own.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from seeknal_git.errors import GitError, UsageError
from seeknal_git.git.command import git, run_git
from seeknal_git.git.hook_scripts import (
    HOOKS,
    SERVER_HOOKS,
    Line,
    by_hand,
    folder_of,
    is_marked,
    is_unedited,
    read,
    render,
)
from seeknal_git.names import argument, production_ref_of

KEPT = ".before-seeknal"

_CALL = re.compile(rb"validate --staged|promote --hook")

Found = Literal["nothing", "ours", "edited", "by hand", "another"]
State = Literal["installed", "outdated", "edited", "shadowed", "missing"]


@dataclass(frozen=True, slots=True)
class HookState:
    """The state of a hook, for one project.

    installed   ours, or a hook of the user's that calls seeknal in the same way
    outdated    ours, but of another version or production branch, or it cannot run
    edited      written by us and edited by hand: it is left alone
    shadowed    git runs another script, which we may not write: the user adds `lines` to it
    missing     not installed, or only for other projects
    """

    name: str
    # The script.
    path: Path
    state: State
    # The user's own hook, which the script runs first.
    kept: Path | None = None
    lines: str = ""
    # The folders of other projects that the script serves.
    others: tuple[str, ...] = ()


def this_installation() -> tuple[str, ...]:
    """The command that starts this installation, in any folder.

    It is the script beside the interpreter, which is removed with the installation, so that a hook
    can notice. If there is no script, -P keeps Python from importing modules of the working tree: a
    hook never runs code that a branch brings along.
    """
    script = Path(sys.executable).with_name("seeknal")
    return (str(script),) if script.exists() else (sys.executable, "-P", "-m", "seeknal_git")


def install(
    top: Path, project: str, production: str, command: Sequence[str], data_root: Path | None = None
) -> list[HookState]:
    """Write the hooks, or a project's line in them. Keeps the hooks of the user. Returns the new
    states.

    `project` is relative to `top`, the root of the working tree. `command` starts with an absolute
    path, and must not import from the folder it runs in, which is `top` (`python -P -m …`). If
    `top` is a bare repository, `data_root` is the folder of the warehouse and of raw data. If
    core.hooksPath is set, nothing is written, and each state holds the lines to add by hand.

    Raises GitError if the folder cannot be written, and UsageError if `data_root` is missing or has
    no use.
    """
    names = _names(top)
    _check(top, names, data_root)
    if tracked := tracked_installation(top, command):
        raise UsageError(
            f"git tracks {tracked} of this installation,"
            " so a branch can bring another one for hooks to run.",
            "Install Seeknal elsewhere, or let git ignore it: git rm -r --cached FOLDER",
        )
    data = str(data_root.resolve()) if data_root else ""
    line = Line(folder_of(project), f"refs/heads/{production}", tuple(command), data)
    if hooks_path(top) is None:
        folder = _folder(top)
        with _writing_to(folder):
            folder.mkdir(parents=True, exist_ok=True)
            for name in names:
                _install(name, folder, line)
    return [
        replace(hook, lines=by_hand(hook.name, line)) if hook.state == "shadowed" else hook
        for hook in status(top, project, production)
    ]


def tracked_installation(top: Path, command: Sequence[str]) -> str | None:
    """A file of an installation that git tracks in the working tree, so that a pushed branch can
    replace it; None if there is none."""
    program = Path(command[0])
    parts = (program.parent, program.parent.parent / "lib", program.parent.parent / "pyvenv.cfg")
    listing = ("ls-files", "-z", "--full-name", "--")  # refuses paths outside of the working tree
    inside = (
        part
        for part in parts
        if part.is_relative_to(top) or part.resolve().is_relative_to(top.resolve())
    )
    listed = (
        run_git(*listing, str(path), cwd=top, GIT_LITERAL_PATHSPECS="1").stdout for path in inside
    )
    return next((names.partition("\0")[0] for names in listed if names), None)


def commands(top: Path) -> set[tuple[str, ...]]:
    """The commands that the installed hooks run, for all projects."""
    folder = hooks_path(top) or _folder(top)
    lines = (read(name, _script(folder / name)) for name in _names(top))
    return {line.command for found in lines for line in found.values()}


def keep_data_root(top: Path, data_root: Path) -> str:
    """Store the data root in the configuration of a repository, for all later commands. Returns the
    command of git."""
    place = str(data_root.resolve())
    git("config", "seeknal.dataRoot", place, cwd=top)
    return f"git config seeknal.dataRoot {argument(place)}"


def _check(top: Path, names: tuple[str, ...], data_root: Path | None) -> None:
    if names == SERVER_HOOKS and data_root is None:
        raise UsageError(
            f"{top} is a bare repository, and has no folder for a warehouse and raw data.",
            "Name one: seeknal hooks install --data-root DIR",
        )
    if names == HOOKS and data_root is not None:
        raise UsageError(
            f"{top} has a working tree: its hooks find warehouse and raw data without --data-root.",
            "To have them elsewhere for every command: git config seeknal.dataRoot DIR",
        )


def uninstall(top: Path, project: str) -> list[HookState]:
    """Remove a project from our hooks. Returns the new states.

    A hook that serves no project any more is removed, and the user's own is restored. A hook that
    was edited or replaced stays, and so does the one kept beside it.
    """
    folder, names = _folder(top), _names(top)
    with _writing_to(folder):
        for name in names:
            _uninstall(name, folder, folder_of(project))
    return [_look(folder, name, folder_of(project)) for name in names]


def status(top: Path, project: str, production: str) -> list[HookState]:
    """The state of each hook, for a project and its production branch."""
    served, branch, elsewhere = folder_of(project), f"refs/heads/{production}", hooks_path(top)
    if elsewhere is not None:
        return [_look_elsewhere(elsewhere, name, served, branch) for name in _names(top)]
    folder = _folder(top)
    return [_judged(_look(folder, name, served), served, branch) for name in _names(top)]


def hooks_path(top: Path) -> Path | None:
    """The folder that core.hooksPath names, in any scope of the configuration; None if it is not
    set."""
    if run_git("config", "core.hooksPath", cwd=top).returncode:
        return None
    return top / git("rev-parse", "--git-path", "hooks", cwd=top)


def _names(top: Path) -> tuple[str, ...]:
    """The hooks that a repository can have. Nobody commits in a bare one, or pushes to another."""
    return SERVER_HOOKS if git("rev-parse", "--is-bare-repository", cwd=top) == "true" else HOOKS


def _folder(top: Path) -> Path:
    """The folder of the repository's own hooks, which its worktrees share, and which core.hooksPath
    may hide."""
    return top / git("rev-parse", "--git-common-dir", cwd=top) / "hooks"


def _place(folder: Path, name: str) -> Path:
    """The path of our hook, installed or not.

    `pre-commit install` moves an existing hook to NAME.legacy, and its own hook runs that first. So
    beside pre-commit's hook, ours is NAME.legacy from the start: each new install of pre-commit
    would move it there again.
    """
    hook = folder / name
    theirs = hook.is_file() and b"# File generated by pre-commit:" in hook.read_bytes()
    return folder / f"{name}.legacy" if theirs else hook


def _found(hook: Path) -> Found:
    if not os.path.lexists(hook):
        return "nothing"
    script = _script(hook)
    if is_marked(script):
        return "ours" if is_unedited(script) and not hook.is_symlink() else "edited"
    return "by hand" if b"seeknal" in script and _CALL.search(script) else "another"


def _script(hook: Path) -> bytes:
    return hook.read_bytes() if hook.is_file() else b""


def _look(folder: Path, name: str, served: str) -> HookState:
    """The state of a hook in git's own folder, which may still be outdated."""
    hook, kept = _place(folder, name), folder / f"{name}{KEPT}"
    has_kept = os.path.lexists(kept)
    lines = read(name, _script(hook))
    states: dict[Found, State] = {
        "nothing": "missing",
        "ours": "installed" if served in lines or not lines else "missing",
        "edited": "edited",
        "by hand": "installed",
        "another": "shadowed" if has_kept else "missing",
    }
    others = tuple(sorted(lines.keys() - {served}))
    return HookState(name, hook, states[_found(hook)], kept if has_kept else None, others=others)


def _judged(hook: HookState, served: str, branch: str) -> HookState:
    """The state of an existing hook, compared with the line that it should have for a project."""
    if hook.state != "installed":
        return hook
    if _found(hook.path) == "ours":
        return hook if _is_current(hook, served, branch) else replace(hook, state="outdated")
    return (
        hook
        if _serves_by_hand(hook.name, _script(hook.path), served, branch)
        else replace(hook, state="shadowed")
    )


def _is_current(hook: HookState, served: str, branch: str) -> bool:
    """Whether a hook can run, and its own installation would write the same today."""
    script = _script(hook.path)
    lines = read(hook.name, script)
    if served not in lines or script != render(hook.name, lines.values()):
        return False
    line = lines[served]
    return (
        line.branch in ("", branch)
        and os.access(hook.path, os.X_OK)
        and shutil.which(line.command[0]) is not None
    )


def _look_elsewhere(folder: Path, name: str, served: str, branch: str) -> HookState:
    hook = folder / name
    calls_us = _found(hook) not in {"nothing", "another"} and _serves_by_hand(
        name, _script(hook), served, branch
    )
    return HookState(name, hook, "installed" if calls_us else "shadowed")


def _serves_by_hand(name: str, script: bytes, served: str, branch: str) -> bool:
    """Whether a script of the user's calls seeknal for a project. A script without any of our lines
    is trusted to do so."""
    lines = read(name, script)
    if not lines:
        return True
    line = lines.get(served)
    compares = (
        name not in ("post-merge", "post-commit", "post-rewrite")
        or production_ref_of(served).encode() in script
    )
    return line is not None and line.branch in ("", branch) and compares


def _install(name: str, folder: Path, line: Line) -> None:
    hook, kept = _place(folder, name), folder / f"{name}{KEPT}"
    found = _found(hook)
    if found in {"edited", "by hand"} or (found == "another" and os.path.lexists(kept)):
        return
    lines = read(name, _script(hook)) if found == "ours" else {}
    with _new_script(hook, render(name, {**lines, line.folder: line}.values())) as new:
        if found == "another":
            hook.rename(kept)
        new.replace(hook)


def _uninstall(name: str, folder: Path, served: str) -> None:
    hook, kept = _place(folder, name), folder / f"{name}{KEPT}"
    found = _found(hook)
    if found not in {"ours", "nothing"}:
        return
    lines = read(name, _script(hook))
    if others := [line for line in lines.values() if line.folder != served]:
        if served in lines:
            with _new_script(hook, render(name, others)) as new:
                new.replace(hook)
    elif os.path.lexists(kept):
        kept.replace(hook)
    else:
        hook.unlink(missing_ok=True)


@contextmanager
def _new_script(hook: Path, script: bytes) -> Iterator[Path]:
    """A new script beside the hook that it will replace, so that git never runs half of one."""
    with tempfile.NamedTemporaryFile(dir=hook.parent, prefix=f".{hook.name}.", delete=False) as new:
        new.write(script)
    try:
        Path(new.name).chmod(0o755)
        yield Path(new.name)
    finally:
        Path(new.name).unlink(missing_ok=True)


@contextmanager
def _writing_to(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise GitError(f"The hooks in {folder} cannot be written: {exc}") from exc
