"""The scripts by which shells complete command lines, and where they are installed."""

from __future__ import annotations

import os
import shlex
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from seeknal_git.errors import UsageError
from seeknal_git.files import append_line, write_whole

SHELLS = ("bash", "zsh", "fish")


@dataclass(frozen=True, slots=True)
class Installed:
    """A script that was installed."""

    script: Path
    # The settings of the shell, if a line was added to them.
    settings: Path | None = None
    line: str = ""


def script(shell: str | None = None) -> str:
    """The script of a shell; by default, of the one that runs this. Raises UsageError."""
    name = f"seeknal.{_known(shell)}"
    return (files("seeknal_git") / "templates" / "completion" / name).read_text("utf-8")


def install(shell: str | None = None) -> Installed:
    """Write the script of a shell into the user's own folder, and let the shell read it: fish looks
    there, and bash and zsh get a line in their settings. Raises UsageError."""
    known, home = _known(shell), Path.home()
    try:
        if known == "fish":
            place = _folder("XDG_CONFIG_HOME", ".config") / "fish/completions/seeknal.fish"
            write_whole(place, script(known).encode(), private=False)
            return Installed(place)
        place = _folder("XDG_DATA_HOME", ".local/share") / f"seeknal/completion.{known}"
        write_whole(place, script(known).encode(), private=False)
        zsh = Path(os.environ.get("ZDOTDIR") or home) / ".zshrc"
        settings = zsh if known == "zsh" else home / ".bashrc"
        line = f"source {shlex.quote(str(place))}"
        return Installed(place, settings if append_line(settings, line) else None, line)
    except OSError as exc:
        message = f"The completion cannot be installed: {exc.strerror or exc}: {exc.filename}."
        raise UsageError(message, "Print it instead: seeknal --show-completion") from exc


def _folder(variable: str, below_home: str) -> Path:
    return Path(os.environ.get(variable) or Path.home() / below_home)


def _known(shell: str | None) -> str:
    name = shell or _running_shell()
    if name in SHELLS:
        return name
    raise UsageError(
        f"{name or 'This'} is none of the shells {', '.join(SHELLS)}.",
        "Name one: seeknal --show-completion bash",
    )


def _running_shell() -> str:
    """The shell that runs this, else the user's own; "" if nobody knows."""
    parent = ["ps", "-o", "comm=", "-p", str(os.getppid())]
    with suppress(OSError):
        done = subprocess.run(parent, capture_output=True, text=True, check=False)
        name = Path(done.stdout.strip().lstrip("-")).name
        if name in SHELLS:
            return name
    return Path(os.environ.get("SHELL", "")).name
