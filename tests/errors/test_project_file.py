"""The project file with a mistake in it, and secrets in the one beside it."""

from __future__ import annotations

import pytest

from tests.conftest import Repo
from tests.errors.conftest import Refused

FILE = "seeknal_project.yml"


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        pytest.param("name: [\n", 2, "This is not valid YAML", id="malformed YAML"),
        pytest.param(b"name: \xff\n", 1, "not UTF-8", id="not UTF-8"),
        pytest.param(
            "name: a\n<<<<<<< HEAD\n=======\n>>>>>>> dev\n",
            2,
            "conflict markers",
            id="conflict markers",
        ),
        pytest.param(
            "", 1, "is a mapping of settings.\n  Begin with: name: my_project", id="an empty file"
        ),
        pytest.param("- name\n", 1, "is a mapping of settings", id="a list"),
        pytest.param(
            "name: a\nname: b\n", 2, "the key name is given twice", id="a setting given twice"
        ),
        pytest.param("description: a\n", 1, "The project has no `name`", id="no name"),
        pytest.param(
            "name: a\nwarehous: b\n",
            2,
            "There is no setting `warehous`. The settings are name,",
            id="a setting misspelt",
        ),
        pytest.param(
            "name: a\nprotect_production: maybe\n",
            2,
            "is true or false, not 'maybe'",
            id="neither true nor false",
        ),
        pytest.param(
            "name: a\nkeep_promotions: ten\n",
            2,
            "is a whole number, not 'ten'",
            id="a number in words",
        ),
        pytest.param(
            "name: a\nkeep_promotions: true\n",
            2,
            "is a whole number, not 'true'",
            id="a number that is true",
        ),
        pytest.param(
            "name: a\nkeep_promotions: -1\n",
            2,
            "`keep_promotions` cannot be -1",
            id="a number below zero",
        ),
        pytest.param(
            "name: a\ntime_to_live: soon\n",
            2,
            "is a number and a unit, such as 12h or 7d",
            id="a time in words",
        ),
        pytest.param(
            "name: a\nkeep_history: 7\n",
            2,
            "`keep_history` is a number and a unit, such as 12h or 7d, not '7'",
            id="a time without a unit",
        ),
        pytest.param(
            "name: a\ntime_to_live: 99999999999d\n",
            2,
            "is a number and a unit",
            id="a time beyond all time",
        ),
        pytest.param(
            "name: a\nproduction_branch: [5]\n",
            2,
            "`production_branch` is a text, not a list",
            id="a branch that is a list",
        ),
        pytest.param(
            "name: a\nproduction_branch: ''\n",
            2,
            "`production_branch` cannot be ''",
            id="an empty branch",
        ),
        pytest.param(
            "name: a\nwarehouse: ''\n", 2, "`warehouse` cannot be ''", id="an empty warehouse"
        ),
        pytest.param("name: ''\n", 1, "`name` cannot be ''", id="an empty name"),
    ],
)
def test_a_wrong_project_file_is_refused_with_its_line_if_the_tree_is_needed(
    published: Repo, refused: Refused, content: str | bytes, line: int, words: str
) -> None:
    (published.path / FILE).write_bytes(content if isinstance(content, bytes) else content.encode())
    for command in (["validate"], ["plan"], ["run"], ["lineage"]):
        said = refused(published, *command)
        assert said.startswith(f"error: {FILE}:{line}: ")
        assert words in said
    assert published.seeknal("query", "SELECT count(*) AS n FROM daily", "--json").json == [
        {"n": 2}
    ]
    assert words.partition("\n")[0] in published.seeknal("status").out


def test_settings_of_older_projects_are_passed_over(shop: Repo) -> None:
    shop.write(
        FILE,
        "name: shop\nversion: 1.0.0\nprofile: dev\nconfig-version: 1\nstate_backend: {type: file}\n",
    )
    assert shop.seeknal("validate").err == ""


@pytest.mark.parametrize("there", ["nothing", "a folder", "a broken link"])
def test_a_project_without_its_file_is_refused(
    published: Repo, refused: Refused, there: str
) -> None:
    file = published.path / FILE
    file.unlink()
    if there == "a folder":
        file.mkdir()
    if there == "a broken link":
        file.symlink_to("nowhere.yml")
    assert "There is no seeknal_project.yml in" in refused(published, "validate")
    assert "Begin a project with: seeknal init" in refused(published, "run")


def test_secrets_reach_no_output_no_state_and_no_error(
    published: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing reads profiles.yml yet: here it would not even parse."""
    monkeypatch.setenv("WAREHOUSE_PASSWORD", "hunter2")
    published.write("profiles.yml", "dev: [\n  password: ${WAREHOUSE_PASSWORD}, token: s3cret\n")
    published.write("seeknal/transforms/wrong.yml", "kind: transform\nname: wrong\n")
    commands = (
        ["validate"],
        ["plan"],
        ["run"],
        ["promote"],
        ["status"],
        ["doctor"],
        ["diff"],
        ["query", "FROM nothing"],
    )
    said = "".join(
        f"{each.out}{each.err}"
        for each in (published.seeknal(*every, code=None) for every in commands)
    )
    (published.path / "seeknal/transforms/wrong.yml").unlink()
    said += published.seeknal("parse").out + published.seeknal("run", "--full").out
    kept = b"".join(
        path.read_bytes()
        for path in published.path.rglob("*")
        if path.is_file() and path.name != "profiles.yml"
    )
    for secret in ("hunter2", "s3cret", "WAREHOUSE_PASSWORD"):
        assert secret not in said
        assert secret.encode() not in kept
