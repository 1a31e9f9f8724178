"""An environment: the views of one branch, tag or commit, in a schema of their own."""

from __future__ import annotations

from dataclasses import dataclass

from seeknal_git.names import schema_of


@dataclass(frozen=True, slots=True)
class Environment:
    """An environment, by the names of its branch and of the production branch."""

    # A branch, a tag, or the first digits of a commit.
    name: str
    production: str

    @property
    def schema(self) -> str:
        """The schema of its views."""
        return schema_of(self.name)

    @property
    def production_schema(self) -> str:
        """The schema of production's views, whose tables it uses again."""
        return schema_of(self.production)

    @property
    def is_production(self) -> bool:
        return self.name == self.production
