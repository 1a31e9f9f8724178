"""What reaches the other end of a stream: every value, in every encoding, and nothing once nobody
reads."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
from typing import Any

import pytest

from seeknal_git.warehouse.results import without_repeats
from tests.conftest import Repo
from tests.terminal import in_a_terminal

SOURCE = "kind: source\nname: towns\nsource: csv\ntable: data/towns.csv\ndescription: Łódź → 東京\n"


def begin(repo: Repo) -> None:
    repo.write("data/towns.csv", "stadt,n\nMünchen,1\n東京,2\n🦆,3\n")
    repo.write("seeknal/towns.yml", SOURCE)
    repo.seeknal("run")


def said(repo: Repo, *arguments: str, encoding: str = "utf-8") -> tuple[int, bytes, bytes]:
    """A command in a process of its own, whose streams have an encoding."""
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run(
        repo.command(*arguments), cwd=repo.path, capture_output=True, env=environment, check=False
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("encoding", ["ascii", "iso8859-1", "cp1252"])
def test_a_terminal_of_few_characters_gets_all_that_it_can_show(repo: Repo, encoding: str) -> None:
    begin(repo)
    code, table, _ = said(repo, "query", "FROM towns ORDER BY n", encoding=encoding)
    munich = b"M\\xfcnchen" if encoding == "ascii" else "München".encode(encoding)
    assert (code, munich in table, b"\\u6771\\u4eac" in table, b"\\U0001f986" in table) == (
        0,
        True,
        True,
        True,
    ), table
    code, tree, _ = said(repo, "lineage", "source.towns", encoding=encoding)
    assert code == 0
    assert tree.decode(encoding)


@pytest.mark.parametrize("form", ["csv", "json"])
def test_data_is_utf_8_on_every_terminal(repo: Repo, form: str) -> None:
    begin(repo)
    code, data, _ = said(
        repo, "query", "--format", form, "SELECT stadt FROM towns ORDER BY n", encoding="ascii"
    )
    assert code == 0
    assert all(word in data.decode() for word in ("München", "東京", "🦆"))


@pytest.mark.parametrize("form", ["csv", "json", "table"])
def test_a_reader_that_leaves_is_no_error(repo: Repo, form: str) -> None:
    begin(repo)
    command = repo.command(
        "query", "--format", form, "SELECT i, repeat('x', 5000) AS x FROM range(500) t(i)"
    )
    with subprocess.Popen(
        command, cwd=repo.path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read()
    assert (process.returncode, b"rror" in err, b"Traceback" in err) == (0, False, False), err


@pytest.mark.parametrize("form", ["csv", "json"])
def test_an_answer_without_end_is_written_as_it_comes(repo: Repo, form: str) -> None:
    """It is never in memory as a whole, and ends once nobody reads."""
    begin(repo)
    command = repo.command(
        "query", "--format", form, "SELECT i, 'x' AS x FROM range(100000000000) t(i)"
    )
    with subprocess.Popen(
        command, cwd=repo.path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.read(3) in (b"i,x", b"[\n ")
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_nothing_and_an_empty_text_differ_in_csv(published: Repo) -> None:
    sql = """SELECT NULL AS a, '' AS b, 'x,"y' AS c, E'1\n2' AS d, ' ' AS e"""
    assert (
        published.seeknal("query", "--format", "csv", sql).out
        == 'a,b,c,d,e\n,"","x,""y","1\n2", \n'
    )


@pytest.mark.parametrize(
    "value", ["'nan'::DOUBLE", "-'inf'::FLOAT", "[{'a': 'inf'::DOUBLE}]", "'[NaN]'::JSON"]
)
def test_json_has_no_number_that_json_has_not(published: Repo, value: str) -> None:
    out = published.seeknal("query", "--json", f"SELECT {value} AS v, 'NaN' AS text").out
    json.loads(out, parse_constant=pytest.fail)


def test_a_plan_of_a_query_has_lines(published: Repo) -> None:
    assert len(published.seeknal("query", "EXPLAIN FROM daily").out.splitlines()) > 3


def test_a_run_whose_reader_leaves_goes_on(repo: Repo) -> None:
    begin(repo)
    repo.write("seeknal/towns.yml", SOURCE + "schema: [{name: n, data_type: VARCHAR}]\n")
    with subprocess.Popen(
        repo.command("run"), cwd=repo.path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        assert process.stdout
        process.stdout.close()
    assert (process.returncode, repo.numbers("SELECT n FROM main.towns ORDER BY n")) == (
        0,
        [("1",), ("2",), ("3",)],
    )


@pytest.mark.parametrize(
    ("closed", "code"), [("1>&-", 0), ("2>&-", 0), ("<&- >&- 2>&-", 0), ("> /dev/full", 1)]
)
def test_a_closed_stream_is_never_the_warehouse(repo: Repo, closed: str, code: int) -> None:
    begin(repo)
    repo.write("data/towns.csv", "stadt,n\nOslo,4\n")
    command = " ".join(repo.command("run" if code == 0 else "query --format csv 'FROM towns'"))
    done = subprocess.run(
        ["sh", "-c", f"{command} {closed}"], cwd=repo.path, capture_output=True, check=False
    )
    assert (done.returncode, b"Traceback" in done.stderr) == (code, False), done.stderr
    if code == 0:
        assert repo.numbers("FROM main.towns") == [("Oslo", 4)]
    else:
        assert done.stderr.startswith(b"error: No space left"), done.stderr
        assert done.stderr.count(b"\n") == 2


VALUES: list[tuple[str, str, Any]] = [
    (
        "TIMESTAMPTZ '2025-01-01 23:30:00Z'",
        "2025-01-01 23:30:00+00:00",
        "2025-01-01 23:30:00+00:00",
    ),
    ("TIMETZ '10:00:00+02'", "10:00:00+02:00", "10:00:00+02:00"),
    ("TIMETZ '10:00:00+05:30'", "10:00:00+05:30", "10:00:00+05:30"),
    ("INTERVAL '1 month 3 days'", "1 month 3 days", "1 month 3 days"),
    ("'infinity'::DATE", "infinity", "infinity"),
    ("'-infinity'::TIMESTAMP", "-infinity", "-infinity"),
    ("'infinity'::TIMESTAMPTZ", "infinity", "infinity"),
    ("DATE '2024-02-29'", "2024-02-29", "2024-02-29"),
    ("DATE '10000-01-01'", "10000-01-01", "10000-01-01"),
    ("DATE '0044-03-15 (BC)'", "0044-03-15 (BC)", "0044-03-15 (BC)"),
    ("TIMESTAMP '2024-01-01 10:00:00'", "2024-01-01 10:00:00", "2024-01-01 10:00:00"),
    (
        "TIMESTAMP_NS '2024-01-01 00:00:00.123456789'",
        "2024-01-01 00:00:00.123456789",
        "2024-01-01 00:00:00.123456789",
    ),
    ("TIME '24:00:00'", "24:00:00", "24:00:00"),
    ("'\\xAA\\x00b'::BLOB", "\\xAA\\x00b", "\\xAA\\x00b"),
    (
        "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::UUID",
        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
    ),
    (
        "170141183460469231731687303715884105727::HUGEINT",
        "170141183460469231731687303715884105727",
        2**127 - 1,
    ),
    ("1.10::DECIMAL(10, 2)", "1.10", "1.10"),
    ("0.1::FLOAT", "0.1", 0.1),
    ("'nan'::DOUBLE", "nan", "nan"),
    ("'inf'::FLOAT", "inf", "inf"),
    ("'0101'::BIT", "0101", "0101"),
    ("'a'::ENUM ('a', 'b')", "a", "a"),
    ("true", "true", True),
    ("NULL::TIMESTAMPTZ", "", None),
    (
        "[TIMESTAMPTZ '2025-01-01 23:30:00Z']",
        "['2025-01-01 23:30:00+00']",
        ["2025-01-01 23:30:00+00"],
    ),
    ("{'a': 1, 'd': 'infinity'::DATE}", "{'a': 1, 'd': infinity}", {"a": 1, "d": "infinity"}),
    (
        "MAP {DATE '2024-01-01': INTERVAL 1 month}",
        "{2024-01-01=1 month}",
        {"2024-01-01": "1 month"},
    ),
    ("MAP {'k': 1}", "{k=1}", {"k": 1}),
    ("union_value(num := 2)", "2", {"num": 2}),
    ("[1, NULL]", "[1, NULL]", [1, None]),
]


@pytest.mark.parametrize("first", [1, 16])
def test_every_value_is_printed_whole(published: Repo, first: int) -> None:
    values = VALUES[first - 1 : first + 14]
    sql = f"SELECT {', '.join(f'{sql} AS c{number}' for number, (sql, _, _) in enumerate(values))}"
    sql = f"SELECT * FROM ({sql}) -- with a comment"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "UTC")
        (answer,) = published.seeknal("query", "--json", sql).json
        _, line = csv.reader(io.StringIO(published.seeknal("query", "--format", "csv", sql).out))
        table = published.seeknal("query", sql).out
    assert list(answer.values()) == [value for _, _, value in values]
    assert line == [text for _, text, _ in values]
    assert all(text in table for _, text, _ in values)


def test_a_draft_and_a_verification_show_every_value(published: Repo) -> None:
    values = "TIMESTAMPTZ '2025-01-01 23:30:00Z' AS t, INTERVAL 1 month AS i"
    node = "kind: transform\nname: odd\ntransform: SELECT id, VALUES FROM ref('source.orders')\n"
    published.write("draft.yml", node.replace("VALUES", values))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "UTC")
        shown = published.seeknal("dry-run", "draft.yml").out
    assert "1 month" in shown
    assert "23:30:00+00:00" in shown


def test_rows_keep_their_order_when_values_leave_as_text(published: Repo) -> None:
    sql = "SELECT i, make_timestamptz(i::BIGINT) AS t FROM range(50000) r(i) ORDER BY (i * 7919) % 50021"
    rows = list(csv.reader(io.StringIO(published.seeknal("query", "--format", "csv", sql).out)))[1:]
    places = [int(row[0]) * 7919 % 50021 for row in rows]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("id id", "id id_1"),
        ("id id ID id_1", "id id_1 ID_2 id_1_1"),
        ("id id_1 id", "id id_1 id_2"),
        ("a b c", "a b c"),
    ],
)
def test_columns_of_one_name_are_told_apart_as_in_a_table(
    published: Repo, names: str, expected: str
) -> None:
    assert " ".join(without_repeats(names.split())) == expected
    sql = f"SELECT {', '.join(f'{number} AS {name}' for number, name in enumerate(names.split()))}"
    assert list(published.seeknal("query", "--json", sql).json[0]) == expected.split()
    assert published.seeknal("query", "--format", "csv", sql).out.splitlines()[
        0
    ] == expected.replace(" ", ",")


def test_a_verbose_run_tells_the_sql_of_nodes_and_each_check(shop: Repo) -> None:
    shop.write("seeknal/rules/amounts_are_positive.yml", POSITIVE)
    said = re.sub(r"\d\.\d\d s", "… s", shop.seeknal("run", "--verbose").err).splitlines()
    place = said.index("  sql      transform.daily")
    assert said[place + 1].strip() == "SELECT day, sum(amount) AS total"
    assert "_snapshots" in said[place + 2]
    assert "  checked  transform.clean_orders: unique(id)  no row found, … s" in said
    assert "  checked  rule.amounts_are_positive: amount > 15  1 row found, … s" in said
    assert "sql" not in shop.seeknal("run", "--full").err


POSITIVE = """
    kind: rule
    name: amounts_are_positive
    inputs: [transform.clean_orders]
    rule: amount > 15
    params: {severity: warn}
"""


def test_no_line_is_broken_within_a_word(published: Repo) -> None:
    published.switch("dev", create=True)
    published.replace(
        "seeknal/transforms/daily.yml", "sum(amount)", "max(amount) AS the_largest_amount, sum(1)"
    )
    published.replace("seeknal/transforms/clean_orders.yml", "amount IS NOT NULL", "amount > 1")
    for arguments in (
        ["plan", "--verbose"],
        ["diff", "--stat"],
        ["run", "--dry-run"],
        ["run"],
        ["run", "--full"],
        ["lineage", "daily"],
        ["status"],
        ["env", "list"],
        ["promote", "--dry-run"],
    ):
        _, lines = in_a_terminal(published, 60, *arguments)
        assert [line for line in lines if len(line) > 60 and " " in line.strip()] == [], arguments
    daily = "seeknal/transforms/daily.yml"
    comment = f"  -- {'a line of code ' * 5}."
    published.replace(daily, "  FROM ", f"{comment}\n  FROM ")
    assert f"+{comment}" in in_a_terminal(published, 60, "diff", "daily")[1]
