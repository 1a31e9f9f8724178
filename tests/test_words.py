"""What commands say is true, and the same wherever it is said."""

from __future__ import annotations

from tests.conftest import Repo

CLEAN = "seeknal/transforms/clean_orders.yml"


def test_tables_nodes_and_layers_are_counted_alike_everywhere(published: Repo) -> None:
    assert "5 of 5 tables, 7 nodes" in published.seeknal("status").out
    assert "5 tables, 7 nodes, 6 edges, 3 layers: " in published.seeknal("parse").out
    published.switch("dev", create=True)
    published.replace(CLEAN, "amount IS NOT NULL", "amount > 15")
    plan = published.seeknal("plan").out
    assert "\n  2  transform.clean_orders\n" in plan
    assert "\n  3  1 rule, 2 transforms, side by side: rule.amounts_are_positive" in plan
    assert "then the files of exposure.by_customer_csv\n" in plan
    assert "layer 2 of 3\n  build  transform.clean_orders" in published.seeknal("run", "--dry-run").out
    said = published.seeknal("run").err
    assert [line for line in said.splitlines() if line.startswith("layer")] == ["layer 2 of 3", "layer 3 of 3"]
