"""The grammar by which run, plan and lineage select nodes. Pure.

    selection    = intersection { " " intersection }    the nodes of any of them
    intersection = term { "," term }                    the nodes of all of them
    term         = [ [N] "+" ] pattern [ "+" [N] ]      with N steps upstream or downstream, or all
    pattern      = name | kind.name | method ":" value | fact

Names and values may hold `*`, `?` and `[…]`; a value with a space stands in quotes. A fact is a set
of nodes that the caller knows. docs/selection.md documents it.
"""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Callable, Collection, Iterable, Iterator, KeysView, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from itertools import chain
from pathlib import PurePosixPath
from typing import NoReturn

from seeknal_git.errors import UsageError
from seeknal_git.names import called, split_id
from seeknal_git.nodes.kinds import NAMED
from seeknal_git.nodes.node import Node
from seeknal_git.project.graph import Graph, Structure

FACTS = ("changed", "failed")
METHODS = ("name", "kind", "tag", "path", "owner")
_QUOTED = r""""[^"]*"|'[^']*'"""
_QUOTES = re.compile(_QUOTED)
_TERM = re.compile(rf"(?:([0-9]{{0,9}})\+)?((?:{_QUOTED}|[^\"'])*?)(?:\+([0-9]{{0,9}}))?")
_ALL = -1  # steps
_LISTED = 8
# Methods of dbt, by the words that mean the same here.
_OF_DBT = {
    "state": "changed",
    "result": "failed",
    "resource_type": "kind:NAME",
    "file": "path:NAME",
    "source": "source.NAME",
    "exposure": "exposure.NAME",
    "group": "owner:NAME",
}


@dataclass(frozen=True, slots=True)
class Selecting:
    """The options of a command line that select nodes. Each is a list, as it may be repeated.

    Nodes have to be selected by each kind of option that is given, and excluded by none.
    """

    select: Sequence[str] = ()
    exclude: Sequence[str] = ()
    # Shorthands: for `NODE+`, `kind:KIND`, `+tag:TAG`, and for an exclusion of `tag:TAG`.
    nodes: Sequence[str] = ()
    types: Sequence[str] = ()
    tags: Sequence[str] = ()
    exclude_tags: Sequence[str] = ()

    def __bool__(self) -> bool:
        return any(texts for _, texts in self._given())

    def _given(self) -> Iterator[tuple[str, Sequence[str]]]:
        yield "--select", self.select
        yield "--nodes", self.nodes
        yield "--types", self.types
        yield "--tags", self.tags
        yield "--exclude", self.exclude
        yield "--exclude-tags", self.exclude_tags

    @property
    def words(self) -> str:
        """The options, as they are typed in a shell."""
        given = ((option, text) for option, texts in self._given() for text in texts)
        return " ".join(f"{option} {shlex.quote(text)}" for option, text in given)


WHOLE = Selecting()


def asked(select: Selecting | str, exclude: str = "") -> Selecting:
    """The selection that a caller of the library means."""
    if isinstance(select, Selecting):
        return select
    return Selecting((select,) if select else (), (exclude,) if exclude else ())


@dataclass(frozen=True, slots=True)
class Candidates:
    """The nodes that can be selected."""

    structure: Structure
    node: Callable[[str], Node]  # by id

    @property
    def ids(self) -> KeysView[str]:
        return self.structure.inputs.keys()


def candidates(head: Graph, base: Graph | None = None) -> Candidates:
    """The nodes of a graph. base: the graph before, whose nodes count too if they are gone."""
    gone = [node for node in base.members if node not in head.members] if base else []
    if base is None or not gone:
        return Candidates(head.structure, head.node)
    inputs = {node: base.inputs[node] for node in gone}
    return Candidates(
        Structure({**inputs, **head.inputs}),
        lambda node: (head if node in head.members else base).node(node),
    )


@dataclass(frozen=True, slots=True)
class Term:
    """A pattern with steps upstream and downstream (_ALL for any number), and its place."""

    method: str
    value: str
    up: int
    down: int
    option: str
    text: str  # of the option
    at: int  # in that text, from 0

    def refuse(self, why: str, hint: str | None = None) -> NoReturn:
        _refuse(self.option, self.text, self.at, why, hint)


_Union = tuple[tuple[Term, ...], ...]


def _refuse(option: str, text: str, at: int, why: str, hint: str | None) -> NoReturn:
    place = f", character {at + 1}" if at else ""
    raise UsageError(f"{why} ({option} {shlex.quote(text)}{place}).", hint)


@dataclass(frozen=True, slots=True)
class Query:
    """A selection that was read. A node is selected if every option includes it."""

    included: tuple[_Union, ...]
    excluded: _Union

    @property
    def facts(self) -> frozenset[str]:
        """The facts that have to be known."""
        terms = (
            term
            for option in (*self.included, self.excluded)
            for all_of in option
            for term in all_of
        )
        return frozenset(term.method for term in terms if term.method in FACTS)


def read(selecting: Selecting) -> Query:
    """Read the options. Raises UsageError for a mistake, with its place."""
    included = (
        tuple(_selection("--select", selecting.select)),
        tuple(_listed("--nodes", "name", selecting.nodes, down=_ALL)),
        tuple(_listed("--types", "kind", selecting.types)),
        tuple(_listed("--tags", "tag", selecting.tags, up=_ALL)),
    )
    excluded = (
        *_selection("--exclude", selecting.exclude),
        *_listed("--exclude-tags", "tag", selecting.exclude_tags),
    )
    return Query(tuple(option for option in included if option), excluded)


def _listed(
    option: str, method: str, texts: Iterable[str], *, up: int = 0, down: int = 0
) -> Iterator[tuple[Term]]:
    """The terms of a shorthand: values with commas or spaces between them."""
    for text in texts:
        values = list(re.finditer(r"[^\s,]+", text))
        if not values:
            _refuse(option, text, 0, "There is no value", None)
        for found in values:
            yield (Term(method, found[0], up, down, option, text, found.start()),)


def _selection(option: str, texts: Iterable[str]) -> Iterator[tuple[Term, ...]]:
    for text in texts:
        unquoted = _QUOTES.sub(lambda quoted: "-" * len(quoted[0]), text)
        if open_quote := re.search("[\"']", unquoted):
            _refuse(option, text, open_quote.start(), "A quote is not closed", None)
        chunks = list(re.finditer(rf"(?:[^\s\"']|{_QUOTED})+", text))
        if not chunks:
            _refuse(option, text, 0, "There is no term", "For all nodes, leave the option out.")
        for chunk in chunks:
            pieces = re.finditer(rf"(?:^|,)((?:[^,\"']|{_QUOTED})*)", chunk[0])
            yield tuple(
                _term(option, text, piece[1], chunk.start() + piece.start(1)) for piece in pieces
            )


def _term(option: str, text: str, written: str, at: int) -> Term:
    parts = _TERM.fullmatch(written)
    before, pattern, after = parts.groups() if parts else (None, written, None)
    bare = _QUOTES.sub("", pattern)
    method, value = (pattern if pattern in FACTS else "name"), pattern
    if ":" in bare:
        method, _, value = pattern.partition(":")
    value = _QUOTES.sub(lambda quoted: quoted[0][1:-1], value)
    up, down = (_ALL if given == "" else int(given or 0) for given in (before, after))
    term = Term(method, value, up, down, option, text, at)
    if not written:
        term.refuse(
            "There is a comma without a term on each side",
            "'a,b' selects the nodes of both. A space selects those of either: 'a b'.",
        )
    if "+" in bare or not value:
        hint = "A term is for example daily, +daily, daily+1, tag:nightly or changed+."
        term.refuse(f"{written} is no term", hint)
    if method not in METHODS and pattern not in FACTS:
        term.refuse(f"There is no method {method}:", _method_hint(method))
    return term


def _method_hint(method: str) -> str:
    if method in FACTS:
        return f"Write {method} alone."
    if method in _OF_DBT:
        return f"Write {_OF_DBT[method]}."
    near = difflib.get_close_matches(method, METHODS, 1)
    known = ", ".join(f"{name}:" for name in METHODS if name != "name")
    return f"Did you mean {near[0]}:?" if near else f"The methods are {known}."


def selected(
    among: Candidates, query: Query, facts: Mapping[str, Collection[str]]
) -> frozenset[str]:
    """The nodes that a query selects.

    facts: for each of `query.facts`, its nodes. They may be none, and may hold other nodes too.

    Raises UsageError for a name, tag, kind, path or owner that no node has, with the nearest one.
    """
    found = set(among.ids)
    for option in query.included:
        found &= _united(among, option, facts)
    return frozenset(found - _united(among, query.excluded, facts))


def _united(among: Candidates, option: _Union, facts: Mapping[str, Collection[str]]) -> set[str]:
    found: set[str] = set()
    for terms in option:
        found |= set.intersection(*(_nodes_of(among, term, facts) for term in terms))
    return found


def _nodes_of(among: Candidates, term: Term, facts: Mapping[str, Collection[str]]) -> set[str]:
    known = facts.get(term.method)
    start = _matching(among, term) if known is None else among.ids & set(known)
    upstream = _within(start, among.structure.inputs, term.up)
    return start | upstream | _within(start, among.structure.readers, term.down)


def _within(start: set[str], edges: Mapping[str, Sequence[str]], steps: int) -> set[str]:
    """The nodes that are reached in this many steps. steps: _ALL for any number."""
    found, edge = set(start), set(start)
    while edge and steps != 0:
        edge = {node for at in edge for node in edges[at]} - found
        found |= edge
        steps -= 1
    return found


def _values(among: Candidates, method: str, node: str) -> tuple[str, ...]:
    """The values of a node that a method compares with its pattern."""
    match method:
        case "name":
            return node, called(node)
        case "kind":
            return (split_id(node)[0],)
        case "tag":
            return among.node(node).tags
        case "owner":
            owner = among.node(node).document.get("owner")
            return (str(owner),) if owner else ()
        case _:  # path: its files, and the folders around them
            written = among.node(node)
            files = {PurePosixPath(written.path), PurePosixPath(written.sql_path)}
            return tuple(str(path) for file in files for path in (file, *file.parents[:-1]))


def _matching(among: Candidates, term: Term) -> set[str]:
    """The nodes that a pattern without steps means. Raises UsageError if there are none."""
    method, wanted = term.method, term.value
    if method == "path":
        wanted = wanted.removeprefix("./").rstrip("/")
    is_glob = any(letter in wanted for letter in "*?[")
    matches = partial(_like, wanted) if is_glob else wanted.__eq__
    values = {node: _values(among, method, node) for node in among.ids}
    found = {node for node, own in values.items() if any(map(matches, own))}
    if method == "name" and not is_glob and len(found) > 1:
        term.refuse(f"{wanted} may be {' or '.join(sorted(found))}", "Write the kind too.")
    known = set(chain(*values.values(), NAMED if method == "kind" else ()))
    if not any(map(matches, known)):
        noun = "node" if method == "name" else method
        why = f"No {noun} matches {wanted}" if is_glob else f"There is no {noun} {wanted}"
        term.refuse(why, _nearest(method, wanted, known))
    return found


def _like(pattern: str, value: str) -> bool:
    return fnmatchcase(value, pattern)


def _nearest(method: str, wanted: str, known: Collection[str]) -> str | None:
    near = difflib.get_close_matches(wanted, sorted(known), 1)
    if near:
        return f"Did you mean {near[0]}?"
    if method == "name":
        return "seeknal parse lists them."
    if method == "path":
        return "A path is one from the project's folder, such as seeknal/transforms."
    if not known:
        return f"No node has {'a tag' if method == 'tag' else 'an owner'}."
    more = f" and {len(known) - _LISTED} more" if len(known) > _LISTED else ""
    return f"There are {', '.join(sorted(known)[:_LISTED])}{more}."
