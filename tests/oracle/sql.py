"""Queries as values: frozen trees that print as SQL, so that an edit is made on structure and not
on text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from functools import cache
from typing import Any


@dataclass(frozen=True)
class Column:
    """kind: a family of types that can stand for each other, such as int or text."""

    name: str
    kind: str


@dataclass(frozen=True)
class Relation:
    """What a name in FROM stands for."""

    name: str
    columns: tuple[Column, ...]


@dataclass(frozen=True)
class Scope:
    """What an expression at some place may name; kept in each SELECT so that an edit can write new
    expressions."""

    tables: tuple[Relation, ...] = ()
    ctes: tuple[Relation, ...] = ()
    outer: tuple[Relation, ...] = ()
    relations: tuple[Relation, ...] = ()
    merged: frozenset[str] = frozenset()
    depth: int = 0


class Node:
    """A part of a query that edits can replace."""


Part = Any  # a Node of a class that the one around it does not know, and edits look into


Path = tuple[tuple[str, int | None], ...]


@cache
def _children(kind: type[Any]) -> tuple[str, ...]:
    return tuple(item.name for item in fields(kind) if item.compare)


def walk(node: Node, path: Path = ()) -> Iterator[tuple[Path, Node]]:
    """Each node below, with the way to it."""
    yield path, node
    kind: Any = type(node)
    for name in _children(kind):
        value = getattr(node, name)
        if isinstance(value, Node):
            yield from walk(value, (*path, (name, None)))
        elif isinstance(value, tuple):
            for index, item in enumerate(value):
                if isinstance(item, Node):
                    yield from walk(item, (*path, (name, index)))


def put(node: Any, path: Path, new: Node) -> Any:
    """The tree with another node at `path`."""
    if not path:
        return new
    (name, index), rest = path[0], path[1:]
    value = getattr(node, name)
    if index is None:
        return replace(node, **{name: put(value, rest, new)})
    return replace(
        node, **{name: (*value[:index], put(value[index], rest, new), *value[index + 1 :])}
    )


def listed(items: tuple[Any, ...], separator: str = ", ") -> str:
    """The items with something between them."""
    return separator.join(map(str, items))


@dataclass(frozen=True)
class Expr(Node):
    """form: a template for the arguments, which makes one class do for all operators, functions and
    literals."""

    form: str
    args: tuple[Part, ...] = ()
    kind: str = "int"

    def __str__(self) -> str:
        return self.form.format(*self.args)


@dataclass(frozen=True)
class Ref(Node):
    """A column; a whole row, if it has a table and no name."""

    table: str
    name: str
    kind: str = "int"

    def __str__(self) -> str:
        return ".".join(filter(None, (self.table, self.name)))


@dataclass(frozen=True)
class Order(Node):
    expr: Node
    direction: str = ""

    def __str__(self) -> str:
        return f"{self.expr}{self.direction}"


@dataclass(frozen=True)
class Aggregate(Node):
    name: str
    args: tuple[Node, ...]
    kind: str
    distinct: bool = False
    order: tuple[Order, ...] = ()
    where: Node | None = None

    def __str__(self) -> str:
        order = f" ORDER BY {listed(self.order)}" if self.order else ""
        where = f" FILTER (WHERE {self.where})" if self.where else ""
        return f"{self.name}({'DISTINCT ' * self.distinct}{listed(self.args) or '*'}{order}){where}"


@dataclass(frozen=True)
class Window(Node):
    function: Node
    partition: tuple[Node, ...]
    order: tuple[Order, ...]
    frame: str
    kind: str

    def __str__(self) -> str:
        partition = f"PARTITION BY {listed(self.partition)}" if self.partition else ""
        order = f"ORDER BY {listed(self.order)}" if self.order else ""
        return f"{self.function} OVER ({' '.join(filter(None, (partition, order, self.frame)))})"


@dataclass(frozen=True)
class Item(Node):
    """One expression of a select list."""

    expr: Part
    alias: str = ""
    word: str = " AS "

    def __str__(self) -> str:
        return f"{self.expr}{self.word}{self.alias}" if self.alias else str(self.expr)


@dataclass(frozen=True)
class Star(Node):
    table: str = ""
    exclude: tuple[str, ...] = ()
    replace: tuple[Item, ...] = ()
    rename: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        exclude = f" EXCLUDE ({listed(self.exclude)})" if self.exclude else ""
        swap = f" REPLACE ({listed(self.replace)})" if self.replace else ""
        rename = (
            f" RENAME ({listed(tuple(f'{old} AS {new}' for old, new in self.rename))})"
            if self.rename
            else ""
        )
        return f"{self.table}{'.' * bool(self.table)}*{exclude}{swap}{rename}"


@dataclass(frozen=True)
class Table(Node):
    """A table, a CTE or a table function, with its alias."""

    name: str
    alias: str = ""
    columns: tuple[str, ...] = ()
    word: str = " AS "
    args: tuple[Node, ...] = ()

    def __str__(self) -> str:
        return self.name.format(*self.args) + _aliased(self)


@dataclass(frozen=True)
class Derived(Node):
    query: Node
    alias: str
    columns: tuple[str, ...] = ()
    word: str = " AS "
    lateral: bool = False

    def __str__(self) -> str:
        return f"{'LATERAL ' * self.lateral}({self.query}){_aliased(self)}"


def _aliased(factor: Table | Derived) -> str:
    columns = f"({listed(factor.columns)})" if factor.columns else ""
    return f"{factor.word}{factor.alias}{columns}" if factor.alias else ""


@dataclass(frozen=True)
class Pivot(Node):
    """PIVOT and UNPIVOT, whose template says which of them."""

    form: str
    source: Node
    column: str
    values: tuple[str, ...]
    measure: Node | str
    keys: tuple[str, ...] = ()

    def __str__(self) -> str:
        keys = f" GROUP BY {listed(self.keys)}" if self.keys else ""
        return self.form.format(self.source, self.column, listed(self.values), self.measure, keys)


@dataclass(frozen=True)
class Join(Node):
    left: Node
    kind: str
    right: Node
    on: Node | None = None
    using: tuple[str, ...] = ()

    def __str__(self) -> str:
        using = f" USING ({listed(self.using)})" if self.using else ""
        return f"{self.left}{self.kind}{self.right}{f' ON {self.on}' if self.on else ''}{using}"


@dataclass(frozen=True)
class Select(Node):
    """grouping: empty for GROUP BY `group`, or ALL or ROLLUP; distinct: () for DISTINCT, else
    DISTINCT ON these."""

    items: tuple[Node, ...]
    source: Node | None = None
    where: Node | None = None
    group: tuple[Node, ...] = ()
    grouping: str = ""
    having: Node | None = None
    qualify: Node | None = None
    distinct: tuple[Node, ...] | None = None
    sample: str = ""
    from_first: bool = False
    scope: Scope = field(default=Scope(), compare=False, repr=False)

    def __str__(self) -> str:
        chosen = "SELECT " + self._distinct() + listed(self.items)
        source = f"FROM {self.source}" if self.source else ""
        head = [source, chosen] if self.from_first else [chosen, source]
        clauses = (
            ("WHERE", self.where),
            ("HAVING", self.having),
            ("QUALIFY", self.qualify),
            ("", self.sample),
        )
        where, having, qualify, sample = (
            f"{word} {value}".strip() if value else "" for word, value in clauses
        )
        return " ".join(filter(None, (*head, where, self._group(), having, qualify, sample)))

    def _distinct(self) -> str:
        if self.distinct is None:
            return ""
        return f"DISTINCT ON ({listed(self.distinct)}) " if self.distinct else "DISTINCT "

    def _group(self) -> str:
        if self.grouping == "ALL":
            return "GROUP BY ALL"
        keys = f"ROLLUP ({listed(self.group)})" if self.grouping else listed(self.group)
        return f"GROUP BY {keys}" if self.group else ""

    @property
    def columns(self) -> tuple[Column, ...]:
        found: dict[str, Column] = {}
        for item in self.items:
            for column in _made(item, self.scope):
                found.setdefault(column.name, column)
        return tuple(found.values())


def _made(item: Node, scope: Scope) -> Iterator[Column]:
    """The columns that an item of a select list makes, as far as their names are known."""
    if isinstance(item, Star):
        renamed, seen = dict(item.rename), set[str]()
        for relation in scope.relations:
            for column in relation.columns if item.table in ("", relation.name) else ():
                if column.name not in item.exclude and not (
                    column.name in seen and column.name in scope.merged
                ):
                    yield Column(renamed.get(column.name, column.name), column.kind)
                seen.add(column.name)
    elif isinstance(item, Item) and (item.alias or isinstance(item.expr, Ref)):
        yield Column(
            (item.alias or str(item.expr).rsplit(".", maxsplit=1)[-1]).strip('"'), item.expr.kind
        )


@dataclass(frozen=True)
class SetOp(Node):
    left: Part
    kind: str
    right: Part

    def __str__(self) -> str:
        return f"{self.left} {self.kind} {self.right}"

    @property
    def columns(self) -> tuple[Column, ...]:
        left, right = self.left.columns, self.right.columns
        if "BY NAME" not in self.kind:
            return left
        return (
            *left,
            *(column for column in right if column.name not in {known.name for known in left}),
        )


@dataclass(frozen=True)
class Step(Node):
    """The second half of a recursive CTE; its bound keeps every edit of it from running for
    ever."""

    name: str
    bound: int
    increment: int
    counter: str
    carried: tuple[str, ...]

    def __str__(self) -> str:
        items = listed((f"{self.counter} + {self.increment}", *self.carried))
        return f"SELECT {items} FROM {self.name} WHERE {self.counter} < {self.bound}"

    @property
    def columns(self) -> tuple[Column, ...]:
        return ()


@dataclass(frozen=True)
class Cte(Node):
    name: str
    query: Part
    columns: tuple[str, ...] = ()
    recursive: bool = False

    def __str__(self) -> str:
        return f"{self.name}{f'({listed(self.columns)})' if self.columns else ''} AS ({self.query})"


@dataclass(frozen=True)
class Query(Node):
    """A body with what may stand before and after it; operands of set operations are written in
    parentheses."""

    body: Part
    ctes: tuple[Cte, ...] = ()
    order: tuple[Order, ...] = ()
    limit: str = ""
    operand: bool = False

    def __str__(self) -> str:
        recursive = "RECURSIVE " * any(cte.recursive for cte in self.ctes)
        ctes = f"WITH {recursive}{listed(self.ctes)}" if self.ctes else ""
        order = f"ORDER BY {listed(self.order)}" if self.order else ""
        text = " ".join(filter(None, (ctes, str(self.body), order, self.limit)))
        return (
            f"({text})"
            if self.operand and (ctes or order or self.limit or isinstance(self.body, SetOp))
            else text
        )

    @property
    def columns(self) -> tuple[Column, ...]:
        return self.body.columns


def scope_of(query: Query) -> Scope:
    """The scope of the first SELECT of a query."""
    return next(node.scope for _, node in walk(query) if isinstance(node, Select))
