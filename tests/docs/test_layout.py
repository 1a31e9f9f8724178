"""Pages about the code name files that exist, and describe packages as their docstrings do."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "seeknal_git"
DECISIONS = sorted((ROOT / "docs/design").glob("*.md"))
PAGES = [
    ROOT / "CONTRIBUTING.md",
    ROOT / "docs/architecture.md",
    *DECISIONS,
]
# A place in a recipe that the reader fills in.
TO_FILL_IN = re.compile("KIND|NAME")


def sentence(package: str) -> str:
    """The first sentence of a package's docstring, on one line."""
    docstring = ast.get_docstring(ast.parse((PACKAGE / package / "__init__.py").read_text()))
    assert docstring
    return " ".join(docstring.split()).partition(". ")[0].rstrip(".")


def test_the_table_of_packages_says_what_their_docstrings_say() -> None:
    page = (ROOT / "docs/architecture.md").read_text()
    table = dict(re.findall(r"^\| `(\w+)/` \| (.+) \|$", page, re.MULTILINE))
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert table == {package: sentence(package) for package in packages}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_file_that_a_page_names_exists(page: Path) -> None:
    named = re.findall(
        r"`([\w./-]+\.py|(?:seeknal_git|tests|docs|hooks)/[\w./-]*)`", page.read_text()
    )
    missing = [
        name
        for name in named
        if not TO_FILL_IN.search(name)
        and not any((place / name).exists() for place in (ROOT, PACKAGE))
    ]
    assert missing == []


def test_the_recipes_name_folders_that_exist() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text()
    folders = {Path(name).parent for name in re.findall(r"`([\w./-]*(?:KIND|NAME)\.\w+)`", page)}
    assert folders
    assert [folder for folder in folders if not (ROOT / folder).is_dir()] == []


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.stem)
def test_a_page_of_a_decision_has_goals_limits_alternatives_and_facts(page: Path) -> None:
    headings = re.findall(r"^## (.+)$", page.read_text(), re.MULTILINE)
    assert headings[:2] == ["Goals", "Non-goals"]
    assert {"Alternatives", "Measured facts"} <= set(headings)


def test_the_changelog_has_a_place_for_what_is_not_released() -> None:
    assert "\n## Unreleased\n" in (ROOT / "CHANGELOG.md").read_text()
