"""The code that decides a Python node: everything that its function can reach, in its file and in
modules of the project.

The rest is blanked out of the text that a worker gets. So if code needs something that was not
reached, it fails, and never runs with code that the fingerprint does not hold. See
docs/design/python-nodes.md.
"""

from __future__ import annotations

import ast
import hashlib
import re
import sys
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from seeknal_git.nodes.python.declarations import Source
from seeknal_git.nodes.python.normal_form import docstring, hash_of, is_text, normal
from seeknal_git.nodes.python.references import NODE, Reference, references
from seeknal_git.nodes.python.statements import PRELOADED, bound, first_line, is_main_guard

_WORD = re.compile(r"[A-Za-z_]\w*")
# Names with which code looks up names itself: functions and modules, and attributes.
_LOOKS_UP = frozenset(
    "__import__ compile dir eval exec globals importlib inspect locals pickle runpy vars".split()
)
_OPENS_UP = frozenset("__dict__ __globals__ eval f_globals f_locals modules".split())
_OF_ITS_PLACE = frozenset({"__file__", "__name__", "__path__", "__spec__", "__package__"})


@dataclass(frozen=True, slots=True)
class Modules:
    """The modules of a project that its Python files may import."""

    files: Container[str]
    read: Callable[[str], Source]
    home: str  # the folder of the node's file, in which a script finds modules first

    def named(self, name: str, importer: str, level: int = 0) -> Iterator[tuple[str, str]]:
        """(module, path) of a dotted name, and of the packages around it, as far as they are the
        project's. level: the dots before the name."""
        folder = importer.rpartition("/")[0]
        if level:
            for _ in range(level - 1):
                folder = folder.rpartition("/")[0]
            yield from self._below(folder, name)
            return
        if name.partition(".")[0] in _elsewhere():
            return
        for root in dict.fromkeys((self.home, "seeknal", "")):
            if found := list(self._below(root, name)):
                yield from found
                return

    def _below(self, root: str, name: str) -> Iterator[tuple[str, str]]:
        parts = name.split(".") if name else []
        for length in range(1, len(parts) + 1):
            place = "/".join([*([root] if root else []), *parts[:length]])
            for path in (f"{place}.py", f"{place}/__init__.py"):
                if path in self.files:
                    yield ".".join(parts[:length]), path


def _elsewhere() -> frozenset[str]:
    """The names that never mean a module of the project: a worker has them already."""
    return sys.stdlib_module_names.union(PRELOADED, ["seeknal"])


@dataclass(slots=True)
class _Module:
    """A module, and as much of it as was reached."""

    name: str
    source: Source
    names: set[str] = field(default_factory=set)
    words: set[str] = field(default_factory=set)  # in texts: the engine finds frames by their names
    everything: bool = False
    kept: dict[int, ast.stmt] = field(default_factory=dict)  # by their place in the module

    def wants(self, names: set[str] | None) -> None:
        """Note names that are needed, all for None."""
        self.names |= names or set()
        self.everything = self.everything or names is None


@dataclass(frozen=True, slots=True)
class Code:
    """The code of a node. sources: module → its path, and its text without the code that was not
    reached; the first is the node's own file."""

    sources: Mapping[str, tuple[str, str]]
    # (name of a function or class, or of a module for everything else in it; the hash of its
    # normal form)
    parts: tuple[tuple[str, str], ...]
    references: tuple[Reference, ...]
    texts: frozenset[str] = frozenset()  # all that it has
    attributes: frozenset[str] = frozenset()  # the names after a dot

    @property
    def digest(self) -> str:
        return hashlib.sha256(repr(self.parts).encode()).hexdigest()


# As a worker names the module of the node's own file, and the package of the files beside it.
MAIN, HERE = "__node__", "__here__"


def reached(source: Source, function: str, context: str | None, modules: Modules) -> Code:
    """The code that a function of a file can reach. context: its first parameter.

    Raises ProjectError if a module cannot be parsed.
    """
    search = _Search(modules, {MAIN: _Module(MAIN, source, {function})})
    search.run()
    found = search.found
    parts = [part for module in found.values() for part in _parts(module, function)]
    own = [
        reference
        for module in found.values()
        for statement in module.kept.values()
        for reference in references(statement, function, context, at_home=module.name == MAIN)
    ]
    sources = {name: (module.source.path, _text(module)) for name, module in found.items()}
    everything = list(_everything(found.values()))
    texts = (node.value for node in everything if isinstance(node, ast.Constant))
    return Code(
        sources,
        tuple(parts),
        tuple(own),
        frozenset(text for text in texts if isinstance(text, str)),
        frozenset(node.attr for node in everything if isinstance(node, ast.Attribute)),
    )


def _everything(modules: Iterable[_Module]) -> Iterator[ast.AST]:
    """Every part of the code that counts."""
    for module in modules:
        for statement in module.kept.values():
            yield from ast.walk(statement)


@dataclass(slots=True)
class _Search:
    """The search for everything that can be reached."""

    modules: Modules
    found: dict[str, _Module]

    def run(self) -> None:
        looked: set[tuple[str, int]] = set()
        going = True
        while going:
            going = False
            for module in list(self.found.values()):
                for place, statement in enumerate(module.source.tree.body):
                    if (module.name, place) in looked or not _counts(module, place, statement):
                        continue
                    looked.add((module.name, place))
                    module.kept[place] = statement
                    self._look_at(module, statement)
                    going = True

    def _look_at(self, module: _Module, statement: ast.stmt) -> None:
        module.wants(_globals(statement, module.source))
        texts = set(_docstrings(statement))
        for node in ast.walk(statement):
            match node:
                case ast.Name(id=name) if name in _LOOKS_UP:
                    module.wants(None)
                case ast.Attribute(attr=name) if name in _OPENS_UP:
                    module.wants(None)
                case ast.Constant(value=str(text)) if node not in texts:
                    module.words.update(_WORD.findall("" if NODE.fullmatch(text) else text))
                case ast.Import(names=aliases):
                    for alias in aliases:
                        if alias.name.partition(".")[0] in _LOOKS_UP:
                            module.wants(None)
                        self._reach(module, alias.name, 0, None)
                case ast.ImportFrom(module=name, names=aliases, level=level):
                    if (name or "").partition(".")[0] in _LOOKS_UP:
                        module.wants(None)
                    self._reach_from(module, name or "", level, [alias.name for alias in aliases])

    def _reach(self, importer: _Module, name: str, level: int, names: set[str] | None) -> None:
        """Reach for names of a module, all for None, if it is the project's."""
        for dotted, path in self.modules.named(name, importer.source.path, level):
            full = _full_name(importer, dotted, level)
            wanted = names if dotted == name else set()
            self.found.setdefault(full, _Module(full, self.modules.read(path))).wants(wanted)

    def _reach_from(self, importer: _Module, name: str, level: int, names: list[str]) -> None:
        everything = None if "*" in names else set(names)
        self._reach(importer, name, level, everything)
        for one in names:  # it may be a module of a package
            if one != "*":
                self._reach(importer, f"{name}.{one}".lstrip("."), level, None)


def _full_name(importer: _Module, dotted: str, level: int) -> str:
    """The name by which a worker imports a module. level: the dots before its name."""
    if not level:
        return dotted
    if importer.name == MAIN:
        return f"{HERE}.{dotted}"
    parts = importer.name.split(".")
    is_package = importer.source.path.endswith("/__init__.py")
    up = level - is_package
    return ".".join([*(parts[:-up] if up else parts), dotted])


def _globals(statement: ast.stmt, source: Source) -> set[str]:
    """The names of its module that a statement may mean."""
    if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        return {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
    outside: list[ast.AST] = [*statement.decorator_list, statement.args]
    outside += [statement.returns] if statement.returns else []
    found = {node.id for part in outside for node in ast.walk(part) if isinstance(node, ast.Name)}
    return found | source.scopes.get((statement.name, statement.lineno), set())


def _docstrings(statement: ast.stmt) -> Iterator[ast.expr]:
    return filter(None, map(docstring, ast.walk(statement)))


# Statements of a module


def _counts(module: _Module, place: int, statement: ast.stmt) -> bool:
    """Whether a statement decides the node: it does something when its module is imported, or
    binds a name that was reached."""
    if module.everything:
        return True
    names = bound(statement, module.source)
    if names is None or not _stands_alone(module, place):
        return not is_main_guard(statement)
    is_value = isinstance(statement, ast.Assign | ast.AnnAssign)
    return not names.isdisjoint(module.names | module.words if is_value else module.names)


def _stands_alone(module: _Module, place: int) -> bool:
    """Whether no other statement is on a line of this one."""
    body = module.source.tree.body
    before = body[place - 1].end_lineno or 0 if place else 0
    after = first_line(body[place + 1]) if place + 1 < len(body) else sys.maxsize
    return before < first_line(body[place]) and (body[place].end_lineno or 0) < after


def _text(module: _Module) -> str:
    """The text of a module, with blank lines for everything that was not reached."""
    lines = module.source.text.splitlines(keepends=True)
    for place, statement in enumerate(module.source.tree.body):
        if place not in module.kept:
            for number in range(first_line(statement) - 1, statement.end_lineno or 0):
                lines[number] = "\n"
    return "".join(lines)


# Normal form


def _parts(module: _Module, function: str) -> Iterator[tuple[str, str]]:
    """The functions and classes of a module that count, and everything else in it, each with a hash
    of its normal form."""
    names = _names(module)
    documented = "__doc__" in names
    where = "" if module.name == MAIN else f"{module.name}."
    rest = ["" if _OF_ITS_PLACE.isdisjoint(names) else module.source.path]
    for place in sorted(module.kept):
        statement = module.kept[place]
        if _is_import_of_ours(statement, module.source) or (
            not documented and place == 0 and is_text(statement)
        ):
            continue
        form = normal(statement, module.source, documented=documented)
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{where}{statement.name}"
            yield name if module.name != MAIN or statement.name != function else "function", form
        else:
            rest.append(form)
    if len(rest) > 1 or rest[0]:
        yield where.rstrip(".") or "the top of the file", hash_of("\n".join(rest))


def _names(module: _Module) -> set[str]:
    """All names in the code of a module that counts, also those after a dot."""
    nodes = [node for statement in module.kept.values() for node in ast.walk(statement)]
    found = {node.id for node in nodes if isinstance(node, ast.Name)}
    return found | {node.attr for node in nodes if isinstance(node, ast.Attribute)}


def _is_import_of_ours(statement: ast.stmt, source: Source) -> bool:
    """Whether a statement imports decorators, whose arguments are in the definition."""
    if isinstance(statement, ast.ImportFrom):
        return (statement.module or "").partition(".")[0] == "seeknal" and not statement.level
    return isinstance(statement, ast.Import) and all(
        alias.name.partition(".")[0] == "seeknal" for alias in statement.names
    )
