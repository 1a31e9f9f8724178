"""The files below seeknal/common/: entries that templates of nodes name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from seeknal_git.errors import Problem, ProjectError
from seeknal_git.nodes.values import COMMON_FILES, Definition
from seeknal_git.nodes.yaml_document import Document, read_yaml

# Of each file the key of its list, the word before the names of its entries, and the key of their
# text.
_FORMS = (
    ("sources", "", ""),
    ("rules", "rules.", "value"),
    ("transformations", "transforms.", "sql"),
)
_FORM_OF = dict(zip(COMMON_FILES, _FORMS, strict=True))
_WORDS = ("rules", "transforms", "transformations")
_SOURCE_KEYS = {"id", "ref", "params", "description"}


@cache
def read_common(content: bytes, path: str) -> Mapping[str, Definition]:
    """The entries of a common file: name → text. Raises ProjectError with the line of each
    mistake."""
    document = read_yaml(content, path)
    key, word, of_text = _FORM_OF[path]
    listed = document.data.get(key) if isinstance(document.data, dict) else document.data
    if listed is None:
        return {}
    if not isinstance(listed, list):
        hint = f"Begin with `{key}:`, and write each entry as `- id: …`."
        raise ProjectError([Problem(f"A common file is a list of `{key}`.", path, 1, hint)])
    found: dict[str, Definition] = {}
    problems: list[Problem] = []
    for number, entry in enumerate(listed):
        place = _Place(document, path, f"{key}.{number}")
        try:
            for name, definition in _definitions(entry, place, word, of_text):
                if name in found:
                    raise place.wrong(f"`{name}` is defined twice", "id")
                found[name] = definition
        except ProjectError as exc:
            problems += exc.problems
    if problems:
        raise ProjectError(problems)
    return found


class _Place:
    """An entry of a common file, to say where something is in it."""

    def __init__(self, document: Document, path: str, key: str) -> None:
        self._document, self._path, self._key = document, path, key

    def wrong(self, message: str, *keys: str, hint: str | None = None) -> ProjectError:
        return ProjectError([Problem(f"{message}.", self._path, self.line(*keys), hint)])

    def line(self, *keys: str) -> int:
        lines = self._document.lines
        return lines.get(".".join([self._key, *keys])) or lines.get(self._key) or 1

    def definition(self, text: object, *keys: str) -> Definition:
        if not isinstance(text, str):
            raise self.wrong(f"`{keys[-1]}` is a text", *keys)
        return Definition(str(text).strip("\n"), self._path, self.line(*keys))


def _definitions(
    entry: Any, place: _Place, word: str, of_text: str
) -> Iterator[tuple[str, Definition]]:
    """The names that an entry defines. Raises ProjectError."""
    if not isinstance(entry, dict) or not isinstance(entry.get("id"), str):
        raise place.wrong("An entry has an `id`")
    name = str(entry["id"])
    if not name.isidentifier():
        raise place.wrong(f"`{name}` is no name: write letters, digits and _", "id")
    if word:
        unknown = entry.keys() - {"id", of_text, "description"}
        if unknown or of_text not in entry:
            message = f"An entry has the keys `id` and `{of_text}`"
            raise place.wrong(message, *sorted(map(str, unknown))[:1])
        yield f"{word}{name}", place.definition(entry[of_text], of_text)
        return
    if name in _WORDS:
        raise place.wrong(f"A source cannot have the id `{name}`, which names other entries", "id")
    if unknown := entry.keys() - _SOURCE_KEYS:
        first = min(map(str, unknown))
        hint = f"Names of columns are `params`: {{idCol: {first}}}"
        raise place.wrong("An entry has the keys `id`, `ref` and `params`", first, hint=hint)
    if "ref" in entry:
        yield f"{name}.ref", place.definition(entry["ref"], "ref")
    params = entry.get("params")
    if params is not None and not isinstance(params, dict):
        raise place.wrong("`params` is a mapping of names", "params")
    for param, text in (params or {}).items():
        yield f"{name}.{param}", place.definition(text, "params", str(param))
