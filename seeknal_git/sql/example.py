"""Run a SELECT over a few given rows, and compare its rows with expected ones.

That is done by a worker, a process with limits on time and memory, in an engine in memory that
reaches no file and no network. So an example may be run of a commit that nobody has looked at yet.
A function, which is code, is run elsewhere; see `Bench`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seeknal_git.errors import limits, raising
from seeknal_git.names import folded, literal, quote
from seeknal_git.sql.worker import Exhausted, answers
from seeknal_git.sql.worker_process import Task

if TYPE_CHECKING:
    import duckdb

    from seeknal_git.sql.statement import Columns

Question = Mapping[str, Any]
# Functions that ask the clock → the type of their value; words such as current_date call them.
_CLOCKS = {
    "now": "TIMESTAMPTZ",
    "get_current_timestamp": "TIMESTAMPTZ",
    "transaction_timestamp": "TIMESTAMPTZ",
    "today": "DATE",
    "current_date": "DATE",
    "current_localtimestamp": "TIMESTAMP",
    "current_localtime": "TIME",
    "get_current_time": "TIMETZ",
}


def judged(questions: Sequence[Question]) -> list[dict[str, Any]]:
    """The answer to each question.

    A question has a `sql`; the tables that it reads (`tables`: `name` as SQL names it, `of` for
    messages, `columns`, `header`, `rows` or `sql`); the `parameters` of the SQL (name → text and
    type); the `partition` whose rows alone count, or None; the `results` that are expected (`cte`,
    `header`, `rows` or `sql`, `only`, `strict`, `count`, `tolerance`); and `now`, the time.

    An answer has a result for each expected one (`columns`, `rows` as their number, `differences`,
    `missing` and `unexpected` as numbers), or an `error` with its place: `at` (`sql`, `given` or
    `expect`), the `number` of the table or the result, `row` and `line`. Raises TooLong.
    """
    return [_answered(answer) for answer in answers(_TASK, questions, len(questions))]


def _answered(answer: Any) -> dict[str, Any]:
    if isinstance(answer, Exhausted):
        if "more than" not in answer.message:
            return {"error": "the engine crashes when it runs this SQL", "at": "sql"}
        given = limits()
        is_time = f"{given.seconds} s" in answer.message
        most = f"{given.seconds} s" if is_time else f"{given.memory_mb:,} MB"
        way = raising("seconds" if is_time else "memory_mb")
        return {"error": f"it takes the engine more than {most}", "hint": way, "at": "sql"}
    found: dict[str, Any] = answer
    return found


# In the worker


def _load() -> None:
    for name in ("engine", "example_rows", "example_compare"):
        import_module(f"seeknal_git.sql.{name}")


def _answer(question: Question) -> dict[str, Any]:
    engine = _engine(os.getpid())

    def run() -> dict[str, Any]:
        _fill(engine, question)
        return _results(engine, question, _values(engine, question["parameters"]))

    return _in_transaction(engine, run)


def _in_transaction(
    engine: duckdb.DuckDBPyConnection, run: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    """The answer of a function, or its fault. Nothing stays in the engine."""
    import duckdb

    from seeknal_git.sql.engine import SqlError, enough_memory

    with enough_memory():
        engine.execute("BEGIN")
        try:
            return run()
        except _Fault as fault:
            return fault.answer
        except SqlError as exc:
            return {"error": exc.message, "line": exc.line, "at": "sql"}
        except RecursionError:
            return {"error": "it is nested too deep", "at": "sql"}
        finally:
            with suppress(duckdb.TransactionException):
                engine.execute("ROLLBACK")


@cache
def _engine(_: int) -> duckdb.DuckDBPyConnection:
    return _confined()


def _confined(*folders: Path) -> duckdb.DuckDBPyConnection:
    """An engine in memory that reaches some folders alone."""
    import duckdb

    from seeknal_git.sql.sandbox import Reach, confinement

    engine = duckdb.connect(":memory:", config={"threads": 1})
    engine.execute(f"SET TimeZone = 'UTC'; {confinement(None, Reach(folders=folders))}")
    return engine


class Bench:
    """An engine in this process for the examples of functions, whose inputs and results are files
    in a folder."""

    def __init__(self, folder: Path) -> None:
        self._engine = _confined(folder)

    def columns(self, sql: str) -> Columns:
        """The columns of a SELECT."""
        rows = self._engine.execute(f"DESCRIBE {sql}").fetchall()
        return tuple((row[0], row[1]) for row in rows)

    def export(self, sql: str, path: Path) -> None:
        """Write the rows of a SELECT as a Parquet file."""
        self._engine.execute(f"COPY ({sql}) TO {literal(str(path))} (FORMAT parquet)")

    def answer(
        self, question: Question, made: Callable[[], tuple[str, Mapping[str, Any]]]
    ) -> dict[str, Any]:
        """The answer to a question about a function. made: runs it over the tables that are given,
        and returns the SELECT of its rows with its parameters."""

        def run() -> dict[str, Any]:
            _fill(self._engine, question)
            sql, parameters = made()
            return _results(self._engine, {**question, "sql": sql}, parameters)

        return _in_transaction(self._engine, run)


_TASK = Task(_load, lambda _: None, _answer, lambda question: str(question["sql"]))


class _Fault(Exception):
    """An example that cannot be run."""

    def __init__(self, at: str, message: str, **place: Any) -> None:
        super().__init__(message)
        self.answer = {"error": message, "at": at, **place}


def _fill(engine: duckdb.DuckDBPyConnection, question: Question) -> None:
    """Make the tables that a question gives."""
    from seeknal_git.sql.example_rows import Wrong, fill

    if question["now"]:
        _stop_clock(engine, question["now"])
    for number, table in enumerate(question["tables"]):
        try:
            fill(engine, table["name"], table["columns"], table, table["of"])
        except Wrong as exc:
            raise _Fault("given", exc.message, number=number, row=exc.row) from exc


def _results(
    engine: duckdb.DuckDBPyConnection, question: Question, parameters: Mapping[str, Any]
) -> dict[str, Any]:
    """The answer to a question whose tables are there."""
    return {
        "results": [
            _result(engine, question, parameters, number, expected)
            for number, expected in enumerate(question["results"])
        ]
    }


def _values(
    engine: duckdb.DuckDBPyConnection, parameters: Mapping[str, tuple[str, str]]
) -> dict[str, Any]:
    """Parameters as Python values of their types."""
    found = {}
    for name, (text, word) in parameters.items():
        row = engine.execute(f"SELECT CAST($1 AS {word})", [text]).fetchone()
        found[name] = row[0] if row else None
    return found


def _stop_clock(engine: duckdb.DuckDBPyConnection, now: str) -> None:
    """Let the functions that ask the clock give a time."""
    for name, word in _CLOCKS.items():
        time = f"CAST(TIMESTAMPTZ '{now}' AS {word})"
        if word == "TIMETZ":
            time = f"CAST(strftime(TIMESTAMPTZ '{now}', '%H:%M:%S.%f+00') AS TIMETZ)"
        engine.execute(f"CREATE MACRO {quote(name)}() AS {time}")
    age = f"system.main.age(CAST(TIMESTAMPTZ '{now}' AS DATE)::TIMESTAMP, since)"
    engine.execute(
        f"CREATE MACRO age(since) AS {age}, (until, since) AS system.main.age(until, since)"
    )


def _result(
    engine: duckdb.DuckDBPyConnection,
    question: Question,
    parameters: Mapping[str, Any],
    number: int,
    expected: Mapping[str, Any],
) -> dict[str, Any]:
    from seeknal_git.sql.engine import without_end

    sql, cte, made = question["sql"], expected["cte"], f'"made {number}"'
    text = _of_cte(engine, sql, cte, number) if cte else without_end(sql)
    _made(engine, made, text, parameters, has_lines=not cte)
    described = engine.execute(f"DESCRIBE {made}").fetchall()
    columns = tuple((row[0], row[1]) for row in described)
    if question["partition"] and not cte:
        _keep_partition(engine, made, columns, question["partition"])
    count = int(engine.execute(f"SELECT count(*) FROM {made}").fetchall()[0][0])
    found = {"columns": columns, "rows": count, "differences": [], "missing": 0, "unexpected": 0}
    if expected.get("as_rows"):
        return found | {"made": _as_rows(engine, made, columns)}
    if expected["header"] is None and not expected["sql"]:
        return found
    return found | _differences(engine, number, made, columns, expected)


def _differences(
    engine: duckdb.DuckDBPyConnection,
    number: int,
    made: str,
    columns: Sequence[tuple[str, str]],
    expected: Mapping[str, Any],
) -> dict[str, Any]:
    """The rows of a table that differ from those that are expected."""
    from seeknal_git.sql.example_compare import Sides, compared
    from seeknal_git.sql.example_rows import Wrong, fill, no_column

    wanted = f'"expected {number}"'
    of = f"the CTE {expected['cte']}" if expected["cte"] else "its result"
    known = {folded(name): (name, word) for name, word in columns}
    if unknown := [name for name in expected["only"] if folded(name) not in known]:
        names = [name for name, _ in columns]
        raise _Fault("expect", no_column(unknown[0], names, of), number=number)
    kept = tuple(known[folded(name)] for name in expected["only"]) or tuple(columns)
    try:
        fill(engine, wanted, kept, expected, of)
    except Wrong as exc:
        raise _Fault("expect", exc.message, number=number, row=exc.row) from exc
    sides = Sides.of(kept, expected["tolerance"])
    told = compared(engine, made, wanted, sides, strict=expected["strict"])
    keys = ("differences", "missing", "unexpected")
    return {"columns": kept, **dict(zip(keys, told, strict=True))}


def _keep_partition(
    engine: duckdb.DuckDBPyConnection,
    table: str,
    columns: Sequence[tuple[str, str]],
    partition: Mapping[str, Any],
) -> None:
    """Keep the rows of one partition alone."""
    import duckdb

    from seeknal_git.sql.partitioning import Misplaced, Partitioning, as_time

    by, wanted = Partitioning.of(partition["form"]), partition["wanted"]
    types = {folded(name): word for name, word in columns}
    try:
        number = by.sql(types)
        asked = wanted
        if by.every is not None:
            name = by.by[0]
            row = f"SELECT CAST($1 AS {types[folded(name)]}) AS {quote(name)}"
            found = engine.execute(f"SELECT {number} FROM ({row})", [as_time(wanted)]).fetchone()
            asked = found[0] if found else None
        engine.execute(f"DELETE FROM {table} WHERE ({number}) IS DISTINCT FROM {int(asked)}")
    except (duckdb.ConversionException, ValueError, TypeError) as exc:
        raise _Fault("partition", f"{wanted} is none of its partitions") from exc
    except Misplaced as exc:
        raise _Fault("partition", str(exc)) from exc


def _made(
    engine: duckdb.DuckDBPyConnection,
    table: str,
    sql: str,
    parameters: Mapping[str, Any],
    *,
    has_lines: bool,
) -> None:
    import duckdb

    from seeknal_git.sql.engine import engine_words, need_memory

    try:
        engine.execute(f"CREATE TABLE {table} AS {sql}", dict(parameters))
    except duckdb.Error as exc:
        need_memory(exc)
        message, line = engine_words(exc)
        raise _Fault("sql", message, line=line if has_lines else None) from exc


def _of_cte(engine: duckdb.DuckDBPyConnection, sql: str, name: str, number: int) -> str:
    """The SELECT of all rows of a CTE of a statement, as the engine writes it."""
    tree = _tree(engine, sql)
    ctes = tree["statements"][0]["node"]["cte_map"]
    known = {folded(entry["key"]): entry["key"] for entry in ctes["map"]}
    if folded(name) not in known:
        raise _Fault("expect", _no_cte(name, known.values()), number=number)
    selecting = _tree(engine, f"SELECT * FROM {quote(known[folded(name)])}")
    selecting["statements"][0]["node"]["cte_map"] = ctes
    given = [json.dumps(selecting)]
    row = engine.execute("SELECT json_deserialize_sql(CAST($1 AS JSON))", given).fetchone()
    return str(row[0]) if row else ""


def _tree(engine: duckdb.DuckDBPyConnection, sql: str) -> Any:
    row = engine.execute("SELECT json_serialize_sql($1)", [sql]).fetchone()
    return json.loads(row[0]) if row else {}


def _no_cte(name: str, known: Iterable[str]) -> str:
    import difflib

    names = list(known)
    near = difflib.get_close_matches(name, names, 1)
    if near:
        return f"its SQL has no CTE {name}: did you mean {near[0]}?"
    has = f"it has {', '.join(names)}" if names else "it has none"
    return f"its SQL has no CTE {name}: {has}"


def _as_rows(
    engine: duckdb.DuckDBPyConnection, table: str, columns: Sequence[tuple[str, str]]
) -> list[list[Any]]:
    """All rows of a table as a file of examples has them: texts, and nested values as JSON."""
    from seeknal_git.sql.example_rows import is_nested

    cells = ", ".join(
        f"to_json({quote(name)})::VARCHAR" if is_nested(word) else f"{quote(name)}::VARCHAR"
        for name, word in columns
    )
    rows = engine.execute(f"SELECT {cells} FROM {table} ORDER BY rowid").fetchall()
    nested = [is_nested(word) for _, word in columns]
    return [
        [
            json.loads(cell, parse_float=str, parse_int=str) if deep and cell else cell
            for cell, deep in zip(row, nested, strict=True)
        ]
        for row in rows
    ]
