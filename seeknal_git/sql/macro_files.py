"""Ask the engine, in a worker, about files of macros: it makes each definition, and takes it back.

It binds a definition as it makes it, so one that reads a table, a file or an unknown function is
refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from seeknal_git.names import quote
from seeknal_git.sql.macros import Macro, Token, in_parentheses, tokens
from seeknal_git.sql.worker import Exhausted, answers
from seeknal_git.sql.worker_process import Task

_HEAD = re.compile(
    r"CREATE\s+(?:OR\s+REPLACE\s+)?(?:TEMP(?:ORARY)?\s+)?(?:MACRO|FUNCTION)\s+"
    r"(?:IF\s+NOT\s+EXISTS\s+)?",
    re.IGNORECASE,
)
_FORM = "Write CREATE MACRO name(a, b := 1) AS expression, or AS TABLE SELECT …"
# A mistake: the message, and the file and the line.
Mistake = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class MacroFiles:
    """The macros of some files, and the mistakes in them."""

    macros: tuple[Macro, ...] = ()
    mistakes: tuple[Mistake, ...] = ()


def read_macros(files: Sequence[tuple[str, str]]) -> MacroFiles:
    """The macros of a project. files: path and text of each file."""
    (answer,) = answers(_TASK, [[list(file) for file in files]])
    if isinstance(answer, Exhausted):
        return MacroFiles(mistakes=((answer.message, files[0][0], 1),))
    return unpacked(answer)


def packed(found: MacroFiles) -> list[Any]:
    """As JSON takes it."""
    macros = [
        [macro.name, dict(macro.parameters), macro.body, macro.path, macro.line]
        for macro in found.macros
    ]
    return [macros, found.mistakes]


def unpacked(value: Sequence[Any]) -> MacroFiles:
    macros, mistakes = value
    return MacroFiles(
        tuple(Macro(*fields) for fields in macros),
        tuple((message, path, line) for message, path, line in mistakes),
    )


# In the worker


def _load() -> None:
    import_module("seeknal_git.sql.engine")


def _prepare(questions: Sequence[Any]) -> None:
    del questions


def _answer(question: Sequence[Any]) -> Any:
    from seeknal_git.sql.engine import enough_memory

    with enough_memory():
        return packed(understood([(path, text) for path, text in question]))


def _subject(question: Sequence[Any]) -> str:
    return str(len(question))


_TASK = Task(_load, _prepare, _answer, _subject)


@dataclass(frozen=True, slots=True)
class _Definition:
    name: str
    parameters: dict[str, str | None]
    rest: str  # the statement from the name on
    path: str
    line: int


def understood(files: Sequence[tuple[str, str]]) -> MacroFiles:
    """The macros of files, by the engine of this process."""
    definitions: dict[str, _Definition] = {}
    mistakes: list[Mistake] = []
    for path, text in files:
        for found in _definitions(path, text):
            if not isinstance(found, _Definition):
                mistakes.append(found)
            elif other := definitions.get(found.name):
                place = f"{other.path}:{other.line}"
                message = f"The macro {found.name} is defined twice: here and in {place}."
                mistakes.append((message, path, found.line))
            else:
                definitions[found.name] = found
    macros, refused = _made(list(definitions.values()))
    return MacroFiles(tuple(macros), (*mistakes, *refused))


def _definitions(path: str, text: str) -> Iterator[_Definition | Mistake]:
    import duckdb

    try:
        statements = [statement.query for statement in duckdb.extract_statements(text)]
    except duckdb.Error as exc:
        yield f"This does not parse: {_words(str(exc))}.", path, _line_told(str(exc))
        return
    at = 0
    for statement in statements:
        begin = text.find(statement.strip(), at)
        at = begin + len(statement.strip())
        solid = [token for token in tokens(statement.strip()) if not token.is_blank]
        first = solid[0].start if solid else 0
        line = text.count("\n", 0, begin + first) + 1
        yield _definition(statement.strip()[first:].rstrip(" \n\t;"), path, line)


def _definition(statement: str, path: str, line: int) -> _Definition | Mistake:
    head = _HEAD.match(statement)
    rest = statement[head.end() :] if head else ""
    found = tokens(rest)
    if not found or not found[0].name or "(" not in rest:
        return f"This is no macro. {_FORM}", path, line
    parameters = _parameters(found)
    if parameters is None:
        message = f"A macro has plain parameters, with defaults at most. {_FORM}"
        return message, path, line
    return _Definition(found[0].name, parameters, rest, path, line)


def _parameters(found: Sequence[Token]) -> dict[str, str | None] | None:
    """The parameters of a macro with their defaults; None for any other form."""
    solid = [token for token in found if not token.is_blank]
    given = in_parentheses(solid, 1) if len(solid) > 1 and solid[1].text == "(" else None
    if given is None:
        return None
    parameters: dict[str, str | None] = {}
    for parameter in given[0]:
        has_default = len(parameter) > 2 and parameter[1].text in (":=", "=>")
        if not parameter[0].name or not (len(parameter) == 1 or has_default):
            return None
        default = " ".join([token.text for token in parameter[2:]])
        parameters[parameter[0].name] = default or None
    return parameters


def _made(definitions: Sequence[_Definition]) -> tuple[list[Macro], list[Mistake]]:
    """Make each macro as a temporary one, after those that it calls, and take all of them back."""
    from seeknal_git.sql.engine import explaining

    refused = [_hiding(definition) for definition in definitions if _is_function(definition.name)]
    waiting = [definition for definition in definitions if not _is_function(definition.name)]
    found: list[Macro] = []
    try:
        while waiting:
            tried = [(definition, _attempt(definition)) for definition in waiting]
            found += [macro for _, macro in tried if isinstance(macro, Macro)]
            failed = [(definition, why) for definition, why in tried if not isinstance(why, Macro)]
            if len(failed) == len(waiting):
                refused += [_refusal(definition, why) for definition, why in failed]
                break
            waiting = [definition for definition, _ in failed]
    finally:
        for macro in found:
            explaining().execute(f"{_DROP[macro.body[:7] == _TABLE]} {quote(macro.name)}")
    return found, refused


_TABLE = "(SELECT"
_DROP = {True: "DROP MACRO TABLE IF EXISTS temp.main.", False: "DROP MACRO IF EXISTS temp.main."}


def _attempt(definition: _Definition) -> Macro | str:
    """Make a macro; the engine's message if it refuses."""
    import duckdb

    from seeknal_git.sql.engine import explaining, need_memory

    try:
        explaining().execute(f"CREATE TEMP MACRO {definition.rest}")
    except duckdb.Error as exc:
        need_memory(exc)
        return str(exc)
    rows = explaining().execute(_BODY, [definition.name]).fetchall()
    body, kind = rows[0]
    is_table = kind == "table_macro"
    text = f"({body})" if is_table else body
    found = Macro(definition.name, definition.parameters, text, definition.path, definition.line)
    if len(rows) == 1 and not _hides_a_parameter(found):
        return found
    explaining().execute(f"{_DROP[is_table]} {quote(definition.name)}")
    if len(rows) == 1:
        return "a lambda in a macro gives its values other names than the parameters"
    return "a macro has one definition: give the others names of their own"


_BODY = (
    "SELECT macro_definition, function_type FROM duckdb_functions()"
    " WHERE lower(function_name) = $1 AND database_name = 'temp'"
)
_LAMBDA = re.compile(r"\blambda\s+([^:]+):|\(?([\w\s,]+)\)?\s*->")


def _hides_a_parameter(macro: Macro) -> bool:
    """Whether a lambda in a macro has a name that is also a parameter."""
    named = [one or other for one, other in _LAMBDA.findall(macro.body)]
    names = {token.name for text in named for token in tokens(text)}
    return not names.isdisjoint(macro.parameters)


def _hiding(definition: _Definition) -> Mistake:
    message = (
        f"{definition.name} is a function of DuckDB, which a macro would hide."
        " Give it another name."
    )
    return message, definition.path, definition.line


def _is_function(name: str) -> bool:
    from seeknal_git.sql.engine import explaining

    found = explaining().execute(
        "SELECT 1 FROM duckdb_functions() WHERE lower(function_name) = $1"
        " UNION ALL SELECT 1 FROM duckdb_keywords()"
        " WHERE keyword_name = $1 AND keyword_category <> 'unreserved'",
        [name],
    )
    return name == "ref" or found.fetchone() is not None


def _refusal(definition: _Definition, told: str) -> Mistake:
    words = _words(told)
    if "Table with name" in words:
        words = f"a macro reads no table: pass it columns and values ({words})"
    line = definition.line + _line_told(told) - 1
    return f"The macro {definition.name}: {words}.", definition.path, line


def _words(told: str) -> str:
    text = told.partition("\n\nLINE")[0].partition("\nLINE")[0]
    return " ".join(text.split()).rstrip(".")


def _line_told(message: str) -> int:
    found = re.search(r"\bLINE (\d+):", message)
    return int(found[1]) if found else 1
