"""Files and how they are read: defaults that lose nothing, guesses that are said, and what was read
before as a contract.

docs/design/reading.md lists what DuckDB does with each of these by itself.
"""

from __future__ import annotations

import datetime
import gzip
import json
import tempfile
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from seeknal_git.sql.sniff import csv_guess
from tests.conftest import Repo

MANY = 25_000  # more rows than the engine looks at by itself
PLAIN = "id,amount\n1,10\n2,20\n"
Files = dict[str, str | bytes]
# Files, more of the definition of their source, a question to its table, and the answer.
Case = tuple[Files, str, str, tuple[Any, ...]]


def deliver(repo: Repo, files: Files) -> None:
    (repo.path / "raw").mkdir(exist_ok=True)
    for name, content in files.items():
        data = content.encode() if isinstance(content, str) else content
        (repo.path / "raw" / name).write_bytes(data)


def source(repo: Repo, table: str, more: str = "", kind: str = "csv") -> None:
    repo.write(
        "seeknal/sources/x.yml",
        f"kind: source\nname: x\nsource: {kind}\ntable: raw/{table}\n{more}",
    )


def rows(value: str) -> str:
    return "".join(f"{number},{value}\n" for number in range(MANY))


# What the engine takes for nothing

READ: dict[str, Case] = {
    "a row that begins with #": (
        {"x.csv": "order,amount\n1,5\n#2,6\n"},
        "",
        'sum(amount), max("order")',
        (11, "1"),
    ),
    "a # within a row": ({"x.csv": "id,note\n1,ok # really\n2,b\n"}, "", "min(note)", ("b",)),
    "a text with the delimiter of a table": (
        {"x.csv": "note\na\nb\nred;green\n"},
        "",
        "count(*), max(note)",
        (3, "red;green"),
    ),
    "a zero that begins late": (
        {"x.csv": "id,zip\n" + rows("10000") + "7,01234\n"},
        "",
        "min(zip)",
        ("01234",),
    ),
    "quotes that begin late": (
        {"x.csv": "id,v\n" + rows("a") + '7,"say ""hi"", go"\n'},
        "",
        "max(v)",
        ('say "hi", go',),
    ),
    "a text that comes late": (
        {"x.csv": "id,v\n" + rows("1.5") + "7,n/a\n"},
        "",
        "max(v)",
        ("n/a",),
    ),
    "a header of two lines": ({"x.csv": 'id,"amount\n(EUR)"\n1,5\n'}, "", '"amount\n(EUR)"', (5,)),
    "a field of 3 MB": ({"x.csv": f"id,v\n1,{'x' * 3_000_000}\n"}, "", "length(v)", (3_000_000,)),
    "NO": ({"x.csv": "id,v\n1,NO\n2,NO\n"}, "", "max(v)", ("NO",)),
    "F and T": ({"x.csv": "id,v\n1,F\n2,T\n"}, "", "max(v)", ("T",)),
    "yes and no": ({"x.csv": "id,v\n1,yes\n2,no\n"}, "", "max(v)", ("yes",)),
    "true and false are BOOLEAN": (
        {"x.csv": "id,v\n1,true\n2,FALSE\n3,\n"},
        "",
        "count(*) FILTER (v)",
        (1,),
    ),
    "an integer of 20 digits": (
        {"x.csv": "id\n1\n99999999999999999999\n"},
        "",
        "max(id)",
        (99999999999999999999,),
    ),
    "cents of a large sum": (
        {"x.csv": "v\n12345678901234567.89\n0.1\n"},
        "",
        "max(v)",
        (Decimal("12345678901234567.89"),),
    ),
    "an integer of 42 digits": ({"x.csv": f"v\n{'1' * 42}\n2\n"}, "", "max(length(v))", (42,)),
    "a float as numpy writes it": (
        {"x.csv": "v\n1.2345678901234567891e-05\n"},
        "",
        "typeof(v)",
        ("DOUBLE",),
    ),
    "a telephone number": ({"x.csv": "v\n+4912\n+4913\n"}, "", "min(v)", ("+4912",)),
    "dates of which one is clear": (
        {"x.csv": "id,day\n1,25/12/2024\n2,01/02/2024\n"},
        "",
        "min(day)",
        (datetime.date(2024, 2, 1),),
    ),
    "columns in another order": (
        {"1.csv": "id,amount\n1,10\n", "2.csv": "amount,id\n20.5,2\n"},
        "",
        "sum(amount)",
        (30.5,),
    ),
    "a column that a later file has": (
        {"1.csv": PLAIN, "2.csv": "id,amount,refund\n3,5,7\n"},
        "",
        "sum(amount), sum(refund)",
        (35, 7),
    ),
    "a first file with a header alone": (
        {"1.csv": "id,day\n", "2.csv": "id,day\n1,2024-01-05\n"},
        "",
        "typeof(max(day))",
        ("DATE",),
    ),
    "a file without a value": (
        {"1.csv": "id,day\n1,2024-01-05\n", "2.csv": "id,day\n2,\n"},
        "",
        "typeof(max(day)), count(*)",
        ("DATE", 2),
    ),
    "a text in a later file": (
        {"1.csv": PLAIN, "2.csv": "id,amount\n3,n/a\n"},
        "",
        "max(amount), min(amount)",
        ("n/a", "10"),
    ),
    "quotes in a later file": (
        {"1.csv": PLAIN, "2.csv": 'id,amount\n"3","30"\n'},
        "",
        "sum(amount)",
        (60,),
    ),
    "a file that says which number is the day": (
        {"1.csv": "day\n25/12/2024\n", "2.csv": "day\n01/02/2024\n"},
        "",
        "min(day)",
        (datetime.date(2024, 2, 1),),
    ),
    "gzip": ({"x.csv.gz": gzip.compress(PLAIN.encode())}, "", "sum(amount)", (30,)),
    "lines that end early": (
        {"x.csv": "id,amount,note\n1,5\n2,6,x\n3,7\n"},
        "",
        "count(*), sum(amount), count(note)",
        (3, 18, 1),
    ),
    "a header that ends early": (
        {"x.csv": "id,amount\n1,10\n2,20\n3,30,late\n4,40,late\n"},
        "",
        "count(*), sum(amount), count(column2)",
        (4, 100, 2),
    ),
    "a footer": ({"x.csv": "id;amount\n1;5\n2;6\n\nSource: the bank\n"}, "", "sum(amount)", (11,)),
    "a title": ({"x.csv": "Report of May\n\nid,amount\n1,5\n2,6\n"}, "", "sum(amount)", (11,)),
    "a line that says the delimiter": ({"x.csv": "sep=;\nid;n\n1;10\n"}, "", "sum(n)", (10,)),
    "empty lines above the header": ({"x.csv": "\n\nid,n\n1,10\n"}, "", "sum(n)", (10,)),
    "a day that never comes": (
        {"x.csv": "id,d\n1,infinity\n2,2024-01-01\n"},
        "",
        "max(d)::VARCHAR",
        ("infinity",),
    ),
    "nanoseconds": (
        {"x.csv": "id,t\n1,2024-01-01 10:00:00.123456789\n"},
        "",
        "max(t)::VARCHAR",
        ("2024-01-01 10:00:00.123456789",),
    ),
    "years of two digits, which may be days": (
        {"x.csv": "id,d\n1,31/12/24\n2,03/04/24\n"},
        "",
        "max(d)",
        ("31/12/24",),
    ),
    "years of two digits, which are none": (
        {"x.csv": "id,d\n1,31/12/99\n2,03/04/24\n"},
        "",
        "max(d)",
        (datetime.date(2024, 4, 3),),
    ),
    "a comment above the header": (
        {"x.csv": "# exported\nid,tag\n1,#a\n2,#b\n"},
        "",
        "min(tag)",
        ("#a",),
    ),
}


def kind_of(files: Files) -> tuple[str, str]:
    """A pattern for the files, and their format."""
    first = next(iter(files))
    return (first if len(files) == 1 else f"*.{first.rpartition('.')[2]}"), first.split(".")[1]


def assert_answers(repo: Repo, cases: dict[str, Case]) -> None:
    """Run a source for each case (files, more of its definition, question, answer), and ask each:
    one project is enough, as sources do not know of each other."""
    for number, (files, more, _, _) in enumerate(cases.values()):
        pattern, kind = kind_of(files)
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            file = repo.path / f"raw/{number}" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        repo.write(
            f"seeknal/sources/x{number}.yml",
            f"kind: source\nname: x{number}\nsource: {kind}\ntable: raw/{number}/{pattern}\n{more}",
        )
    repo.seeknal("run")
    found = {
        case: repo.numbers(f"SELECT {question} FROM main.x{number}")
        for number, (case, (_, _, question, _)) in enumerate(cases.items())
    }
    assert found == {case: [answer] for case, (*_, answer) in cases.items()}


def test_nothing_of_a_csv_file_is_lost(repo: Repo) -> None:
    assert_answers(repo, READ)


LATE_KEY = "".join(
    json.dumps({"id": number} | ({"coupon": "A"} if number > 24_000 else {})) + "\n"
    for number in range(MANY)
)


READ_JSON: dict[str, Case] = {
    "a key that begins late": ({"x.jsonl": LATE_KEY}, "", "count(coupon)", (999,)),
    "a key of the last of many files": (
        {
            f"{each:02}.jsonl": json.dumps({"id": each} | ({"tip": 1} if each == 39 else {}))
            for each in range(40)
        },
        "",
        "count(*), sum(tip)",
        (40, 1),
    ),
    "an integer of 23 digits, declared": (
        {"x.jsonl": '{"id": 1}\n{"id": 12345678901234567890123}\n'},
        "schema: [{name: id, data_type: HUGEINT}]\n",
        "max(id)",
        (12345678901234567890123,),
    ),
    "cents of a large sum, declared": (
        {"x.json": '[{"v": 0.1}, {"v": "12345678901234567.89"}]'},
        "schema: [{name: v, data_type: 'DECIMAL(38, 2)'}]\n",
        "max(v)",
        (Decimal("12345678901234567.89"),),
    ),
    "a text of digits": ({"x.jsonl": '{"zip": "01234"}\n'}, "", "min(zip)", ("01234",)),
}


def test_nothing_of_a_json_file_is_lost(repo: Repo) -> None:
    assert_answers(repo, READ_JSON)


def parquet(select: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        duckdb.sql(f"COPY ({select}) TO '{folder}/x.parquet'")
        return Path(folder, "x.parquet").read_bytes()


READ_PARQUET: dict[str, tuple[list[str], str, str, tuple[Any, ...]]] = {
    "a wider type in a later file": (
        ["SELECT 1 AS id, 10 AS amount", "SELECT 2 AS id, 20.75::DOUBLE AS amount"],
        "",
        "sum(amount)",
        (30.75,),
    ),
    "a column of a later file": (
        ["SELECT 1 AS id", "SELECT 2 AS id, 5 AS tip"],
        "",
        "count(*), sum(tip)",
        (2, 5),
    ),
    "a column of the first file": (
        ["SELECT 1 AS id, 5 AS tip", "SELECT 2 AS id"],
        "",
        "count(*), sum(tip)",
        (2, 5),
    ),
    "another type, and it is declared": (
        ["SELECT 1 AS id", "SELECT '3x' AS id"],
        "schema: [{name: id, data_type: VARCHAR}]\n",
        "max(id)",
        ("3x",),
    ),
}


def test_nothing_of_a_parquet_file_is_lost(repo: Repo) -> None:
    cases: dict[str, Case] = {}
    for case, (selects, more, question, answer) in READ_PARQUET.items():
        files: Files = {
            f"{number}.parquet": parquet(select) for number, select in enumerate(selects)
        }
        cases[case] = (files, more, question, answer)
    assert_answers(repo, cases)


def test_several_workers_may_look_at_files_at_once(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("id,v\n" + rows("0.5"))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: csv_guess(tmp_path / "x.csv", {})["columns"], range(8)))
    assert found == [[("id", "BIGINT"), ("v", "DOUBLE")]] * 8


# What somebody has to say


@pytest.mark.parametrize(
    ("files", "more", "words"),
    [
        pytest.param(
            {"x.csv": "Report of May\n\nid,amount\n1,5\n"},
            "",
            ["The first 2 lines are passed over", "params: {skip: 2}"],
            id="a title",
        ),
        pytest.param(
            {"x.csv": "id,amount,note\n1,5\n2,6,x\n"},
            "",
            ["raw/x.csv: Line 1 has 3 columns by `,`, and line 2 has 2", "null_padding: true"],
            id="lines that end early",
        ),
        pytest.param(
            {"x.csv": "id,day\n1,01/02/2024\n"},
            "",
            [
                "The dates in day may be %d/%m/%Y and %m/%d/%Y, so they are read as text",
                'dateformat: "%d/%m/%Y"',
            ],
            id="dates that may be two days",
        ),
        pytest.param(
            {"x.csv": "id,v\n1,2.345\n"},
            "schema: [{name: v, data_type: 'DECIMAL(10, 2)'}]\n",
            ["raw/x.csv: Numbers in v are rounded. The column is declared as DECIMAL(10,2)"],
            id="numbers that are rounded",
        ),
        pytest.param(
            {"x.csv": "id,t\n1,2024-01-01 23:30:00+02:00\n"},
            "schema: [{name: t, data_type: TIMESTAMP}]\n",
            ["The times in t have an offset, which is left out"],
            id="times that lose their offset",
        ),
        pytest.param(
            {"x.csv": "id,day\n1,05/06/07\n"},
            "",
            ["may be %y/%m/%d and %d/%m/%y and %m/%d/%y, so they are read as text"],
            id="dates that may be three days",
        ),
        pytest.param(
            {"1.csv": PLAIN, "2.csv": "id,amount\n3,n/a\n"},
            "",
            ["raw/2.csv: the column amount is text there, and BIGINT elsewhere"],
            id="a file of another type",
        ),
    ],
)
def test_a_guess_that_may_be_wrong_is_told_with_its_cure(
    repo: Repo, files: Files, more: str, words: list[str]
) -> None:
    deliver(repo, files)
    source(repo, kind_of(files)[0], more)
    said = repo.seeknal("validate").err
    assert "warning: seeknal/sources/x.yml:4: source.x: " in said
    for each in words:
        assert each in said
    assert words[0] in repo.seeknal("run").err


def test_a_declared_column_is_not_told_to_be_declared(repo: Repo) -> None:
    deliver(repo, {"1.csv": PLAIN, "2.csv": "id,amount\n3,n/a\n"})
    source(repo, "*.csv", "schema: [{name: amount, data_type: BIGINT}]\n")
    failed = repo.seeknal("run", code=1)
    assert "raw/2.csv, row 1: 'n/a' in amount is no BIGINT" in failed.out + failed.err
    assert "declare it" not in failed.out + failed.err


@pytest.mark.parametrize(
    ("files", "more", "words"),
    [
        pytest.param(
            {"x.csv": "id,amount,note\n1,5,a\n2,6,b,c\n3,7,d\n"},
            "",
            [
                "Line 1 has 3 columns by `,`, and line 3 has 4 (the table may begin after `skip: 2`): 2,6,b,c. "
            ],
            id="a comma too many",
        ),
        pytest.param(
            {"x.csv": "id,note\n1,x\n2,y,z\n3,w\n"},
            "params: {delimiter: ','}\n",
            ["Line 1 has 2 columns by `,`, and line 3 has 3", ": 2,y,z. "],
            id="a comma too many, with a delimiter",
        ),
        pytest.param(
            {"x.csv": "id,note\n" + "1,x\n" * 30_000 + "2,y,z,w\n" + "3,w\n" * 9},
            "",
            ["and line 30002 has 4: 2,y,z,w. "],
            id="far below",
        ),
        pytest.param(
            {"1.csv": PLAIN, "2.csv": "id;amount\n3;30\n"},
            "",
            ["raw/2.csv", 'its delimiter is ";", and that of raw/1.csv is ","'],
            id="two delimiters",
        ),
        pytest.param(
            {"1.csv": PLAIN, "2.csv": "3,30\n"},
            "",
            ["raw/2.csv", "its header is false, and that of raw/1.csv is true"],
            id="a file without a header",
        ),
        pytest.param(
            {"x.csv": "id,amount\n1,5.5\n"},
            "schema: [{name: amount, data_type: BIGINT}]\n",
            ["amount", "BIGINT", "5.5"],
            id="a declared type that would round",
        ),
        pytest.param(
            {"x.csv": "id,day\n1,05/06/2024\n"},
            "schema: [{name: day, data_type: DATE}]\n",
            ["the dates in day may be %d/%m/%Y and %m/%d/%Y", 'dateformat: "%d/%m/%Y"'],
            id="declared dates that may be two days",
        ),
        pytest.param(
            {"x.csv": "id,name\n1,Zoë\n".encode("latin-1")},
            "",
            ["not utf-8", "`params.encoding`"],
            id="another encoding",
        ),
        pytest.param(
            {"x.csv": "id,n\r\n1,5\n2,6\r\n"},
            "",
            ["Some of its lines end in \\r\\n", "strict_mode: false"],
            id="two ends of lines",
        ),
        pytest.param(
            {"x.csv": PLAIN},
            "schema: [{name: amnt, data_type: BIGINT}]\n",
            ['there is no column "amnt" in it; there are id, amount'],
            id="a declared column that is not there",
        ),
        pytest.param(
            {
                "1.parquet": parquet("SELECT 1 AS id"),
                "2.parquet": parquet("SELECT DATE '2024-01-01' AS id"),
            },
            "",
            ["raw/2.parquet", "the column id is DATE there, and INTEGER in raw/1.parquet"],
            id="Parquet files of two types",
        ),
        pytest.param(
            {"x.parquet": parquet("SELECT 1.5::DOUBLE AS v")},
            "schema: [{name: v, data_type: BIGINT}]\n",
            ["raw/x.parquet", "1.5"],
            id="a Parquet file that would be rounded",
        ),
    ],
)
def test_a_file_that_cannot_be_read_without_loss_is_refused(
    repo: Repo, files: Files, more: str, words: list[str]
) -> None:
    deliver(repo, files)
    source(repo, kind_of(files)[0], more, kind_of(files)[1])
    said = repo.seeknal("validate", code=1).err
    for each in [*words, "source.x", "error: seeknal/sources/x.yml:"]:
        assert each in said
    assert "ignore_errors" not in said
    assert len(said) < 1_000


def test_a_file_that_does_not_fit_leaves_the_other_sources_of_a_branch_alone(repo: Repo) -> None:
    deliver(repo, {"x.csv": "id,amount\n1,5\n2,6,b\n3,7\n4,8\n", "y.csv": PLAIN})
    source(repo, "x.csv")
    repo.write("seeknal/sources/y.yml", "kind: source\nname: y\nsource: csv\ntable: raw/y.csv\n")
    repo.switch("dev", create=True)
    repo.seeknal("run", code=1)
    said = repo.seeknal("run", "--continue-on-error", code=1).out
    assert "failed: source.x: raw/x.csv does not fit source.x: Line 1 has 2 columns" in said
    assert repo.numbers("SELECT sum(amount) FROM dev.y") == [(30,)]


# What was read before is a contract


def runs(repo: Repo, *contents: str, more: str = "", name: str = "x.csv", code: int = 0) -> str:
    """Deliver one content after the other, and run; what the last run said."""
    source(repo, name, more, name.split(".")[1])
    for number, content in enumerate(contents, 1):
        deliver(repo, {name: content})
        done = repo.seeknal("run", code=code if number == len(contents) else 0)
    return done.out + done.err


DRIFTS = {
    "a number becomes text": (
        "id,amount\n1,10\n2,n/a\n",
        [
            "the column amount is text (as in 'n/a'), and was BIGINT",
            "schema: [{name: amount, data_type: VARCHAR}]",
        ],
    ),
    "a zero leads": (
        "id,amount\n1,010\n",
        ["the column amount is text (as in '010'), and was BIGINT"],
    ),
    "a number becomes a date": (
        "id,amount\n1,2024-01-01\n",
        ["the column amount is DATE (as in '2024-01-01'), and was BIGINT"],
    ),
    "a column goes": ("id\n1\n", ["the column amount is gone"]),
    "a column is renamed": ("id,total\n1,10\n", ["the column amount is gone"]),
    "the delimiter moves": (
        "id;amount\n1;10\n",
        ['its delimiter is ";", and was ","', 'params: {delimiter: ";"}'],
    ),
    "the header goes": ("1,10\n2,20\n", ["its header is false, and was true"]),
    "lines end early": (
        "id,amount\n1,10\n2\n3,30\n",
        [
            "Line 1 has 2 columns by `,`, and line 3 has 1: 2.\n",
            "null_padding: true",
        ],
    ),
}


def drift(repo: Repo, more: str = "", code: int = 0) -> str:
    """Run a source for each of DRIFTS, `x0` and so on, then again with its other content; what the
    second run said."""
    for contents in ([PLAIN] * len(DRIFTS), [content for content, _ in DRIFTS.values()]):
        deliver(repo, {f"{number}.csv": content for number, content in enumerate(contents)})
        for number in range(len(DRIFTS)):
            repo.write(
                f"seeknal/sources/x{number}.yml",
                f"kind: source\nname: x{number}\nsource: csv\ntable: raw/{number}.csv\n{more}",
            )
        done = repo.seeknal("run", code=0 if PLAIN in contents else code)
    return done.err


def test_later_files_that_would_be_read_otherwise_are_refused(repo: Repo) -> None:
    errors = ("\n" + drift(repo, code=1)).split("\nerror: ")[1:]
    assert len(errors) == len(DRIFTS)
    for number, (said, (case, (_, words))) in enumerate(zip(errors, DRIFTS.items(), strict=True)):
        place = f"seeknal/sources/x{number}.yml:4: raw/{number}.csv does not fit source.x{number}: "
        for each in [place, *words, "on_drift: warn"]:
            assert each in said, case
        assert repo.numbers(f"SELECT sum(amount) FROM main.x{number}") == [(30,)], case


def test_gaps_between_semicolons_are_told_whole(repo: Repo) -> None:
    said = runs(repo, "id;amount\n1;10\n", "id;amount\n1;10\n2\n3;30\n", code=1)
    assert "Line 1 has 2 columns by `;`, and line 3 has 1: 2.\n" in said


def test_with_on_drift_warn_they_are_told_and_read(repo: Repo) -> None:
    said = drift(repo, "on_drift: warn\n")
    again = repo.seeknal("run").err
    for number, (case, (_, words)) in enumerate(DRIFTS.items()):
        warning = f"warning: seeknal/sources/x{number}.yml:4: "
        assert f"{warning}raw/{number}.csv does not fit source.x{number}: {words[0]}" in said, case
        assert warning not in again or "Line 1" in words[0], case


def test_a_declared_change_starts_afresh(repo: Repo) -> None:
    runs(repo, PLAIN, "id,amount\n1,n/a\n", code=1)
    source(repo, "x.csv", "schema: [{name: amount, data_type: VARCHAR}]\n")
    repo.seeknal("run")
    assert repo.numbers("SELECT max(amount) FROM main.x") == [("n/a",)]


@pytest.mark.parametrize(
    ("contents", "question", "answer", "told"),
    [
        pytest.param(
            ["id,v\n1,5\n", "id,v\n1,5.5\n"],
            "typeof(max(v))",
            "DOUBLE",
            "The column v is DOUBLE now, and was BIGINT",
            id="a number widens",
        ),
        pytest.param(
            ["id,v\n1,5\n", "id,v,tip\n1,5,2\n"],
            "sum(tip)::VARCHAR",
            "2",
            "The column tip is new",
            id="a column comes",
        ),
        pytest.param(
            ["id,v\n1,5.5\n", "id,v\n1,5\n"],
            "typeof(max(v))",
            "DOUBLE",
            "",
            id="a number that is whole today",
        ),
        pytest.param(
            ["zip\n01234\n", "zip\n12345\n"],
            "max(zip)",
            "12345",
            "",
            id="a text of digits alone today",
        ),
        pytest.param(
            ["t\n2024-01-01 10:00:00\n", "t\n2024-01-02\n"],
            "typeof(max(t))",
            "TIMESTAMP",
            "",
            id="a time that is midnight today",
        ),
        pytest.param(
            ["d\n25/12/2024\n", "d\n01/02/2024\n"],
            "max(d)::VARCHAR",
            "2024-02-01",
            "",
            id="a date that may be two days today",
        ),
        pytest.param(
            ["id,v\n1,5\n", "id,v\n1,\n"], "typeof(max(v))", "BIGINT", "", id="no value today"
        ),
        pytest.param(["id,v\n1,5\n", "id,v\n"], "typeof(max(v))", "BIGINT", "", id="no row today"),
        pytest.param(["id,v\n", "id,v\n1,5\n"], "typeof(max(v))", "BIGINT", "", id="no row before"),
        pytest.param(
            ["id,v\n", "id,v\n1,5\n", "id,v\n"],
            "typeof(max(v))",
            "BIGINT",
            "",
            id="no row before, and none today",
        ),
        pytest.param(["id,v\n1,a\n", 'id,v\n1,"a"\n'], "max(v)", "a", "", id="quotes come"),
        pytest.param(
            ["Title\nid,v\n1,5\n", "Title\n\nid,v\n1,6\n"],
            "max(v)::VARCHAR",
            "6",
            "passed over",
            id="another preamble",
        ),
    ],
)
def test_a_later_file_that_fits_is_read_as_before(
    repo: Repo, contents: list[str], question: str, answer: str, told: str
) -> None:
    said = runs(repo, *contents)
    assert repo.numbers(f"SELECT {question} FROM main.x") == [(answer,)]
    assert told in said
    assert ("warning" in said) == bool(told)
    assert repo.built() == []


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        pytest.param({"id": 1, "v": 5}, {"id": 1}, "the column v is gone", id="a key goes"),
        pytest.param(
            {"id": 1, "v": 5},
            {"id": 1, "v": "n/a"},
            "the column v is text, and was BIGINT",
            id="a number becomes text",
        ),
        pytest.param(
            {"id": 1, "v": 5},
            {"id": 1, "v": [5]},
            "the column v is BIGINT[], and was BIGINT",
            id="a number becomes a list",
        ),
    ],
)
def test_a_later_json_file_that_would_be_read_otherwise_is_refused(
    repo: Repo, before: Any, after: Any, words: str
) -> None:
    assert words in runs(repo, json.dumps(before), json.dumps(after), name="x.jsonl", code=1)


def test_a_json_key_without_a_value_keeps_its_type(repo: Repo) -> None:
    runs(repo, '{"id": 1, "v": 5}', '{"id": 1, "v": null}', name="x.jsonl")
    assert repo.numbers("SELECT typeof(v) FROM main.x") == [("BIGINT",)]


def test_a_json_key_that_had_no_value_may_get_one_of_any_type(repo: Repo) -> None:
    runs(repo, '{"id": 1, "v": null}', '{"id": 1, "v": "a"}', name="x.jsonl")
    assert repo.numbers("SELECT v FROM main.x") == [("a",)]


def test_data_that_was_read_before_is_no_news(repo: Repo) -> None:
    """So a revert of raw data that git tracks is never refused."""
    repo.write("data/x.csv", PLAIN)
    repo.write("seeknal/sources/x.yml", "kind: source\nname: x\nsource: csv\ntable: data/x.csv\n")
    repo.commit()
    repo.seeknal("run")
    repo.write("data/x.csv", "id,amount,tip\n1,10,2\n")
    repo.commit()
    assert "The column tip is new" in repo.seeknal("run").err
    repo.git("revert", "--no-edit", "HEAD")
    assert "gone" not in repo.seeknal("run").err
    assert [name for name, *_ in repo.numbers("DESCRIBE main.x")] == ["id", "amount"]


def test_a_branch_is_not_stopped_by_a_file_that_drifted(repo: Repo) -> None:
    runs(repo, PLAIN)
    repo.commit()
    repo.switch("dev", create=True)
    deliver(repo, {"x.csv": "id\n1\n"})
    repo.seeknal("run")
    assert repo.numbers("SELECT sum(amount) FROM dev.x") == [(30,)]
    assert "the column amount is gone" in repo.seeknal("run", "--refresh", code=1).err
