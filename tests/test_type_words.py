"""Words for types: what a column is read as, and which types a promise of them allows."""

from __future__ import annotations

import duckdb
import pytest

from seeknal_git.sql.type_words import holds, is_type, read_as
from tests.conftest import Repo


@pytest.mark.parametrize(
    ("word", "value", "column", "stored"),
    [
        ("decimal", "0.0067", "DOUBLE", 0.0067),
        ("numeric", "99.90", "DOUBLE", 99.9),
        ("float", "16777217.0", "DOUBLE", 16777217.0),
        ("float64", "0.1", "DOUBLE", 0.1),
        ("number", "1.5", "DOUBLE", 1.5),
        ("int", "3000000000", "BIGINT", 3_000_000_000),
        ("Integer", "3000000000", "BIGINT", 3_000_000_000),
        ("long", "3000000000", "BIGINT", 3_000_000_000),
        ("int64", "3000000000", "BIGINT", 3_000_000_000),
        ("int4", "7", "INTEGER", 7),
        ("int32", "7", "INTEGER", 7),
        ("smallint", "7", "SMALLINT", 7),
        ("real", "0.5", "FLOAT", 0.5),
        ("str", "01001", "VARCHAR", "01001"),
        ("object", "01001", "VARCHAR", "01001"),
        ("string", "NO", "VARCHAR", "NO"),
        ("bool", "true", "BOOLEAN", True),
        ("int[]", '"[3000000000]"', "BIGINT[]", [3_000_000_000]),
    ],
)
def test_a_declared_column_of_a_csv_file_keeps_its_values(
    repo: Repo, word: str, value: str, column: str, stored: object
) -> None:
    repo.write("data/s.csv", f"id;v\n1;{value}\n")
    repo.write(
        "seeknal/s.yml",
        "kind: source\nname: s\nsource: csv\ntable: data/s.csv\nparams: {delimiter: ;}\n"
        f"columns: {{v: {{dtype: '{word}'}}}}\n",
    )
    repo.seeknal("run")
    assert repo.production()["s"][0][1] == f"v {column}"
    assert repo.numbers("SELECT v FROM main.s") == [(stored,)]


PARQUET = "kind: source\nname: s\nsource: parquet\ntable: data/s.parquet\nschema: [{name: v, data_type: WORD}]\n"


def parquet(repo: Repo, word: str, column: str) -> None:
    (repo.path / "data").mkdir()
    duckdb.sql(f"COPY (SELECT '7'::{column} AS v) TO '{repo.path}/data/s.parquet'")
    repo.write("seeknal/s.yml", PARQUET.replace("WORD", word))


@pytest.mark.parametrize(
    ("word", "column", "read"),
    [
        ("decimal", "DECIMAL(20,6)", "DECIMAL(20,6)"),
        ("numeric", "BIGINT", "BIGINT"),
        ("number", "FLOAT", "FLOAT"),
        ("float", "FLOAT", "DOUBLE"),
        ("integer", "TINYINT", "BIGINT"),
    ],
)
def test_a_number_of_a_parquet_file_loses_nothing(
    repo: Repo, word: str, column: str, read: str
) -> None:
    parquet(repo, word, column)
    repo.seeknal("run")
    assert repo.production()["s"][0] == (f"v {read}",)


def test_a_text_of_a_parquet_file_is_no_number(repo: Repo) -> None:
    parquet(repo, "decimal", "VARCHAR")
    said = repo.seeknal("validate", code=1).err
    assert (
        "s.yml:5: source.s declares v as a number, and it is VARCHAR in the files.\n  Declare VARCHAR"
        in said
    )


@pytest.mark.parametrize(
    ("word", "returned", "held"),
    [
        ("INTEGER", "BIGINT", True),
        ("INTEGER", "HUGEINT", True),
        ("INT", "UTINYINT", True),
        ("LONG", "INTEGER", True),
        ("INTEGER", "DOUBLE", False),
        ("INTEGER", "DECIMAL(18,0)", False),
        ("INTEGER", "VARCHAR", False),
        ("FLOAT", "DOUBLE", True),
        ("DECIMAL", "DOUBLE", True),
        ("NUMERIC", "DECIMAL(38,3)", True),
        ("DOUBLE", "FLOAT", True),
        ("FLOAT", "BIGINT", False),
        ("NUMBER", "BIGINT", True),
        ("NUMBER", "DOUBLE", True),
        ("NUMBER", "DATE", False),
        ("DATETIME", "TIMESTAMP", True),
        ("DATETIME", "TIMESTAMP WITH TIME ZONE", True),
        ("DATETIME", "DATE", False),
        ("INTEGER[]", "BIGINT[]", True),
        ("INTEGER[]", "BIGINT", False),
        ("INTEGER", "BIGINT[]", False),
        ("BIGINT", "INTEGER", None),
        ("DECIMAL(10,2)", "DOUBLE", None),
        ("REAL", "DOUBLE", None),
        ("VARCHAR", "DATE", None),
    ],
)
def test_a_promise_holds_for_a_family(word: str, returned: str, held: bool | None) -> None:
    assert holds(word, returned) is held


@pytest.mark.parametrize(
    "text", ["INTEGR", "a DATE it is not", "INTEGER'}) --", "decimal(", "[]", ""]
)
def test_other_words_are_no_types(text: str) -> None:
    assert not is_type(text)


def test_what_a_word_is_read_as_is_a_type_of_the_engine() -> None:
    words = "int integer long int64 float float64 decimal numeric number str object category bool datetime64 float32"
    for word in words.split():
        duckdb.sql(f"SELECT NULL::{read_as(word)}")


def test_promises_of_a_node_are_compared_by_family(repo: Repo) -> None:
    node = (
        "kind: feature_group\nname: f\nentity: {name: e, join_keys: [k]}\n"
        "features: {n: {dtype: integer}, s: {dtype: float}, t: {dtype: str}, d: {dtype: WORD}}\n"
        "transform: SELECT 1 AS k, count(*) AS n, sum(0.5) AS s, 'a' AS t, sum(0.5::DOUBLE) AS d\n"
    )
    repo.write("seeknal/f.yml", node.replace("WORD", "decimal"))
    repo.seeknal("validate")
    repo.write("seeknal/f.yml", node.replace("WORD", "integer"))
    said = repo.seeknal("validate", code=1).err
    assert (
        "promises d as INTEGER, and its SQL returns it as DOUBLE.\n  Declare DOUBLE, or cast it: d::BIGINT"
        in said
    )


def test_a_text_under_columns_of_a_source_is_documentation(repo: Repo) -> None:
    repo.write("data/s.csv", "id\nTXN-1\n")
    repo.write(
        "seeknal/s.yml",
        "kind: source\nname: s\nsource: csv\ntable: data/s.csv\ncolumns:\n  id: int\n",
    )
    assert repo.seeknal("validate").err == ""
    said = "seeknal/s.yml:6: `int` documents the column id. As a type it is declared as `{dtype: int}`.\n"
    assert repo.seeknal("validate", "--verbose").err == said
    repo.seeknal("run")


def test_values_that_look_like_something_else_reach_the_data(repo: Repo) -> None:
    repo.write("data/s.csv", "id,note,2023,no\n1,NULL,1,a\n2,NA,NULL,b\n3,~,3,c\n")
    repo.write(
        "seeknal/s.yml",
        "kind: source\nname: s\nsource: csv\ntable: data/s.csv\nparams:\n  nullstr: [NULL, NA]\ncolumns:\n  2023: {dtype: BIGINT}\n  no: {dtype: VARCHAR}\n",
    )
    repo.seeknal("run")
    assert repo.numbers("FROM main.s ORDER BY id") == [
        (1, None, 1, "a"),
        (2, None, None, "b"),
        (3, "~", 3, "c"),
    ]
