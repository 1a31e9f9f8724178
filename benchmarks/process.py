"""Run a command as a user does, in a process of its own, and measure it from outside."""

from __future__ import annotations

import compileall
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# The hooks stay quiet unless a benchmark runs one itself.
_ENVIRONMENT = {
    "SEEKNAL_HOOKS": "0",
    "GIT_AUTHOR_NAME": "Benchmark",
    "GIT_AUTHOR_EMAIL": "benchmark@localhost",
    "GIT_COMMITTER_NAME": "Benchmark",
    "GIT_COMMITTER_EMAIL": "benchmark@localhost",
}


@dataclass(frozen=True, slots=True)
class Cost:
    """What a process took: seconds on the clock, seconds of processor (its children's too), peak
    memory in bytes."""

    seconds: float
    cpu: float
    memory: int

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.seconds + other.seconds, self.cpu + other.cpu, max(self.memory, other.memory)
        )


def install(folder: Path) -> None:
    """Copy this checkout's package aside and compile it, as an installation would; from now on
    every process finds it.

    So edits made meanwhile are not measured, and neither is Python's compiler.
    """
    shutil.copytree(
        ROOT / "seeknal_git", folder / "seeknal_git", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copytree(ROOT / "hooks", folder / "seeknal_git" / "hooks", dirs_exist_ok=True)
    compileall.compile_dir(folder, quiet=1)
    os.environ["PYTHONPATH"] = str(folder)


def seeknal(*arguments: str) -> list[str]:
    """The command as it is installed beside this interpreter, else as a module."""
    script = Path(sys.executable).with_name("seeknal")
    return [
        *([str(script)] if script.exists() else [sys.executable, "-m", "seeknal_git"]),
        *arguments,
    ]


def python(*arguments: str) -> list[str]:
    return [sys.executable, *arguments]


def cost(command: Sequence[str], cwd: Path, **variables: str) -> Cost:
    """Run a command and measure it. Raises SystemExit with what it said where it fails."""
    with tempfile.TemporaryFile() as said:
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**os.environ, **_ENVIRONMENT, **variables},
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise SystemExit(
                f"{' '.join(command)} failed in {cwd}:\n{said.read().decode()[-2000:]}"
            )
    unit = 1 if sys.platform == "darwin" else 1024
    return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit)
