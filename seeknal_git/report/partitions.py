"""The partitions of nodes, before a run builds them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from seeknal_git.errors import some

if TYPE_CHECKING:
    from seeknal_git.build.forecast import Forecast

_SHOWN = 2


def words(forecast: Forecast) -> str:
    """The partitions of a node in one line."""
    if forecast.mistake:
        return f"cannot be built: {forecast.mistake}"
    if forecast.whole:
        return f"built as a whole: {forecast.whole}"
    if forecast.partitions is None:
        return f"partitions are known once {forecast.after} is read"
    total, built = forecast.partitions.total, forecast.partitions.built
    partitions = "1 partition" if total == 1 else f"{total:,} partitions"
    if len(built) == total:
        return f"{partitions} to build"
    named = f" ({some(built, _SHOWN)})" if built else ""
    return f"{partitions}: {len(built):,} to build{named}, {total - len(built):,} re-used"


def as_json(forecasts: Mapping[str, Forecast]) -> dict[str, Any]:
    return {
        node: {
            "total": forecast.partitions.total if forecast.partitions else None,
            "build": list(forecast.partitions.built) if forecast.partitions else None,
            "after": forecast.after or None,
            "whole": forecast.whole or None,
            "mistake": forecast.mistake or None,
        }
        for node, forecast in forecasts.items()
    }
