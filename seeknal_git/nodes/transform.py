"""A transform: one SELECT over its inputs."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from seeknal_git.nodes.column_types import TableFile
from seeknal_git.nodes.node_file import Compiled


class File(TableFile):
    transform: str = Field(min_length=1)


def compile_file(file: File, lines: Mapping[str, int]) -> Compiled:
    return Compiled(sql=file.transform, sql_key="transform", promises=dict(file.types))
