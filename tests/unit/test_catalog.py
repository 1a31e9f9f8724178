"""The tables and views of an open warehouse, which are read once."""

from __future__ import annotations

import dataclasses

from seeknal_git.warehouse.model.environments import Published
from seeknal_git.warehouse.model.publications import Publication
from seeknal_git.warehouse.model.snapshots import Blueprint, Snapshot
from seeknal_git.warehouse.opening import open_warehouse
from seeknal_git.warehouse.protocol import Warehouse


def built(warehouse: Warehouse, node: str) -> Snapshot:
    builder = warehouse.builder()
    sql = f"SELECT '{node}' AS node"
    snapshot = builder.build(Blueprint(node, node, "", False, node, node, node, None, sql, {}))
    assert snapshot.table not in warehouse.snapshots.tables()
    builder.commit()
    return snapshot


def publish(warehouse: Warehouse, *snapshots: Snapshot) -> None:
    shows = {
        made.node: Published(made.node, made.node, made.id, made.table, made.fingerprint)
        for made in snapshots
    }
    publication = Publication("dev", "dev", "c" * 40, "Ada", "run", shows, {}, 0.0)
    warehouse.publications.publish(publication)


def test_own_changes_are_known_while_the_warehouse_is_open() -> None:
    with open_warehouse(None, None) as warehouse:
        environments, snapshots = warehouse.environments, warehouse.snapshots
        assert (snapshots.tables(), environments.views("dev"), environments.shown("dev")) == (
            set(),
            {},
            {},
        )
        first, second = built(warehouse, "a"), built(warehouse, "b")
        assert snapshots.tables() == {first.table, second.table}
        assert snapshots.columns([first.table, "gone"]) == {first.table: (("node", "VARCHAR"),)}
        publish(warehouse, first, second)
        assert environments.views("dev") == {"a": first.table, "b": second.table}
        assert environments.shown("dev").keys() == {"a", "b"}
        publish(warehouse, dataclasses.replace(second, node="c"))
        assert environments.views("dev") == {"c": second.table}
        assert environments.shown("dev").keys() == {"c"}
        environments.delete("dev")
        assert (environments.views("dev"), environments.shown("dev")) == ({}, {})
        snapshots.drop([first.table])
        assert snapshots.tables() == {second.table}


def test_a_caller_that_changes_an_answer_changes_no_other() -> None:
    with open_warehouse(None, None) as warehouse:
        publish(warehouse, built(warehouse, "a"))
        warehouse.environments.shown("dev").clear()
        warehouse.environments.views("dev").clear()
        warehouse.snapshots.tables().clear()
        assert warehouse.environments.shown("dev").keys() == {"a"}
        assert warehouse.environments.views("dev").keys() == {"a"}
        assert len(warehouse.snapshots.tables()) == 1
