"""A table that is built again is another snapshot: whoever shows it, reads it or wrote it down
follows, or keeps the old one, and production is always of one piece."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.conftest import Repo, Templates, make_empty

# Every value of `drawn` is another one each time, so that two builds can be told apart by what is
# read of them.
NODES = {
    "seeknal/sources/raw.yml": "kind: source\nname: raw\nsource: csv\ntable: raw/rows.csv\n",
    "seeknal/transforms/drawn.yml": """
        kind: transform
        name: drawn
        transform: SELECT id, random() AS r, id * 2 AS double FROM ref('source.raw')
    """,
    "seeknal/transforms/total.yml": """
        kind: transform
        name: total
        transform: SELECT sum(r) AS total FROM ref('transform.drawn')
    """,
    "seeknal/transforms/stable.yml": """
        kind: transform
        name: stable
        transform: SELECT sum(double) AS total FROM ref('transform.drawn')
    """,
    "seeknal/exposures/file.yml": """
        kind: exposure
        name: file
        type: file
        inputs: [transform.drawn]
        params: {path: exports/drawn.csv}
    """,
}
DRAWN = "seeknal/transforms/drawn.yml"
TOTAL = "seeknal/transforms/total.yml"


def make_drawn(project: Repo) -> None:
    make_empty(project)
    for path, text in NODES.items():
        project.write(path, text)
    project.write(".gitignore", "target/\nexports/\nraw/\n")
    project.write("raw/rows.csv", "id\n1\n2\n")
    project.commit()
    project.seeknal("run")


@pytest.fixture
def drawn(copy_of: Templates) -> Repo:
    """A project with a table of random numbers that another table and a file are made of,
    published."""
    return copy_of("drawn", make_drawn)


def numbers_of(repo: Repo, schema: str = "main") -> list[tuple[int, float]]:
    return [
        (row[0], row[1]) for row in repo.numbers(f"SELECT id, r FROM {schema}.drawn ORDER BY id")
    ]


def need_one_piece(repo: Repo, schema: str = "main") -> None:
    """The reader's table and the file are made of the table that is shown."""
    shown = numbers_of(repo, schema)
    total = repo.numbers(f"SELECT total FROM {schema}.total")[0][0]
    assert total == pytest.approx(sum(r for _, r in shown), abs=1e-9)
    folder = "" if schema == "main" else f"target/exposures/{schema}/"
    rows = [line.split(",") for line in repo.read(f"{folder}exports/drawn.csv").splitlines()[1:]]
    assert sorted((int(row[0]), float(row[1])) for row in rows) == shown


def full_on_a_branch(repo: Repo) -> None:
    repo.switch("dev", create=True)
    repo.seeknal("run", "--full")
    need_one_piece(repo, "dev")
    repo.switch("main")


def full_that_fails(repo: Repo) -> None:
    broken = (
        "kind: transform\nname: broken\ntransform: SELECT error('no') FROM ref('transform.total')\n"
    )
    repo.write("seeknal/transforms/broken.yml", broken)
    repo.seeknal("run", "--full", code=1)
    (repo.path / "seeknal/transforms/broken.yml").unlink()


def full_under_a_failing_test(repo: Repo) -> None:
    before = repo.read(TOTAL)
    repo.write(TOTAL, before + 'tests:\n  - custom_sql: "SELECT * FROM __THIS__"\n')
    repo.seeknal("run", "--full", code=1)
    repo.write(TOTAL, before)


def rebuilt_by_gc(repo: Repo) -> None:
    full_that_fails(repo)
    repo.seeknal("run")
    repo.seeknal("gc", "--yes")


@pytest.mark.parametrize(
    ("happened", "then"),
    [
        pytest.param(full_on_a_branch, "promote", id="somebody's run --full on a branch"),
        pytest.param(full_that_fails, "promote", id="a run --full that failed"),
        pytest.param(
            full_that_fails, "run --nodes total", id="a run --full that failed, then a node"
        ),
        pytest.param(full_under_a_failing_test, "run", id="a run --full that a test stopped"),
        pytest.param(rebuilt_by_gc, "run", id="a failed run --full, and gc"),
    ],
)
def test_production_keeps_its_tables_whatever_was_built_beside(
    drawn: Repo, happened: Callable[[Repo], None], then: str
) -> None:
    before, file = numbers_of(drawn), drawn.read("exports/drawn.csv")
    happened(drawn)
    drawn.write("README.md", "Nothing that a node reads\n")
    drawn.commit("A README")
    drawn.seeknal(*then.split())
    assert numbers_of(drawn) == before
    assert drawn.read("exports/drawn.csv") == file
    need_one_piece(drawn)


@pytest.mark.parametrize("nodes", [(), ("--nodes", "drawn")], ids=["all", "one"])
def test_a_table_that_is_built_again_takes_its_readers_and_files_along(
    drawn: Repo, nodes: tuple[str, ...]
) -> None:
    before = numbers_of(drawn)
    drawn.seeknal("run", "--full", *nodes)
    assert numbers_of(drawn) != before
    need_one_piece(drawn)
    assert drawn.built() == [], "a run after it has nothing to do"
    need_one_piece(drawn)


def test_a_branch_shows_productions_tables_again_once_production_built_them_again(
    drawn: Repo,
) -> None:
    drawn.switch("dev", create=True)
    drawn.seeknal("run")
    drawn.switch("main")
    drawn.seeknal("run", "--full")
    drawn.switch("dev")
    drawn.seeknal("run")
    assert numbers_of(drawn, "dev") == numbers_of(drawn)


def test_a_branch_goes_on_with_its_own_full_build(drawn: Repo) -> None:
    full_on_a_branch(drawn)
    before = numbers_of(drawn, "dev")
    drawn.switch("dev")
    assert drawn.built() == []
    assert numbers_of(drawn, "dev") == before != numbers_of(drawn)
    assert "0 of" not in drawn.seeknal("status").out


def test_a_reader_that_a_branch_built_of_another_build_is_built_again_at_the_merge(
    drawn: Repo,
) -> None:
    drawn.switch("dev", create=True)
    drawn.replace(TOTAL, "sum(r)", "sum(r) + 0")
    drawn.commit()
    drawn.seeknal("run")
    drawn.switch("main")
    drawn.seeknal("run", "--full")
    drawn.merge("dev")
    done = drawn.seeknal("promote", "--json").json
    assert list(done["built"]) == ["transform.total"]
    need_one_piece(drawn)


def test_what_a_branch_built_on_productions_tables_is_released_as_it_is(drawn: Repo) -> None:
    drawn.seeknal("run", "--full")
    drawn.switch("dev", create=True)
    drawn.replace(TOTAL, "sum(r)", "sum(r) + 0")
    drawn.commit()
    drawn.seeknal("run")
    drawn.switch("main")
    drawn.merge("dev")
    assert drawn.seeknal("promote", "--json").json["built"] == {}
    need_one_piece(drawn)


def test_an_unstable_table_that_is_gone_is_another_one_when_it_is_built_again(drawn: Repo) -> None:
    table = dict(drawn.snapshots())["transform.drawn"]
    drawn.tamper(f"DROP VIEW main.drawn; DROP TABLE _snapshots.{table}")
    done = drawn.run()
    assert set(done["built"]) == {"transform.drawn", "transform.total", "transform.stable"}
    need_one_piece(drawn)


def test_gc_forgets_no_unstable_table_that_something_was_made_of(drawn: Repo) -> None:
    """A branch's run failed, so that gc keeps what it finished; the table that this was made of is
    somebody else's."""
    drawn.switch("dev", create=True)
    drawn.replace(DRAWN, "id * 2", "id * 3")
    drawn.commit()
    drawn.seeknal("run")
    drawn.switch("other", create=True)
    drawn.replace(TOTAL, "sum(r)", "sum(r) + 0")
    drawn.write(
        "seeknal/transforms/z.yml",
        "kind: transform\nname: z\ntransform: SELECT error('no') FROM ref('transform.total')\n",
    )
    drawn.seeknal("run", code=1)
    (drawn.path / "seeknal/transforms/z.yml").unlink()
    drawn.seeknal("env", "delete", "dev")
    drawn.tamper(
        "DROP SCHEMA other CASCADE; DELETE FROM _seeknal.publication_nodes WHERE schema_name = 'other'"
    )
    drawn.seeknal("gc", "--yes")
    drawn.seeknal("run")
    need_one_piece(drawn, "other")


def test_a_rollback_to_an_earlier_build_stays_of_one_piece(drawn: Repo) -> None:
    before = numbers_of(drawn)
    drawn.seeknal("run", "--full")
    drawn.seeknal("rollback")
    assert numbers_of(drawn) == before
    need_one_piece(drawn)
    drawn.seeknal("promote")
    assert numbers_of(drawn) == before
    need_one_piece(drawn)


def test_a_run_ends_a_rollback_also_if_it_shows_the_same(drawn: Repo) -> None:
    drawn.seeknal("run", "--full")
    drawn.seeknal("rollback")
    drawn.seeknal("promote")
    assert drawn.seeknal("status", "--json").json["production"]["restores"] == 1
    drawn.seeknal("run")
    assert drawn.seeknal("status", "--json").json["production"]["restores"] is None


def test_nodes_that_say_the_same_show_one_table_after_a_full_build(drawn: Repo) -> None:
    drawn.write("seeknal/transforms/twin.yml", NODES[DRAWN].replace("name: drawn", "name: twin"))
    drawn.commit()
    drawn.seeknal("run")
    drawn.seeknal("run", "--full")
    assert drawn.numbers("SELECT r FROM main.twin ORDER BY id") == [
        (r,) for _, r in numbers_of(drawn)
    ]
    need_one_piece(drawn)


def test_what_a_run_builds_again_says_why(drawn: Repo) -> None:
    said = drawn.seeknal("run", "--full", "--nodes", "drawn", "--dry-run").out
    assert "asked for with --full" in said
    drawn.seeknal("run", "--full")
    drawn.switch("dev", create=True)
    drawn.replace(TOTAL, "sum(r)", "max(r)")
    drawn.tamper(f"DROP TABLE _snapshots.{drawn.snapshots_shown()['transform.drawn']} CASCADE")
    work = drawn.run("--dry-run")["build"]
    assert work["transform.drawn"] == "its table is missing"
    assert work["transform.total"] == "reads transform.drawn, which is built again"


def test_the_summary_names_each_node_before_its_reason(drawn: Repo) -> None:
    said = drawn.seeknal("run", "--full", "--nodes", "drawn").out
    assert "  transform.drawn: asked for with --full\n" in said
    drawn.switch("dev", create=True)
    drawn.replace(DRAWN, "SELECT id", "SELECT id + 1 AS id")
    said = drawn.seeknal("run").out
    assert "  transform.drawn: its definition changed\n" in said
    assert "  transform.total: because transform.drawn changed\n" in said


def test_a_full_run_never_says_that_raw_data_moved(drawn: Repo) -> None:
    work = drawn.run("--full", "--dry-run")["build"]
    assert work["transform.drawn"] == "reads source.raw, which is built again"
    assert work["transform.total"] == "a table behind it is built again"


@pytest.mark.parametrize(
    ("order", "file"),
    [
        pytest.param("ORDER BY id DESC", ["2", "1"], id="a column"),
        pytest.param("ORDER BY -id", ["2", "1"], id="an expression"),
        pytest.param("ORDER BY hidden", ["2", "1"], id="a column that is not selected"),
    ],
)
def test_a_file_follows_the_order_of_its_node(drawn: Repo, order: str, file: list[str]) -> None:
    """The table is built again for its file's sake; what reads its columns is as it was."""
    drawn.replace("seeknal/exposures/file.yml", "transform.drawn", "transform.sorted")
    drawn.write("seeknal/transforms/keys.yml", KEYS.format("-id"))
    drawn.write("seeknal/transforms/sorted.yml", SORTED.format("ORDER BY id"))
    drawn.write("seeknal/transforms/reader.yml", READER)
    drawn.commit()
    drawn.seeknal("run")
    assert drawn.read("exports/drawn.csv").split() == ["id", "1", "2"]
    drawn.switch("dev", create=True)
    drawn.write("seeknal/transforms/sorted.yml", SORTED.format(order))
    assert drawn.categories() == {"transform.sorted": "NON_BREAKING"}
    drawn.commit()
    assert drawn.built() == ["transform.sorted"]
    drawn.switch("main")
    drawn.merge("dev")
    drawn.seeknal("promote")
    assert drawn.read("exports/drawn.csv").split() == ["id", *file]


def test_a_file_follows_what_its_node_is_ordered_by(drawn: Repo) -> None:
    drawn.replace("seeknal/exposures/file.yml", "transform.drawn", "transform.sorted")
    drawn.write("seeknal/transforms/keys.yml", KEYS.format("-id"))
    drawn.write("seeknal/transforms/sorted.yml", SORTED.format("ORDER BY hidden"))
    drawn.commit()
    drawn.seeknal("run")
    assert drawn.read("exports/drawn.csv").split() == ["id", "2", "1"]
    drawn.write("seeknal/transforms/keys.yml", KEYS.format("id"))
    assert drawn.built() == ["transform.keys", "transform.sorted"]
    assert drawn.read("exports/drawn.csv").split() == ["id", "1", "2"]


KEYS = "kind: transform\nname: keys\ntransform: SELECT id, {} AS hidden FROM ref('source.raw')\n"
SORTED = "kind: transform\nname: sorted\ntransform: SELECT id FROM ref('transform.keys') {}\n"
READER = "kind: transform\nname: reader\ntransform: SELECT sum(id) AS total FROM ref('transform.sorted')\n"
