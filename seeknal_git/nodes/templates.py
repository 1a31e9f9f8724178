"""The templates of a node's file, resolved before the file is checked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from seeknal_git.errors import Problem, ProjectError
from seeknal_git.nodes.values import FILE, MACRO, Unresolved, Use, Values, templates
from seeknal_git.nodes.yaml_document import SQL, Document

_KEYS = ("params", "table")
# Statements and comments of Jinja. Their braces alone may stand in a text of SQL.
_JINJA = re.compile(
    r"\{%-?\s*(?:if|elif|else|endif|for|endfor|set|endset|macro|endmacro|do|call|import|from|raw)\b"
    r"[^%]*%\}|\{#.*?#\}"
)


@dataclass(slots=True)
class Resolved:
    """A file with the values of its templates."""

    document: Document
    uses: dict[Use, None] = field(default_factory=dict)
    # Place of SQL → the lines of it that begin within a value, and so are no lines of the file.
    breaks: dict[str, tuple[int, ...]] = field(default_factory=dict)


def resolve(document: Document, values: Values, path: str, sql_file: str = "") -> Resolved:
    """Put the values in place of the templates of a file. Raises ProjectError with every template
    that has none.

    sql_file: the file of the text under `transform`, if that is another one.
    """
    data = document.data
    if data.get("kind") == "exposure" and data.get("type") != "file":
        return Resolved(document)  # nothing reads its params
    paths = {"transform": sql_file} if sql_file else {}
    resolving = _Resolving(document, values, path, paths, dict(_scalars(data.get("params") or {})))
    found = {
        key: resolving.value(value, (str(key),)) if _has_places(str(key)) else value
        for key, value in data.items()
    }
    if sql_file:
        resolving.result.uses[f"{FILE}{sql_file}", False] = None
    if resolving.problems:
        raise ProjectError(list(dict.fromkeys(resolving.problems)))
    if not resolving.result.uses:
        return resolving.result
    resolving.result.document = replace(document, data=found, written=resolving.written)
    return resolving.result


def _has_places(key: str) -> bool:
    return key in _KEYS or key in ("transform", "rule", "tests", "audits")


def _scalars(params: Any, before: str = "") -> Iterator[tuple[str, str]]:
    """The texts in a node's params by name; `a.b` for one in a mapping."""
    for key, value in params.items() if isinstance(params, dict) else ():
        if isinstance(value, str):
            yield f"{before}{key}", str(value)
        elif isinstance(value, dict):
            yield from _scalars(value, f"{before}{key}.")


class _Resolving:
    """The state of resolving one file."""

    def __init__(
        self,
        document: Document,
        values: Values,
        path: str,
        paths: Mapping[str, str],
        params: Mapping[str, str],
    ) -> None:
        self._document, self._values, self._params = document, values, params
        # The file, and that of a place whose text is in another one.
        self._path, self._paths = path, paths
        self.problems: list[Problem] = []
        self.result = Resolved(document)
        self.written = dict(document.written)

    def value(self, given: Any, place: tuple[str, ...]) -> Any:
        """A value of the file with its templates resolved, at any depth."""
        if isinstance(given, dict):
            return {key: self.value(inner, (*place, str(key))) for key, inner in given.items()}
        if isinstance(given, list):
            return [self.value(inner, (*place, str(at))) for at, inner in enumerate(given)]
        where = ".".join(place)
        is_sql = SQL.fullmatch(where) is not None
        if not isinstance(given, str) or not (is_sql or place[0] in _KEYS):
            return given
        if is_sql:
            return self._sql(given, where)
        return self._filled(str(given), where, place[1:]) if "{{" in given else given

    def _sql(self, given: str, where: str) -> str:
        written = self._document.written.get(where)
        if found := _JINJA.search(written or given):
            line = self._line(where, (written or given)[: found.start()])
            message = f"`{' '.join(found[0].split())}` is Jinja, which is not read here."
            hint = "Write it in SQL: a macro, a CTE, or CASE. See docs/migrating.md."
            self.problems.append(Problem(message, self._paths.get(where, self._path), line, hint))
            return given
        macros = self._values.macros
        if "{{" not in given and not macros:
            return given
        if written:
            self.written[where] = self._expanded(self._filled(written, where), where)
            where, given = "", str(given)
        return self._expanded(self._filled(str(given), where), where)

    def _expanded(self, text: str, where: str) -> str:
        """A statement with the expressions of macros in place of their calls."""
        macros = self._values.macros
        if not macros:
            return text
        from seeknal_git.sql.macros import WrongCall, calls, expanded

        self.result.uses |= {(f"{MACRO}{name}", False): None for name in calls(text, macros)}
        try:
            return expanded(text, macros)
        except WrongCall as exc:
            line = self._line(where, text[: exc.start])
            message = f"{str(exc)[0].upper()}{str(exc)[1:]}."
            self.problems.append(Problem(message, self._paths.get(where, self._path), line))
            return text

    def _filled(self, text: str, where: str, within: tuple[str, ...] = ()) -> str:
        """A text with its values. where: its place, for lines; empty if those are noted already;
        within: the key of `params` that it is the value of."""
        pieces, end, line = [], 0, 1
        breaks: list[int] = []
        for start, stop, expression in templates(text):
            name = ".".join(within)
            self.result.uses[expression, expression in self._params and expression != name] = None
            try:
                value = self._values.value(expression, self._params, within and (name,))
            except Unresolved as exc:
                self.problems.append(self._problem(exc, where, self._line(where, text[:start])))
                value = ""
            line += text.count("\n", end, start)
            breaks += range(line + 1, line + 1 + value.count("\n"))
            line += value.count("\n")
            pieces += [text[end:start], value]
            end = stop
        if breaks and where:
            self.result.breaks[where] = tuple(breaks)
        return "".join([*pieces, text[end:]])

    def _problem(self, exc: Unresolved, where: str, line: int) -> Problem:
        path = self._paths.get(where, self._path)
        if exc.within:
            path, line = exc.within.path, exc.within.line
        return Problem(exc.message, path, line, exc.hint)

    def _line(self, where: str, before: str) -> int:
        """The line of the file after a part of a text."""
        known = self._document.content_lines.get(where) or self._document.lines.get(where)
        return (known or 1) + before.count("\n")
