"""Types that a file declares for columns: a source is read with them, and any other node has to
return them."""

from __future__ import annotations

from pydantic import ConfigDict, Field, field_validator, model_validator

from seeknal_git.nodes.example_file import ExampleFile
from seeknal_git.nodes.form import Form
from seeknal_git.nodes.node_file import Mistake, NodeFile
from seeknal_git.sql.type_words import is_type


class ColumnType(Form):
    """An entry of `schema`."""

    model_config = ConfigDict(extra="allow")
    name: str
    data_type: str = Field(alias="data_type")

    @field_validator("data_type")
    @classmethod
    def _known(cls, given: str) -> str:
        return known_type(given)


def known_type(given: str, *keys: str) -> str:
    """The word of a type, in capitals. Raises Mistake for anything else."""
    if not is_type(given):
        types = "INTEGER, DECIMAL(10, 2), VARCHAR[] or TIMESTAMP"
        raise Mistake(f"{given!r} is not a column type, such as {types}", *keys)
    return given.strip().upper()


class TableFile(NodeFile):
    """A file of a node that yields a table, and may declare its columns."""

    schema_: list[ColumnType] = Field(default_factory=list, alias="schema")
    examples: list[ExampleFile] = Field(default_factory=list)

    @field_validator("examples")
    @classmethod
    def _have_rows(cls, given: list[ExampleFile]) -> list[ExampleFile]:
        names = [example.name for example in given]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"two examples are called {twice!r}")
        return given

    @model_validator(mode="after")
    def _types_are_types(self) -> TableFile:
        _ = self.types  # raises for a type that does not exist
        return self

    @property
    def types(self) -> dict[str, str]:
        """The declared type of each column, from `schema`, and from entries of `columns` with a
        `dtype`."""
        declared = {column.name: column.data_type for column in self.schema_}
        for name, value in self.columns.items() if isinstance(self.columns, dict) else ():
            if isinstance(value, dict) and (word := value.get("dtype") or value.get("data_type")):
                declared[name] = known_type(str(word), f"columns.{name}")
        return declared
