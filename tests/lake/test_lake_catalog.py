"""What commands ask of a lake's catalog, and what they refuse to read in it."""

from __future__ import annotations

import duckdb
import pytest

from seeknal_git.errors import WarehouseError
from seeknal_git.names import literal
from seeknal_git.project.workspace import open_workspace
from seeknal_git.sql.extensions import engine, load, packaged
from seeknal_git.warehouse.lake_connection import opened
from seeknal_git.warehouse.location import Lake
from tests.lake.conftest import LakeRepo
from tests.servers import Postgres, need_extensions

DAILY = "seeknal/transforms/daily.yml"


def location(lake: LakeRepo) -> Lake:
    found = open_workspace(lake.path).warehouse_location
    assert isinstance(found, Lake)
    return found


def change(lake: LakeRepo, *statements: str) -> None:
    """What somebody does to the lake behind our back."""
    with duckdb.connect() as connection:
        load(connection, ["ducklake", "postgres_scanner"])
        connection.execute(f"ATTACH {literal(f'ducklake:{lake.catalog}')} AS mine; USE mine")
        for statement in statements:
            connection.execute(statement)


def test_commands_ask_as_often_after_any_number_of_snapshots(
    lake: LakeRepo, postgres: Postgres
) -> None:
    postgres.log_statements()

    def asked() -> dict[str, int]:
        """Command → the statements that it puts to the catalog, once everything is as before."""
        counts = {}
        for command in ("plan", "status", "run"):
            lake.seeknal(command)
            before = postgres.statements
            lake.seeknal(command)
            counts[command] = postgres.statements - before
        return counts

    lake.seeknal("run")
    first = asked()
    factor = "1"
    for number in range(2, 7):
        lake.replace(
            DAILY,
            f"sum(amount * {factor})" if number > 2 else "sum(amount)",
            f"sum(amount * {number})",
        )
        factor = str(number)
        lake.commit(f"Times {number}")
        lake.seeknal("run")
    assert asked() == first
    assert min(first.values()) > 0


@pytest.mark.parametrize(
    ("done", "said"),
    [
        ("CREATE VIEW _seeknal.extra AS SELECT 1 AS n", "the view _seeknal.extra"),
        ("CREATE MACRO _snapshots.extra() AS 1", "the macro _snapshots.extra"),
        (
            "CREATE TABLE _snapshots.extra (n INTEGER DEFAULT 7)",
            "the table _snapshots.extra, which computes values",
        ),
        (
            "ALTER TABLE _seeknal.runs DROP COLUMN command",
            "the table _seeknal.runs, which has no column command of the right type",
        ),
        ("UPDATE _seeknal.snapshots SET node = NULL", "a value is missing in _seeknal.snapshots"),
        (
            "UPDATE _seeknal.publication_nodes SET fingerprint = NULL",
            "a value is missing in _seeknal.publication_nodes",
        ),
        (
            "UPDATE _seeknal.runs SET started_at = TIMESTAMP '9999-01-01'",
            "a value is missing in _seeknal.runs, or none that Seeknal writes",
        ),
    ],
)
def test_what_nobody_of_ours_made_is_refused(lake: LakeRepo, done: str, said: str) -> None:
    lake.seeknal("run")
    change(lake, done)
    for read_only in (True, False):
        with (
            pytest.raises(WarehouseError) as refused,
            opened(location(lake), None, read_only=read_only),
        ):
            pass
        assert said in str(refused.value)


def test_an_engine_that_is_closed_loads_nothing(lake: LakeRepo) -> None:
    """It would check no signature."""
    lake.seeknal("run")
    other = packaged("excel") or packaged("httpfs")
    assert other
    with opened(location(lake), None, read_only=True) as catalog:
        for statement in (f"LOAD {literal(str(other))}", "INSTALL excel", "LOAD nowhere"):
            with pytest.raises(duckdb.Error, match="disabled"):
                catalog.connection.execute(statement)


def test_only_extensions_out_of_packages_are_loaded_unsigned() -> None:
    need_extensions("ducklake")
    for names, unsigned in ((["ducklake"], True), (["ducklake", "nowhere"], False)):
        with engine(names) as connection:
            setting = connection.execute("SELECT current_setting('allow_unsigned_extensions')")
            assert setting.fetchall() == [(unsigned,)]


def test_a_lake_that_begins_again_in_its_place_is_not_taken_for_the_old_one(
    lake: LakeRepo, postgres: Postgres
) -> None:
    """Loads are remembered by the lake's version, and a new lake counts from zero."""
    lake.seeknal("run")
    lake.seeknal("plan")
    postgres.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public", lake.catalog[9:])
    assert lake.run()["built"], "nothing of the old one counts"
    assert lake.ask("SELECT sum(total) FROM main.daily") == [(100,)]
