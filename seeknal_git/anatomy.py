"""Take a SELECT apart into what decides its rows and what decides each of its columns.

The parts are symbolic: a canonical text, and what it reads of which input. They are a pure function of the
statement's text; fingerprint.py turns them into hashes. A statement is taken apart only if every construct in it is
known to be safe, because a part that is wrongly called unchanged ends in wrong numbers downstream. Everything else
stays whole.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import TokenType

from seeknal_git.statement import Anatomy, Part, Reference, rendered

_Read = tuple[int, str]


class _Obstacle(Exception):
    """A construct that is not on the list of safe ones."""


# Deterministic, and computed from one row (or one group) alone. Missing on purpose: windows and order-dependent
# aggregates, whose ties may fall otherwise when a table is built again; volatile functions; whatever makes rows.
_SAFE_NAMES = (
    "Abs Add Alias And Avg Between Boolean Case Cast Ceil Coalesce Column Concat Corr Count CountIf DPipe "
    "DataType DataTypeParam DateDiff DateFromParts DateTrunc Day DayOfWeek DayOfYear Distinct Div EQ Exp "
    "Extract Filter Floor GT GTE Greatest Group Having Hour ILike Identifier If In IntDiv Interval Is IsNan "
    "LT LTE Least Left Length Like Literal Ln Log LogicalAnd LogicalOr Lower MD5 Max Median Min Minute Mod "
    "Month Mul NEQ Neg Not Null NullSafeEQ NullSafeNEQ Nullif Or Order Ordered Pad Paren PercentileCont "
    "PercentileDisc Pow Quarter RegexpLike RegexpReplace Replace Right Round Second Sign SimilarTo SplitPart "
    "Sqrt Star Stddev StddevPop StddevSamp Sub Substring Sum TimeToStr TimeToUnix TimestampFromParts "
    "TimestampTrunc Trim TryCast Upper Var Variance VariancePop WeekOfYear Where Year"
).split()
_SAFE = frozenset(getattr(exp, name) for name in _SAFE_NAMES if hasattr(exp, name))
_SAFE_FUNCTIONS = frozenset({"DATE_PART", "DAYNAME", "MONTHNAME", "STRIP_ACCENTS", "ISODOW", "WEEK", "ROUND_EVEN"})
# What reads nothing but the columns that it names. Functions read their arguments alone, but for those below.
_READABLE_NAMES = (
    "Array AtTimeZone BitwiseAnd BitwiseNot BitwiseOr BitwiseXor Bracket Escape From IgnoreNulls Join Kwarg "
    "Lambda Limit Offset PropertyEQ Qualify RespectNulls Select Slice Struct Table TableAlias Tuple Window "
    "WindowSpec WithinGroup"
).split()
_READABLE = _SAFE | {getattr(exp, name) for name in _READABLE_NAMES}
_READING_FUNCTIONS = frozenset({"columns", "query", "query_table", "getvariable", "unpack"})
_CLAUSES = frozenset({"kind", "expressions", "from", "from_", "joins", "where", "group", "having", "order"})
_CLAUSE_NAMES = {
    "from": "table it reads from", "joins": "joins", "where": "filter", "group": "grouping",
    "having": "filter on groups",
    "order": "order", "limit": "limit", "qualify": "filter on windows", "with": "CTEs", "distinct": "DISTINCT",
}  # fmt: skip
_VERBATIM = (TokenType.IDENTIFIER, TokenType.STRING)
_KEYWORDS = frozenset(
    "ALL AND AS ASC BETWEEN BY CASE CAST CROSS DESC DISTINCT ELSE END EXCEPT EXISTS FALSE FROM FULL GROUP "
    "HAVING IN INNER INTERSECT IS JOIN LEFT LIKE LIMIT NOT NULL OFFSET ON OR ORDER OUTER OVER PARTITION RIGHT "
    "SELECT THEN TRUE UNION USING VALUES WHEN WHERE WITH".split()
)


def anatomy_of(sql: str, references: Sequence[Reference]) -> Anatomy:
    """The parts of a SELECT, as far as it can be taken apart; `references` are all the tables that it names."""
    text = rendered(sql, references, _numbering(references))
    text, whole = _canonical(text)
    outline: tuple[tuple[str, str], ...] = ()
    reads: tuple[_Read, ...] | None = None
    try:
        select = _parsed(text)
        outline = _outline(select)
        scope = _Scope(select, references)
        reads = scope.everything_read()
        return Anatomy(whole, outline, reads, *_taken_apart(select, scope))
    except _Obstacle as obstacle:
        return Anatomy(whole, outline, reads, obstacle=str(obstacle))


def _numbering(references: Sequence[Reference]) -> Callable[[Reference], str]:
    return {reference: f"__{number}__" for number, reference in enumerate(references)}.__getitem__


def _canonical(text: str) -> tuple[str, str]:
    """The statement without its comments, and its tokens, keywords in capitals, without its formatting either."""
    try:
        tokens = [token for token in sqlglot.tokenize(text, read="duckdb") if token.token_type != TokenType.SEMICOLON]
    except SqlglotError:
        return text, text.strip()
    bare = " ".join(text[token.start : token.end + 1] for token in tokens)
    return bare, "\n".join(word for token in tokens for word in _words(token.token_type, token.text))


def _words(kind: TokenType, text: str) -> Iterator[str]:
    """A keyword of several words is one token or several, depending on what stands between them."""
    words = text.upper().split()
    if kind not in _VERBATIM and all(word in _KEYWORDS for word in words):
        yield from words
    else:
        yield f"{kind.name} {text!r}"


def _outline(select: exp.Select) -> tuple[tuple[str, str], ...]:
    """Each clause with its text, under the names that a plan uses for them."""
    found = [(f"column {projection.alias_or_name}", _sql(projection)) for projection in select.expressions]
    for name, value in select.args.items():
        if value and name not in ("kind", "expressions"):
            words = ", ".join(map(_sql, value)) if isinstance(value, list) else _sql(value)
            found.append((_CLAUSE_NAMES.get(name.strip("_"), name.strip("_")), words))
    return tuple(found)


def _sql(expression: object) -> str:
    return (
        expression.sql(dialect="duckdb", comments=False) if isinstance(expression, exp.Expression) else str(expression)
    )


def _taken_apart(select: exp.Select, scope: _Scope) -> tuple[Part, tuple[tuple[str, Part], ...]]:
    """What decides the rows, and what decides each column."""
    _refuse_unsafe(select)
    if not all(isinstance(projection, exp.Alias | exp.Column) for projection in select.expressions):
        raise _Obstacle("a column that the engine names")
    names = [projection.alias_or_name.lower() for projection in select.expressions]
    if len(set(names)) < len(names) or not all(names):
        raise _Obstacle("two columns of one name, or a column without one")
    columns = ((projection.alias_or_name, scope.part([projection])) for projection in select.expressions)
    return scope.rows(), tuple(columns)


def _parsed(text: str) -> exp.Select:
    logging.getLogger("sqlglot").setLevel(logging.CRITICAL)
    try:
        tree = sqlglot.parse_one(text, read="duckdb")
    except (SqlglotError, RecursionError) as exc:
        raise _Obstacle("SQL that cannot be analysed") from exc
    if not isinstance(tree, exp.Select):
        raise _Obstacle(f"{type(tree).__name__.lower()} at the top of the statement")
    return tree


def _refuse_unsafe(select: exp.Select) -> None:
    for name, value in select.args.items():
        if value and name not in _CLAUSES:
            raise _Obstacle(name.strip("_"))
    clauses = [select.args.get(name) for name in ("where", "group", "having", "order")]
    ons = [join.args.get("on") for join in select.args.get("joins") or ()]
    for root in filter(None, [*select.expressions, *clauses, *ons]):
        for node in root.walk():
            _refuse_node(node)
    group = select.args.get("group")
    if group and any(value for name, value in group.args.items() if name != "expressions"):
        raise _Obstacle("GROUP BY other than a list of expressions")
    _refuse_positions([*(group.expressions if group else ()), *_ordered(select)])


def _refuse_node(node: exp.Expression) -> None:
    known = node.name.upper() in _SAFE_FUNCTIONS if isinstance(node, exp.Anonymous) else type(node) in _SAFE
    if not known:
        raise _Obstacle(f"{node.sql(dialect='duckdb')[:40]} ({type(node).__name__})")
    if isinstance(node, exp.In) and (node.args.get("unnest") or node.args.get("field")):
        raise _Obstacle("IN over a list that is computed")


def _ordered(select: exp.Select) -> Iterator[exp.Expression]:
    order = select.args.get("order")
    for item in order.expressions if order else ():
        yield item.this if isinstance(item, exp.Ordered) else item


def _refuse_positions(expressions: Sequence[exp.Expression]) -> None:
    for expression in expressions:
        if isinstance(expression.unnest(), exp.Literal) or expression.name.upper() == "ALL":
            raise _Obstacle("a column named by its position, or ALL")


class _Scope:
    """Which input a column name means, in one SELECT without sub-queries."""

    def __init__(self, select: exp.Select, references: Sequence[Reference]) -> None:
        self.select = select
        self.joins: list[exp.Join] = select.args.get("joins") or []
        origin = select.args.get("from_") or select.args.get("from")
        tables = [*([origin.this] if origin else []), *(join.this for join in self.joins)]
        self.inputs = {_alias(table): _number(table) for table in tables}
        if len(self.inputs) != len(tables) or sorted(self.inputs.values()) != list(range(len(references))):
            raise _Obstacle("a table named twice without an alias, or a table that is no input")
        self.aliases = {
            projection.alias.lower(): projection
            for projection in select.expressions
            if isinstance(projection, exp.Alias)
        }
        for column in list(select.find_all(exp.Column)):
            self._number_column(column)

    def everything_read(self) -> tuple[_Read, ...]:
        """All columns that the statement names, wherever it does."""
        for join in self.joins:
            if method := join.args.get("method"):
                raise _Obstacle(f"{method} JOIN")
        found: set[_Read] = set(self._using())
        for node in self.select.walk():
            if isinstance(node, exp.Query | exp.Exists) and node is not self.select:
                raise _Obstacle("a sub-query or CTE")
            if isinstance(node, exp.Star) and not isinstance(node.parent, exp.Count):
                raise _Obstacle("*")
            if not isinstance(node, exp.Func) and type(node) not in _READABLE:
                raise _Obstacle(f"{node.sql(dialect='duckdb')[:40]} ({type(node).__name__})")
            if isinstance(node, exp.Columns) or node.name.lower() in _READING_FUNCTIONS:
                raise _Obstacle(node.sql(dialect="duckdb")[:40])
            if isinstance(node, exp.Column):
                found.update(self._reads(node))
        return tuple(sorted(found))

    def _using(self) -> list[_Read]:
        names = [column.name.lower() for join in self.joins for column in join.args.get("using") or ()]
        return [(number, name) for name in names for number in self.inputs.values()]

    def rows(self) -> Part:
        """FROM, JOIN, WHERE, GROUP BY, HAVING and ORDER BY, and whether aggregates fold all rows into one."""
        pieces: list[exp.Expression] = []
        words = [f"FROM {number}" for number in self.inputs.values()]
        for join in self.joins:
            words.append(self._join(join))
            pieces += filter(None, [join.args.get("on")])
        clauses = [self.select.args.get(name) for name in ("where", "group", "having", "order")]
        part = self.part([*pieces, *filter(None, clauses)])
        folded = not self.select.args.get("group") and any(
            projection.find(exp.AggFunc) for projection in self.select.expressions
        )
        text = "\n".join([*words, f"FOLDED {folded}", part.text])
        return Part(text, tuple(sorted({*part.reads, *self._using()})))

    def _join(self, join: exp.Join) -> str:
        if (join.kind or "") not in ("", "INNER", "OUTER", "CROSS"):
            raise _Obstacle(f"{join.kind} JOIN")
        if extra := [
            name
            for name in join.args
            if join.args[name] and name not in ("this", "side", "kind", "on", "using", "method")
        ]:
            raise _Obstacle(f"JOIN with {extra[0]}")
        using = ", ".join(column.name.lower() for column in join.args.get("using") or ())
        return f"{join.side or ''} {join.kind or ''} JOIN {self.inputs[_alias(join.this)]} USING ({using})"

    def part(self, expressions: Sequence[exp.Expression]) -> Part:
        """The canonical text of expressions with all that they read, through aliases of the same SELECT too."""
        texts: list[str] = []
        reads: set[_Read] = set()
        seen: set[int] = set()
        waiting = list(expressions)
        while waiting:
            expression = waiting.pop(0)
            if id(expression) in seen:
                continue
            seen.add(id(expression))
            for column in expression.find_all(exp.Column):
                reads.update(self._reads(column))
                alias = self.aliases.get(column.name.lower()) if not column.table else None
                if alias is not None:
                    waiting.append(alias)
            texts.append(_sql(expression))
        return Part("\n".join(texts), tuple(sorted(reads)))

    def _number_column(self, column: exp.Column) -> None:
        """Call the column's table by its number, so that texts do not depend on aliases."""
        name, table = column.name.lower(), column.table.lower()
        if column.args.get("db") or (table and table not in self.inputs) or name in (*self.inputs, "rowid"):
            raise _Obstacle(f"{column.sql(dialect='duckdb')}, which may be a row or a struct")
        if table:
            column.set("table", exp.to_identifier(f"__{self.inputs[table]}__"))

    def _reads(self, column: exp.Column) -> list[_Read]:
        """What a column may mean: without a table, any input's; and `s.x` may be the field x of a column s."""
        name = column.name.lower()
        if not column.table:
            return [(number, name) for number in self.inputs.values()]
        own = int(column.table.strip("_"))
        alias = next(alias for alias, number in self.inputs.items() if number == own)
        return [(own, name), *((number, alias) for number in self.inputs.values())]


def _alias(table: exp.Expression) -> str:
    return table.alias_or_name.lower()


def _number(table: exp.Expression) -> int:
    plain = isinstance(table, exp.Table) and not [
        key for key, value in table.args.items() if value and key not in ("this", "alias")
    ]
    alias = table.args.get("alias")
    if not plain or not table.name.startswith("__") or (alias and alias.args.get("columns")):
        raise _Obstacle("FROM other than plain inputs")
    return int(table.name.strip("_"))
