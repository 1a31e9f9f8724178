"""The key `partition:` of a node whose rows are kept in pieces, one for each interval of a column
or each bucket of a key, and `reads:`, how far around an interval it reads its inputs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, field_validator, model_validator

from seeknal_git.names import folded
from seeknal_git.nodes.checks import Columns
from seeknal_git.nodes.column_types import TableFile
from seeknal_git.nodes.form import Form, Whole
from seeknal_git.nodes.node_file import InputFile, Mistake, NodeFile
from seeknal_git.sql.partitioning import Partitioning, hours_in

MOST_BUCKETS = 4096
_COMMIT = re.compile(r"[0-9a-f]{7,64}")


def _date(given: object) -> object:
    try:
        return given if given is None else date.fromisoformat(str(given).strip())
    except ValueError as exc:
        raise ValueError(f"a date such as 2024-01-01, not {str(given)!r}") from exc


class PartitionForm(Form):
    """The key `partition`."""

    model_config = ConfigDict(extra="forbid")
    by: Columns
    every: Literal["hour", "day", "week", "month", "year"] | None = None
    begin: Annotated[date | None, BeforeValidator(_date)] = None
    buckets: Annotated[Whole, Field(ge=2, le=MOST_BUCKETS)] | None = None
    outside: Literal["error", "keep", "drop"] = "error"

    @model_validator(mode="before")
    @classmethod
    def _has_keys(cls, given: object) -> object:
        return _mapping(given, "{by: ordered_at, every: day, begin: 2024-01-01}")

    @model_validator(mode="after")
    def _one_of_both(self) -> PartitionForm:
        if len({*map(folded, self.by)}) < len(self.by):
            raise Mistake("a column is named twice", "partition.by")
        if (self.every is None) == (self.buckets is None):
            either = "`every: day` with `begin: 2024-01-01`, or `buckets: 64`"
            raise Mistake(f"a partition is an interval or a bucket: {either}", "partition")
        if self.every is None:
            if self.begin is not None:
                raise Mistake("buckets have no `begin`", "partition.begin", "partition")
            return self
        if len(self.by) > 1:
            raise Mistake("intervals are of one column", "partition.by", "partition")
        if self.begin is None:
            raise Mistake("intervals have a first day: `begin: 2024-01-01`", "partition")
        return self

    @property
    def plain(self) -> dict[str, Any]:
        """All of it, as `Node.partition` holds it."""
        begin = self.begin.isoformat() if self.begin else None
        return {
            "by": list(self.by),
            "every": self.every,
            "begin": begin,
            "buckets": self.buckets,
            "outside": self.outside,
        }


def _mapping(given: object, such: str) -> object:
    if isinstance(given, str | list):
        raise ValueError(f"a mapping such as `{such}`, not {given!r}")
    return given


def _hours(given: object) -> int:
    text = str(given).strip()
    hours = 0 if text == "0" else hours_in(text)
    if hours is None:
        raise ValueError(f"a length such as 6d, 12h or 2w, not {str(given)!r}")
    return hours


_Length = Annotated[int, BeforeValidator(_hours)]


class ReadsForm(Form):
    """An entry of `reads`: the time around an interval that decides its rows, in hours."""

    model_config = ConfigDict(extra="forbid")
    before: _Length = 0
    after: _Length = 0

    @model_validator(mode="before")
    @classmethod
    def _has_keys(cls, given: object) -> object:
        return _mapping(given, "{before: 6d}")


class PartitionedFile(TableFile):
    """A file of a node that may be kept in pieces."""

    partition: PartitionForm | None = None
    reads: dict[str, ReadsForm] = Field(default_factory=dict)
    # The first day of this code; partitions before it have the code of the commit `before`.
    effective_from: Annotated[date | None, BeforeValidator(_date)] = None
    before: str | None = None

    @field_validator("before")
    @classmethod
    def _is_a_commit(cls, given: str | None) -> str | None:
        if given and not _COMMIT.fullmatch(given.strip()):
            way = f"and no name that moves: git rev-parse {given}"
            raise ValueError(f"a commit, by its id such as 3f2a91c, {way}")
        return (given or "").strip() or None

    @model_validator(mode="after")
    def _has_code_of_both_times(self) -> PartitionedFile:
        if self.effective_from is None and self.before is None:
            return self
        if self.effective_from is None:
            raise Mistake(
                "`before` needs the first day of the new code: `effective_from`", "before"
            )
        if self.before is None:
            message = (
                "`effective_from` needs the commit whose code stays before it: `before: 3f2a91c`"
            )
            raise Mistake(message, "effective_from")
        if self.partition is None or self.partition.every is None:
            raise Mistake(
                "`effective_from` is of a node with `partition: {every: …}`", "effective_from"
            )
        if self.kind == "source":
            raise Mistake("a source has no code that could change", "effective_from")
        first = datetime.combine(self.effective_from, time())
        partitioning = Partitioning.of(self.partition.plain)
        begin = partitioning.start(partitioning.interval(first))
        if begin != first:
            message = f"no {self.partition.every} begins on {self.effective_from}"
            raise Mistake(f"{message}: the one around it does on {begin.date()}", "effective_from")
        if self.partition.begin and self.effective_from <= self.partition.begin:
            message = f"no partition is before {self.effective_from}: `begin` is"
            raise Mistake(f"{message} {self.partition.begin}", "effective_from")
        return self

    @field_validator("inputs")
    @classmethod
    def _have_no_history(cls, given: list[InputFile]) -> list[InputFile]:
        """These kinds may have partitions, and then a history."""
        return given

    @property
    def frozen(self) -> list[str]:
        """The inputs whose new data changes no partition that is there."""
        return sorted({entry.ref for entry in self.inputs if entry.history})

    @model_validator(mode="after")
    def _freezes_partitions(self) -> PartitionedFile:
        for number, entry in enumerate(self.inputs):
            key = f"inputs.{number}"
            if entry.history and self.partition is None:
                message = "`history: frozen` keeps the partitions of a node: give it `partition:`"
                raise Mistake(message, key, "inputs")
            if entry.history and entry.ref in self.reads:
                message = f"`reads` says that {entry.ref} is read partition by partition, so"
                raise Mistake(f"{message} nothing of it is frozen", key, "inputs")
        return self

    @model_validator(mode="after")
    def _reads_its_inputs(self) -> PartitionedFile:
        if not self.reads:
            return self
        if self.partition is None or self.partition.every is None:
            raise Mistake("`reads` is of a node with `partition: {every: …}`", "reads")
        known = [entry.ref for entry in self.inputs]
        for name in self.reads:
            if name not in known:
                there = f"its `inputs` are {', '.join(known)}" if known else "it has no `inputs`"
                raise Mistake(f"`{name}` is no input: {there}", f"reads.{name}", "reads")
        return self


def partition_of(file: NodeFile) -> dict[str, Any]:
    """The partition of a file, as `Node.partition` holds it; empty without one."""
    if not isinstance(file, PartitionedFile) or file.partition is None:
        return {}
    frozen = {"frozen": file.frozen} if file.frozen else {}
    return {**file.partition.plain, **frozen}


def earlier_of(file: NodeFile) -> dict[str, Any]:
    """The first day of the code of a file, and the commit whose code stays before, as
    `Node.earlier` holds it; empty without one."""
    if not isinstance(file, PartitionedFile) or file.effective_from is None:
        return {}
    return {"from": file.effective_from.isoformat(), "commit": file.before}


def deciding(file: NodeFile) -> Mapping[str, Any]:
    """The part of it that decides rows, for the definition of the node: without `reads`, a proof
    says that pieces together are the whole table."""
    if not isinstance(file, PartitionedFile) or file.partition is None:
        return {}
    found: dict[str, Any] = {}
    if file.reads:
        reads = {name: [entry.before, entry.after] for name, entry in sorted(file.reads.items())}
        found["reads"] = reads
    if file.frozen:
        found["frozen"] = file.frozen
    if file.reads or file.partition.outside == "drop":
        found["partition"] = file.partition.plain
    return found
