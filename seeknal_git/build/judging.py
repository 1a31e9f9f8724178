"""The meaning of a failure, or of the answer to a check, for a node of a run."""

from __future__ import annotations

from seeknal_git.build.compute import fails_node, verdict, violates
from seeknal_git.build.failures import NodeFailed
from seeknal_git.build.progress import Event
from seeknal_git.build.site import Site
from seeknal_git.nodes.node import Check, Node
from seeknal_git.sql.engine import SqlError
from seeknal_git.warehouse.model.snapshots import Audit


def fail(site: Site, identifier: str, why: str) -> None:
    """Fail a node, unless it has failed already."""
    if identifier not in site.progress.failed:
        site.progress.failed[identifier] = why
        site.report(Event("failed", identifier, why))


def judge(site: Site, identifier: str, number: int, audit: Audit) -> None:
    """Keep the answer to a check, and fail or warn if it does not hold."""
    node, progress = site.work.graph.node(identifier), site.progress
    check, is_told = node.checks[number], (identifier, number) in progress.answers
    progress.answers[identifier, number] = audit
    if not violates(check, audit.violations, audit.rows):
        return
    message = verdict(node.path, check, audit)
    if fails_node(check):
        fail(site, identifier, message)
    elif not is_told:
        site.report(Event("warned", identifier, message))


def check_refused(node: Node, check: Check, exc: SqlError) -> NodeFailed:
    """The failure of a node because the engine refused its check."""
    what = "" if node.kind == "rule" else f"{check.name}: "  # a rule's tells of violations
    return NodeFailed(f"{what}{node.hides(exc.message)} ({node.path}:{check.line})")
