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

from seeknal_git.nodes.kinds import KINDS
from seeknal_git.nodes.python.declarations import Source

_WORD = re.compile(r"[A-Za-z_]\w*")
_NODE = re.compile(rf"(?:{'|'.join(KINDS)})\.[A-Za-z_]\w*")
# Libraries that a worker imports before it runs anything, or whose import changes nothing.
PRELOADED = ("pandas", "numpy", "pyarrow", "polars", "duckdb")
_HARMLESS = frozenset(
    """
    abc array base64 bisect calendar collections copy csv dataclasses datetime decimal enum
    fractions functools hashlib heapq io itertools json logging math numbers operator os pathlib
    random re statistics string sys textwrap time types typing unicodedata urllib uuid warnings
    zoneinfo
    """.split()
).union(PRELOADED)
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
class Reference:
    """A node that the code names, as in `ctx.ref("source.orders")`; of a computed name, ""."""

    id: str
    line: int


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
        for reference in _references(statement, function, context, at_home=module.name == MAIN)
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
                    module.words.update(_WORD.findall("" if _NODE.fullmatch(text) else text))
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
    for node in ast.walk(statement):
        if _has_docstring(node):
            yield node.body[0].value  # type: ignore[attr-defined]


# Statements of a module


def _counts(module: _Module, place: int, statement: ast.stmt) -> bool:
    """Whether a statement decides the node: it does something when its module is imported, or
    binds a name that was reached."""
    if module.everything:
        return True
    bound = _bound(statement, module.source)
    if bound is None or not _stands_alone(module, place):
        return not _is_main_guard(statement)
    is_value = isinstance(statement, ast.Assign | ast.AnnAssign)
    return not bound.isdisjoint(module.names | module.words if is_value else module.names)


def _bound(statement: ast.stmt, source: Source) -> set[str] | None:
    """The names that a statement binds, if it does nothing else."""
    match statement:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            found, plain = {name}, _is_plain_function(statement, source)
        case ast.ClassDef(name=name):
            found, plain = {name}, _is_plain_class(statement, source)
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            found, plain = {name}, _is_literal(value)
        case ast.AnnAssign(target=ast.Name(id=name), value=value, annotation=annotation):
            found, plain = {name}, _is_type(annotation) and (value is None or _is_literal(value))
        case ast.Import() | ast.ImportFrom():
            found = {alias.asname or alias.name.partition(".")[0] for alias in statement.names}
            plain = _is_harmless(statement)
        case _:
            return None
    return found if plain else None


def _is_harmless(statement: ast.Import | ast.ImportFrom) -> bool:
    """Whether an import changes nothing but the names that it binds."""
    names = [alias.name for alias in statement.names]
    if isinstance(statement, ast.ImportFrom):
        if statement.level or "*" in names:
            return False
        names = [statement.module or ""]
    return all(name.partition(".")[0] in _HARMLESS for name in names)


def _is_plain_function(statement: ast.stmt, source: Source) -> bool:
    """Whether defining a function runs no code."""
    assert isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef), "others were refused"
    given = statement.args
    defaults = [*given.defaults, *(one for one in given.kw_defaults if one)]
    arguments = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    types = [one.annotation for one in arguments if one and one.annotation]
    types += [statement.returns] if statement.returns else []
    return (
        all(source.is_ours(decorator) for decorator in statement.decorator_list)
        and all(_is_literal(default) for default in defaults)
        and all(_is_type(annotation) for annotation in types)
    )


def _is_plain_class(statement: ast.ClassDef, source: Source) -> bool:
    """Whether defining a class runs no code but its own assignments of literals."""
    if statement.decorator_list or statement.bases or statement.keywords:
        return False
    return all(
        isinstance(inner, ast.Pass)
        or (isinstance(inner, ast.Expr) and isinstance(inner.value, ast.Constant))
        or (not isinstance(inner, ast.ClassDef) and _bound(inner, source) is not None)
        for inner in statement.body
    )


def _is_literal(expression: ast.expr) -> bool:
    allowed = (ast.Constant, ast.List, ast.Tuple, ast.Dict, ast.Set, ast.UnaryOp, ast.USub)
    return all(isinstance(node, (*allowed, ast.Load)) for node in ast.walk(expression))


def _is_type(annotation: ast.expr) -> bool:
    allowed = (ast.Name, ast.Attribute, ast.Subscript, ast.Tuple, ast.List, ast.Constant)
    union = (ast.BinOp, ast.BitOr, ast.Load)
    return all(isinstance(node, (*allowed, *union)) for node in ast.walk(annotation))


def _is_main_guard(statement: ast.stmt) -> bool:
    """Whether a statement is `if __name__ == "__main__":`, which a worker never enters."""
    match statement:
        case ast.If(
            test=ast.Compare(
                left=ast.Name(id="__name__"),
                ops=[ast.Eq()],
                comparators=[ast.Constant(value="__main__")],
            ),
            orelse=[],
        ):
            return True
    return False


def first_line(statement: ast.stmt) -> int:
    """The first line of a statement, or of its first decorator."""
    decorators = getattr(statement, "decorator_list", [])
    return min(int(one.lineno) for one in (statement, *decorators))


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
    documented = _names(module, "__doc__")
    where = "" if module.name == MAIN else f"{module.name}."
    rest = [module.source.path if any(_names(module, name) for name in _OF_ITS_PLACE) else ""]
    for place in sorted(module.kept):
        statement = module.kept[place]
        if _is_import_of_ours(statement, module.source) or (
            not documented and place == 0 and _is_text(statement)
        ):
            continue
        form = _normal(statement, module.source, documented=documented)
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{where}{statement.name}"
            yield name if module.name != MAIN or statement.name != function else "function", form
        else:
            rest.append(form)
    if len(rest) > 1 or rest[0]:
        yield where.rstrip(".") or "the top of the file", _hash("\n".join(rest))


def _names(module: _Module, name: str) -> bool:
    return any(
        (isinstance(node, ast.Name) and node.id == name)
        or (isinstance(node, ast.Attribute) and node.attr == name)
        for statement in module.kept.values()
        for node in ast.walk(statement)
    )


def _is_import_of_ours(statement: ast.stmt, source: Source) -> bool:
    """Whether a statement imports decorators, whose arguments are in the definition."""
    if isinstance(statement, ast.ImportFrom):
        return (statement.module or "").partition(".")[0] == "seeknal" and not statement.level
    return isinstance(statement, ast.Import) and all(
        alias.name.partition(".")[0] == "seeknal" for alias in statement.names
    )


def _is_text(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _normal(statement: ast.stmt, source: Source, *, documented: bool) -> str:
    """A hash of a statement's syntax tree, without comments, format and docstrings. It is the same
    for every version of Python that parses the statement alike."""
    return _hash(repr(_plain(statement, source, documented=documented)))


def _plain(value: object, source: Source, *, documented: bool) -> object:
    if isinstance(value, list):
        return [_plain(inner, source, documented=documented) for inner in value]
    if isinstance(value, ast.expr_context):
        return None
    if not isinstance(value, ast.AST):
        return (type(value).__name__, repr(value))
    found: list[object] = [type(value).__name__]
    for name, inner in ast.iter_fields(value):
        part = inner
        if name == "decorator_list":
            part = [one for one in inner if not source.is_ours(one)]
        elif name == "body" and not documented and _has_docstring(value):
            part = inner[1:]
        if part not in (None, []) and name not in ("ctx", "kind", "type_comment"):
            found.append((name, _plain(part, source, documented=documented)))
    return found


def _has_docstring(node: ast.AST) -> bool:
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return False
    return bool(node.body) and _is_text(node.body[0])


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


# References


def _references(
    statement: ast.stmt, function: str, context: str | None, *, at_home: bool
) -> Iterator[Reference]:
    """The nodes that a statement reads. In the node's function, they are named by its first
    parameter; elsewhere, by any name."""
    is_own = at_home and isinstance(statement, ast.FunctionDef) and statement.name == function
    for node in ast.walk(statement):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id=name), attr="ref" | "relation"),
                args=[argument, *_],
            ):
                pass
            case _:
                continue
        line = node.lineno if at_home else 0
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
            if name == context or _NODE.fullmatch(argument.value):
                yield Reference(argument.value, line)
        elif is_own and name == context:
            yield Reference("", line)
