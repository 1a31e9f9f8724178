"""A warehouse is a stranger's file: whatever is in it runs nothing of its own, and reads nothing beside it."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from seeknal_git.warehouse.engine import engine_version
from tests.conftest import Repo

SECRET = "the secret outside"
COMMANDS = (
    "status", "plan", "log", "doctor", "env list", "env prune --yes", "gc --yes", "run", "promote", "rollback --yes",
    "query 'SELECT count(*) AS n FROM daily'", "dry-run seeknal/transforms/daily.yml",
)  # fmt: skip

# Each is done to a warehouse that is whole. `{outside}` is a file outside of the project.
READS = "(SELECT content FROM read_text('{outside}'))"
IN_OUR_SCHEMAS = {
    "a view that is called like a table of ours": (
        "ALTER TABLE _seeknal.runs RENAME TO real; CREATE VIEW _seeknal.runs AS "
        f"SELECT 0 AS rowid, * REPLACE ('failed' AS status, {READS} AS message) FROM _seeknal.real",
        "the view _seeknal.runs",
    ),
    "a view of publications": (
        "ALTER TABLE _seeknal.publications RENAME TO real; CREATE VIEW _seeknal.publications AS "
        f"SELECT * REPLACE ({READS} AS author) FROM _seeknal.real",
        "the view _seeknal.publications",
    ),
    "a view that is called like a snapshot": (
        f"CREATE VIEW _snapshots.mine AS SELECT {READS} AS content",
        "the view _snapshots.mine",
    ),
    "a generated column": (
        "ALTER TABLE _seeknal.runs RENAME TO real; CREATE TABLE _seeknal.runs (id VARCHAR, schema_name VARCHAR, "
        "command VARCHAR, started_at TIMESTAMP, ended_at TIMESTAMP, status VARCHAR, "
        "message VARCHAR GENERATED ALWAYS AS (version()))",
        "the table _seeknal.runs, which computes values",
    ),
    "a default": (
        "ALTER TABLE _seeknal.publications ALTER COLUMN merged SET DEFAULT (version())",
        "the table _seeknal.publications, which computes values",
    ),
    "a check": (
        "CREATE TABLE _snapshots.mine (i INTEGER CHECK (i > 0))",
        "the table _snapshots.mine, which computes values",
    ),
    "an index": ("CREATE INDEX mine ON _seeknal.runs (message)", "the table _seeknal.runs, which computes values"),
    "another type": (
        "ALTER TABLE _seeknal.publications ALTER COLUMN commit_id SET DATA TYPE STRUCT(x VARCHAR) USING {{'x': 'y'}}",
        "the table _seeknal.publications, which has no column commit_id of the right type",
    ),
    "a column that is gone": (
        "ALTER TABLE _seeknal.runs DROP COLUMN message",
        "the table _seeknal.runs, which has no column message of the right type",
    ),
    "a type": ("CREATE TYPE _seeknal.mine AS ENUM ('a')", "the type _seeknal.mine"),
    "a sequence": ("CREATE SEQUENCE _seeknal.mine", "the sequence _seeknal.mine"),
}
if engine_version().startswith("2"):
    IN_OUR_SCHEMAS["a trigger"] = (
        "CREATE TABLE main.mine (i INTEGER); CREATE TRIGGER mine AFTER INSERT ON _seeknal.runs FOR EACH STATEMENT "
        "INSERT INTO main.mine VALUES (1)",
        "the trigger _seeknal.mine",
    )


def said_by_all(repo: Repo, commands: Sequence[str] = COMMANDS) -> dict[str, str]:
    results = {command: repo.seeknal(*shlex.split(command), code=None) for command in commands}
    return {command: f"{each.out}{each.err}" for command, each in results.items()}


def outside(repo: Repo) -> str:
    file = repo.path.parent / "outside.txt"
    file.write_text(SECRET)
    return str(file)


@pytest.mark.parametrize(("made", "named"), IN_OUR_SCHEMAS.values(), ids=IN_OUR_SCHEMAS)
def test_only_tables_may_be_where_our_own_are(published: Repo, made: str, named: str) -> None:
    published.tamper(made.format(outside=outside(published)))
    for command, said in said_by_all(published, ("status", "log", "run", "gc --yes", "query 'FROM daily'")).items():
        assert f"holds something in Seeknal's own schemas that Seeknal did not make: {named}" in said, command
        assert SECRET not in said
        assert "Drop that, if the warehouse is yours" in said or command == "status"


def test_a_view_of_a_strangers_shows_no_file_to_any_command(published: Repo) -> None:
    made, _ = IN_OUR_SCHEMAS["a view that is called like a table of ours"]
    published.tamper(made.format(outside=outside(published)))
    for command, said in said_by_all(published).items():
        assert SECRET not in said, command
        assert "Traceback" not in said, command


MACROS = (
    "CREATE MACRO {schema}.coalesce(a, b) AS 'EVIL'; CREATE MACRO {schema}.max(a) AS 'EVIL'; "
    "CREATE MACRO {schema}.count(a) AS 9999; CREATE MACRO {schema}.arg_max(a, b) AS 'EVIL'; "
    "CREATE MACRO {schema}.upper(a) AS 'EVIL'; CREATE MACRO {schema}.regexp_extract(a, b, c) AS 'EVIL'; "
    "CREATE MACRO {schema}.sum(a) AS 9999; CREATE MACRO {schema}.greatest(a, b) AS NULL; "
    "CREATE MACRO {schema}.duckdb_tables() AS TABLE SELECT 1 AS x; "
    "CREATE MACRO {schema}.duckdb_views() AS TABLE SELECT 1 AS x; "
    "CREATE MACRO {schema}.unnest(a) AS 'EVIL'"
)


@pytest.mark.parametrize("schema", ["main", "dev"])
def test_a_macro_that_is_called_like_a_function_never_runs_in_a_query_of_ours(published: Repo, schema: str) -> None:
    published.tamper(f"CREATE SCHEMA IF NOT EXISTS {schema}")
    published.tamper(MACROS.format(schema=schema))
    for command, said in said_by_all(published).items():
        assert "EVIL" not in said, command
        assert "9999" not in said, command
        assert "error" not in said or command in ("rollback --yes", "query 'SELECT count(*) AS n FROM daily'"), said
    published.switch("dev", create=True)
    published.replace("seeknal/transforms/daily.yml", "sum(amount)", "max(amount)")
    published.commit()
    published.seeknal("run")
    assert published.numbers("SELECT system.main.max(total) FROM dev.daily") == [(40,)]


def test_a_macro_among_our_own_tables_is_refused_before_anything_is_written(published: Repo) -> None:
    published.tamper("CREATE MACRO _seeknal.mine() AS 1")
    assert "the macro _seeknal.mine" in published.seeknal("run", code=1).err


def test_a_view_of_the_users_reads_no_file_either(published: Repo) -> None:
    published.tamper(f"CREATE VIEW main.mine AS SELECT * FROM read_text('{outside(published)}')")
    said = published.seeknal("query", "FROM mine", code=None)
    assert SECRET not in said.out + said.err


FALSE_VALUES = {
    "a commit": ("publications SET commit_id = '--stdin'", ("status", "log", "plan", "env list", "rollback --yes")),
    "a commit that is no text of git's": ("publications SET commit_id = '../../x'", ("status", "plan", "promote")),
    "warnings": ("publications SET warnings = '{'", ("log", "run")),
    "a snapshot": ("publication_nodes SET snapshot_id = '../x'", ("status", "run")),
    "how a file was read": ("snapshots SET reading = '['", ("run",)),
    "an exposure": ("exposures SET definition = '[1]'", ("run", "gc --yes")),
}


@pytest.mark.parametrize(("change", "commands"), FALSE_VALUES.values(), ids=FALSE_VALUES)
def test_a_value_that_is_none_of_ours_is_one_message(published: Repo, change: str, commands: Sequence[str]) -> None:
    published.tamper(f"UPDATE _seeknal.{change}")
    for command, said in said_by_all(published, commands).items():
        assert "Traceback" not in said, command
        assert said.count("is none that Seeknal writes") <= 1, command
    assert any("is none that Seeknal writes" in said for said in said_by_all(published, commands).values())


# Where it is


def old_place(repo: Repo) -> Path:
    """The warehouse is where an earlier version had it."""
    old = repo.path / "target/warehouse.duckdb"
    old.parent.mkdir(exist_ok=True)
    return repo.warehouse.rename(old)


def place(repo: Repo) -> Path:
    return Path(repo.seeknal("warehouse", "path").out.removesuffix("\n"))


def test_neither_clean_nor_a_branch_nor_a_worktree_that_goes_destroys_production(published: Repo) -> None:
    before = published.production()
    published.git("clean", "-xfdq")
    linked = Repo(published.path.parent / "linked")
    published.git("worktree", "add", "--quiet", "-b", "hostile", str(linked.path))
    (linked.path / "target").mkdir()
    (linked.path / "target/warehouse.duckdb").write_text("a branch's file")
    linked.git("add", "--force", "target/warehouse.duckdb")
    linked.git("commit", "--quiet", "--message", "Track it")
    assert place(linked) == published.warehouse
    published.git("worktree", "remove", "--force", str(linked.path))
    published.switch("hostile")
    assert place(published) == published.warehouse
    published.seeknal("query", "FROM daily", "--env", "prod")
    published.switch("main")
    assert published.production() == before
    assert published.built() == []


def test_a_warehouse_at_its_old_place_is_used_until_it_is_moved(published: Repo) -> None:
    before, own = published.production(), published.warehouse
    old = old_place(published)
    assert place(published) == old
    assert published.built() == []
    assert "seeknal warehouse move" in published.seeknal("doctor", code=None).out
    said = published.seeknal("warehouse", "move").out
    assert f"Moved {old} to {own}" in " ".join(said.split())
    assert (place(published), old.exists()) == (own, False)
    assert published.production() == before
    assert "where it belongs" in published.seeknal("warehouse", "move").out


def test_two_warehouses_are_refused_and_a_move_that_was_killed_is_ended(published: Repo) -> None:
    old = published.path / "target/warehouse.duckdb"
    old.parent.mkdir(exist_ok=True)
    shutil.copyfile(published.warehouse, old)
    for command in ("run", "status", "query 'FROM daily'"):
        assert "There are two warehouses" in published.seeknal(*shlex.split(command), code=1).err
    published.seeknal("warehouse", "move")
    assert not old.exists()
    old.write_text("another file")
    assert "Neither was touched" in published.seeknal("warehouse", "move", code=1).err
    assert old.exists()


def test_a_warehouse_is_not_moved_away_from_somebody_who_has_it_open(published: Repo) -> None:
    own = published.warehouse
    with published.held():
        old = published.path / "target/warehouse.duckdb"
        old.parent.mkdir(exist_ok=True)
        own.rename(old)
        assert "is held by" in published.seeknal("warehouse", "move", code=1).err
        assert old.exists()


def test_a_line_in_the_project_file_is_removed_before_a_move(published: Repo) -> None:
    old, own = published.path / "target/warehouse.duckdb", published.warehouse
    old_place(published)
    published.write("seeknal_project.yml", "name: shop\nwarehouse: target/warehouse.duckdb\n")
    published.commit()
    assert place(published) == old
    assert "remove that line on main" in " ".join(published.seeknal("warehouse", "move", code=2).err.split())
    published.write("seeknal_project.yml", "name: shop\n")
    published.commit()
    published.seeknal("warehouse", "move")
    assert place(published) == own


def test_each_project_of_a_repository_has_a_place_of_its_own(shop: Repo) -> None:
    for name in ("one", "a%2Fb", "a/b"):
        shop.write(f"{name}/seeknal_project.yml", "name: shop\n")
    shop.commit()
    places = {place(Repo(shop.path / name)) for name in ("", "one", "a%2Fb", "a/b")}
    assert len(places) == 4
    assert all(each.is_relative_to(shop.path / ".git/seeknal") for each in places)


WRONG_PLACES = {
    "../other.duckdb": "leaves the project",
    "/tmp/other.duckdb": "leaves the project",
    "out/other.duckdb": "leaves the project",
    ".git/config": "has a hidden part",
    ".git/seeknal/cache.sqlite": "has a hidden part",
    "~/.ssh/authorized_keys2": "has a hidden part",
    "into_git/hooks/pre-commit": "has a hidden part",
    "data/orders.csv": "is tracked by git",
    "moved/orders.csv": "is tracked by git",
    "data": "is a folder",
}


@pytest.mark.parametrize(("path", "why"), WRONG_PLACES.items(), ids=WRONG_PLACES)
def test_a_warehouse_elsewhere_is_refused_by_every_command(published: Repo, path: str, why: str) -> None:
    for name, target in {"out": "..", "into_git": ".git", "moved": "data"}.items():
        (published.path / name).symlink_to(target)
    published.write("seeknal_project.yml", f"name: shop\nwarehouse: {path}\n")
    before = sorted(published.path.parent.rglob("*.duckdb*"))
    published.commit(hooks=False)
    for command in ("status", "run", "promote", "query 'FROM daily'", "gc --yes", "env list", "log", "rollback"):
        said = published.seeknal(*shlex.split(command), code=1)
        assert f"error: seeknal_project.yml: The warehouse {path} {why}" in " ".join(said.err.split()), command
    assert sorted(published.path.parent.rglob("*.duckdb*")) == before


# Whose it is


@pytest.fixture
def shared(published: Repo, monkeypatch: pytest.MonkeyPatch) -> Repo:
    """A clone that is published to a data root of its own, which others may name too."""
    monkeypatch.setenv("SEEKNAL_DATA_ROOT", str(published.path.parent / "shared data"))
    published.seeknal("run")
    return published


def test_two_projects_that_name_one_warehouse_are_not_merged(shared: Repo) -> None:
    other = Repo(shared.path.parent / "other")
    shutil.copytree(shared.path, other.path, ignore=shutil.ignore_patterns(".git"))
    other.git("init", "--quiet")
    other.commit("Another project")
    other.switch("dev", create=True)
    for command in ("run", "promote --force", "gc --yes", "rollback"):
        said = other.seeknal(*shlex.split(command), code=1).err
        assert "belongs to another project" in " ".join(said.split()), command
    shared.seeknal("run")


@pytest.mark.parametrize("options", [[], ["--depth=1", "--no-local"]], ids=["whole", "shallow"])
def test_clones_of_one_project_share_a_warehouse(shared: Repo, options: list[str]) -> None:
    for name in ("first", "second"):
        clone = Repo(shared.path.parent / name)
        shared.git("clone", "--quiet", *options, f"file://{shared.path}", str(clone.path))
        assert clone.built() == []
    shared.git("commit", "--quiet", "--amend", "--no-edit", "--date", "2001-01-01", "--message", "Another history")
    assert shared.built() == []


def test_nobody_else_reads_the_warehouse(published: Repo) -> None:
    modes = [each.stat().st_mode & 0o777 for each in (published.warehouse, published.warehouse.parent)]
    assert [f"{mode:o}" for mode in modes] == ["600", "700"]
