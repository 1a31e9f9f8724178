"""The keys of an exposure that is a table of another database, or a file in a bucket; and the
`materialization` of older projects, which means the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from seeknal_git.names import IDENTIFIER, node_id
from seeknal_git.nodes.node import Input, Node
from seeknal_git.nodes.node_file import Mistake
from seeknal_git.nodes.outside import BUCKET, is_url
from seeknal_git.nodes.scalars import is_nothing, whole
from seeknal_git.nodes.targets import KEYS, TABLES, system_of

if TYPE_CHECKING:
    from seeknal_git.nodes.exposure import Params

TYPES = (*TABLES, BUCKET)
_MODES = {
    "replace": "replace",
    "full": "replace",
    "merge": "merge",
    "upsert_by_key": "merge",
    "partitions": "partitions",
    "incremental_by_time": "partitions",
    # Of Iceberg, in older projects
    "overwrite": "replace",
    "upsert": "merge",
    "insert_overwrite": "partitions",
}


def target_of(system: str, params: Params) -> dict[str, Any]:
    """The target of an exposure, for its definition. Raises Mistake."""
    if params.branch_target not in (None, "none", "schema"):
        message = "`schema` (one of the branch's own) or `none`"
        raise Mistake(f"`branch_target` is {message}", "params.branch_target")
    found = _object(params) if system == BUCKET else _table(system, params)
    own = params.branch_target == "schema"
    return {"system": system, "connection": params.connection or "", **found, "own": own}


def _object(params: Params) -> dict[str, Any]:
    """A file in a bucket."""
    if not is_url(params.path) or not str(params.path).startswith("s3://"):
        message = "the place of the file is a URL: `path: s3://bucket/a.csv`"
        raise Mistake(message, "params.path")
    form = "json" if params.format == "jsonl" else params.format
    return {"object": params.path, "format": form}


def _table(system: str, params: Params) -> dict[str, Any]:
    """A table of a database. In older projects, one of Iceberg has its catalog in front."""
    mode = _MODES.get(params.mode or "replace")
    if mode is None:
        raise Mistake(f"`mode` is replace, merge or partitions, not {params.mode}", "params.mode")
    columns, since = _columns(mode, params)
    schema, _, table = str(params.table or "").strip().rpartition(".")
    if system == "iceberg" and schema.count(".") == 1:
        schema = schema.partition(".")[2]
    if system == "iceberg" and not schema:
        raise Mistake(
            "a table of Iceberg has a namespace: `table: analytics.orders`", "params.table"
        )
    if not IDENTIFIER.fullmatch(table) or (schema and not IDENTIFIER.fullmatch(schema)):
        message = "a target says which table it is: `params: {table: analytics.orders}`"
        raise Mistake(message, "params.table", "params")
    return {"schema": schema, "table": table, "mode": mode, "columns": columns, "since": since}


def _columns(mode: str, params: Params) -> tuple[list[str], int | None]:
    """The columns that a mode needs, and the days from which on partitions count."""
    if mode == "replace":
        return [], None
    if mode == "partitions" and params.time_column:
        return [params.time_column], _days(params.lookback)
    named = "key" if mode == "merge" else "partition_by"
    found = (params.key or params.unique_keys) if mode == "merge" else params.partition_by
    if not found:
        raise Mistake(f"`mode: {params.mode}` needs its columns: `{named}: [id]`", "params.mode")
    return list(found), None


def _days(given: object) -> int:
    try:
        return 0 if is_nothing(given) else whole(given)
    except ValueError as exc:
        raise Mistake(f"`lookback` is a number of days: it is {exc}", "params.lookback") from exc


def label_of(target: Mapping[str, Any]) -> str:
    """The name of a target in messages and records; it is no path."""
    if target["system"] == BUCKET:
        return str(target["object"])
    schema = f"{target['schema']}." if target["schema"] else ""
    return f"{target['system']}://{target['connection']}/{schema}{target['table']}"


def materialized_to(node: Node, model: type[Params]) -> Iterator[Node]:
    """The exposures that the `materialization` of a node of an older project stands for. model: of
    the `params` of an exposure."""
    for key in KEYS:
        value = node.document.get(key)
        listed = value if isinstance(value, list) else [value]
        for number, given in enumerate(listed):
            system = system_of(given)
            if system is None or not node.yields_table:
                continue
            known = {name: given[name] for name in model.model_fields if name in given}
            lines = {"kind": node.line(key), "params": node.line(key, number)}
            target = {**target_of(system, model.model_validate(known)), "carried": True}
            name = f"{node.name}_in_{system}" + (f"_{number + 1}" if number else "")
            made = replace(
                _EXPOSURE,
                name=name,
                path=node.path,
                sql_line=lines["kind"],
                inputs=(Input(node.id, lines["kind"]),),
                definition={"path": label_of(target), "target": target},
                document={"description": f"The materialization of {node_id(node.kind, node.name)}"},
                lines=lines,
            )
            yield made


_EXPOSURE = Node(
    kind="exposure",
    name="",
    path="",
    sql="SELECT * FROM input_0",
    sql_line=1,
    inputs=(),
    aliases={},
    definition={},
    checks=(),
    document={},
)
