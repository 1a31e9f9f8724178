"""Exposures of dbt as exposures."""

from __future__ import annotations

from seeknal_git.dbt.drafts import Draft
from seeknal_git.dbt.jinja import call
from seeknal_git.dbt.properties import Entry
from seeknal_git.dbt.reading import Reading, disabled, plain
from seeknal_git.dbt.settings import Configured, merged
from seeknal_git.dbt.sql import NotPlain
from seeknal_git.dbt.yaml_lines import Entries
from seeknal_git.errors import Problem
from seeknal_git.names import IDENTIFIER
from seeknal_git.nodes.exposure import USES

_FOR_PEOPLE = ("label", "maturity")


def exposures(reading: Reading) -> None:
    """Add the exposures of a project."""
    for entry in reading.properties.exposures:
        general = reading.configured("exposures", entry.folders, entry.name)
        config = merged(general, entry.configured)
        if problems := [*disabled(config, entry.name, entry.path)]:
            reading.left += problems
            continue
        try:
            reading.drafts.append(_exposure(entry, config, reading))
        except NotPlain as exc:
            message = f"The exposure {entry.name} is not taken: {exc}"
            reading.left.append(
                Problem(message, entry.path, entry.line, exc.hint, f"exposure.{entry.name}")
            )


def _exposure(entry: Entry, config: Configured, reading: Reading) -> Draft:
    """The node of an exposure. Raises NotPlain."""
    kind = str(entry.data.get("type"))
    if kind not in USES:
        raise NotPlain(f"there is no type {kind}." if "type" in entry.data else "it has no type.")
    if not IDENTIFIER.fullmatch(entry.name):
        raise NotPlain("it cannot be a node's name.")
    reads = []
    for text, _ in entry.rows("depends_on"):
        found = call(str(text))
        if found is None or found.name not in ("ref", "source"):
            raise NotPlain(f"`{text}` is no table.")
        reads.append(reading.names.node(found))
    data = reading.described(entry, config)
    owner = entry.data.get("owner")
    if isinstance(owner, Entries) and (name := owner.get("email") or owner.get("name")):
        data["owner"] = str(name)
    data["type"] = kind
    if entry.data.get("url"):
        data["url"] = str(entry.data["url"])
    more = {key: plain(entry.data[key]) for key in _FOR_PEOPLE if entry.data.get(key)}
    if more:
        data["meta"] = {**data.get("meta", {}), **more}
    data["depends_on"] = reads
    return Draft(f"exposure.{entry.name}", entry.path, entry.line, data, tuple(reads))
