"""Where something is published."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """The environment to reconcile, and the production schema that it re-uses from."""

    branch: str
    schema: str
    production: str

    @property
    def is_production(self) -> bool:
        return self.schema == self.production
