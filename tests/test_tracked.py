"""Raw data that git tracks through links and in submodules: a plan sees the change, and a merge
releases it."""

from __future__ import annotations

import pytest

from tests.conftest import Repo

OLD = "n\n1\n"
NEW = "n\n2\n"


def make_source(repo: Repo, table: str) -> None:
    repo.write("data/old/a.csv", OLD)
    repo.write("data/new/a.csv", NEW)
    repo.write("seeknal/s.yml", f"kind: source\nname: s\nsource: csv\ntable: {table}\n")


def is_released(repo: Repo) -> None:
    """What a branch changes of raw data is planned, built, read as it was committed, and released
    by a merge."""
    assert repo.categories() == {"source.s": "DATA"}
    assert repo.built() == ["source.s"]
    repo.commit()
    assert repo.built() == []
    repo.switch("main")
    repo.git("submodule", "--quiet", "update", "--init")
    assert repo.built("--env", "dev") == []
    assert repo.numbers("SELECT (SELECT sum(n) FROM main.s), (SELECT sum(n) FROM dev.s)") == [
        (1, 2)
    ]
    repo.git("merge", "--quiet", "dev")
    before = repo.snapshots()
    repo.seeknal("promote")
    assert repo.snapshots() == before
    assert repo.numbers("SELECT sum(n) FROM main.s") == [(2,)]
    repo.git("submodule", "--quiet", "update", "--init")
    assert repo.built() == []


@pytest.mark.parametrize(
    ("table", "link", "targets"),
    [
        pytest.param("data/latest.csv", "data/latest.csv", ("old/a.csv", "new/a.csv"), id="a file"),
        pytest.param(
            "data/l*.csv", "data/latest.csv", ("old/a.csv", "new/a.csv"), id="a file in a glob"
        ),
        pytest.param("data/current/a.csv", "data/current", ("old", "new"), id="a folder"),
        pytest.param(
            "data/current/*.csv", "data/current", ("old", "./new"), id="a folder before a glob"
        ),
        pytest.param(
            "data/c*/**/*.csv", "data/current", ("old", "../data/new"), id="a folder in a glob"
        ),
        pytest.param(
            "current/a.csv", "current", ("data/old", "data/../data/new"), id="a folder, by a detour"
        ),
    ],
)
def test_a_link_that_git_tracks_is_part_of_the_tree(
    repo: Repo, table: str, link: str, targets: tuple[str, str]
) -> None:
    make_source(repo, table)
    (repo.path / link).symlink_to(targets[0])
    repo.commit()
    repo.seeknal("run")
    assert repo.numbers("SELECT sum(n) FROM main.s") == [(1,)]
    repo.switch("dev", create=True)
    (repo.path / link).unlink()
    (repo.path / link).symlink_to(targets[1])
    is_released(repo)


def test_the_file_behind_a_link_is_part_of_the_tree(repo: Repo) -> None:
    make_source(repo, "data/latest.csv")
    (repo.path / "data/latest.csv").symlink_to("old/a.csv")
    repo.commit()
    repo.seeknal("run")
    repo.switch("dev", create=True)
    repo.write("data/old/a.csv", NEW)
    is_released(repo)


@pytest.mark.parametrize("target", ["latest.csv", "/etc/passwd", "../../outside.csv"])
def test_a_link_in_a_circle_or_out_of_the_project_is_no_data(repo: Repo, target: str) -> None:
    make_source(repo, "data/latest.csv")
    repo.path.with_name("outside.csv").write_text(OLD)
    (repo.path / "data/latest.csv").symlink_to(target)
    repo.commit()
    said = repo.seeknal("run", code=1).err
    assert "seeknal/s.yml:4" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("table", ["vendor/a.csv", "vendor/*.csv", "v*/a.csv"])
@pytest.mark.parametrize("how", ["committed there", "edited only"])
def test_data_in_a_submodule_is_part_of_the_tree(repo: Repo, table: str, how: str) -> None:
    repo.git("config", "--global", "protocol.file.allow", "always")
    library = Repo(repo.path.with_name("library"))
    library.path.mkdir()
    library.git("init", "--quiet")
    library.write("a.csv", OLD)
    library.commit()
    repo.git("submodule", "--quiet", "add", str(library.path), "vendor")
    make_source(repo, table)
    repo.commit()
    repo.seeknal("run")
    repo.switch("dev", create=True)
    inside = Repo(repo.path / "vendor")
    inside.write("a.csv", NEW)
    if how == "edited only":
        assert repo.built() == ["source.s"]
        assert repo.numbers("SELECT sum(n) FROM dev.s") == [(2,)]
        return
    inside.commit()
    is_released(repo)
    other = Repo(repo.path.with_name("other"))
    repo.git("clone", "--quiet", ".", str(other.path))
    if table.startswith("vendor"):
        assert "git submodule update --init" in other.seeknal("run", code=1).err


@pytest.mark.parametrize("table", ["data/latest.csv", "data/l*.csv"])
def test_where_a_link_to_raw_data_leads_is_part_of_the_tree_and_what_is_there_moves_by_itself(
    repo: Repo, table: str
) -> None:
    make_source(repo, table)
    repo.write("raw/old.csv", OLD)
    repo.write("raw/new.csv", NEW)
    link = repo.path / "data/latest.csv"
    link.symlink_to("../raw/old.csv")
    repo.commit()
    repo.seeknal("run")
    repo.switch("dev", create=True)
    repo.write("raw/old.csv", "n\n5\n")
    assert repo.categories() == {}
    assert repo.built() == [], "a branch goes on with production's load"
    repo.write("raw/old.csv", OLD)
    link.unlink()
    link.symlink_to("../raw/new.csv")
    is_released(repo)


def test_a_plan_sees_an_edit_among_files_that_git_tracks_in_part(repo: Repo) -> None:
    make_source(repo, "data/*/a.csv")
    repo.write(".gitignore", "target/\ndata/aside/\n")
    repo.write("data/aside/a.csv", OLD)
    repo.commit()
    repo.seeknal("run")
    repo.switch("dev", create=True)
    assert repo.categories() == {}
    repo.write("data/old/a.csv", NEW)
    assert repo.categories() == {"source.s": "DATA"}
