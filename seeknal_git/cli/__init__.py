"""The command line, one module per command: parse the options, call one function, print. A command
imports heavy modules only when it needs them."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from gc import set_threshold
from importlib import import_module
from keyword import iskeyword
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, NoReturn

import typer

from seeknal_git import __version__
from seeknal_git.cli.streams import prepare
from seeknal_git.errors import SeeknalError, as_no_room


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"seeknal {__version__}")
        raise typer.Exit


def _install_completion(wanted: bool) -> None:
    if wanted:
        from seeknal_git.cli.completion import install

        install()


def _show_completion(wanted: bool) -> None:
    if wanted:
        from seeknal_git.cli.completion import show

        show()


def _seeknal(
    folder: Annotated[
        Path | None,
        typer.Option(
            "-C",
            metavar="DIR",
            exists=True,
            file_okay=False,
            help="Run as if started in DIR, as git does.",
        ),
    ] = None,
    production: Annotated[
        str | None,
        typer.Option(
            "--production-branch",
            metavar="BRANCH",
            help="Use this production branch. It overrules every setting.",
        ),
    ] = None,
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    _install: Annotated[
        bool,
        typer.Option(
            "--install-completion",
            callback=_install_completion,
            is_eager=True,
            help="Complete commands and names in this shell, or in the one named: bash, zsh, fish.",
        ),
    ] = False,
    _show: Annotated[
        bool,
        typer.Option(
            "--show-completion",
            callback=_show_completion,
            is_eager=True,
            help="Print that script instead.",
        ),
    ] = False,
) -> None:
    if folder is not None:
        os.chdir(folder)
    if production is not None:  # for the hooks, too, that git runs in between
        os.environ["SEEKNAL_PRODUCTION_BRANCH"] = production


# The commands and groups of commands, in the order of the help. Each is a module of this package.
_COMMANDS = (
    "init",
    "draft",
    "dry-run",
    "apply",
    "validate",
    "test",
    "parse",
    "plan",
    "diff",
    "lineage",
    "run",
    "promote",
    "log",
    "rollback",
    "status",
    "checks",
    "doctor",
    "query",
    "repl",
    "inspect",
    "gc",
)
_GROUPS = ("env", "import", "hooks", "warehouse")


_INTERRUPTED = 130


def _unexpected(exc: Exception) -> int:
    """Ctrl-C while an extension module is imported leaves as an ImportError, and any write may find
    the disk full. All else is a bug of ours."""
    if isinstance(exc, ImportError) and isinstance(exc.__cause__, KeyboardInterrupt):
        return _INTERRUPTED
    if isinstance(exc, OSError) and (told := as_no_room(exc)):
        from seeknal_git.report.terminal import error

        error(told)
        return told.exit_code
    from seeknal_git.report.crash import crash

    return crash(exc)


def _misused(exc: typer.TyperException) -> int:
    """Say why a command line cannot be read, and show the usage if an argument is missing."""
    from seeknal_git.cli.not_here import with_the_way
    from seeknal_git.report.terminal import note

    context, argument = getattr(exc, "ctx", None), getattr(exc, "param", None)
    missing = not exc.message and context is not None and argument is not None
    words = (
        f"Missing argument {argument.name.upper()}."
        if missing and argument
        else exc.format_message()
    )
    first, *others = with_the_way(words).splitlines() or [""]
    usage = context.get_usage().splitlines() if missing and context else []
    note(
        first if first.startswith("Usage") else f"error: {first}",
        *others,
        *(f"  {line}" for line in usage),
    )
    return 2


def application(only: str | None = None) -> typer.Typer:
    """All commands, or only the one of this name."""
    app = typer.Typer(
        name="seeknal",
        help="Git branches as data environments: plan a change, run it in isolation, merge it into "
        "production.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_seeknal)
    for name in [only] if only else _COMMANDS:
        app.command(name)(getattr(_module(name), name.replace("-", "_")))
    for name in () if only else _GROUPS:
        app.add_typer(_module(name).app, name=name)
    return app


def _module(name: str) -> ModuleType:
    name = f"{name}_" if iskeyword(name) else name.replace("-", "_")
    return import_module(f"seeknal_git.cli.{name}")


@cache
def _made(only: str | None) -> Callable[..., Any]:
    """Commands with all their options. To make all of them takes 30 ms, so only the one that is
    asked for is made; a process that runs several makes each once."""
    return typer.main.get_command(application(only))


def _commands() -> Callable[..., Any]:
    """The commands that the command line may mean."""
    first = sys.argv[1] if len(sys.argv) > 1 else ""
    return _made(first if first in _COMMANDS else None)


def _complete() -> NoReturn:
    """Print the words that a shell asks for."""
    from seeknal_git.cli.completion import complete

    complete(_made, _COMMANDS)
    sys.exit(0)


def main() -> NoReturn:
    """Run a command, and turn every error into one message and an exit code (see errors.py)."""
    # Projects are large and have no cycles: looking for them again and again would double the time
    # of a plan.
    set_threshold(100_000, 50, 1_000)
    prepare()
    try:
        if "SEEKNAL_COMPLETE" in os.environ:
            _complete()
        code = _commands()(prog_name="seeknal", standalone_mode=False)
        sys.stdout.flush()
    except SeeknalError as exc:
        from seeknal_git.report.terminal import error

        error(exc)
        code = exc.exit_code
    except (KeyboardInterrupt, typer.Abort):
        code = _INTERRUPTED
    except typer.TyperException as exc:
        code = _misused(exc)
    except Exception as exc:  # noqa: BLE001  the one place where anything may arrive
        code = _unexpected(exc)
    if code == _INTERRUPTED:
        from seeknal_git.report.terminal import note

        note("Interrupted. Finished work is kept, and the next run goes on from there.")
    sys.exit(code if isinstance(code, int) else 0)


def process() -> NoReturn:
    """Be a process that runs one command. It ends at once: to take the interpreter apart takes up
    to a tenth of a second, and the system frees its memory anyway."""
    # DuckDB 1.5 imports pandas, where it is installed, for the first parameter of a statement: that
    # takes half a second, and no statement here needs it. None stands for a module that is not
    # there. Code of nodes is in other processes.
    sys.modules.setdefault("pandas", None)  # type: ignore[arg-type]
    try:
        main()
    except SystemExit as exc:
        if threading.active_count() > 1:  # it is waited for
            raise
        code = exc.code if isinstance(exc.code, int) else 1
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # main has told of a full disk already
            stream.flush()
    os._exit(code)
