"""Completion in a shell: commands, options and names, in a real bash."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Repo
from tests.terminal import terminal


def completed(
    repo: Repo, monkeypatch: pytest.MonkeyPatch, line: str, shell: str = "zsh"
) -> list[str]:
    """The words that a shell is offered."""
    with monkeypatch.context() as patch:
        patch.setenv("SEEKNAL_COMPLETE", shell)
        patch.setenv("SEEKNAL_COMPLETE_LINE", f"seeknal {line}")
        patch.setenv("SEEKNAL_COMPLETE_BREAKS", " \t\n\"'><=;|&(:")
        return repo.seeknal().out.splitlines()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("stat", ["status"]),
        ("nope ", []),
        ("env pl", ["plan"]),
        ("run --max", ["--max-workers"]),
        ("run --max-workers ", []),
        ("run --env ", ["dev", "feature/x", "main", "prod"]),
        ("run --env=fe", ["--env=feature/x"]),
        ("plan d", ["dev"]),
        ("env delete f", ["feature/x"]),
        ("query --format j", ["json"]),
        ("run -s cl", ["clean_orders"]),
        ("run -s transform.cl", ["transform.clean_orders"]),
        ("run -s rule", ["rule.amounts_are_positive"]),
        ("run -s '2+cl", ["2+clean_orders"]),
        ("run -s daily,+by_customer_", ["daily,+by_customer_csv"]),
        ("run -s 'daily cha", ["daily changed"]),
        ("checks --select tag:", ["tag:nightly"]),
        ("checks kind:ru", ["kind:rule"]),
        ("checks daily clean", ["clean_orders"]),
        ("run --tags nightly,n", ["nightly,nightly"]),
        ("run --parallel --types ru", ["rule"]),
        ("inspect am", []),
        ("lineage daily.t", ["daily.total"]),
        ("lineage transform.daily.", ["transform.daily.day", "transform.daily.total"]),
        ("lineage daily --column tot", ["total"]),
        ("draft feature", ["feature-group"]),
        ("query -f ", []),
        ("-C elsewhere run --env ", []),
    ],
)
def test_a_line_is_completed(
    published: Repo, monkeypatch: pytest.MonkeyPatch, line: str, words: list[str]
) -> None:
    daily = "seeknal/transforms/daily.yml"
    published.write(daily, published.read(daily) + "tags: [nightly]\n")
    published.git("branch", "dev")
    published.git("branch", "feature/x")
    published.git("branch", "a;touch$IFS-b")
    assert completed(published, monkeypatch, line) == words


def test_the_columns_of_a_view_over_several_tables_are_offered(
    published: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    published.replace(
        "seeknal/transforms/by_customer.yml",
        "name: by_customer",
        "name: by_customer\nmaterialized: view",
    )
    published.run()
    words = ["by_customer.name", "by_customer.total"]
    assert completed(published, monkeypatch, "lineage by_customer.") == words


def test_no_code_of_the_project_runs_and_mistakes_complete_nothing(
    published: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "from seeknal.pipeline import transform\nopen('ran', 'w')\n\n\n@transform()\ndef zoo(ctx): ...\n"
    published.write("seeknal/own.py", code)
    assert completed(published, monkeypatch, "run -s zo") == ["zoo"]
    assert not (published.path / "ran").exists()
    published.write("seeknal_project.yml", "name: [")
    assert completed(published, monkeypatch, "run -s zo") == []
    monkeypatch.chdir(published.path.parent)
    assert completed(Repo(published.path.parent), monkeypatch, "run --env ") == []


def test_fish_is_told_what_options_do_and_bash_the_part_behind_a_sign(
    published: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    published.git("branch", "dev")
    (line,) = completed(published, monkeypatch, "run --dry", "fish")
    assert line == "--dry-run\tPrint the work, and do nothing."
    assert completed(published, monkeypatch, "run --env=d", "bash") == ["dev"]
    assert completed(published, monkeypatch, "checks kind:ru", "bash") == ["rule"]


def program(repo: Repo) -> Path:
    """A folder with the command `seeknal`."""
    folder = repo.path.parent / "bin"
    folder.mkdir()
    script = folder / "seeknal"
    script.write_text(f'#!/bin/sh\nexec {shlex.join(repo.command())} "$@"\n')
    script.chmod(0o755)
    return folder


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_bash_completes_what_somebody_types(published: Repo) -> None:
    published.git("branch", "dev")
    home = published.path.parent
    variables = {"HOME": str(home), "PS1": "$ ", "PATH": f"{program(published)}:/usr/bin:/bin"}
    with terminal(["bash", "--noprofile", "--norc", "-i"], published.path, variables) as screen:
        screen.until(r"\$ $")
        screen.type("seeknal --install-completion && . ~/.bashrc && echo rea''dy\n")
        screen.until("ready")
        assert (home / ".bashrc").read_text().startswith("source ")
        for typed, shown in (
            ("seeknal stat\t", "seeknal status "),
            ("seeknal run --env d\t", "seeknal run --env dev "),
            ("seeknal run --env=d\t", "seeknal run --env=dev "),
            ("seeknal run -s kind:ru\t", "seeknal run -s kind:rule "),
            ("seeknal run -s 'daily +cl\t", "seeknal run -s 'daily +clean_orders' "),
            ("seeknal lineage daily.to\t", "seeknal lineage daily.total "),
            ("seeknal query -f seeknal_pro\t", "seeknal query -f seeknal_project.yml "),
        ):
            screen.type(typed)
            screen.until(re.escape(shown))
            screen.type("\x15")  # the line is dropped


def test_a_script_is_installed_once_and_a_wrong_shell_is_refused(
    published: Repo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".zshrc").write_text("PROMPT=x")
    for _ in range(2):
        assert "Written: " in published.seeknal("--install-completion", "zsh").err
    place = tmp_path / ".local/share/seeknal/completion.zsh"
    assert (tmp_path / ".zshrc").read_text() == f"PROMPT=x\nsource {place}\n"
    assert place.read_text() == published.seeknal("--show-completion", "zsh").out
    published.seeknal("--install-completion", "fish")
    assert (tmp_path / ".config/fish/completions/seeknal.fish").exists()
    said = published.seeknal("--install-completion", "csh", code=2).err
    assert "csh is none of the shells bash, zsh, fish." in said


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_that_is_here_reads_its_script(published: Repo, shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here")
    script = published.seeknal("--show-completion", shell).out
    published.write("script", script)
    subprocess.run([shell, "-n", "script"], cwd=published.path, check=True)
