"""The common part of the files of all kinds: shared keys, inputs, tests, and the message for a
wrong key."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, ConfigDict, Field, field_validator

from seeknal_git.names import IDENTIFIER
from seeknal_git.nodes.checks import Test, compile_test, listed
from seeknal_git.nodes.form import Form
from seeknal_git.nodes.node import Check


class Mistake(ValueError):
    """A problem of a file as a whole, with the keys that may be the cause, the likeliest first."""

    def __init__(self, message: str, *keys: str) -> None:
        super().__init__(message)
        self.keys = keys


_LONGEST_PATH = 1024


def below_project(path: str, example: str, *keys: str, way: str = "name a file below it") -> str:
    """A path in git's notation. Raises Mistake if it is not the path of a file below the
    project. way: out of it, in words."""
    plain = PurePosixPath(path)
    if "://" in path or plain.is_absolute() or ".." in plain.parts:
        raise Mistake(f"`{path}` leaves the project: {way}, for example {example}", *keys)
    too_long = len(path.encode()) > _LONGEST_PATH or any(
        len(part.encode()) > 255 for part in plain.parts
    )
    if too_long or not path.isprintable() or not plain.parts:
        raise Mistake(
            f"{path[:80]!r} is not the name of a file:"
            f" name one below the project, for example {example}",
            *keys,
        )
    return plain.as_posix()


def refuse_unknown_params(given: Iterable[str], known: Collection[str], of: str) -> None:
    """Raise Mistake for unknown `params`, which would silently change nothing."""
    unknown = [key for key in given if key not in known]
    if not unknown:
        return
    near = {key: difflib.get_close_matches(key, sorted(known), 1, 0.7) for key in unknown}
    names = " nor ".join(
        f"`{key}`" + (f" (did you mean `{near[key][0]}`?)" if near[key] else "") for key in unknown
    )
    rest = "" if all(near.values()) else f"; it reads {', '.join(sorted(known))}"
    raise Mistake(f"{of} has no parameter {names}{rest}", *(f"params.{key}" for key in unknown))


@dataclass(frozen=True, slots=True)
class Compiled:
    """The result of compiling a file. The fields are those of Node."""

    sql: str | None
    # The key whose text `sql` is.
    sql_key: str | None = None
    aliases: Mapping[str, str] = field(default_factory=dict)
    definition: Mapping[str, Any] = field(default_factory=dict)
    checks: tuple[Check, ...] = ()
    promises: Mapping[str, str | None] = field(default_factory=dict)
    python: Mapping[str, Any] = field(default_factory=dict)
    semantics: Mapping[str, Any] = field(default_factory=dict)
    materialized: str = "table"
    keeps: Mapping[str, Sequence[str]] = field(default_factory=dict)
    outside: Mapping[str, Any] = field(default_factory=dict)


class InputFile(Form):
    """An entry of `inputs`: `{ref: kind.name}`, or just `kind.name`."""

    model_config = ConfigDict(extra="allow")
    ref: str
    # `frozen`: partitions that are there stay as they are when its data changes.
    history: Literal["frozen"] | None = None

    @field_validator("ref")
    @classmethod
    def _strip_prefix(cls, ref: str) -> str:
        ref = ref.strip().removeprefix("ref:")
        if quoted := re.fullmatch(r"ref\(\s*(['\"])(.+?)\1\s*\)", ref):
            ref = quoted[2]
        if IDENTIFIER.fullmatch(ref):
            raise ValueError(f"`{ref}` has no kind: write kind.name, for example source.{ref}")
        if not re.fullmatch(r"[a-z_]+\.[A-Za-z_]\w*", ref):
            raise ValueError("an input is written kind.name, for example transform.orders")
        return ref


def as_input(value: object) -> object:
    """`kind.name` means `{ref: kind.name}`."""
    return {"ref": value} if isinstance(value, str) else value


class NodeFile(Form):
    """The keys that every kind has. Unknown keys are kept for the loader, which checks them."""

    model_config = ConfigDict(extra="allow")
    reads_params: ClassVar[bool] = False

    kind: str
    name: str
    description: str | None = None
    owner: str | None = None
    tags: list[str] = Field(default_factory=list)
    inputs: list[Annotated[InputFile, BeforeValidator(as_input)]] = Field(default_factory=list)
    params: dict[str, Any] = Field(default_factory=dict)
    columns: Any = None
    tests: list[Test] = Field(default_factory=list)
    audits: list[Test] = Field(default_factory=list)
    examples: Any = None
    materialization: Any = None
    materializations: Any = None

    @field_validator("examples")
    @classmethod
    def _have_rows(cls, given: Any) -> Any:
        """Refuse examples, but in the kinds that override this."""
        if given:
            kinds = "transforms, feature groups and aggregations have them"
            raise ValueError(f"an example gives rows to the SQL of a node: {kinds}")
        return given

    @field_validator("inputs")
    @classmethod
    def _have_no_history(cls, given: list[InputFile]) -> list[InputFile]:
        """Refuse `history`, but in the kinds that override this."""
        if any(entry.history for entry in given):
            kinds = "transforms, feature groups and aggregations have them"
            raise ValueError(f"`history: frozen` is of a node with `partition:`; {kinds}")
        return given

    @field_validator("name")
    @classmethod
    def _identifier(cls, name: str) -> str:
        if not IDENTIFIER.fullmatch(name):
            raise ValueError("a name is made of letters, digits and _, and begins with no digit")
        return name

    @field_validator("tags", mode="before")
    @classmethod
    def _tags(cls, tags: object) -> object:
        return listed(tags or [])


# Keys of older projects that are ignored.
CARRIED_KEYS = frozenset(
    {"version", "freshness", "materialization", "materializations", "config", "meta", "output"}
)


def tests_of(file: NodeFile, lines: Mapping[str, int]) -> tuple[Check, ...]:
    """The checks that `tests` and `audits` (its older name) ask for."""
    return tuple(
        compile_test(test, lines.get(f"{key}.{number}", 1))
        for key in ("tests", "audits")
        for number, test in enumerate(getattr(file, key))
    )
