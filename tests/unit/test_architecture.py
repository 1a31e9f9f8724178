"""The layers of docs/architecture.md, read from the imports: arrows point one way."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import seeknal_git
from tests.conftest import Repo

PACKAGE = Path(seeknal_git.__file__).parent
MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
ROOT = {"__init__", "__main__", "errors", "names", "files", "cache", "process_folders"}
# One line for each package: what it may import of the others.
MAY_IMPORT = {
    "cli": "report commands errors names",
    "report": "commands build environments plan project nodes git warehouse errors names files",
    "commands": "build environments plan project dbt nodes git warehouse sql errors names files cache",
    "build": "environments plan project nodes git warehouse sql errors names files cache "
    "process_folders",
    "environments": "plan project nodes git warehouse sql errors names files cache process_folders",
    "plan": "project nodes sql errors names",
    "project": "nodes git warehouse sql errors names files cache process_folders",
    "dbt": "nodes sql errors names",
    "nodes": "sql errors names files",
    "git": "errors names files",
    "warehouse": "sql errors names files",
    "sql": "errors names process_folders",
    "worker": "",
}


def trees() -> Iterator[tuple[str, ast.Module]]:
    for module, path in MODULES.items():
        yield module, ast.parse(path.read_text(), str(path))


def imports(tree: ast.AST, *, for_types: bool = False) -> Iterator[str]:
    """Every module that is imported when the code runs, wherever the import stands; also those for
    type checkers if `for_types`."""
    for node in ast.iter_child_nodes(tree):
        match node:
            case ast.If(test=ast.Name(id="TYPE_CHECKING")) if not for_types:
                for other in node.orelse:
                    yield from imports(other)
            case ast.Import():
                yield from (alias.name for alias in node.names)
            case ast.ImportFrom():
                assert node.level == 0, "imports name the package"
                for alias in node.names:
                    full = f"{node.module}.{alias.name}"
                    yield full if full in MODULES else str(node.module)
            case _:
                yield from imports(node, for_types=for_types)


IMPORTS = {module: set(imports(tree)) for module, tree in trees()}


IMPORTS_FOR_TYPES = {module: set(imports(tree, for_types=True)) for module, tree in trees()}


def within(module: str, *packages: str) -> bool:
    return any(module == each or module.startswith(f"{each}.") for each in packages)


def offenders(of: str, *allowed: str) -> list[str]:
    """The modules that import something, also for type checkers, other than those that may."""
    return [
        module
        for module, imported in IMPORTS_FOR_TYPES.items()
        if not within(module, *allowed) and any(within(each, of) for each in imported)
    ]


@pytest.mark.parametrize(
    ("library", "only"),
    [
        pytest.param("pygit2", "seeknal_git.git", id="pygit2 in git"),
        pytest.param(
            "duckdb",
            "seeknal_git.warehouse seeknal_git.sql seeknal_git.worker",
            id="duckdb in warehouse, sql and the worker",
        ),
        pytest.param("sqlite3", "seeknal_git.cache", id="sqlite3 in the cache"),
        pytest.param("joblib", "seeknal_git.build", id="joblib where layers are executed"),
        pytest.param("pydantic", "seeknal_git.nodes", id="pydantic where a file comes in"),
        pytest.param("rich", "seeknal_git.report", id="rich in reports"),
    ],
)
def test_a_library_is_imported_in_one_place_only(library: str, only: str) -> None:
    assert offenders(library, *only.split()) == []


def test_the_implementation_of_a_warehouse_is_named_in_its_package_alone() -> None:
    known = "deadline interrupt location model moving opening protocol".split()
    internal = [
        module
        for module in MODULES
        if within(module, "seeknal_git.warehouse")
        and module.removeprefix("seeknal_git.warehouse").lstrip(".").split(".")[0]
        not in ["", *known]
    ]
    wrong = {module: offenders(module, "seeknal_git.warehouse") for module in internal}
    assert {module: names for module, names in wrong.items() if names} == {}


def test_the_packages_are_those_of_the_table() -> None:
    assert {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()} == set(
        MAY_IMPORT
    )
    assert {path.stem for path in PACKAGE.glob("*.py")} == ROOT


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_imports_only_packages_below_it(package: str) -> None:
    allowed = {package, *MAY_IMPORT[package].split()}
    wrong = {
        f"{module} imports {other}"
        for module, imported in IMPORTS.items()
        if within(module, f"seeknal_git.{package}")
        for other in imported
        if within(other, "seeknal_git")
        and other != "seeknal_git"
        and other.split(".")[1] not in allowed
    }
    assert wrong == set()


def test_the_table_says_no_more_than_is_needed_to_keep_the_arrows_in_order() -> None:
    rows = [*MAY_IMPORT, *(ROOT - {"__init__", "__main__"})]
    for package, others in MAY_IMPORT.items():
        assert all(rows.index(package) < rows.index(other) for other in others.split())


def test_a_plan_is_made_without_git_and_without_a_warehouse() -> None:
    seen, waiting = set(), [module for module in MODULES if within(module, "seeknal_git.plan")]
    while waiting:
        module = waiting.pop()
        if module not in seen and module in MODULES:
            seen.add(module)
            # Only the values of a project are used. How it is read is the project's own affair.
            waiting += IMPORTS[module] if module != "seeknal_git.project.definitions" else ()
    wrong = {
        module for module in seen if within(module, "seeknal_git.git", "seeknal_git.warehouse")
    }
    assert wrong == set()


def test_there_is_no_circle_of_modules() -> None:
    import graphlib

    graph = {
        module: {each for each in imported if each in MODULES}
        for module, imported in IMPORTS.items()
    }
    tuple(graphlib.TopologicalSorter(graph).static_order())


def prints(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        return getattr(node.func, "id", getattr(node.func, "attr", "")) in {
            "print",
            "echo",
            "secho",
        }
    return isinstance(node, ast.Attribute) and ast.unparse(node) in {"sys.stdout", "sys.stderr"}


def test_only_reports_and_commands_print() -> None:
    wrong = [
        f"{module}:{getattr(node, 'lineno', 0)}"
        for module, tree in trees()
        if not within(module, "seeknal_git.cli", "seeknal_git.report")
        for node in ast.walk(tree)
        if prints(node)
    ]
    assert wrong == []


def test_anything_is_caught_in_one_place_and_where_an_analysis_may_fail() -> None:
    """An analysis that fails costs a rebuild, and never a plan."""
    catching = [
        f"{module}:{node.lineno}"
        for module, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler)
        and (
            node.type is None
            or "Exception" in {getattr(each, "id", "") for each in ast.walk(node.type)}
        )
    ]
    assert len([each for each in catching if not each.startswith("seeknal_git.sql.analysis:")]) <= 1
    assert len(catching) <= 2


def test_whatever_is_caught_bare_is_raised_again() -> None:
    """`except BaseException` is for rolling back, never for going on."""
    wrong = [
        f"{module}:{node.lineno}"
        for module, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler)
        and "BaseException"
        in {getattr(each, "id", "") for each in ast.walk(node.type or ast.Pass())}
        and not isinstance(node.body[-1], ast.Raise)
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("arguments", "heavy"),
    [
        pytest.param("--version", "duckdb joblib pygit2 pydantic yaml numpy", id="version"),
        pytest.param("--help", "duckdb joblib pygit2 pydantic yaml numpy", id="help"),
        # typer 0.29 imports pydantic by itself as soon as a command has options.
        pytest.param("run --help", "duckdb joblib pygit2 yaml numpy", id="help of a command"),
    ],
)
def test_what_needs_no_work_loads_nothing_heavy(arguments: str, heavy: str) -> None:
    script = (
        "import sys\n"
        f"sys.argv = ['seeknal', *{arguments.split()!r}]\n"
        "from seeknal_git.cli import main\n"
        "try:\n    main()\n"
        "finally:\n    print(*sys.modules, file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert set(heavy.split()) & set(done.stderr.split()) == set()


def test_no_command_imports_pandas_through_the_engine(
    published: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DuckDB 1.5 does so for the first parameter of a statement, wherever pandas is installed."""
    mark, library = tmp_path / "imported", tmp_path / "library"
    library.mkdir()
    (library / "pandas.py").write_text(f"open({str(mark)!r}, 'w').close()\n")
    monkeypatch.setenv("PYTHONPATH", str(library))
    subprocess.run([sys.executable, "-c", "import pandas"], check=True)
    assert mark.exists(), "it is on the path"
    mark.unlink()
    for command in (["status"], ["run", "--full"], ["query", "FROM daily"]):
        published.seeknal(*command, subprocess=True)
    assert not mark.exists()


def test_functions_fit_on_a_screen() -> None:
    long = [
        f"{module}.{node.name}: {(node.end_lineno or 0) - node.lineno + 1} lines"
        for module, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 > 60
    ]
    assert long == []
