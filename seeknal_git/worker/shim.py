"""The modules `seeknal`, `seeknal.pipeline`, … that files of nodes import, made in memory. A
decorator leaves its function as it is: its arguments were read when the node was planned."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from typing import Any

from seeknal_git.worker.context import Context

_DECORATORS = ("source", "transform", "feature_group", "second_order_aggregation", "materialize")
_CONFIGURATIONS = (
    "Input",
    "Materialization",
    "MaterializationConfig",
    "OfflineConfig",
    "OnlineConfig",
    "IcebergTable",
)


class _Configuration:
    """An argument of a decorator, such as `Materialization(…)`."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.arguments, self.options = arguments, options


# Node → its function.
FUNCTIONS: dict[str, Any] = {}


def _decorator(kind: str) -> Callable[..., Callable[[Any], Any]]:
    def decorator(*arguments: Any, **options: Any) -> Callable[[Any], Any]:
        def note(function: Any) -> Any:
            name = options.get("name") or (arguments[0] if arguments else function.__name__)
            FUNCTIONS[f"{kind}.{name}"] = function
            return function

        return note

    return decorator


def install() -> None:
    """Make the modules importable."""
    names: dict[str, Any] = {
        "PipelineContext": Context,
        **{kind: _decorator(kind) for kind in _DECORATORS},
        **{name: type(name, (_Configuration,), {}) for name in _CONFIGURATIONS},
    }
    package = _module("seeknal", {})
    pipeline = _module("seeknal.pipeline", names)
    package.__dict__["pipeline"] = pipeline
    for name in ("context", "decorators", "materialization", "materialization_config", "config"):
        pipeline.__dict__[name] = _module(f"seeknal.pipeline.{name}", names)


def _module(name: str, content: dict[str, Any]) -> types.ModuleType:
    module = types.ModuleType(name)
    module.__path__ = []
    module.__dict__.update(content)
    module.__dict__["__getattr__"] = _absent(name)
    sys.modules[name] = module
    return module


def _absent(module: str) -> Callable[[str], Any]:
    def absent(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        known = ", ".join((*_DECORATORS, *_CONFIGURATIONS, "PipelineContext"))
        raise AttributeError(f"{module} has no {name} here. It has {known}.")

    return absent
