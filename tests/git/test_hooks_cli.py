"""The hooks through the command line, for several projects of one repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from seeknal_git.git.hook_scripts import HOOKS
from tests.conftest import Repo

SOURCE = "kind: source\nname: orders\nsource: csv\ntable: data/orders.csv\n"
TOTAL = "kind: transform\nname: total\ntransform: SELECT {} AS total FROM source.orders\n"


@pytest.fixture
def top(tmp_path: Path) -> Repo:
    top = Repo(tmp_path / "shops")
    top.path.mkdir()
    top.git("init", "--quiet", "-b", "main")
    return top


def begun(top: Repo, folder: str) -> Repo:
    """A project that is committed, published, and has the hooks."""
    project = Repo(top.path / folder)
    project.write("seeknal_project.yml", "name: shop\n")
    project.write(".gitignore", "target/\n")
    project.write("data/orders.csv", "amount\n1\n20\n")
    project.write("seeknal/sources/orders.yml", SOURCE)
    project.write("seeknal/transforms/total.yml", TOTAL.format("sum(amount)"))
    top.commit("Nodes", hooks=False)
    project.seeknal("run")
    project.seeknal("hooks", "install")
    return project


def test_one_commit_promotes_two_projects(top: Repo) -> None:
    projects = [begun(top, "europe"), begun(top, "a -> b")]
    for project in projects:
        project.write("seeknal/transforms/total.yml", TOTAL.format("max(amount)"))
    top.git("add", "--all")
    said = top.try_git("commit", "--message", "The largest")
    assert said.returncode == 0, said.stderr
    assert [project.numbers("FROM main.total") for project in projects] == [[(20,)], [(20,)]]


def test_the_commands_speak_of_the_project_that_they_are_called_in(top: Repo) -> None:
    europe, asia = begun(top, "europe"), begun(top, "asia")
    europe.seeknal("hooks", "uninstall")
    assert {hook["state"] for hook in europe.seeknal("hooks", "status", "--json").json} == {
        "missing"
    }
    assert {tuple(hook["others"]) for hook in europe.seeknal("hooks", "status", "--json").json} == {
        ("asia",)
    }
    assert {hook["state"] for hook in asia.seeknal("hooks", "status", "--json").json} == {
        "installed"
    }
    assert "The hook post-merge is not installed." in europe.seeknal("doctor", code=1).out
    assert "hook" not in asia.seeknal("doctor", code=None).out
    assert "post-merge        installed  also for asia" in europe.seeknal("hooks", "install").out
    assert "hook" not in europe.seeknal("doctor", code=None).out


def test_doctor_names_the_hooks_that_do_not_call_seeknal_where_hooks_path_is_set(top: Repo) -> None:
    europe = begun(top, "europe")
    top.git("config", "core.hooksPath", ".husky")
    said = europe.seeknal("hooks", "install").out
    assert all(f"as its {name} hook. Add these lines to it:\n(\n" in said for name in HOOKS)
    lines = said.split("as its post-merge hook. Add these lines to it:\n")[1].split("\n\ngit runs")[
        0
    ]
    top.write(".husky/post-merge", f"#!/bin/sh\n{lines}\n")
    named = ", ".join(name for name in HOOKS if name != "post-merge")
    assert f"do not call seeknal: {named}." in " ".join(
        europe.seeknal("doctor", code=1).out.split()
    )
