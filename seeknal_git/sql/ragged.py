"""Find out where the table in a CSV file is: which delimiter divides its lines, and which of them
are no rows of it.

The engine takes lines that have different numbers of fields for one column, and lines before a
table for none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from seeknal_git.names import option, quote
from seeknal_git.sql.engine import SqlError, engine_words, file_reader
from seeknal_git.sql.engine_version import exactly
from seeknal_git.sql.readers import DEFAULTS, LONGEST_LINE, arguments, csv_select

_DELIMITERS = (",", ";", "\t", "|")
# Formats that the engine reads by itself. If they were given, it would read `infinity` as
# 1900-01-01.
_ISO, _ISO_TIME = "%Y-%m-%d", "%Y-%m-%d %H:%M:%S"
_SAID = re.compile('"?sep=(.)"?', re.IGNORECASE)
_QUOTED = re.compile(r'"[^"]*(?:"|$)')
# Lines that are looked at to say which of them is at fault.
_FEW = 100_000
_HEAD = 1_000_000
# Letters of a line that are shown.
_SHOWN = 60
# Lines in which a table begins at the latest, if all before it are empty.
_TITLE = 20


class Uneven(SqlError):
    """The lines of a file have different numbers of fields. The message ends with a cure."""

    def __init__(self, which: str) -> None:
        super().__init__(f"{which}. {_CURE}")


def taken_apart(path: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    """The dialect of a CSV file and its columns. Raises SqlError.

    given: the reader's options, as the source has them.
    """
    try:
        guess = _sniffed(path, {**DEFAULTS, **given})
    except SqlError as exc:
        if found := _with_gaps(path, given):
            return found
        raise (_mistake(path, given) or exc) from None
    if "delim" in given:
        return guess
    if "skip" not in given and (found := _below_first_lines(path, given)):
        return found
    if len(guess["columns"]) == 1 and "skip" not in given and "header" not in given:
        options = {name: value for name, value in DEFAULTS.items() if name != "skip"}
        below = _sniffed(path, options | dict(given))
        if _is_below_a_preamble(path, given, below):
            return below | {"notes": [_passed_over(int(below["skip"]))]}
    return _with_gaps(path, given, str(guess["delim"])) or guess


def _mistake(path: Path, given: Mapping[str, Any]) -> SqlError | None:
    """The mistake in a file that the engine cannot read as a table; None if it is not known."""
    if "strict_mode" not in given and _ends_differ(path):
        return SqlError(_ENDS)
    which = _odd_line(path, given)
    return Uneven(which) if which else None


_ENDS = (
    "Some of its lines end in \\r\\n, and others in \\n."
    " Write them alike, or say that both are meant: `params: {strict_mode: false}`"
)


def _ends_differ(path: Path) -> bool:
    """Whether a file has both ends of lines, as after another system has appended to it."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    return 0 < head.count(b"\r\n") < head.count(b"\n")


def _sniffed(path: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    listed = "".join(f", {name} = {option(value)}" for name, value in sorted(options.items()))
    row = asked(
        "SELECT Delimiter, Quote, Escape, SkipRows, HasHeader, Columns, DateFormat, TimestampFormat"
        f" FROM sniff_csv($files[1]{listed})",
        path,
    )[0]
    delimiter, quoting, escape = ("" if text == "(empty)" else text for text in row[:3])
    return {
        "delim": delimiter,
        "quote": quoting,
        "escape": escape,
        "skip": row[3],
        "header": row[4],
        "columns": [(column["name"], column["type"]) for column in row[5]],
        "dateformat": [row[6]] if row[6] and row[6] != _ISO else [],
        "timestampformat": [row[7]] if row[7] and row[7] != _ISO_TIME else [],
        "null_padding": False,
        "gaps": "",
        "names": [],
        "notes": [],
    }


def _is_below_a_preamble(path: Path, given: Mapping[str, Any], below: Mapping[str, Any]) -> bool:
    """Whether a table with rows begins below some other lines, which lack its delimiter."""
    skipped, delimiter = int(below["skip"]), str(below["delim"])
    if not skipped or not below["header"] or len(below["columns"]) < 2:
        return False
    if any(delimiter in line for line in _lines(path, given)[:skipped]):
        return False
    names = [name for name, _ in below["columns"]]
    return any(has_values(csv_select(given, below), [path], names))


def _below_first_lines(path: Path, given: Mapping[str, Any]) -> dict[str, Any] | None:
    """The guess for a file that begins with empty lines, or with one that says its delimiter, as
    spreadsheets do."""
    lines = _lines(path, given, _TITLE)
    if said := _SAID.fullmatch("".join(lines[:1])):
        skipped, more = 1, {"delim": said[1]}
    else:
        skipped, more = next((number for number, line in enumerate(lines) if line.strip()), 0), {}
    if not skipped:
        return None
    guess = _sniffed(path, {**DEFAULTS, **given, **more, "skip": skipped})
    return guess | {"notes": [_passed_over(skipped)]} if len(guess["columns"]) > 1 else None


def _passed_over(skipped: int) -> tuple[str, str]:
    many = "The first line is" if skipped == 1 else f"The first {skipped} lines are"
    return (
        f"{many} passed over, as the table begins below.",
        f"Say so: `params: {{skip: {skipped}}}`; else `skip: 0`.",
    )


# Lines of different lengths


def _with_gaps(path: Path, given: Mapping[str, Any], delimiter: str = "") -> dict[str, Any] | None:
    """How to read a file whose lines have different numbers of fields; None where they have not.
    Raises SqlError for one that cannot be read whichever way.

    delimiter: the one that the engine took; the header has another one if there are gaps.
    """
    skipped = int(given.get("skip", 0))
    header = "".join(_lines(path, given, skipped + 1)[skipped:])
    likeliest = given.get("delim") or max(_DELIMITERS, key=lambda each: _fields(header, each))
    if likeliest == delimiter or _fields(header, likeliest) == 1:
        return None
    lines = _lines(path, given)[skipped:]
    which = _which(likeliest, lines, skipped)
    found = _short(path, given, likeliest) or _long(path, given, likeliest, lines)
    if found is None and delimiter:
        raise Uneven(which)
    if found is None or "null_padding" in given:
        return found
    note = (f"{which}; missing values are read as NULL.", f"{_CURE}.")
    return found | {"gaps": which, "notes": [note]}


_CURE = (
    "Correct the file, or say how it is meant:"
    " `null_padding: true`, `skip`, `delimiter` or `quote` in `params`"
)


def _odd_line(path: Path, given: Mapping[str, Any]) -> str | None:
    """The first line that has another number of fields than the header; None if there is none."""
    skipped = int(given.get("skip", 0))
    lines = _lines(path, given)[skipped:]
    delimiter = str(
        given.get("delim") or max(_DELIMITERS, key=lambda each: _fields("".join(lines[:1]), each))
    )
    alike = not lines or all(
        _fields(line, delimiter) == _fields(lines[0], delimiter) for line in lines if line
    )
    return None if alike else _which(delimiter, lines, skipped)


def _short(path: Path, given: Mapping[str, Any], delimiter: str) -> dict[str, Any] | None:
    """The guess for a file with lines that end early."""
    try:
        guess = _sniffed(path, {**DEFAULTS, **given, "delim": delimiter, "null_padding": True})
        guess["null_padding"] = True
        has_values(csv_select(given, guess), [path], [name for name, _ in guess["columns"]])
    except SqlError:
        return None
    return guess


def _long(
    path: Path, given: Mapping[str, Any], delimiter: str, lines: Sequence[str]
) -> dict[str, Any] | None:
    """The guess for a file with a header that lacks names. The engine finds no types in it.

    If only a few lines are longer than the header, something is wrong with these lines: a delimiter
    within a text.
    """
    longer = sum(_fields(line, delimiter) > _fields(lines[0], delimiter) for line in lines)
    if given.get("header", True) is not True or 2 * longer < len(lines) - 1:
        return None
    names = [text.strip(' "') for text in lines[0].split(delimiter)]
    names += [
        f"column{number}"
        for number in range(len(names), max(_fields(line, delimiter) for line in lines))
    ]
    guess = {
        "delim": delimiter,
        "quote": '"',
        "escape": '"',
        "skip": int(given.get("skip", 0)),
        "header": True,
        "columns": [(name, "VARCHAR") for name in names],
        "dateformat": [],
        "timestampformat": [],
        "null_padding": True,
        "gaps": "",
        "names": names,
        "notes": [],
    }
    try:
        types = asked(
            f"SELECT {', '.join(map(_type, names))} FROM ({csv_select(given, guess)})", path
        )[0]
    except SqlError:
        return None
    return guess | {"columns": list(zip(names, types, strict=True))}


def _type(name: str) -> str:
    """The type of a column of texts, as SQL."""
    text = quote(name)
    words = ("BIGINT", "DATE", "TIMESTAMP")
    tests = {word: f"TRY_CAST({text} AS {word}) IS NOT NULL" for word in words}
    tests["BIGINT"] += f" AND NOT regexp_matches({text}, '^[-+]?0[0-9]|^[+]|[.]')"
    cases = " ".join(
        f"WHEN bool_and({test} OR {text} IS NULL) THEN '{word}'" for word, test in tests.items()
    )
    return f"CASE WHEN count({text}) = 0 THEN 'VARCHAR' {cases} ELSE 'VARCHAR' END"


def _which(delimiter: str, lines: Sequence[str], skipped: int) -> str:
    """The lines that have different numbers of fields, in words."""
    first, shown = _fields(lines[0], delimiter), "tabs" if delimiter == "\t" else f"`{delimiter}`"
    counts = (
        (number, _fields(line, delimiter)) for number, line in enumerate(lines, skipped + 1) if line
    )
    number, other = next(((at, count) for at, count in counts if count != first), (0, 0))
    if not number:
        return (
            f"The header has {first} columns by {shown}, and some line has another number of them"
        )
    where = (
        f" (the table may begin after `skip: {number - 1}`)"
        if other > first and number <= _TITLE
        else ""
    )
    text = lines[number - skipped - 1]
    said = f"{text[:_SHOWN]}…" if len(text) > _SHOWN else text
    header = f"Line {skipped + 1} has {first} columns by {shown}"
    return f"{header}, and line {number} has {other}{where}: {said}"


def _fields(line: str, delimiter: str) -> int:
    return _QUOTED.sub("", line).count(delimiter) + 1


def _lines(path: Path, given: Mapping[str, Any], most: int = _FEW) -> list[str]:
    """The first lines of a file."""
    options = {name: given[name] for name in ("compression", "encoding") if name in given} | {
        "auto_detect": False,
        "delim": "\x1f",
        "quote": "",
        "escape": "",
        "header": False,
        "comment": "",
        "skip": 0,
        "columns": {"line": "VARCHAR"},
        "strict_mode": False,
        "null_padding": True,
        "max_line_size": LONGEST_LINE,
    }
    return [
        line or ""
        for (line,) in asked(f"SELECT line FROM read_csv({arguments(options)}) LIMIT {most}", path)
    ]


def has_values(sql: str, paths: Iterable[Path], columns: Iterable[str]) -> list[bool]:
    """Of each column, whether any row of some files has a value in it."""
    counts = ", ".join(f"count({quote(name)}) > 0" for name in columns)
    return list(asked(f"SELECT {counts} FROM ({sql})", *paths)[0])


def asked(sql: str, *paths: Path) -> list[tuple[Any, ...]]:
    """The rows of a SELECT over `$files`. Raises SqlError."""
    try:
        return file_reader().execute(sql, {"files": [exactly(path) for path in paths]}).fetchall()
    except duckdb.Error as exc:
        raise SqlError(*engine_words(exc)) from exc
