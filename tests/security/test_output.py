"""What a stranger writes is data: it reaches no table that it does not name, and no line that a
machine obeys."""

from __future__ import annotations

import ast
import itertools
import random
import re
import shlex
import subprocess
from html import unescape
from pathlib import Path

import duckdb
import pytest
import yaml
from markdown_it import MarkdownIt

import seeknal_git
from seeknal_git.names import command_line, of_option, operand, shown
from seeknal_git.report import markdown
from seeknal_git.report.terminal import bold, hint, note, out, table, with_styles
from seeknal_git.sql.engine import parsed
from seeknal_git.sql.statement import rendered
from tests.conftest import Repo, Templates, make_published

# Statements that read the engine's catalog, in which the tables of all environments are, without an
# input that says so.
CATALOG = {
    "a recursion begins outside of itself": """
        WITH RECURSIVE duckdb_tables(name) AS (
          SELECT table_name FROM duckdb_tables UNION ALL SELECT name FROM duckdb_tables WHERE false
        ) SELECT * FROM duckdb_tables""",
    "in a sub-query of the beginning": """
        WITH RECURSIVE sqlite_master(name) AS (
          SELECT 'x' WHERE 'y' IN (SELECT name FROM sqlite_master) UNION SELECT name FROM sqlite_master WHERE false
        ) SELECT * FROM sqlite_master""",
    "a CTE reads what it is called": "WITH pg_views AS (SELECT * FROM pg_views) SELECT * FROM pg_views",
    "before the CTE of that name": """
        WITH a AS (SELECT name FROM sqlite_master), sqlite_master AS (SELECT 1 AS x) SELECT * FROM a""",
    "beside the sub-query with the CTE": """
        SELECT (WITH duckdb_views AS (SELECT 1 AS x) SELECT x FROM duckdb_views) AS x, view_name FROM duckdb_views""",
    "on the other side of a UNION": """
        (WITH sqlite_master AS (SELECT 'x' AS name) SELECT name FROM sqlite_master)
        UNION ALL SELECT name FROM sqlite_master""",
    "within another CTE": """
        WITH a AS (WITH duckdb_views AS (SELECT 1 AS x) SELECT x FROM duckdb_views)
        SELECT view_name, x FROM a, duckdb_views""",
    "with its schema": "WITH pg_tables AS (SELECT 1 AS x) SELECT tablename FROM pg_catalog.pg_tables",
    "with its catalog": "WITH t AS (SELECT 1 AS x) SELECT name FROM system.main.sqlite_master",
    "of the standard": "WITH tables AS (SELECT 1 AS x) SELECT table_name FROM information_schema.tables",
    "a function": "WITH duckdb_tables AS (SELECT 1 AS x) SELECT table_name FROM duckdb_tables()",
    "a function of another catalog": "SELECT table_name FROM system.main.duckdb_tables()",
    "a function that takes a name": "SELECT * FROM query_table('duckdb_tables')",
    "a function that takes a statement": "SELECT * FROM query('FROM duckdb_tables')",
    "a macro of the engine": "SELECT pg_get_viewdef(n) AS text FROM range(5000) AS t(n)",
    "a macro in a condition": "SELECT 1 AS x WHERE pg_get_constraintdef(1) IS NULL",
    "a macro that is called like a method": "SELECT name.get_block_size() AS x FROM (SELECT 'warehouse' AS name)",
    "a function that plans a statement": "SELECT json_serialize_plan('FROM warehouse.main.orders') AS x",
    "the tables of the engine": "SELECT name FROM (SHOW ALL TABLES)",
    "a description": "SELECT column_name FROM (DESCRIBE duckdb_tables)",
    "another environment": "WITH orders AS (SELECT 1 AS x) SELECT * FROM warehouse.main.orders",
    "a snapshot": "WITH orders AS (SELECT 1 AS x) SELECT * FROM warehouse._snapshots.orders",
    "a file": "WITH x AS (SELECT 1 AS a) SELECT * FROM '/etc/passwd'",
    "in the bound of a LIMIT": "SELECT 1 AS x LIMIT (SELECT count(*) FROM sqlite_master)",
    "in an argument of a table": "SELECT * FROM range((SELECT count(*) FROM sqlite_master))",
}
# In a CTE, DuckDB 2 takes statements that write; DuckDB 1.5 refuses the text.
WRITING = {
    "a file": "WITH t AS (COPY (SELECT 1 AS a) TO 'written.csv') SELECT 1 AS x FROM t",
    "rows": "WITH t AS (INSERT INTO warehouse.main.orders VALUES (1) RETURNING *) SELECT * FROM t",
    "no rows": "WITH t AS (DELETE FROM warehouse.main.orders RETURNING *) SELECT * FROM t",
}


def test_a_node_reads_its_inputs_and_nothing_else(repo: Repo) -> None:
    attacks = [*CATALOG.values(), *WRITING.values()]
    for number, sql in enumerate(attacks):
        repo.write(
            f"seeknal/n{number}.yml",
            f"kind: transform\nname: n{number}\ntransform: |\n  {sql.strip()}\n",
        )
    said = repo.seeknal("validate", "--json", code=1).json
    wrong = {problem["path"] for problem in said["problems"]}
    assert [
        sql for number, sql in enumerate(attacks) if f"seeknal/n{number}.yml" not in wrong
    ] == []


_NAMES = ("a", "b", "c")


def _drawn(depth: int, draw: random.Random) -> str:
    """A query whose CTEs and tables have the same few names, at any depth."""
    name, table = draw.choice(_NAMES), f"SELECT x FROM {draw.choice(_NAMES)}"
    if depth == 0 or draw.random() < 0.2:
        return table
    one, two, three = (_drawn(depth - 1, draw) for _ in range(3))
    again = draw.choice((name, name, *_NAMES))
    return draw.choice(
        (
            f"WITH {name} AS ({one}) SELECT x FROM ({two}) q",
            f"WITH {name} AS MATERIALIZED ({one}), d AS ({two}) SELECT x FROM ({three}) q",
            f"WITH RECURSIVE {name}(x) AS (SELECT x FROM ({one}) q UNION ALL SELECT x FROM {again} WHERE EXISTS ({two})) SELECT x FROM ({three}) q",
            f"({one}) UNION ALL ({two})",
            f"({one}) EXCEPT ({two}) ORDER BY x LIMIT (SELECT count(*) FROM {name})",
            f"SELECT x FROM ({one}) s JOIN {name} USING (x) WHERE x IN ({two})",
            f"SELECT (SELECT x FROM ({one}) q LIMIT 1) AS x FROM {name} t, LATERAL (SELECT x FROM ({two}) v) u(y)",
        )
    )


def _with_numbered_tables(sql: str) -> str:
    numbers = itertools.count()
    return rendered(sql, parsed(sql)[1], lambda _: f"table_{next(numbers)}")


def test_no_name_of_a_statement_means_a_table_once_its_references_are_replaced() -> None:
    """The engine's scopes are those of the analysis: whatever is no reference is a CTE for the
    engine too."""
    engine = duckdb.connect()
    for name in (*_NAMES, *(f"table_{number}" for number in range(100))):
        engine.execute(f"CREATE TABLE {name} (x INTEGER)")
    bound = 0
    for seed in range(150):
        sql = _drawn(4, random.Random(seed))
        text = _with_numbered_tables(sql)
        ((plan,),) = engine.execute(
            "SELECT json_serialize_plan($1, optimize := false)", [text]
        ).fetchall()
        assert not [name for name in _NAMES if f'"table":"{name}"' in plan], sql
        bound += '"error":false' in plan
    assert bound > 60


# Each may be called like a table of the engine, as long as it is the statement's own.
OWN = {
    "WITH duckdb_tables AS (SELECT 1 AS x) SELECT x FROM duckdb_tables": 1,
    "WITH sqlite_master AS (SELECT 2 AS x) SELECT (SELECT max(x) FROM sqlite_master) AS x": 2,
    "WITH RECURSIVE sqlite_master(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM sqlite_master WHERE x < 3) "
    "SELECT max(x) AS x FROM sqlite_master": 3,
    "WITH t AS (SELECT 3 AS x), r AS (WITH RECURSIVE t(x) AS (SELECT x FROM t UNION ALL SELECT x + 1 FROM t WHERE x < 4) "
    "SELECT max(x) AS x FROM t) SELECT x FROM r": 4,
    "SELECT get_bit('0101'::BIT, 1) + 4 AS x": 5,
    "SELECT list_aggregate([1, 2, 3], 'sum')::INT AS x": 6,
    "SELECT 7 AS x WHERE 'NaN'::DOUBLE > 1 AND current_setting('TimeZone') = 'UTC'": 7,
}


def test_a_cte_may_be_called_like_a_table_of_the_engine(repo: Repo) -> None:
    for sql, number in OWN.items():
        repo.write(
            f"seeknal/n{number}.yml", f"kind: transform\nname: n{number}\ntransform: |\n  {sql}\n"
        )
    repo.seeknal("run")
    found = [repo.numbers(f"SELECT x FROM main.n{number}")[0][0] for number in OWN.values()]
    assert found == list(OWN.values())


# What a terminal obeys, and how it is shown instead.
HOSTILE = {
    "a\x1b[31mb": r"a\x1b[31mb",
    "a\x1b]8;;http://evil\x07b": r"a\x1b]8;;http://evil\x07b",
    "a\x9b2Jb": r"a\x9b2Jb",
    "a\rb": r"a\rb",
    "a\nNext: rm": r"a\nNext: rm",
    "a\x00b": r"a\x00b",
    "a\u202eb": r"a\u202eb",
    "a\u2066b": r"a\u2066b",
    "a\u200bb": r"a\u200bb",
    "a\ufeffb": r"a\ufeffb",
    "a\u2028b": r"a\u2028b",
    "a\U000e0041b": r"a\U000e0041b",
    "naïve 東京 🦆 5\xa0€": "naïve 東京 🦆 5\xa0€",
}


@pytest.mark.parametrize("text", HOSTILE)
def test_what_does_not_print_is_spelled_out_and_our_own_styles_stay(text: str) -> None:
    assert shown(text) == HOSTILE[text]
    assert shown(shown(text)) == HOSTILE[text]
    assert with_styles(f"{bold(text)}: {text}") == f"\x1b[1m{HOSTILE[text]}\x1b[0m: {HOSTILE[text]}"


# Commands that do the same for one who writes to a stream: all but `terminal.py` say what they say
# through it.
def _writes(call: ast.Call) -> bool:
    name = ast.unparse(call.func)
    streams = (
        "sys.stdout.write",
        "sys.stderr.write",
        "sys.stdout.buffer.write",
        "os.write",
        "csv.writer",
    )
    return name in ("print", "Console", *streams) or name.startswith(
        ("typer.echo", "typer.secho", "typer.style", "typer.prompt")
    )


def test_everything_is_said_in_one_place() -> None:
    package = Path(seeknal_git.__file__).parent
    modules = [each for each in package.rglob("*.py") if each != package / "report/terminal.py"]
    found = [
        f"{each.relative_to(package)}:{call.lineno}"
        for each in modules
        for call in ast.walk(ast.parse(each.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and _writes(call)
    ]
    allowed = [
        "cli/__init__.py",
        "report/progress.py",
        "sql/worker_process.py",
    ]  # the version; the live display; a pipe of ours
    assert [each for each in found if each.split(":")[0] not in allowed] == []


# What services of CI obey, and the line instead.
COMMANDS = {
    "::error::x": r"\::error::x",
    "  ::set-output name=a::b": r"  \::set-output name=a::b",
    "##[error]x": r"#\#[error]x",
    "a ##vso[task.setvariable variable=x]y": r"a #\#vso[task.setvariable variable=x]y",
    "##teamcity[buildStatus text='x']": r"#\#teamcity[buildStatus text='x']",
    "section_start:1:x": r"\section_start:1:x",
    "a::b ## c": "a::b ## c",
}


@pytest.mark.parametrize("text", COMMANDS)
def test_no_line_is_a_command_of_a_service(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    out(text)
    note(bold(text))
    table(["x"], [[text]])
    hint(text)
    said = capsys.readouterr()
    assert [line.strip() for line in said.err.splitlines()] == [COMMANDS[text].strip()] * 2
    assert said.out.splitlines()[0] == COMMANDS[text]
    assert said.out.splitlines()[-1].strip() == COMMANDS[text].strip()


def test_a_name_brings_nothing_into_a_table_a_message_or_json(published: Repo) -> None:
    sql = """SELECT 1 AS "a\x1b[31mb", 'x\n::error::y\u202e' AS v"""
    table = published.seeknal("query", sql).out
    assert r"a\x1b[31mb" in table
    assert r"x\n::error::y\u202e" in table
    asked = published.seeknal("query", "--format", "json", sql)
    assert asked.json == [{"a\x1b[31mb": 1, "v": "x\n::error::y\u202e"}]
    assert not {"\x1b", "\u202e"} & set(asked.out)
    wrong = published.seeknal("query", "SELECT no\x9b FROM nowhere\u202e", code=2).err
    assert wrong.isascii()
    assert published.seeknal("lineage", "x\x1b[31m\n::error::y", code=2).err.count("\n") == 1
    assert "\x1b" not in published.seeknal("--no\x1b[31m", code=2).err


MARKDOWN = [
    *(
        "filter",
        "+ a_b  DECIMAL(18,2)",
        "~ amount  INTEGER → BIGINT",
        "unique(id): 2 of 5 rows (seeknal/a.yml:9)",
    ),
    *(
        "@team",
        "see #12 and GH-12",
        "https://evil.org",
        "www.evil.org",
        "a@b.org",
        "!12",
        ":smile:",
        "&amp;",
        "$x$",
    ),
    *(
        "a|b",
        "a\\|b",
        "a`b",
        "``` sql",
        "`",
        " ",
        "\\",
        "<b onclick=x>",
        "<!-- x -->",
        "</details>",
        "</code>@team",
    ),
    *(
        "![x](y)",
        "[a](b)",
        "[a]: b",
        "*x*",
        "_x_",
        "a_",
        "~~x~~",
        "# head",
        "a\nb",
        "a\r\n\r\n# b",
        "a\u202eb",
        "- [x] a",
    ),
]


@pytest.mark.parametrize("text", MARKDOWN)
def test_markdown_shows_a_text_as_it_is(text: str) -> None:
    reader = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    html = reader.render(
        f"| a | b |\n| --- | --- |\n| x {markdown.text(text)} | x {markdown.code(text)} |\n\nend"
    )
    cells = re.findall(r"<td>x ?(.*?)</td>", html)
    assert [unescape(re.sub("</?code>", "", cell)).strip() for cell in cells] == [
        shown(text).strip()
    ] * 2
    outside = re.sub("<code>.*?</code>", "", html)
    assert not re.search(r"@|#\d|://|www\.|GH-|!\d|<(?!/?(?:t[a-z]+|p)>)|`|\$|:smile:", outside)


def test_a_plan_in_markdown_has_no_line_of_its_columns(published: Repo) -> None:
    published.switch("dev", create=True)
    sql = 'SELECT id, 1 AS "a|b", 2 AS "@team #12", 3 AS "`", 4 AS "<img src=x>", 5 AS plain_name FROM source.orders'
    published.write(
        "seeknal/transforms/wild.yml",
        "kind: transform\nname: wild\ntransform: |\n  SELECT id FROM source.orders\n",
    )
    published.commit()
    published.seeknal("promote", "dev", "main")
    published.replace("seeknal/transforms/wild.yml", "SELECT id FROM source.orders", sql)
    said = published.seeknal("plan", "--markdown").out
    (row,) = (line for line in said.splitlines() if "wild" in line and line.startswith("|"))
    (head,) = (line for line in said.splitlines() if line.startswith("|") and "| node |" in line)
    assert row.count("|") == head.count("|")
    assert "plain_name" in row
    assert not re.search(r"@team|<img|(?<!&)#12", said)


def test_a_traceback_reaches_no_terminal(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object, **__: object) -> None:
        raise ValueError("a\x1b[31m\n::error::b")

    monkeypatch.setattr("seeknal_git.commands.query.stream", failing)
    said = repo.seeknal("query", "SELECT 1", code=3)
    assert r"error: a bug in seeknal: ValueError: a\x1b[31m\n::error::b" in said.err
    assert "Traceback" not in said.err + said.out


# Words that a shell would do something with, or take for an option.
WORDS = [
    "plain",
    "a;rm -rf $HOME",
    "$(touch x)",
    "`touch x`",
    "-x",
    "a b",
    "a'b",
    'a"b',
    "a\nb",
    "a\x1bb",
    "a\u202eb",
    "é\\x",
]


@pytest.mark.parametrize("word", WORDS)
def test_a_shell_reads_a_word_as_it_was(word: str, tmp_path: Path) -> None:
    """The line is printable and one line, so it may be shown, and pasted."""
    line = f"printf '%s|' {operand(word)} {of_option('--env', word)} {command_line('a', word)}"
    assert shown(line) == line
    done = subprocess.run(
        ["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    dashes = ["--"] if word.startswith("-") else []
    env = [f"--env={word}"] if dashes else ["--env", word]
    assert done.stdout.split("|")[:-1] == [*dashes, word, *env, "a", word]
    assert list(tmp_path.iterdir()) == []


def test_commands_that_are_suggested_quote_a_branch(published: Repo) -> None:
    branch = "a;touch$IFS'pwned'"
    published.git("branch", branch)
    published.git("switch", "--quiet", "--create", "dev")
    published.replace("seeknal/transforms/daily.yml", "sum(amount)", "max(amount)")
    published.commit()
    published.git("branch", "--force", branch)
    quoted = shlex.quote(branch)
    assert f"seeknal run --env {quoted}" in published.seeknal("plan", branch).out
    assert f"seeknal run --env {quoted}" in published.seeknal("log", "--env", branch).out
    said = published.seeknal("plan", branch, "--into", "main").out
    assert f"Next: seeknal promote {quoted}, or: git switch main && git merge {quoted}" in said


# What a query may not do: it reads the warehouse, and neither files nor anything that runs.
REFUSED = {
    "a file": "FROM '/etc/passwd'",
    "a file by a function": "SELECT * FROM read_text('/etc/passwd')",
    "a folder": "SELECT * FROM glob('/etc/*')",
    "to write a file": "COPY (SELECT 1) TO 'written.csv'",
    "to write a file in a CTE": "WITH t AS (COPY (SELECT 1 AS a) TO 'written.csv') SELECT * FROM t",
    "to write rows in a CTE": "WITH t AS (DELETE FROM _seeknal.runs RETURNING *) SELECT * FROM t",
    "another database": "ATTACH 'written.db'",
    "an extension": "LOAD httpfs",
    "a setting": "SET enable_external_access = true",
    "a pragma": "PRAGMA enable_profiling",
    "two statements": "SELECT 1; SELECT 2",
    "a table": "CREATE TABLE t AS SELECT 1",
    "to leave the parentheses": "SELECT 1) TO 'written.csv' (FORMAT csv) --",
    "a variable of Python": "FROM answer",
    "what production shows, in a beginning": "WITH RECURSIVE late(n) AS (SELECT id FROM late UNION ALL "
    "SELECT n FROM late WHERE false) SELECT * FROM late",
}


def test_a_query_reads_the_warehouse_and_nothing_else(published: Repo) -> None:
    published.switch("dev", create=True)
    published.seeknal("run")
    published.tamper("CREATE VIEW main.late AS SELECT 1 AS id")
    before = sorted(each.name for each in published.path.iterdir())
    for form in ("csv", "json", "table"):
        for what, sql in REFUSED.items():
            said = published.seeknal("query", "--format", form, sql, code=None)
            assert (said.code, said.out) == (2, ""), f"{what}: {said}"
    assert sorted(each.name for each in published.path.iterdir()) == before


WILD = "a\x1b[31m\u202e\x9b"  # in names of all kinds, as far as git and the file system take them


def make_wild(repo: Repo) -> None:
    """A branch of somebody who writes for a terminal, in every place that he has."""
    make_published(repo)
    repo.switch("wild\u202e;$(x)\u200b", create=True)
    repo.write(
        "data/wild.csv",
        "id,a\x1b[31mb,::set-output name=x::y,##[error]z\n1,\x1b]0;title\x07,\u2066,x\n",
    )
    source = "kind: source\nname: wild\nsource: csv\ntable: data/wild.csv\n"
    repo.write(f"seeknal/sources/{WILD}\n::error::n.yml", source)
    columns = ", ".join(
        f'1 AS "{name}"' for name in (WILD, "::error::x", "x\n::error::y", "##[group]z")
    )
    rule = {"accepted_values": {"column": WILD, "values": ["2"]}, "severity": "warn"}
    node = {
        "kind": "transform",
        "name": "odd",
        "description": WILD,
        "owner": WILD,
        f"unknown {WILD}": 1,
    }
    node |= {"transform": f"SELECT {columns}, w.* FROM ref('source.wild') w", "tests": [rule]}
    repo.write("seeknal/transforms/odd.yml", yaml.safe_dump(node))
    repo.replace(
        "seeknal/transforms/daily.yml", "sum(amount)", 'sum(amount) AS "x\u202ey|@team", 1'
    )
    repo.git("config", "user.name", "Eve \x1b[31m\u202e")
    repo.commit("Subject \x1b[31m\u202e\n\n::error::body")


TELLING = [
    *(
        "validate",
        "plan --verbose",
        "plan --json",
        "plan --markdown",
        "diff",
        "dry-run wild.yml",
        "run",
        "run --json",
    ),
    *(
        "query:FROM odd",
        "query:FROM wild",
        "query --json:FROM odd",
        "status",
        "status --json",
        "log",
        "log --json",
    ),
    *(
        "env list",
        "lineage",
        "lineage transform.odd",
        "lineage --json",
        "doctor",
        "gc",
        "plan --into main --markdown",
    ),
    "promote --dry-run",
]
UNSHOWN = {chr(number) for number in (*range(32), *range(0x7F, 0xA0), 0x200B, 0x202E, 0x2066)} - {
    "\n"
}


def test_no_command_tells_a_terminal_what_a_stranger_wrote(copy_of: Templates) -> None:
    repo = copy_of("wild", make_wild)
    repo.write(
        "wild.yml", "kind: transform\nname: copy\ntransform: SELECT * FROM ref('transform.odd')\n"
    )
    for line in TELLING:
        words, *sql = line.split(":")
        said = repo.seeknal(*words.split(), *sql, code=None)
        assert said.code in (0, 1), f"{line}: {said}"
        assert not set(said.out + said.err) & UNSHOWN, f"{line}: {said}"
        assert not re.search(r"^\s*::|##\w*\[", said.out + said.err, re.MULTILINE), (
            f"{line}: {said}"
        )


def test_ctrl_c_within_an_import_is_no_bug(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    """An extension module that is interrupted says that it could not be initialised."""

    def failing(*_: object, **__: object) -> None:
        raise ImportError("initialization failed") from KeyboardInterrupt()

    monkeypatch.setattr("seeknal_git.commands.query.stream", failing)
    said = repo.seeknal("query", "SELECT 1", code=130)
    assert "Interrupted." in said.err
    assert "a bug" not in said.err
