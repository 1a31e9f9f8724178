"""The documentation is checked: what it tells people to type is typed, and what it says is there is
there."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml

import seeknal_git
from seeknal_git import __version__
from seeknal_git.nodes.load import load_node
from tests.conftest import Repo, forked

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/*/*.md")])
COMMANDS = ("seeknal", "git-seeknal")


def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_cli", ROOT / "docs/generate_cli.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generate_cli = _generator()
LEAVES = [
    words
    for words in generate_cli.commands()
    if words not in {("env",), ("hooks",), ("warehouse",), ("import",)}
]


def blocks(page: str, language: str) -> list[str]:
    return re.findall(
        rf"^```{language}\n(.*?)^```$", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL
    )


# A newcomer's machine


@pytest.fixture
def newcomer(tmp_path: Path) -> dict[str, str]:
    """The environment of somebody with git and seeknal on PATH, and an identity in ~/.gitconfig."""
    home, bin_ = tmp_path / "home", tmp_path / "bin"
    home.mkdir()
    bin_.mkdir()
    (home / ".gitconfig").write_text("[user]\n\tname = Ada\n\temail = ada@example.com\n")
    for name in COMMANDS:
        if not (Path(sys.executable).parent / name).exists():
            script = bin_ / name
            script.write_text(
                f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m seeknal_git "$@"\n'
            )
            script.chmod(0o755)
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("GIT_", "SEEKNAL_", "XDG_"))
    }
    return kept | {
        "HOME": str(home),
        "PATH": f"{bin_}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}".rstrip(":"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "LC_ALL": "C.UTF-8",
    }


@pytest.fixture
def hurried(newcomer: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """The same, but `seeknal` does not start from nothing."""
    script = tmp_path / "bin/seeknal"
    script.write_text(f'#!/bin/sh\nexec {shlex.join(forked())} "$@"\n')
    script.chmod(0o755)
    return newcomer


def typed(page: str, folder: Path, environment: dict[str, str]) -> str:
    """Everything that one shell prints to whom types a page's commands, one block after the
    other."""
    numbered = (
        f"echo '--- block {number}'\n{block}" for number, block in enumerate(blocks(page, "sh"), 1)
    )
    script = "set -euo pipefail\nexec 2>&1\n" + "\n".join(numbered)
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{page}:\n{done.stdout}{done.stderr}"
    return done.stdout


def seen(line: str) -> str:
    """A line but for its spaces and for how long something took."""
    return re.sub(r"\d+\.\d+ s\b", "… s", " ".join(line.split()))


def shown_output(page: str) -> list[str]:
    """The lines of the blocks that stand right behind commands: what they are said to print."""
    pattern = r"^```sh\n(?:(?!^```).)*^```\n+```text\n(.*?)^```$"
    found = re.findall(pattern, (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)
    return [seen(line) for block in found for line in block.splitlines()]


def assert_shows(output: str, page: str) -> None:
    there = {seen(line) for line in output.splitlines()}
    assert shown_output(page), f"{page} shows no output"
    assert [line for line in shown_output(page) if line not in there] == []


def test_the_readme_can_be_followed_to_a_revert_that_brings_the_old_numbers_back(
    tmp_path: Path, newcomer: dict[str, str]
) -> None:
    clone = tmp_path / "clone"
    clone.mkdir()
    (clone / "examples").symlink_to(ROOT / "examples")
    output = typed("README.md", clone, newcomer)
    assert re.findall(r"^ +(\d{4})$", output, re.MULTILINE) == [
        "1995",
        "1987",
        "1995",
        "1987",
        "1995",
    ]
    assert "8 tables to build" in output
    assert output.count("Promotion of main: 0 built, 14 re-used") == 3
    assert_shows(output, "README.md")


def test_the_tutorial_can_be_followed_from_an_empty_folder(
    tmp_path: Path, hurried: dict[str, str]
) -> None:
    output = typed("docs/tutorial.md", tmp_path / "empty", hurried)
    assert re.findall(r"^GB +(?:\d+ +)?(\d+\.\d\d)", output, re.MULTILINE) == [
        "20.00",
        "34.00",
        "34.00",
        "34.00",
        "20.00",
    ]
    for category, node in [
        ("METADATA", "transform.revenue_by_country"),
        ("NON_BREAKING", "transform.revenue_by_country"),
        ("BREAKING", "transform.paid_orders"),
        ("DATA", "source.customers"),
    ]:
        assert re.search(rf"^{category} +{re.escape(node)}\b", output, re.MULTILINE), (
            f"{category} {node}"
        )
    assert "Refused." in output
    assert "Failed, with exit code 1." in output
    assert "\nEverything is in order." in output
    assert re.search(r"^days *\n─+\n +3$", output, re.MULTILINE)
    assert_shows(output, "docs/tutorial.md")


def test_the_page_of_partitions_can_be_followed(tmp_path: Path, hurried: dict[str, str]) -> None:
    assert_shows(typed("docs/partitions.md", tmp_path / "shop", hurried), "docs/partitions.md")


def test_the_tutorial_has_eight_parts() -> None:
    headings = re.findall(
        r"^## (\d)\. (.+)$", (ROOT / "docs/tutorial.md").read_text(), re.MULTILINE
    )
    assert [name for _, name in headings] == [
        "Setup",
        "Define",
        "Run",
        "Change",
        "Safe testing on a branch",
        "Parallel",
        "Breaking changes",
        "Production tips",
    ]


def test_the_demo_runs_without_an_identity_and_leaves_nothing_behind(
    tmp_path: Path, hurried: dict[str, str]
) -> None:
    (tmp_path / "home/.gitconfig").unlink()
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    done = subprocess.run(
        [ROOT / "examples/demo.sh"],
        env=hurried | {"TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.findall(r"^ +(\d{4})$", done.stdout, re.MULTILINE) == [
        "1995",
        "1987",
        "1995",
        "1987",
        "1995",
    ]
    assert list(temporary.iterdir()) == []


def test_make_demo_finds_an_executable_script() -> None:
    assert os.access(ROOT / "examples/demo.sh", os.X_OK)


def test_the_page_of_the_library_runs_and_lists_every_name(
    tmp_path: Path, newcomer: dict[str, str]
) -> None:
    project = tmp_path / "flights"
    shutil.copytree(ROOT / "examples/flights", project, ignore=shutil.ignore_patterns("target"))
    start = "seeknal init && git add . && git -c core.hooksPath=/dev/null commit -qm Data"
    subprocess.run(["sh", "-c", start], cwd=project, env=newcomer, check=True, capture_output=True)
    script = "\n".join(blocks("docs/python.md", "python"))
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=project,
        env=newcomer,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "NEW transform.delays_by_carrier" in done.stdout
    page = (ROOT / "docs/python.md").read_text()
    assert set(re.findall(r"^## (\w+)$", page, re.MULTILINE)) == set(seeknal_git.__all__)


# The pages


def test_the_page_of_commands_is_what_the_commands_say() -> None:
    assert (ROOT / "docs/cli.md").read_text() == generate_cli.page(), (
        "run: python docs/generate_cli.py"
    )


@pytest.mark.parametrize("words", LEAVES, ids=" ".join)
def test_every_command_has_help_with_examples_and_finds_a_data_root(words: tuple[str, ...]) -> None:
    assert re.search(r"^ *Examples?:", generate_cli.help_of(words), re.MULTILINE)
    assert ("--data-root" in generate_cli.help_of(words)) == (words != ("init",))


@pytest.mark.parametrize(
    "words",
    [words for words in LEAVES if words[0] != "env" or words[1] in ("list", "prune")],
    ids=" ".join,
)
def test_every_command_is_told_of_outside_its_own_page(words: tuple[str, ...]) -> None:
    told = "".join(
        page.read_text() for page in PAGES if page.name not in {"cli.md", "CHANGELOG.md"}
    )
    assert f"seeknal {' '.join(words)}" in told


def test_the_documented_keys_of_a_plan_are_its_keys(published: Repo) -> None:
    page = (ROOT / "docs/cli.md").read_text()
    tables = re.findall(
        r"^\| key \| meaning \|\n\| --- \| --- \|\n((?:\|.+\n)+)", page, re.MULTILINE
    )
    of_plan, of_change, of_verified = tables[:3]
    published.replace(
        "seeknal/transforms/daily.yml", "name: daily", "name: daily\nowner: somebody-else"
    )
    plan = published.plan("--verify")
    assert _documented(of_plan) == list(plan)
    assert plan["changes"]
    assert _documented(of_change) == list(plan["changes"][0])
    assert plan["verified"]
    assert _documented(of_verified) == list(plan["verified"][0])


def _documented(table: str) -> list[str]:
    first_cells = (row.split("|")[1] for row in table.splitlines())
    return [key for cell in first_cells for key in re.findall(r"`(\w+)`", cell)]


@pytest.mark.parametrize(
    "text",
    [text for text in blocks("docs/nodes.md", "yaml") if "kind:" in text],
    ids=lambda text: ".".join(text.split()[1:4:2]),
)
def test_every_node_of_the_reference_loads_without_a_warning(text: str) -> None:
    node, warnings = load_node(text.encode(), "seeknal/node.yml")
    assert node is not None
    assert warnings == []


def test_the_changelog_names_the_version() -> None:
    assert f"\n## {__version__}\n" in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        there = page.parent / name if name else page
        assert there.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", there.read_text(), re.MULTILINE)
            assert anchor in {
                re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings
            }, target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_name_no_place_on_somebodys_machine(page: Path) -> None:
    assert (
        re.findall(r"(?<![\w.:/])/(?:home|tmp|usr|work|Users|root|etc|opt)/\S*", page.read_text())
        == []
    )


# Versions


def test_constraints_and_the_pre_commit_configuration_pin_the_same_versions() -> None:
    lines = (ROOT / "constraints.txt").read_text().split()
    pinned = {
        _project(name): version for name, _, version in (line.partition("==") for line in lines)
    }
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    wanted = [
        wanted
        for repo in config["repos"]
        for hook in repo["hooks"]
        for wanted in hook.get("additional_dependencies", ())
    ]
    assert wanted
    for requirement in wanted:
        name, _, version = requirement.partition("==")
        assert pinned[_project(name.partition("[")[0])] == version, requirement


def _project(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
