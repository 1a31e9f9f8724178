"""The history of a source's loads: the node `changes.NAME` that comes with `keep: changes`.

Its SELECT gives the history of one load, so references, columns and lineage follow from git alone.
How the loads of production are added up is in docs/design/kept-changes.md.
"""

from __future__ import annotations

from dataclasses import replace

from seeknal_git.names import CHANGES, VALID_FROM, VALID_TO
from seeknal_git.nodes.node import Input, Node
from seeknal_git.sql.statement import Anatomy, Part, Reading, Reference

# The keys of a source's file that are about its history too.
_OF_BOTH = ("description", "owner", "tags", "meta")
# In words, why another history may have other rows: the loads before decide them too.
_LOADS = "the history of its loads"
_INPUT = "input_0"
_SQL = (
    f"SELECT *, (now() AT TIME ZONE 'UTC')::TIMESTAMP AS {VALID_FROM}, "
    f"NULL::TIMESTAMP AS {VALID_TO} FROM {_INPUT}"
)


def history_of(source: Node) -> Node | None:
    """The node with the history of a source; None if its file does not keep changes."""
    if not source.keeps:
        return None
    line = source.line("keep")
    return Node(
        kind=CHANGES,
        name=source.name,
        path=source.path,
        sql=_SQL,
        sql_line=line,
        inputs=(Input(source.id, line),),
        aliases={},
        definition=source.keeps,
        checks=(),
        document={key: source.document[key] for key in _OF_BOTH if key in source.document},
        promises=dict.fromkeys(source.keeps["compare"]),
        lines=source.lines,
        uses=source.uses,
        secrets=source.secrets,
    )


def reading_of_history() -> Reading:
    """The table that the SELECT of a history names."""
    return Reading((Reference(len(_SQL) - len(_INPUT), len(_SQL), _INPUT),))


def with_loads_before(anatomy: Anatomy) -> Anatomy:
    """The parts of a history. The loads before decide each of them, so none is known to stay."""
    return replace(
        anatomy,
        whole=_unstable(anatomy.whole),
        rows=anatomy.rows and _unstable(anatomy.rows),
        columns=anatomy.columns
        and tuple((name, _unstable(part)) for name, part in anatomy.columns),
        unique=(),
    )


def _unstable(part: Part) -> Part:
    return replace(part, unstable=_LOADS)
