"""The argument of a node's function: its inputs, its parameters and DuckDB."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from seeknal_git.worker.tables import frame_of, relation_of

# Parts of Seeknal's context that are not here, and why.
_NOT_HERE = {
    "state": "A node has no state of its own: its table is made of its code and its inputs alone.",
    "features": "ctx.features is not supported yet: join feature groups by ASOF in a transform.",
    "entity": "ctx.entity is not supported yet: read the feature group with ctx.ref.",
    "llm": "ctx.llm is not supported: call the service itself, in a node with volatile=True.",
}


class Context:
    """The argument `ctx` of a function."""

    def __init__(self, request: Mapping[str, Any], ask: Callable[[int], Any]) -> None:
        self._request, self._ask = request, ask
        self._connection: Any = None
        self._relations: dict[str, Any] = {}
        self.params: dict[str, Any] = dict(request["params"])
        self.node_id: str = request["node"]
        self.node_kind: str = request["node"].partition(".")[0]
        self.project_path = Path(request["project"])
        self.config: dict[str, Any] = {}

    @property
    def target_dir(self) -> Path:
        """The folder for files that are nobody's input."""
        folder = self.project_path / "target"
        folder.mkdir(exist_ok=True)
        return folder

    @property
    def duckdb(self) -> Any:
        """A connection to an empty database in memory. SQL finds frames by their variables."""
        if self._connection is None:
            import duckdb

            self._connection = duckdb.connect(":memory:")
        return self._connection

    def get_param(self, key: str, default: Any = None) -> Any:
        """A parameter of the node."""
        return self.params.get(key, default)

    def relation(self, node: str) -> Any:
        """An input as a DuckDB relation, which reads only the columns and rows that are used."""
        if node not in self._relations:
            names = [name for name, _ in self._request["reads"]]
            if node not in names:
                known = ", ".join(names) or "none"
                message = f"{node} is not an input of {self.node_id}: it declares {known}."
                raise LookupError(f"{message} Name it in `inputs`.")
            answer = self._ask(names.index(node))
            self._relations[node] = relation_of(self.duckdb, answer["path"], answer["types"])
        return self._relations[node]

    def ref(self, node: str, form: str | None = None) -> Any:
        """An input as a frame: of pandas if it is here, else of polars, else of Arrow.

        form: "pandas", "polars", "arrow" or "relation".
        """
        return frame_of(self.relation(node), form)

    def frames(self, number: int) -> list[Any]:
        """The first inputs as frames."""
        return [self.ref(name) for name, _ in self._request["reads"][:number]]

    def close(self) -> None:
        """Files written for Seeknal call it. The process ends anyway."""

    def __getattr__(self, name: str) -> NoReturn:
        known = "ref, relation, duckdb, params, get_param, node_id, project_path, target_dir"
        raise AttributeError(_NOT_HERE.get(name) or f"ctx has no {name}. It has {known}.")
