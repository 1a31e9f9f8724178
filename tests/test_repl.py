"""`seeknal repl`: one statement, those of a pipe, and a prompt on a terminal."""

from __future__ import annotations

import io
import os
import pty
import re
import select
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from seeknal_git.commands.repl import divided
from tests.conftest import Repo


@pytest.mark.parametrize(
    ("text", "statements", "rest"),
    [
        ("SELECT 1;", ["SELECT 1"], ""),
        ("SELECT 1; SELECT 2", ["SELECT 1"], " SELECT 2"),
        ("SELECT ';' AS a -- ;\n, 2; ;", ["SELECT ';' AS a -- ;\n, 2"], ""),
        ("SELECT 'a;", [], "SELECT 'a;"),
        ("  -- nothing", [], ""),
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


class Terminal:
    """Somebody who types at a prompt."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self.seen = descriptor, ""

    def type(self, text: str) -> None:
        os.write(self._descriptor, text.encode())

    def until(self, pattern: str) -> str:
        """What appears until a pattern does."""
        begin, end = len(self.seen), time.monotonic() + 60
        while not re.search(pattern, self.seen[begin:]):
            assert time.monotonic() < end, f"no {pattern!r} in {self.seen[begin:]!r}"
            if select.select([self._descriptor], [], [], 0.1)[0]:
                self.seen += os.read(self._descriptor, 65536).decode()
        return self.seen[begin:]


@contextmanager
def prompt(repo: Repo) -> Iterator[tuple[Terminal, subprocess.Popen[bytes]]]:
    own, other = pty.openpty()
    environment = {**os.environ, "TERM": "dumb", "COLUMNS": "200"}
    process = subprocess.Popen(
        repo.command("repl"),
        cwd=repo.path,
        stdin=other,
        stdout=other,
        stderr=other,
        env=environment,
        start_new_session=True,
    )
    os.close(other)
    try:
        yield Terminal(own), process
    finally:
        process.kill()
        process.wait()
        os.close(own)


def test_a_prompt_answers_completes_and_goes_on_after_a_mistake(published: Repo) -> None:
    with prompt(published) as (terminal, process):
        terminal.until("main> ")
        terminal.type("SELECT count(*) AS n\nFROM transform.daily;\n")
        assert re.search(r"\n *2\s", terminal.until("main> $"))
        terminal.type("FROM nowhere;\n")
        assert "does not exist" in terminal.until("main> $")
        terminal.type("SELECT sum(total) AS s FROM transform.da\t;\n")
        assert "100" in terminal.until("main> $")
        terminal.type(".schema daily\n")
        assert "total" in terminal.until("main> $")
        terminal.type(".tables\n")
        assert "transform.clean_orders" in terminal.until("main> $")
        published.git("branch", "dev")
        terminal.type(".env dev\n.mode csv\nSELECT 1 AS a\n\n")
        assert "a\r\n1\r\n" in terminal.until(r"a\r\n1\r\n[\s\S]*dev> $")
        terminal.type(".env dve\n.mode\n")
        assert "Did you mean dev?" in terminal.until("no command")
        terminal.type("exit\n")
        assert process.wait(60) == 0
    history = published.path / ".git/seeknal/repl_history"
    assert "FROM nowhere;" in history.read_text()
    assert history.stat().st_mode & 0o077 == 0


def test_a_prompt_leaves_the_warehouse_to_others(published: Repo) -> None:
    with prompt(published) as (terminal, process):
        terminal.until("main> ")
        terminal.type("FROM daily;\n")
        terminal.until("main> $")
        published.write("data/orders.csv", "id,customer,day,amount\n1,1,2024-01-01,7\n")
        published.run()
        terminal.type("SELECT sum(total) AS s FROM daily;\n")
        assert re.search(r"\n *7\s", terminal.until("main> $"))
        terminal.type("\x04")
        assert process.wait(60) == 0
