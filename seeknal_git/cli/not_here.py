"""Commands and options of Seeknal 2.13, dbt and SQLMesh that are not here, each with the way that
leads on."""

from __future__ import annotations

import re

_OF_ITS_OWN = "That is another product. This one has nodes, environments and their tables."
_PARTITIONS = "seeknal plan says which partitions of a node are to be built."
_NO_INTERVALS = (
    "Leave it out: a run builds the partitions whose code or data changed, and no others."
)
_PROFILES = "SEEKNAL_PROFILE=FILE names, for every command, the profiles.yml that is read."
_NO_TARGETS = (
    "Tables are in the warehouse, and exposures write to the files and databases of others."
)
_GENERATED = "docs/cli.md describes every command, and seeknal lineage --html FILE draws the nodes."
_IN_GIT = "Nothing is to be kept or moved: the state is in the warehouse, and code is in git."

_COMMANDS = {
    # Seeknal 2.13
    "audit": "Every run asks all tests and rules: seeknal checks shows their last answers.",
    "dq": "Every run asks all tests and rules: seeknal checks shows their last answers.",
    "entity": "A feature group is a view of its environment: seeknal query 'FROM orders'",
    "consolidate": "There is nothing to consolidate: a run publishes each feature group as a view.",
    "validate-features": "seeknal validate checks every node, and a run asks all tests.",
    "version": "seeknal log lists what was published; seeknal query --at COMMIT asks it as it was.",
    "list": "seeknal lineage shows all nodes, and seeknal env list the environments.",
    "show": "seeknal query 'FROM orders' shows a node's rows, seeknal lineage NODE its place.",
    "info": "seeknal status shows the project, and seeknal --version the version.",
    "docs": f"seeknal COMMAND --help explains a command. {_GENERATED}",
    "debug": "seeknal doctor checks the set-up, and says how to mend it.",
    "clean": "seeknal gc --yes deletes tables that nothing shows any more.",
    "delete": "Delete the node's file and commit: the next run removes its view.",
    "delete-table": "Delete the node's file and commit: the next run removes its view.",
    "migrate-state": "There is no state to migrate: the first run builds every table.",
    "download-sample-data": "The folder examples of the repository has projects with data.",
    "intervals": _PARTITIONS,
    **dict.fromkeys(
        "ask session gateway report-server publish heartbeat prefect gov auth dataset atlas"
        " iceberg starrocks-setup-catalog connection-test deploy-metrics".split(),
        _OF_ITS_OWN,
    ),
    # dbt
    "build": "seeknal run builds the nodes that changed, checks them, and then publishes.",
    "compile": "seeknal validate binds all SQL, and seeknal dry-run FILE shows a node's rows.",
    "ls": "seeknal lineage shows all nodes, and seeknal lineage -s tag:daily some of them.",
    "seed": "A CSV file in git is a source: seeknal draft source NAME --from data/NAME.csv",
    "snapshot": "A source with `keep: changes` and a `key` keeps its history, at each seeknal run.",
    "source": "A freshness rule of a source is asked at each run: seeknal draft rule NAME",
    "deps": "There are no packages: DuckDB's functions, and macros in seeknal/macros/.",
    "run-operation": "Macros stand in the SQL of nodes, and a run executes no other SQL.",
    "retry": "seeknal run goes on where it stopped: finished tables are kept.",
    "clone": "A branch shows production's tables without a copy: git switch -c dev; seeknal run",
    # SQLMesh
    "evaluate": "seeknal dry-run FILE shows a node's rows, seeknal query 'FROM orders' a table's.",
    "render": "seeknal validate binds all SQL, and seeknal dry-run FILE shows a node's rows.",
    "create_test": "seeknal test NODE --from 'SELECT …' writes an example into the node.",
    "create_external_models": "A source names its file: seeknal draft source NAME --from FILE",
    "fetchdf": "In Python: seeknal_git.query(seeknal_git.open_project('.'), 'FROM orders')",
    "table_diff": "seeknal query 'FROM main.orders EXCEPT FROM dev.orders', after a run of dev.",
    "table_name": "A view has its node's name, in the schema of its branch: seeknal inspect",
    "dag": "seeknal lineage shows the nodes; --html FILE draws them.",
    "ui": "seeknal lineage --html FILE draws the nodes, and seeknal query asks tables.",
    "environments": "seeknal env list shows all environments.",
    "invalidate": "seeknal env delete ENV drops an environment; seeknal gc --yes its tables.",
    "janitor": "seeknal gc --yes deletes tables that nothing shows any more.",
    "destroy": "seeknal env delete ENV drops an environment; production is never dropped.",
    "check_intervals": _PARTITIONS,
    **dict.fromkeys("migrate state".split(), _IN_GIT),
    "lint": "seeknal validate checks every node. SQL in files of its own suits sqlfluff.",
    "format": "SQL in files of its own, orders.sql beside orders.yml, suits any formatter.",
}

# By option, for each command that had it.
_OPTIONS = {
    # Seeknal 2.13
    "--profile": _PROFILES,
    "--materialize": _NO_TARGETS,
    "--no-materialize": _NO_TARGETS,
    "--rematerialize": _NO_TARGETS,
    "--backfill": _NO_INTERVALS,
    "--restate": _NO_INTERVALS,
    "--no-parse": "Leave it out: `apply` makes no manifest.",
    "--schema-only": "--limit 0 shows the columns, and no rows.",
    # dbt
    "--full-refresh": "seeknal run --full builds every node again. An edit is noticed without it.",
    "--defer": "Leave it out: a branch re-uses each of production's tables that it did not change.",
    "--state": "Leave it out: the merge base is the state, as in -s changed+",
    "--favor-state": "Leave it out: a branch re-uses production's tables.",
    "--models": "-s selects nodes.",
    "-m": "-s selects nodes.",
    "--resource-type": "-s kind:source selects nodes of a kind.",
    "--selector": "-s selects nodes.",
    "--vars": '--params \'{"region": "EU"}\', or --params region=EU',
    "--target": "The branch is the target: git switch dev, or --env dev.",
    "--profiles-dir": _PROFILES,
    "--project-dir": "-C DIR, or --project-path DIR",
    "--threads": "--max-workers N, or --no-parallel",
    "--fail-fast": "Leave it out: a run stops behind a failure unless --continue-on-error says so.",
    "-x": "Leave it out: a run stops behind a failure unless --continue-on-error says so.",
    "--store-failures": "seeknal checks NODE --rows shows the rows that violate a check.",
    "--empty": "seeknal validate binds all SQL without rows.",
    # SQLMesh
    "--restate-model": "seeknal run --full -s orders+ builds a node and its readers again.",
    "--auto-apply": "seeknal plan shows a change, and seeknal run builds it.",
    "--no-prompts": "Leave it out: no command asks.",
    "--forward-only": _NO_INTERVALS,
    "--effective-from": _NO_INTERVALS,
    "--skip-backfill": _NO_INTERVALS,
    "--skip-tests": "Tests gate each publication: severity: warn lets one only report.",
    "--create-from": "git branch dev main makes a branch, and a branch is an environment.",
}
_UNKNOWN = re.compile(r"No such (?:command '([^']+)'|option: ([^\s.]+))")


def with_the_way(message: str) -> str:
    """A message of the command line's parser, with the next step if another tool has the command or
    the option that is not here."""
    found = _UNKNOWN.match(message)
    way = found and (_COMMANDS.get(found[1]) if found[1] else _OPTIONS.get(found[2]))
    return f"{found[0]}.\n  {way}" if found and way else message
