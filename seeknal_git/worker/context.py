"""The argument of a node's function: its inputs, its parameters and DuckDB."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from seeknal_git.worker.engine import connect
from seeknal_git.worker.features import Group, Spine, Unknown, at_spine, chosen, latest, together
from seeknal_git.worker.tables import Unfit, first_form, frame_of, relation_of


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
            self._connection = connect(f"{self._request['out']}.spill", self._request["memory"])
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

        form: "pandas", "polars", "arrow" or "relation". Raises Unfit if its library is not here.
        """
        form = form or first_form()
        if form is None:
            raise Unfit(
                "an input is read as a frame of pandas, Polars or Arrow, and none of them is"
                " installed: name pandas among the file's dependencies, or read a DuckDB relation:"
                f" ctx.relation({node!r})"
            )
        frame = frame_of(self.relation(node), form)
        is_pandas = type(frame).__module__.startswith("pandas")
        return (
            self._with_joins(node, frame)
            if node in self._request["groups"] and is_pandas
            else frame
        )

    def features(
        self,
        entity: str,
        features: Sequence[str],
        as_of: Any = None,
        *,
        spine: Any = None,
        date_col: str | None = None,
        keep_cols: Sequence[str] | None = None,
    ) -> Any:
        """Features of groups of an entity, as `group__feature`.

        features: "group.feature", or "group" for all of them; spine: a table with the join keys and
        a date, whose rows get the latest features up to their date; keep_cols: its columns
        beside these, all unless given; as_of: the time up to which the latest features of each key
        are wanted. Without both, all rows of the groups, by key and time.
        """
        by_group: dict[str, list[str]] = {}
        for word in features:
            name, _, feature = word.removeprefix("feature_group.").partition(".")
            by_group.setdefault(f"feature_group.{name}", []).append(feature)
        wanted = []
        for node, names in by_group.items():
            group = self._group(node)
            if group.entity.lower() != entity.lower():
                raise Unknown(f"{node} is of the entity {group.entity}, not {entity}")
            found = chosen(group, names)
            wanted.append((group, {name: f"{group.name}__{name}" for name in found}))
        if not wanted:
            raise Unknown("ctx.features needs a feature, such as orders.total")
        if spine is None:
            return together(self.duckdb, wanted, as_of)
        return self._at(Spine(spine, date_col, keep_cols), wanted)

    def _at(self, spine: Spine, wanted: Sequence[tuple[Group, Mapping[str, str]]]) -> Any:
        return at_spine(self.duckdb, spine, wanted, f"{self._request['out']}.spine")

    def _group(self, node: str) -> Group:
        relation = self.relation(node)
        return Group.of(node, relation, self._request["groups"].get(node, {"event_time": ""}))

    def _with_joins(self, node: str, frame: Any) -> Any:
        """A frame of a feature group, with the methods that Seeknal gives it."""

        def pit_join(spine: Any, date_col: str, keep_cols: Sequence[str] | None = None) -> Any:
            group = self._group(node)
            there = {str(name).lower() for name in spine.columns}
            names = [name for name in group.relation.columns if name not in group.keys]
            wanted = {name: name for name in names if name.lower() not in there}
            return self._at(Spine(spine, date_col, keep_cols), [(group, wanted)])

        def as_of(until: Any) -> Any:
            return frame_of(latest(self.duckdb, self._group(node), until), "pandas")

        for name, method in {"pit_join": pit_join, "as_of": as_of, "to_df": frame.copy}.items():
            object.__setattr__(frame, name, method)
        return frame

    def frames(self, number: int) -> list[Any]:
        """The first inputs as frames."""
        return [self.ref(name) for name, _ in self._request["reads"][:number]]

    def close(self) -> None:
        """Files written for Seeknal call it. The process ends anyway."""

    def __getattr__(self, name: str) -> NoReturn:
        known = (
            "ref, relation, features, duckdb, params, get_param, node_id, project_path, target_dir"
        )
        raise AttributeError(f"ctx has no {name} here. It has {known}.")
