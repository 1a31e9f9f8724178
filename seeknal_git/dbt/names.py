"""The id that each model, seed and source of dbt has as a node."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from seeknal_git.dbt.jinja import Call
from seeknal_git.dbt.sql import NotPlain


@dataclass(frozen=True, slots=True)
class Names:
    """Names of dbt → ids of nodes."""

    project: str
    # By the name that `ref('name')` gives a model or a seed.
    models: dict[str, str] = field(default_factory=dict)
    sources: dict[tuple[str, str], str] = field(default_factory=dict)
    # The macros of the project. One may have the name of a function of dbt.
    macros: frozenset[str] = frozenset()

    def need_own(self, call: Call) -> None:
        """Raise NotPlain if the project has a macro in place of a function of dbt."""
        if call.name in self.macros:
            raise NotPlain(f"The project has a macro `{call.name}` in place of the one of dbt.")

    def node(self, call: Call) -> str:
        """The id of the node that `ref(…)` or `source(…)` means. Raises NotPlain."""
        self.need_own(call)
        given = [str(argument) for argument in call.arguments]
        if call.options:
            words = " and ".join(call.options)
            raise NotPlain(f"`{call.name}` with {words} is not taken.", "Models have no versions.")
        if call.name == "source" and len(given) == 2:
            if (given[0], given[1]) in self.sources:
                return self.sources[given[0], given[1]]
            raise NotPlain(f"There is no table {given[1]} in a source {given[0]}.")
        if call.name != "ref" or len(given) not in (1, 2):
            raise NotPlain(f"`{call.name}` has other arguments than dbt gives it.")
        if given[:-1] not in ([], [self.project]):
            raise NotPlain(f"`ref` names the package {given[0]}.", "There are no packages.")
        if given[-1] not in self.models:
            raise NotPlain(f"There is no model or seed {given[-1]}.")
        return self.models[given[-1]]


def source_names(
    tables: Iterable[tuple[str, str]], taken: Iterable[str]
) -> dict[tuple[str, str], str]:
    """The ids of tables of sources: their own name, if nothing else has it, else with the source's
    name before it. taken: names of models and seeds."""
    tables = list(tables)
    uses = Counter(table.lower() for _, table in tables) + Counter(set(map(str.lower, taken)))
    return {
        (source, table): f"source.{table if uses[table.lower()] == 1 else f'{source}_{table}'}"
        for source, table in tables
    }
