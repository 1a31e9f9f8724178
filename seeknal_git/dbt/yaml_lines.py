"""YAML of dbt, with the line of every entry."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import yaml

from seeknal_git.errors import Problem, ProjectError

_MOST = 1_000_000  # values; aliases may repeat a few without end


class Entries(dict[str, Any]):
    """A mapping with the line of each key."""

    def __init__(self, *given: Any, **entries: Any) -> None:
        super().__init__(*given, **entries)
        self.lines: dict[str, int] = {}

    def line(self, key: str) -> int:
        """The line of a key; of the first key if there is no such."""
        return self.lines.get(key, min(self.lines.values(), default=1))


class Items(list[Any]):
    """A list with the line of each item."""

    def __init__(self, given: Iterable[Any] = ()) -> None:
        super().__init__(given)
        self.lines: list[int] = []


def read_yaml(text: str, path: str) -> Any:
    """The value of a YAML document: None if it is empty. Raises ProjectError with the line of a
    mistake."""
    loader = yaml.CSafeLoader(text)
    try:
        root = loader.get_single_node()
        return None if root is None else _Building(loader).value(root)
    except yaml.MarkedYAMLError as exc:
        line = exc.problem_mark.line + 1 if exc.problem_mark else None
        words = f"This is not valid YAML: {exc.problem}."
        raise ProjectError([Problem(words, path, line)]) from exc
    except (yaml.YAMLError, ValueError, RecursionError) as exc:
        words = str(exc).splitlines()[0] if isinstance(exc, ValueError) else "it does not end"
        raise ProjectError([Problem(f"This is not valid YAML: {words}.", path)]) from exc
    finally:
        loader.dispose()


class _Building:
    """Values made of the nodes of one document."""

    def __init__(self, loader: yaml.CSafeLoader) -> None:
        self._loader = loader
        self._count = 0

    def value(self, node: yaml.Node) -> Any:
        self._count += 1
        if self._count > _MOST:
            raise ValueError("it unfolds to too many values")
        if isinstance(node, yaml.MappingNode):
            self._loader.flatten_mapping(node)
            entries = Entries()
            for key, value in node.value:
                name = str(self._loader.construct_object(key, deep=True))
                entries[name] = self.value(value)
                entries.lines[name] = key.start_mark.line + 1
            return entries
        if isinstance(node, yaml.SequenceNode):
            items = Items(self.value(item) for item in node.value)
            items.lines = [item.start_mark.line + 1 for item in node.value]
            return items
        return self._loader.construct_object(node)
