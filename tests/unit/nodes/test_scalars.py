"""Scalars of YAML mean what somebody typed: the text, and what the key makes of it."""

from __future__ import annotations

from typing import Any

import pytest

from seeknal_git.errors import ProjectError
from seeknal_git.nodes.load import load_node
from seeknal_git.nodes.node import Node
from seeknal_git.nodes.yaml_document import read_yaml
from seeknal_git.project.settings import read_settings

SOURCE = "kind: source\nname: s\nsource: csv\ntable: data/s.csv\n"
RULE = "kind: rule\nname: r\ninputs: [source.s]\n"
TRANSFORM = "kind: transform\nname: t\ntransform: SELECT 1 AS a\n"


def node_of(text: str) -> Node:
    node, _ = load_node(text.encode(), "seeknal/n.yml")
    assert node
    return node


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("x", "x"),
        ("NO", "NO"),
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("off", "off"),
        ("True", "True"),
        ("NULL", "NULL"),
        ("null", "null"),
        ("~", "~"),
        ("0.20", "0.20"),
        ("01001", "01001"),
        ("1.10", "1.10"),
        ("1_000", "1_000"),
        ("0x10", "0x10"),
        ("0o17", "0o17"),
        ("1e3", "1e3"),
        ("12:30", "12:30"),
        ("1:2:3", "1:2:3"),
        ("2024-01-01", "2024-01-01"),
        ("2024-01-01 10:00:00", "2024-01-01 10:00:00"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("", None),
        ("''", ""),
        ("'null'", "null"),
        ('"no"', "no"),
        ("|-\n  5", "5"),
        ("!!int 5", "5"),
        ("!!str", ""),
        ("!!null x", None),
        ("[NO, 1.10, ~]", ["NO", "1.10", "~"]),
        ("{no: 0.20}", {"no": "0.20"}),
        ("&a 1.0", "1.0"),
        ("=", "="),
    ],
)
def test_a_scalar_keeps_its_text(written: str, read: Any) -> None:
    assert read_yaml(f"key: {written}\n".encode(), "x.yml").data == {"key": read}


@pytest.mark.parametrize("key", ["2023", "no", "~", "null", "1.10", "on", "12:30", "'01'"])
def test_a_key_keeps_its_text(key: str) -> None:
    assert list(read_yaml(f"{key}: 1\n".encode(), "x.yml").data) == [key.strip("'")]


@pytest.mark.parametrize(
    ("param", "option", "value"),
    [
        ("nullstr: NULL", "nullstr", "NULL"),
        ("nullstr: [NULL, NA, ~, 0, no]", "nullstr", ["NULL", "NA", "~", "0", "no"]),
        ("nullstr: ''", "nullstr", ""),
        ("nullstr:\n    -\n    - NA", "nullstr", ["", "NA"]),
        ("delimiter: '1'", "delim", "1"),
        ("decimal_separator: ','", "decimal_separator", ","),
        ("quote: ''", "quote", ""),
        ("dateformat: 2024", "dateformat", "2024"),
        ("header: yes", "header", True),
        ("header: TRUE", "header", True),
        ("header: Off", "header", False),
        ("header: 'false'", "header", False),
        ("skip: 1_000", "skip", 1000),
        ("skip: 0x10", "skip", 16),
        ("skip: 010", "skip", 10),
        ("skip: 1e3", "skip", 1000),
        ("sample_size: -1", "sample_size", -1),
    ],
)
def test_a_parameter_of_a_source_is_read_as_its_option_takes_it(
    param: str, option: str, value: Any
) -> None:
    options = node_of(f"{SOURCE}params:\n  {param}\n").definition["options"]
    assert (options, type(options[option])) == ({option: value}, type(value))


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (f"{SOURCE}params: {{header: maybe}}\n", 5, "`header` is true or false, not 'maybe'"),
        (f"{SOURCE}params:\n  skip: 12:30\n", 6, "`skip` is a whole number, not '12:30'"),
        (f"{SOURCE}params:\n  skip: 1.5\n", 6, "`skip` is a whole number, not '1.5'"),
        (f"{SOURCE}params:\n  skip: [1]\n", 6, "`skip` has one value"),
        (f"{SOURCE}params:\n  quote:\n", 6, "`quote` has no value; an empty text is written ''"),
        (f"{SOURCE}params:\n  nullstr: {{a: b}}\n", 6, "`nullstr` has one value"),
        (
            f"{RULE}rule: {{type: range, column: a, params: {{min_val: low}}}}\n",
            4,
            "a number, not 'low'",
        ),
        (f"{TRANSFORM}tests:\n  - row_count: {{min: many}}\n", 5, "a whole number, not 'many'"),
    ],
)
def test_a_text_that_is_not_what_its_key_takes_is_refused(text: str, line: int, words: str) -> None:
    with pytest.raises(ProjectError) as refused:
        node_of(text)
    (problem,) = refused.value.problems
    assert (problem.line, words in problem.message) == (line, True), problem


@pytest.mark.parametrize(
    ("text", "fragments"),
    [
        (f"{TRANSFORM}tests:\n  - not_null: [no, 2023]\n", ['"no" IS NULL OR "2023" IS NULL']),
        (f"{TRANSFORM}tests:\n  - unique: on\n", ['"on"']),
        (f"{TRANSFORM}tests:\n  - row_count: {{min: 1_000, max: 1e6}}\n", ["< 1000", "> 1000000"]),
        (f"{TRANSFORM}tests:\n  - row_count: {{min: 5, max: ~}}\n", ["< 5", "> NULL"]),
        (f"{TRANSFORM}tests:\n  - row_count: {{min: 5, max: }}\n", ["< 5", "> NULL"]),
        (f"{RULE}rule: {{type: null, columns: [a]}}\n", ['"a" IS NULL']),
        (f"{RULE}rule: {{type: NULL, columns: [a]}}\n", ['"a" IS NULL']),
        (f"{RULE}rule: {{type: 'null', columns: [a]}}\n", ['"a" IS NULL']),
        (
            f"{RULE}rule: {{type: range, column: a, params: {{min_val: 1_000, max_val: 0x7d0}}}}\n",
            ["< 1000.0", "> 2000.0"],
        ),
        (
            f"{RULE}rule: {{type: range, column: a, params: {{min_val: 0.10, max_val: null}}}}\n",
            ["< 0.1"],
        ),
        (
            f"{RULE}rule: {{type: range, column: a, params: {{max_val: 9007199254740993, min_val: -1.00000000000000000001}}}}\n",
            ["> 9007199254740993", "< -1.00000000000000000001"],
        ),
        (
            f"{RULE}rule: {{type: freshness, column: a, params: {{max_age: 3600}}}}\n",
            ["INTERVAL '3600 second'"],
        ),
        (f"{RULE}rule: true\n", ["NOT (true"]),
        (f"{RULE}rule: [a, yes]\n", ["NOT (a", "NOT (yes"]),
    ],
)
def test_what_a_check_says_is_what_somebody_typed(text: str, fragments: list[str]) -> None:
    sql = "\n".join(check.sql for check in node_of(text).checks)
    assert all(fragment in sql for fragment in fragments), sql


@pytest.mark.parametrize("nothing", ["", " ~", " null", " NULL"])
def test_a_key_that_is_left_empty_is_as_if_it_were_not_there(nothing: str) -> None:
    names = "description owner tags inputs params columns schema tests audits"
    keys = "".join(f"{name}:{nothing}\n" for name in names.split())
    full, bare = node_of(TRANSFORM + keys), node_of(TRANSFORM)
    assert (full.inputs, full.checks, full.promises, full.tags) == (
        bare.inputs,
        bare.checks,
        bare.promises,
        bare.tags,
    )


def test_names_and_tags_are_texts() -> None:
    node = node_of("kind: transform\nname: no\ntags: [2024, 1.10, on]\ntransform: SELECT 1 AS a\n")
    assert (node.id, node.tags) == ("transform.no", ("2024", "1.10", "on"))
    assert node_of(TRANSFORM + "tags: finance\n").tags == ("finance",)


def test_settings_are_read_as_they_are_meant() -> None:
    settings = read_settings(
        b"name: 2024\ndescription: no\nproduction_branch: 1.10\nprotect_production: on\n"
        b"keep_promotions: 1_0\nkeep_history: 12h\nwarehouse: ~\n"
    )
    assert (settings.name, settings.description, settings.production_branch) == (
        "2024",
        "no",
        "1.10",
    )
    assert (settings.protect_production, settings.keep_promotions, settings.keep_history) == (
        True,
        10,
        43200,
    )
    assert settings.warehouse == ""


FOLDED = [
    pytest.param("transform: >\n  SELECT 1 AS a\n  -- a comment\n  WHERE false\n", 5, id="folded"),
    pytest.param(
        "transform: >-\n  SELECT 1 AS a -- a comment\n  WHERE false",
        4,
        id="folded, at the end of the file",
    ),
    pytest.param(
        "transform: &sql >\n  SELECT 1 AS a -- a comment\n  WHERE false\n", 4, id="with an anchor"
    ),
    pytest.param("transform:\n  SELECT 1 AS a -- a comment\n  WHERE false\n", 4, id="plain"),
    pytest.param(
        "transform: SELECT 1 AS a\n  -- a comment\n  WHERE false\n",
        4,
        id="plain, from the key's line",
    ),
    pytest.param(
        "transform: 'SELECT ''a -- b'' AS a -- it''s\n  WHERE false'\n", 3, id="in single quotes"
    ),
    pytest.param(
        'transform: "SELECT 1 AS a -- a comment\n  WHERE false"\n', 3, id="in double quotes"
    ),
    pytest.param(
        'transform: "SELECT 1 AS a -- a comment \\\n  WHERE false"\n', 3, id="a line that goes on"
    ),
    pytest.param(
        "transform: SELECT 1 AS a\ntests:\n  - custom_sql: >\n      FROM __THIS__ -- a\n      WHERE a > 1\n",
        6,
        id="of a test",
    ),
    pytest.param(
        "transform: SELECT 1 AS a\ntests:\n  - type: custom_sql\n    sql:\n      FROM __THIS__ -- a\n      WHERE a > 1\n",
        7,
        id="of a long test",
    ),
]


@pytest.mark.parametrize(("text", "line"), FOLDED)
def test_a_comment_that_swallows_the_line_after_it_is_refused(text: str, line: int) -> None:
    with pytest.raises(ProjectError) as refused:
        node_of(f"kind: transform\nname: t\n{text}")
    (problem,) = refused.value.problems
    assert problem.line == line
    assert "swallows the line after it" in problem.message
    assert ": |`, which keeps lines" in (problem.hint or "")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("transform: |\n  SELECT 1 AS a -- a comment\n  WHERE true\n", id="literal"),
        pytest.param("transform: >\n  SELECT 1 AS a\n  -- a comment\n", id="at the end"),
        pytest.param(
            "transform: >\n  SELECT 1 AS a -- a comment\n\n  WHERE true\n", id="before a blank line"
        ),
        pytest.param(
            "transform: >\n  SELECT 1 AS a -- a comment\n    WHERE true\n",
            id="before a line further in",
        ),
        pytest.param(
            'transform: "SELECT 1 AS a -- a comment\\n\n  WHERE true"\n',
            id="with a line break of its own",
        ),
        pytest.param("transform: >\n  SELECT '--' AS a,\n  1 AS b\n", id="in a string"),
        pytest.param(
            "transform: >\n  SELECT 1 AS a /* -- */\n  WHERE true\n", id="in another comment"
        ),
        pytest.param(
            "description: >\n  a -- b\n  c\ntransform: SELECT 1 AS a\n",
            id="in a text that is no SQL",
        ),
    ],
)
def test_a_comment_that_swallows_nothing_is_fine(text: str) -> None:
    assert node_of(f"kind: transform\nname: t\n{text}").id == "transform.t"
