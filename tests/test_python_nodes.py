"""Python nodes: planned without being imported, built in a worker, re-used by code and data."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

from tests.conftest import Repo, Templates, copied, make_empty

PATH = "seeknal/pipelines/regions.py"
ORDERS = "id,region,amount\n1,EU,10\n2,US,20\n3,EU,30\n"
BEGIN = """
from seeknal.pipeline import feature_group, source, transform


@source(name="orders", table="data/o.csv", tags=["raw"])
def orders(ctx=None):
    pass


"""
REGIONS = (
    BEGIN
    + """
def doubled(value):
    return value * 2


def unused():
    return 1


@transform(name="by_region", inputs=["source.orders"], factor=3)
def by_region(ctx):
    o = ctx.relation("source.orders")
    k = ctx.get_param("factor", 1)
    return ctx.duckdb.sql(f"SELECT region, sum(amount) * {k} AS total FROM o GROUP BY ALL ORDER BY 1")


@transform()
def twice(ctx):
    o = ctx.relation("source.orders")
    return o.project(f"id, amount * {doubled(1)} AS amount")
"""
)
READER = """
    kind: transform
    name: reader
    transform: SELECT region, total FROM ref('transform.by_region')
"""


def make_regions(repo: Repo) -> None:
    repo.write("data/o.csv", ORDERS)
    repo.write(PATH, REGIONS)
    repo.write("seeknal/reader.yml", READER)
    repo.commit()


def make_built(repo: Repo) -> None:
    make_empty(repo)
    make_regions(repo)
    repo.run()


@pytest.fixture
def regions(repo: Repo) -> Repo:
    make_regions(repo)
    return repo


@pytest.fixture
def built(copy_of: Templates) -> Repo:
    return copy_of("python nodes", make_built)


def node(body: str, decorator: str = "", name: str = "n") -> str:
    """A file with one transform."""
    return BEGIN + f"@transform({decorator})\ndef {name}(ctx):\n    " + body + "\n"


def failure(repo: Repo, body: str, decorator: str = "") -> str:
    """Why a node fails."""
    repo.write(PATH, node(body, decorator))
    (repo.path / "seeknal/reader.yml").unlink(missing_ok=True)
    return told(repo, code=1)


def told(repo: Repo, code: int = 0) -> str:
    """All that a run says."""
    done = repo.seeknal("run", code=code)
    return done.out + done.err


def test_a_node_is_built_published_and_read_by_sql(built: Repo) -> None:
    assert built.numbers("FROM main.by_region") == [("EU", 120), ("US", 60)]
    assert built.numbers("SELECT typeof(total) FROM main.by_region LIMIT 1") == [("HUGEINT",)]
    assert built.numbers("FROM main.reader") == [("EU", 120), ("US", 60)]
    assert built.numbers("FROM main.twice") == [(1, 20), (2, 40), (3, 60)]
    said = built.seeknal("lineage", "transform.twice.id", code=2).err
    assert "No column id of transform.twice is known: its code declares none." in said
    assert built.built() == []


@pytest.mark.parametrize(
    ("old", "new", "rebuilds"),
    [
        ("value * 2", "value * 3", {"transform.twice"}),
        ("return 1\n", "return 2\n", set()),
        ("factor=3", "factor=4", {"transform.by_region", "transform.reader"}),
        ("    k = ctx", "    # a comment\n    k =  ctx", set()),
        (
            'ctx):\n    o = ctx.relation("source.orders")\n    k',
            'ctx):\n    """Text."""\n    o = ctx.relation("source.orders")\n    k',
            set(),
        ),
        ("factor=3)", 'factor=3, owner="me", tags=["a"], timeout="5m")', set()),
    ],
    ids=["helper", "nobody calls it", "param", "comment", "docstring", "words about it"],
)
def test_a_plan_rebuilds_the_nodes_whose_code_changed(
    built: Repo, old: str, new: str, rebuilds: set[str]
) -> None:
    built.replace(PATH, old, new)
    assert {node for layer in built.plan()["layers"] for node in layer} == rebuilds
    breaking = {name for name, word in built.categories().items() if word != "METADATA"}
    assert breaking == rebuilds - {"transform.reader"}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("value * 2", "value * 3", "code of doubled changed"),
        ("amount * {doubled(1)}", "amount * {1}", "code of doubled removed"),
        ("return o.project(", "return o.filter('id > 0').project(", "code of twice changed"),
        ("def doubled", "K = 1\n\n\nprint()\ndef doubled", "code of the top of the file added"),
        (
            "@transform()\ndef twice",
            '@transform(inputs=[{"ref": "source.orders", "columns": ["id", "amount"]}])\ndef twice',
            "reads id, amount of source.orders",
        ),
    ],
    ids=["helper", "no helper", "function", "top of the file", "columns"],
)
def test_a_plan_names_the_code_that_changed(built: Repo, old: str, new: str, said: str) -> None:
    built.replace(PATH, old, new)
    (words,) = [
        change["what"] for change in built.plan()["changes"] if change["node"] == "transform.twice"
    ]
    assert said in words
    assert said in built.seeknal("plan").out
    assert said in built.seeknal("diff", "--stat").out


def test_a_parameter_that_no_function_has_is_told(built: Repo) -> None:
    said = built.seeknal("plan", "--params", "factor=4", "--params", "facotr=5").err
    assert said == "No node uses the parameter facotr.\n"


def test_a_squash_and_a_second_clone_use_the_tables_of_a_branch_again(
    built: Repo, tmp_path: Path
) -> None:
    built.switch("dev", create=True)
    built.replace(PATH, "factor=3", "factor=5")
    built.commit()
    assert built.built("--env", "dev") == ["transform.by_region", "transform.reader"]
    built.switch("main")
    built.git("merge", "--squash", "dev")
    built.commit("squashed")
    promoted = built.seeknal("promote").out
    assert built.numbers("FROM main.by_region") == [("EU", 200), ("US", 100)], promoted
    assert built.built() == []
    clone = copied(built, tmp_path / "clone")
    assert clone.built() == []


def test_a_plan_says_that_a_function_takes_the_place_of_sql(built: Repo) -> None:
    built.git("rm", "--quiet", "seeknal/reader.yml")
    code = "def reader(ctx):\n    return ctx.relation('transform.by_region')\n"
    built.write(
        "seeknal/reader.py", f"from seeknal.pipeline import transform\n\n\n@transform()\n{code}"
    )
    (change,) = built.plan()["changes"]
    assert (change["node"], change["category"]) == ("transform.reader", "BREAKING")
    assert "a Python function now" in change["what"]


def test_nothing_but_a_run_executes_a_line_of_a_branch_that_was_fetched(
    built: Repo, tmp_path: Path
) -> None:
    marker = tmp_path / "marker"
    built.install_hooks()
    built.switch("theirs", create=True)
    built.write(PATH, REGIONS.replace("factor=3", "factor=9") + f"\nopen({str(marker)!r}, 'w')\n")
    built.write("seeknal/_helper.py", f"open({str(marker)!r}, 'w')\n")
    built.commit()
    for arguments in (
        ["plan"],
        ["validate"],
        ["diff"],
        ["lineage"],
        ["status"],
        ["parse"],
        ["doctor"],
        ["plan", "--verbose"],
        ["run", "--dry-run"],
    ):
        built.seeknal(*arguments, code=None)
    built.switch("main")
    for arguments in (
        ["plan", "theirs"],
        ["plan", "theirs", "--into", "main"],
        ["promote", "theirs", "--dry-run"],
        ["env", "list"],
    ):
        built.seeknal(*arguments, code=None)
    assert not marker.exists()


def test_only_declared_columns_are_handed_over_and_count(regions: Repo) -> None:
    body = 'return ctx.relation("source.orders")'
    both = 'inputs=[{"ref": "source.orders", "columns": ["id", "amount"]}]'
    regions.write(PATH, node(body, both))
    (regions.path / "seeknal/reader.yml").unlink()
    regions.run()
    assert regions.numbers("FROM main.n") == [(1, 10), (2, 20), (3, 30)]
    regions.write(PATH, node(body, both.replace('"id", ', "")))
    assert regions.categories() == {"transform.n": "BREAKING"}
    regions.write(PATH, node(body, both.replace('"id"', '"idd"')))
    said = regions.seeknal("plan", code=1).err
    assert f"{PATH}:9: transform.n reads the column idd of source.orders" in said


def test_a_change_of_a_column_that_is_not_read_reuses_the_node(regions: Repo) -> None:
    regions.write(
        "seeknal/o2.yml",
        """
        kind: transform
        name: o2
        transform: SELECT id, amount, upper(region) AS region FROM ref('source.orders')
    """,
    )
    regions.write(
        PATH,
        node(
            'return ctx.relation("transform.o2")',
            'inputs=[{"ref": "transform.o2", "columns": ["id", "amount"]}]',
        ),
    )
    (regions.path / "seeknal/reader.yml").unlink()
    regions.commit()
    regions.run()
    regions.replace("seeknal/o2.yml", "upper", "lower")
    assert regions.built() == ["transform.o2"]
    regions.replace(
        "seeknal/o2.yml", "ref('source.orders')", "ref('source.orders') ORDER BY id DESC"
    )
    assert regions.built() == ["transform.n", "transform.o2"]


def test_declared_columns_bind_readers_before_the_first_run(regions: Repo) -> None:
    regions.replace(
        PATH, "factor=3)", 'factor=3, columns={"region": "VARCHAR", "total": "BIGINT"})'
    )
    regions.replace("seeknal/reader.yml", "region, total", "region, totals")
    assert "totals" in regions.seeknal("plan", code=1).err
    regions.replace("seeknal/reader.yml", "totals", "total")
    regions.run()
    shown = regions.numbers(
        "SELECT data_type FROM information_schema.columns "
        "WHERE table_schema = 'main' AND column_name = 'total' ORDER BY ALL"
    )
    assert shown == [("BIGINT",), ("BIGINT",)]
    regions.replace(PATH, '"total": "BIGINT"', '"sum": "BIGINT"')
    regions.replace("seeknal/reader.yml", "region, total", "region, sum")
    assert "it declares the column sum, and returned region VARCHAR" in told(regions, code=1)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("raise ValueError('no')", f"ValueError: no ({PATH}:11)"),
        ("return None", "it returned nothing"),
        ("return 3", "it returned a int"),
        ("import os; os._exit(3)", "it ended its process, with exit code 3"),
        ("import os; os.kill(os.getpid(), 11)", "killed by SIGSEGV"),
        ("raise SystemExit", f"SystemExit ({PATH}:11)"),
        ("return bytearray(3 << 30)", "MemoryError"),
        ("while True: pass", "it took longer than 1s"),
        ("return ctx.state", "A node has no state of its own"),
        ("return ctx.ref('source.' + 'orders')", "is written as a literal"),
        ("import missing_module", "No module named 'missing_module'"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_a_node_that_fails_fails_alone(regions: Repo, body: str, said: str) -> None:
    decorator = 'timeout=1, memory="1GB"' if "True" in body or "30" in body else ""
    assert said in failure(regions, body, decorator)


def test_output_and_the_traceback_are_shown_from_the_users_code_on(regions: Repo) -> None:
    said = failure(regions, "print('so far'); return [][0]")
    assert "so far" in said
    assert f'\n    File "{PATH}", line 11, in n\n' in said
    assert "seeknal_git" not in said
    log = regions.read("target/logs/transform.n.log")
    assert "so far" in log
    assert "worker/node.py" in log


def test_a_node_sees_its_secrets_and_nothing_else_of_the_environment(
    regions: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = "import os; raise ValueError(sorted(set(os.environ) - {'LC_ALL', 'LC_CTYPE', 'LANG'}))"
    monkeypatch.setenv("TOKEN", "abc")
    monkeypatch.setenv("OTHER", "abc")
    said = failure(regions, body, 'secrets=["TOKEN"]')
    assert "['HOME', 'PATH', 'PYTHONHASHSEED', 'TMPDIR', 'TOKEN', 'TZ']" in said
    monkeypatch.delenv("TOKEN")
    assert "its secret TOKEN is not set" in failure(regions, body, 'secrets=["TOKEN"]')


def test_requirements_that_are_missing_are_listed_and_uv_is_named(
    regions: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEEKNAL_PYTHON", sys.executable)
    header = '# /// script\n# dependencies = ["duckdb>=99", "nothing-of-that-name"]\n# ///\n'
    regions.write(PATH, header + REGIONS)
    said = told(regions, code=1)
    assert "duckdb>=99 (" in said
    assert "nothing-of-that-name" in said
    assert "install uv" in said


@pytest.mark.skipif(shutil.which("uv") is None, reason="uv is not here")
def test_uv_makes_the_environment_of_a_header(regions: Repo) -> None:
    header = '# /// script\n# requires-python = ">=3.11"\n# dependencies = ["tabulate"]\n# ///\n'
    body = """
    import sys
    import tabulate
    return ctx.relation("source.orders").project(f"id, '{sys.prefix}' AS prefix, '{tabulate.__version__}' AS v")
"""
    regions.write(PATH, header + node(body))
    (regions.path / "seeknal/reader.yml").unlink()
    regions.run()
    ((place, version),) = regions.numbers("SELECT DISTINCT prefix, v FROM main.n")
    assert place != sys.prefix
    assert version
    regions.write(f"{PATH}.lock", "version = 1\n")
    assert "the lock of its file has no duckdb" in told(regions, code=1)
    regions.git("rm", "--quiet", "--force", "--cached", "--ignore-unmatch", f"{PATH}.lock")
    (regions.path / f"{PATH}.lock").unlink()
    regions.replace(PATH, '["tabulate"]', '["tabulate>=99"]')
    said = told(regions, code=1)
    assert "uv could not make its environment" in said
    assert "tabulate>=99" in said


def test_an_interpreter_that_cannot_run_the_worker_is_quoted_with_its_last_words(
    regions: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = regions.path.parent / "broken"
    broken.write_text(
        f"""#!/bin/sh
        case "$*" in
          *main.py*) echo first >&2; echo no libraries here >&2; exit 1;;
          *) exec {sys.executable} "$@";;
        esac
        """
    )
    broken.chmod(0o755)
    monkeypatch.setenv("SEEKNAL_PYTHON", str(broken))
    assert f"{broken} does not run the worker: no libraries here\n" in told(regions, code=1)


def test_files_that_no_fingerprint_knows_are_told(regions: Repo) -> None:
    regions.write("config.txt", "x")
    regions.write(PATH, node("open('config.txt').read(); return ctx.duckdb.sql('SELECT 1 AS a')"))
    (regions.path / "seeknal/reader.yml").unlink()
    assert "reads config.txt, which is no input of it" in told(regions)


CONNECTS = "import socket; socket.create_connection(('{}', {})).close(); "


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_use_of_the_network_is_told_once_unless_it_is_declared(regions: Repo, host: str) -> None:
    (regions.path / "seeknal/reader.yml").unlink()
    with socket.create_server(("127.0.0.1", 0)) as server:
        body = CONNECTS.format(host, server.getsockname()[1])
        body += "return ctx.duckdb.sql('SELECT 1 AS a')"
        regions.write(PATH, node(body))
        done = regions.run()
        message = (
            f"opens a connection to {host}: if its table may change with that, "
            f"declare volatile=True ({PATH}:9)"
        )
        assert done["doubted"] == [{"node": "transform.n", "message": message}]
        regions.write(PATH, node(f"; {body}".lstrip("; ") + "  # again", "volatile=True"))
        assert regions.run()["doubted"] == []


def test_a_verbose_run_shows_what_functions_print(
    regions: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "abc")
    body = "import os; print('it is', os.environ['TOKEN']); print('two\\x1b[31m'); "
    regions.write(PATH, node(f"{body}return ctx.duckdb.sql('SELECT 1 AS a')", 'secrets=["TOKEN"]'))
    (regions.path / "seeknal/reader.yml").unlink()
    said = regions.seeknal("run", "--verbose", "--json").err
    assert "  printed  transform.n\n    it is ***\n    two\\x1b[31m\n" in said
    assert "  sql      transform.n\n" not in said
    assert "SELECT" in said
    assert "it is" not in regions.seeknal("run", "--full").err
    regions.commit()
    regions.switch("dev", create=True)
    regions.replace(PATH, "print('it is'", "print('now it is'")
    regions.commit()
    assert "    now it is ***\n" in regions.seeknal("promote", "dev", "--verbose").err


def test_readers_are_checked_against_the_columns_of_the_last_table_of_the_code(
    regions: Repo,
) -> None:
    regions.replace("seeknal/reader.yml", "region, total", "region, totals")
    plan = regions.seeknal("plan")
    assert "Columns unknown until built: transform.by_region, transform.twice." in plan.out
    assert "totals" in told(regions, code=1)  # the engine, once the table is there
    assert 'Referenced column "totals" not found' in str(regions.plan()["warnings"])
    regions.replace(PATH, "factor=3", "factor=4")
    assert "transform.by_region" in regions.plan()["unbuilt"]


def test_a_volatile_node_is_built_in_each_run_of_production_alone(regions: Repo) -> None:
    body = "import time; return ctx.duckdb.sql(f'SELECT {time.time_ns()} AS moment')"
    regions.write(PATH, node(body, "volatile=True"))
    regions.write(
        "seeknal/reader.yml", "kind: transform\nname: reader\ntransform: FROM ref('transform.n')\n"
    )
    regions.commit()
    regions.run()
    assert regions.built() == ["transform.n", "transform.reader"]
    assert regions.numbers(
        "SELECT count(DISTINCT moment) FROM (SELECT * FROM main.n UNION ALL SELECT * FROM main.reader)"
    ) == [(1,)]
    regions.switch("dev", create=True)
    regions.write(
        "seeknal/other.yml",
        "kind: transform\nname: other\ntransform: SELECT moment AS m FROM ref('transform.n')\n",
    )
    assert regions.built() == ["transform.other"]
    assert regions.built() == []
    assert regions.built("--refresh") == ["transform.n", "transform.other", "transform.reader"]


def test_sandbox_refuses_python_nodes_that_are_due(regions: Repo) -> None:
    said = regions.seeknal("run", "--sandbox", code=2).err
    assert "is a Python node, and --sandbox runs none" in said
    regions.run()
    regions.seeknal("run", "--sandbox")


def test_a_promotion_in_the_sandbox_is_refused_before_git_merges(built: Repo) -> None:
    built.switch("dev", create=True)
    built.replace(PATH, "factor=3", "factor=4")
    built.commit()
    before = built.git("rev-parse", "main")
    said = built.seeknal("promote", "dev", "--sandbox", code=2).err
    assert "is a Python node, and --sandbox runs none" in said
    assert built.git("rev-parse", "main") == before
    built.seeknal("run", "--env", "dev")
    built.seeknal("promote", "dev", "--sandbox")
    assert built.git("rev-parse", "main") == built.head


def test_params_of_the_command_line_reach_the_nodes_that_have_them(built: Repo) -> None:
    assert built.built("--params", "factor=10") == ["transform.by_region", "transform.reader"]
    assert built.numbers("FROM main.by_region") == [("EU", 400), ("US", 200)]
    assert built.built("--params", "other=10", "--params", "factor=3") == []


TEMPLATES = (
    BEGIN.replace("data/o.csv", "{{ folder }}/o.csv")
    + """
@transform(region="{{ region }}", rule=["{{ rules.big }}"], day="{{ today }}", run="{{ run_id }}",
    secret="{{ env:TOKEN|none }}")
def chosen(ctx):
    rows = ctx.relation("source.orders")
    given = ctx.params
    where = f"region = '{given['region']}' AND {given['rule'][0]} AND '{{ no template }}' > ''"
    return rows.filter(where).project(f"id, '{given['day']}' AS day, length('{given['run']}') AS run")


@transform()
def all_of_them(ctx):
    return ctx.relation("source.orders")
"""
)


def test_templates_in_decorators_are_resolved_as_in_yaml(
    regions: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = "vars: {region: EU, folder: data}\nenvironments: {dev: {vars: {region: US}}}\n"
    regions.write("seeknal_project.yml", f"name: shop\n{variables}")
    regions.write("seeknal/common/rules.yml", "rules:\n- {id: big, value: amount > 15}\n")
    regions.write(PATH, TEMPLATES)
    regions.git("rm", "--quiet", "--force", "seeknal/reader.yml")
    regions.commit()
    regions.run("--date", "2026-01-31")
    assert regions.numbers("FROM main.chosen") == [(3, "2026-01-31", 32)]
    assert regions.built("--date", "2026-01-31") == []
    assert regions.built("--date", "2026-02-01") == ["transform.chosen"]
    regions.switch("dev", create=True)
    regions.run("--date", "2026-02-01")
    assert regions.numbers("SELECT id FROM dev.chosen") == [(2,)]
    regions.replace("seeknal/common/rules.yml", "15", "25")
    assert "rules.big changed (seeknal/common/rules.yml:2)" in regions.seeknal("plan").out
    assert regions.built("--date", "2026-02-01") == ["transform.chosen"]
    assert regions.numbers("SELECT count(*) FROM dev.chosen") == [(0,)]
    monkeypatch.setenv("TOKEN", "hush-hush")
    assert regions.built("--date", "2026-02-01") == ["transform.chosen"]
    assert "hush-hush" not in told(regions)
    kept = [file for file in (regions.path / ".git/seeknal").rglob("*") if file.is_file()]
    assert [file for file in kept if b"hush-hush" in file.read_bytes()] == []
    regions.replace(PATH, "{{ region }}", "{{ regoin }}")
    said = regions.seeknal("validate", code=1).err
    assert f"{PATH}:10: `{{{{ regoin }}}}` is not known.\n  Did you mean {{{{ region }}}}?" in said


def test_modules_of_the_project_count_as_far_as_they_are_reached(regions: Repo) -> None:
    regions.write(
        "lib/helpers.py",
        """
        from lib import more
        def rate(): return more.RATE
        def other(): return 1
    """,
    )
    regions.write("lib/__init__.py", "")
    regions.write("lib/more.py", "RATE = 2\n")
    regions.write("lib/unused.py", "RATE = 2\n")
    regions.write("seeknal/pipelines/_near.py", "def one(): return 1\n")
    regions.write(
        PATH,
        "from lib.helpers import rate\nfrom ._near import one\n"
        + node("return ctx.duckdb.sql(f'SELECT {rate() + one()} AS a')"),
    )
    (regions.path / "seeknal/reader.yml").unlink()
    regions.commit()
    regions.run()
    assert regions.numbers("FROM main.n") == [(3,)]
    regions.replace("lib/helpers.py", "return 1", "return 2")
    regions.write("lib/unused.py", "RATE = 5\n")
    assert regions.categories() == {}
    regions.replace("lib/more.py", "RATE = 2", "RATE = 3  # more")
    assert regions.categories() == {"transform.n": "BREAKING"}
    assert regions.built() == ["transform.n"]
    assert regions.numbers("FROM main.n") == [(4,)]


def test_code_that_was_not_reached_is_not_there(regions: Repo) -> None:
    regions.write(
        PATH,
        BEGIN + "def hidden():\n    return 1\n\n\n@transform()\ndef n(ctx):\n"
        "    return n.__getattribute__('__glo' + 'bals__')['hid' + 'den']()\n",
    )
    (regions.path / "seeknal/reader.yml").unlink()
    assert "KeyError: 'hidden'" in told(regions, code=1)


def test_nodes_have_random_numbers_of_their_own_and_all_processors(regions: Repo) -> None:
    pytest.importorskip("pandas")
    chance = """
import pandas as pd
import numpy as np

def rows(ctx):
    number, threads = ctx.duckdb.sql("SELECT random(), current_setting('threads')").fetchall()[0]
    return pd.DataFrame({"a": [np.random.rand()], "b": [number], "threads": [threads]})


@transform()
def one(ctx):
    return rows(ctx)


@transform()
def other(ctx):
    return rows(ctx)
"""
    regions.write(PATH, BEGIN + chance)
    (regions.path / "seeknal/reader.yml").unlink()
    regions.run()
    found = regions.numbers(
        "SELECT count(DISTINCT a), count(DISTINCT b), min(threads) FROM (FROM main.one UNION ALL FROM main.other)"
    )
    with duckdb.connect() as engine:
        threads = engine.execute("SELECT current_setting('threads')").fetchall()[0][0]
    assert found == [(2, 2, threads)]


def test_rows_that_do_not_fit_into_memory_go_to_disk_and_leave_nothing(regions: Repo) -> None:
    body = """
    big = "SELECT i, md5(i::VARCHAR) AS text FROM range(5000000) AS t(i) ORDER BY text"
    ctx.duckdb.execute(f"CREATE TABLE sorted AS {big}")
    return ctx.duckdb.sql("SELECT count(*) AS n, current_setting('memory_limit') AS most FROM sorted")
"""
    regions.write(PATH, node(body, 'memory="600MB"'))
    (regions.path / "seeknal/reader.yml").unlink()
    regions.run()
    assert regions.numbers("FROM main.n") == [(5000000, "450.0 MiB")]
    assert not (regions.path / ".tmp").exists()
    assert list((regions.path / ".git/seeknal/python").glob("*-*")) == []


def test_a_frame_without_a_library_for_frames_is_an_error(
    regions: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "bare/bin/python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    (packages,) = (tmp_path / "bare/lib").glob("python*/site-packages")
    for entry in Path(duckdb.__file__).parents[1].glob("*duckdb*"):
        (packages / entry.name).symlink_to(entry)
    monkeypatch.setenv("SEEKNAL_PYTHON", str(python))
    said = failure(regions, 'return ctx.ref("source.orders").head()')
    assert "a frame of pandas, Polars or Arrow, and none of them is installed" in said
    assert "ctx.relation('source.orders')" in said
    assert f"{PATH}:11" in said
    said = failure(regions, 'return ctx.ref("source.orders", "polars")')
    assert "a frame of polars needs polars: name it among the file's dependencies" in said


def test_frames_of_pandas_and_generators_become_tables(regions: Repo) -> None:
    regions.write(
        PATH,
        BEGIN
        + """
import pandas as pd


@transform()
def frame(ctx):
    o = ctx.ref("source.orders")
    return ctx.duckdb.sql("SELECT region, sum(amount) AS total FROM o GROUP BY ALL ORDER BY 1").df()


@transform()
def parts(ctx, orders=None):
    for number in range(2):
        yield pd.DataFrame({"number": [number], "name": [None]})


@transform(columns={"day": "DATE", "n": "INTEGER"})
def empty(ctx):
    return pd.DataFrame({"n": [], "DAY": []})


@feature_group(name="fg", entity={"name": "region", "join_keys": ["region"]}, features={"total": {"dtype": "float"}})
def features(ctx):
    return ctx.ref("transform.frame")
""",
    )
    (regions.path / "seeknal/reader.yml").unlink()
    regions.run()
    assert regions.numbers("FROM main.frame") == [("EU", 40.0), ("US", 20.0)]
    assert regions.numbers("FROM main.parts") == [(0, None), (1, None)]
    assert regions.numbers("DESCRIBE main.empty")[0][:2] == ("day", "DATE")


AGGREGATED = """
from seeknal.pipeline import second_order_aggregation


@second_order_aggregation(
    name="regions",
    source="source.orders",
    id_col="region",
    feature_date_col="day",
    application_date_col="today",
    features={
        "amount": {"basic": ["sum", "mean"]},
        "recent": {"basic": ["sum"], "window": [0, 7], "source_feature": "amount"},
    },
)
def of_regions(ctx, orders):
    rows = ctx.relation("source.orders")
    return rows.project("*, DATE '2026-01-01' + id::INTEGER * 5 AS day, DATE '2026-01-12' AS today")
"""


def test_the_rows_of_a_function_are_aggregated(regions: Repo) -> None:
    regions.write(PATH, BEGIN + AGGREGATED)
    reader = "SELECT region, amount_SUM FROM ref('second_order_aggregation.regions')"
    regions.write("seeknal/reader.yml", f"kind: transform\nname: reader\ntransform: {reader}\n")
    regions.run()
    found = regions.numbers("FROM main.regions")
    assert found == [("EU", 10, 10.0, 10), ("US", 20, 20.0, 20)]  # the third is after the date
    assert regions.numbers("SELECT sum(amount_SUM) FROM main.reader") == [(30,)]
    assert regions.built() == []
    regions.write(PATH, "# a comment\n" + BEGIN + AGGREGATED)
    assert regions.built() == []
    regions.replace(PATH, "[0, 7]", "[0, 3]")
    assert "features changed" in regions.seeknal("plan").out
    assert regions.built() == ["second_order_aggregation.regions", "transform.reader"]
    regions.replace(PATH, '"source_feature": "amount"', '"source_feature": "amuont"')
    said = told(regions, code=1)
    assert 'column "amuont" not found' in said
    before, _, _ = regions.read(PATH).partition('"recent"')
    assert f"({PATH}:{before.count(chr(10)) + 1})" in said
    assert regions.numbers("FROM main.regions") == [("EU", 10, 10.0, None), ("US", 20, 20.0, 20)]
    regions.replace(PATH, '"amount": {"basic": ["sum", "mean"]},', "")
    regions.replace(PATH, '"source_feature": "amuont"', '"source_feature": "amount"')
    regions.replace(PATH, 'today",', "today\", columns={'region': 'text', 'amount_SUM': 'int4'},")
    assert "returned the column amount_SUM_0_3" in told(regions, code=1)


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (
            "@transform(name=NAME)\ndef a(ctx): pass\n",
            9,
            "`name` of @transform is written as a literal",
        ),
        ("@transform\ndef a(ctx): pass\n", 9, "@transform is written with brackets"),
        ("class A:\n    @transform()\n    def a(self): pass\n", 10, "a plain function at the top"),
        (
            "@transform(materialized='view')\ndef a(ctx): pass\n",
            9,
            "rows of a function are a table",
        ),
        ("@transform(timeout='soon')\ndef a(ctx): pass\n", 9, "a time such as 90, 90s, 30m or 2h"),
        ("@transform(columns={'a': 'texte'})\ndef a(ctx): pass\n", 9, "is not a column type"),
        (
            "@transform(inputs=['source.order'])\ndef a(ctx): pass\n",
            9,
            "source.order, which does not exist",
        ),
        (
            "@transform()\ndef a(c):\n    return c.ref('source.order')\n",
            11,
            "Did you mean source.orders?",
        ),
        (
            "from seeknal.pipeline import second_order_aggregation as soa\n"
            "@soa(name='a', id_col='r', feature_date_col='d',\n  features={'v': {'window': [1, 7]}})\n"
            "def a(ctx): pass\n",
            11,
            "a `window` is of the aggregates of `basic`",
        ),
        ("@transform(x='{{ y }}')\ndef a(ctx): pass\n", 9, "`{{ y }}` is not known"),
        ("@transform()\ndef a(ctx: pass\n", 10, "not valid Python"),
    ],
)
def test_mistakes_in_decorators_are_told_with_their_line(
    regions: Repo, text: str, line: int, said: str
) -> None:
    regions.write(PATH, BEGIN + text)
    (regions.path / "seeknal/reader.yml").unlink()
    found = regions.seeknal("validate", code=1).err
    assert f"{PATH}:{line}: " in found
    assert said in found


def test_a_draft_in_python_is_filled_in_looked_at_and_applied(built: Repo) -> None:
    said = built.seeknal("draft", "transform", "big", "--python", "--deps", "duckdb").out
    assert "Wrote draft_transform_big.py" in said
    assert (
        "<INPUT> is still to be filled in"
        in built.seeknal("dry-run", "draft_transform_big.py", code=1).err
    )
    text = built.read("draft_transform_big.py").replace("<INPUT>", "transform.twice")
    assert 'dependencies = ["duckdb"]' in text
    text = text.replace('ctx.ref("', 'ctx.relation("').replace(
        "FROM rows", "FROM rows WHERE id > 1"
    )
    built.write("draft_transform_big.py", text)
    shown = built.seeknal("dry-run", "draft_transform_big.py").out
    assert "40" in shown
    assert "20\n" not in shown
    built.seeknal("apply", "draft_transform_big.py")
    assert built.read("seeknal/transforms/big.py") == text
    assert built.built() == ["transform.big"]
    built.write("draft_regions.py", REGIONS.replace("def twice", "def thrice"))
    assert (
        "holds transform.twice too"
        in built.seeknal("apply", "draft_regions.py", "--force", code=2).err
    )
    assert (
        "A rule is written in YAML" in built.seeknal("draft", "rule", "x", "--python", code=2).err
    )


def test_ctrl_c_ends_the_worker_and_leaves_nothing_behind(regions: Repo) -> None:
    marker = regions.path / "pid"
    body = f"import os, time; open({str(marker)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    regions.write(PATH, node(body))
    (regions.path / "seeknal/reader.yml").unlink()
    process = subprocess.Popen(regions.command("run"), cwd=regions.path, stderr=subprocess.DEVNULL)
    while not marker.exists() or not marker.read_text():
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    process.wait(20)
    assert process.returncode == 130
    for _ in range(100):
        if not Path(f"/proc/{marker.read_text()}").exists():
            break
        time.sleep(0.05)
    assert not Path(f"/proc/{marker.read_text()}").exists()
    assert list((regions.path / ".git/seeknal/python").glob("*-*")) == []


def test_promises_of_a_reader_are_checked_once_the_columns_are_known(regions: Repo) -> None:
    regions.write(
        "seeknal/fg.yml",
        """
        kind: feature_group
        name: fg
        entity: {name: region, join_keys: [region]}
        inputs: [{ref: transform.by_region}]
        features: {sums: {dtype: float}}
    """,
    )
    assert "promises the column sums" in told(regions, code=1)
    regions.replace("seeknal/fg.yml", "sums", "total")
    regions.replace("seeknal/fg.yml", "float", "string")
    assert "promises total as" in told(regions, code=1)
    regions.replace("seeknal/fg.yml", "string", "integer")
    regions.run()


def test_a_node_run_by_name_takes_its_modules_along(regions: Repo) -> None:
    regions.write("lib.py", "RATE = 2\n")
    for name in ("a", "b", "c"):
        uses = "lib.RATE" if name != "c" else "7"
        regions.write(
            f"seeknal/{name}.py",
            f"""
            import lib
            from seeknal.pipeline import transform


            @transform()
            def {name}(ctx):
                return ctx.duckdb.sql(f"SELECT {{{uses}}} AS rate")
        """,
        )
    regions.commit()
    regions.run()
    regions.write("lib.py", "RATE = 3\n")
    regions.replace("seeknal/c.py", "7", "8")
    regions.replace(PATH, "factor=3", "factor=4")
    assert regions.built("--nodes", "a") == ["transform.a", "transform.b", "transform.c"]
    assert regions.numbers("FROM main.a") == [(3,)]
    assert regions.numbers("FROM main.b") == [(3,)]


def test_functions_of_one_name_and_those_that_know_their_node_are_told_apart(
    regions: Repo,
) -> None:
    regions.write(
        PATH,
        BEGIN
        + "\n\n".join(
            f"@transform(name='{name}')\ndef build(ctx):\n    return ctx.duckdb.sql('SELECT {value} AS a')"
            for name, value in (("one", 1), ("two", 2))
        )
        + """


@transform(name="me")
def who(ctx):
    return ctx.duckdb.sql(f"SELECT '{ctx.node_id}' AS a")
""",
    )
    (regions.path / "seeknal/reader.yml").unlink()
    regions.commit()
    regions.run()
    assert regions.numbers("SELECT * FROM main.one UNION ALL SELECT * FROM main.two") == [
        (1,),
        (2,),
    ]
    regions.replace(PATH, '"me"', '"you"')
    assert regions.built() == ["transform.you"]
    assert regions.numbers("FROM main.you") == [("transform.you",)]


def test_the_last_python_file_that_goes_is_an_uncommitted_change(built: Repo) -> None:
    built.write("seeknal_project.yml", "name: empty\nprotect_production: true\n")
    built.write("seeknal/kept.yml", "kind: transform\nname: kept\ntransform: SELECT 1 AS n\n")
    (built.path / "seeknal/reader.yml").unlink(missing_ok=True)
    built.commit("Protected")
    built.seeknal("promote")
    before = built.production()
    (built.path / PATH).unlink()
    assert "uncommitted changes" in built.seeknal("status").out
    said = built.seeknal("run", code=2).err
    assert "Production is protected, and there are uncommitted changes" in said
    assert built.production() == before


@pytest.mark.parametrize(
    ("imported", "decorator"),
    [
        ("from seeknal.pipeline import transform", "@transfrom(name='n')"),
        ("from seeknal.pipeline import transfrom", "@transfrom(name='n')"),
        ("from seeknal import pipeline", "@pipeline.transfrom(name='n')"),
        ("from seeknal.pipeline import transform", "@transfrom"),
    ],
)
def test_a_misspelt_decorator_is_an_error_in_its_line(
    repo: Repo, imported: str, decorator: str
) -> None:
    repo.write("seeknal/n.py", f"{imported}\n\n\n{decorator}\ndef n(ctx):\n    pass\n")
    said = repo.seeknal("validate", code=1).err
    assert "seeknal/n.py:4: There is no decorator @transfrom." in said
    assert "Did you mean @transform?" in said


def test_decorators_of_others_are_none_of_ours(repo: Repo) -> None:
    repo.write(
        "seeknal/n.py",
        """
        from functools import cache

        from seeknal.pipeline import transform


        def transformed(function):
            return function


        @transformed
        @cache
        def told():
            return 1


        @transform(name="n")
        def n(ctx):
            return ctx.duckdb.sql(f"SELECT {told()} AS n")
        """,
    )
    assert "1 node valid" in repo.seeknal("validate").out
