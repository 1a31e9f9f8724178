"""Attacks on files: a path that a branch, a warehouse or a checkout names is written only where a
project may write."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from seeknal_git import files
from seeknal_git.errors import FileFault
from seeknal_git.files import Ground, opened_folder, put_in_place, refuse, write_below, wrong_name
from tests.conftest import Repo, Templates, make_shop

EXPOSURE = "seeknal/exposures/out.yml"
NODE = "exposure.out"


def exposure(path: str, more: str = "") -> str:
    return f"kind: exposure\nname: out\ntype: file\ninputs: [source.orders]\nparams:\n  path: '{path}'\n{more}"


# Names

NAMES = {
    ".git/hooks/post-commit": "belongs to the project",
    ".GIT/config": "belongs to the project",
    "a/.Git/config": "belongs to the project",
    ".g\u200cit/config": "leaves the project",  # not printable, and `.git` on HFS+
    ".git./config": "belongs to the project",
    ".git::$INDEX_ALLOCATION/config": "belongs to the project",
    "a\\.git\\config": "belongs to the project",
    "git~1/config": "means another file",
    "SEEKNA~1/sources/x.yml": "means another file",
    ".github/workflows/x.yml": "belongs to the project",
    ".gitattributes": "belongs to the project",
    ".env": "belongs to the project",
    "sub/.env.local": "belongs to the project",
    ".venv/lib/x.pth": "hidden part",
    "exports/.hidden.csv": "hidden part",
    "../x.csv": "leaves the project",
    "a/../../x.csv": "leaves the project",
    "a/../x.csv": "leaves the project",
    "/etc/cron.d/x": "leaves the project",
    "": "leaves the project",
    ".": "leaves the project",
    "seeknal/x.yml": "belongs to the project",
    "SEEKNAL/x.yml": "belongs to the project",
    "seeknal.": "belongs to the project",
    "seeknal_project.yml": "belongs to the project",
    "./seeknal_project.yml": "belongs to the project",
    "Profiles.yml": "belongs to the project",
}


@pytest.mark.parametrize("path", NAMES)
def test_a_name_that_no_delivery_may_have_is_refused(path: str) -> None:
    assert NAMES[path] in (wrong_name(path) or "")


PLAIN = [
    "exports/orders.csv",
    "a b/ö.csv",
    "x~y.csv",
    "backup~12.csv",
    "seeknal_exports/x.csv",
    "a..b.csv",
]


@pytest.mark.parametrize("path", PLAIN)
def test_a_plain_name_is_fine(path: str) -> None:
    assert wrong_name(path) is None


@pytest.mark.parametrize(
    "path", [".GIT/hooks/post-commit", ".venv/x.csv", "git~1/config", "./Seeknal/x.yml"]
)
def test_a_node_with_such_a_path_is_not_valid(shop: Repo, path: str) -> None:
    shop.write(EXPOSURE, exposure(path))
    said = shop.seeknal("validate", code=1).err
    assert f"error: {EXPOSURE}:6: `" in said
    assert "name another file, for example exports/orders.csv" in said


# What is there


def refused(repo: Repo, *arguments: str) -> str:
    """A run that stops, with every file and production as they were."""
    before, published = everything(repo), repo.publications()
    said = repo.seeknal(*arguments, code=1).err
    assert "Traceback" not in said
    assert (everything(repo), repo.publications()) == (before, published)
    assert not list((repo.path / "target/.writing").glob("*"))
    return said


def everything(repo: Repo) -> dict[Path, bytes | str]:
    """The files of the working tree, and the links, but for the warehouse."""
    found = (
        path for path in repo.path.rglob("*") if not {".git", "warehouse.duckdb"} & set(path.parts)
    )
    return {
        path: str(path.readlink()) if path.is_symlink() else path.read_bytes()
        for path in found
        if path.is_symlink() or path.is_file()
    }


def a_file_of_the_user(repo: Repo) -> None:
    repo.write("exports/out.csv", "mine\n")


def a_folder_of_the_user(repo: Repo) -> None:
    repo.write("exports/out.csv/mine.txt", "mine\n")


def a_file_where_the_folder_belongs(repo: Repo) -> None:
    repo.write("exports", "mine\n")


def a_tracked_file(repo: Repo) -> None:
    a_file_of_the_user(repo)
    repo.git("add", "--force", "exports/out.csv")


def a_tracked_file_in_other_letters(repo: Repo) -> None:
    repo.write("Exports/OUT.csv", "mine\n")
    repo.git("add", "--force", "Exports/OUT.csv")


def a_folder_with_tracked_files(repo: Repo) -> None:
    a_folder_of_the_user(repo)
    repo.git("add", "--force", "exports/out.csv/mine.txt")


def a_link(repo: Repo) -> None:
    repo.write("exports/mine.csv", "mine\n")
    (repo.path / "exports/out.csv").symlink_to("mine.csv")


def a_link_to_a_folder(repo: Repo) -> None:
    (repo.path / "other").mkdir()
    (repo.path / "exports").symlink_to("other")


def a_link_out(repo: Repo) -> None:
    (repo.path / "exports").symlink_to("../..")


def a_link_that_leads_nowhere(repo: Repo) -> None:
    (repo.path / "exports/").mkdir()
    (repo.path / "exports/out.csv").symlink_to("../../nowhere")


def another_repository(repo: Repo) -> None:
    repo.git("init", "--quiet", "exports")


def another_project(repo: Repo) -> None:
    repo.write("exports/seeknal_project.yml", "name: other\n")


def a_pipe(repo: Repo) -> None:
    (repo.path / "exports").mkdir()
    os.mkfifo(repo.path / "exports/out.csv")


def a_target_that_is_a_link(repo: Repo) -> None:
    (repo.path / "target").mkdir(exist_ok=True)
    (repo.path.parent / "elsewhere").mkdir()
    (repo.path / "target").rename(repo.path.parent / "elsewhere/target")
    (repo.path / "target").symlink_to("../elsewhere/target")


THERE: dict[Callable[[Repo], None], str] = {
    a_file_of_the_user: "exports/out.csv is there already, and nothing of this project wrote it",
    a_folder_of_the_user: "exports/out.csv is there already",
    a_file_where_the_folder_belongs: "exports/ cannot be written: it is no folder",
    a_tracked_file: "git tracks exports/out.csv",
    a_tracked_file_in_other_letters: "git tracks Exports/OUT.csv",
    a_folder_with_tracked_files: "git tracks exports/out.csv/mine.txt",
    a_link: "exports/out.csv is a link",
    a_link_to_a_folder: "exports/ cannot be written: a link there leads elsewhere",
    a_link_out: "exports/ cannot be written: a link there leads elsewhere",
    a_link_that_leads_nowhere: "exports/out.csv is a link",
    another_repository: "exports/ is another project: .git is in it",
    another_project: "exports/ is another project: seeknal_project.yml is in it",
    a_pipe: "exports/out.csv is there already",
}


def make_delivering(project: Repo) -> None:
    make_shop(project)
    (project.path / "seeknal/exposures/by_customer_csv.yml").unlink()
    project.commit("No exposure yet")
    project.seeknal("run")
    project.write(EXPOSURE, exposure("exports/out.csv"))
    project.commit("An exposure")


@pytest.fixture
def delivering(copy_of: Templates) -> Repo:
    """A project that was published, before it has an exposure."""
    return copy_of("delivering", make_delivering)


@pytest.mark.parametrize("there", THERE, ids=lambda each: each.__name__)
def test_what_is_there_and_not_ours_stops_a_run(
    delivering: Repo, there: Callable[[Repo], None]
) -> None:
    there(delivering)
    said = refused(delivering, "run")
    assert f"{NODE} cannot be written to" in said
    assert THERE[there] in said
    assert "Nothing was published" in said


def test_a_folder_of_files_is_no_less_careful(delivering: Repo) -> None:
    delivering.write(EXPOSURE, exposure("exports/parts", "  partition_by: day\n"))
    delivering.write("exports/parts/day=2024-01-01/mine.csv", "mine\n")
    assert "exports/parts is there already" in refused(delivering, "run")


def test_a_branch_writes_through_no_link_either(delivering: Repo) -> None:
    delivering.switch("dev", create=True)
    outside = delivering.path.parent / "outside"
    outside.mkdir()
    (delivering.path / "target").mkdir(exist_ok=True)
    (delivering.path / "target/exposures").symlink_to(outside)
    assert "target/exposures/ cannot be written: a link there leads elsewhere" in refused(
        delivering, "run"
    )
    assert not list(outside.iterdir())


def test_what_has_the_content_already_is_taken_over(delivering: Repo) -> None:
    delivering.seeknal("run")
    content = delivering.read("exports/out.csv")
    delivering.tamper("DELETE FROM _seeknal.exposures")
    assert delivering.run()["written"] == [NODE]
    assert delivering.read("exports/out.csv") == content


def test_a_file_that_was_committed_after_its_delivery_goes_on(delivering: Repo) -> None:
    delivering.seeknal("run")
    delivering.git("add", "--force", "exports/out.csv")
    delivering.commit("The file too")
    delivering.replace(
        "seeknal/sources/orders.yml", "name: orders\n", "name: orders\ntests: [{not_null: id}]\n"
    )
    delivering.write("data/orders.csv", "id,customer,day,amount\n1,1,2024-01-01,10\n")
    assert delivering.run()["written"] == [NODE]
    delivering.write("exports/out.csv", "an edit that git does not have\n")
    assert "git tracks exports/out.csv" in refused(delivering, "run")


def test_a_state_that_claims_a_file_of_the_user_loses_none(delivering: Repo) -> None:
    """A warehouse is a stranger's: it may say that it delivered anything."""
    delivering.seeknal("run")
    delivering.tamper(
        "UPDATE _seeknal.exposures SET path = replace(path, 'exports/out', 'exports/notes')"
    )
    delivering.write(EXPOSURE, exposure("exports/notes.csv"))
    delivering.write("exports/notes.csv", "mine\n")
    kept = Path(delivering.run()["kept"][NODE])
    assert kept.read_text() == "mine\n"
    assert kept == delivering.path / "target/replaced/exports/notes.csv"


# Rollback

HOSTILE = [
    ("../outside.csv", "none that Seeknal writes"),
    (".git/hooks/post-commit", "belongs to the project"),
    ("seeknal/sources/orders.yml", "belongs to the project"),
    ("data/orders.csv", "would write over data/orders.csv"),
    ("README.md", "git tracks README.md"),
    ("data/raw/new.csv", "would write over data/raw/*.csv"),
    ("LINK/x.csv", "a link there leads elsewhere"),
]


@pytest.mark.parametrize(("path", "words"), HOSTILE)
def test_a_rollback_writes_nowhere_that_the_state_alone_names(
    delivering: Repo, path: str, words: str
) -> None:
    delivering.write("README.md", "mine\n")
    delivering.write("data/raw/old.csv", "id\n1\n")
    delivering.write(
        "seeknal/sources/raw.yml", "kind: source\nname: raw\nsource: csv\ntable: data/raw/*.csv\n"
    )
    delivering.commit("More")
    delivering.seeknal("run")
    delivering.write("data/orders.csv", "id,customer,day,amount\n1,1,2024-01-01,10\n")
    delivering.commit("Other numbers")
    delivering.seeknal("run")
    outside = delivering.path.parent / "outside"
    outside.mkdir()
    (delivering.path / "LINK").symlink_to(outside)
    delivering.write("notes.csv", "mine\n")
    here = str(delivering.path)
    delivering.tamper(
        "UPDATE _seeknal.exposures SET definition = json_merge_patch(definition::JSON, "
        f"'{{\"path\": \"{path}\"}}'::JSON)::VARCHAR, path = '{here}/elsewhere.csv'"
    )
    before = everything(delivering)
    done = delivering.seeknal("rollback", code=None)
    after = everything(delivering)
    assert words in done.err
    assert {each: before[each] for each in before} == {each: after.get(each) for each in before}
    assert not list(outside.iterdir())
    assert not (delivering.path.parent / "outside.csv").exists()
    assert not (delivering.path / ".git/hooks/post-commit").exists()


def test_doctor_names_the_files_that_git_tracks_or_does_not_ignore(delivering: Repo) -> None:
    delivering.seeknal("run")
    assert "exports/out.csv" not in delivering.seeknal("doctor", code=None).out
    delivering.git("add", "--force", "exports/out.csv")
    assert (
        f"git tracks exports/out.csv, which {NODE} writes"
        in delivering.seeknal("doctor", code=1).out
    )
    delivering.git("rm", "--quiet", "--cached", "exports/out.csv")
    delivering.write(".gitignore", "target/\n")
    assert (
        f"git does not ignore exports/out.csv, which {NODE} writes"
        in delivering.seeknal("doctor", code=1).out
    )


# Files whose names are ours


def test_the_manifest_is_not_written_through_a_link(published: Repo) -> None:
    a_target_that_is_a_link(published)
    said = published.seeknal("parse", code=1).err
    assert "target/ cannot be written: a link there leads elsewhere" in said
    assert not (published.path / "target/manifest.json").exists()


def test_the_manifest_is_not_written_over_a_tracked_file(published: Repo) -> None:
    published.write("target/manifest.json", "mine\n")
    published.git("add", "--force", "target/manifest.json")
    assert "git tracks target/manifest.json" in published.seeknal("parse", code=1).err
    assert published.read("target/manifest.json") == "mine\n"


@pytest.mark.parametrize("link", [".github", ".github/workflows", ".github/workflows/seeknal.yml"])
def test_a_workflow_is_not_written_through_a_link(shop: Repo, tmp_path: Path, link: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (shop.path / link).parent.mkdir(parents=True, exist_ok=True)
    (shop.path / link).symlink_to(outside / "seeknal.yml" if link.endswith("yml") else outside)
    shop.seeknal("init", "--ci", "github", code=None if link.endswith("yml") else 1)
    assert not list(outside.iterdir())


def test_a_new_project_writes_through_no_link_and_nothing_else_then(tmp_path: Path) -> None:
    place = Repo(tmp_path / "place")
    (place.path / "outside").mkdir(parents=True)
    folder = place.path / "shop"
    folder.mkdir()
    (folder / "seeknal").symlink_to("../outside")
    said = Repo(folder).seeknal("init", code=1).err
    assert "seeknal/ cannot be written: a link there leads elsewhere" in said
    assert not list((place.path / "outside").iterdir())
    assert not (folder / "seeknal_project.yml").exists()


def test_a_draft_is_not_applied_through_a_link(shop: Repo, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    shutil.rmtree(shop.path / "seeknal/rules")
    (shop.path / "seeknal/rules").symlink_to(outside)
    shop.write(
        "draft_rule_sound.yml",
        "kind: rule\nname: sound\ninputs: [source.orders]\nrule: {value: amount > 0}\n",
    )
    shop.seeknal("apply", "draft_rule_sound.yml", code=1)
    assert not list(outside.iterdir())


# Between the check and the write


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    (tmp_path / "project/exports").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "written").write_text("new")
    return Ground(tmp_path / "project")


def test_a_folder_that_becomes_a_link_after_the_check_is_not_followed(
    ground: Ground, tmp_path: Path
) -> None:
    def swapped(_: Path) -> files.Standing:
        (ground.top / "exports").rename(ground.top / "before")
        (ground.top / "exports").symlink_to(tmp_path / "outside")
        return "ours"

    (ground.top / "exports/x.csv").write_text("old")
    with pytest.raises(FileFault, match="a link there leads elsewhere"):
        put_in_place(ground, "exports/x.csv", tmp_path / "written", swapped, kept="kept.csv")
    assert not list((tmp_path / "outside").iterdir())


def test_a_folder_that_becomes_a_link_once_it_is_open_is_still_the_folder(
    ground: Ground, tmp_path: Path
) -> None:
    with opened_folder(ground.top, "exports") as folder:
        (ground.top / "exports").rename(ground.top / "before")
        (ground.top / "exports").symlink_to(tmp_path / "outside")
        files._write(folder, "x.csv", b"new", 0o666)
    assert (ground.top / "before/x.csv").read_text() == "new"
    assert not list((tmp_path / "outside").iterdir())


def test_a_disk_of_its_own_gets_a_copy(
    ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace, parts = os.replace, tmp_path / "parts"
    (parts / "a=1").mkdir(parents=True)
    (parts / "a=1/x.csv").write_text("new")

    def on_another_disk(source: Path | str, target: str, **folders: int) -> None:
        if "src_dir_fd" not in folders:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        replace(source, target, **folders)

    monkeypatch.setattr(os, "replace", on_another_disk)
    put_in_place(ground, "exports/x.csv", tmp_path / "written", kept="kept")
    put_in_place(ground, "exports/parts", parts, kept="kept")
    assert (ground.top / "exports/x.csv").read_text() == "new"
    assert (ground.top / "exports/parts/a=1/x.csv").read_text() == "new"
    assert sorted(each.name for each in (ground.top / "exports").iterdir()) == ["parts", "x.csv"]


def test_a_project_s_own_folder_may_not_be_a_link_below_the_data_root(
    ground: Ground, tmp_path: Path
) -> None:
    (ground.top / "shop").symlink_to(tmp_path / "outside")
    with pytest.raises(FileFault, match="shop/ cannot be written: a link"):
        refuse(Ground(ground.top, "shop/"), "x.csv")
    with pytest.raises(FileFault, match="shop/ cannot be written: a link"):
        write_below(ground.top, "shop/x.csv", b"new")


# For nobody else to read


def modes(folder: Path) -> Iterator[tuple[str, int]]:
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink() and "warehouse.duckdb" not in path.name:
            yield path.relative_to(folder).as_posix(), stat.S_IMODE(path.stat().st_mode)


def test_caches_and_plans_are_for_their_owner_alone(published: Repo) -> None:
    published.seeknal("plan", "dev")
    private = published.path / ".git/seeknal"
    assert (private / "cache/nodes.sqlite").exists()
    assert [name for name, mode in modes(private) if mode & 0o077] == []


def test_a_log_of_a_crash_is_for_its_owner_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from seeknal_git.report.crash import crash

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert crash(RuntimeError("a bug")) == 3
    assert [mode for _, mode in modes(next(tmp_path.iterdir()))] == [0o700, 0o600]


def test_a_lost_warehouse_delivers_again_over_the_same_lines_in_another_order(
    published: Repo,
) -> None:
    file = published.path / "exports/by_customer.csv"
    first, *others = file.read_text().splitlines(keepends=True)
    file.write_text("".join([*reversed(others), first]))
    published.warehouse.unlink()
    published.seeknal("run")
    assert sorted(file.read_text().splitlines(keepends=True)) == sorted([first, *others])
    file.write_text("somebody's\n")
    published.warehouse.unlink()
    assert "nothing of this project wrote it" in published.seeknal("run", code=1).err
