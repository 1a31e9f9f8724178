"""Deliver the tables of exposures to other databases, and files to buckets, after a publication.

A target that cannot be written fails its exposure alone. The state says of no delivery that it is
there until the target has it, so the next run delivers it.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seeknal_git.build.deliver import HandedOver
from seeknal_git.errors import Problem, ProjectError, SeeknalError
from seeknal_git.names import quote
from seeknal_git.nodes.node import Node
from seeknal_git.nodes.outside import BUCKET
from seeknal_git.project.connections import read_profiles
from seeknal_git.sql.engine import SqlError
from seeknal_git.sql.type_words import CARRIED_AS
from seeknal_git.warehouse.model.deliveries import Delivery
from seeknal_git.warehouse.model.environments import Published

if TYPE_CHECKING:
    from seeknal_git.build.deliver import Dock
    from seeknal_git.build.work import Work
    from seeknal_git.environments.environment import Environment
    from seeknal_git.project.raw_data import DataRoot
    from seeknal_git.sql.addresses import Address

_PARQUET: Mapping[str, Any] = {"format": "parquet", "compression": None, "partition_by": []}


def deliver_elsewhere(
    dock: Dock, work: Work, shows: Mapping[str, Published]
) -> dict[str, HandedOver]:
    """Exposure → how its delivery ended, of those that are due elsewhere."""
    found = {}
    for identifier in work.deliveries:
        node = work.graph.node(identifier)
        table = shows.get(work.graph.inputs[identifier][0])
        if table is not None and node.target is not None:
            found[identifier] = HandedOver(_fault(dock, work, node, node.target, table))
    return found


def _fault(
    dock: Dock, work: Work, node: Node, target: Mapping[str, Any], table: Published
) -> str | None:
    """Deliver a table; returns why that is not possible, or None."""
    from seeknal_git.sql.outside import Unreached

    schema, deliveries = work.environment.schema, dock.warehouse.deliveries
    wanted, place = work.inventory.wanted(node.id), Path(str(node.definition["path"]))
    delivery = Delivery(node.id, wanted, place, table.table, node.definition, wanted)
    at = dock.folder / f"{uuid.uuid4().hex[:16]}.parquet"
    try:
        deliveries.write(_rows(work, node, table.relation), _PARQUET, at)
        _write(work, node, target, wanted, at)
    except Unreached as exc:
        hint = f" {exc.hint.rstrip('.')}." if exc.hint else ""
        return f"{exc.message.rstrip('.')}.{hint} ({node.path}:{node.line('params')})"
    except ProjectError as exc:
        told = exc.problems[0]
        return " ".join(f"{told.message} {told.hint} ({told.place})".split())
    except (SqlError, SeeknalError) as exc:
        return f"{exc.message} ({node.path}:{node.line('params')})"
    finally:
        at.unlink(missing_ok=True)
    deliveries.record(schema, delivery)
    return None


def _rows(work: Work, node: Node, relation: str) -> str:
    """The rows to deliver, as SQL names them, each type as a file can hold it."""
    columns = work.graph.columns[work.graph.inputs[node.id][0]] or ()
    casts = [
        f"CAST({quote(name)} AS {CARRIED_AS[word]}) AS {quote(name)}"
        for name, word in columns
        if word in CARRIED_AS
    ]
    return f"(SELECT * REPLACE ({', '.join(casts)}) FROM {relation})" if casts else relation


def _write(work: Work, node: Node, target: Mapping[str, Any], wanted: str, rows: Path) -> None:
    """Raises Unreached and ProjectError."""
    from seeknal_git.sql.targets import Order, write_object, write_table

    address = address_of(work.root, work.environment, target, _place(node))
    if target["system"] == BUCKET:
        url = str(target["object"])
        if not work.environment.is_production:
            bucket, _, key = url.removeprefix("s3://").partition("/")
            url = f"s3://{bucket}/{work.environment.schema}/{key}"
        write_object(address, rows, url, target["format"])
        return
    order = Order(
        node.id,
        wanted,
        schema_for(work.environment, target, address),
        table_for(work.environment, target),
        target["mode"],
        tuple(target["columns"]),
        target["since"],
    )
    write_table(address, rows, order)


def drop_elsewhere(
    root: DataRoot, environment: Environment, deliveries: Mapping[str, Delivery], folder: Path
) -> list[str]:
    """Drop the tables that a branch has elsewhere. Returns a sentence for all that stays."""
    from seeknal_git.sql.outside import Unreached
    from seeknal_git.sql.targets import drop_tables

    stays = []
    for node, delivery in deliveries.items():
        target = delivery.target
        if not target or not delivery.snapshot:
            continue
        if target["system"] == BUCKET:
            stays.append(f"The file that {node} delivered stays in its bucket.")
            continue
        try:
            address = address_of(root, environment, target, Problem("", node=node))
            schema = schema_for(environment, target, address)
            if target["system"] == "sqlite":
                stays.append(f"The table {table_for(environment, target)} of {node} stays.")
            elif left := drop_tables(address, folder, schema):
                stays.append(f"The schema {schema} of {address.name} stays: it has {left[0]}.")
        except Unreached as exc:
            stays.append(f"The table of {node} stays: {exc.message}.")
        except ProjectError as exc:
            stays.append(f"The table of {node} stays: {exc.problems[0].message}")
        except SeeknalError as exc:
            stays.append(f"The table of {node} stays: {exc.message}")
    return stays


def schema_for(environment: Environment, target: Mapping[str, Any], address: Address) -> str:
    """The schema in the target. A branch has one of its own; SQLite has none, so a branch's tables
    have its name there."""
    schema = target["schema"] or address.schema
    if environment.is_production or target["system"] == "sqlite":
        return str(schema)
    return f"{environment.schema}_{schema}"


def table_for(environment: Environment, target: Mapping[str, Any]) -> str:
    """The table in the target."""
    if environment.is_production or target["system"] != "sqlite":
        return str(target["table"])
    return f"{environment.schema}_{target['table']}"


def address_of(
    root: DataRoot, environment: Environment, target: Mapping[str, Any], asks: Problem
) -> Address:
    """Where a target is. asks: a problem without words at its place. Raises ProjectError."""
    system = str(target["system"])
    profiles = read_profiles(root.places.profiles, environment.name, root.places.tracked)
    name = str(target["connection"]) or profiles.default(system)
    if not name:
        hint = f"Add `connection: NAME`, or a default for {system} to `source_defaults`."
        raise ProjectError([replace(asks, message="It names no connection.", hint=hint)])
    address, line = profiles.connection(name, asks)
    if address.system != system:
        message = f"It is of {system}, and the connection {name} is of {address.system}."
        hint = f"Name another connection: {profiles.path}:{line}."
        raise ProjectError([replace(asks, message=message, hint=hint)])
    return address


def _place(node: Node) -> Problem:
    keys = ("params.connection", "params")
    line = next((node.lines[key] for key in keys if key in node.lines), 1)
    return Problem("", node.path, line, node=node.id)
