"""A lake as the warehouse: the journey, other readers, and two machines at once."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from types import ModuleType

import pytest

from seeknal_git.build import holding, in_lake, publish
from seeknal_git.build.work import Work
from seeknal_git.warehouse import lake_past
from seeknal_git.warehouse.deadline import NO_WAIT, Deadline
from seeknal_git.warehouse.ducklake import DuckLake
from seeknal_git.warehouse.lake_catalog import LakeCatalog
from seeknal_git.warehouse.lease import leased
from seeknal_git.warehouse.location import Lake
from seeknal_git.warehouse.protocol import Warehouse
from seeknal_git.warehouse.snapshots import SnapshotTables
from tests.conftest import Repo
from tests.lake.conftest import LakeRepo
from tests.servers import Postgres

DAILY = "SELECT day, total FROM daily ORDER BY day"
DOUBLED = "sum(amount) * 2 AS total"


def answer(repo: Repo, *options: str) -> list[float]:
    rows = repo.seeknal("query", DAILY, "--json", *options).json
    return [row["total"] for row in rows]


def test_a_branch_is_an_environment_and_a_merge_a_release(lake: LakeRepo) -> None:
    lake.seeknal("run")
    assert answer(lake) == [30, 70]
    lake.git("switch", "--quiet", "-c", "double")
    lake.replace("seeknal/transforms/daily.yml", "sum(amount) AS total", DOUBLED)
    lake.commit("Double")
    plan = lake.seeknal("plan", "--json").json
    assert [change["node"] for change in plan["changes"]] == ["transform.daily"]
    lake.seeknal("run")
    assert answer(lake) == [60, 140]
    assert answer(lake, "--env", "prod") == [30, 70]
    lake.git("switch", "--quiet", "main")
    lake.git("merge", "--quiet", "double")
    promoted = lake.seeknal("promote", "--json").json
    assert promoted["built"] == {}, "everything was built on the branch"
    assert answer(lake) == [60, 140]
    assert answer(lake, "--at", "1") == [30, 70]
    lake.seeknal("rollback")
    assert answer(lake) == [30, 70]


def test_anybody_reads_it_under_any_name(lake: LakeRepo) -> None:
    lake.seeknal("run")
    assert lake.ask("SELECT sum(total) FROM main.daily", "theirs") == [(100,)]
    assert lake.ask("SELECT sum(total) FROM main.daily", "others") == [(100,)]


def test_a_publication_is_one_snapshot_of_the_lake_with_its_commit(
    lake: LakeRepo, postgres: Postgres
) -> None:
    lake.seeknal("run")
    said = postgres.execute(
        "SELECT commit_extra_info FROM ducklake_snapshot_changes WHERE author IS NOT NULL",
        lake.catalog.removeprefix("postgres:"),
    )
    (line,) = said.splitlines()
    assert json.loads(line) == {"commit": lake.head, "branch": "main", "publication": 1}


def test_rows_lie_in_a_bucket_and_secrets_with_each_person(bucket: LakeRepo) -> None:
    bucket.seeknal("run")
    assert answer(bucket) == [30, 70]
    assert bucket.ask("SELECT sum(total) FROM main.daily") == [(100,)]
    told = bucket.seeknal("status").out
    assert "secret" not in told.lower()


def test_gc_forgets_the_past_of_the_lake_and_deletes_its_files(
    lake: LakeRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = lake.path / "target/lake"
    lake.seeknal("gc")  # before there is a lake
    lake.seeknal("run")
    lake.git("switch", "--quiet", "-c", "dev")
    many = "kind: transform\nname: many\ntransform: SELECT range AS n FROM range(100)\n"
    lake.write("seeknal/transforms/many.yml", many)  # too many rows to lie in the catalog
    lake.seeknal("run")
    lake.git("clean", "--quiet", "--force", "seeknal")
    lake.git("switch", "--quiet", "main")
    lake.seeknal("env", "delete", "dev")
    assert not list((files / "_seeknal").glob("**/*.parquet")), "rows of the state"
    told = lake.seeknal("gc", "--yes").out
    assert "lake" not in told, "a reader may still need all that"
    before = set(files.glob("**/*.parquet"))
    monkeypatch.setattr(lake_past, "LONGEST_READER", "INTERVAL 0 SECOND")
    assert "lake snapshots, 0 files that none" in lake.seeknal("gc").out
    assert set(files.glob("**/*.parquet")) == before
    told = lake.seeknal("gc", "--yes").out
    assert "1 file that none of them names" in told
    assert len(before - set(files.glob("**/*.parquet"))) == 1
    assert lake.ask("SELECT count(*) FROM ducklake_snapshots('mine')") == [(1,)]
    assert "nothing to delete" in lake.seeknal("gc").out
    assert answer(lake) == [30, 70]


def test_gc_drops_tables_that_nobody_needs(lake: LakeRepo) -> None:
    lake.seeknal("run")
    lake.git("switch", "--quiet", "-c", "gone")
    lake.replace("seeknal/transforms/daily.yml", "sum(amount) AS total", DOUBLED)
    lake.commit("Double")
    lake.seeknal("run")
    lake.git("switch", "--quiet", "main")
    lake.seeknal("env", "delete", "gone")
    found = lake.seeknal("gc", "--json").json["snapshots"]
    assert [entry["node"] for entry in found] == ["transform.daily"]
    lake.seeknal("gc", "--yes")
    assert lake.seeknal("gc", "--json").json["snapshots"] == []
    assert answer(lake) == [30, 70]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("{type: lake}", "`warehouse.type` is ducklake, not 'lake'"),
        ("{type: ducklake, catalog: x.db}", "`warehouse` needs `data`"),
        ("{type: ducklake, catalog: x.db, dta: y}", "Did you mean `data`?"),
        ("{type: ducklake, catalog: x.db, data: y, schema: s}", "is of a catalog in PostgreSQL"),
        ('{type: ducklake, catalog: "${NOBODY}", data: y}', "The variable NOBODY is not set"),
        ('{type: ducklake, catalog: "mysql:x", data: y}', "`warehouse.catalog` is"),
        ('{type: ducklake, catalog: x.db, data: "ftp://x"}', "`warehouse.data` is a folder"),
    ],
)
def test_a_mistake_in_the_setting_is_told_with_its_line(
    repo: Repo, setting: str, message: str
) -> None:
    repo.write("seeknal_project.yml", f"name: empty\nwarehouse: {setting}\n")
    repo.commit("A lake")
    told = repo.seeknal("status", code=None)
    assert told.code, told.out
    assert message in told.err, told.err


def test_rows_that_git_tracks_are_told(repo: Repo) -> None:
    repo.write(
        "seeknal_project.yml",
        "name: empty\nwarehouse: {type: ducklake, catalog: sqlite:mine/c.sqlite, data: mine/rows}\n",
    )
    repo.write("mine/rows/main/a.parquet", "")
    repo.commit("A lake")
    told = repo.seeknal("validate", code=None)
    assert "git tracks mine/rows/main/a.parquet" in told.out + told.err


def test_a_server_that_is_down_is_told_without_a_password(repo: Repo) -> None:
    repo.write(
        "seeknal_project.yml",
        "name: empty\nwarehouse: {type: ducklake, data: target/lake, "
        'catalog: "postgres:dbname=x host=127.0.0.1 port=1 password=geheim"}\n',
    )
    repo.commit("A lake")
    told = repo.seeknal("run", code=1)
    assert "cannot be reached" in told.err or "duckdb-extension-ducklake" in told.err
    assert "geheim" not in told.out + told.err


@contextmanager
def somebody_runs(lake: LakeRepo, patch: pytest.MonkeyPatch, where: ModuleType) -> Iterator[None]:
    """Somebody else runs once, while a run of this process looks at places for its views."""
    lake.seeknal("run")
    lake.replace("seeknal/transforms/daily.yml", "sum(amount) AS total", DOUBLED)
    lake.commit("Double")
    look, said = where.need_places, list[str]()

    def look_while_somebody_runs(warehouse: Warehouse, work: Work) -> None:
        look(warehouse, work)
        if not said:
            said.append(lake.seeknal("run", subprocess=True).out)

    with patch.context() as context:
        context.setattr(where, "need_places", look_while_somebody_runs)
        yield
    assert said
    assert answer(lake) == [60, 140]
    assert len(lake.ask("FROM _seeknal.snapshots WHERE node = 'transform.daily'")) == 2
    publications = [row["id"] for row in lake.seeknal("log", "--json").json["publications"]]
    assert publications == [2, 1]


def test_a_run_uses_tables_and_a_release_of_another_one(
    lake: LakeRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    with somebody_runs(lake, monkeypatch, in_lake):
        lake.seeknal("run")


def test_a_publication_between_two_looks_is_not_somebody_s_view(
    lake: LakeRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.seeknal("run")
    lake.replace("seeknal/transforms/daily.yml", "sum(amount) AS total", DOUBLED)
    lake.commit("Double")
    views, said = LakeCatalog.views, list[str]()

    def views_after_somebody_ran(catalog: LakeCatalog, schema: str) -> dict[str, str]:
        if not said:
            said.append(lake.seeknal("run", subprocess=True).out)
        return views(catalog, schema)

    monkeypatch.setattr(LakeCatalog, "views", views_after_somebody_ran)
    lake.seeknal("run")
    assert said
    assert answer(lake) == [60, 140]


def test_a_run_that_loses_its_lease_publishes_over_nobody_s_release(
    lake: LakeRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DuckLake, "lease", lambda *arguments: nullcontext())
    with somebody_runs(lake, monkeypatch, publish):
        told = lake.seeknal("run", code=1)
        assert "Somebody else published main in the meantime" in told.err
    lake.seeknal("run")


def test_no_answer_depends_on_the_statistics_of_the_state(
    lake: LakeRepo, postgres: Postgres
) -> None:
    """Of two who append rows at once, the lake may keep those of one."""
    lake.seeknal("run")
    lake.git("switch", "--quiet", "-c", "dev")
    lake.replace("seeknal/transforms/daily.yml", "sum(amount) AS total", DOUBLED)
    lake.commit("Double")
    lake.seeknal("run")
    state = (
        "SELECT table_id FROM ducklake_table JOIN ducklake_schema USING (schema_id) "
        "WHERE schema_name = '_seeknal'"
    )
    for type_, value in (("varchar", "~"), ("int64", "-1")):
        postgres.execute(
            f"UPDATE ducklake_table_column_stats s SET min_value = '{value}', max_value = '{value}' "
            f"FROM ducklake_column c WHERE c.column_id = s.column_id AND c.table_id = s.table_id "
            f"AND c.column_type = '{type_}' AND s.table_id IN ({state})",
            lake.catalog.removeprefix("postgres:"),
        )
    assert lake.built() == []
    lake.git("switch", "--quiet", "main")
    assert lake.built() == []
    lake.git("merge", "--quiet", "dev")
    assert lake.seeknal("promote", "--json").json["built"] == {}
    assert answer(lake) == [60, 140]
    assert [row["id"] for row in lake.seeknal("log", "--json").json["publications"]] == [2, 1]


def test_who_publishes_waits_for_the_lease_of_that_environment_alone(
    lake: LakeRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.seeknal("run")
    lake.git("switch", "--quiet", "-c", "dev")
    lake.replace("seeknal/transforms/daily.yml", "sum(amount) AS total", DOUBLED)
    lake.commit("Double")
    place = Lake(lake.catalog, "")
    with leased(place, "main", NO_WAIT):
        lake.seeknal("run")  # of the branch
        lake.git("switch", "--quiet", "main")
        lake.git("merge", "--quiet", "dev")
        with monkeypatch.context() as context:
            context.setattr(holding, "_LEASE_SECONDS", 0.5)
            told = lake.seeknal("promote", code=1)
            assert "Somebody else is publishing main" in told.err
        assert answer(lake) == [30, 70]
        waiting = subprocess.Popen(lake.command("promote"), cwd=lake.path)
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(6)
    assert waiting.wait(60) == 0
    assert answer(lake) == [60, 140]


def test_the_server_gives_up_the_lease_of_a_process_that_is_killed(lake: LakeRepo) -> None:
    lake.seeknal("run")
    code = (
        "import sys, time; from seeknal_git.warehouse.lease import leased; "
        "from seeknal_git.warehouse.location import Lake; "
        "from seeknal_git.warehouse.deadline import NO_WAIT\n"
        "with leased(Lake(sys.argv[1], ''), 'main', NO_WAIT): print('mine', flush=True); time.sleep(99)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, lake.catalog], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "mine\n"
        holder.kill()
    with leased(Lake(lake.catalog, ""), "main", Deadline.after(10)):
        pass


def test_gc_drops_nothing_that_is_published_meanwhile(
    lake: LakeRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.seeknal("run")
    lake.git("switch", "--quiet", "-c", "back")
    lake.replace("seeknal/transforms/daily.yml", "sum(amount) AS total", DOUBLED)
    lake.commit("Double")
    lake.seeknal("run")
    lake.git("switch", "--quiet", "main")
    lake.seeknal("env", "delete", "back")
    drop = SnapshotTables.drop

    def drop_while_somebody_runs(tables: SnapshotTables, names: Sequence[str]) -> None:
        assert names, "nobody needs the table any more"
        lake.seeknal("run", "--env", "back", subprocess=True)
        drop(tables, names)

    monkeypatch.setattr(SnapshotTables, "drop", drop_while_somebody_runs)
    assert "in the meantime" in lake.seeknal("gc", "--yes", code=1).err
    assert answer(lake, "--env", "back") == [60, 140]


def test_a_lake_of_another_format_is_refused(lake: LakeRepo) -> None:
    lake.seeknal("run")
    lake.replace("seeknal_project.yml", "type: ducklake", 'type: ducklake, format: "9.9"')
    lake.commit("Another format")
    assert "`warehouse.format` says 9.9" in lake.seeknal("run", code=1).err


def test_a_sum_that_the_lake_would_round_is_refused(lake: LakeRepo) -> None:
    large = "kind: transform\nname: large\ntransform: SELECT sum(i) AS n FROM (VALUES (%s)) v(i)\n"
    lake.write("seeknal/transforms/large.yml", large % (2**53 - 1))
    lake.seeknal("run")
    assert lake.ask("SELECT n FROM main.large") == [(2**53 - 1,)]
    lake.write("seeknal/transforms/large.yml", large % (2**53 + 1))
    told = lake.seeknal("run", code=1)
    assert "n has whole numbers beyond" in told.out + told.err
    assert "CAST(… AS DECIMAL(38, 0)) AS n" in " ".join((told.out + told.err).split())
    assert lake.ask("SELECT n FROM main.large") == [(2**53 - 1,)]


def test_two_machines_that_build_at_once_lose_nothing(lake: LakeRepo) -> None:
    lake.seeknal("run")
    for number in range(4):
        lake.git("switch", "--quiet", "-c", f"b{number}", "main")
        lake.replace(
            "seeknal/transforms/daily.yml",
            "sum(amount) AS total",
            f"sum(amount) * {number} AS total",
        )
        lake.commit(f"Branch {number}")
    lake.git("switch", "--quiet", "main")
    runs = [
        subprocess.Popen(
            lake.command("run", "--env", f"b{number}"),
            cwd=lake.path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for number in range(4)
    ]
    for run in runs:
        out, _ = run.communicate()
        assert run.returncode == 0, out
    for number in range(4):
        assert answer(lake, "--env", f"b{number}") == [30 * number, 70 * number]
    assert answer(lake) == [30, 70]


def test_texts_within_a_struct_stay_as_they_are(lake: LakeRepo) -> None:
    lake.write(
        "seeknal/transforms/said.yml",
        """
        kind: transform
        name: said
        inputs: [ref: source.orders]
        transform: |
          SELECT {'words': 'it''s, "so" \\ {}'} AS said FROM source.orders LIMIT 1
        """,
    )
    lake.commit("Said")
    lake.seeknal("run")
    assert lake.ask("SELECT said.words FROM main.said") == [('it\'s, "so" \\ {}',)]


def test_a_column_that_a_lake_does_not_hold_is_refused_with_its_cast(lake: LakeRepo) -> None:
    lake.replace(
        "seeknal/transforms/daily.yml",
        "sum(amount) AS total",
        "sum(amount) AS total, any_value('a'::ENUM('a', 'b')) AS kind",
    )
    told = lake.seeknal("validate", code=1).err
    assert "seeknal/transforms/daily.yml:6" in told
    assert "The column kind of transform.daily is of type ENUM('a', 'b')" in told
    assert "Cast it: CAST(kind AS VARCHAR) AS kind" in told
    dry = lake.seeknal("dry-run", "seeknal/transforms/daily.yml", code=1)
    assert "CAST(kind AS VARCHAR)" in dry.out + dry.err
    lake.commit("Kinds")
    assert "CAST(kind AS VARCHAR)" in lake.seeknal("run", code=1).err
