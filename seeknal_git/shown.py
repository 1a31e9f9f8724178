"""Text of others as it may be shown: names, messages and values may hold anything, and a terminal obeys much of it."""

from __future__ import annotations

import shlex
import unicodedata
from collections.abc import Iterable


def shown(text: str) -> str:
    r"""A text on one line in which everything prints: control characters, line ends, signs without a width, and those
    that turn the direction of what follows, are spelled out.

    >>> print(shown("a\x1b[31mb"), shown("naïve 東京"))
    a\x1b[31mb naïve 東京
    """
    if text.isprintable():
        return text
    return "".join(sign if _prints(sign) else _spelled(sign) for sign in text)


def _prints(sign: str) -> bool:
    """Spaces that are none of ASCII harm nobody."""
    return sign.isprintable() or unicodedata.category(sign) == "Zs"


def _spelled(sign: str) -> str:
    return sign.encode("unicode_escape").decode()


class Lines(str):
    """A text whose line ends are our own, as those of other texts are data."""

    __slots__ = ()


def in_lines(lines: Iterable[str]) -> Lines:
    """Lines of a message, or of its hint. A line end within one of them is data."""
    return Lines("\n".join(shown(part) for line in lines for part in parts(line)))


def parts(text: str) -> list[str]:
    """The lines of a text."""
    return text.split("\n") if isinstance(text, Lines) else [text]


def argument(text: str) -> str:
    r"""A text as one word of a shell, on one line, whatever is in it.

    >>> print(argument("plain"), argument("a;b"), argument("a\nb"))
    plain 'a;b' $'a\nb'
    """
    if all(map(_prints, text)):
        return shlex.quote(text)
    return f"$'{''.join(map(_quoted, text))}'"


def _quoted(sign: str) -> str:
    """A sign within `$'…'`, where two digits mean a byte and four a sign; a byte of a file's name that is no UTF-8 is
    itself."""
    number = ord(sign)
    if sign in "\\'":
        return f"\\{sign}"
    if _prints(sign):
        return sign
    if 0xDC80 <= number <= 0xDCFF:
        return f"\\x{number - 0xDC00:02x}"
    return f"\\u{number:04x}" if 0x80 <= number <= 0xFFFF else _spelled(sign)


def command_line(*words: str) -> str:
    """A command as somebody may paste it into a shell."""
    return " ".join(map(argument, words))


def operand(name: str) -> str:
    """A name at the end of a command. One that begins like an option is none."""
    return f"-- {argument(name)}" if name.startswith("-") else argument(name)


def of_option(option: str, name: str) -> str:
    """An option with a name, which may begin like another option."""
    return f"{option}={argument(name)}" if name.startswith("-") else f"{option} {argument(name)}"
