"""The load of raw data that is used, and the data that an answer is about."""

from __future__ import annotations

import pytest

from tests.conftest import Repo, Templates, make_empty

SOURCE = "kind: source\nname: o\nsource: csv\ntable: raw/o.csv\n"
BAD = "kind: transform\nname: bad\ntransform: SELECT error('an unrelated mistake')\n"


def rows(number: int) -> str:
    return "id,n\n" + "".join(f"{each},{each * 10}\n" for each in range(1, number + 1))


def make_loaded(project: Repo) -> None:
    make_empty(project)
    project.write("seeknal/o.yml", SOURCE)
    project.write(".gitignore", "target/\nraw/\n")
    project.write("raw/o.csv", rows(2))
    project.commit()
    project.seeknal("run")


@pytest.fixture
def loaded(copy_of: Templates) -> Repo:
    """A source whose raw data git does not track, with two rows, published."""
    return copy_of("loaded", make_loaded)


def count(repo: Repo, relation: str = "main.o") -> int:
    return int(repo.numbers(f"SELECT count(*) FROM {relation}")[0][0])


def test_half_a_file_that_a_failed_run_read_is_never_released(loaded: Repo) -> None:
    loaded.write("raw/o.csv", rows(1))
    loaded.write("seeknal/bad.yml", BAD)
    loaded.seeknal("run", "--continue-on-error", code=1)
    (loaded.path / "seeknal/bad.yml").unlink()
    loaded.write("raw/o.csv", rows(3))
    loaded.write("seeknal/o.yml", SOURCE + "schema: [{name: n, data_type: DOUBLE}]\n")
    loaded.commit("A type")
    loaded.seeknal("promote")
    loaded.git("revert", "--no-edit", "HEAD")
    loaded.seeknal("promote")
    assert count(loaded) == 3


def test_a_source_that_comes_back_is_read_again(loaded: Repo) -> None:
    loaded.git("rm", "-q", "seeknal/o.yml")
    loaded.commit("Not needed")
    loaded.seeknal("promote")
    loaded.git("revert", "--no-edit", "HEAD")
    loaded.write("raw/o.csv", rows(5))
    loaded.seeknal("promote")
    assert count(loaded) == 5


def test_a_load_that_somebody_tried_out_is_not_that_of_a_new_source(loaded: Repo) -> None:
    loaded.switch("try", create=True)
    loaded.write(
        "seeknal/new.yml", SOURCE.replace("name: o", "name: new").replace("o.csv", "new.csv")
    )
    loaded.write("raw/new.csv", rows(1))
    loaded.commit("Try")
    loaded.seeknal("run")
    loaded.switch("main")
    loaded.merge("try")
    loaded.write("raw/new.csv", rows(4))
    loaded.seeknal("promote")
    assert count(loaded, "main.new") == 4


def test_a_branch_goes_on_with_the_load_of_its_new_source(loaded: Repo) -> None:
    loaded.switch("dev", create=True)
    loaded.write(
        "seeknal/new.yml", SOURCE.replace("name: o", "name: new").replace("o.csv", "new.csv")
    )
    loaded.write("raw/new.csv", rows(1))
    loaded.seeknal("run")
    loaded.write("raw/new.csv", "nothing,that,fits\n")
    loaded.write(
        "seeknal/t.yml", "kind: transform\nname: t\ntransform: SELECT n FROM ref('source.new')\n"
    )
    assert loaded.built() == ["transform.t"]
    assert loaded.numbers("FROM dev.t") == [(10,)]


def test_sources_of_one_definition_mean_one_load(loaded: Repo) -> None:
    loaded.switch("dev", create=True)
    loaded.write("raw/o.csv", rows(9))
    loaded.write("seeknal/o2.yml", SOURCE.replace("name: o", "name: o2"))
    assert loaded.built() == [], "production's load is that of both"
    assert (count(loaded, "dev.o"), count(loaded, "dev.o2")) == (2, 2)
    loaded.seeknal("run", "--refresh")
    assert (count(loaded, "dev.o"), count(loaded, "dev.o2")) == (9, 9)


# Answers


def with_price(repo: Repo, sign: str) -> None:
    repo.write(
        "seeknal/base.yml",
        f"kind: transform\nname: base\ntransform: SELECT id, {sign}n AS price FROM ref('source.o')\n",
    )
    repo.write("seeknal/ids.yml", IDS)


IDS = """
kind: transform
name: ids
inputs: [transform.base]
transform: SELECT id FROM transform.base
tests:
  - custom_sql: SELECT t.id FROM __THIS__ t JOIN transform.base b ON b.id = t.id WHERE b.price < 0
"""


def test_an_answer_is_about_all_tables_that_the_test_read(loaded: Repo) -> None:
    with_price(loaded, "")
    loaded.commit("Prices")
    loaded.seeknal("run")
    before = loaded.production()
    with_price(loaded, "-")
    done = loaded.run(code=1)
    assert list(done["failed"]) == ["transform.ids"], (
        "ids itself is as it was, and was checked before"
    )
    assert loaded.production() == before


def test_a_failure_on_a_branch_does_not_block_productions_other_data(loaded: Repo) -> None:
    with_price(loaded, "")
    loaded.commit("Prices")
    loaded.seeknal("run")
    loaded.switch("dev", create=True)
    loaded.write("raw/o.csv", "id,n\n1,-10\n")
    loaded.seeknal("run", "--refresh", code=1)
    loaded.switch("main")
    loaded.write("raw/o.csv", rows(3))
    loaded.seeknal("run")
    assert count(loaded) == 3


ASKED_AGAIN = [
    pytest.param("rule", "id < epoch(now())", True, id="a rule with now()"),
    pytest.param("rule", "id < epoch(current_timestamp)", True, id="a rule with current_timestamp"),
    pytest.param("rule", "random() >= 0", True, id="a rule with random()"),
    pytest.param("rule", "id > 0", False, id="a rule of its rows alone"),
    pytest.param(
        "test",
        "SELECT * FROM __THIS__ WHERE make_date(id::INTEGER) > current_date",
        True,
        id="a test of today",
    ),
    pytest.param(
        "test", "SELECT * FROM __THIS__ WHERE id > 99 USING SAMPLE 1", True, id="a test of a sample"
    ),
    pytest.param(
        "test", "SELECT * FROM __THIS__ WHERE id > 99", False, id="a test of its rows alone"
    ),
]


@pytest.mark.parametrize(("kind", "text", "again"), ASKED_AGAIN)
def test_only_a_volatile_check_is_asked_at_every_run(
    loaded: Repo, kind: str, text: str, again: bool
) -> None:
    if kind == "rule":
        loaded.write("seeknal/r.yml", f"kind: rule\nname: r\ninputs: [source.o]\nrule: {text}\n")
    else:
        loaded.write("seeknal/o.yml", f"{SOURCE}tests:\n  - custom_sql: {text}\n")
    for times in (1, 2 if again else 1):
        loaded.seeknal("run")
        assert loaded.numbers("SELECT count(*) FROM _seeknal.audits") == [(times,)]


def test_the_sql_of_a_sources_test_is_bound_before_anything_runs(loaded: Repo) -> None:
    loaded.write(
        "seeknal/o.yml", f"{SOURCE}tests:\n  - custom_sql: SELECT * FROM __THIS__ WHERE nn > 1\n"
    )
    assert "nn" in loaded.seeknal("validate", code=1).err
