"""The form of an example in a node's file."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from seeknal_git.nodes.examples import CTE, FILES, csv_rows, results_in, time_of
from seeknal_git.nodes.form import Form, Number, Whole

_ROWS = "a list of rows, a text of CSV, {sql: SELECT …} or {file: PATH}"
_OPTIONS = ("rows", "only", "order", "count", "tolerance")


def _as_rows(given: Any) -> Any:
    """Rows as a file has them. Raises ValueError for another form."""
    if isinstance(given, str):
        csv_rows(given)
        return given
    if isinstance(given, list):
        for number, row in enumerate(given, 1):
            if not isinstance(row, dict) or not all(isinstance(key, str) for key in row):
                raise ValueError(f"row {number} is a mapping, as in {{id: 1, amount: 2.50}}")
        return given
    if isinstance(given, dict) and len(given) == 1 and {"sql", "file"} & given.keys():
        ((key, value),) = given.items()
        if not isinstance(value, str) or not value.strip():
            raise ValueError(f"`{key}` is a text")
        if key == "file" and not value.lower().endswith(FILES):
            raise ValueError(f"a file of rows ends in {', '.join(FILES)}: not {value!r}")
        return given
    raise ValueError(f"rows are {_ROWS}")


class _Result(Form):
    """The rows that are expected of the node, or of one of its CTEs."""

    model_config = ConfigDict(extra="forbid")

    rows: Annotated[Any, BeforeValidator(_as_rows)] = None
    only: list[str] = Field(default_factory=list)
    order: Literal["any", "strict"] = "any"
    count: Whole | None = None
    tolerance: Number | None = None

    @field_validator("only", mode="before")
    @classmethod
    def _listed(cls, given: Any) -> Any:
        return [given] if isinstance(given, str) else given

    @field_validator("tolerance")
    @classmethod
    def _not_negative(cls, given: float | None) -> float | None:
        if given is not None and not given >= 0:
            raise ValueError("a tolerance is a number from 0")
        return given


def _as_expected(given: Any) -> Any:
    """The rows that an example expects, as a file has them. Raises ValueError for another form."""
    results = dict(results_in(given))
    if not results:
        raise ValueError(f"it expects {_ROWS}, or {{count: N}}")
    for cte, value in results.items():
        within = f"{CTE}{cte}" if cte else ""
        found = _checked(value, within)
        if found.rows is None and found.count is None:
            raise ValueError("it expects `rows`, or a `count` of them")
    return given


def _checked(value: Mapping[str, Any], within: str) -> _Result:
    """The options of rows. within: the key that holds them. Raises ValueError."""
    try:
        return _Result.model_validate(value)
    except ValidationError as exc:
        error = exc.errors()[0]
        key = ".".join(filter(None, (within, *map(str, error["loc"]))))
        if error["type"] == "extra_forbidden":
            near = difflib.get_close_matches(str(error["loc"][-1]), _OPTIONS, 1, 0.7)
            way = f"did you mean `{near[0]}`?" if near else f"the keys are {', '.join(_OPTIONS)}"
            raise ValueError(f"there is no key `{key}`: {way}") from exc
        message = error["msg"].removeprefix("Value error, ")
        raise ValueError(f"`{key}`: {message[0].lower()}{message[1:]}") from exc


class ExampleFile(Form):
    """An entry of `examples`."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1)
    description: str | None = None
    given: dict[str, Annotated[Any, BeforeValidator(_as_rows)]] = Field(default_factory=dict)
    expect: Annotated[Any, BeforeValidator(_as_expected)]
    now: str | None = None
    params: dict[str, Any] = Field(default_factory=dict)
    partition: Any = None

    @field_validator("now")
    @classmethod
    def _is_a_time(cls, given: str | None) -> str | None:
        if given is not None:
            _ = time_of(given)
        return given

    @field_validator("params")
    @classmethod
    def _texts(cls, given: dict[str, Any]) -> dict[str, Any]:
        if wrong := [name for name, value in given.items() if not isinstance(value, str)]:
            raise ValueError(f"the value of `{wrong[0]}` is a text or a number")
        return given
