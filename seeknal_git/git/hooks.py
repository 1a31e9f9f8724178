"""Install the hooks that git runs, beside those that a user already has.

An installed hook has a line for each project of the repository, which names the project's folder,
its production branch and the installation to call. `status` calls it outdated where that no longer
agrees, and `seeknal doctor` passes that on. A server's bare repository has a hook of its own, and
none of the others.
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
    """What git finds where one of our hooks belongs, as one project sees it.

    installed   ours, or a hook of the user's that calls seeknal as ours would
    outdated    ours, but of another version or production branch, or it cannot run
    edited      ours once, then edited by hand: it is left alone
    shadowed    git runs something else, and we may not write there: `lines` go in by hand
    missing     not installed, or only for other projects

    `path` is the script, `kept` the user's own hook that it runs first, `others` the folders of
    other projects that it serves.
    """

    name: str
    path: Path
    state: State
    kept: Path | None = None
    lines: str = ""
    others: tuple[str, ...] = ()


def this_installation() -> tuple[str, ...]:
    """The command that runs the installation that is running now, from wherever a hook is started.

    The script beside the interpreter goes away with the installation, so that a hook can tell.
    Where there is none, -P keeps Python from importing what lies in the working tree: a hook never
    runs code that a branch brings along.
    """
    script = Path(sys.executable).with_name("seeknal")
    return (str(script),) if script.exists() else (sys.executable, "-P", "-m", "seeknal_git")


def install(
    top: Path, project: str, production: str, command: Sequence[str], data_root: Path | None = None
) -> list[HookState]:
    """Write the hooks, or a project's line in them, keep those that a user has, and return how each
    of them now is.

    `project` is relative to `top`, the root of the working tree. `command` starts with an absolute
    path, and must not import from the folder it runs in, which is `top` (`python -P -m …`). Where
    `top` is a bare repository, `data_root` stands for the working tree: warehouse and raw data are
    there. Where core.hooksPath is set nothing is written: each hook says which lines to add to it.

    Raises GitError where the folder cannot be written, and UsageError where `data_root` is missing,
    or has no use.
    """
    names = _names(top)
    _check(top, names, data_root)
    if tracked := tracked_installation(top, command):
        message = f"git tracks {tracked} of this installation, so a branch can bring another one for hooks to run."
        raise UsageError(
            message, "Install Seeknal elsewhere, or let git ignore it: git rm -r --cached FOLDER"
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
    """A file of an installation that git tracks in the working tree: whoever can push a branch can
    replace it."""
    program = Path(command[0])
    parts = (program.parent, program.parent.parent / "lib", program.parent.parent / "pyvenv.cfg")
    listing = ("ls-files", "-z", "--full-name", "--")  # it refuses what is outside the working tree
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
    """What the installed hooks run, for any project."""
    folder = hooks_path(top) or _folder(top)
    lines = (read(name, _script(folder / name)) for name in _names(top))
    return {line.command for found in lines for line in found.values()}


def keep_data_root(top: Path, data_root: Path) -> str:
    """Let every later command in a repository find its data root; returns the command that git was
    given."""
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
    """Remove a project from our hooks, and return how each of them now is.

    A hook that serves no project any more goes, and the user's own comes back. One that was edited
    or replaced since is left as it is, and so is the one kept beside it.
    """
    folder, names = _folder(top), _names(top)
    with _writing_to(folder):
        for name in names:
            _uninstall(name, folder, folder_of(project))
    return [_look(folder, name, folder_of(project)) for name in names]


def status(top: Path, project: str, production: str) -> list[HookState]:
    """How each hook is, for the project and the production branch that it should serve."""
    served, branch, elsewhere = folder_of(project), f"refs/heads/{production}", hooks_path(top)
    if elsewhere is not None:
        return [_look_elsewhere(elsewhere, name, served, branch) for name in _names(top)]
    folder = _folder(top)
    return [_judged(_look(folder, name, served), served, branch) for name in _names(top)]


def hooks_path(top: Path) -> Path | None:
    """The folder that core.hooksPath names, in whatever scope it is set, or None."""
    if run_git("config", "core.hooksPath", cwd=top).returncode:
        return None
    return top / git("rev-parse", "--git-path", "hooks", cwd=top)


def _names(top: Path) -> tuple[str, ...]:
    """The hooks that a repository can have: nothing is committed in a bare one, and nothing pushed
    to the others."""
    return SERVER_HOOKS if git("rev-parse", "--is-bare-repository", cwd=top) == "true" else HOOKS


def _folder(top: Path) -> Path:
    """The repository's own hooks, also where core.hooksPath hides them; shared by its worktrees."""
    return top / git("rev-parse", "--git-common-dir", cwd=top) / "hooks"


def _place(folder: Path, name: str) -> Path:
    """Where our hook is, or belongs.

    `pre-commit install` moves the hook that it finds to NAME.legacy, and its own runs that first.
    Beside its own, ours is there from the start: in front, each new install would move it again.
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
    """How a hook in git's own folder is, apart from whether it is up to date."""
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
    """A hook that is there, held against what it should say of a project."""
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
    """Whether a hook can run, and is what its own installation would write today."""
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
    """Whether a script that a user keeps calls seeknal for a project. One that has none of our
    lines is trusted."""
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
    """A script beside the hook whose place it takes, so that git never runs half of one."""
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
