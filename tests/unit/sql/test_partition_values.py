"""`$start`, `$end` and `$partition` in the SQL of a node."""

from __future__ import annotations

import pytest

from seeknal_git.sql.partition_values import has_marks, marked


@pytest.mark.parametrize(
    "sql", ["SELECT $start", "SELECT 'it''s', $End", "SELECT $$a$$, $partition"]
)
def test_a_parameter_is_marked(sql: str) -> None:
    assert has_marks(marked(sql))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT '$start'",
        "SELECT $$ $start $$",
        "SELECT $q$ '$start $$ $end $q$",
        'SELECT "$start"',
        "SELECT 1 -- $start",
        "SELECT /* $start */ 1",
        "SELECT $started",
    ],
)
def test_what_a_text_or_a_comment_says_is_no_parameter(sql: str) -> None:
    assert marked(sql) == sql
