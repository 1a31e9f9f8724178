"""Names that must agree everywhere (branch and schema, node ids, views), and text quoted for SQL, a
shell or a terminal.

Foreign text (names, messages, values) may hold anything, and a terminal obeys control characters.
"""

from __future__ import annotations

import hashlib
import re
import shlex
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping

# The catalog that a warehouse is attached as. Our SQL names it, so that a macro in the warehouse is
# never looked up.
WAREHOUSE = "warehouse"
SNAPSHOTS = "_snapshots"
STATE_SCHEMA = "_seeknal"
STATE = f"{WAREHOUSE}.{STATE_SCHEMA}"
PRODUCTION_ALIAS = "prod"

# A plain branch name is its own schema name. A name that ends like a hash is not plain, so that no
# plain name can equal the slug of another branch.
_PLAIN = re.compile(r"[a-z][a-z0-9_]{0,47}")
_ENDS_LIKE_A_HASH = re.compile(r"_[0-9a-f]{8}$")
_SLUG_LENGTH = 40

# Schemas and catalogs of DuckDB and PostgreSQL, words that need quotes in SQL, and our alias.
_RESERVED = frozenset(
    """
    all analyse analyze and anti any array as asc asof asymmetric at authorization between
    binary both by case cast check collate collation column concurrently constraint create cross
    current default deferrable desc describe distinct do else end except exclude exists false
    fetch for foreign freeze from full glob grant group having ilike in information_schema
    initially inner intersect into is isnull join lambda lateral leading left like limit memory
    natural not notnull null offset on only or order outer overlaps pg_catalog pg_temp pivot
    pivot_longer pivot_wider placing positional primary prod public qualify references returning
    right rows select semi show similar some summarize symmetric system table tablesample temp
    temporary then to trailing true union unique unpack unpivot using values variadic verbose
    warehouse when where window with
    """.split()
)

# Names that begin something else in an expression.
_LIKE_FUNCTIONS = frozenset(
    """
    between bigint bit boolean char character coalesce columns dec decimal exists extract float
    generated grouping grouping_id inout int integer interval map national nchar none nullif
    numeric out overlay position precision real row setof smallint struct substring time
    timestamp treat trim try_cast tuple values varchar xmlattributes xmlconcat xmlelement
    xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable
    """.split()
)

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")


def schema_of(branch: str) -> str:
    """The schema of a branch's environment. No two branches share one, even if case is ignored.

    >>> schema_of("dev")
    'dev'
    >>> schema_of("feature/new-metrics")
    'feature_new_metrics_f50f0fc5'
    """
    if (
        _PLAIN.fullmatch(branch)
        and branch not in _RESERVED
        and not _ENDS_LIKE_A_HASH.search(branch)
    ):
        return branch
    slug = (
        re.sub(r"[^a-z0-9]+", "_", branch.lower()).strip("_")[:_SLUG_LENGTH].strip("_") or "branch"
    )
    if not slug[0].isalpha():
        slug = f"b_{slug}"
    return f"{slug}_{hashlib.sha256(branch.encode()).hexdigest()[:8]}"


def production_ref_of(project: str) -> str:
    """The ref of the commit that production last published. project: its folder in the repository
    (`""` for all of it).

    >>> production_ref_of("")
    'refs/seeknal/production'
    >>> production_ref_of("shops/europe/")
    'refs/seeknal/projects/shops_europe_990dd02e'
    """
    folder = project.strip("/")
    return (
        "refs/seeknal/production"
        if folder in ("", ".")
        else f"refs/seeknal/projects/{schema_of(folder)}"
    )


def node_id(kind: str, name: str) -> str:
    return f"{kind}.{name}"


def split_id(identifier: str) -> tuple[str, str]:
    """`transform.orders` → `("transform", "orders")`."""
    kind, _, name = identifier.partition(".")
    return kind, name


# The kind in the ids of views that show all feature groups of an entity. They are no nodes.
ENTITY = "entity"


def is_entity(identifier: str) -> bool:
    """Whether an id is that of an entity's view.

    >>> is_entity("entity.customer"), is_entity("transform.entity")
    (True, False)
    """
    return identifier.startswith(f"{ENTITY}.")


# The kind of the nodes that hold the history of a source (`keep: changes`). No file is of it.
CHANGES = "changes"
# The columns that it has beside those of its source: when a row began and ceased to hold, in UTC.
VALID_FROM, VALID_TO = "_valid_from", "_valid_to"


def is_changes(identifier: str) -> bool:
    """Whether an id is that of a source's history.

    >>> is_changes("changes.orders"), is_changes("source.changes")
    (True, False)
    """
    return identifier.startswith(f"{CHANGES}.")


def called(identifier: str) -> str:
    """The name of a node without its kind, as it is written where no other node has it.

    >>> called("source.orders"), called("changes.orders")
    ('orders', 'orders_changes')
    """
    kind, name = split_id(identifier)
    return f"{name}_{CHANGES}" if kind == CHANGES else name


# Below the project's folder in the data root. Only Seeknal writes there.
BRANCHES_FILES = "target/exposures"
WRITING = "target/.writing"
REPLACED = "target/replaced"
MANIFEST = "target/manifest.json"
# In the folder of the clone: the files that views read in place.
KEPT = "files"
# There too: tables that are built beside the warehouse, and data of a lake that does not fit in
# memory.
BUILDS, SPILL = "builds", "spill"


def exposures_folder(schema: str) -> str:
    """The folder of a branch's exposures, below the project's folder in the data root."""
    return f"{BRANCHES_FILES}/{schema}"


def view_names(node_ids: Iterable[str]) -> dict[str, str]:
    """The view of each node: its bare name, or `kind__name` if two kinds share a name (case is
    ignored); of a history, `<name>_changes`.

    >>> view_names(["source.orders", "changes.orders"])
    {'source.orders': 'orders', 'changes.orders': 'orders_changes'}
    """
    ids = list(node_ids)
    uses = Counter(split_id(node)[1].lower() for node in ids if not is_changes(node))
    found = {}
    for identifier in ids:
        kind, name = split_id(identifier)
        is_clear = kind == CHANGES or uses[name.lower()] == 1
        found[identifier] = called(identifier) if is_clear else f"{kind}__{name}"
    return found


_ASCII = str.maketrans({letter: letter.lower() for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"})


def folded(name: str) -> str:
    """A name of SQL as DuckDB compares it: in lower case, if the letter is one of ASCII.

    >>> folded("État"), folded("TOTAL")
    ('État', 'total')
    """
    return name.lower() if name.isascii() else name.translate(_ASCII)


def quote(identifier: str) -> str:
    """Any identifier, quoted for SQL."""
    escaped = identifier.replace('"', '""')
    return f'"{escaped}"'


def bare(identifier: str) -> str:
    """An identifier for SQL, in quotes only if it needs them.

    >>> bare("orders"), bare("order")
    ('orders', '"order"')
    """
    plain = (
        IDENTIFIER.fullmatch(identifier) and identifier.lower() not in _RESERVED | _LIKE_FUNCTIONS
    )
    return identifier if plain else quote(identifier)


def qualified(*parts: str) -> str:
    return ".".join(quote(part) for part in parts)


def literal(text: str) -> str:
    """A text as a literal of SQL."""
    escaped = text.replace("'", "''")
    return f"'{escaped}'"


def option(value: object) -> str:
    """The value of a reader's option, as SQL."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list):
        return f"[{', '.join(option(item) for item in value)}]"
    if isinstance(value, Mapping):
        return (
            f"{{{', '.join(f'{literal(name)}: {option(item)}' for name, item in value.items())}}}"
        )
    return literal(str(value))


def shown(text: str) -> str:
    r"""A text on one line that prints: control characters, line ends, characters without a width,
    and characters that change the direction of writing are spelled out.

    >>> print(shown("a\x1b[31mb"), shown("naïve 東京"))
    a\x1b[31mb naïve 東京
    """
    if text.isprintable():
        return text
    return "".join(sign if _prints(sign) else _spelled(sign) for sign in text)


def _prints(sign: str) -> bool:
    """Whether a character prints. Spaces outside of ASCII do no harm."""
    return sign.isprintable() or unicodedata.category(sign) == "Zs"


def _spelled(sign: str) -> str:
    return sign.encode("unicode_escape").decode()


class Lines(str):
    """A text whose line ends are our own. In other texts, line ends are data."""

    __slots__ = ()


def in_lines(lines: Iterable[str]) -> Lines:
    """The lines of a message, or of its hint, as one text. A line end within a line is data."""
    return Lines("\n".join(shown(part) for line in lines for part in parts(line)))


def parts(text: str) -> list[str]:
    """The lines of a text."""
    return text.split("\n") if isinstance(text, Lines) else [text]


def argument(text: str) -> str:
    r"""Any text as one word of a shell, on one line.

    >>> print(argument("plain"), argument("a;b"), argument("a\nb"))
    plain 'a;b' $'a\nb'
    """
    if all(map(_prints, text)):
        return shlex.quote(text)
    return f"$'{''.join(map(_quoted, text))}'"


def _quoted(sign: str) -> str:
    """A character within `$'…'`: two digits mean a byte, and four a character. A byte of a file's
    name that is no UTF-8 stays a byte."""
    number = ord(sign)
    if sign in "\\'":
        return f"\\{sign}"
    if _prints(sign):
        return sign
    if 0xDC80 <= number <= 0xDCFF:
        return f"\\x{number - 0xDC00:02x}"
    return f"\\u{number:04x}" if 0x80 <= number <= 0xFFFF else _spelled(sign)


def command_line(*words: str) -> str:
    """A command to be pasted into a shell."""
    return " ".join(map(argument, words))


def operand(name: str) -> str:
    """A name as the last word of a command. One that begins with a dash is not taken for an
    option."""
    return f"-- {argument(name)}" if name.startswith("-") else argument(name)


def of_option(option: str, name: str) -> str:
    """An option with a name, which may begin like another option."""
    return f"{option}={argument(name)}" if name.startswith("-") else f"{option} {argument(name)}"
