"""Whether a statement that is called local is: its result, by partition, is that of each partition
alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from threading import Timer
from typing import Any

import duckdb

from seeknal_git.sql.engine import SqlError, bound_columns, parsed
from seeknal_git.sql.locality import Locality, locality
from tests.oracle.locality.world import TIMES, World

# The seconds that a statement may take: a join of joins may have too many rows.
PATIENCE = 2.0

Rows = dict[str, Counter[Any]]


@dataclass(frozen=True)
class Outcome:
    verdict: Locality | None
    by: tuple[str, ...] = ()
    complaint: str = ""
    error: str = ""


def bys(world: World, columns: tuple[tuple[str, str], ...]) -> list[tuple[str, ...]]:
    """The columns that the result may be partitioned by."""
    if world.every == "bucket":
        width = len(world.tables["t"].key)
        names = [name for name, _ in columns]
        return (
            [(name,) for name in names]
            if width == 1
            else [(one, other) for one in names for other in names if one != other]
        )
    return [(name,) for name, type_ in columns if type_ in TIMES]


def check(world: World, sql: str) -> list[Outcome]:
    """One outcome for each way to partition the result; none if the engine refuses the statement."""
    try:
        tree, references = parsed(sql)
        known = {name: table.columns for name, table in world.tables.items()}
        columns = bound_columns(sql, references, known)
    except SqlError as exc:
        return [Outcome(None, error=exc.message)]
    inputs = [world.tables[reference.target].input for reference in references]
    names = [name for name, _ in columns]
    found = []
    for by in bys(world, columns):
        verdict = locality(tree, inputs, names, by, world.every)
        if not verdict.is_local:
            found.append(Outcome(verdict, by))
            continue
        types = dict(columns)
        part = world.part(tuple(f'q."{name}"' for name in by), tuple(types[name] for name in by))
        is_stated = any(world.tables[reference.target].stated for reference in references)
        try:
            complaint = _complaint(world, f"SELECT {part}, q::VARCHAR FROM ({sql}) AS q", is_stated)
        except duckdb.Error as exc:
            found.append(Outcome(verdict, by, error=str(exc)))
            continue
        found.append(Outcome(verdict, by, complaint))
    return found


def _complaint(world: World, sql: str, is_stated: bool) -> str:
    whole = _rows(world, "whole", sql)
    if not is_stated and (more := set(whole) - set(world.parts)):
        return f"rows of {sorted(map(str, more))}, which no input has"
    for number, part in enumerate(world.parts):
        alone, wanted = (
            _rows(world, f"p{number}", sql).get(part, Counter()),
            whole.get(part, Counter()),
        )
        if alone != wanted:
            return f"{part} alone has {alone - wanted} more and {wanted - alone} less"
    return ""


def _rows(world: World, schema: str, sql: str) -> Rows:
    """The rows of a result by their partition. Raises duckdb.Error, also if it takes too long."""
    world.engine.execute(f"SET schema = '{schema}'")
    found: Rows = {}
    timer = Timer(PATIENCE, world.engine.interrupt)
    timer.start()
    try:
        rows = world.engine.execute(sql).fetchall()
    finally:
        timer.cancel()
        timer.join()
    for part, row in rows:
        found.setdefault(part, Counter())[row] += 1
    return found
