"""The fixtures: a real git repository with a real warehouse, told as a story.

`repo` is an empty project, `shop` a small one that is committed, and `published` the same after its
first run.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import io
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import hypothesis
import pygit2
import pytest
from pygit2.enums import ConfigLevel
from xdist.scheduler import LoadScopeScheduling

from seeknal_git.cli import main
from seeknal_git.files import write_whole
from seeknal_git.git import hooks
from seeknal_git.names import literal
from seeknal_git.project.workspace import open_workspace
from seeknal_git.warehouse.location import Lake, Location
from tests import lakes

ROOT = Path(__file__).parents[1]

# Deadlines fail on a busy machine, and examples belong into the test that they broke, not into a
# folder. The suite draws the same examples each time, so that a failure is of the change at hand.
# `--hypothesis-profile=search` draws others.
hypothesis.settings.register_profile("search", deadline=None, database=None, print_blob=True)
hypothesis.settings.register_profile(
    "seeknal", hypothesis.settings.get_profile("search"), derandomize=True
)
hypothesis.settings.load_profile("seeknal")


def examples(few: int) -> int:
    """How many examples a journey is drawn for that takes seconds for each: few, or ten times as
    many in a search."""
    return few if hypothesis.settings().derandomize else 10 * few


def _in_memory(place: Path = Path("/dev/shm"), room: int = 2 << 30) -> bool:
    """Whether files can be made and executed in memory, and there is room for those of all tests."""
    try:
        system = os.statvfs(place)
    except OSError:
        return False
    enough = system.f_bavail * system.f_frsize >= room
    return enough and not system.f_flag & os.ST_NOEXEC and os.access(place, os.W_OK)


# The tests make and remove hundreds of thousands of files; a disk takes seconds for a thousand.
if "TMPDIR" not in os.environ and _in_memory():
    os.environ["TMPDIR"] = "/dev/shm"
    tempfile.tempdir = None


# Of a shell that started this in the background: no process that is started here heeds Ctrl-C then.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


# Files whose tests share something that takes seconds to make: one worker runs them all.
TOGETHER = ("tests/oracle/test_catalogue.py", "tests/test_lineage_page.py")


class _Scheduling(LoadScopeScheduling):
    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return file if file in TOGETHER else nodeid


def pytest_configure(config: pytest.Config) -> None:
    if lakes.WANTED and not hasattr(config, "workerinput"):
        lakes.start()


def pytest_unconfigure(config: pytest.Config) -> None:
    if lakes.WANTED and not hasattr(config, "workerinput"):
        lakes.stop()


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """xdist has groups, but 3.8 tells itself of them by names of tests, which pytest 9.2 does not
    let anybody change."""
    return _Scheduling(config, log)


def _leave() -> None:
    """End a worker of xdist, which has reported everything, without taking the interpreter apart:
    DuckDB 2's binding prints a line for each of its types that anything still refers to by then."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


if "PYTEST_XDIST_WORKER" in os.environ:
    atexit.register(_leave)  # the last one to be called, as it is the first to be registered


View = tuple[tuple[str, ...], list[tuple[Any, ...]]]

# The environments that are there, with the branch and the last use of each.
ENVIRONMENTS = """(
    SELECT schema_name, any_value(branch) AS branch, max(used_at) AS used_at
    FROM _seeknal.environments e WHERE publication_id > coalesce((
        SELECT max(publication_id) FROM _seeknal.runs r
        WHERE r.schema_name = e.schema_name AND status = 'removed'
    ), -1) GROUP BY schema_name
)"""

# The views of a schema, and of a file the tables too: to list tables, the engine asks the catalog of
# a lake twice for each that there ever was.
_IN_FILE = "SELECT table_name FROM information_schema.tables WHERE table_schema = $1 ORDER BY 1"
_IN_LAKE = """
    SELECT view_name FROM duckdb_views()
    WHERE database_name = 'warehouse' AND schema_name = $1 ORDER BY 1"""

# The variable with the folder where all workers of a session share what takes long to make. pytest
# and the tests import this module under two names, so it is none of the module.
_SHARED = "TESTS_SHARED"


@dataclass(frozen=True)
class Result:
    """What a command said, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Repo:
    """A git repository with a project, and what one does to it."""

    path: Path

    # Files and git

    def write(self, path: str, text: str) -> None:
        file = self.path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text).lstrip("\n"))

    def read(self, path: str) -> str:
        return (self.path / path).read_text()

    def replace(self, path: str, old: str, new: str) -> None:
        text = self.read(path)
        assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in {path}"
        (self.path / path).write_text(text.replace(old, new))

    def try_git(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["git", *arguments], cwd=self.path, capture_output=True, text=True, check=False
        )

    def git(self, *arguments: str) -> str:
        done = self.try_git(*arguments)
        assert done.returncode == 0, f"git {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def commit(self, message: str = "A commit", hooks: bool = True) -> str:
        """Commit everything; the id of the commit."""
        self.git("add", "--all")
        without = [] if hooks else ["-c", "core.hooksPath=/dev/null"]
        self.git(*without, "commit", "--quiet", "--allow-empty", "--message", message)
        return self.head

    def switch(self, name: str, create: bool = False) -> None:
        self.git("switch", "--quiet", *(["--create"] if create else []), name)

    def merge(self, name: str, *options: str) -> str:
        return self.git("merge", "--no-edit", *options, name)

    @property
    def head(self) -> str:
        return self.git("rev-parse", "HEAD")

    @property
    def production_ref(self) -> str:
        return self.git("rev-parse", "refs/seeknal/production")

    # Seeknal

    def seeknal(self, *arguments: str, code: int | None = 0, subprocess: bool = False) -> Result:
        """Run a command here; `code` is the exit code that it must have, None for any."""
        result = (
            _in_a_process(self.path, self.command(*arguments))
            if subprocess
            else _in_process(self.path, arguments)
        )
        assert code in (None, result.code), (
            f"seeknal {' '.join(arguments)} → {result.code}\n{result.out}{result.err}"
        )
        return result

    def command(self, *arguments: str) -> list[str]:
        """The command line for a process of its own."""
        return [sys.executable, "-P", "-m", "seeknal_git", *arguments]

    def loaded_by(self, *arguments: str) -> set[str]:
        """The modules that a command loads, in a process of its own."""
        script = (
            f"import sys\nsys.argv = {['seeknal', *arguments]}\n"
            "from seeknal_git.cli import main\n"
            "try:\n    main()\nfinally:\n    print(*sys.modules, file=sys.stderr)\n"
        )
        done = _in_a_process(self.path, [sys.executable, "-c", script])
        assert done.code == 0, done.err
        return set(done.err.split())

    def plan(self, *arguments: str) -> dict[str, Any]:
        return dict(self.seeknal("plan", *arguments, "--json").json)

    def categories(self, *arguments: str) -> dict[str, str]:
        """Node → category of its change."""
        return {change["node"]: change["category"] for change in self.plan(*arguments)["changes"]}

    def run(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        return dict(self.seeknal("run", *arguments, "--json", code=code).json)

    def built(self, *arguments: str, code: int = 0) -> list[str]:
        """The nodes that a run builds."""
        return sorted(self.run(*arguments, code=code)["built"])

    def install_hooks(self, process: bool = False) -> None:
        """process: each hook starts a process from nothing, which can be killed."""
        command = (sys.executable, "-P", "-m", "seeknal_git")
        hooks.install(self.path, ".", "main", command if process else forked())

    # The warehouse, as everybody else reads it

    @property
    def place(self) -> Location:
        """Where its warehouse is."""
        if not lakes.WANTED:
            return self.warehouse
        return open_workspace(self.path).warehouse_location

    @property
    def warehouse(self) -> Path:
        if (self.path / ".git").is_dir():
            return self.path / ".git/seeknal/warehouse.duckdb"
        inside = (
            self.path / "seeknal_project.yml"
        ).exists()  # of a project in a folder, or of a linked working tree
        if not inside:
            return self.path / "target/warehouse.duckdb"
        location = open_workspace(self.path).warehouse_location
        assert isinstance(location, Path)
        return location

    def numbers(self, sql: str) -> list[tuple[Any, ...]]:
        with opened(self.place, "READ_ONLY") as connection:
            return connection.execute(sql).fetchall()

    def tamper(self, sql: str) -> None:
        """What somebody does to the warehouse behind our back."""
        with opened(self.place, "READ_WRITE") as connection:
            connection.execute(sql)

    def views(self, schema: str) -> dict[str, View]:
        """Every view of a schema, and in a file every table: its columns with their types, and its
        rows in order."""
        listed = _IN_LAKE if lakes.WANTED else _IN_FILE
        with opened(self.place, "READ_ONLY") as connection:
            names = connection.execute(listed, [schema]).fetchall()
            return {name: _contents(connection, f'"{schema}"."{name}"') for (name,) in names}

    @property
    def written(self) -> object:
        """A value that every write to the warehouse changes."""
        if lakes.WANTED:
            return self.numbers("FROM ducklake_current_snapshot('warehouse')")
        return self.warehouse.stat().st_mtime_ns, self.warehouse.read_bytes()

    def production(self) -> dict[str, View]:
        return self.views("main")

    def fresh_build(self, commit: str = "HEAD") -> dict[str, View]:
        """What production would be, were that commit all that there ever was: a run in a clone with
        no warehouse."""
        # Tests end in the same trees again and again; what git tracks decides everything in a clone.
        tree = self.git("rev-parse", f"{commit}^{{tree}}")
        known = Path(os.environ[_SHARED]) / f"{tree}.pickle"
        if not known.exists():
            fresh = Repo(self.path.parent / f"fresh-{tree}")
            self.git("clone", "--quiet", "--no-checkout", ".", str(fresh.path))
            fresh.git("checkout", "--quiet", "-B", "main", self.git("rev-parse", commit))
            fresh.seeknal("run")
            write_whole(known, pickle.dumps(fresh.production()))
        return dict(pickle.loads(known.read_bytes()))

    def new_snapshots(self, before: list[tuple[str, str]]) -> list[str]:
        """The nodes that were built since `before`, which `snapshots()` returned."""
        return [node for node, table in self.snapshots() if (node, table) not in before]

    def finished(self, before: list[tuple[str, str]]) -> list[str]:
        """The same, with those that a run built beside the warehouse, and did not publish yet."""
        found = self.new_snapshots(before)
        for file in (self.warehouse.parent / "builds").glob("*.duckdb"):
            with duckdb.connect(file, read_only=True) as connection:
                own = "rowid >= (SELECT snapshots FROM _beside.known)"
                rows = connection.execute(f"SELECT node FROM _seeknal.snapshots WHERE {own}")
                found += [node for (node,) in rows.fetchall()]
        return found

    def publications(self) -> int:
        return len(self.numbers("SELECT DISTINCT schema_name, id FROM _seeknal.publications"))

    def environments(self) -> list[str]:
        """The branches whose environments are there."""
        return [name for (name,) in self.numbers(f"SELECT branch FROM {ENVIRONMENTS} ORDER BY ALL")]

    def promotions(self) -> int:
        """How many publications of production there are."""
        return len(
            self.numbers("SELECT DISTINCT id FROM _seeknal.publications WHERE schema_name = 'main'")
        )

    def snapshots(self) -> list[tuple[str, str]]:
        """(node, table) of everything that was ever built."""
        return self.numbers("SELECT node, table_name FROM _seeknal.snapshots ORDER BY ALL")

    def snapshots_shown(self) -> dict[str, str]:
        """Node → the table that production shows."""
        return dict(
            self.numbers(
                "SELECT node, table_name FROM _seeknal.publication_nodes WHERE schema_name = 'main' "
                "QUALIFY row_number() OVER (PARTITION BY node ORDER BY publication_id DESC) = 1"
            )
        )

    @contextlib.contextmanager
    def held(self) -> Iterator[int]:
        """Another process has the warehouse open; its pid."""
        script = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
        command = [sys.executable, "-c", script, str(self.warehouse)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
            assert other.stdin is not None
            assert other.stdout is not None
            assert other.stdout.readline() == b"held\n"
            try:
                yield other.pid
            finally:
                other.stdin.close()


@functools.cache
def _engine() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()


@contextlib.contextmanager
def opened(path: Location, mode: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB file under its own name, as `duckdb.connect` opens it, without the 12 ms that a new
    engine takes; or a lake."""
    if isinstance(path, Lake):
        with lakes.opened(path, mode) as connection:
            yield connection
        return
    with _engine().cursor() as connection:
        connection.execute(f"ATTACH {literal(str(path))} AS {path.stem} ({mode}); USE {path.stem}")
        try:
            yield connection
        finally:
            connection.execute(f"USE memory; DETACH {path.stem}")


def _contents(connection: duckdb.DuckDBPyConnection, relation: str) -> View:
    columns = tuple(
        f"{row[0]} {row[1]}" for row in connection.execute(f"DESCRIBE {relation}").fetchall()
    )
    return columns, sorted(connection.execute(f"SELECT * FROM {relation}").fetchall(), key=repr)


def _in_process(folder: Path, arguments: tuple[str, ...]) -> Result:
    """The command line itself, without the second that a new process takes."""
    out, err, before, code = io.StringIO(), io.StringIO(), sys.argv, 0
    sys.argv = ["seeknal", *arguments]
    try:
        with (
            contextlib.chdir(folder),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            main()
    except SystemExit as exit_:
        code = exit_.code if isinstance(exit_.code, int) else 1
    finally:
        sys.argv = before
    return Result(code, out.getvalue(), err.getvalue())


def forked() -> tuple[str, ...]:
    """The words that run a command in a fork of a process that has imported everything: a process,
    in a fifth of the time that another one takes to start."""
    client = ROOT / "tests/forked.py"
    return (sys.executable, "-I", "-S", str(client), _fork_server()[1])


@functools.cache
def _fork_server() -> tuple[subprocess.Popen[bytes], str]:
    """The server, and the place of its socket, whose name may not be long."""
    place = f"{tempfile.mkdtemp(prefix='seeknal-')}/socket"
    command = [sys.executable, "-P", "-m", "tests.forkserver", place]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert server.stdout is not None
    assert server.stdout.readline() == b"ready\n"
    return server, place


def _end_fork_server() -> None:
    if _fork_server.cache_info().currsize:
        server, place = _fork_server()
        server.communicate()
        shutil.rmtree(Path(place).parent)


def _in_a_process(folder: Path, command: list[str]) -> Result:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return Result(done.returncode, done.stdout, done.stderr)


@contextlib.contextmanager
def isolated(home: Path, shared: Path | None = None) -> Iterator[None]:
    """No setting of this machine's user reaches what is done within, and child processes import
    this checkout. shared: the folder of what takes long to make, by default the home."""
    with pytest.MonkeyPatch.context() as patch:
        foreign = ("GIT_", "SEEKNAL_", "PYTHON", "GITHUB_", "CI_")
        for name in [name for name in os.environ if name.startswith(foreign) or name == "CI"]:
            patch.delenv(name)
        config = home / "gitconfig"
        config.write_text(
            "[user]\nname = Ada\nemail = ada@example.org\n[init]\ndefaultBranch = main\n"
        )
        for name, value in {
            "HOME": home,
            "GIT_CONFIG_GLOBAL": config,
            "GIT_CONFIG_NOSYSTEM": 1,
            "GIT_EDITOR": "true",
            "PYTHONPATH": ROOT,
            _SHARED: shared or home,
        }.items():
            patch.setenv(name, str(value))
        # libgit2 looked for the user's configuration when it was imported.
        for level in (ConfigLevel.GLOBAL, ConfigLevel.XDG, ConfigLevel.SYSTEM):
            pygit2.settings.search_path[level] = str(home)
        yield


@pytest.fixture(scope="session", autouse=True)
def _isolated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    shared.mkdir(exist_ok=True)
    with isolated(tmp_path_factory.mktemp("home"), shared):
        yield
        _end_fork_server()


SHOP = {
    "seeknal_project.yml": "name: shop\n",
    ".gitignore": "target/\nexports/\nraw/\n",
    "data/orders.csv": """
        id,customer,day,amount
        1,1,2024-01-01,10
        2,2,2024-01-01,20
        3,1,2024-01-02,30
        4,3,2024-01-02,40
        5,2,2024-01-03,
    """,
    "data/customers.csv": """
        id,name,town
        1,Ada,London
        2,Bob,Paris
        3,Cy,Oslo
    """,
    "seeknal/sources/orders.yml": """
        kind: source
        name: orders
        source: csv
        table: data/orders.csv
    """,
    "seeknal/sources/customers.yml": """
        kind: source
        name: customers
        source: csv
        table: data/customers.csv
    """,
    "seeknal/transforms/clean_orders.yml": """
        kind: transform
        name: clean_orders
        inputs:
          - ref: source.orders
        transform: |
          SELECT id, customer, day, amount
          FROM ref('source.orders')
          WHERE amount IS NOT NULL
        tests:
          - unique: id
    """,
    "seeknal/transforms/daily.yml": """
        kind: transform
        name: daily
        inputs:
          - ref: transform.clean_orders
        transform: |
          SELECT day, sum(amount) AS total
          FROM transform.clean_orders
          GROUP BY day
    """,
    "seeknal/transforms/by_customer.yml": """
        kind: transform
        name: by_customer
        inputs:
          - ref: transform.clean_orders
          - ref: source.customers
        transform: |
          SELECT c.name AS name, sum(o.amount) AS total
          FROM input_0 AS o
          JOIN input_1 AS c ON c.id = o.customer
          GROUP BY c.name
    """,
    "seeknal/rules/amounts_are_positive.yml": """
        kind: rule
        name: amounts_are_positive
        inputs:
          - ref: transform.clean_orders
        rule: amount > 0
    """,
    "seeknal/exposures/by_customer_csv.yml": """
        kind: exposure
        name: by_customer_csv
        type: file
        inputs:
          - ref: transform.by_customer
        params:
          path: exports/by_customer.csv
    """,
}


@pytest.fixture(scope="session")
def templates(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str, Callable[[Repo], None]], Repo]:
    """Repositories that tests start from: each is made once, by its function, and then copied. A
    worker copies those that another one has made."""
    place = tmp_path_factory.mktemp("templates")
    made: dict[str, Repo] = {}

    def template(name: str, make: Callable[[Repo], None]) -> Repo:
        key = f"{name}-{make.__module__}-{make.__qualname__}"
        if key not in made:
            mine, shared = Repo(place / key), Path(os.environ[_SHARED]) / key
            if shared.exists():
                copied(Repo(shared), mine.path)
            else:
                shutil.rmtree(mine.path, ignore_errors=True)  # of one that failed
                make(mine)
                copied(mine, place / f"{key}.shared")
                with contextlib.suppress(OSError):  # another worker was faster
                    (place / f"{key}.shared").rename(shared)
            made[key] = mine
        return made[key]

    return template


Templates = Callable[[str, Callable[[Repo], None]], Repo]


@pytest.fixture
def copy_of(tmp_path: Path, templates: Templates) -> Callable[[str, Callable[[Repo], None]], Repo]:
    """A copy of a template for this test alone."""

    def copy(name: str, make: Callable[[Repo], None]) -> Repo:
        return copied(templates(name, make), tmp_path / f"{name}-{len(list(tmp_path.iterdir()))}")

    return copy


def copied(repo: Repo, path: Path) -> Repo:
    copy = Repo(Path(shutil.copytree(repo.path, path, symlinks=True)))
    if lakes.WANTED:
        lakes.copy(repo.path, path)
    return copy


def _begin(repo: Repo, files: dict[str, str]) -> None:
    repo.path.mkdir()
    repo.git("init", "--quiet")
    for path, text in files.items():
        repo.write(path, text)
    if lakes.WANTED:
        repo.write("seeknal_project.yml", files["seeknal_project.yml"] + lakes.SETTING)
        lakes.begin(repo.path)
    repo.commit("First")


def make_empty(repo: Repo) -> None:
    _begin(
        repo, {"seeknal_project.yml": "name: empty\n", ".gitignore": "target/\nexports/\nraw/\n"}
    )


def make_shop(repo: Repo) -> None:
    _begin(repo, SHOP)


def make_published(repo: Repo) -> None:
    make_shop(repo)
    repo.seeknal("run")


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> Callable[[], float]:
    """The seconds that commands in this thread have waited by intent, whatever a busy machine
    adds, and whatever threads of other tests do."""
    pauses: list[float] = []
    sleep, here = time.sleep, threading.get_ident()

    def pause(seconds: float) -> None:
        if threading.get_ident() == here:
            pauses.append(seconds)
        sleep(seconds)

    monkeypatch.setattr(time, "sleep", pause)
    return lambda: sum(pauses)


@pytest.fixture
def repo(copy_of: Templates) -> Repo:
    """An empty project, on main."""
    return copy_of("empty", make_empty)


@pytest.fixture
def shop(copy_of: Templates) -> Repo:
    """Orders and customers, on main, committed and never run."""
    return copy_of("shop", make_shop)


@pytest.fixture
def published(copy_of: Templates) -> Repo:
    """The shop after its first run on main."""
    return copy_of("published", make_published)
