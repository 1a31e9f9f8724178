"""Files of exposures: written whenever they are not what they should be, and named if nothing
writes them any more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Repo

EXPOSURE = "seeknal/exposures/by_customer_csv.yml"
BY_CUSTOMER = "seeknal/transforms/by_customer.yml"
FILE = "exports/by_customer.csv"
NODE = "exposure.by_customer_csv"


def rows(repo: Repo, path: str = FILE) -> list[str]:
    return sorted(repo.read(path).splitlines()[1:])


def numbers(repo: Repo, schema: str = "main") -> list[str]:
    return sorted(
        f"{name},{total}"
        for name, total in repo.numbers(f"SELECT name, total FROM {schema}.by_customer")
    )


def written_over(repo: Repo) -> None:
    repo.write(FILE, "name,total\nMallory,1\n")


def of_the_same_size(repo: Repo) -> None:
    repo.write(FILE, repo.read(FILE).replace("Ada", "Eve"))


def gone(repo: Repo) -> None:
    (repo.path / FILE).unlink()


def a_folder_now(repo: Repo) -> None:
    gone(repo)
    (repo.path / FILE).mkdir()


@pytest.mark.parametrize("touch", [written_over, of_the_same_size, gone, a_folder_now])
@pytest.mark.parametrize("command", ["run", "promote"])
def test_a_file_that_is_not_what_was_delivered_is_written_again(
    published: Repo, touch: Callable[[Repo], None], command: str
) -> None:
    touch(published)
    theirs = published.path / FILE
    edited = theirs.read_text() if theirs.is_file() else None
    done = published.seeknal(command, "--json").json
    assert done["written"] == [NODE]
    assert rows(published) == numbers(published)
    assert [Path(each).read_text() for each in done["kept"].values()] == (
        [edited] if edited else []
    )
    assert published.seeknal(command, "--json").json["written"] == []


def test_a_file_that_was_only_touched_is_left_alone(published: Repo) -> None:
    (published.path / FILE).touch()
    assert published.run()["written"] == []


def test_a_rollback_writes_a_file_that_somebody_changed_since(published: Repo) -> None:
    published.replace(BY_CUSTOMER, "sum(o.amount)", "max(o.amount)")
    published.commit()
    published.seeknal("promote")
    published.seeknal("rollback")
    written_over(published)
    published.seeknal("rollback", "1")
    assert rows(published) == numbers(published)


PARTITIONED = """
    kind: exposure
    name: by_customer_csv
    type: file
    inputs: [source.orders]
    params:
      path: exports/orders
      partition_by: day
"""


@pytest.mark.parametrize("what", ["another file", "a changed file", "a file less"])
def test_a_folder_that_is_not_what_was_delivered_is_written_again(
    published: Repo, what: str
) -> None:
    published.write(EXPOSURE, PARTITIONED)
    published.commit()
    published.seeknal("run")
    folder = published.path / "exports/orders"
    before = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.csv")}
    some = folder / min(before)
    if what == "another file":
        some.with_name("more.csv").write_text("x\n")
    elif what == "a changed file":
        some.write_text("x\n")
    else:
        some.unlink()
    there = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.csv")}
    done = published.run()
    assert done["written"] == [NODE]
    kept = Path(done["kept"][NODE])
    assert {path.relative_to(kept): path.read_bytes() for path in kept.rglob("*.csv")} == there, (
        "nothing is lost"
    )
    assert {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.csv")} == before
    assert published.run()["written"] == []


@pytest.mark.parametrize("change", ["path", "exposure"])
def test_a_file_that_nothing_writes_any_more_is_named_once_and_stays(
    published: Repo, change: str
) -> None:
    if change == "path":
        published.replace(EXPOSURE, FILE, "exports/customers.csv")
    else:
        (published.path / EXPOSURE).unlink()
    published.commit()
    path = published.path / FILE
    assert f"rm {path}" in published.seeknal("promote", "--dry-run").out
    said = published.seeknal("promote").out
    assert (
        f"{path} stays as {NODE} delivered it, and nothing writes it any more. If nobody reads it: rm {path}"
        in said
    )
    assert path.exists()
    assert str(path) not in published.seeknal("promote").out
    published.git("revert", "--no-edit", "HEAD")
    assert published.seeknal("promote", "--json").json["written"] == [NODE]
    assert rows(published) == numbers(published)


@pytest.fixture
def dev(published: Repo) -> Repo:
    """A branch that has written a file of its own."""
    published.switch("dev", create=True)
    published.replace(BY_CUSTOMER, "sum(o.amount)", "100 * sum(o.amount)")
    published.commit("A hundred times")
    published.seeknal("run")
    assert (
        rows(published, f"target/exposures/dev/{FILE}")
        == numbers(published, "dev")
        != numbers(published)
    )
    return published


def test_a_branch_that_takes_its_change_back_takes_its_file_back(dev: Repo) -> None:
    dev.git("revert", "--no-edit", "HEAD")
    dev.seeknal("run")
    assert rows(dev, f"target/exposures/dev/{FILE}") == numbers(dev, "dev") == numbers(dev)
    assert dev.run()["written"] == []


@pytest.mark.parametrize("change", ["path", "exposure"])
def test_a_branchs_file_that_nothing_writes_any_more_goes(dev: Repo, change: str) -> None:
    if change == "path":
        dev.replace(EXPOSURE, FILE, "exports/customers.csv")
    else:
        (dev.path / EXPOSURE).unlink()
    dev.commit()
    path = dev.path / "target/exposures/dev" / FILE
    assert f"{path} was removed: this branch no longer delivers it." in dev.seeknal("run").out
    assert not path.exists()
    assert (dev.path / FILE).exists(), "production's stays"
    again = dev.run()
    assert (again["left"], again["written"]) == ({}, [])


def test_a_branch_that_takes_a_path_back_leaves_no_file_there(dev: Repo) -> None:
    dev.replace(EXPOSURE, FILE, "exports/customers.csv")
    dev.seeknal("run")
    dev.replace(EXPOSURE, "exports/customers.csv", FILE)
    dev.seeknal("run")
    folder = dev.path / "target/exposures/dev/exports"
    assert [each.name for each in folder.iterdir()] == [Path(FILE).name]


def test_a_file_follows_a_table_that_was_built_again(published: Repo) -> None:
    published.write(
        "seeknal/seen.yml", "kind: transform\nname: seen\ntransform: SELECT epoch_us(now()) AS at\n"
    )
    published.write(
        "seeknal/seen_csv.yml",
        "kind: exposure\nname: seen_csv\ntype: file\ninputs: [transform.seen]\n"
        "params: {path: exports/seen.csv}\n",
    )
    published.commit()
    for options in ([], ["--full"], ["--full", "--nodes", "seen"], []):
        published.seeknal("run", *options)
        assert rows(published, "exports/seen.csv") == [
            str(published.numbers("FROM main.seen")[0][0])
        ]
