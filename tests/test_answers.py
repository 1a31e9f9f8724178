"""Checks that do not hold: the rows that are shown, the command that gives all, and where a user is told of them."""

from __future__ import annotations

import csv
import io
import shlex
from typing import Any

import pytest

from tests.conftest import Repo, Templates, make_empty

ROWS = """
    note,id,x,day,ref
    fine,1,10,2024-01-01,1
    high,2,777,2024-01-01,1
    none,3,,2024-01-02,2
    twice,4,20,2024-01-02,2
    twice,4,-5,2024-01-03,9
"""

SOURCE = "kind: source\nname: s\nsource: csv\ntable: data/s.csv\n"
TABLE = "kind: transform\nname: t\ntransform: SELECT * FROM source.s\ntests: [%s]\n"
RULE = "kind: rule\nname: r\ninputs: [{ref: source.s}]\nrule: %s\n"
GROUP = "kind: feature_group\nname: t\nentity: {name: e, join_keys: [id, note]}\ninputs: [{ref: source.s}]\n"


def make_answers(repo: Repo) -> None:
    make_empty(repo)
    repo.write("data/s.csv", ROWS)
    repo.write("data/ids.csv", "id\n1\n2\n3\n4\n")
    repo.write("seeknal/s.yml", SOURCE)
    repo.write("seeknal/ids.yml", SOURCE.replace("name: s", "name: ids").replace("s.csv", "ids.csv"))
    repo.commit()
    repo.seeknal("run")


@pytest.fixture
def project(copy_of: Templates) -> Repo:
    """Two sources, published, and a branch that is checked out."""
    repo = copy_of("answers", make_answers)
    repo.switch("bad", create=True)
    return repo


def rows_of(repo: Repo, command: str) -> list[dict[str, str]]:
    """The answer to a command line as somebody copies it from a terminal."""
    program, *arguments = shlex.split(command)
    assert program == "seeknal"
    return list(csv.DictReader(io.StringIO(repo.seeknal(*arguments, "--format", "csv").out)))


KINDS = [
    pytest.param(TABLE % "{not_null: x}", "transform.t", ["note", "x"], [["none", None]], id="not_null"),
    pytest.param(TABLE % "{not_null: x}, {unique: [id, x]}", "transform.t", ["id", "x"], [[3, None]], id="not_null, keys"),
    pytest.param(TABLE % "{unique: id}", "transform.t", ["id", "occurrences"], [[4, 2]], id="unique"),
    pytest.param(
        TABLE % "{accepted_values: {column: note, values: [fine, high, none]}}, {unique: id, severity: warn}",
        "transform.t", ["id", "note"], [[4, "twice"], [4, "twice"]], id="accepted_values",
    ),
    pytest.param(
        TABLE % "{type: accepted_values, column: x, values: [10, 20, -5]}",
        "transform.t", ["note", "x"], [["high", 777]], id="accepted_values of numbers",
    ),
    pytest.param(TABLE % "{type: row_count, max: 4}", "transform.t", ["row_count"], [[5]], id="row_count"),
    pytest.param(
        TABLE % '{custom_sql: "SELECT x, id FROM input_0 AS a WHERE x < 0 -- none"}',
        "transform.t", ["x", "id"], [[-5, 4]], id="custom_sql",
    ),
    pytest.param(
        TABLE % "{custom_sql: 'WITH t AS (SELECT * FROM input_0) SELECT t.id, note FROM t WHERE id = 1'}",
        "transform.t", ["id", "note"], [[1, "fine"]], id="custom_sql with the name of the view",
    ),
    pytest.param(
        TABLE % "{custom_sql: \"SELECT * FROM input_0 WHERE input_0.ref NOT IN (SELECT id FROM ref('source.ids'))\"}",
        "transform.t", ["note", "id", "ref"], [["twice", 4, 9]], id="custom_sql over another node",
    ),
    pytest.param(RULE % "x < 700", "rule.r", ["note", "x"], [["high", 777]], id="expression"),
    pytest.param(RULE % "note <> 'high' AND id > 0", "rule.r", ["note", "id"], [["high", 2]], id="expression on text"),
    pytest.param(RULE % "{type: null, column: x}", "rule.r", ["note", "x"], [["none", None]], id="null"),
    pytest.param(
        RULE % "{type: range, column: x, params: {min_val: 0, max_val: 100}}",
        "rule.r", ["note", "x"], [["high", 777], ["twice", -5]], id="range",
    ),
    pytest.param(
        RULE % "[{type: uniqueness, column: id, params: {severity: warn}}, x < 700]",
        "rule.r", ["id", "x"], [[2, 777]], id="expression, keys",
    ),
    pytest.param(
        RULE % "{type: freshness, column: day, params: {max_age: 1d}}",
        "rule.r", ["note", "day"], [["fine", "2024-01-01"], *[["…"]] * 4], id="freshness",
    ),
    pytest.param(
        RULE % "{type: sql_assertion, sql: 'SELECT ref FROM source.s WHERE ref > 5'}",
        "rule.r", ["ref"], [[9]], id="sql_assertion",
    ),
    pytest.param(GROUP, "feature_group.t", ["note", "id", "occurrences"], [["twice", 4, 2]], id="join keys"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "node", "first", "rows"), KINDS)
def test_a_check_that_fails_shows_rows_keys_first_and_the_command_for_all(
    project: Repo, text: str, node: str, first: list[str], rows: list[list[Any]]
) -> None:
    project.write("seeknal/t.yml", text)
    failures = [each for each in project.run(code=1)["failures"] if each["node"] == node]
    assert len(failures) == 1
    failure = failures[0]
    assert len(failure["rows"]) == len(rows)
    for shown, expected in zip(failure["rows"], rows, strict=True):
        if expected != ["…"]:
            assert sorted(list(shown)[: len(first)]) == sorted(first)
            assert [shown[name] for name in first] == expected
    asked = rows_of(project, failure["command"])
    assert len(asked) == failure["violations"] == len(rows)
    known = [{name: "" if value is None else str(value) for name, value in row.items()} for row in failure["rows"]]
    assert sorted(known, key=repr) == sorted(({name: row[name] for name in known[0]} for row in asked), key=repr), (
        "the command gives the rows that were shown"
    )
