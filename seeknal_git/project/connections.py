"""The connections of `profiles.yml`: how each person and machine reaches databases and buckets.

The file is beside the project file, and git ignores it. No definition, fingerprint, plan or state
has anything of it but the name of a connection.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Container, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from seeknal_git.errors import Problem, ProjectError
from seeknal_git.names import IDENTIFIER, schema_of
from seeknal_git.nodes.outside import ALIASES
from seeknal_git.nodes.scalars import is_nothing
from seeknal_git.sql.addresses import KEYS, NEEDED, RESERVED, Address

if TYPE_CHECKING:
    from seeknal_git.nodes.yaml_document import Document
    from seeknal_git.project.profile_places import ProfilePlaces

PROFILES = "profiles.yml"
_DOTENV = ".env"
# ${NAME}, ${NAME:default} and ${NAME:-default}
_VARIABLE = re.compile(r"\$\{\s*([A-Za-z_]\w*)\s*(?:(:)-?([^}]*))?\}")
_ENTRY = re.compile(r"\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*?)\s*")
_SUCH = (
    "connections:\n  NAME: {type: postgresql, host: localhost, database: shop, "
    'user: "${PG_USER}", password: "${PG_PASSWORD}"}'
)


@dataclass(frozen=True, slots=True)
class Profiles:
    """A profiles file that was read; `path` is empty if there is none."""

    folders: tuple[Path, ...]
    path: str = ""
    document: Document | None = None
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)  # of the `.env` file

    def default(self, system: str) -> str:
        """The connection that `source_defaults` names for sources of a type; empty if none."""
        defaults = self.mapping("source_defaults")
        found = {ALIASES.get(str(name), str(name)): value for name, value in defaults.items()}
        given = found.get(system)
        named = given.get("connection") if isinstance(given, Mapping) else None
        return "" if is_nothing(named) else str(named).strip()

    def connection(self, name: str, asks: Problem) -> tuple[Address, int]:
        """A connection, and its line.

        asks: a problem without words, at the place that names the connection. Raises ProjectError
        for one that is not there, or lacks something.
        """
        all_ = self.mapping("connections")
        if not self.path:
            message = f"There is no {PROFILES}, which would say what the connection {name} is."
            hint = f"Write it beside the project file, where git ignores it:\n{_SUCH}"
            raise ProjectError([replace(asks, message=message, hint=hint)])
        if name not in all_:
            near = difflib.get_close_matches(name, list(map(str, all_)), 1)
            there = f"It has {', '.join(map(str, all_))}." if all_ else f"Add to it:\n{_SUCH}"
            hint = f"Did you mean {near[0]}?" if near else there
            message = f"{self.path} has no connection {name}."
            raise ProjectError([replace(asks, message=message, hint=hint)])
        return self._address(name, all_[name]), self._line(f"connections.{name}")

    def _address(self, name: str, given: Any) -> Address:
        place = f"connections.{name}"
        if not IDENTIFIER.fullmatch(name) or name.lower() in RESERVED:
            self._refuse(f"{name} is no name of a connection.", place, "Give it another name.")
        if not isinstance(given, Mapping):
            self._refuse(f"The connection {name} is a mapping.", place, _SUCH)
        system = self._type(name, given)
        keys = KEYS[system]
        options: dict[str, str] = {}
        for key, value in given.items():
            if key == "type" or is_nothing(value):
                continue
            if key not in keys:
                near = difflib.get_close_matches(str(key), list(keys), 1)
                hint = f"Did you mean `{near[0]}`?" if near else f"It has {', '.join(keys)}."
                message = f"A connection of type {system} has no key `{key}`."
                self._refuse(message, f"{place}.{key}", hint)
            options[str(key)] = self.resolved(str(value), f"{place}.{key}")
        for key in NEEDED.get(system, ()):
            if not options.get(key):
                message = f"The connection {name} has no `{key}`."
                self._refuse(message, place, f"A connection of type {system} needs it.")
        if path := options.get("path"):
            found = Path(path).expanduser()
            options["path"] = str(found if found.is_absolute() else self.folders[0] / found)
        return Address(system, name, options)

    def _type(self, name: str, given: Mapping[str, Any]) -> str:
        word = str(given.get("type") or "").strip().lower()
        system = ALIASES.get(word, "http" if word == "https" else word)
        if system not in KEYS:
            near = difflib.get_close_matches(system, list(KEYS), 1)
            hint = f"Did you mean {near[0]}?" if near else f"The types are {', '.join(KEYS)}."
            what = f"no connection of type {word}" if word else "no `type`"
            message = f"The connection {name} has {what}." if not word else f"There is {what}."
            self._refuse(message, f"connections.{name}.type", hint)
        return system

    def resolved(self, text: str, place: str) -> str:
        """A text with the values of its variables. place: of the text in the file. Raises
        ProjectError for one that is not set."""

        def value(found: re.Match[str]) -> str:
            name, has_default, default = found[1], found[2], found[3]
            known = os.environ.get(name, self.variables.get(name))
            if known is None and not has_default:
                hint = f"Set it (export {name}=…), or write it to {_DOTENV}, which git ignores."
                self._refuse(f"The variable {name} is not set.", place, hint)
            return default if known is None else known

        return _VARIABLE.sub(value, text)

    def mapping(self, key: str) -> Mapping[str, Any]:
        """A mapping of the file; empty if it has none. Raises ProjectError for something else."""
        data = self.document.data if self.document else None
        given = data.get(key) if isinstance(data, Mapping) else None
        if given is None or is_nothing(given):
            return {}
        if isinstance(given, Mapping):
            return given
        return self._refuse(f"`{key}` is a mapping of names.", key, _SUCH)

    def _line(self, place: str) -> int:
        lines = self.document.lines if self.document else {}
        while place and place not in lines:
            place = place.rpartition(".")[0]
        return lines.get(place, 1)

    def _refuse(self, message: str, place: str, hint: str) -> NoReturn:
        raise ProjectError([Problem(message, self.path, self._line(place), hint)])


def read_profiles(places: ProfilePlaces, branch: str, tracked: Container[str]) -> Profiles:
    """The profiles file that a command names, else that of a branch, else that of the project.

    Raises ProjectError for a file that cannot be read, or that git tracks: a branch of somebody
    else must not say where a password is sent.
    """
    from seeknal_git.nodes.yaml_document import read_yaml

    found, folders = _profiles_file(places, branch), places.folders
    if found is None:
        return Profiles(folders, variables=_dotenv(folders, tracked))
    inside = [folder for folder in folders if found.is_relative_to(folder)]
    name = found.relative_to(inside[0]).as_posix() if inside else str(found)
    _refuse_tracked(name, tracked)
    document = read_yaml(found.read_bytes(), name)
    return Profiles(folders, name, document, _dotenv(folders, tracked))


def has_profiles(places: ProfilePlaces, branch: str) -> bool:
    """Whether there is a profiles file for a branch."""
    return _profiles_file(places, branch) is not None


def _profiles_file(places: ProfilePlaces, branch: str) -> Path | None:
    if places.file:
        return places.file
    own = (f"profiles-{branch}.yml", f"profiles-{schema_of(branch)}.yml")
    names = dict.fromkeys(name for name in (*own, PROFILES) if "/" not in name)
    files = (folder / name for name in names for folder in places.folders)
    return next((file for file in files if file.is_file()), None)


def _dotenv(folders: tuple[Path, ...], tracked: Container[str]) -> dict[str, str]:
    """The variables of the `.env` file: those of the environment count before them."""
    at = next((folder / _DOTENV for folder in folders if (folder / _DOTENV).is_file()), None)
    if at is None:
        return {}
    _refuse_tracked(_DOTENV, tracked)
    found = {}
    for line in at.read_text(errors="replace").splitlines():
        if entry := _ENTRY.fullmatch(line):
            name, value = entry[1], entry[2]
            quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
            found[name] = value[1:-1] if quoted else re.split(r"\s+#", value)[0]
    return found


def _refuse_tracked(name: str, tracked: Container[str]) -> None:
    if name in tracked:
        message = f"Git tracks {name}, which has secrets, and says where they are sent."
        hint = f"git rm --cached {name} && echo {name} >> .gitignore"
        raise ProjectError([Problem(message, name, 1, hint)])
