"""Constants of the engine's tree, and the types that casts name, in the forms that DuckDB 1 and 2
have for them."""

from __future__ import annotations

import re
from typing import NamedTuple

from seeknal_git.sql.analysis import functions
from seeknal_git.sql.analysis.tree import Tree, objects

# From narrow to wide; those without a sign stand apart, since a sign makes no room in them.
SIGNED = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
UNSIGNED = ("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")
INTEGERS = frozenset((*SIGNED, *UNSIGNED))
# Types without parameters whose values are compared without a cast, and never fail to be.
PLAIN = INTEGERS | {"BOOLEAN", "VARCHAR", "DATE", "TIMESTAMP", "DOUBLE", "FLOAT", "UUID"}

# The types of constants, by the engine's words for their kinds.
INTEGER, NUMERIC, STRING, NULL = "INTEGER_LITERAL", "NUMERIC_LITERAL", "STRING_LITERAL", "NULL"
BOOLEAN = "BOOLEAN"
LITERALS = {
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
_KINDS = {kind: word for word, kind in LITERALS.items()}
_TRUTHS = {"t": "true", "true": "true", "f": "false", "false": "false"}
_OF_DECIMAL = {"type", "alias", "modifiers", "width", "scale", "extension_info"}
_INT = 2**31
_WHOLE = re.compile(r"-?\d+(?:_\d+)*")


class Constant(NamedTuple):
    """A constant: the type that constants of its kind have, and its value (nothing for a NULL)."""

    kind: str
    text: str


def constant(tree: Tree) -> Constant | None:
    """The constant that an expression is; None if it is none."""
    if tree["class"] == "CAST":
        return _truth(tree)
    if tree["class"] != "CONSTANT":
        return None
    if given := tree.get("literal"):
        return _spelled(LITERALS.get(given["kind"]), str(given.get("text", "")))
    value = tree.get("value") or {}
    type_ = value.get("type") or {}
    kind = None if (type_.get("type_info") or {}).get("alias") else _VALUES.get(type_.get("id", ""))
    kind = NULL if value.get("is_null") and kind else kind
    return _spelled(kind, "" if kind == NULL else str(value.get("value", "")))


def _spelled(kind: str | None, text: str) -> Constant | None:
    """A value in one spelling: `1_000` is 1000. Whole numbers beyond BIGINT count as NUMERIC."""
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
    """The whole number that an expression is; None if it is none."""
    found = constant(tree)
    return int(found.text) if found and found.kind == INTEGER else None


def never_null(tree: Tree) -> bool:
    """Whether an expression has a value for any row."""
    if tree["class"] == "OPERATOR" and tree["type"] == "OPERATOR_COALESCE":
        return never_null(tree["children"][-1])
    found = constant(tree)
    return found is not None and found.kind != NULL


def names_null(tree: Tree) -> bool:
    """Whether an expression holds a NULL, which takes on the type of its neighbours."""
    found = (constant(part) for part in objects(tree) if part.get("class") == "CONSTANT")
    return any(value is not None and value.kind == NULL for value in found)


def type_name(tree: Tree) -> str:
    """The name of the type that a CAST makes, without its parameters."""
    if tree.get("type_expr"):
        return _alias_of_type(tree["type_expr"])
    return str((tree.get("cast_type") or {}).get("id", ""))


def cast_word(tree: Tree) -> str:
    """The type that a CAST makes, as the engine calls it; nothing if it is neither a plain type nor
    a DECIMAL."""
    if tree.get("type_expr"):
        return _word_of_expression(tree["type_expr"])
    return _word_of_value(tree.get("cast_type") or {})


def _word_of_expression(given: Tree) -> str:
    """A type as DuckDB 2 has it."""
    name = _alias_of_type(given)
    parameters = given.get("children") or ()
    if name == "DECIMAL" and len(parameters) == 2:
        width, scale = map(_parameter, parameters)
        return "" if width is None or scale is None else f"DECIMAL({width},{scale})"
    return name if name in PLAIN and (not parameters or name == "VARCHAR") else ""


def _parameter(tree: object) -> int | None:
    return number(tree) if isinstance(tree, dict) and "class" in tree else None


def _word_of_value(given: Tree) -> str:
    """A type as DuckDB 1 has it."""
    details = given.get("type_info") or {}
    if given.get("id") == "DECIMAL" and details.keys() <= _OF_DECIMAL:
        word = f"DECIMAL({details.get('width')},{details.get('scale')})"
        return "" if details.get("alias") else word
    return str(given.get("id")) if given.get("id") in PLAIN and not details else ""


def _alias_of_type(given: Tree) -> str:
    name = str(given.get("type_name", "")).upper()
    path = (given.get("qualified_name") or {}).get("path") or [name]
    return functions.TYPES.get(name, name) if len(path) == 1 else ""


def is_cast_number(tree: Tree) -> bool:
    """Whether an expression is a whole number that is cast to INTEGER, so that it is not fitted to
    its neighbours."""
    if tree["class"] != "CAST" or cast_word(tree) != "INTEGER" or tree.get("try_cast"):
        return False
    found = number(tree["child"])
    return found is not None and abs(found) < _INT
