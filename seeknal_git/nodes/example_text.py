"""Write an example into the text of a node's file, which stays as it is otherwise."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from seeknal_git.nodes.yaml_document import text_of

_PLAIN = re.compile(r"(?:[A-Za-z0-9_]|[-+.][0-9])[\w+./%-]*(?:[ :][\w+./%-]+)*", re.ASCII)
_MEANS_NOTHING = frozenset({"null", "Null", "NULL"})


class Unwritable(ValueError):
    """The file has a form into which an example cannot be put."""


def with_example(content: bytes, path: str, lines: Sequence[str]) -> tuple[bytes, int]:
    """The content of a file with one more example at the end of `examples`, and its line there.

    lines: the example as `example_lines` gives it. Raises Unwritable.
    """
    text = text_of(content, path)
    end = "\r\n" if "\r\n" in text else "\n"
    kept = re.findall(r"[^\n]*\n|[^\n]+\Z", text)
    if kept and not kept[-1].endswith("\n"):
        kept[-1] += end
    root = yaml.compose(text, Loader=yaml.CSafeLoader)
    if not isinstance(root, yaml.MappingNode) or root.flow_style:
        raise Unwritable("the file is no list of keys")
    pairs = [(key, value) for key, value in root.value if key.value == "examples"]
    indent = root.start_mark.column
    if not pairs:
        at, new = _end(kept, len(kept), indent), ["", "examples:", *_indented(lines, 2)]
        new = [new[0], *_indented(new[1:], indent)]
    else:
        ((key, value),) = pairs
        at, new = _place(kept, root, key, value, lines)
    after = [*kept[:at], *(f"{line}{end}" for line in new), *kept[at:]]
    mark = "\ufeff" if content.startswith(b"\xef\xbb\xbf") else ""
    first = at + next(number for number, line in enumerate(new, 1) if "- name:" in line)
    return f"{mark}{''.join(after)}".encode(), first


def _place(
    kept: Sequence[str],
    root: yaml.MappingNode,
    key: yaml.Node,
    value: yaml.Node,
    lines: Sequence[str],
) -> tuple[int, list[str]]:
    """The number of lines before a further example, and its lines."""
    indent = root.start_mark.column
    if isinstance(value, yaml.ScalarNode) and not value.value.strip():
        return key.start_mark.line + 1, list(_indented(lines, indent + 2))
    if not isinstance(value, yaml.SequenceNode) or value.flow_style:
        raise Unwritable("its `examples` stand in brackets")
    later = [other.start_mark.line for other, _ in root.value]
    after = min((line for line in later if line > key.start_mark.line), default=len(kept))
    return _end(kept, after, indent), list(_indented(lines, value.start_mark.column))


def _end(kept: Sequence[str], after: int, indent: int) -> int:
    """The number of lines before one, without blank lines and comments that belong to it."""
    while after:
        line = kept[after - 1]
        own = len(line) - len(line.lstrip()) > indent
        if line.strip() and (own or not line.lstrip().startswith("#")):
            return after
        after -= 1
    return after


def _indented(lines: Sequence[str], by: int) -> Iterator[str]:
    for line in lines:
        yield f"{' ' * by}{line}" if line else line


def example_lines(
    name: str,
    given: Mapping[str, Sequence[Mapping[str, Any]]],
    expect: Sequence[Mapping[str, Any]],
    now: str | None = None,
) -> list[str]:
    """The lines of an example, as an item of a list."""
    found = [f"- name: {scalar(name)}"]
    found += [f"  now: {scalar(now)}"] if now else []
    found += ["  given:"] if given else []
    for read, rows in given.items():
        found += _rows(f"    {read}:", rows, 6)
    return found + _rows("  expect:", expect, 4)


def _rows(key: str, rows: Sequence[Mapping[str, Any]], indent: int) -> list[str]:
    if not rows:
        return [f"{key} []"]
    return [key, *(f"{' ' * indent}- {_flow(row)}" for row in rows)]


def _flow(value: Any) -> str:
    """A value as it stands on one line."""
    if isinstance(value, Mapping):
        inner = (f"{scalar(str(key))}: {_flow(cell)}" for key, cell in value.items())
        return f"{{{', '.join(inner)}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_flow, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    return "null" if value is None else scalar(str(value))


def scalar(text: str) -> str:
    """A text as a scalar of YAML, in quotes if it needs some."""
    if _PLAIN.fullmatch(text) and text not in _MEANS_NOTHING:
        return text
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(character: str) -> str:
    """A character within double quotes."""
    if character in ('"', "\\"):
        return f"\\{character}"
    if character.isprintable():
        return character
    number = ord(character)
    if number > 0xFFFF:
        return f"\\U{number:08X}"
    return f"\\u{number:04X}" if number > 0xFF else f"\\x{number:02X}"
