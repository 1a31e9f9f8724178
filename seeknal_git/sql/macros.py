"""Macros of DuckDB: the engine checks their definitions, and a call is replaced by the expression.

A statement without calls of macros has one meaning for the binder, the analysis and the run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from seeknal_git.errors import limits
from seeknal_git.names import folded

_TOKEN = re.compile(
    r"""(?P<comment>--[^\n]*|/\*.*?(?:\*/|\Z))"""
    r"""|(?P<text>\b[eE]'(?:[^'\\]|\\.|'')*+(?:'|\Z)|'(?:[^']|'')*+(?:'|\Z)"""
    r"""|\$(?P<tag>\w*)\$.*?(?:\$(?P=tag)\$|\Z))"""
    r"""|(?P<name>"(?:[^"]|"")*+(?:"|\Z)|[^\W\d]\w*)|(?P<number>\d[\w.]*)|(?P<space>\s+)"""
    r"""|(?P<sign>:=|=>|.)""",
    re.DOTALL,
)
_OPENING, _CLOSING = frozenset("([{"), frozenset(")]}")


class Token(NamedTuple):
    kind: str
    text: str
    start: int

    @property
    def name(self) -> str:
        """The name that it is, in one spelling; nothing if it is none."""
        if self.kind != "name":
            return ""
        quoted = self.text.startswith('"')
        return folded(self.text[1:-1].replace('""', '"') if quoted else self.text)

    @property
    def is_blank(self) -> bool:
        return self.kind in ("comment", "space")


@dataclass(frozen=True, slots=True)
class Macro:
    """A macro, as the engine understood it.

    parameters: name → default, if it has one; body: an expression, or a SELECT in parentheses.
    """

    name: str
    parameters: Mapping[str, str | None]
    body: str
    path: str
    line: int

    @property
    def definition(self) -> str:
        """All that decides its meaning, but for the macros that it calls."""
        return f"{dict(self.parameters)!r} {self.body}"


class WrongCall(ValueError):
    """A call that does not fit its macro. start: where it stands in the text."""

    def __init__(self, message: str, start: int) -> None:
        super().__init__(message)
        self.start = start


def tokens(sql: str) -> list[Token]:
    """A text of SQL taken apart; nothing of it is left out."""
    return [
        Token(str(found.lastgroup if found.lastgroup != "tag" else "text"), found[0], found.start())
        for found in _TOKEN.finditer(sql)
    ]


def calls(sql: str, macros: Mapping[str, Macro]) -> Iterator[str]:
    """The macros that a text calls."""
    found = tokens(sql)
    yield from (token.name for place, token in enumerate(found) if _is_call(found, place, macros))


def expanded(sql: str, macros: Mapping[str, Macro]) -> str:
    """A statement with the expression of a macro in place of each call.

    It keeps the number of lines. Raises WrongCall.
    """
    found, pieces, place = tokens(sql), list[str](), 0
    while place < len(found):
        if not _is_call(found, place, macros):
            pieces.append(found[place].text)
            place += 1
            continue
        macro, start = macros[found[place].name], found[place].start
        arguments, end = _arguments(found, place, macro)
        text = _filled(macro, arguments, macros, start)
        if len(text) > limits().statement_kb << 10:
            raise WrongCall(f"the macro {macro.name} unfolds to too long a text", start)
        written = "".join([token.text for token in found[place:end]])
        pieces += [text, "\n" * (written.count("\n") - text.count("\n"))]
        place = end
    return "".join(pieces)


def _is_call(found: Sequence[Token], place: int, macros: Mapping[str, Macro]) -> bool:
    if found[place].name not in macros:
        return False
    before = next((token for token in reversed(found[:place]) if not token.is_blank), None)
    after = _next(found, place + 1)
    is_part = before is not None and before.text == "."
    return not is_part and after < len(found) and found[after].text == "("


def _next(found: Sequence[Token], place: int) -> int:
    while place < len(found) and found[place].is_blank:
        place += 1
    return place


def _arguments(found: Sequence[Token], place: int, macro: Macro) -> tuple[list[list[Token]], int]:
    """The arguments of a call, and the place behind it. Raises WrongCall."""
    parted = in_parentheses(found, _next(found, place + 1))
    if parted is None:
        raise WrongCall(f"the call of the macro {macro.name} has no end", found[place].start)
    return parted


def in_parentheses(found: Sequence[Token], opening: int) -> tuple[list[list[Token]], int] | None:
    """The parts of a list in parentheses that commas divide, and the place behind it; None if it
    has no end. opening: the place of the first parenthesis."""
    given, depth = list[list[Token]]([[]]), 1
    for end in range(opening + 1, len(found)):
        token = found[end]
        depth += (token.text in _OPENING) - (token.text in _CLOSING)
        if not depth:
            return [part for part in given if any(not token.is_blank for token in part)], end + 1
        if depth == 1 and token.text == ",":
            given.append([])
        else:
            given[-1].append(token)
    return None


def _filled(
    macro: Macro, arguments: Sequence[Sequence[Token]], macros: Mapping[str, Macro], start: int
) -> str:
    """The expression of a macro with its arguments. Raises WrongCall."""
    names = list(macro.parameters)
    values = {name: default for name, default in macro.parameters.items() if default is not None}
    for number, argument in enumerate(arguments):
        name, value = _named(argument) or (names[number] if number < len(names) else "", argument)
        if name not in macro.parameters:
            many = "one parameter" if len(names) == 1 else f"{len(names)} parameters"
            told = f"the macro {macro.name} has {many}: {', '.join(names)}".removesuffix(": ")
            raise WrongCall(told, start)
        try:
            values[name] = expanded(_on_one_line(value), macros)
        except WrongCall as exc:
            raise WrongCall(str(exc), start) from exc
    if missing := [name for name in names if name not in values]:
        raise WrongCall(f"the macro {macro.name} needs {', '.join(missing)}", start)
    others = {name: other for name, other in macros.items() if name != macro.name}
    return f"({expanded(_with_values(macro.body, values), others)})"


def _named(argument: Sequence[Token]) -> tuple[str, Sequence[Token]] | None:
    """The name and the value of an argument such as `tax := 0.1`; None for one without a name."""
    solid = [token for token in argument if not token.is_blank]
    if len(solid) < 3 or solid[1].text not in (":=", "=>"):
        return None
    return solid[0].name, argument[argument.index(solid[1]) + 1 :]


def _on_one_line(argument: Sequence[Token]) -> str:
    return "".join([" " if token.is_blank else token.text for token in argument]).strip()


def _with_values(body: str, values: Mapping[str, str]) -> str:
    found, pieces = tokens(body), list[str]()
    solid = [token for token in found if not token.is_blank]
    place = {token.start: number for number, token in enumerate(solid)}
    for token in found:
        number = place.get(token.start, 0)
        before = solid[number - 1].text if number else ""
        after = solid[number + 1].text if number + 1 < len(solid) else ""
        is_value = token.name in values and before != "." and after not in ("(", ":=")
        pieces.append(f"({values[token.name]})" if is_value else token.text)
    return "".join(pieces)
