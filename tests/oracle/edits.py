"""The catalogue of edits, each with whether it leaves the meaning of a query as it is.

An edit that is not called harmless may do no harm to a given query; a harmless one has to be
harmless for all.
"""

from __future__ import annotations

from tests.oracle import columns, harmless, inside, reworded, rows
from tests.oracle.catalogue import EDITS, Edit

__all__ = ["EDITS", "Edit", "columns", "harmless", "inside", "reworded", "rows"]
