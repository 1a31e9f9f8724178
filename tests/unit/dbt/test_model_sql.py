"""The SQL of a dbt model as nodes write it, and the Jinja that is told apart in it."""

from __future__ import annotations

import pytest

from seeknal_git.dbt.jinja import Call, call
from seeknal_git.dbt.sql import converted


def written(found: Call) -> str:
    words = [
        *map(repr, found.arguments),
        *(f"{key}={value!r}" for key, value in found.options.items()),
    ]
    return f"{found.name}<{', '.join(words)}>"


@pytest.mark.parametrize(
    ("text", "sql"),
    [
        pytest.param("select 1", "select 1\n", id="no Jinja"),
        pytest.param("from {{ ref('a') }}", "from ref<'a'>\n", id="a reference"),
        pytest.param('from {{ref("p", "a")}}', "from ref<'p', 'a'>\n", id="double quotes"),
        pytest.param("from {{ ref(\n  'a'\n) }} x", "from ref<'a'> x\n", id="over several lines"),
        pytest.param("'{{ var('d', -1.5) }}'", "'var<'d', -1.5>'\n", id="a number"),
        pytest.param("{{ var('a', default=true) }}", "var<'a', default=True>\n", id="an option"),
        pytest.param("\n\n{{ config(a='b') }}\n\nselect 1\n\n", "select 1\n", id="blank lines"),
        pytest.param("a {# b #} c", "a /* b */ c\n", id="a comment"),
        pytest.param("(a) {#- b */ -#} (c)", "(a) /* b * / */ (c)\n", id="a comment with marks"),
        pytest.param("-- a {# b #} c\nd", "-- a /* b */ c\nd\n", id="a comment in a comment"),
        pytest.param(
            "a\n  {#- b -#}\n  (c)", "a\n  /* b */\n  (c)\n", id="spaces that say nothing"
        ),
    ],
)
def test_sql_is_written_as_nodes_write_it(text: str, sql: str) -> None:
    found = converted(text, "m.sql", written)
    assert (found.text, found.problems) == (sql, [])


@pytest.mark.parametrize(
    ("text", "line"),
    [
        pytest.param("a\n{% if x %}b{% else %}c{% endif %}", 2, id="a statement"),
        pytest.param("{{ ref('a') ~ 'b' }}", 1, id="an operator of Jinja"),
        pytest.param("{{ ref('a') | upper }}", 1, id="a filter"),
        pytest.param("{{ ref(x) }}", 1, id="no literal"),
        pytest.param("{{ ref('a').identifier }}", 1, id="a part of a reference"),
        pytest.param("{{ config(enabled=var('x')) }}", 1, id="a config that is no literal"),
        pytest.param("'a {# b #} c'", 1, id="a comment in a text"),
        pytest.param("a {{- ref('b') }}", 1, id="words that are joined"),
        pytest.param("-- a {# b\nc #} d", 1, id="a comment that ends another"),
        pytest.param("a {{ ref('b')", 1, id="a tag that is not closed"),
        pytest.param("a\n{# b", 2, id="a comment that is not closed"),
        pytest.param("a {{ ref('b') %}", 1, id="a tag that is closed as another"),
        pytest.param("a {#}", 1, id="a comment that only opens"),
    ],
)
def test_everything_else_is_a_problem_with_its_line(text: str, line: int) -> None:
    assert [problem.line for problem in converted(text, "m.sql", written).problems] == [line]


def test_a_line_is_known_by_that_of_the_file() -> None:
    text = "{{ config(\n  a=1\n) }}\n\nselect {# b\nc #} d,\n  {{ ref('e') }}\n"
    found = converted(text, "m.sql", written)
    assert found.text == "select /* b\nc */ d,\n  ref<'e'>\n"
    assert found.lines[:3] == [5, 6, 7]
    assert found.config == {"a": (1, 1)}


def test_mappings_may_end_like_a_tag() -> None:
    found = converted("{{ config(meta={'a': {'b': 1}}) }} select 1", "m.sql", written)
    assert (found.text, found.problems) == (" select 1\n", [])
    assert found.config == {"meta": ({"a": {"b": 1}}, 1)}


def test_a_call_has_literal_arguments() -> None:
    assert call("f('a', [1, none], k={'x': true})") == Call(
        "f", ("a", [1, None]), {"k": {"x": True}}
    )
    assert [call(text) for text in ("f(x)", "f(*a)", "f(**a)", "x", "f() if y", "f(b'a')")] == [
        None
    ] * 6
