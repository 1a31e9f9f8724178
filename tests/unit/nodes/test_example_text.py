"""An example that is written into a file is read from it as it was meant."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seeknal_git.nodes.example_text import example_lines, with_example
from seeknal_git.nodes.examples import csv_rows, examples_of
from seeknal_git.nodes.load import load_node

HEAD = "kind: transform\nname: a\ntransform: SELECT 1 AS x\n"
HARD = """- | - a|null|~||NO|1.10|12:30|a: b|a #b|{{ x }}|<<|*a|=|2024-01-01 10:00:00+00|---|...|? a|'|"|"""
TEXTS = st.text(
    st.characters(exclude_categories=["Cs", "Cn"], exclude_characters="\x00"), max_size=12
) | st.sampled_from([*HARD.split("|"), "-", "a\nb", "\ttab", "\\", "\x85", "\ufeff"])
CELLS = st.recursive(
    st.none() | TEXTS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=4,
)
ROWS = st.lists(st.dictionaries(TEXTS, CELLS, max_size=3), max_size=3)


@settings(max_examples=200)
@given(TEXTS.filter(bool), ROWS, ROWS)
def test_rows_are_read_as_they_were_written(name: str, rows: list[Any], expect: list[Any]) -> None:
    lines = example_lines(name, {"source.t": rows}, expect)
    content, line = with_example(HEAD.encode(), "seeknal/transforms/a.yml", lines)
    assert "- name:" in content.decode().split("\n")[line - 1]
    node, _ = load_node(content, "seeknal/transforms/a.yml")
    assert node is not None
    (example,) = examples_of(node)
    assert example.name == name
    assert list(example.given["source.t"].rows) == rows
    assert example.results[0].rows is not None
    assert list(example.results[0].rows.rows) == expect


@pytest.mark.parametrize(
    ("text", "header", "rows"),
    [
        ('a,b\n1,"x, ""y"""\n', ["a", "b"], [{"a": "1", "b": 'x, "y"'}]),
        ('a,b\r\n1,\r\n,""\r\n', ["a", "b"], [{"a": "1", "b": None}, {"a": None, "b": ""}]),
        ("\n\na , b\n\n ü ,2\n\n", ["a", "b"], [{"a": "ü", "b": "2"}]),
        ('a\n"x\ny"\n', ["a"], [{"a": "x\ny"}]),
        ("a,b\n1,2\n3,", ["a", "b"], [{"a": "1", "b": "2"}, {"a": "3", "b": None}]),
        ("a\n", ["a"], []),
        ('a\n""\n', ["a"], [{"a": ""}]),
    ],
)
def test_csv(text: str, header: list[str], rows: list[dict[str, str | None]]) -> None:
    assert csv_rows(text) == (header, rows)


@pytest.mark.parametrize("text", ["", "\n", "a,a\n", "a,\n", 'a\n"b\n', "a\n1,2\n", 'a\n"b"c\n'])
def test_csv_that_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="CSV"):
        csv_rows(text)
