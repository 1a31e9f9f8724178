"""Examples as the engine answers them: a result is equal to itself, and a changed cell is named."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seeknal_git.sql.example import _answer

TABLE = 'memory.main."source.t"'
COLUMNS = [
    ("id", "INTEGER"),
    ("select", "VARCHAR"),  # a keyword
    ("Total", "DECIMAL(12,3)"),
    ("x", "DOUBLE"),
    ("f", "FLOAT"),
    ("day", "DATE"),
    ("at", "TIMESTAMP"),
    ("seen", "TIMESTAMP WITH TIME ZONE"),
    ("ok", "BOOLEAN"),
    ("raw", "BLOB"),
    ("wait", "INTERVAL"),
    ("tags", "VARCHAR[]"),
    ("s", "STRUCT(a INTEGER, b DOUBLE[])"),
    ("m", "MAP(VARCHAR, DECIMAL(5,2))"),
    ("big", "HUGEINT"),
]
DAYS = st.dates().map(str)
TIMES = st.datetimes().map(lambda time: time.isoformat(" "))
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "INTEGER": st.integers(-(2**31), 2**31 - 1).map(str),
    "VARCHAR": st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])),
    "DECIMAL(12,3)": st.decimals("-999999999", "999999999", places=3).map(str),
    "DOUBLE": st.floats().map(repr),
    "FLOAT": st.floats(width=32).map(repr),
    "DATE": DAYS,
    "TIMESTAMP": TIMES,
    "TIMESTAMP WITH TIME ZONE": TIMES.map(lambda text: f"{text}+02"),
    "BOOLEAN": st.sampled_from(["true", "false", "yes", "0"]),
    "BLOB": st.binary(max_size=4).map(lambda raw: "".join(f"\\x{byte:02X}" for byte in raw)),
    "INTERVAL": st.integers(0, 500).map(lambda days: f"{days} days"),
    "VARCHAR[]": st.lists(st.none() | st.text("ab ,'\"[]{}\\", max_size=4), max_size=3),
    "STRUCT(a INTEGER, b DOUBLE[])": st.fixed_dictionaries(
        {"a": st.none() | st.just("1"), "b": st.lists(st.floats(-9, 9).map(repr), max_size=2)}
    ),
    "MAP(VARCHAR, DECIMAL(5,2))": st.dictionaries(
        st.text("ab", min_size=1), st.decimals(0, 99, places=2).map(str), max_size=2
    ),
    "HUGEINT": st.integers(-(2**126), 2**126).map(str),
}
ROW = st.tuples(*(st.none() | VALUES[word] for _, word in COLUMNS)).map(list)


def asked(
    rows: list[list[Any]], sql: str, result: dict[str, Any], columns: Any = COLUMNS
) -> dict[str, Any]:
    table = {"name": TABLE, "of": "source.t", "columns": columns, "sql": ""}
    table |= {"header": [name for name, _ in columns], "rows": rows}
    question: dict[str, Any] = {
        "sql": sql,
        "now": None,
        "parameters": {},
        "partition": None,
        "tables": [table],
        "results": [result],
    }
    answer = _answer(json.loads(json.dumps(question)))
    found: dict[str, Any] = json.loads(json.dumps(answer))
    return found


def expected(answer: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The rows that an answer has as those that are expected."""
    (result,) = answer["results"]
    rows = {"header": [name for name, _ in result["columns"]], "rows": result["made"], "sql": ""}
    return {"cte": "", **rows, "only": [], "strict": False, "tolerance": None, **more}


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=60)
@given(st.lists(ROW, max_size=6), st.randoms(use_true_random=False), st.booleans())
def test_a_node_makes_the_rows_that_it_made(rows: list[Any], random: Any, strict: bool) -> None:
    sql = f"SELECT *, count(*) OVER (PARTITION BY ok) AS n FROM {TABLE}"
    made = asked(rows, sql, {"cte": "", "as_rows": True})
    wanted = expected(made, strict=strict)
    if not strict:
        random.shuffle(wanted["rows"])
    (again,) = asked(rows, sql, wanted)["results"]
    assert (again["missing"], again["unexpected"], again["rows"]) == (0, 0, len(rows))


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=60)
@given(st.lists(ROW, min_size=1, max_size=6), st.data())
def test_one_changed_cell_fails_and_names_its_row(rows: list[Any], data: Any) -> None:
    sql = f"SELECT * FROM {TABLE}"
    wanted = expected(asked(rows, sql, {"cte": "", "as_rows": True}))
    row = data.draw(st.integers(0, len(rows) - 1))
    column = data.draw(st.sampled_from([0, 1, 2, 3, 5, 6, 7]))
    others = ["-7", "another text", "-0.007", "-7.5", "1700-01-01", "1700-01-01", "1700-01-01"]
    cell = others[[0, 1, 2, 3, 5, 6, 7].index(column)]
    if wanted["rows"][row][column] in (cell, f"{cell} 00:00:00", f"{cell} 00:00:00+00"):
        return
    wanted["rows"][row][column] = cell
    (found,) = asked(rows, sql, wanted)["results"]
    assert (found["missing"], found["unexpected"]) == (1, 1)
    ((number, texts, _, others_texts),) = found["differences"]
    assert number == row or wanted["rows"][number] == wanted["rows"][row]
    assert sum(one != other for one, other in zip(texts, others_texts, strict=True)) == 1


@pytest.mark.parametrize(
    ("made", "wanted", "tolerance", "holds"),
    [
        (["1.08", "1.0"], ["1.04", "1.12"], 0.05, True),  # 1.04 is close to both
        (["1.0", "2.0"], ["1.0"], None, False),
        (["nan", "inf", None], [None, "nan", "inf"], None, True),
        (["nan"], [None], None, False),
        (["1e300"], ["1.0000000000000002e300"], None, True),
        (["1.0"], ["1.00001"], None, False),
        (["0.0"], ["-0.0"], None, True),
    ],
)
def test_floats_are_paired_as_far_as_they_can_be(
    made: list[str], wanted: list[str], tolerance: float | None, holds: bool
) -> None:
    result: dict[str, Any] = {
        "cte": "",
        "header": ["x"],
        "rows": [[cell] for cell in wanted],
        "sql": "",
    }
    result |= {"only": [], "strict": False, "tolerance": tolerance}
    rows = [[cell] for cell in made]
    (found,) = asked(rows, f"FROM {TABLE}", result, [("x", "DOUBLE")])["results"]
    assert (found["missing"] + found["unexpected"] == 0) is holds


def test_a_query_that_takes_for_ever_ends_at_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    from seeknal_git.sql.example import judged
    from seeknal_git.sql.worker import stop

    monkeypatch.setenv("SEEKNAL_LIMIT_SECONDS", "1")
    stop()
    sql = "SELECT count(*) FROM range(100000000) a, range(100000000) b"
    question: dict[str, Any] = {
        "sql": sql,
        "now": None,
        "parameters": {},
        "partition": None,
        "tables": [],
        "results": [{"cte": "", "as_rows": True}],
    }
    (answer,) = judged([question])
    assert answer["error"] == "it takes the engine more than 1 s"
    stop()


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT getenv('HOME')",
        "SELECT * FROM 'x.parquet'",
    ],
)
def test_no_example_reaches_a_file_or_a_variable(sql: str) -> None:
    question: dict[str, Any] = {
        "sql": sql,
        "now": None,
        "parameters": {},
        "partition": None,
        "tables": [],
        "results": [{"cte": "", "as_rows": True}],
    }
    assert "error" in _answer(question)


def test_parameters_have_values_of_their_types() -> None:
    question: dict[str, Any] = {
        "sql": "WITH c AS (SELECT $start AS a, $end AS b) SELECT typeof(a) AS t, b - a AS n FROM c",
        "now": None,
        "parameters": {"start": ["2024-01-01", "DATE"], "end": ["2024-01-03", "DATE"]},
        "partition": None,
        "tables": [],
        "results": [{"cte": "", "as_rows": True}, {"cte": "c", "as_rows": True}],
    }
    own, cte = _answer(question)["results"]
    assert own["made"] == [["DATE", "2"]]
    assert cte["made"] == [["2024-01-01", "2024-01-03"]]


@pytest.mark.parametrize(
    ("every", "wanted", "rows"),
    [
        ("day", "2024-02-01", ["2024-02-01"]),
        ("month", "2024-01", ["2024-01-03", "2024-01-31"]),
        ("year", "2024", ["2024-01-03", "2024-01-31", "2024-02-01"]),
    ],
)
def test_the_rows_of_one_partition_count_alone(every: str, wanted: str, rows: list[str]) -> None:
    form = {"by": ["day"], "every": every, "begin": "2024-01-01", "buckets": None}
    days = ["2024-01-03", "2024-01-31", "2024-02-01"]
    question: dict[str, Any] = {
        "sql": f"SELECT unnest({days!r})::DATE AS day UNION ALL SELECT NULL",
        "now": None,
        "parameters": {},
        "partition": {"form": {**form, "outside": "error"}, "wanted": wanted},
        "tables": [],
        "results": [{"cte": "", "as_rows": True}],
    }
    (result,) = _answer(question)["results"]
    assert [day for (day,) in result["made"]] == rows
    assert (
        "none of its partitions"
        in _answer({**question, "partition": {**question["partition"], "wanted": "soon"}})["error"]
    )
