"""Python nodes, until they can be built: an error that names file and line, in every command that
would leave them out."""

from __future__ import annotations

import pytest

from tests.conftest import Repo
from tests.errors.conftest import Refused

PYTHON = "seeknal/pipelines/regions.py"
NODE = """
# /// script
# dependencies = ["pandas"]
# ///
from seeknal.pipeline import source, transform


@transform(name="by_region", inputs=["source.orders"])
def by_region(ctx):
    raise SystemExit("nobody runs this")


raise SystemExit("nobody imports this")
"""
SAID = "Python nodes are not read yet, and nothing runs without this one.\n  Write it as YAML"


@pytest.mark.parametrize("state", ["untracked", "staged", "committed"])
def test_a_python_node_is_an_error_wherever_it_would_be_left_out(
    published: Repo, refused: Refused, state: str
) -> None:
    published.write(PYTHON, NODE)
    if state == "staged":
        published.git("add", PYTHON)
    if state == "committed":
        published.switch("dev", create=True)
        published.commit(hooks=False)
        published.switch("main")
        for command in (
            ["plan", "dev"],
            ["plan", "dev", "--into", "main"],
            ["run", "--env", "dev"],
            ["promote", "dev"],
        ):
            assert f"error: {PYTHON}:7: {SAID}" in refused(published, *command)
        published.switch("dev")
    for command in (["validate"], ["plan"], ["run"], ["run", "--dry-run"], ["parse"]):
        assert f"error: {PYTHON}:7: {SAID}" in refused(published, *command)
    assert (
        f"{PYTHON}:7: Python nodes are not read yet" in published.seeknal("doctor", code=None).out
    )
    assert f"warning: {PYTHON}:7: {SAID}" in published.seeknal("status").out
    if state == "staged":
        assert f"{PYTHON}:7" in refused(published, "validate", "--staged")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("import seeknal.pipeline as sp\n@sp.source(name='a')\ndef a(): pass\n", 2),
        ("import seeknal.pipeline\n@seeknal.pipeline.source(name='a')\ndef a(): pass\n", 2),
        ("from seeknal import pipeline\n@pipeline.feature_group(name='a')\ndef a(ctx): pass\n", 2),
        ("from seeknal.pipeline import *\n\n@source(name='a')\ndef a(): pass\n", 3),
        (
            "from seeknal.pipeline.decorators import transform as t\n@t(name='a')\ndef a(ctx): pass\n",
            2,
        ),
        (
            "from seeknal.pipeline import materialize, transform\n@cached\n@materialize(type='x')\ndef a(ctx): pass\n",
            3,
        ),
        (
            "try:\n  from seeknal.pipeline import source\nexcept ImportError: pass\n@source\ndef a(): pass\n",
            4,
        ),
        ("from seeknal.pipeline import source\n@source(name='a')\ndef a(: pass\n", 2),
        (
            "from seeknal.pipeline import source\nx = "
            + "-" * 100_000
            + "1\n@source(name='a')\ndef a(): pass\n",
            3,
        ),
    ],
    ids=[
        "as",
        "whole name",
        "package",
        "star",
        "renamed",
        "stacked",
        "guarded",
        "malformed",
        "too deep",
    ],
)
def test_a_node_is_recognised_however_its_decorator_is_imported(
    repo: Repo, text: str, line: int
) -> None:
    repo.write(PYTHON, text)
    assert f"{PYTHON}:{line}: " in repo.seeknal("validate", code=1).err


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (
            "seeknal/pipelines/helpers.py",
            "from seeknal.pipeline import source\n\ndef helper(): return source\n",
        ),
        ("seeknal/pipelines/other.py", "from functools import cache\n@cache\ndef source(): pass\n"),
        (
            "seeknal/pipelines/words.py",
            '"""\nfrom seeknal.pipeline import source\n@source\ndef a(): pass\n"""\n',
        ),
        ("seeknal/common/base.py", NODE),
        ("seeknal/templates/base.py", NODE),
        ("seeknal/pipelines/_draft.py", NODE),
        ("scripts/old.py", NODE),
    ],
)
def test_other_python_files_are_nobodys_business(repo: Repo, path: str, text: str) -> None:
    repo.write(path, text)
    assert repo.seeknal("validate").out == "0 nodes valid.\n"
    assert repo.seeknal("doctor", code=None).out.count("Python") == 0


@pytest.mark.parametrize("command", ["dry-run", "apply"])
def test_a_python_draft_is_refused_by_its_name(repo: Repo, refused: Refused, command: str) -> None:
    repo.write("draft_transform_regions.py", NODE)
    assert f"error: draft_transform_regions.py:7: {SAID}" in refused(
        repo, command, "draft_transform_regions.py"
    )
    assert "seeknal draft transform x" in refused(repo, "draft", "transform", "x", "--python")
