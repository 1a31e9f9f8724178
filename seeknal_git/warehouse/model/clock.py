"""The present, as a warehouse records it."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """The present in UTC, as the state tables keep it."""
    return datetime.now(UTC).replace(tzinfo=None)
