"""`seeknal repl`: one statement, those of a pipe, and a prompt on a terminal."""

from __future__ import annotations

import io
import re
from contextlib import AbstractContextManager

import pytest

from seeknal_git.commands.repl import divided
from tests.conftest import Repo
from tests.terminal import Terminal, terminal


@pytest.mark.parametrize(
    ("text", "statements", "rest"),
    [
        ("SELECT 1;", ["SELECT 1"], ""),
        ("SELECT 1; SELECT 2", ["SELECT 1"], " SELECT 2"),
        ("SELECT ';' AS a -- ;\n, 2; ;", ["SELECT ';' AS a -- ;\n, 2"], ""),
        ("SELECT 'a;", [], "SELECT 'a;"),
        ("  -- nothing", [], ""),
        ("-- a\n; SELECT 1; /* b */;", ["SELECT 1"], ""),
    ],
)
def test_a_text_is_divided_at_semicolons(text: str, statements: list[str], rest: str) -> None:
    assert divided(text) == (statements, rest)


def test_one_statement_is_answered_as_by_query(published: Repo) -> None:
    for words in (["-e", "FROM transform.daily"], ["--exec", "FROM transform_daily"]):
        asked = published.seeknal("query", "FROM daily", "--format", "json")
        assert published.seeknal("repl", *words, "--format", "json").json == asked.json
    published.seeknal("repl", "-e", "FROM daily", "-o", "daily.csv", "--limit", "1")
    assert len(published.read("daily.csv").splitlines()) == 2
    said = published.seeknal("query", "FROM daily", "-o", "no where/x.csv", code=2).err
    assert said == "error: There is no folder no where.\n  Make it: mkdir -p 'no where'\n"
    said = published.seeknal("repl", "-e", "CREATE TABLE t (a INT)", code=2).err
    assert "one statement that reads" in said


def test_statements_of_a_pipe_end_at_the_first_that_is_wrong(
    published: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    def typed(text: bytes) -> None:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text)))

    typed(b"SELECT 1 AS a;\nSELECT 2 AS b")
    assert published.seeknal("repl", "-f", "csv").out == "a\n1\nb\n2\n"
    typed(b"SELECT 1 AS a; FROM nowhere; SELECT 2 AS b;")
    done = published.seeknal("repl", "-f", "csv", code=2)
    assert done.out == "a\n1\n"
    assert "nowhere" in done.err
    assert "-o is for one statement" in published.seeknal("repl", "-o", "a.csv", code=2).err


def prompt(repo: Repo) -> AbstractContextManager[Terminal]:
    return terminal(repo.command("repl"), repo.path)


def test_a_prompt_answers_completes_and_goes_on_after_a_mistake(published: Repo) -> None:
    with prompt(published) as screen:
        screen.until("main> ")
        screen.type("SELECT count(*) AS n\nFROM transform.daily;\n")
        assert re.search(r"\n *2\s", screen.until("main> $"))
        screen.type("FROM nowhere;\n")
        assert "does not exist" in screen.until("main> $")
        screen.type("SELECT sum(total) AS s FROM transform.da\t;\n")
        assert "100" in screen.until("main> $")
        screen.type(".schema daily\n")
        assert "total" in screen.until("main> $")
        screen.type(".tables\n")
        assert "transform.clean_orders" in screen.until("main> $")
        published.git("branch", "dev")
        screen.type(".env dev\n.mode csv\nSELECT 1 AS a\n\n")
        assert "a\r\n1\r\n" in screen.until(r"a\r\n1\r\n[\s\S]*dev> $")
        screen.type(".env dve\n.mode\n")
        assert "Did you mean dev?" in screen.until("Which form")
        screen.type(".mode xml\n.schema\n.zebra\n")
        said = screen.until("no command")
        assert "There is no form xml." in said
        assert "The forms are table, csv, json." in said
        assert "Which table? .schema TABLE" in said
        screen.type("exit\n")
        assert screen.process.wait(60) == 0
    history = published.path / ".git/seeknal/repl_history"
    assert "FROM nowhere;" in history.read_text()
    assert history.stat().st_mode & 0o077 == 0


def test_a_prompt_outlives_a_mistake_in_the_project_file(published: Repo) -> None:
    with prompt(published) as screen:
        screen.until("main> ")
        published.write("seeknal_project.yml", "name: [shop")
        published.git("commit", "--no-verify", "-qam", "Break the project file")
        screen.type("SELECT 1 AS a;\n")
        screen.until("seeknal> $")
        published.git("reset", "-q", "--hard", "HEAD~1")
        screen.type("SELECT 1 AS a;\n")
        screen.until("main> $")


def test_a_prompt_leaves_the_warehouse_to_others(published: Repo) -> None:
    with prompt(published) as screen:
        screen.until("main> ")
        screen.type("FROM daily;\n")
        screen.until("main> $")
        published.write("data/orders.csv", "id,customer,day,amount\n1,1,2024-01-01,7\n")
        published.run()
        screen.type("SELECT sum(total) AS s FROM daily;\n")
        assert re.search(r"\n *7\s", screen.until("main> $"))
        screen.type("\x04")
        assert screen.process.wait(60) == 0
