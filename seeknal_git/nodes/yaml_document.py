"""YAML as written by people: read strictly, with the line of every key."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import yaml

from seeknal_git.errors import Problem, ProjectError, limits, raising
from seeknal_git.nodes.scalars import Word

_CONFLICT = re.compile(rb"^(<{7}|={7}|>{7}|\|{7})(\s|$)", re.MULTILINE)
_LINES_DEPTH = 4
# The places of SQL in a file.
SQL = re.compile(
    r"transform|rule(?:\.\d+)?(?:\.(?:value|sql))?"
    r"|(?:tests|audits)\.\d+\.(?:sql|custom_sql(?:\.sql)?)"
)
_TEXT_PER_VALUE = 64  # characters: a long text counts as several values


class _Loader(yaml.CSafeLoader):
    """Scalars keep their text (see scalars.py). Only a key without a value is None, and `<<` merges
    a mapping."""


_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, regexp)
        for tag, regexp in yaml.CSafeLoader.yaml_implicit_resolvers[first]
        if tag.endswith(kept)
    ]
    for first, kept in (("", ":null"), ("<", ":merge"))
}


def _as_text(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> str:
    text = str(loader.construct_scalar(node))
    return text if node.style else Word(text)


for _tag in ("str", "int", "float", "bool", "timestamp"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_tag}", _as_text)


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML file. Keys are named with their path, such as "params.path"."""

    data: Any
    # The line of each key, and the line on which the content of each text begins.
    lines: dict[str, int]
    content_lines: dict[str, int]
    # Texts that YAML folds into fewer lines, with the line ends of the file (see `_as_written`).
    written: dict[str, str]
    # Texts in which YAML folds a line into the SQL comment before it, with the comment's line.
    swallowed: dict[str, int]


def read_yaml(content: bytes, path: str) -> Document:
    """Parse one YAML document. Raises ProjectError with the line of the mistake."""
    text = text_of(content, path)
    try:
        _refuse_bombs(text, path)
        return _document(text)
    except yaml.MarkedYAMLError as exc:
        words, mark = _words(exc, text)
        line = mark.line + 1 if mark else None
        raise ProjectError([Problem(f"This is not valid YAML: {words}.", path, line)]) from exc
    except yaml.reader.ReaderError as exc:
        message = f"The file has the character U+{exc.character:04X}, which YAML forbids."
        _refuse(message, path, text.encode(), exc.position, "Remove it.")
    except (yaml.YAMLError, ValueError) as exc:
        raise ProjectError([Problem(f"This is not valid YAML: {exc}.", path)]) from exc


def text_of(content: bytes, path: str) -> str:
    """The text of a file of definitions. Raises ProjectError for one that is too large, has
    conflict markers, or is not UTF-8."""
    if len(content) > limits().file_kb << 10:
        hint = f"Put data into a file that a source reads. {raising('file_kb')}"
        _refuse(f"The file is larger than {limits().file_kb} KB.", path, content, 0, hint)
    if marker := _CONFLICT.search(content):
        _refuse(
            "The file has conflict markers of an unfinished merge.",
            path,
            content,
            marker.start(),
            "Choose between the sides, remove the markers, and git add the file.",
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        _refuse(
            f"The file is not UTF-8: {exc.reason}.", path, content, exc.start, "Save it as UTF-8."
        )


def _document(text: str) -> Document:
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return Document(None, {}, {}, {}, {})
        lines, contents, folded = _lines(root)
        sql = {path: node for path, node in folded.items() if SQL.fullmatch(path)}
        source = text.splitlines()
        written = {
            path: given for path, node in sql.items() if (given := _as_written(node, source))
        }
        swallowed = _swallowed(sql, text)
        return Document(loader.construct_document(root), lines, contents, written, swallowed)
    finally:
        loader.dispose()


def _refuse(message: str, path: str, content: bytes, offset: int, hint: str) -> NoReturn:
    raise ProjectError([Problem(message, path, content.count(b"\n", 0, offset) + 1, hint)])


# The parser's words for a mistake at a place, and ours. {}: the character at that place.
_MISTAKES = {
    "found another document": "a node file holds one document, and here a second one begins",
    "cannot start any token": "no value begins with {}: put it in quotes",
    "mapping values are not allowed": "a second `key: value` begins here: put it on a line of its"
    " own, as far to the right as the key before, or put the value in quotes",
}
# The parser's words for brackets and quotes. These mistakes lie where they open.
_OPENED = {
    "while scanning a quoted scalar": "the quote that opens here is not closed",
    "while parsing a flow sequence": "`[` opens here and is not closed, or lacks a comma",
    "while parsing a flow mapping": "`{` opens here and is not closed, or lacks a comma",
}

# A key with a text in the lines below it, where no line is indented.
_BARE_BLOCK = re.compile(
    r"^(?P<key>\w+): *(?P<sign>[|>][+-]?) *(?:#[^\n]*)?\r?\n(?: *\r?\n)*"
    r"(?=[^\s#])(?!\w+:(?:\s|\Z))",
    re.MULTILINE,
)


def _words(exc: yaml.MarkedYAMLError, text: str) -> tuple[str, yaml.Mark | None]:
    """The mistake in words, and where it is."""
    problem, mark = exc.problem or "", exc.problem_mark
    there = text[mark.index : mark.index + 1] if mark else ""
    if there == "\t":
        return "a tab indents this line, and YAML takes spaces alone", mark
    if mark and (key := _BARE_BLOCK.search(text)) and key.end() <= mark.index:
        words = (
            f"`{key['key']}: {key['sign']}` takes the indented lines below it, and this one is not"
        )
        return f"{words}: indent them all by two spaces", _mark_at(text, key.end())
    for said, words in _MISTAKES.items():
        if said in problem:
            return words.format(there), mark
    if (exc.context or "") in _OPENED:
        return _OPENED[exc.context or ""], exc.context_mark
    return " ".join(part for part in (exc.context, exc.problem) if part), mark


def _mark_at(text: str, index: int) -> yaml.Mark:
    return yaml.Mark("", index, text.count("\n", 0, index), 0, None, 0)


def _refuse_bombs(text: str, path: str) -> None:
    """Refuse data that is too deep or too large, before the first recursive walk (libyaml's own is
    one).

    Aliases are shared in memory, but a walk meets them each time.
    """
    if _is_harmless(text):
        return
    sizes: dict[str | None, int] = {}  # the number of values of each anchor
    anchors: list[str | None] = [None]
    counts, given = [0], limits()
    for event in yaml.parse(text, Loader=_Loader):
        anchor, size = getattr(event, "anchor", None), 0
        if isinstance(event, yaml.CollectionStartEvent):
            sizes[anchor] = (
                given.yaml_values + 1
            )  # until its end: an alias to it inside makes it contain itself
            anchors.append(anchor)
            counts.append(1)
        elif isinstance(event, yaml.CollectionEndEvent):
            size = sizes[anchors.pop()] = counts.pop()
        elif isinstance(event, yaml.AliasEvent):
            size = sizes.get(anchor, 1)
        elif isinstance(event, yaml.ScalarEvent):
            size = sizes[anchor] = 1 + len(event.value) // _TEXT_PER_VALUE
        counts[-1] += size
        line = event.start_mark.line + 1 if event.start_mark else None
        if counts[-1] > given.yaml_values:
            message = f"The file unfolds to more than {given.yaml_values:,} values."
            hint = f"Use fewer aliases (&name, *name). {raising('yaml_values')}"
            raise ProjectError([Problem(message, path, line, hint)])
        if len(counts) > given.yaml_depth:
            message = f"The file is nested more than {given.yaml_depth} deep."
            raise ProjectError(
                [Problem(message, path, line, f"Make it flatter. {raising('yaml_depth')}")]
            )


_ANCHOR_OR_ALIAS = re.compile(r"&|\*[\w-]")


def _is_harmless(text: str) -> bool:
    """Whether the length of a text, and its number of marks of lists and mappings, keep it within
    the limits. Then it need not be parsed once more.

    Each list or mapping has a mark of its own. Each letter begins at most one value, and has at
    most two values without a letter beside it.
    """
    given = limits()
    marks = sum(map(text.count, "[{-?:"))
    is_short = marks < given.yaml_depth and 3 * len(text) < given.yaml_values
    return is_short and not _ANCHOR_OR_ALIAS.search(text)


def _lines(root: yaml.Node) -> tuple[dict[str, int], dict[str, int], dict[str, yaml.ScalarNode]]:
    """The line of each key, the line on which each content begins, and the scalars whose lines YAML
    may fold."""
    lines: dict[str, int] = {}
    contents: dict[str, int] = {}
    folded: dict[str, yaml.ScalarNode] = {}

    def walk(node: yaml.Node, path: tuple[str, ...]) -> None:
        if len(path) > _LINES_DEPTH:
            return
        contents[".".join(path)] = (
            node.start_mark.line + 1 + (getattr(node, "style", None) in ("|", ">"))
        )
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                here = (*path, str(key.value))
                if ".".join(here) in lines:
                    raise yaml.MarkedYAMLError(
                        problem=f"the key {key.value} is given twice", problem_mark=key.start_mark
                    )
                lines[".".join(here)] = key.start_mark.line + 1
                walk(value, here)
        elif isinstance(node, yaml.SequenceNode):
            for number, item in enumerate(node.value):
                lines[".".join((*path, str(number)))] = item.start_mark.line + 1
                walk(item, (*path, str(number)))
        elif isinstance(node, yaml.ScalarNode) and node.style != "|":
            folded[".".join(path)] = node

    walk(root, ())
    return lines, contents, folded


# A comment of SQL, as the only group. Before it come all texts that may hold two dashes and are no
# comment. A text that is not closed reaches to the end, so that each letter is read only once.
_COMMENT = re.compile(
    r"""\b[eE]'(?:[^'\\]|\\.|'')*+(?:'|\Z)|'(?:[^']|'')*+(?:'|\Z)|"(?:[^"]|"")*+(?:"|\Z)"""
    r"""|\$(?P<tag>\w*)\$.*?(?:\$(?P=tag)\$|\Z)|/\*.*?(?:\*/|\Z)|(--[^\n]*)""",
    re.DOTALL,
)
_MARK = re.compile("\ue000(\\d+)\ue001")


def _swallowed(folded: Mapping[str, yaml.ScalarNode], text: str) -> dict[str, int]:
    """The scalars in which YAML folds a line into the SQL comment before it, with the comment's
    line.

    The file is read again with a mark before each further line of a scalar: a mark within a comment
    is such a line.
    """
    suspects = {
        path: node
        for path, node in folded.items()
        if "--" in node.value and node.start_mark.line != node.end_mark.line
    }
    if not suspects:
        return {}
    lines = text.splitlines(keepends=True)
    marks = {number: mark for node in suspects.values() for number, mark in _marks(node, lines)}
    for number, (at, mark) in marks.items():
        lines[number] = f"{lines[number][:at]}{mark}{lines[number][at:]}"
    values = _scalars("".join(lines))
    found: dict[str, int] = {}
    for path, node in suspects.items():
        first = node.start_mark
        shift = (
            len(marks[first.line][1]) if first.line in marks else 0
        )  # other scalars end on their first line
        marked = values.get((first.line, first.column + shift), "")
        if (line := _swallowing(marked)) is not None:
            found[path] = line
    return found


def _swallowing(marked: str) -> int | None:
    """The line of the first comment with a mark in it."""
    comments = (found[2] for found in _COMMENT.finditer(marked) if found[2])
    return next((int(mark[1]) for comment in comments if (mark := _MARK.search(comment))), None)


def _marks(node: yaml.ScalarNode, lines: Sequence[str]) -> Iterator[tuple[int, tuple[int, str]]]:
    """The further lines of a scalar, each with the column of its first letter, and a mark to put
    there."""
    first, last = node.start_mark, node.end_mark
    for number in range(first.line + 1, last.line + (last.column > 0)):
        content = lines[number].lstrip(" \t")
        if content.strip() and not (number == first.line + 1 and node.style == ">"):
            yield number, (len(lines[number]) - len(content), f"\ue000{number}\ue001")


def _scalars(text: str) -> dict[tuple[int, int], str]:
    """The scalars of a file by line and column."""
    found = {}
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.ScalarEvent) and (begin := event.start_mark):
            found[begin.line, begin.column] = event.value
    return found


def _as_written(node: yaml.ScalarNode, source: list[str]) -> str | None:
    """The text of a scalar that YAML folds, with the line ends of the file; None if they would
    change its meaning.

    They do not, unless they are in a string or end a comment; with them, errors name the line of
    the file.
    """
    first, last = node.start_mark, node.end_mark
    if node.style == ">":
        lines = source[first.line + 1 : last.line]
    else:
        lines = source[first.line : last.line + 1]
        lines[-1] = lines[-1][: last.column]
        lines[0] = lines[0][first.column :]
    text = "\n".join(line.strip() for line in lines)
    if node.style == "'":
        text = text[1:-1].replace("''", "'")
    if node.style == '"':
        text = text[1:-1].replace('\\"', '"').replace("\\n", " ")
    both = [*text.splitlines(), *node.value.splitlines()]
    within = any(line.count(mark) % 2 for line in both for mark in ("'", '"'))
    same = len(both) > 2 and text.split() == node.value.split()
    return text if same and not within and not re.search(r"--|\$", text) else None
