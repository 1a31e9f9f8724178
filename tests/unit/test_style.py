"""How code and texts are written: forms of prose that are out, short lines, simple functions, and
loops whose variable says what it holds."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import seeknal_git

PACKAGE = Path(seeknal_git.__file__).parent
TOP = PACKAGE.parent
PAGES = [
    *(TOP / "docs").rglob("*.md"),
    *(TOP / f"{name}.md" for name in ("README", "CONTRIBUTING")),
]
CHANGES = TOP / "CHANGELOG.md"

COLUMNS = 100
COMPLEXITY = 15

# Subject, verb, object. These forms are out in docstrings, comments, messages, help and pages.
# A question may begin with "what".
NO_QUESTION = r"(?![^.?!]*\?)"
OUT = {
    "a sentence begins with 'what'": rf"(?:\A|[.!?:;]\s|^[#>*|-]+\s)[Ww]hat(?:ever)?\b{NO_QUESTION}",
    "'what' after a preposition": r"\b(?:about|after|against|as|at|before|behind|beside|but|by|for"
    rf"|from|in|into|like|of|on|over|than|to|under|upon|with|without)\swhat\b{NO_QUESTION}",
    "'what' after a comma, 'and' or 'or'": rf"(?:[,(]|\b(?:and|or))\s?what\b{NO_QUESTION}",
    "'where' for 'if'": r"[.!?;]\sWhere\b",
    "of which": r"\bof\s(?:which|what|whom|whose)\b",
    "so many": r"\bso\s(?:many|few)\b(?!\s\w+\sthat\b)",
    "by then": r"\bby\sthen\b",
    ", say": r",\ssay\b",
}


def package(path: Path) -> str:
    """The package that a file belongs to; "pages" for one of the documentation."""
    if not path.is_relative_to(PACKAGE):
        return "pages"
    inside = path.relative_to(PACKAGE).parts
    return inside[0] if len(inside) > 1 else "root"


SOURCES = sorted(PACKAGE.rglob("*.py"))
PACKAGES = [*dict.fromkeys(map(package, SOURCES)), "pages"]


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """The prose of a file, piece by piece, each with the line where it begins: docstrings and
    other strings, with `{}` for their values, and blocks of comments; paragraphs of a page."""
    if path.suffix == ".md":
        yield from paragraphs(path)
        return
    yield from strings(tree_of(path))
    yield from comments(path.read_text())


def strings(node: ast.AST) -> Iterator[tuple[int, str]]:
    match node:
        case ast.JoinedStr(values=parts):
            text = [part.value if isinstance(part, ast.Constant) else "{}" for part in parts]
            yield node.lineno, "".join(map(str, text))
        case ast.Constant(value=str(text)) if " " in text:  # others are keys and words
            yield node.lineno, text
        case _:
            for child in ast.iter_child_nodes(node):
                yield from strings(child)


def comments(source: str) -> Iterator[tuple[int, str]]:
    first, last, block = 0, -1, ""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            text = token.string.lstrip("#: ")
            if token.start[0] == last + 1:
                block += f" {text}"
            else:
                yield first, block
                first, block = token.start[0], text
            last = token.start[0]
    yield first, block


def paragraphs(path: Path) -> Iterator[tuple[int, str]]:
    """Without blocks of code. Of the changes, those that are not released yet."""
    text = path.read_text()
    if path == CHANGES:
        text = text.partition("\n## 0")[0]
    text = re.sub(r"^```.*?^```", lambda code: "\n" * code[0].count("\n"), text, flags=re.M | re.S)
    line = 1
    for paragraph in re.split(r"(\n\s*\n)", text):
        yield line, paragraph
        line += paragraph.count("\n")


def prose(path: Path) -> Iterator[str]:
    for line, text in texts(path):
        for name, form in OUT.items():
            for found in re.finditer(form, text, re.MULTILINE):
                there = line + text.count("\n", 0, found.start())
                yield f"{there}: {name}: {found[0].strip()!r}"


def long_lines(path: Path) -> Iterator[str]:
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if len(line) > COLUMNS:
            yield f"{number}: {len(line)} columns"


def complexity(function: ast.AST) -> int:
    """One, and one for each loop, condition, handler of an error and case of a match; conditional
    expressions, each `for` and `if` of a comprehension, and each `and` and `or` count as well."""
    total = 1
    for node in ast.walk(function):
        match node:
            case ast.BoolOp(values=operands):
                total += len(operands) - 1
            case ast.comprehension(ifs=conditions):
                total += 1 + len(conditions)
            case ast.For() | ast.AsyncFor() | ast.While() | ast.If() | ast.IfExp():
                total += 1
            case ast.ExceptHandler() | ast.match_case():
                total += 1
    return total


def complex_functions(path: Path) -> Iterator[str]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef) and (found := complexity(node)) > COMPLEXITY:
            yield f"{node.lineno}: {node.name} has a complexity of {found}"


def vague_loops(path: Path) -> Iterator[str]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.For | ast.comprehension):
            for target in ast.walk(node.target):
                if isinstance(target, ast.Name) and target.id == "each":
                    yield f"{target.lineno}: for each in {ast.unparse(node.iter)}"


RULES = {
    "prose": prose,
    "long lines": long_lines,
    "complex functions": complex_functions,
    "loops over each": vague_loops,
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("of", PACKAGES)
def test_code_and_texts_keep_to_the_style(of: str, rule: str) -> None:
    files = SOURCES
    if of == "pages":
        files = [*PAGES, CHANGES] if rule == "prose" else []
    found = [
        f"{path.relative_to(TOP)}:{offender}"
        for path in files
        if package(path) == of
        for offender in RULES[rule](path)
    ]
    assert found == [], "\n".join(found)


def test_the_formatter_is_never_told_to_keep_off() -> None:
    assert [path for path in SOURCES if re.search(r"#\s*fmt:", path.read_text())] == []
