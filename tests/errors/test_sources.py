"""Raw data that is not there, or not as declared; and paths that leave the project."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Repo
from tests.errors.conftest import Refused

SOURCE = "seeknal/sources/raw.yml"
EXPOSURE = "seeknal/exposures/out.yml"
SCHEMA = "schema:\n  - {name: id, data_type: INTEGER}\n  - {name: amount, data_type: INTEGER}\n"


def source(table: str = "raw/x.csv", more: str = "", kind: str = "csv") -> str:
    return f"kind: source\nname: raw\nsource: {kind}\ntable: {table}\n{more}"


def exposure(path: str, more: str = "") -> str:
    return f"kind: exposure\nname: out\ntype: file\ninputs: [source.orders]\nparams:\n  path: {path}\n{more}"


@pytest.mark.parametrize("table", ["raw/x.csv", "raw/*.csv", "data", "data/*/x.csv", "data/[.csv"])
def test_a_file_that_is_missing_is_named_when_it_is_needed(
    published: Repo, refused: Refused, table: str
) -> None:
    published.write(SOURCE, source(table))
    assert (
        f"source.raw reads {table}, and there is no such file" in published.seeknal("validate").err
    )
    published.seeknal("plan")
    published.commit()
    for command in ("run", "promote"):
        assert (
            f"{SOURCE}:4: source.raw reads {table}, and there is no such file.\n  Put"
            in refused(published, command)
        )


@pytest.mark.parametrize(
    "place", [pytest.param("raw", id="ignored by git"), pytest.param("data", id="tracked by git")]
)
@pytest.mark.parametrize(
    ("name", "content", "more", "words"),
    [
        pytest.param(
            "x.csv", "", "", "x.csv, which source.raw reads, is empty", id="an empty file"
        ),
        pytest.param("x.csv", "id,amnt\n1,2\n", SCHEMA, '"amount"', id="a column that is missing"),
        pytest.param("x.json", '[{"id": 1}]', SCHEMA, '"amount"', id="a column that JSON lacks"),
        pytest.param("x.json", '[{"id": 1}', "", "Malformed JSON", id="half of JSON"),
        pytest.param(
            "x.jsonl", '{"id": 1}\n{"id":\n', "", "Malformed JSON", id="half a line of JSON"
        ),
        pytest.param(
            "x.parquet", "id,amount\n1,2\n", "", "No magic bytes found", id="Parquet that is none"
        ),
        pytest.param(
            "x.csv",
            "".join(map(chr, range(256))) * 10,
            "",
            "Line 1 has 2 columns by tabs",
            id="CSV that is none",
        ),
    ],
)
def test_a_file_that_does_not_fit_is_refused(
    published: Repo, refused: Refused, place: str, name: str, content: str, more: str, words: str
) -> None:
    published.write(SOURCE, source(f"{place}/{name}", more, name.partition(".")[2]))
    published.path.joinpath(place).mkdir(exist_ok=True)
    published.path.joinpath(place, name).write_bytes(content.encode("latin-1"))
    published.git("add", "--all")
    for command in ("validate", "run"):
        said = refused(published, command)
        assert f"error: {SOURCE}:{5 if more else 4}: {place}/{name}" in said
        assert words in said
        assert "is not here" not in said
        assert len(said) < 1_000


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("x.csv", "id,amount\n" + "1,1\n" * 30_000 + "2,lots\n", id="csv"),
        pytest.param("x.json", '[{"id": 1, "amount": "lots"}]', id="json"),
    ],
)
def test_a_value_that_does_not_fit_its_declared_type_is_refused_with_its_column(
    published: Repo, refused: Refused, name: str, content: str
) -> None:
    published.write(SOURCE, source(f"data/{name}", SCHEMA, name.partition(".")[2]))
    (published.path / "data" / name).write_text(content)
    before = published.production()
    said = published.seeknal("run", code=1)
    assert "failed: source.raw: " in said.out
    assert "lots" in said.out
    assert "amount" in said.out
    assert f"({SOURCE}" in said.out
    assert len(said.out) < 1_000
    assert published.production() == before


LEAVING = [
    pytest.param("../x.csv", id="to the folder above"),
    pytest.param("data/../../x.csv", id="by a detour"),
    pytest.param("/etc/passwd", id="absolute"),
    pytest.param("file:///etc/passwd", id="a file address"),
    pytest.param("ftp://example.org/x.csv", id="an address"),
]


@pytest.mark.parametrize("path", LEAVING)
def test_a_source_that_leaves_the_project_is_refused(
    published: Repo, refused: Refused, path: str
) -> None:
    published.write(SOURCE, source(path))
    assert f"error: {SOURCE}:4: `{path}` leaves the project" in refused(published, "validate")
    published.write(SOURCE, f"kind: source\nname: raw\nsource: csv\nparams:\n  path: {path}\n")
    assert f"error: {SOURCE}:5: `{path}` leaves the project" in refused(published, "run")


@pytest.mark.parametrize("path", LEAVING)
def test_an_exposure_that_leaves_the_project_is_refused(
    published: Repo, refused: Refused, path: str
) -> None:
    published.write(EXPOSURE, exposure(path))
    assert f"error: {EXPOSURE}:6: `{path}` leaves the project" in refused(published, "run")


@pytest.mark.parametrize(
    "path", [".git/config", "seeknal/sources/orders.yml", "seeknal_project.yml", ".gitignore"]
)
def test_an_exposure_over_our_own_files_is_refused(
    published: Repo, refused: Refused, path: str
) -> None:
    published.write(EXPOSURE, exposure(path))
    assert f"error: {EXPOSURE}:6: `{path}` belongs to the project" in refused(published, "run")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        pytest.param(
            "data/orders.csv",
            "would write over data/orders.csv, which source.orders reads",
            id="raw data",
        ),
        pytest.param("data", "which source.", id="a folder of raw data"),
        pytest.param(
            "./data//orders.csv", "would write over data/orders.csv", id="raw data, spelt otherwise"
        ),
        pytest.param("exports/by_customer.csv", "would write over exports", id="another exposure"),
        pytest.param(
            "exports/by_customer.csv/part", "would write over exports", id="below another exposure"
        ),
        pytest.param("exports", "would write over exports", id="around another exposure"),
    ],
)
def test_an_exposure_over_the_file_of_another_node_is_refused(
    published: Repo, refused: Refused, path: str, words: str
) -> None:
    published.write(EXPOSURE, exposure(path))
    for command in ("validate", "run"):
        said = refused(published, command)
        assert " would write over " in said
        assert words in said


# The raw data in raw/ is not there yet where an exposure writes: its own first run would put it
# there.
READ_BY_A_GLOB = {
    "raw/*.csv": ["raw/new.csv", "./raw//new.csv", "RAW/New.CSV", "link/new.csv", "raw/day=*"],
    "raw/**/*.csv": ["raw/a/b/new.csv", "raw/new.csv", "raw/out (day)"],
    "raw/*/*.csv": ["raw/a/new.csv"],
    "raw/*/day=2024-01-01/*": ["raw/out (day)"],
    "raw/day=2024-01-01/*": ["raw (day)"],
    "link/ne?.csv": ["raw/new.csv", "link/new.csv"],
    "raw/[a-z]ew.csv": ["raw/new.csv"],
    "target/**/x.csv": ["exports/x.csv"],
}
READ_BY_NOBODY = {
    "raw/*.csv": ["raw/new.parquet", "raw/a/new.csv", "raws/new.csv", "raw.csv", "raw/out (day)"],
    "raw/*/*.csv": ["raw/new.csv", "raw/a/b/new.csv"],
    "raw/part-*.csv": ["raw/parts.csv", "raw/new.csv"],
    "raw/**/*.csv": ["raw2/new.csv", "raw/a/new.json"],
}


def with_a_glob(repo: Repo, pattern: str, path: str) -> None:
    repo.write("raw/old/part-1.csv", "id\n1\n")
    repo.write("raw/new0.csv", "id\n1\n")
    repo.write("raw/part-1.csv", "id\n1\n")
    (repo.path / "link").symlink_to("raw")
    repo.write(
        "seeknal/sources/raw.yml", f"kind: source\nname: raw\nsource: csv\ntable: '{pattern}'\n"
    )
    folder, _, column = path.removesuffix(")").partition(" (")
    repo.write(EXPOSURE, exposure(folder) + (f"  partition_by: {column}\n" if column else ""))


def pairs(table: dict[str, list[str]]) -> list[tuple[str, str]]:
    return [(pattern, path) for pattern, paths in table.items() for path in paths]


@pytest.mark.parametrize(("pattern", "path"), pairs(READ_BY_A_GLOB))
def test_an_exposure_into_what_a_glob_reads_is_refused_from_the_start(
    published: Repo, refused: Refused, pattern: str, path: str
) -> None:
    with_a_glob(published, pattern, path)
    assert f"would write over {pattern}, which source.raw reads" in refused(published, "validate")


@pytest.mark.parametrize(("pattern", "path"), pairs(READ_BY_NOBODY))
def test_an_exposure_beside_what_a_glob_reads_is_none_of_it(
    published: Repo, pattern: str, path: str
) -> None:
    with_a_glob(published, pattern, path)
    assert "would write over" not in published.seeknal("validate", code=None).err


@pytest.mark.parametrize(
    "path", ["target/warehouse.duckdb", "target/warehouse.duckdb.wal", "LINK/x.csv", "LINK"]
)
def test_an_exposure_over_the_warehouse_or_through_a_link_is_refused(
    published: Repo, refused: Refused, tmp_path: Path, path: str
) -> None:
    (tmp_path / "outside").mkdir()
    (published.path / "LINK").symlink_to(tmp_path / "outside")
    published.write(EXPOSURE, exposure(path))
    said = refused(published, "run")
    assert f"exposure.out cannot be written to {published.path / path}" in said
    assert "Nothing was published" in said
    assert not list((tmp_path / "outside").iterdir())


@pytest.mark.parametrize(
    "path", ['"."', '"data/x\\0.csv"', '"data/\\n.csv"', f"data/{'x' * 300}.csv"]
)
def test_a_path_that_no_file_can_have_is_refused(
    published: Repo, refused: Refused, path: str
) -> None:
    published.write(SOURCE, source(path))
    published.write(EXPOSURE, exposure(path))
    said = refused(published, "validate")
    assert f"error: {SOURCE}:4: " in said
    assert f"error: {EXPOSURE}:6: " in said
    assert said.count("is not the name of a file") == 2


def test_two_stars_within_a_name_are_refused(published: Repo, refused: Refused) -> None:
    published.write(SOURCE, source("data/**.csv"))
    assert f"{SOURCE}:4: `**` stands for folders" in refused(published, "validate")


@pytest.mark.parametrize(
    "tracked", [pytest.param(False, id="ignored"), pytest.param(True, id="tracked")]
)
@pytest.mark.parametrize("table", ["LINK/x.csv", "LINK/*.csv", "raw/link.csv", "raw/li*.csv"])
def test_a_link_that_leaves_the_project_is_refused(
    published: Repo, refused: Refused, tmp_path: Path, table: str, tracked: bool
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x.csv").write_text("secret\nhunter2\n")
    (published.path / "LINK").symlink_to(outside)
    (published.path / "raw").mkdir()
    (published.path / "raw/link.csv").symlink_to(outside / "x.csv")
    if tracked:
        published.git("add", "--force", "LINK", "raw/link.csv")
        published.commit()
    published.write(SOURCE, source(table))
    for command in ("validate", "run"):
        assert "is a link that leaves the project.\n  Put the data itself" in refused(
            published, command
        )


def test_a_link_within_the_project_is_followed(repo: Repo) -> None:
    repo.write("data/x.csv", "id\n1\n")
    (repo.path / "data/link.csv").symlink_to("x.csv")
    repo.write(SOURCE, source("data/link.csv"))
    repo.commit()
    repo.seeknal("run")
    assert repo.numbers("FROM main.raw") == [(1,)]
    repo.write("data/x.csv", "id\n2\n")
    assert repo.built() == ["source.raw"]
    assert repo.numbers("FROM main.raw") == [(2,)]


def test_a_broken_link_is_no_file(published: Repo, refused: Refused) -> None:
    (published.path / "data/x.csv").symlink_to("nowhere.csv")
    published.write(SOURCE, source("data/x.csv"))
    assert "there is no such file" in refused(published, "run")


@pytest.mark.parametrize(
    ("more", "line", "word"),
    [
        pytest.param("schema:\n  - {name: id, data_type: INTEGR}\n", 6, "INTEGR", id="schema"),
        pytest.param("columns:\n  id: {dtype: INTEGR}\n", 6, "INTEGR", id="columns"),
        pytest.param(
            'schema:\n  - {name: id, data_type: "INTEGER); DROP TABLE x; --"}\n',
            6,
            "DROP TABLE",
            id="an injection",
        ),
        pytest.param(
            'columns:\n  id: {dtype: "INTEGER\'}) --"}\n', 6, "INTEGER'", id="another injection"
        ),
    ],
)
def test_a_type_that_is_none_is_refused(
    published: Repo, refused: Refused, more: str, line: int, word: str
) -> None:
    published.write(SOURCE, source("data/orders.csv", more))
    said = refused(published, "validate")
    assert f"error: {SOURCE}:{line}: " in said
    assert word in said
    assert "is not a column type" in said


HOSTILE = 'o\'r "d"; DROP TABLE x; -- é日'


def test_names_reach_sql_quoted(repo: Repo) -> None:
    quoted = HOSTILE.replace('"', '\\"')
    repo.write(f"data/{HOSTILE}.csv", '"' + HOSTILE.replace('"', '""') + '",id\n1,2\n')
    repo.write(
        SOURCE,
        source(f'"data/{quoted}.csv"', f'schema:\n  - {{name: "{quoted}", data_type: VARCHAR}}\n')
        + f'tests:\n  - not_null: "{quoted}"\n  - unique: "{quoted}"\n'
        + f'  - accepted_values: {{column: "{quoted}", values: ["{quoted}", 1]}}\n',
    )
    repo.write(
        "seeknal/feature_groups/group.yml",
        f'kind: feature_group\nname: group\nentity: {{name: e, join_keys: "{quoted}"}}\ninputs: [source.raw]\n',
    )
    repo.write(
        EXPOSURE,
        exposure(f'"out/{quoted}"', f'  format: csv\n  partition_by: "{quoted}"\n').replace(
            "orders", "raw"
        ),
    )
    repo.commit()
    repo.seeknal("run")
    assert repo.numbers("FROM main.raw") == [("1", 2)]
    assert repo.numbers('SELECT id FROM main."group"') == [(2,)]
    assert [path.read_text() for path in repo.path.glob("out/*/*/*.csv")] == ["id\n2\n"]
    assert repo.built("--full") == ["feature_group.group", "source.raw"]


@pytest.mark.parametrize("name", ["x[1].csv", "what?.csv", "*.csv"])
def test_a_file_that_is_called_like_a_pattern_is_read(repo: Repo, name: str) -> None:
    repo.write(f"data/{name}", "id\n1\n")
    repo.write(SOURCE, source(f'"data/{name}"'))
    repo.commit()
    repo.seeknal("run")
    assert repo.numbers("FROM main.raw") == [(1,)]


@pytest.mark.parametrize(
    ("values", "word", "row"),
    [
        pytest.param(["1", "apple", "2"], "INTEGER", 2, id="a number"),
        pytest.param(["2026-10-01", "2026-10-02", "31/10/2026"], "DATE", 3, id="a date"),
        pytest.param(["2026-10-01", "n/a", "2026-10-02"], "DATE", 2, id="no date"),
    ],
)
def test_a_run_names_the_value_that_is_not_of_the_declared_type(
    repo: Repo, values: list[str], word: str, row: int
) -> None:
    repo.write("raw/x.csv", "\n".join(["id,x", *(f"1,{value}" for value in values)]) + "\n")
    schema = f"schema:\n  - {{name: id, data_type: INTEGER}}\n  - name: x\n    data_type: {word}\n"
    repo.write(SOURCE, source(more=schema))
    said = repo.seeknal("run", code=1).out
    value = values[row - 1]
    assert f"source.raw: raw/x.csv, row {row}: {value!r} in x is no {word} ({SOURCE}:7)" in said
