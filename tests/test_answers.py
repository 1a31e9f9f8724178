"""Checks that do not hold: the rows that are shown, the command that gives all, and where a user is
told of them."""

from __future__ import annotations

import csv
import io
import json
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
TABLE = "kind: transform\nname: @\ntransform: SELECT * FROM source.s\ntests: [%s]\n"
RULE = "kind: rule\nname: @\ninputs: [{ref: source.s}]\nrule: %s\n"
GROUP = "kind: feature_group\nname: @\nentity: {name: e, join_keys: [id, note]}\ninputs: [{ref: source.s}]\n"


def make_answers(repo: Repo) -> None:
    make_empty(repo)
    repo.write("data/s.csv", ROWS)
    repo.write("data/ids.csv", "id\n1\n2\n3\n4\n")
    repo.write("seeknal/s.yml", SOURCE)
    repo.write(
        "seeknal/ids.yml", SOURCE.replace("name: s", "name: ids").replace("s.csv", "ids.csv")
    )
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
    pytest.param(
        TABLE % "{not_null: x}", "transform", ["note", "x"], [["none", None]], id="not_null"
    ),
    pytest.param(
        TABLE % "{not_null: x}, {unique: [id, x]}",
        "transform",
        ["id", "x"],
        [[3, None]],
        id="not_null, keys",
    ),
    pytest.param(TABLE % "{unique: id}", "transform", ["id", "occurrences"], [[4, 2]], id="unique"),
    pytest.param(
        TABLE
        % "{accepted_values: {column: note, values: [fine, high, none]}}, {unique: id, severity: warn}",
        "transform",
        ["id", "note"],
        [[4, "twice"], [4, "twice"]],
        id="accepted_values",
    ),
    pytest.param(
        TABLE % "{type: accepted_values, column: x, values: [10, 20, -5]}",
        "transform",
        ["note", "x"],
        [["high", 777]],
        id="accepted_values of numbers",
    ),
    pytest.param(
        TABLE % "{type: row_count, max: 4}", "transform", ["row_count"], [[5]], id="row_count"
    ),
    pytest.param(
        TABLE % '{custom_sql: "SELECT x, id FROM input_0 AS a WHERE x < 0 -- none"}',
        "transform",
        ["x", "id"],
        [[-5, 4]],
        id="custom_sql",
    ),
    pytest.param(
        TABLE
        % "{custom_sql: 'WITH @ AS (SELECT * FROM input_0) SELECT @.id, note FROM @ WHERE id = 1'}",
        "transform",
        ["id", "note"],
        [[1, "fine"]],
        id="custom_sql with the name of the view",
    ),
    pytest.param(
        TABLE
        % "{custom_sql: \"SELECT * FROM input_0 WHERE input_0.ref NOT IN (SELECT id FROM ref('source.ids'))\"}",
        "transform",
        ["note", "id", "ref"],
        [["twice", 4, 9]],
        id="custom_sql over another node",
    ),
    pytest.param(RULE % "x < 700", "rule", ["note", "x"], [["high", 777]], id="expression"),
    pytest.param(
        RULE % "note <> 'high' AND id > 0",
        "rule",
        ["note", "id"],
        [["high", 2]],
        id="expression on text",
    ),
    pytest.param(
        RULE % "{type: null, column: x}", "rule", ["note", "x"], [["none", None]], id="null"
    ),
    pytest.param(
        RULE % "{type: range, column: x, params: {min_val: 0, max_val: 100}}",
        "rule",
        ["note", "x"],
        [["high", 777], ["twice", -5]],
        id="range",
    ),
    pytest.param(
        RULE % "[{type: uniqueness, column: id, params: {severity: warn}}, x < 700]",
        "rule",
        ["id", "x"],
        [[2, 777]],
        id="expression, keys",
    ),
    pytest.param(
        RULE % "{type: freshness, column: day, params: {max_age: 1d}}",
        "rule",
        ["note", "day"],
        [["fine", "2024-01-01"], *[["…"]] * 4],
        id="freshness",
    ),
    pytest.param(
        RULE % "{type: sql_assertion, sql: 'SELECT ref FROM source.s WHERE ref > 5'}",
        "rule",
        ["ref"],
        [[9]],
        id="sql_assertion",
    ),
    pytest.param(
        GROUP, "feature_group", ["note", "id", "occurrences"], [["twice", 4, 2]], id="join keys"
    ),
]


NAMES = [f"n{number}" for number in range(len(KINDS))]


def make_kinds(repo: Repo) -> None:
    """Checks of every kind, all of which fail."""
    make_answers(repo)
    repo.switch("bad", create=True)
    for name, kind in zip(NAMES, KINDS, strict=True):
        repo.write(f"seeknal/{name}.yml", str(kind.values[0]).replace("@", name))
    repo.write("said.json", repo.seeknal("run", "--continue-on-error", "--json", code=1).out)


@pytest.mark.parametrize(
    ("kind", "name"), list(zip(KINDS, NAMES, strict=True)), ids=[kind.id for kind in KINDS]
)
def test_a_check_that_fails_shows_rows_keys_first_and_the_command_for_all(
    templates: Templates, kind: Any, name: str
) -> None:
    _, of, first, rows = kind.values
    repo = templates("kinds", make_kinds)
    (failure,) = [
        each
        for each in json.loads(repo.read("said.json"))["failures"]
        if each["node"] == f"{of}.{name}"
    ]
    assert len(failure["rows"]) == len(rows)
    for shown, expected in zip(failure["rows"], rows, strict=True):
        if expected != ["…"]:
            assert sorted(list(shown)[: len(first)]) == sorted(first)
            assert [shown[column] for column in first] == expected
    asked = rows_of(repo, failure["command"])
    assert len(asked) == failure["violations"] == len(rows)
    known = [
        {key: "" if value is None else str(value) for key, value in row.items()}
        for row in failure["rows"]
    ]
    same = [{column: row[column] for column in known[0]} for row in asked]
    assert sorted(known, key=repr) == sorted(same, key=repr), (
        "the command gives the rows that were shown"
    )


T = TABLE.replace("@", "t")
WARNED = T % "{type: accepted_values, column: note, values: [fine, high, none], severity: warn}"
TOLD = "transform.t: accepted_values(note): 2 of 5 rows violate it (seeknal/t.yml:4)"
FAILING = WARNED.replace(", severity: warn", "")


def test_a_warning_is_told_by_every_command_until_it_is_mended(project: Repo) -> None:
    project.write("seeknal/t.yml", WARNED)
    first, second = project.run(), project.run()
    assert first["warnings"] == second["warnings"] == [TOLD]
    assert first["warned"] == second["warned"]
    assert [row["note"] for row in second["warned"][0]["rows"]] == ["twice", "twice"]
    project.commit()
    for command in (
        "run",
        "status",
        "plan",
        "run --dry-run",
        "log --env bad -n 1",
        "plan --into main",
        "plan --markdown",
    ):
        said = project.seeknal(*command.split()).out
        assert said.count(TOLD) == 1, command
    for command in ("status", "plan"):
        assert TOLD.removeprefix("transform.t: ") in project.seeknal(command, "--json").out, command
    project.switch("main")
    project.merge("bad")
    for command in (
        "promote",
        "promote",
        "run",
        "status",
        "log -n 1",
        "run --nodes ids",
        "log -n 1",
    ):
        said = project.seeknal(*command.split()).out
        assert said.count(TOLD) == (0 if "--nodes" in command else 1), command
    assert project.seeknal("log", "--json").json["publications"][0]["warnings"] == [TOLD]
    project.replace("seeknal/t.yml", "[fine, ", "[twice, fine, ")
    for command in ("run", "run", "status", "log -n 1", "plan"):
        assert TOLD not in project.seeknal(*command.split()).out, command


def test_a_rollback_tells_the_warnings_of_what_it_shows_again(project: Repo) -> None:
    project.switch("main")
    project.write("seeknal/t.yml", WARNED)
    project.commit()
    project.seeknal("promote")
    project.replace("seeknal/t.yml", "[fine, ", "[twice, fine, ")
    project.replace("seeknal/t.yml", "SELECT *", "SELECT *, 1 AS one")
    project.commit()
    project.seeknal("promote")
    assert TOLD not in project.seeknal("log", "-n", "1").out
    project.seeknal("rollback")
    assert TOLD in project.seeknal("log", "-n", "1").out


def test_status_repeats_a_failure_of_an_earlier_run_in_the_same_words(project: Repo) -> None:
    project.write("seeknal/t.yml", FAILING)
    failed = project.run(code=1)["failures"][0]
    assert failed["message"] in TOLD
    assert project.run(code=1)["failures"] == [failed]
    said = project.seeknal("status").out
    assert f"failed: {TOLD}\n" in said
    assert "seeknal query --failed transform.t\n" in said
    assert project.seeknal("status", "--json").json["failing"] == [
        {"node": "transform.t", "check": "accepted_values(note)", "message": failed["message"]}
    ]
    project.replace("seeknal/t.yml", "[fine, ", "[twice, fine, ")
    project.seeknal("run")
    assert "failed" not in project.seeknal("status").out


def test_status_says_why_a_run_of_a_branch_failed_that_no_check_stopped(project: Repo) -> None:
    project.write("seeknal/t.yml", FAILING)
    project.write(
        "seeknal/u.yml",
        "kind: transform\nname: u\ntransform: SELECT error(note) AS x FROM source.s\n",
    )
    project.run("--continue-on-error", code=1)
    said = project.seeknal("status").out
    assert "the last run of bad failed (seeknal run tries again): transform.u: " in said
    assert said.count(TOLD) == 1


def test_a_freshness_that_fails_is_told_by_status_too(project: Repo) -> None:
    project.write(
        "seeknal/r.yml",
        (RULE % "{type: freshness, column: day, params: {max_age: 1d, severity: warn}}").replace(
            "@", "r"
        ),
    )
    project.seeknal("run")
    assert (
        "warning: rule.r: freshness(day): 5 of 5 rows violate it" in project.seeknal("status").out
    )


def test_a_query_of_a_table_that_is_held_back_says_so(project: Repo) -> None:
    project.write("seeknal/t.yml", FAILING)
    project.run(code=1)
    said = ""
    for sql in (
        "FROM t",
        "SELECT * FROM T AS x",
        "DESCRIBE t",
        "SUMMARIZE t",
        "FROM bad.t",
        "EXPLAIN FROM s, t",
    ):
        said = project.seeknal("query", sql, code=2).err
        assert f"t is built, but not published in bad: {TOLD}." in said, sql
    command = said.partition("Read the newer table with: ")[2].strip()
    assert len(rows_of(project, command)) == 5
    assert project.seeknal("query", "FROM s").err == "5 rows\n"


@pytest.mark.parametrize("branch", ["bad", "main"])
def test_a_query_of_an_older_table_says_that_the_newer_one_failed(
    project: Repo, branch: str
) -> None:
    project.switch(branch)
    project.write("seeknal/t.yml", WARNED)
    project.commit()
    project.seeknal("run")
    project.write("seeknal/t.yml", FAILING.replace("SELECT *", "SELECT *, 1 AS one"))
    project.commit(hooks=False)
    project.run(code=1)
    asked = project.seeknal("query", "SELECT * FROM t", "--format", "csv")
    assert asked.out.splitlines()[0].endswith(",ref")
    assert (
        "t is what it was before the last run: transform.t: accepted_values(note): 2 of 5"
        in asked.err
    )
    newer = project.seeknal("query", "--failed", "t", "FROM t", "--format", "csv")
    assert newer.out.splitlines()[0].endswith(",one")
    project.write("seeknal/t.yml", WARNED.replace("SELECT *", "SELECT *, 2 AS one"))
    project.seeknal("run")
    assert project.seeknal("query", "FROM t", "--format", "csv").err == ""


def test_what_a_failed_rule_looked_at_can_be_asked(project: Repo) -> None:
    project.write(
        "seeknal/t.yml", "kind: transform\nname: t\ntransform: SELECT *, x * 2 AS y FROM source.s\n"
    )
    project.write(
        "seeknal/r.yml", (RULE % "y < 100").replace("@", "r").replace("source.s", "transform.t")
    )
    project.run(code=1)
    asked = project.seeknal("query", "--failed", "rule.r", "--format", "csv")
    assert asked.out.splitlines()[1:] == ["high,2,777,2024-01-01,1,1554"]
    assert asked.err == "y < 100: 1 of 5 rows violates it (seeknal/r.yml:4)\n"
    assert "t is built, but not published" in project.seeknal("query", "FROM t", code=2).err


def test_a_failure_elsewhere_names_the_environment_in_its_command(project: Repo) -> None:
    project.write("seeknal/t.yml", FAILING)
    project.commit()
    project.switch("main")
    failure = project.run("--env", "bad", code=1)["failures"][0]
    assert failure["command"].startswith("seeknal query --env bad --failed transform.t ")
    assert len(rows_of(project, failure["command"])) == 2
    said = project.seeknal("query", "--env", "bad", "FROM t", code=2).err
    assert "seeknal query --env bad --failed transform.t 'FROM t'" in said


@pytest.mark.parametrize("how", ["new data", "--full"])
def test_a_failure_of_production_can_be_asked_though_the_older_table_is_shown(
    project: Repo, how: str
) -> None:
    project.switch("main")
    project.write("raw/r.csv", "x\n1\n2\n")
    project.write(
        "seeknal/raw.yml", SOURCE.replace("name: s", "name: raw").replace("data/s.csv", "raw/r.csv")
    )
    project.write("limit.txt", "10")
    project.write(
        "seeknal/t.yml",
        "kind: transform\nname: t\ntransform: SELECT x, now() AS at FROM source.raw\n"
        "tests: [{custom_sql: 'SELECT x FROM input_0 WHERE x > 2'}]\n",
    )
    project.commit()
    project.seeknal("run")
    project.write("raw/r.csv", "x\n1\n777\n")
    failed = project.run(*(["--full"] if how == "--full" else []), code=1)["failures"]
    assert [each["rows"] for each in failed] == [[{"x": 777}]]
    assert rows_of(project, failed[0]["command"]) == [{"x": "777"}]
    asked = project.seeknal("query", "SELECT x FROM t", "--format", "csv")
    assert asked.out == "x\n1\n2\n"
    assert "t is what it was before the last run: transform.t: custom_sql" in asked.err
    assert "custom_sql: its SQL returns 1 row" in project.seeknal("status").out


def test_rows_are_not_stored_with_the_answer(project: Repo) -> None:
    project.write("seeknal/t.yml", FAILING)
    project.run(code=1)
    tables = project.numbers(
        "SELECT table_name FROM duckdb_tables() WHERE schema_name = '_seeknal'"
    )
    stored = [row for (name,) in tables for row in project.numbers(f"FROM _seeknal.{name}")]
    assert "accepted_values" in str(stored)
    assert "twice" not in str(stored)


def test_long_values_many_rows_and_many_columns_are_cut(project: Repo) -> None:
    columns = ", ".join(f"'{'long ' * 60}' AS c{number}" for number in range(20))
    project.write(
        "seeknal/t.yml",
        f"kind: transform\nname: t\ntransform: SELECT i, e'a\\n\\x1b[31m' AS sign, {columns} FROM range(100) AS r(i)\n"
        "tests: [{custom_sql: 'SELECT * FROM input_0 WHERE i > 2 AND c3 IS NOT NULL'}]\n",
    )
    said = project.seeknal("run", code=1).out
    block = said[said.index("failed: transform.t") :].splitlines()
    assert len(block) == 9
    assert all(len(line) <= 80 for line in block[1:8])
    assert block[1].split() == ["i", "c3", "sign"]
    assert block[2].split("  ")[-1] == "a\\n\\x1b[31m"
    assert block[7].strip() == "and 92 more rows, 19 more columns"
    rows = project.run(code=1)["failures"][0]["rows"]
    assert len(rows) == 5
    assert len(rows[0]) == 12
    assert len(rows[0]["c3"]) == 200


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["--failed", "nope"], "There is no node nope.", id="no node"),
        pytest.param(
            ["--failed", "s"],
            "No check of source.s fails, and bad shows what was checked.",
            id="in order",
        ),
        pytest.param(["--failed", "u"], "transform.u is not built as it is now.", id="never built"),
        pytest.param(["--failed", "t", "--at", "HEAD"], "it goes without --at", id="with at"),
        pytest.param(
            ["--failed", "t", "DROP VIEW t"],
            "A query is one statement that reads",
            id="a statement",
        ),
        pytest.param([], "Missing argument SQL", id="nothing"),
    ],
)
def test_a_question_that_has_no_answer_is_refused(
    project: Repo, arguments: list[str], said: str
) -> None:
    project.write("seeknal/t.yml", FAILING)
    project.run(code=1)
    project.write("seeknal/u.yml", "kind: transform\nname: u\ntransform: SELECT 1 AS x\n")
    assert said in project.seeknal("query", *arguments, code=2).err


@pytest.mark.parametrize(
    ("tests", "words", "count"),
    [
        pytest.param(", {not_null: ref}, {unique: x}", ["test unique(x) added"], 1, id="one more"),
        pytest.param(
            ", {not_null: ref, severity: warn}", ["test not_null(ref) changed"], 1, id="changed"
        ),
        pytest.param(
            ", {unique: x}", ["test unique(x) added", "test not_null(ref) removed"], 1, id="another"
        ),
        pytest.param("", ["test not_null(ref) removed"], 0, id="removed"),
        pytest.param(", {not_null: ref}", ["description added"], 0, id="none"),
    ],
)
@pytest.mark.parametrize("into", [["--into", "main"], []], ids=["into", "of the branch"])
def test_a_plan_lists_tests_that_are_new_or_changed(
    project: Repo, tests: str, words: list[str], count: int, into: list[str]
) -> None:
    project.switch("main")
    project.write("seeknal/t.yml", T % "{not_null: id}, {not_null: [ref]}")
    project.commit()
    project.seeknal("run")
    project.switch("new", create=True)
    described = "description: x\n" if words == ["description added"] else ""
    project.write("seeknal/t.yml", described + T % f"{{not_null: id}}{tests}")
    project.commit()
    said, plan = (project.seeknal("plan", *into, *form).out for form in ([], ["--json"]))
    assert all(word in said for word in words)
    assert ("to check" in said) == bool(count)
    if count:
        assert f"0 tables to build, {count} test to check; 3 tables re-used.\n" in said
        assert "nothing has to be built" not in said
    assert sum(map(len, json.loads(plan)["tests"].values())) == count


def test_a_plan_counts_the_tests_of_tables_that_are_built_and_tells_what_failed_already(
    project: Repo,
) -> None:
    project.write("seeknal/t.yml", FAILING)
    assert "1 table to build, 1 test to check; " in project.seeknal("plan").out
    project.run(code=1)
    project.commit()
    for command in ("plan", "plan --into main"):
        assert f"failed: {TOLD}\n" in project.seeknal(*command.split()).out
    assert f"- **failed**: {TOLD}" in project.seeknal("plan", "--into", "main", "--markdown").out
    assert project.plan("--into", "main")["failing"] == [TOLD]


def test_a_table_that_was_built_again_and_failed_can_be_asked(project: Repo) -> None:
    project.write(
        "seeknal/t.yml",
        "kind: transform\nname: t\ntransform: SELECT random() AS r FROM range(1)\n"
        "tests: [{custom_sql: 'FROM input_0 WHERE r > 0.5'}]\n",
    )
    for wanted in (0, 1):  # half of all tables pass
        while project.seeknal("run", "--full", "--json", code=None).code != wanted:
            pass
    shown = project.seeknal("query", "FROM t", "--format", "csv")
    assert "t is what it was before the last run: transform.t: custom_sql" in shown.err
    assert all(float(row["r"]) <= 0.5 for row in csv.DictReader(io.StringIO(shown.out)))
    failed = list(
        csv.DictReader(
            io.StringIO(project.seeknal("query", "--failed", "t", "--format", "csv").out)
        )
    )
    assert [float(row["r"]) > 0.5 for row in failed] == [True]


RAW = {
    "seeknal/raw.yml": SOURCE.replace("name: s", "name: raw").replace("data/s.csv", "raw/r.csv"),
    "seeknal/t.yml": """
        kind: transform
        name: t
        transform: SELECT x AS "order" FROM source.raw
        tests:
          - custom_sql: |
              -- it's "more" than $776!
              SELECT * FROM input_0
              WHERE "order" > 776 AND 'it''s; "so" -- $x' <> ''
    """,
}


def make_raw(repo: Repo) -> None:
    """A pipeline over a raw file that git does not track, published."""
    make_empty(repo)
    for path, text in RAW.items():
        repo.write(path, text)
    repo.write("raw/r.csv", "x\n1\n2\n")
    repo.commit()
    repo.seeknal("run")


WAYS = [
    pytest.param(["run"], True, False, id="run of a branch"),
    pytest.param(["run", "--refresh"], True, True, id="run of a branch that reads again"),
    pytest.param(["run", "--env", "dev"], False, False, id="run of a branch from elsewhere"),
    pytest.param(["run"], False, True, id="run of production"),
    pytest.param(["run", "--nodes", "t"], False, True, id="run of some nodes"),
    pytest.param(["promote", "dev"], True, False, id="promotion of a branch"),
    pytest.param(["promote", "dev"], False, False, id="promotion from production"),
]


@pytest.mark.parametrize(("command", "on_branch", "reads"), WAYS)
def test_the_command_of_a_failure_gives_the_rows_however_it_came(
    copy_of: Templates, command: list[str], on_branch: bool, reads: bool
) -> None:
    repo = copy_of("raw", make_raw)
    repo.switch("dev", create=True)
    if reads:
        repo.write("raw/r.csv", "x\n1\n777\n")
    else:
        repo.replace("seeknal/t.yml", "SELECT x AS", "SELECT 775 + x AS")
        repo.commit()
    if not on_branch:
        repo.switch("main")
    said = repo.seeknal(*command, "--json", code=1).out
    failure = json.loads(said)["failures"][0]
    assert failure["rows"] == [{"order": 777}]
    assert rows_of(repo, failure["command"]) == [{"order": "777"}]
    environment = (
        ["--env", "dev"]
        if "--env" in command
        else ["--env", "main"]
        if command[0] == "promote"
        else []
    )
    asked = repo.seeknal("query", *environment, "FROM t", code=None)
    assert failure["message"] in asked.err
    repo.switch("dev" if "dev" in command[1:2] or "--env" in command or on_branch else "main")
    assert failure["message"] in repo.seeknal("status").out


def test_a_project_can_keep_rows_out_of_its_logs(project: Repo) -> None:
    project.switch("main")
    project.write("seeknal_project.yml", "name: empty\nshow_rows: false\n")
    project.commit()
    project.switch("bad")
    project.merge("main", "--quiet")
    project.write("seeknal/t.yml", FAILING)
    said = project.seeknal("run", code=1).out
    assert f"failed: {TOLD}\n  all: seeknal query --failed transform.t " in said
    assert "twice" not in said.replace("'twice'", "")
    assert project.run(code=1)["failures"][0]["rows"] == []
