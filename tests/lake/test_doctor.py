"""`seeknal doctor` of a project whose warehouse is a lake."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lake.conftest import LakeRepo
from tests.servers import KEEPER, Postgres


def doctor(lake: LakeRepo, code: int | None = None) -> str:
    told = lake.seeknal("doctor", code=code)
    return " ".join((told.out + told.err).split())


def renamed(lake: LakeRepo, old: str, new: str) -> None:
    lake.replace("seeknal_project.yml", old, new)
    lake.commit("Another lake")


@pytest.fixture
def sound(lake: LakeRepo) -> LakeRepo:
    """A lake in use, in whose clone nothing is to be mended."""
    lake.install_hooks()
    lake.seeknal("run")
    return lake


def test_a_sound_lake_is_told_with_its_facts(sound: LakeRepo) -> None:
    said = doctor(sound, 0)
    assert re.search(r"DuckDB [\d.]+ with ducklake \(package\), postgres_scanner \(package\)", said)
    assert re.search(r"PostgreSQL \d[\d.]*, a round trip takes \d+\.\d ms", said)
    assert "The lake's format is 1.0" in said
    assert "can be written, read and deleted from" in said
    assert "Everything is in order." in said
    assert list((sound.path / "target/lake").glob("seeknal_doctor*")) == []


def test_a_bucket_is_written_read_and_deleted_from(bucket: LakeRepo) -> None:
    bucket.install_hooks()
    bucket.seeknal("run")
    said = doctor(bucket, 0)
    assert "lake/ can be written, read and deleted from" in said
    assert "httpfs (package)" in said


def test_a_bucket_that_is_not_there_is_told_without_the_key(bucket: LakeRepo) -> None:
    bucket.install_hooks()
    bucket.replace("seeknal_project.yml", "s3://bucket-", "s3://nobody-s-bucket-")
    bucket.commit("Another bucket")
    bucket.replace("profiles.yml", "secret: s,", "secret: geheim,")
    said = doctor(bucket, 1)
    assert "cannot be written, read and deleted from" in said
    assert "Grant reading, writing and deleting there to the key" in said
    assert "geheim" not in said


def test_a_superuser_is_told(sound: LakeRepo) -> None:
    renamed(sound, f"user={KEEPER}", "user=lake")
    assert "The catalog's user lake is a superuser" in doctor(sound, 1)


def test_a_user_without_rights_gets_the_grants(sound: LakeRepo, postgres: Postgres) -> None:
    database = sound.catalog.split("dbname=")[1].split()[0]
    postgres.execute(
        "DO $$ BEGIN IF to_regrole('guest') IS NULL THEN CREATE ROLE guest LOGIN; END IF; END $$",
        database,
    )
    postgres.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO guest", database)
    renamed(sound, f"user={KEEPER}", "user=guest")
    said = doctor(sound, 1)
    assert 'GRANT USAGE, CREATE ON SCHEMA "public" TO "guest"' in said
    assert (
        'GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "public" TO "guest"' in said
    )
    renamed(sound, "target/lake", "target/lake, schema: mine")
    assert 'CREATE SCHEMA "mine" AUTHORIZATION "guest"' in doctor(sound, 1)


def test_a_catalog_that_is_down_is_a_finding(sound: LakeRepo) -> None:
    port = sound.catalog.split("port=")[1].split()[0]
    renamed(sound, f"port={port}", "port=1 password=geheim")
    said = doctor(sound, 1)
    assert "cannot be reached" in said
    assert "Start its database, or correct the address and the login." in said
    assert "geheim" not in said
    assert "Traceback" not in said


def test_another_format_is_told(sound: LakeRepo) -> None:
    renamed(sound, "type: ducklake", 'type: ducklake, format: "9.9"')
    assert "`warehouse.format` says 9.9" in doctor(sound, 1)


def test_a_folder_that_cannot_be_written_is_told(sound: LakeRepo) -> None:
    if os.geteuid() == 0:
        (sound.path / "target/rows").write_text("a file in the way")
        renamed(sound, "target/lake", "target/rows")
    else:
        (sound.path / "target/lake").chmod(0o500)
    said = doctor(sound, 1)
    (sound.path / "target/lake").chmod(0o700)
    assert "cannot be written, read and deleted from" in said


def test_a_clock_that_is_wrong_and_a_slow_server_are_told(
    sound: LakeRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    from seeknal_git.warehouse import lake_examination

    monkeypatch.setattr(lake_examination, "_SKEW_SECONDS", -1)
    monkeypatch.setattr(lake_examination, "_SLOW_SECONDS", 0)
    said = doctor(sound, 1)
    assert re.search(r"The clock here is \d+ seconds (ahead of|behind) that of", said)
    assert "A round trip to the catalog takes" in said


def test_an_extension_that_is_missing_comes_with_its_command(
    sound: LakeRepo, tmp_path: Path
) -> None:
    script = (
        "import sys; from seeknal_git.sql import extensions; extensions.packaged = lambda _: None\n"
        "from seeknal_git.cli import main; sys.argv = ['seeknal', 'doctor']; main()"
    )
    there = {**os.environ, "HOME": str(tmp_path), "https_proxy": "http://127.0.0.1:1"}
    there["http_proxy"] = there["https_proxy"]
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=sound.path,
        env=there,
        capture_output=True,
        text=True,
        check=False,
    )
    said = " ".join(done.stdout.split())
    assert done.returncode == 1, done.stderr
    assert "pip install duckdb-extension-ducklake==" in said
