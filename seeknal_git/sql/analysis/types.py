"""Facts about an expression before it is read: whether it is a constant, its type, and whether it
can fail.

A type is the engine's own word for it, and nothing where it is not certain. Constants have types of
their own, since the engine fits them to what they stand beside: TINYINT + 1 is a TINYINT, and
TINYINT + 1::INTEGER is not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from typing import NamedTuple

from seeknal_git.sql.analysis import functions
from seeknal_git.sql.analysis.scope import Scope, meaning
from seeknal_git.sql.analysis.terms import Obstacle, Term
from seeknal_git.sql.analysis.tree import Tree, arguments, objects

# From narrow to wide; those without a sign stand apart, since a sign makes no room in them.
_SIGNED = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
_UNSIGNED = ("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")
INTEGERS = frozenset((*_SIGNED, *_UNSIGNED))
# Types without parameters whose values are compared without a cast, and never fail to be.
PLAIN = INTEGERS | {"BOOLEAN", "VARCHAR", "DATE", "TIMESTAMP", "DOUBLE", "FLOAT", "UUID"}

# The types of constants, and what constants there are.
INTEGER, NUMERIC, STRING, NULL = "INTEGER_LITERAL", "NUMERIC_LITERAL", "STRING_LITERAL", "NULL"
BOOLEAN = "BOOLEAN"
_LITERALS = {
    "INTEGER": INTEGER,
    "NUMERIC": NUMERIC,
    "STRING": STRING,
    "NULL_LITERAL": NULL,
    "BOOLEAN": BOOLEAN,
}
_VALUES = {
    "INTEGER": INTEGER,
    "BIGINT": INTEGER,
    "VARCHAR": STRING,
    "BOOLEAN": BOOLEAN,
    "NULL": NULL,
    "DECIMAL": NUMERIC,
    "DOUBLE": NUMERIC,
    "HUGEINT": NUMERIC,
}
_KINDS = {kind: word for word, kind in _LITERALS.items()}
_TRUTHS = {"t": "true", "true": "true", "f": "false", "false": "false"}

# Expressions that are nested deeper have no type: to find it would take the longer the deeper they
# are.
_DEEP = 5
_INT = 2**31

_WHOLE = re.compile(r"-?\d+(?:_\d+)*")
_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
# A column as it is, of whichever table and however far away.
_PASSED_ON = re.compile(r"(?:#\w+\(|\^\d+\()*\x02\d+\x03\)*")

# Functions that always return a type, and never fail, whatever VARCHAR they are given.
_OF_TEXT = {
    "lower": "VARCHAR",
    "upper": "VARCHAR",
    "trim": "VARCHAR",
    "ltrim": "VARCHAR",
    "rtrim": "VARCHAR",
    "reverse": "VARCHAR",
    "strip_accents": "VARCHAR",
    "length": "BIGINT",
    "~~": BOOLEAN,
    "!~~": BOOLEAN,
    "~~*": BOOLEAN,
    "!~~*": BOOLEAN,
    "prefix": BOOLEAN,
    "suffix": BOOLEAN,
    "contains": BOOLEAN,
    "||": "VARCHAR",
    "md5": "VARCHAR",
    "^@": BOOLEAN,
}
_OF_NUMBERS = frozenset("+ - * / // % @ round floor ceil sum avg min max".split())
_TRUE_OR_FALSE = frozenset({"COMPARISON", "CONJUNCTION", "BETWEEN"})
_TRUTH_OPERATORS = frozenset(
    {"OPERATOR_NOT", "OPERATOR_IS_NULL", "OPERATOR_IS_NOT_NULL", "COMPARE_IN", "COMPARE_NOT_IN"}
)


class Constant(NamedTuple):
    """kind: the type of a constant; text: its value; of a NULL, nothing."""

    kind: str
    text: str


def constant(tree: Tree) -> Constant | None:
    """The constant that an expression is, in the forms that DuckDB 1 and 2 have for it."""
    if tree["class"] == "CAST":
        return _truth(tree)
    if tree["class"] != "CONSTANT":
        return None
    if given := tree.get("literal"):
        return _spelled(_LITERALS.get(given["kind"]), str(given.get("text", "")))
    value = tree.get("value") or {}
    type_ = value.get("type") or {}
    kind = None if (type_.get("type_info") or {}).get("alias") else _VALUES.get(type_.get("id", ""))
    kind = NULL if value.get("is_null") and kind else kind
    return _spelled(kind, "" if kind == NULL else str(value.get("value", "")))


def _spelled(kind: str | None, text: str) -> Constant | None:
    """A value in one spelling: `1_000` is 1000. Whole numbers beyond BIGINT are not taken for
    such."""
    if kind == INTEGER:
        digits = text.replace("_", "")
        is_whole = _WHOLE.fullmatch(text) is not None and len(digits) < 19
        return Constant(INTEGER, str(int(digits))) if is_whole else Constant(NUMERIC, text)
    return Constant(kind, text.lower() if kind == BOOLEAN else text) if kind else None


def _truth(tree: Tree) -> Constant | None:
    """DuckDB 1 reads `true` as a cast of a string."""
    if cast_word(tree) != BOOLEAN or tree["child"]["class"] != "CONSTANT":
        return None
    found = constant(tree["child"])
    return (
        Constant(BOOLEAN, _TRUTHS[found.text])
        if found and found.kind == STRING and found.text in _TRUTHS
        else None
    )


def literal(kind: str, text: str) -> Tree:
    """A constant as a tree."""
    return {
        "class": "CONSTANT",
        "type": "VALUE_CONSTANT",
        "literal": {"kind": _KINDS[kind], "text": text},
    }


def number(tree: Tree) -> int | None:
    """The whole number that an expression is."""
    found = constant(tree)
    return int(found.text) if found and found.kind == INTEGER else None


def type_name(tree: Tree) -> str:
    """The name of the type that a CAST makes, whatever its parameters."""
    return (
        _alias_of_type(tree["type_expr"])
        if tree.get("type_expr")
        else str((tree.get("cast_type") or {}).get("id", ""))
    )


def cast_word(tree: Tree) -> str:
    """The type that a CAST makes, as the engine calls it, if it is one of the plain ones or a
    DECIMAL."""
    if given := tree.get("type_expr"):
        name = _alias_of_type(given)
        parameters = [
            number(child) if isinstance(child, dict) and "class" in child else None
            for child in given.get("children") or ()
        ]
        if name == "DECIMAL" and len(parameters) == 2 and None not in parameters:
            return f"DECIMAL({parameters[0]},{parameters[1]})"
        return name if name in PLAIN and (not parameters or name == "VARCHAR") else ""
    given = tree.get("cast_type") or {}
    details = given.get("type_info") or {}
    if given.get("id") == "DECIMAL" and set(details) <= {
        "type",
        "alias",
        "modifiers",
        "width",
        "scale",
        "extension_info",
    }:
        return (
            ""
            if details.get("alias")
            else f"DECIMAL({details.get('width')},{details.get('scale')})"
        )
    return str(given.get("id")) if given.get("id") in PLAIN and not details else ""


def _alias_of_type(given: Tree) -> str:
    name = str(given.get("type_name", "")).upper()
    path = (given.get("qualified_name") or {}).get("path") or [name]
    return functions.TYPES.get(name, name) if len(path) == 1 else ""


def type_of(tree: Tree, scope: Scope, deep: int = 0) -> str:
    """The type of an expression, nothing where it is not certain, or too deep to be asked for."""
    if found := constant(tree):
        return found.kind
    kind = tree["class"]
    if kind in _TRUE_OR_FALSE or (kind == "OPERATOR" and tree["type"] in _TRUTH_OPERATORS):
        return BOOLEAN
    typed = _TYPED.get(kind) if deep < _DEEP else None
    return typed(tree, scope, deep + 1) if typed else ""


def column_type(tree: Tree, scope: Scope) -> str:
    """The type of a column that is made of an expression; of a constant nothing, since that is
    fitted to others."""
    found = type_of(tree, scope)
    return found if is_simple(found) and found not in (INTEGER, NUMERIC, STRING, NULL) else ""


def _column(tree: Tree, scope: Scope, _deep: int) -> str:
    term = meant(tree, scope)
    return term.type if term and not term.unstable else ""


def meant(tree: Tree, scope: Scope) -> Term | None:
    """What a name means, without any mark that it was asked for."""
    try:
        return meaning(tree["column_names"], scope, noted=False)
    except Obstacle:
        return None


def is_simple(type_: str) -> bool:
    """Whether the values of a type are neither lists nor made of others."""
    return type_ in PLAIN or type_ in _LITERALS.values() or _DECIMAL.fullmatch(type_) is not None


def is_exact(type_: str) -> bool:
    """Whether two equal values of a type cannot be told apart."""
    return (type_ in PLAIN and type_ not in ("DOUBLE", "FLOAT")) or _DECIMAL.fullmatch(
        type_
    ) is not None


def is_number(tree: Tree, scope: Scope, deep: int = 0) -> bool:
    """Whether an expression is a number, of whichever type."""
    found = type_of(tree, scope, deep)
    if found:
        return (
            found in INTEGERS
            or found in ("DOUBLE", "FLOAT", INTEGER, NUMERIC)
            or bool(_DECIMAL.fullmatch(found))
        )
    if tree["class"] != "FUNCTION" or functions.called(tree) not in _OF_NUMBERS or deep >= _DEEP:
        return False
    given = arguments(tree)
    return bool(given) and all(is_number(argument, scope, deep + 1) for argument in given)


def never_null(tree: Tree) -> bool:
    """Whether an expression has a value for any row."""
    if tree["class"] == "OPERATOR" and tree["type"] == "OPERATOR_COALESCE":
        return never_null(tree["children"][-1])
    found = constant(tree)
    return found is not None and found.kind != NULL


def _cast(tree: Tree, _scope: Scope, _deep: int) -> str:
    return cast_word(tree)


def _function(tree: Tree, scope: Scope, deep: int) -> str:
    name, given = functions.called(tree), arguments(tree)
    types = [type_of(argument, scope, deep) for argument in given]
    if name in _OF_TEXT and types and set(types) <= {"VARCHAR", STRING}:
        return _OF_TEXT[name]
    if name in ("+", "-", "*") and len(given) == 2:
        return _calculated(types)
    return "BIGINT" if name == "count_star" else ""


def _calculated(types: list[str]) -> str:
    """The type of a sum, a difference or a product of whole numbers or of DOUBLEs; the engine takes
    the wider one."""
    one, other = types if types[0] not in (INTEGER, NUMERIC) else types[::-1]
    if one == other and one in (*_SIGNED, "DOUBLE"):
        return one
    if one in ("INTEGER", "BIGINT", "DOUBLE") and other == INTEGER:
        return one
    if {one, other} <= set(_SIGNED):
        return max(one, other, key=_SIGNED.index)
    return ""


def _case(tree: Tree, scope: Scope, deep: int) -> str:
    branches = [check["then_expr"] for check in tree["case_checks"]]
    branches += [tree["else_expr"]] if tree.get("else_expr") else []
    return _one_type(branches, scope, deep)


def _operator(tree: Tree, scope: Scope, deep: int) -> str:
    return _one_type(tree["children"], scope, deep) if tree["type"] == "OPERATOR_COALESCE" else ""


def _one_type(branches: list[Tree], scope: Scope, deep: int) -> str:
    """The type of all of some expressions, but for NULLs."""
    types = {type_alone(branch, scope, deep) for branch in branches} - {NULL}
    found = types.pop() if len(types) == 1 else ""
    return found if found in PLAIN else ""


def type_alone(tree: Tree, scope: Scope, deep: int = 0) -> str:
    """The type of an expression as a column of its own, where constants are not fitted to
    anything."""
    found = type_of(tree, scope, deep)
    if found == STRING:
        return "VARCHAR"
    whole = number(tree) if found == INTEGER else None
    return found if whole is None else "INTEGER" if abs(whole) < _INT else "BIGINT"


_TYPED: Mapping[str, Callable[[Tree, Scope, int], str]] = {
    "CASE": _case,
    "CAST": _cast,
    "COLUMN_REF": _column,
    "FUNCTION": _function,
    "OPERATOR": _operator,
}


def comparable(one: Tree, other: Tree, scope: Scope) -> bool:
    """Whether two expressions are compared in one type, whatever stands beside them, and that
    cannot fail."""
    pair = [(type_of(one, scope), one), (type_of(other, scope), other)]
    return _fits(*pair) or _fits(*reversed(pair))


def _fits(one: tuple[str, Tree], other: tuple[str, Tree]) -> bool:
    (type_, _), (second, tree) = one, other
    if type_ in PLAIN and second in (type_, NULL):
        return True
    if type_ in INTEGERS or type_ == "DOUBLE":
        return (
            second == INTEGER
            or (second in INTEGERS and type_ != "DOUBLE")
            or (second == NUMERIC and type_ == "DOUBLE")
        )
    if type_ in ("VARCHAR", STRING):
        return second == STRING
    if type_ in ("DATE", "TIMESTAMP"):
        return second == STRING and is_moment(type_, tree)
    found = _DECIMAL.fullmatch(type_)
    return found is not None and (second == type_ or (int(found[1]) <= 18 and _is_short(tree)))


def _is_short(tree: Tree) -> bool:
    """Whether it is a constant of a few digits, which a comparison with a DECIMAL has room for."""
    found = constant(tree)
    return found is not None and found.kind == INTEGER and len(found.text) < 10


def is_moment(type_: str, tree: Tree) -> bool:
    """Whether a string can be read as a date, or as a time of a day."""
    found = constant(tree)
    if not found or found.kind != STRING:
        return False
    try:
        if _DATE.fullmatch(found.text):
            return bool(date.fromisoformat(found.text))
        return type_ == "TIMESTAMP" and bool(
            _TIMESTAMP.fullmatch(found.text) and datetime.fromisoformat(found.text)
        )
    except ValueError:
        return False


def widens(one: str, other: str) -> bool:
    """Whether each value of a type can be cast to another one."""
    for order in (_SIGNED, _UNSIGNED):
        if one in order and other in order:
            return order.index(one) <= order.index(other)
    if other == "VARCHAR":
        return one in PLAIN or _DECIMAL.fullmatch(one) is not None
    return one == other != "" or (other == "DOUBLE" and (one in INTEGERS or one == "FLOAT"))


def never_fails(tree: Tree, scope: Scope) -> bool:
    """Whether an expression can be computed for any row, so that it does not matter for which rows
    it is."""
    if constant(tree):
        return True
    reader = _NEVER_FAILS.get(tree["class"])
    return reader is not None and reader(tree, scope)


def _all_never_fail(trees: Iterable[Tree], scope: Scope) -> bool:
    return all(never_fails(condition, scope) for condition in trees)


def _column_never_fails(tree: Tree, scope: Scope) -> bool:
    term = meant(tree, scope)
    return term is not None and is_passed_on(term)


def is_passed_on(term: Term) -> bool:
    """Whether a term is a column of an input, of whichever table and however far away."""
    return _PASSED_ON.fullmatch(term.text) is not None


def _comparison_never_fails(tree: Tree, scope: Scope) -> bool:
    return comparable(tree["left"], tree["right"], scope) and _all_never_fail(
        (tree["left"], tree["right"]), scope
    )


def _between_never_fails(tree: Tree, scope: Scope) -> bool:
    value, ends = tree["input"], (tree["lower"], tree["upper"])
    return all(comparable(value, end, scope) for end in ends) and _all_never_fail(
        (value, *ends), scope
    )


def _conjunction_never_fails(tree: Tree, scope: Scope) -> bool:
    return all(type_of(child, scope) == BOOLEAN for child in tree["children"]) and _all_never_fail(
        tree["children"], scope
    )


def _function_never_fails(tree: Tree, scope: Scope) -> bool:
    of_text = functions.called(tree) in _OF_TEXT and _function(tree, scope, 1) != ""
    return of_text and _all_never_fail(arguments(tree), scope)


def _operator_never_fails(tree: Tree, scope: Scope) -> bool:
    first, *rest = tree["children"]
    if not _all_never_fail((first, *rest), scope):
        return False
    match tree["type"]:
        case "OPERATOR_IS_NULL" | "OPERATOR_IS_NOT_NULL":
            return True
        case "OPERATOR_NOT":
            return type_of(first, scope) == BOOLEAN
        case "COMPARE_IN" | "COMPARE_NOT_IN" | "OPERATOR_COALESCE":
            return all(comparable(first, other, scope) for other in rest)
        case _:
            return False


def _cast_never_fails(tree: Tree, scope: Scope) -> bool:
    word, child = cast_word(tree), tree["child"]
    if word in ("DATE", "TIMESTAMP") and is_moment(word, child):
        return True
    return widens(type_of(child, scope), word) and never_fails(child, scope)


_NEVER_FAILS: Mapping[str, Callable[[Tree, Scope], bool]] = {
    "BETWEEN": _between_never_fails,
    "CAST": _cast_never_fails,
    "COLUMN_REF": _column_never_fails,
    "COMPARISON": _comparison_never_fails,
    "CONJUNCTION": _conjunction_never_fails,
    "CONSTANT": lambda _tree, _scope: True,
    "FUNCTION": _function_never_fails,
    "OPERATOR": _operator_never_fails,
}


def names_null(tree: Tree) -> bool:
    """Whether there is a NULL in an expression, whose type depends on what stands beside it."""
    found = (constant(part) for part in objects(tree) if part.get("class") == "CONSTANT")
    return any(value is not None and value.kind == NULL for value in found)


def is_repeatable(tree: Tree) -> bool:
    """Whether an expression has the same value each time that it is computed for a row, and costs
    no query."""
    for part in objects(tree):
        if part.get("class") not in (None, "COLUMN_REF", "CONSTANT", "CAST", "FUNCTION", "TYPE"):
            return False
        name = str(part.get("function_name", "")).lower()
        if name and name not in functions.SCALAR | functions.NAMING:
            return False
    return True
