"""Commands and options of Seeknal 2.13 that are not here, each with the way that leads on."""

from __future__ import annotations

import re

_OF_ITS_OWN = "That is another product. This one has nodes, environments and their tables."
_BY_WHOLES = "Nothing is built by intervals: a run builds each node that changed as a whole."
_NO_PROFILES = "No profile is read: the warehouse is a file, and secrets are in the environment."
_NO_TARGETS = "Tables are in the warehouse, and exposures write the files that others read."

_COMMANDS = {
    "repl": "One question at a time: seeknal query 'FROM orders LIMIT 10'",
    "audit": "Every run asks all tests, and seeknal checks shows the last answers.",
    "dq": "Every run asks all tests and rules, and seeknal checks shows the last answers.",
    "entity": "A feature group is a view of its environment: seeknal query 'FROM orders'",
    "consolidate": "There is nothing to consolidate: a run publishes each feature group as a view.",
    "validate-features": "seeknal validate checks every node, and a run asks all tests.",
    "version": "seeknal log lists what was published; seeknal query --at COMMIT asks it as it was.",
    "list": "seeknal lineage shows all nodes, and seeknal env list the environments.",
    "show": "seeknal lineage NODE shows a node, and seeknal status an environment.",
    "info": "seeknal status shows the project, and seeknal --version the version.",
    "docs": "Every command explains itself: seeknal COMMAND --help",
    "debug": "seeknal doctor checks the set-up, and says how to mend it.",
    "clean": "seeknal gc --yes deletes tables that nothing shows any more.",
    "delete": "Delete the node's file and commit: the next run removes its view.",
    "delete-table": "Delete the node's file and commit: the next run removes its view.",
    "migrate-state": "There is no state to migrate: the first run builds every table.",
    "download-sample-data": "The folder examples of the repository has projects with data.",
    "intervals": _BY_WHOLES,
    **dict.fromkeys(
        "ask session gateway source report-server publish heartbeat prefect gov auth dataset atlas"
        " iceberg starrocks-setup-catalog connection-test deploy-metrics".split(),
        _OF_ITS_OWN,
    ),
}

# By option, for each command that had it.
_OPTIONS = {
    "--profile": _NO_PROFILES,
    "--materialize": _NO_TARGETS,
    "--no-materialize": _NO_TARGETS,
    "--rematerialize": _NO_TARGETS,
    "--start": _BY_WHOLES,
    "--end": _BY_WHOLES,
    "--backfill": _BY_WHOLES,
    "--restate": _BY_WHOLES,
    "--no-parse": "Leave it out: `apply` makes no manifest.",
    "--schema-only": "--limit 0 shows the columns, and no rows.",
}
_UNKNOWN = re.compile(r"No such (?:command '([^']+)'|option: ([^\s.]+))")


def with_the_way(message: str) -> str:
    """A message of the command line's parser, with the next step if Seeknal 2.13 had the command or
    the option that is not here."""
    found = _UNKNOWN.match(message)
    way = found and (_COMMANDS.get(found[1]) if found[1] else _OPTIONS.get(found[2]))
    return f"{found[0]}.\n  {way}" if found and way else message
