"""A warehouse is a stranger's file: whatever is in it runs nothing of its own, and reads nothing
beside it."""

from __future__ import annotations

import errno
import os
import shlex
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest

from seeknal_git.project.place import OLD
from seeknal_git.sql.engine_version import engine_version
from tests.conftest import Repo

SECRET = "the secret outside"
COMMANDS = (
    "status",
    "plan",
    "log",
    "doctor",
    "env list",
    "env prune --yes",
    "gc --yes",
    "run",
    "promote",
    "rollback --yes",
    "query 'SELECT count(*) AS n FROM daily'",
    "dry-run seeknal/transforms/daily.yml",
)

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
    "an index": (
        "CREATE INDEX mine ON _seeknal.runs (message)",
        "the table _seeknal.runs, which computes values",
    ),
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


FIRST = next(iter(IN_OUR_SCHEMAS.values()))[1]


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
    reading = ("log",) if named != FIRST else ("status", "log", "gc --yes", "query 'FROM daily'")
    for command, said in said_by_all(published, (*reading, "run")).items():
        assert (
            f"holds something in Seeknal's own schemas that Seeknal did not make: {named}" in said
        ), command
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
def test_a_macro_that_is_called_like_a_function_never_runs_in_a_query_of_ours(
    published: Repo, schema: str
) -> None:
    published.tamper(f"CREATE SCHEMA IF NOT EXISTS {schema}")
    published.tamper(MACROS.format(schema=schema))
    for command, said in said_by_all(published).items():
        assert "EVIL" not in said, command
        assert "9999" not in said, command
        assert "error" not in said or command in (
            "rollback --yes",
            "query 'SELECT count(*) AS n FROM daily'",
        ), said
    published.switch("dev", create=True)
    published.replace("seeknal/transforms/daily.yml", "sum(amount)", "max(amount)")
    published.commit()
    published.seeknal("run")
    assert published.numbers("SELECT system.main.max(total) FROM dev.daily") == [(40,)]


def test_a_macro_among_our_own_tables_is_refused_before_anything_is_written(
    published: Repo,
) -> None:
    published.tamper("CREATE MACRO _seeknal.mine() AS 1")
    assert "the macro _seeknal.mine" in published.seeknal("run", code=1).err


def test_a_view_of_the_users_reads_no_file_either(published: Repo) -> None:
    published.tamper(f"CREATE VIEW main.mine AS SELECT * FROM read_text('{outside(published)}')")
    said = published.seeknal("query", "FROM mine", code=None)
    assert SECRET not in said.out + said.err


FALSE_VALUES = {
    "a commit": (
        "publications SET commit_id = '--stdin'",
        ("status", "log", "plan", "env list", "rollback --yes"),
    ),
    "a commit that is no text of git's": (
        "publications SET commit_id = '../../x'",
        ("status", "plan", "promote"),
    ),
    "warnings": ("publications SET warnings = '{'", ("log", "run")),
    "a snapshot": ("publication_nodes SET snapshot_id = '../x'", ("status", "run")),
    "how a file was read": ("snapshots SET reading = '['", ("run",)),
    "an exposure": ("exposures SET definition = '[1]'", ("run", "gc --yes")),
}


@pytest.mark.parametrize(("change", "commands"), FALSE_VALUES.values(), ids=FALSE_VALUES)
def test_a_value_that_is_none_of_ours_is_one_message(
    published: Repo, change: str, commands: Sequence[str]
) -> None:
    published.tamper(f"UPDATE _seeknal.{change}")
    for command, said in said_by_all(published, commands).items():
        assert "Traceback" not in said, command
        assert said.count("is none that Seeknal writes") <= 1, command
    assert any(
        "is none that Seeknal writes" in said for said in said_by_all(published, commands).values()
    )


NOT_WHOLE = (
    "environments SET branch = NULL",
    "environments SET used_at = NULL",
    "environments SET used_at = TIMESTAMP '0044-03-15 (BC) 00:00:00'",
    "environments SET used_at = 'infinity'",
    "exposures SET path = NULL",
    "publications SET author = NULL",
    "publications SET published_at = '-infinity'",
    "publication_nodes SET table_name = NULL",
    "publication_nodes SET view_name = NULL",
    "snapshots SET id = NULL",
    "snapshots SET row_count = NULL",
    "runs SET status = NULL",
    "runs SET started_at = NULL",
)


@pytest.mark.parametrize("change", NOT_WHOLE)
def test_a_row_of_the_state_that_is_not_whole_is_one_message(published: Repo, change: str) -> None:
    table = change.partition(" ")[0]
    if table == "exposures":
        published.tamper(
            "INSERT INTO _seeknal.exposures (schema_name, node) VALUES ('main', 'exposure.x')"
        )
    published.tamper(f"UPDATE _seeknal.{change}")
    said = published.seeknal("log", code=1).err
    assert f"a value is missing in _seeknal.{table}, or none that Seeknal writes" in said
    if change == NOT_WHOLE[0]:
        assert said.splitlines()[0] in published.seeknal("env", "list", code=1).err
        assert said.splitlines()[0] in published.seeknal("run", code=1).err


def as_a_link(file: Path) -> None:
    file.symlink_to(file.rename(file.with_name("elsewhere")))


def as_a_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


@pytest.mark.parametrize(("made", "what"), [(as_a_link, "is a link"), (as_a_pipe, "is no file")])
def test_a_warehouse_that_is_no_file_is_refused_at_once(
    published: Repo, made: Callable[[Path], None], what: str
) -> None:
    made(published.warehouse)
    for command in ("run", "query 'FROM daily'", "gc --yes"):
        assert what in published.seeknal(*shlex.split(command), code=1).err, command


# Where it is


def old_place(repo: Repo) -> Path:
    """The warehouse is where an earlier version had it."""
    old = repo.path / "target/warehouse.duckdb"
    old.parent.mkdir(exist_ok=True)
    return repo.warehouse.rename(old)


def place(repo: Repo) -> Path:
    return Path(repo.seeknal("warehouse", "path").out.removesuffix("\n"))


def test_neither_clean_nor_a_branch_nor_a_worktree_that_goes_destroys_production(
    published: Repo,
) -> None:
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
    old.chmod(0o644)  # as an older version made it
    assert place(published) == old
    assert published.built() == []
    assert "seeknal warehouse move" in published.seeknal("doctor", code=None).out
    said = published.seeknal("warehouse", "move").out
    assert f"Moved {old} to {own}" in " ".join(said.split())
    assert (place(published), old.exists(), f"{own.stat().st_mode & 0o777:o}") == (
        own,
        False,
        "600",
    )
    assert published.production() == before
    assert "where it belongs" in published.seeknal("warehouse", "move").out


def test_a_warehouse_of_an_earlier_version_behind_a_tracked_link_is_named(published: Repo) -> None:
    disk = published.path.parent / "disk"
    shutil.rmtree(published.path / "target", ignore_errors=True)
    disk.mkdir()
    (published.path / "target").symlink_to(disk)
    published.git("add", "--force", "target")
    published.warehouse.rename(disk / "warehouse.duckdb")
    move = f"mv {disk}/warehouse.duckdb {published.warehouse}"
    published.git("rm", "--cached", "target")
    assert move in published.seeknal("status", code=1).err
    published.git("add", "--force", "target")
    said = published.seeknal("doctor", code=1)
    assert (
        "target/warehouse.duckdb is not used: git tracks it, or a link there" in said.out + said.err
    )
    assert move in said.out + said.err


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
    assert "remove that line on main" in " ".join(
        published.seeknal("warehouse", "move", code=2).err.split()
    )
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
    ".git/seeknal/cache/nodes.sqlite": "has a hidden part",
    "~/.ssh/authorized_keys2": "has a hidden part",
    "into_git/hooks/pre-commit": "has a hidden part",
    "data/orders.csv": "is tracked by git",
    "moved/orders.csv": "is tracked by git",
    "data": "is a folder",
}


@pytest.mark.parametrize(("path", "why"), WRONG_PLACES.items(), ids=WRONG_PLACES)
def test_a_warehouse_elsewhere_is_refused_by_every_command(
    published: Repo, path: str, why: str
) -> None:
    for name, target in {"out": "..", "into_git": ".git", "moved": "data"}.items():
        (published.path / name).symlink_to(target)
    published.write("seeknal_project.yml", f"name: shop\nwarehouse: {path}\n")
    before = sorted(published.path.parent.rglob("*.duckdb*"))
    published.commit(hooks=False)
    for command in (
        "status",
        "run",
        "promote",
        "query 'FROM daily'",
        "gc --yes",
        "env list",
        "log",
        "rollback",
    ):
        said = published.seeknal(*shlex.split(command), code=1)
        assert f"error: seeknal_project.yml: The warehouse {path} {why}" in " ".join(
            said.err.split()
        ), command
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


def test_what_only_reads_reads_no_other_projects_warehouse(shared: Repo) -> None:
    other = Repo(shared.path.parent / "other")
    shutil.copytree(shared.path, other.path, ignore=shutil.ignore_patterns(".git"))
    other.git("init", "--quiet")
    other.commit("Another project")
    for command in (
        "query 'FROM daily'",
        "log",
        "env list",
        "gc",
        "rollback --dry-run",
        "run --dry-run",
        "status --at 1",
    ):
        said = other.seeknal(*shlex.split(command), code=1).err
        assert "belongs to another project" in " ".join(said.split()), command
    assert "belongs to another project" in " ".join(other.seeknal("status").out.split())
    assert "belongs to another project" in " ".join(other.seeknal("doctor", code=None).out.split())


def test_a_plan_says_that_it_did_not_read_a_strangers_warehouse(published: Repo) -> None:
    published.replace(DAILY, "sum(amount)", "max(amount)")
    assert published.seeknal("plan", "--json").json["unread"] is None
    published.tamper("CREATE SEQUENCE _seeknal.mine")
    for command in ("plan", "plan --markdown"):
        said = " ".join(published.seeknal(*shlex.split(command)).out.split())
        assert "The warehouse was not read" in said
        assert "the sequence " in said
    plan = published.seeknal("plan", "--json").json
    assert "the sequence _seeknal.mine" in plan["unread"]
    assert (plan["built"], plan["missing"], plan["failing"]) == (None, None, None)
    published.git("checkout", "--quiet", ".")
    assert "No changes. The warehouse was not read" in " ".join(
        published.seeknal("plan").out.split()
    )
    (published.path / "data/orders.csv").unlink()
    assert "The warehouse was not read" in " ".join(
        published.seeknal("plan", code=None).out.split()
    )


@pytest.mark.parametrize("options", [[], ["--depth=1", "--no-local"]], ids=["whole", "shallow"])
def test_clones_of_one_project_share_a_warehouse(shared: Repo, options: list[str]) -> None:
    for name in ("first", "second"):
        clone = Repo(shared.path.parent / name)
        shared.git("clone", "--quiet", *options, f"file://{shared.path}", str(clone.path))
        assert clone.built() == []
    shared.git(
        "commit",
        "--quiet",
        "--amend",
        "--no-edit",
        "--date",
        "2001-01-01",
        "--message",
        "Another history",
    )
    assert shared.built() == []


def test_nobody_else_reads_the_warehouse(published: Repo) -> None:
    modes = [
        each.stat().st_mode & 0o777 for each in (published.warehouse, published.warehouse.parent)
    ]
    assert [f"{mode:o}" for mode in modes] == ["600", "700"]


def test_a_write_closes_a_folder_of_ours_that_an_older_version_left_open(published: Repo) -> None:
    published.warehouse.chmod(0o644)
    published.warehouse.parent.chmod(0o755)
    published.seeknal("run")
    test_nobody_else_reads_the_warehouse(published)


def test_doctor_names_a_warehouse_elsewhere_that_others_may_read(published: Repo) -> None:
    old = old_place(published)
    old.chmod(0o644)
    published.seeknal("run")
    said = " ".join(published.seeknal("doctor", code=None).out.split())
    assert "Others may read the warehouse" in said
    assert "chmod 600" in said
    assert old.stat().st_mode & 0o777 == 0o644, "the folder is not ours"
    old.chmod(0o600)
    assert "Others may read" not in published.seeknal("doctor", code=None).out


# Another file system


@pytest.fixture
def far(published: Repo, monkeypatch: pytest.MonkeyPatch) -> Repo:
    """The warehouse is at its old place, and nothing is renamed from there."""
    old, rename = old_place(published), os.rename

    def renamed(source: Path, target: Path) -> None:
        if Path(source) == old:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        rename(source, target)

    monkeypatch.setattr(os, "rename", renamed)
    return published


def test_a_move_to_another_file_system_copies_whole_and_then_deletes(far: Repo) -> None:
    old = far.path / OLD
    with duckdb.connect(str(old), read_only=True) as connection:
        before = connection.execute("FROM main.daily ORDER BY ALL").fetchall()
    half = far.warehouse.with_name(".warehouse.duckdb.moving.partial")
    half.write_text("half of a copy, by a move that was killed")
    assert place(far) == old, "nobody takes half of a copy for the warehouse"
    far.seeknal("warehouse", "move")
    assert (place(far), old.exists(), half.exists()) == (far.warehouse, False, False)
    assert far.numbers("FROM main.daily ORDER BY ALL") == before
    assert far.warehouse.stat().st_mode & 0o777 == 0o600
    assert far.built() == []


def test_a_move_that_is_killed_in_its_copy_has_lost_nothing(
    far: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = far.path / OLD
    before = old.read_bytes()
    with monkeypatch.context() as killed:

        def copies_half(command: list[str], **_: object) -> None:
            Path(command[-1]).write_bytes(before[:1000])
            raise KeyboardInterrupt

        killed.setattr("seeknal_git.commands.warehouse.subprocess.run", copies_half)
        far.seeknal("warehouse", "move", code=None)
    assert (old.read_bytes(), far.warehouse.exists()) == (before, False)
    with monkeypatch.context() as killed:  # the copy is there, and the file that it was made of too
        killed.setattr(Path, "unlink", lambda *_, **__: None)
        far.seeknal("warehouse", "move")
    assert far.warehouse.read_bytes() == old.read_bytes()
    far.seeknal("warehouse", "move")
    assert (far.warehouse.read_bytes(), old.exists()) == (before, False)


# Names without regard to case


@pytest.mark.parametrize("tracked", ["DATA/Shop.duckdb", "data/shop.duckdb.WAL", "Data"])
def test_a_path_that_git_tracks_in_other_letters_is_no_place_for_a_warehouse(
    published: Repo, tracked: str
) -> None:
    published.write("seeknal_project.yml", "name: shop\nwarehouse: data/shop.duckdb\n")
    for path in (*published.path.glob("data/*"), *published.path.glob("seeknal/sources/*")):
        path.unlink()
    (published.path / "data").rmdir()
    published.write(tracked, "a branch's file")
    published.commit(hooks=False)
    said = " ".join(published.seeknal("run", code=1).err.split())
    assert "The warehouse data/shop.duckdb is tracked by git" in said


def test_a_branch_that_tracks_the_old_place_in_other_letters_hides_no_warehouse(
    published: Repo,
) -> None:
    old = old_place(published)
    published.write("TARGET/warehouse.duckdb", "a branch's file")
    published.git("add", "--force", "TARGET")
    assert "is tracked by git" in " ".join(published.seeknal("run", code=1).err.split())
    assert not published.warehouse.exists()
    published.git("rm", "--quiet", "--force", "TARGET/warehouse.duckdb")
    assert place(published) == old


# Views and tables that somebody made among an environment's own

REPLACED = {
    "another snapshot": "CREATE OR REPLACE VIEW main.daily AS SELECT * FROM _snapshots.{other}",
    "a filter": "CREATE OR REPLACE VIEW main.daily AS SELECT * FROM _snapshots.{same} WHERE false",
    "an alias": "CREATE OR REPLACE VIEW main.daily AS SELECT * FROM _snapshots.{same} AS d",
    "a list of columns": "CREATE OR REPLACE VIEW main.daily (a, b) AS SELECT * FROM _snapshots.{same}",
    "another case": "DROP VIEW main.daily; CREATE VIEW main.DAILY AS SELECT * FROM _snapshots.{other}",
    "a table": "DROP VIEW main.daily; CREATE TABLE main.daily AS SELECT * FROM _snapshots.{same}",
    "a view that reads ours": "CREATE VIEW main.mine AS FROM main.daily; CREATE OR REPLACE VIEW main.daily AS "
    "SELECT 1 AS total",
}
DAILY = "seeknal/transforms/daily.yml"


def replaced(repo: Repo, statements: str) -> list[tuple[Any, ...]]:
    """Somebody replaces a view of ours; returns all that is in production's schema then."""
    same, other = (
        repo.numbers(f"SELECT table_name FROM _seeknal.snapshots WHERE node = '{node}'")[0][0]
        for node in ("transform.daily", "source.orders")
    )
    repo.tamper(statements.format(same=same, other=other))
    return made_in(repo, "main")


def made_in(repo: Repo, schema: str) -> list[tuple[Any, ...]]:
    return repo.numbers(
        f"SELECT view_name, sql FROM duckdb_views() WHERE schema_name = '{schema}' AND NOT internal UNION ALL "
        f"SELECT table_name, sql FROM duckdb_tables() WHERE schema_name = '{schema}' ORDER BY ALL"
    )


@pytest.mark.parametrize("statements", REPLACED.values(), ids=REPLACED)
def test_a_view_that_somebody_replaced_is_never_restored_nor_dropped(
    published: Repo, statements: str
) -> None:
    before = replaced(published, statements)
    published.replace(DAILY, "sum(amount)", "max(amount)")
    published.write(
        "seeknal/transforms/weekly.yml", "kind: transform\nname: weekly\ntransform: SELECT 1 AS n\n"
    )
    published.commit()
    said = " ".join(published.seeknal("run", code=1).err.split())
    assert "Something else is in a view's place: the " in said
    assert '"main"."daily" rename to' in said.lower()
    assert made_in(published, "main") == before, "nothing else was re-pointed either"
    assert "Something else is in a view's place" in published.seeknal("doctor", code=None).out
    published.git("rm", "--quiet", DAILY)
    published.commit("No days")
    assert "kept: main.daily (yours)" in published.seeknal("promote").out.lower()
    assert [each for each in before if each[0].lower() == "daily"] == [
        each for each in made_in(published, "main") if each[0].lower() == "daily"
    ]


def test_every_object_in_the_way_is_named_at_once(published: Repo) -> None:
    names = [f"n{number}" for number in range(5)]
    for name in names:
        published.write(
            f"seeknal/{name}.yml", f"kind: transform\nname: {name}\ntransform: SELECT 1 AS n\n"
        )
        published.tamper(f"CREATE VIEW main.{name} AS SELECT 42 AS n")
    published.commit()
    said = published.seeknal("run", code=1).err
    assert all(f"the view main.{name}" in " ".join(said.split()) for name in names)


def test_an_environments_schema_in_other_letters_holds_views_of_somebodys_too(
    published: Repo,
) -> None:
    published.tamper("CREATE SCHEMA DEV; CREATE VIEW DEV.daily AS SELECT 42 AS mine")
    published.switch("dev", create=True)
    assert "the view dev.daily" in published.seeknal("run", code=1).err
    assert published.numbers("FROM dev.daily") == [(42,)]


def test_what_somebody_made_in_an_environment_outlives_it_and_is_named(published: Repo) -> None:
    published.switch("dev", create=True)
    published.seeknal("run")
    published.tamper(
        "CREATE TABLE dev.mine AS SELECT 42 AS n; "
        "CREATE OR REPLACE VIEW dev.daily AS SELECT * FROM main.daily; CREATE VIEW main.weekly AS SELECT 7 AS n"
    )
    for command in ("gc", "env prune"):
        kept = published.seeknal(*shlex.split(command), "--json").json["kept"]["yours"]
        assert kept == ["main.weekly", "dev.daily", "dev.mine"]
        assert "view main.weekly" in published.seeknal(*shlex.split(command), "--yes").out
    said = published.seeknal("env", "delete", "dev").out
    assert "kept: dev.daily (yours)" in said
    assert "kept: dev.mine (yours)" in said
    assert [name for name, _ in made_in(published, "dev")] == ["daily", "mine"]
    assert published.numbers("FROM dev.mine") == [(42,)]


def test_a_rollback_and_a_run_say_that_they_leave_what_somebody_made(published: Repo) -> None:
    published.write(
        "seeknal/transforms/weekly.yml", "kind: transform\nname: weekly\ntransform: SELECT 1 AS n\n"
    )
    published.commit()
    published.seeknal("run")
    published.tamper("CREATE OR REPLACE VIEW main.weekly AS SELECT 42 AS n")
    assert published.seeknal("rollback", "--json").json["yours"] == ["main.weekly"]
    assert published.numbers("FROM main.weekly") == [(42,)]


def test_a_view_of_ours_is_read_under_any_name_of_the_file(published: Repo) -> None:
    """As other clients name the catalog."""
    other = published.path / "target/shop.duckdb"
    other.parent.mkdir(exist_ok=True)
    shutil.copyfile(published.warehouse, other)
    with duckdb.connect(str(other), read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM main.daily").fetchall() != [(0,)]


@pytest.mark.parametrize("catalog", ["", "warehouse."])
def test_a_view_of_an_earlier_version_is_still_ours(published: Repo, catalog: str) -> None:
    """An earlier version named the table from within the file; another one by the file's own
    name."""
    table = published.numbers(
        "SELECT table_name FROM _seeknal.snapshots WHERE node = 'transform.daily'"
    )[0][0]
    published.tamper(
        f"CREATE OR REPLACE VIEW main.daily AS SELECT * FROM {catalog}_snapshots.{table}"
    )
    published.replace(DAILY, "sum(amount)", "max(amount)")
    published.commit()
    published.seeknal("run")
    assert published.production() == published.fresh_build()
