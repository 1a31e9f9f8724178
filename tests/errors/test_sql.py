"""SQL that the engine refuses: its words, at the line of the YAML file."""

from __future__ import annotations

import os
import pty
import re
import subprocess
from pathlib import Path

import pytest

from seeknal_git.sql.engine import SqlError, bound_columns
from tests.conftest import Repo
from tests.errors.conftest import Refused, transform

WRONG = "seeknal/transforms/wrong.yml"
HEAD = "kind: transform\nname: wrong\ninputs: [source.orders]\n"

# The mistake stands on the line that is marked.
STYLES = [
    pytest.param("transform: |\n  SELECT id,\n  @\n  FROM input_0\n", id="literal"),
    pytest.param(
        "transform: |2-  # SQL\n\n  SELECT id,\n  @\n  FROM input_0\n",
        id="literal, with everything",
    ),
    pytest.param("transform: >\n  SELECT id,\n  @\n  FROM input_0\n", id="folded"),
    pytest.param(
        "transform: >-\n  SELECT id,\n\n    'o''k' AS ok,\n\n  @\n  FROM input_0\n",
        id="folded, with blank lines",
    ),
    pytest.param("transform: SELECT id,\n  @\n  FROM input_0\n", id="plain"),
    pytest.param("transform:\n  SELECT id,\n  @\n  FROM input_0\n", id="plain, on the next line"),
    pytest.param(
        "transform: 'SELECT id,\n\n  ''o'' AS o, @\n  FROM input_0'\n", id="single quotes"
    ),
    pytest.param(
        'transform: "SELECT id, \\"id\\" AS i,\n  @\n  FROM input_0"\n', id="double quotes"
    ),
    pytest.param(
        'transform: "SELECT id,\\n @\\n FROM input_0"\n', id="double quotes, escaped line breaks"
    ),
    pytest.param(
        "owner: &sql |\n  SELECT id,\n  @\n  FROM input_0\ntransform: *sql\n", id="an alias"
    ),
    pytest.param(
        "transform: |\n  SELECT id, -- é日本\n  '日本語日本語日本語日本語' AS x,\n  @\n  FROM input_0\n",
        id="after letters of several bytes",
    ),
]


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        pytest.param("amont", 'Referenced column "amont" not found', id="that does not bind"),
        pytest.param("amount AMOUNT AMOUNT", "syntax error at or near", id="that does not parse"),
    ],
)
@pytest.mark.parametrize("sql", STYLES)
def test_sql_is_refused_at_its_line(
    repo: Repo, refused: Refused, orders: None, sql: str, mistake: str, words: str
) -> None:
    line = (HEAD + sql).partition("@")[0].count("\n") + 1
    for ending in ("\n", "\r\n"):
        file = repo.path / WRONG
        file.parent.mkdir(exist_ok=True)
        file.write_bytes((HEAD + sql).replace("@", mistake).replace("\n", ending).encode())
        said = refused(repo, "validate")
        assert said.startswith(f"error: {WRONG}:{line}: ")
        assert words in said


@pytest.fixture
def orders(repo: Repo) -> None:
    repo.write("data/orders.csv", "id,amount\n1,10\n")
    repo.write(
        "seeknal/sources/orders.yml",
        "kind: source\nname: orders\nsource: csv\ntable: data/orders.csv\n",
    )


def test_a_misspelt_join_key_is_one_problem(repo: Repo, refused: Refused, orders: None) -> None:
    text = (
        "kind: feature_group\nname: f\nentity:\n  name: order\n  join_keys: [idd]\n"
        "features: [amount]\ninputs: [source.orders]\n"
    )
    repo.write("seeknal/f.yml", text)
    said = refused(repo, "validate")
    assert said == (
        "error: seeknal/f.yml:5: feature_group.f promises the column idd, and its SQL returns none"
        " of that name.\n  It returns id, amount.\n"
    )


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param(
            "transform: >\n  SELECT 'one\n  two' AS words FROM input_0\n",
            id="a string over two lines",
        ),
        pytest.param(
            "transform: \"SELECT 'one\\ntwo' AS words\\nFROM input_0\"\n",
            id="a string with a line break",
        ),
        pytest.param(
            "transform: SELECT 'one  two' AS words\n  FROM input_0\n", id="a string with two blanks"
        ),
    ],
)
def test_a_string_in_folded_sql_is_what_yaml_says(repo: Repo, orders: None, sql: str) -> None:
    repo.write(WRONG, HEAD + sql)
    repo.seeknal("run")
    between = {">": " ", '"': "\n", "S": "  "}[sql.removeprefix("transform: ")[0]]
    assert repo.numbers("SELECT words FROM main.wrong") == [(f"one{between}two",)]


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        pytest.param(
            "SELECT 1 AS a; SELECT 2 AS b", "a node is exactly one SELECT", id="two statements"
        ),
        pytest.param("-- nothing", "there is no statement in it", id="a comment alone"),
        pytest.param(";", "there is no statement in it", id="a semicolon alone"),
        pytest.param(
            "SELECT 1 AS a /* x", "unterminated /* comment", id="a comment without an end"
        ),
        *(
            pytest.param(
                sql, f"a node is one SELECT, and this is {sql.split()[0]}", id=sql.split()[0]
            )
            for sql in (
                "DELETE FROM input_0",
                "INSERT INTO input_0 VALUES (1)",
                "UPDATE input_0 SET id = 1",
                "CREATE TABLE x AS SELECT 1",
                "DROP TABLE input_0",
                "COPY input_0 TO '/tmp/x.csv'",
                "ATTACH '/tmp/x.db'",
                "PRAGMA database_list",
                "SET threads = 1",
                "EXPLAIN SELECT 1",
                "INSTALL httpfs",
            )
        ),
        *(
            pytest.param(sql, "a PIVOT says its columns, as in ON kind IN ('a', 'b')", id=sql)
            for sql in (
                "PIVOT input_0 ON id USING count(*)",
                "FROM (PIVOT input_0 ON id USING count(*))",
            )
        ),
        pytest.param("SELECT ? AS a", "Values were not provided", id="a parameter"),
        pytest.param("SELECT $files AS a", "Values were not provided", id="a parameter of ours"),
        pytest.param(
            "SELECT nothing(id) AS a FROM input_0",
            "Scalar Function with name nothing does not exist",
            id="a function that is not there",
        ),
        pytest.param(f"SELECT {'+'.join(['1'] * 900)} AS a", "nested too deep", id="900 terms"),
        pytest.param(
            f"SELECT {'CASE WHEN true THEN ' * 700}1{' END' * 700} AS a",
            "nested too deep",
            id="CASE in CASE",
        ),
        pytest.param(
            f"SELECT {'[' * 900}1{']' * 900} AS a", "nested too deep", id="lists in lists"
        ),
    ],
)
def test_sql_that_is_not_one_select_is_refused(
    repo: Repo, refused: Refused, orders: None, sql: str, words: str
) -> None:
    repo.write(WRONG, transform(sql))
    said = refused(repo, "validate")
    assert said.startswith(f"error: {WRONG}:5: ")
    assert words in said


COPY = "COPY (SELECT 1) TO '@/pwned.csv'"


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param(f"SELECT 1 AS x; {COPY}; SELECT 1 -- pivot", id="before the word pivot"),
        pytest.param(f"SELECT 1 AS x; {COPY}; -- unpivot", id="before the word unpivot"),
        pytest.param(f"SELECT 'pivot' AS x; {COPY}", id="behind the word pivot"),
        pytest.param(f"PIVOT input_0 ON id USING sum(amount); {COPY}", id="behind a PIVOT"),
        pytest.param(
            f"PIVOT input_0 ON id IN (1) USING sum(amount); {COPY}",
            id="behind a PIVOT that says its columns",
        ),
        pytest.param(f"{COPY}; PIVOT input_0 ON id IN (1) USING sum(amount)", id="before a PIVOT"),
        pytest.param(f"SELECT 1 AS x; {COPY}", id="behind a SELECT"),
        pytest.param(f"DESCRIBE SELECT 1; {COPY}", id="behind a DESCRIBE"),
        pytest.param(
            f"SELECT '\\'; {COPY}; -- ' AS x", id="behind a text that ends in a backslash"
        ),
    ],
)
def test_a_statement_behind_a_statement_is_never_run(
    published: Repo, refused: Refused, tmp_path: Path, sql: str
) -> None:
    refused_without_a_trace(published, refused, tmp_path, transform(sql))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(
            "kind: rule\nname: r\ninputs: [source.orders]\nrule:\n  type: sql_assertion\n  sql: |\n    @\n",
            id="a rule",
        ),
        pytest.param(
            "kind: transform\nname: t\ntransform: SELECT 1 AS x\ntests:\n  - custom_sql: |\n      @\n",
            id="a test",
        ),
    ],
)
def test_a_statement_behind_a_check_is_never_run(
    published: Repo, refused: Refused, tmp_path: Path, text: str
) -> None:
    sql = f"SELECT 1 AS x; {COPY}; SELECT 1 -- pivot"
    refused_without_a_trace(published, refused, tmp_path, text.replace("@", sql))


def refused_without_a_trace(repo: Repo, refused: Refused, folder: Path, text: str) -> None:
    """By every command, here and from elsewhere; and no file is written to the folder that `@`
    is."""
    repo.switch("dev", create=True)
    repo.write(WRONG, text.replace("@", str(folder)))
    repo.commit()
    for command in (["validate"], ["dry-run", WRONG]):
        assert f"error: {WRONG}:" in refused(repo, *command)
    repo.switch("main")
    for command in (["plan", "dev"], ["run", "--env", "dev"], ["promote", "dev", "--dry-run"]):
        assert f"error: {WRONG}:" in refused(repo, *command)
    assert not (folder / "pwned.csv").exists()


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param(f"SELECT 1 AS x; {COPY}", id="COPY"),
        pytest.param("SELECT * FROM read_csv('@/secret.csv')", id="read_csv"),
        pytest.param("SELECT * FROM '@/secret.csv'", id="a name that is a path"),
        pytest.param("SELECT * FROM read_text('@/secret.csv')", id="read_text"),
        pytest.param("SELECT * FROM glob('@/*')", id="glob"),
        pytest.param("SELECT 1 AS x; ATTACH '@/pwned.db'", id="ATTACH"),
        pytest.param("SELECT 1 AS x; SET enable_external_access = true", id="SET"),
        pytest.param("SELECT 1 AS x; INSTALL httpfs", id="INSTALL"),
    ],
)
def test_the_engine_that_binds_nodes_has_no_files(tmp_path: Path, sql: str) -> None:
    (tmp_path / "secret.csv").write_text("a\n1\n")
    with pytest.raises(SqlError):
        bound_columns(sql.replace("@", str(tmp_path)), (), {})
    assert [each.name for each in tmp_path.iterdir()] == ["secret.csv"]


RULE = "kind: rule\nname: r\ninputs: [source.orders]\n"


@pytest.mark.parametrize(
    ("path", "content", "line", "words"),
    [
        pytest.param(
            "feature_groups/f",
            "kind: feature_group\nname: f\nentity: {name: o, join_keys: id}\ninputs: [source.orders]\ntransform: |\n  SELECT id,\n  amont FROM input_0\n",
            7,
            '"amont" not found',
            id="a feature group",
        ),
        pytest.param("rules/r", f"{RULE}rule: amont > 0\n", 4, '"amont" not found', id="a rule"),
        pytest.param(
            "rules/r",
            f"{RULE}rule: amount > > 0\n",
            4,
            "syntax error",
            id="a rule that does not parse",
        ),
        pytest.param(
            "rules/r",
            f"{RULE}rule:\n  type: range\n  column: amont\n  params: {{min_val: 0}}\n",
            4,
            '"amont" not found',
            id="a range",
        ),
        pytest.param(
            "rules/r",
            f"{RULE}rule: 'true) UNION ALL SELECT * FROM read_csv(''x'') WHERE (true'\n",
            4,
            "`read_csv()` reads something",
            id="a rule that breaks out",
        ),
        pytest.param(
            "rules/r",
            f"{RULE}rule: {{type: sql_assertion, sql: DROP TABLE input_0}}\n",
            4,
            "a node is one SELECT",
            id="an assertion that drops",
        ),
        pytest.param(
            "transforms/t",
            transform("SELECT id FROM input_0", "t")
            + "tests:\n  - not_null: id\n  - unique: key\n",
            8,
            '"key" not found',
            id="a test",
        ),
    ],
)
def test_the_sql_of_every_kind_is_refused_at_its_line(
    repo: Repo, refused: Refused, orders: None, path: str, content: str, line: int, words: str
) -> None:
    repo.write(f"seeknal/{path}.yml", content)
    said = refused(repo, "validate")
    assert f"error: seeknal/{path}.yml:{line}: " in said
    assert words in said


def test_a_rule_that_breaks_off_is_refused_at_its_line(
    repo: Repo, refused: Refused, orders: None
) -> None:
    repo.write("seeknal/rules/r.yml", f"{RULE}rule: 'amount > 0); DROP TABLE x; --'\n")
    assert "error: seeknal/rules/r.yml:4: " in refused(repo, "validate")


def test_messages_fit_a_terminal_and_are_whole_lines_elsewhere(published: Repo) -> None:
    name = "_".join(["quantities"] * 5)
    published.replace("seeknal/transforms/daily.yml", "sum(amount)", f"sum({name}) + sum(amount)")
    piped = published.seeknal("validate", code=1).err
    assert len(piped.splitlines()[0]) > 100
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        environment = {**os.environ, "COLUMNS": "80", "TERM": "dumb"}
        subprocess.run(
            published.command("validate"),
            cwd=published.path,
            stderr=theirs,
            env=environment,
            check=False,
        )
        os.close(theirs)
        seen = re.sub(r"\x1b\[[\d;]*m", "", terminal.read(10_000).decode()).replace("\r", "")
    assert max(map(len, seen.splitlines())) <= 80
    assert all(line.startswith("  ") for line in seen.splitlines()[1:])
    assert " ".join(seen.split()) == " ".join(piped.split())


def test_sql_that_fails_on_the_data_leaves_production_alone(
    published: Repo, refused: Refused
) -> None:
    published.replace(
        "seeknal/transforms/daily.yml", "sum(amount)", "sum((amount || 'x')::INTEGER)"
    )
    said = published.seeknal("run", code=1)
    assert "failed: transform.daily: Conversion Error: Could not convert string '10x'" in said.out
    assert (said.out + said.err).count("Conversion Error") == 1
    assert "(seeknal/transforms/daily.yml:6)" in said.out
    refused(published, "query", "FROM nothing")
    assert published.numbers("SELECT sum(total) FROM main.daily") == [(100,)]


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        pytest.param(
            "FROM nothing", "Table with name nothing does not exist", id="a table that is not there"
        ),
        pytest.param("SELECT FROM WHERE", "syntax error", id="that does not parse"),
        pytest.param("DROP VIEW orders", "A query is one statement that reads", id="DROP"),
        pytest.param(
            "INSERT INTO _snapshots.orders VALUES (1)",
            "A query is one statement that reads",
            id="INSERT",
        ),
        pytest.param(
            "SELECT 1; DROP VIEW orders", "A query is one statement that reads", id="two statements"
        ),
        pytest.param("COPY orders TO 'x.csv'", "A query is one statement that reads", id="COPY"),
        pytest.param("FROM read_csv('data/orders.csv')", "disabled", id="a file"),
        pytest.param("", "A query is one statement that reads", id="nothing"),
    ],
)
def test_a_query_that_does_not_read_is_refused(
    published: Repo, refused: Refused, sql: str, words: str
) -> None:
    assert words in refused(published, "query", sql)


def test_a_statement_about_rows_that_failed_reads_too(published: Repo, refused: Refused) -> None:
    twice = transform("SELECT 1 AS n UNION ALL SELECT 1", "t")
    published.write("seeknal/transforms/t.yml", f"{twice}tests:\n  - unique: n\n")
    published.commit("Twice the same")
    published.seeknal("run", code=1)
    said = refused(published, "query", "--failed", "t", "DROP VIEW t")
    assert "A query is one statement that reads" in said


@pytest.mark.parametrize(
    "column",
    [
        pytest.param("(SELECT max(amount) FROM source.orders)", id="a value"),
        pytest.param("id IN (SELECT id FROM source.orders)", id="IN"),
        pytest.param("EXISTS (FROM source.orders)", id="EXISTS"),
        pytest.param(
            "1 + (SELECT count(*) FROM (SELECT id FROM source.orders))",
            id="inside of an expression",
        ),
    ],
)
def test_a_column_is_never_named_after_the_table_that_stands_for_an_input(
    repo: Repo, refused: Refused, orders: None, column: str
) -> None:
    text = f"kind: transform\nname: wrong\ntransform: SELECT id, {column} FROM source.orders\n"
    repo.write(WRONG, text)
    assert "column 2 has a sub-query and no name: give it one" in refused(repo, "validate")
    repo.write(WRONG, text.replace(" FROM source.orders\n", " AS named FROM source.orders\n"))
    repo.seeknal("validate")


def test_a_rule_that_does_not_bind_never_says_that_data_is_wrong(published: Repo) -> None:
    rule = "kind: rule\nname: r\ninputs: [transform.clean_orders]\nrule:\n"
    said = "  value: amont > 0\n  params: {error_message: Some amounts are wrong}\n"
    published.write("seeknal/rules/r.yml", rule + said)
    for command in ("validate", "run"):
        told = published.seeknal(command, code=1).err
        assert 'rule.r: Binder Error: Referenced column "amont" not found' in told
        assert "Some amounts are wrong" not in told
        assert ": :" not in told
