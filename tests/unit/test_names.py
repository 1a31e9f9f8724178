"""Branch ↔ schema, ids, views and quoting."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator

import duckdb
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from seeknal_git.names import literal, production_ref_of, qualified, quote, schema_of, view_names

# What git allows in a branch, and more: the function must not depend on git's rules.
BRANCHES = st.one_of(
    st.from_regex(r"[a-z][a-z0-9_]{0,30}", fullmatch=True),
    st.from_regex(r"(feature|fix|Feature|FIX)/[A-Za-z0-9._-]{1,40}", fullmatch=True),
    st.text(alphabet=string.ascii_letters + string.digits + "_-/.", min_size=1, max_size=80),
    st.text(
        st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=260
    ),
)
BY_CASE_AND_PUNCTUATION = st.text(alphabet="aAbB_-/.", min_size=1, max_size=4)

SCHEMA = re.compile(r"[a-z][a-z0-9_]{0,62}")


@given(BRANCHES)
def test_a_schema_is_a_plain_identifier_of_at_most_63_characters(branch: str) -> None:
    assert SCHEMA.fullmatch(schema_of(branch))


@given(BRANCHES | BY_CASE_AND_PUNCTUATION, BRANCHES | BY_CASE_AND_PUNCTUATION)
def test_two_branches_never_share_a_schema_even_where_case_is_ignored(one: str, other: str) -> None:
    assume(one != other)
    assert schema_of(one).lower() != schema_of(other).lower()


@given(BRANCHES)
def test_no_branch_can_be_called_as_the_schema_of_another(branch: str) -> None:
    """`feature/x` has a schema; a branch that is called exactly so must get another one."""
    schema = schema_of(branch)
    assert schema == branch or schema_of(schema) != schema


@given(BRANCHES)
def test_a_branch_that_differs_only_in_case_or_punctuation_has_a_schema_of_its_own(
    branch: str,
) -> None:
    variants = {
        branch,
        branch.upper(),
        branch.lower(),
        branch.replace("/", "_"),
        branch.replace("-", "_"),
        f"{branch}_",
    }
    assert len({schema_of(each).lower() for each in variants}) == len(variants)


@pytest.mark.parametrize("branch", ["main", "dev", "staging", "release_2024", "a", "x" * 48])
def test_a_plain_branch_is_its_own_schema(branch: str) -> None:
    assert schema_of(branch) == branch


@pytest.mark.parametrize(
    "branch",
    [
        "information_schema",
        "pg_catalog",
        "pg_temp",
        "temp",
        "system",
        "memory",
        "warehouse",
        "prod",
        "public",
        "default",
        "_snapshots",
        "_seeknal",
        "select",
        "table",
        "Main",
        "MAIN",
        "DEV",
        "1st",
        "feature/new-metrics",
        "a-b",
        "a.b",
        "",
        "_",
        "-",
        "名前",
        "ｍain",
        "mаin",
        "é",
        "ß",
        "x" * 49,
        "x" * 200,
        "dev_1f0c2a3b",
        "dev ",
        "a;b",
        'a"b',
    ],
)
def test_any_other_branch_gets_a_slug_and_a_hash(branch: str) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]*_[0-9a-f]{8}", schema_of(branch))


def test_the_example_of_the_design() -> None:
    assert schema_of("feature/new-metrics").startswith("feature_new_metrics_")


def test_no_schema_is_a_schema_or_catalog_of_the_engine() -> None:
    with duckdb.connect() as connection:
        found = connection.execute(
            "SELECT schema_name FROM duckdb_schemas() UNION SELECT database_name FROM duckdb_databases()"
        )
        names = {row[0] for row in found.fetchall()} - {"main"}
    assert {name for name in names if schema_of(name) == name} == set()


def test_a_plain_schema_needs_no_quotes_in_sql() -> None:
    needing_quotes = []
    with duckdb.connect() as connection:
        for (word,) in connection.execute(
            "SELECT DISTINCT keyword_name FROM duckdb_keywords() ORDER BY 1"
        ).fetchall():
            schema = schema_of(word)
            connection.execute(
                f"CREATE SCHEMA {quote(schema)}; CREATE TABLE {qualified(schema, 't')} AS SELECT 1 AS x"
            )
            try:
                connection.execute(f"SELECT x FROM {schema}.t")
            except duckdb.Error:
                needing_quotes.append(word)
    assert needing_quotes == []


# Views


@pytest.mark.parametrize(
    ("ids", "views"),
    [
        pytest.param(
            ["source.a", "transform.b"], {"source.a": "a", "transform.b": "b"}, id="bare names"
        ),
        pytest.param(
            ["source.a", "transform.a"],
            {"source.a": "source__a", "transform.a": "transform__a"},
            id="one name",
        ),
        pytest.param(
            ["source.a", "transform.A"],
            {"source.a": "source__a", "transform.A": "transform__A"},
            id="case",
        ),
    ],
)
def test_a_view_is_called_as_its_node_unless_two_kinds_share_the_name(
    ids: list[str], views: dict[str, str]
) -> None:
    assert view_names(ids) == views


@given(
    st.lists(
        st.from_regex(r"(source|transform)\.[A-Za-z_][A-Za-z0-9_]{0,3}", fullmatch=True),
        unique=True,
    )
)
def test_views_do_not_depend_on_the_order_of_the_nodes(ids: list[str]) -> None:
    assert view_names(ids) == view_names(reversed(ids))


# Quoting

TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs"], exclude_characters="\0"),
    min_size=1,
    max_size=30,
)


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        yield opened


@given(TEXTS)
def test_a_literal_means_its_text(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    assert connection.execute(f"SELECT {literal(text)}").fetchall() == [(text,)]


@given(TEXTS)
def test_a_quoted_identifier_means_its_text(
    connection: duckdb.DuckDBPyConnection, text: str
) -> None:
    connection.execute(f"CREATE OR REPLACE TABLE {qualified('main', text)} (x INTEGER)")
    assert connection.execute("SELECT table_name FROM duckdb_tables()").fetchall() == [(text,)]
    assert connection.execute(f"SELECT 1 AS {quote(text)}").description[0][0] == text
    connection.execute(f"DROP TABLE {quote(text)}")


def test_each_project_of_a_repository_has_a_ref_of_its_own_for_production() -> None:
    assert production_ref_of("") == production_ref_of(".") == "refs/seeknal/production"
    refs = {
        production_ref_of(project)
        for project in ("", "shop/", "production/", "a/b/", "a_b/", "été 2024/a b/")
    }
    assert len(refs) == 6
    assert not any(one.startswith(f"{other}/") for one in refs for other in refs), (
        "a ref is a file, never a folder too"
    )
