"""Words for column types: Seeknal's, which say what a value is, and DuckDB's, which say how it is
stored.

`integer`, `float` and `decimal` are Seeknal's: no value may be lost for them, so they are stored in
64 bits, and as a promise they hold for every type of their family. Other words mean what DuckDB
means by them.
"""

from __future__ import annotations

import re

# Seeknal's words, those of pandas among them → the type that a value is read as.
_READ_AS = {
    "INT": "BIGINT",
    "INTEGER": "BIGINT",
    "LONG": "BIGINT",
    "INT64": "BIGINT",
    "FLOAT": "DOUBLE",
    "DOUBLE": "DOUBLE",
    "FLOAT64": "DOUBLE",
    "DECIMAL": "DOUBLE",
    "NUMERIC": "DOUBLE",
    "NUMBER": "DOUBLE",
    "STR": "VARCHAR",
    "STRING": "VARCHAR",
    "TEXT": "VARCHAR",
    "OBJECT": "VARCHAR",
    "CATEGORY": "VARCHAR",
    "BOOL": "BOOLEAN",
    "DATETIME": "TIMESTAMP",
    "DATETIME64": "TIMESTAMP",
    "FLOAT32": "FLOAT",
}
# Types that a Parquet file does not hold → the type as which it does. A value that does not fit is
# an error.
CARRIED_AS = {"HUGEINT": "DECIMAL(38, 0)", "UHUGEINT": "DECIMAL(38, 0)"}
_WHOLE = r"U?(?:TINY|SMALL|BIG|HUGE)INT|U?INTEGER|BIGNUM"
_FRACTION = r"FLOAT|DOUBLE|DECIMAL\(\d+,\d+\)"
_FAMILIES = {
    **dict.fromkeys(("INT", "INTEGER", "LONG", "INT64"), _WHOLE),
    **dict.fromkeys(("FLOAT", "DOUBLE", "FLOAT64", "DECIMAL", "NUMERIC"), _FRACTION),
    "NUMBER": f"{_WHOLE}|{_FRACTION}",
    **dict.fromkeys(("DATETIME", "DATETIME64"), r"TIMESTAMP(?:_\w+| WITH TIME ZONE)?"),
}
_ENGINE = (
    "BIGINT BIT BLOB BOOLEAN CHAR DATE FLOAT4 FLOAT8 HUGEINT INT1 INT2 INT4 INT8 INT16 INT32 "
    "INTERVAL JSON REAL SHORT SIGNED SMALLINT TIME TIMESTAMP TIMESTAMP_S TIMESTAMP_MS TIMESTAMP_NS "
    "TIMESTAMPTZ TIMETZ TINYINT UBIGINT UHUGEINT "
    "UINTEGER UINT8 UINT16 UINT32 UINT64 USMALLINT UTINYINT UUID VARCHAR"
).split()
_DIGITS = r"(?:\s*\(\s*\d+\s*(?:,\s*\d+\s*)?\))?"
_TYPE = re.compile(
    rf"((?:{'|'.join([*_READ_AS, *_ENGINE])}){_DIGITS}|(?:TIMESTAMP|TIME) WITH TIME ZONE)"
    r"((?:\[\d{0,5}\]){0,9})",
    re.IGNORECASE,
)
# The words that leave a number as a file of typed columns has it.
_ANY_NUMBER = ("DECIMAL", "NUMERIC", "NUMBER")


def is_type(text: str) -> bool:
    return _TYPE.fullmatch(text.strip()) is not None


def read_as(word: str) -> str:
    """The engine's word for the type that a declared column is read as.

    >>> read_as("INTEGER[]"), read_as("DECIMAL"), read_as("DECIMAL(10, 2)")
    ('BIGINT[]', 'DOUBLE', 'DECIMAL(10, 2)')
    """
    base, lists = _parts(word)
    return _READ_AS.get(base, base) + lists


def is_any_number(word: str) -> bool:
    """Whether a word asks for a number and leaves its type to the file."""
    return word in _ANY_NUMBER


def holds(word: str, returned: str) -> bool | None:
    """Whether a promise holds of the type that is returned; None if the word means one type, and no
    family."""
    (base, lists), (given, given_lists) = _parts(word), _split(returned)
    family = _FAMILIES.get(base)
    return (
        None if family is None else lists == given_lists and re.fullmatch(family, given) is not None
    )


def _parts(word: str) -> tuple[str, str]:
    found = _TYPE.fullmatch(word.strip())
    return (found[1].upper(), found[2]) if found else _split(word)


def _split(word: str) -> tuple[str, str]:
    """`INTEGER[][3]` → `("INTEGER", "[][3]")`."""
    base, bracket, rest = word.partition("[")
    return base, bracket + rest
