"""Import the modules of a project from the texts that a node was planned with, never from disk."""

from __future__ import annotations

import linecache
import sys
import types
from collections.abc import Mapping, Sequence
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from pathlib import Path

Sources = Mapping[str, Sequence[str]]  # module → its path in the project, and its text


class Finder(MetaPathFinder):
    """Finds the modules of a project."""

    def __init__(self, sources: Sources, project: str) -> None:
        self._sources, self._project = sources, project

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: types.ModuleType | None = None,
    ) -> ModuleSpec | None:
        del path, target
        if fullname in self._sources:
            file, text = self._sources[fullname]
            is_package = file.endswith("/__init__.py")
            spec = spec_from_loader(fullname, _Loader(file, text), is_package=is_package)
            assert spec is not None
            spec.origin, spec.has_location = str(Path(self._project, file)), True
            return spec
        if any(name.startswith(f"{fullname}.") for name in self._sources):
            return ModuleSpec(fullname, None, is_package=True)
        return None


class _Loader(InspectLoader):
    def __init__(self, file: str, text: str) -> None:
        self._file, self._text = file, text

    def get_source(self, fullname: str) -> str:
        del fullname
        return self._text

    def exec_module(self, module: types.ModuleType) -> None:
        execute(self._text, self._file, module)


def execute(text: str, file: str, module: types.ModuleType) -> None:
    """Execute a text as a module. Tracebacks show its lines."""
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    exec(compile(text, file, "exec", dont_inherit=True), module.__dict__)


def imported(name: str, sources: Sources, project: str, here: str) -> types.ModuleType:
    """The module of a node's own file. here: the name of the package of the files beside it."""
    sys.meta_path.insert(0, Finder(sources, project))
    package = types.ModuleType(here)
    package.__path__ = []
    sys.modules[here] = package
    file, text = sources[name]
    module = types.ModuleType(name)
    module.__file__ = str(Path(project, file))
    module.__package__ = here
    sys.modules[name] = module
    execute(text, file, module)
    return module
