"""Ask the engine how a file of raw data is to be read: the dialect of a CSV file, and the columns
of any file.

The engine guesses from the part of a file that it reads, so it is given the whole file; and values
that its guess would lose are looked for. docs/design/reading.md lists the guesses of the engine.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from seeknal_git.names import literal, quote
from seeknal_git.sql.engine import described, file_reader
from seeknal_git.sql.engine_version import exactly
from seeknal_git.sql.ragged import asked, taken_apart
from seeknal_git.sql.readers import csv_select
from seeknal_git.sql.statement import Columns

# A double holds 17 digits at most, and text with 15 comes back as it was.
_EXACT_DIGITS = 17
_WIDEST = 38
_DAY = re.compile("%[dmyY]")
# 2024-01-01 10:00:00.123456
_LONGEST_TIME = 26


def csv_guess(path: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    """The dialect and the columns of one CSV file: `delim`, `quote`, `escape`, `skip`, `header`,
    `columns`; the formats of its dates (`dateformat`, `timestampformat`: all that its values
    allow); `gaps`, which says where its lines differ, if that is news; and `notes`.

    given: the reader's options, as the source has them. Raises SqlError.
    """
    guess = taken_apart(path, given)
    return guess | _without_loss(path, given, guess)


def select_columns(sql: str, paths: Sequence[Path]) -> Columns:
    """The columns of a SELECT over `$files`. Raises SqlError."""
    return described(sql, {"files": [exactly(path) for path in paths]})


def misfit(sql: str, path: Path, column: str, word: str) -> str | None:
    """A value of a column that is no value of a type. sql: reads the file, with this column as
    text."""
    name = quote(column)
    rows = asked(
        f"SELECT {name} FROM ({sql}) WHERE {name} IS NOT NULL"
        f" AND (TRY_CAST({name} AS {word}) IS NULL"
        f" OR regexp_matches({name}, '^[-+]?0[0-9]')) LIMIT 1",
        path,
    )
    return str(rows[0][0]) if rows else None


def first_misfit(
    sql: str, path: Path, column: str, word: str, form: str | None = None
) -> tuple[int, str] | None:
    """The first value that cannot be cast to a type, and the number of its row, from 1. sql: reads
    the file, with this column as text. form: a format of dates that the engine has guessed; if
    fewer values lack it than cannot be cast, the first one that lacks it."""
    name = quote(column)
    tests = [f"TRY_CAST(value AS {word})"]
    tests += [f"try_strptime(value, {literal(form)})"] if form else []
    rows = f"(SELECT row_number() OVER () AS row, {name} AS value FROM ({sql}))"
    first = ", ".join(
        f"count(*) FILTER ({test} IS NULL), min(row) FILTER ({test} IS NULL),"
        f" min_by(value, row) FILTER ({test} IS NULL)"
        for test in tests
    )
    found = asked(f"SELECT {first} FROM {rows} WHERE value IS NOT NULL", path)[0]
    _, row, value = min(found[place : place + 3] for place in range(0, len(found), 3))
    return (int(row), str(value)) if row is not None else None


def rounded(sql: str, path: Path, column: str, word: str) -> str | None:
    """A value of a column that becomes another one by a cast to a type. sql: reads the file."""
    name = quote(column)
    exact = "TIMESTAMP" if word == "DATE" else "DOUBLE"
    rows = asked(
        f"SELECT {name} FROM ({sql})"
        f" WHERE TRY_CAST({name} AS {exact}) <> TRY_CAST({name} AS {word}) LIMIT 1",
        path,
    )
    return str(rows[0][0]) if rows else None


def has_digits(sql: str, path: Path, column: str, point: str, many: int) -> bool:
    """Whether a number has `many` digits or more after its point. sql: reads the file, with this
    column as text."""
    pattern = f"[{point}][0-9]{{{many - 1},}}[1-9]"
    matches = f"regexp_matches({quote(column)}, {literal(pattern)})"
    rows = asked(f"SELECT coalesce(bool_or({matches}), false) FROM ({sql})", path)
    return bool(rows[0][0])


def unpacks_in(path: Path, seconds: float) -> bool:
    """Whether a file packed by zstd can be unpacked in a time. (The engine's guess of a dialect
    cannot be interrupted.)"""
    engine = file_reader()
    options = (
        "columns = {'line': 'VARCHAR'}, auto_detect = false, header = false,"
        " quote = '', escape = ''"
    )
    clock = threading.Timer(seconds, engine.interrupt)
    clock.start()
    try:
        sql = f"SELECT count(*) FROM read_csv($1, {options}, delim = chr(31), compression = 'zstd')"
        engine.execute(sql, [str(path)]).fetchall()
    except duckdb.InterruptException:
        return False
    except duckdb.Error:  # it is no file of lines, or damaged: whoever reads it says so
        return True
    finally:
        clock.cancel()
    return True


# Values that the guessed type would change


def _without_loss(path: Path, given: Mapping[str, Any], guess: Mapping[str, Any]) -> dict[str, Any]:
    """The columns with types that lose nothing of the text, and all possible formats of the dates.

    Numbers with more digits than a DOUBLE holds are DECIMAL. Only `true` and `false` are BOOLEAN,
    since NO is a country.
    """
    found = {name: _question(name, word, given, guess) for name, word in guess["columns"]}
    questions = {name: question for name, question in found.items() if question}
    formats = {key: list(guess[key]) for key in _FORMATS.values()}
    if not questions:
        return {"columns": guess["columns"], **formats}
    sql = csv_select(given, guess)
    row = asked(f"SELECT {', '.join(questions.values())} FROM ({sql})", path)[0]
    answers, types = dict(zip(questions, row, strict=True)), dict(guess["columns"])
    long = [name for name, answer in answers.items() if _is_long(types[name], answer)]
    changed = _exact(sql, path, long)
    for name, answer in answers.items():
        if types[name] == "BOOLEAN" and not answer:
            changed[name] = "VARCHAR"
        elif types[name] in _FORMATS:
            if answer["nanoseconds"]:
                changed[name] = "TIMESTAMP_NS"
            key = _FORMATS[types[name]]
            formats[key] = list(dict.fromkeys([*formats[key], *filter(None, answer["formats"])]))
    columns = [(name, changed.get(name, word)) for name, word in guess["columns"]]
    return {"columns": columns, **formats}


def _is_long(word: str, answer: Any) -> bool:
    """Whether a column has numbers of more digits than a DOUBLE holds. answer: the most digits."""
    return bool(word in _FLOATING and answer > _EXACT_DIGITS)


_FLOATING = ("DOUBLE", "BIGNUM")
_FORMATS = {"DATE": "dateformat", "TIMESTAMP": "timestampformat"}


def _question(
    name: str, word: str, given: Mapping[str, Any], guess: Mapping[str, Any]
) -> str | None:
    """The question to the texts of a column, as SQL."""
    column = quote(name)
    if word == "BOOLEAN":
        return f"bool_and(lower(trim({column})) IN ('true', 'false'))"
    if word in _FLOATING:
        return f"max(length({column}))"
    if key := _FORMATS.get(word):
        others = _other_orders(guess[key][0]) if guess[key] and key not in given else []
        return _about_time(column, word, others) if others or word == "TIMESTAMP" else None
    return None


def _about_time(column: str, word: str, others: Sequence[str]) -> str:
    """The other formats that all values have, and whether values have more digits than
    microseconds, as SQL."""
    fits = (
        f"CASE WHEN bool_and(try_strptime({column}, {literal(form)}) IS NOT NULL"
        f" OR {column} IS NULL) THEN {literal(form)} END"
        for form in others
    )
    finer = (
        f"bool_or(length({column}) > {_LONGEST_TIME} AND regexp_matches({column}, '[.][0-9]{{7}}'))"
    )
    nanoseconds = finer if word == "TIMESTAMP" else "false"
    return f"{{'formats': [{', '.join(fits)}]::VARCHAR[], 'nanoseconds': {nanoseconds}}}"


def _other_orders(form: str) -> list[str]:
    """A format with day, month and year in the other orders that are in use. A year of four digits
    shows where it is; of two, 01/02/03 may be any of three days."""
    orders = ["%d%m%y", "%m%d%y", "%y%m%d"] if "%y" in form else ["%d%m%Y", "%m%d%Y"]
    own = "".join(_DAY.findall(form))
    if own not in orders:
        return []
    return [_reordered(form, order) for order in orders if order != own]


def _reordered(form: str, order: str) -> str:
    marks = iter(_DAY.findall(order))
    return _DAY.sub(lambda _: next(marks), form)


def _exact(sql: str, path: Path, columns: Sequence[str]) -> dict[str, str]:
    """Types for numbers with many digits. One with an exponent is a float by nature."""
    if not columns:
        return {}
    questions = []
    for name in columns:
        text = f"trim({quote(name)})"
        digits = f"regexp_replace({text}, '[^0-9]', '', 'g')"
        questions += [
            f"max(length(trim({digits}, '0')))",
            f"bool_and(regexp_full_match({text}, '[-+]?[0-9]*[.]?[0-9]*'))",
            f"max(length(split_part(ltrim({text}, '+-0'), '.', 1)))",
            f"max(length(split_part({text}, '.', 2)))",
        ]
    row = asked(f"SELECT {', '.join(questions)} FROM ({sql})", path)[0]
    found = {}
    for number, name in enumerate(columns):
        significant, plain, whole, fraction = row[4 * number : 4 * number + 4]
        if significant > _EXACT_DIGITS and plain:
            found[name] = _number(whole, fraction)
    return found


def _number(whole: int, fraction: int) -> str:
    if whole + fraction > _WIDEST:
        return "VARCHAR"
    return f"DECIMAL({_WIDEST},{fraction})" if fraction else "HUGEINT"
