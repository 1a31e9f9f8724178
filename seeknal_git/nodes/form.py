"""The base of all models of files: keys may be empty, and numbers are read as people write them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_origin

from pydantic import BaseModel, BeforeValidator, model_validator
from pydantic.fields import FieldInfo

from seeknal_git.nodes.scalars import is_nothing, number, whole


def _as_number(value: object) -> object:
    return number(value) if isinstance(value, str) else value


def _as_whole(value: object) -> object:
    return whole(value) if isinstance(value, str) else value


Whole = Annotated[int, BeforeValidator(_as_whole)]
Number = Annotated[float, BeforeValidator(_as_number)]


class Form(BaseModel):
    """A mapping of a file. A key without a value counts as missing, if the model allows that."""

    @model_validator(mode="before")
    @classmethod
    def _without_nothing(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        fields = {field.alias or name: field for name, field in cls.model_fields.items()}
        return {
            key: value
            for key, value in given.items()
            if key not in fields or not _left_out(value, fields[key])
        }


def _left_out(value: object, field: FieldInfo) -> bool:
    """Whether a value counts as missing. A word such as `null` is a text for keys of texts."""
    if not is_nothing(value) or field.is_required():
        return False
    return value is None or not (field.annotation is str or get_origin(field.annotation) is Literal)
