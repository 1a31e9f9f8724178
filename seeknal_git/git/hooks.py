"""Install the hooks that git runs, beside those that a user already has.

An installed hook names the installation, the project and the production branch that it was written
for. `status` calls it outdated where they no longer agree, and `seeknal doctor` passes that on.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from seeknal_git.errors import GitError
from seeknal_git.git.command import git, run_git

HOOKS = ("pre-commit", "pre-merge-commit", "post-merge", "post-commit", "post-rewrite")
KEPT = ".before-seeknal"

# The digest is of the rest of the script: a hook that somebody edited is no longer ours to replace.
_MARKER = re.compile(rb"^# Seeknal hook ([0-9a-f]{12}|@DIGEST@)", re.MULTILINE)
_CALL = re.compile(rb"validate --staged|promote --hook")
_PACKAGE = Path(__file__).resolve().parents[1]

State = Literal["installed", "outdated", "edited", "shadowed", "missing"]


@dataclass(frozen=True, slots=True)
class HookState:
    """What git finds where one of our hooks belongs.

    installed   ours, or a hook of the user's that calls seeknal as ours would
    outdated    ours, but of another version, project or production branch, or it cannot run
    edited      ours once, then edited by hand: it is left alone
    shadowed    git runs something else, and we may not write there: `lines` go in by hand
    missing     not installed

    `path` is the script, `kept` the user's own hook that it runs first.
    """

    name: str
    path: Path
    state: State
    kept: Path | None = None
    lines: str = ""


def this_installation() -> tuple[str, ...]:
    """The command that runs the installation that is running now, from wherever a hook is started.

    The script beside the interpreter goes away with the installation, so that a hook can tell. Where there is none, -P
    keeps Python from importing what lies in the working tree: a hook never runs code that a branch brings along.
    """
    script = Path(sys.executable).with_name("seeknal")
    return (str(script),) if script.exists() else (sys.executable, "-P", "-m", "seeknal_git")


def install(top: Path, project: str, production: str, command: Sequence[str]) -> list[HookState]:
    """Write the hooks, keep those that a user has, and return how each of them now is.

    `project` is relative to `top`, the root of the working tree. `command` starts with an absolute
    path, and must not import from the folder it runs in, which is `top` (`python -P -m …`). Where
    core.hooksPath is set nothing is written: each hook says which lines to add to it.

    Raises GitError where the folder cannot be written.
    """
    scripts = {name: _script(name, project, production, command) for name in HOOKS}
    if hooks_path(top) is None:
        folder = _folder(top)
        with _writing_to(folder):
            folder.mkdir(parents=True, exist_ok=True)
            for name, script in scripts.items():
                _install(_place(folder, name), folder / f"{name}{KEPT}", script)
    return [
        replace(hook, lines=_by_hand(hook.name, scripts[hook.name])) if hook.state == "shadowed" else hook
        for hook in status(top, project, production)
    ]


def uninstall(top: Path) -> list[HookState]:
    """Remove our hooks, bring back the user's own, and return how each of them now is.

    A hook that was edited or replaced since is left as it is, and so is the one kept beside it.
    """
    folder = _folder(top)
    with _writing_to(folder):
        for name in HOOKS:
            _uninstall(_place(folder, name), folder / f"{name}{KEPT}")
    return [_look(folder, name) for name in HOOKS]


def status(top: Path, project: str, production: str) -> list[HookState]:
    """How each hook is, for the project and the production branch that it should serve."""
    elsewhere = hooks_path(top)
    if elsewhere is not None:
        return [_look_elsewhere(elsewhere, name) for name in HOOKS]
    hooks = [_look(_folder(top), name) for name in HOOKS]
    return [
        replace(hook, state="outdated")
        if _found(hook.path) == "ours" and not _agrees(hook, project, production)
        else hook
        for hook in hooks
    ]


def hooks_path(top: Path) -> Path | None:
    """The folder that core.hooksPath names, in whatever scope it is set, or None."""
    if run_git("config", "core.hooksPath", cwd=top).returncode:
        return None
    return top / git("rev-parse", "--git-path", "hooks", cwd=top)


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


def _found(hook: Path) -> Literal["nothing", "ours", "edited", "by hand", "another"]:
    if not os.path.lexists(hook):
        return "nothing"
    script = hook.read_bytes() if hook.is_file() else b""
    if marker := _MARKER.search(script):
        return "ours" if marker[1] == _digest(script) and not hook.is_symlink() else "edited"
    return "by hand" if b"seeknal" in script and _CALL.search(script) else "another"


def _look(folder: Path, name: str) -> HookState:
    hook, kept = _place(folder, name), folder / f"{name}{KEPT}"
    has_kept = os.path.lexists(kept)
    states: dict[str, State] = {
        "nothing": "missing",
        "ours": "installed",
        "edited": "edited",
        "by hand": "installed",
        "another": "shadowed" if has_kept else "missing",
    }
    return HookState(name, hook, states[_found(hook)], kept if has_kept else None)


def _look_elsewhere(folder: Path, name: str) -> HookState:
    calls_us = _found(folder / name) not in {"nothing", "another"}
    return HookState(name, folder / name, "installed" if calls_us else "shadowed")


def _agrees(hook: HookState, project: str, production: str) -> bool:
    """Whether a hook can run, and is what its own installation would write today."""
    script = hook.path.read_bytes()
    words = re.search(r"^set -- (.+)$", script.decode(errors="surrogateescape"), re.MULTILINE)
    command = shlex.split(words[1]) if words else [""]
    can_run = os.access(hook.path, os.X_OK) and shutil.which(command[0]) is not None
    return can_run and script == _script(hook.name, project, production, command)


def _script(name: str, project: str, production: str, command: Sequence[str]) -> bytes:
    packaged = _PACKAGE / "hooks"
    folder = packaged if packaged.is_dir() else _PACKAGE.parent / "hooks"
    values = {
        "@PROJECT@": shlex.quote(project.rstrip("/") or "."),
        "@PRODUCTION@": shlex.quote(production),
        "@COMMAND@": shlex.join(command),
    }
    template = (folder / name).read_text(encoding="utf-8")
    text = re.sub("|".join(values), lambda found: values[found[0]], template)
    script = text.encode(errors="surrogateescape")
    return script.replace(b"@DIGEST@", _digest(script), 1)


def _digest(script: bytes) -> bytes:
    without = _MARKER.sub(b"", script, count=1)
    return hashlib.sha256(without).hexdigest()[:12].encode()


def _by_hand(name: str, script: bytes) -> str:
    """A hook without what only its own file needs, to stand anywhere in another script."""
    body = script.decode(errors="surrogateescape").split("\n\n", 1)[1]
    return f"(\n{body}) || {'exit 1' if name.startswith('pre-') else 'true'}\n"


def _install(hook: Path, kept: Path, script: bytes) -> None:
    found = _found(hook)
    if found in {"edited", "by hand"} or (found == "another" and os.path.lexists(kept)):
        return
    with tempfile.NamedTemporaryFile(dir=hook.parent, prefix=f".{hook.name}.", delete=False) as new:
        new.write(script)
    try:
        Path(new.name).chmod(0o755)
        if found == "another":
            hook.rename(kept)
        Path(new.name).replace(hook)
    finally:
        Path(new.name).unlink(missing_ok=True)


def _uninstall(hook: Path, kept: Path) -> None:
    if _found(hook) not in {"ours", "nothing"}:
        return
    if os.path.lexists(kept):
        kept.replace(hook)
    else:
        hook.unlink(missing_ok=True)


@contextmanager
def _writing_to(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise GitError(f"The hooks in {folder} cannot be written: {exc}") from exc
