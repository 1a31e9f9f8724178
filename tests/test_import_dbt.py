"""`seeknal import dbt`: a dbt project in the shape of the usual tutorials becomes nodes, and what is
more than a plain model is listed with its line."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import Repo
from tests.terminal import in_a_terminal

BAKERY = {
    "dbt_project.yml": """
        name: bakery
        version: "1.0"
        profile: bakery
        vars:
          first_day: "2026-02-01"
        models:
          bakery:
            +materialized: table
            +tags: [daily]
            staging:
              +materialized: view
              +tags: [raw]
        """,
    "seeds/raw_guests.csv": "id,name\n1,Ada\n2,Bob\n3,Cyd\n",
    "seeds/raw_orders.csv": "id,guest,day,state\n"
    "1,1,2026-01-31,done\n2,1,2026-02-01,done\n3,2,2026-02-03,\n4,3,2026-02-04,open\n",
    "data/payments.csv": "order_id;cents\n1;250\n2;1000\n3;400\n3;100\n",
    "seeds/seeds.yml": """
        seeds:
          - name: raw_orders
            config: {column_types: {id: bigint}}
            columns:
              - {name: id, data_tests: [unique, not_null]}
        """,
    "models/staging/sources.yml": """
        sources:
          - name: till
            tables:
              - name: payments
                description: From the till
                config: {external_location: "read_csv('data/{name}.csv')"}
        """,
    "models/staging/stg_guests.sql": """
        {#- The names as they were written down -#}
        select id as guest_id, name from {{ ref('raw_guests') }}
        """,
    "models/staging/stg_orders.sql": """
        {{ config(
            tags=['orders'],
            meta={'owner': 'counter@example.org', 'sla': {'hours': 2}}
        ) }}

        with source as (
            select * from {{ ref("bakery", "raw_orders") }}
        )

        select source.id as order_id, source.guest as guest_id, day, state from source
        where day >= date '{{ var('first_day') }}'
        """,
    "models/staging/stg_payments.sql": """
        select order_id, cents / {{ var('cents', 100) }} as amount
        from {{ source('till', 'payments') }} -- {{ source('till', 'payments') }}
        """,
    "models/guests.sql": """
        with payments as (
            select stg_orders.guest_id, sum(amount) as paid
            from {{ ref('stg_payments') }} join {{ ref('stg_orders') }} using (order_id)
            group by 1
        )

        select stg_guests.guest_id, stg_guests.name, coalesce(payments.paid, 0) as paid
        from {{ ref('stg_guests') }} left join payments using (guest_id)
        """,
    "models/schema.yml": """
        models:
          - name: guests
            description: '{{ doc("guests") }}'
            columns:
              - name: guest_id
                description: The number on the card
                data_type: bigint
                data_tests:
                  - unique
                  - not_null: {config: {severity: warn}}
              - name: paid
                data_tests:
                  - not_null: {config: {where: "name <> 'Cyd'"}}
          - name: stg_orders
            columns:
              - name: guest_id
                tests:
                  - relationships: {to: ref('guests'), field: guest_id}
                  - relationships: {arguments: {to: ref('stg_guests'), field: guest_id}}
              - name: state
                tests:
                  - accepted_values: {values: [done, open]}
        exposures:
          - name: wall
            label: On the wall
            type: dashboard
            url: https://example.org/wall
            owner: {name: Cyd, email: cyd@example.org}
            depends_on:
              - ref('guests')
              - source('till', 'payments')
        """,
    "models/texts.md": "{% docs guests %}\nWho came, and what they paid.\n{% enddocs %}\n",
    "tests/nobody_pays_less_than_nothing.sql": """
        {{ config(severity='warn') }}
        select * from {{ ref('guests') }} where paid < 0
        """,
}
TAKEN = """
    exposure.wall rule.nobody_pays_less_than_nothing rule.stg_orders_guest_id_is_in_guests
    source.payments source.raw_guests source.raw_orders transform.guests transform.stg_guests
    transform.stg_orders transform.stg_payments
    """.split()
GUESTS = [(1, "Ada", 10.0), (2, "Bob", 5.0), (3, "Cyd", 0.0)]

Bakery = Callable[..., Path]


@pytest.fixture
def bakery(tmp_path: Path) -> Bakery:
    """Writes the project of dbt, with other files or without some, and returns its folder."""

    def write(folder: Path | None = None, **changed: str | None) -> Path:
        folder = folder or tmp_path / "bakery"
        given = {
            path.replace("__", "/").replace("_DOT_", "."): text for path, text in changed.items()
        }
        for path, text in {**BAKERY, **given}.items():
            if text is not None:
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_text(textwrap.dedent(text).lstrip("\n"))
        return folder

    return write


def with_files(folder: Path, files: dict[str, str]) -> str:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(textwrap.dedent(text).lstrip("\n"))
    return str(folder)


def imported(repo: Repo, folder: Path, *options: str) -> dict[str, Any]:
    return dict(repo.seeknal("import", "dbt", str(folder), "--json", *options).json)


def left(done: dict[str, Any]) -> list[tuple[str, int, str]]:
    return [(problem["file"], problem["line"], problem["message"]) for problem in done["left"]]


def test_a_plain_project_becomes_nodes_that_run(repo: Repo, bakery: Bakery) -> None:
    done = imported(repo, bakery())
    assert sorted(node["node"] for node in done["taken"]) == TAKEN
    assert (done["left"], done["notes"], done["awaited"]) == ([], [], {})
    assert done["variables"] == {"first_day": "2026-02-01"}
    assert repo.seeknal("validate").out.startswith("10 nodes valid.")
    staged = repo.git("diff", "--cached", "--name-only").splitlines()
    assert "seeknal/transforms/staging/stg_orders.sql" in staged
    assert "seeds/raw_orders.csv" in staged
    assert "data/payments.csv" not in staged, "raw data is not put into git"
    result = repo.run()
    assert result["failures"] == []
    assert repo.numbers("FROM main.guests ORDER BY 1") == GUESTS
    assert repo.numbers("SELECT count(*) FROM main.raw_orders WHERE state IS NULL") == [(1,)]
    assert [change["node"] for change in repo.plan()["changes"]] == []


def test_the_files_of_a_model_read_like_written_by_hand(repo: Repo, bakery: Bakery) -> None:
    imported(repo, bakery())
    assert repo.read("seeknal/transforms/staging/stg_orders.sql") == textwrap.dedent("""\
        with source as (
            select * from ref('source.raw_orders')
        )

        select source.id as order_id, source.guest as guest_id, day, state from source
        where day >= date '{{ first_day }}'
        """)
    assert repo.read("seeknal/transforms/staging/stg_orders.yml") == textwrap.dedent("""\
        kind: transform
        name: stg_orders
        owner: counter@example.org
        tags: [daily, raw, orders]
        meta:
          owner: counter@example.org
          sla:
            hours: 2
        materialized: view
        tests:
          - name: guest_id is in stg_guests.guest_id
            custom_sql: |
              SELECT * FROM __THIS__ AS child
              WHERE child.guest_id IS NOT NULL AND NOT EXISTS (
                FROM ref('transform.stg_guests') AS parent WHERE parent.guest_id = child.guest_id
              )
          - accepted_values: {column: state, values: [done, open]}
        """)
    guests = repo.read("seeknal/transforms/guests.yml")
    assert "description: Who came, and what they paid.\n" in guests
    assert "  guest_id: The number on the card (bigint)\n" in guests
    assert "  - {not_null: [guest_id], severity: warn}\n" in guests
    payments = repo.read("seeknal/transforms/staging/stg_payments.sql")
    assert payments.endswith("from ref('source.payments') -- ref('source.payments')\n")
    assert "params: {cents: '100'}\n" in repo.read("seeknal/transforms/staging/stg_payments.yml")
    assert "owner: cyd@example.org\n" in repo.read("seeknal/exposures/wall.yml")
    assert repo.read("seeknal_project.yml").endswith("\nvars:\n  first_day: '2026-02-01'\n")


@pytest.mark.parametrize("key", ['"vars":', "vars :", "{name: empty, vars:"])
def test_no_second_list_of_variables_is_written(repo: Repo, bakery: Bakery, key: str) -> None:
    text = f"{key} {{own: 1}}}}\n" if key.startswith("{") else f"name: empty\n{key} {{own: 1}}\n"
    repo.write("seeknal_project.yml", text)
    repo.commit("Variables of its own")
    done = imported(repo, bakery())
    assert done["variables"] == {}
    assert repo.read("seeknal_project.yml") == text
    assert "which seeknal_project.yml does not have" in " ".join(
        problem["message"] for problem in done["left"]
    )


def test_a_project_of_dbt_within_the_project_keeps_its_data_in_place(
    repo: Repo, bakery: Bakery
) -> None:
    bakery(repo.path / "dbt")
    done = imported(repo, Path("dbt"))
    assert done["data"] == {}
    assert "table: dbt/seeds/raw_orders.csv\n" in repo.read("seeknal/sources/raw_orders.yml")
    repo.run()
    assert repo.numbers("FROM main.guests ORDER BY 1") == GUESTS


def test_a_dry_run_says_the_same_and_writes_nothing(repo: Repo, bakery: Bakery) -> None:
    folder = bakery()
    said = imported(repo, folder, "--dry-run")
    assert repo.git("status", "--porcelain") == ""
    assert {**said, "dry_run": False} == imported(repo, folder)


def test_the_second_import_takes_the_rest_and_overwrites_nothing(
    repo: Repo, bakery: Bakery
) -> None:
    folder = bakery()
    with_files(folder, {"models/staging/stg_payments.sql": "{% set x = 1 %} select {{ x }}"})
    first = imported(repo, folder)
    assert left(first)[0][:2] == ("models/guests.sql", 1)
    assert "guests reads stg_payments, which is not taken." in left(first)[0][2]
    assert "transform.guests" not in [node["node"] for node in first["taken"]]
    repo.write(
        "seeknal/transforms/stg_payments.yml",
        """
        kind: transform
        name: stg_payments
        transform: SELECT order_id, cents / 100 AS amount FROM ref('source.payments')
        """,
    )
    mine = repo.read("seeknal/transforms/stg_payments.yml")
    second = imported(repo, folder)
    assert [node["node"] for node in second["taken"]] == [
        "transform.guests",
        "rule.nobody_pays_less_than_nothing",
        "exposure.wall",
    ]
    assert repo.read("seeknal/transforms/stg_payments.yml") == mine
    repo.run()
    assert repo.numbers("FROM main.guests ORDER BY 1") == GUESTS


def test_the_tests_of_a_model_that_somebody_wrote_as_a_node_are_listed(
    repo: Repo, bakery: Bakery
) -> None:
    folder = bakery()
    with_files(
        folder,
        {
            "models/guests.sql": "{% set x = 1 %} select guest_id, {{ x }} as paid",
            "macros/net.sql": "{% macro net(a) %}{{ a }} / 2{% endmacro %}",
        },
    )
    first = imported(repo, folder)
    assert "The macro net is not taken." in [message for _, _, message in left(first)]
    repo.write(
        "seeknal/transforms/guests.yml",
        """
        kind: transform
        name: guests
        transform: |
          SELECT DISTINCT guest_id, name, 1 AS paid
          FROM ref('transform.stg_guests') JOIN ref('transform.stg_orders') USING (guest_id)
        tests: [unique: [guest_id]]
        """,
    )
    repo.write("seeknal/macros/net.sql", "CREATE MACRO net(a) AS a / 2;\n")
    second = imported(repo, folder)
    there = "is not taken: guests was there already."
    assert left(second) == [
        ("models/schema.yml", 10, f"The test not_null(guest_id) of guests {there}"),
        ("models/schema.yml", 13, f"The test not_null(paid) of guests {there}"),
        (
            "models/schema.yml",
            18,
            "The test guest_id is in guests.guest_id of stg_orders is not taken:"
            " stg_orders was there already.",
        ),
    ]
    assert {"transform.guests", "macro.net"} <= {*second["present"]}
    hints = [problem["hint"] for problem in second["left"]]
    own = "Write it in seeknal/transforms/guests.yml, under tests: "
    assert hints[0] == f"{own}{{not_null: [guest_id], severity: warn}}"
    assert hints[1].startswith(own + "{name: not_null(paid), custom_sql: ")
    assert hints[2].startswith("Write it as a rule stg_orders_guest_id_is_in_guests: {inputs: ")
    keys = [yaml.safe_load(hint.split(": ", 1)[1]) for hint in hints]
    node = yaml.safe_load(repo.read("seeknal/transforms/guests.yml"))
    node["tests"] += keys[:2]
    repo.write("seeknal/transforms/guests.yml", yaml.safe_dump(node))
    rule = {"kind": "rule", "name": "stg_orders_guest_id_is_in_guests", **keys[2]}
    repo.write("seeknal/rules/stg_orders_guest_id_is_in_guests.yml", yaml.safe_dump(rule))
    assert left(imported(repo, folder)) == []
    assert "valid" in repo.seeknal("validate").out


def test_a_file_in_the_way_stays_and_is_named(repo: Repo, bakery: Bakery) -> None:
    repo.write("seeds/raw_guests.csv", "id,name\n9,Zoe\n")
    repo.write("seeknal/transforms/staging/stg_orders.sql", "SELECT 1 AS mine\n")
    said = [message for _, _, message in left(imported(repo, bakery()))]
    assert any(
        "seeds/raw_guests.csv is there already, and stays as it is." in text for text in said
    )
    assert any("staging/stg_orders.sql is there already" in text for text in said)
    assert repo.read("seeds/raw_guests.csv") == "id,name\n9,Zoe\n"
    assert repo.read("seeknal/transforms/staging/stg_orders.sql") == "SELECT 1 AS mine\n"


def test_a_rule_in_place_of_a_test_overwrites_no_rule(repo: Repo, bakery: Bakery) -> None:
    rule = "seeknal/rules/stg_orders_guest_id_is_in_guests.yml"
    mine = """
        kind: rule
        name: stg_orders_guest_id_is_in_guests
        inputs: [transform.mine]
        rule: {type: sql_assertion, sql: "SELECT * FROM ref('transform.mine') WHERE false"}
        """
    repo.write(rule, mine)
    repo.write("seeknal/mine.yml", "kind: transform\nname: mine\ntransform: SELECT 1 AS x\n")
    written = repo.read(rule)
    done = imported(repo, bakery())
    assert repo.read(rule) == written
    (said,) = [text for _, _, text in left(done) if "another rule" in text]
    assert "stg_orders_guest_id_is_in_guests" in said
    assert {node["node"] for node in done["taken"]} == {*TAKEN} - {
        "rule.stg_orders_guest_id_is_in_guests"
    }


def test_two_tests_of_one_column_become_two_rules(repo: Repo, bakery: Bakery) -> None:
    text = """
        models:
          - name: stg_orders
            columns:
              - name: guest_id
                tests:
                  - relationships: {to: ref('guests'), field: guest_id}
                  - relationships: {to: ref('guests'), field: guest_id, where: guest_id > 1}
        """
    folder = bakery(models__schema_DOT_yml=text)
    taken = {node["node"] for node in imported(repo, folder)["taken"]}
    name = "rule.stg_orders_guest_id_is_in_guests"
    assert {name, f"{name}_2"} <= taken
    assert "guest_id > 1" in repo.read(f"seeknal/rules/{name[5:]}_2.yml")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        pytest.param("seeds/towns.csv", f"id\n{'x' * 200_000}\n", id="a long value"),
        pytest.param(
            "models/p.yml",
            "seeds:\n  - {name: raw_guests, config: {column_types: text}}\n",
            id="types that are no mapping",
        ),
        pytest.param(
            "models/p.yml",
            "sources:\n  - name: s\n    tables:\n"
            "      - {name: t, external_location: 'data/a**.parquet'}\n",
            id="a pattern of the engine alone",
        ),
    ],
)
def test_an_unusual_file_does_not_end_an_import(
    repo: Repo, bakery: Bakery, path: str, text: str
) -> None:
    folder = bakery()
    with_files(folder, {path: text})
    assert {*TAKEN} <= {node["node"] for node in imported(repo, folder)["taken"]}


def test_data_behind_a_link_that_leads_out_is_not_copied(
    repo: Repo, bakery: Bakery, tmp_path: Path
) -> None:
    (tmp_path / "secret.csv").write_text("order_id;cents\n1;2\n")
    folder = bakery(data__payments_DOT_csv=None)
    (folder / "data").mkdir()
    (folder / "data/payments.csv").symlink_to(tmp_path / "secret.csv")
    done = imported(repo, folder)
    assert "data/payments.csv" not in done["data"]
    assert done["awaited"] == {"source.payments": "data/till/payments.parquet"}


def test_a_folder_outside_of_the_project_is_listed(
    repo: Repo, bakery: Bakery, tmp_path: Path
) -> None:
    with_files(tmp_path / "other", {"a.sql": "select 1 as one"})
    folder = bakery()
    text = (folder / "dbt_project.yml").read_text()
    (folder / "dbt_project.yml").write_text(f"{text}model-paths: [models, {tmp_path / 'other'}]\n")
    done = imported(repo, folder)
    assert sorted(node["node"] for node in done["taken"]) == TAKEN
    assert "is outside of the project." in left(done)[0][2]


def test_settings_in_a_file_count_like_those_of_a_project(repo: Repo, bakery: Bakery) -> None:
    folder = bakery()
    files = {
        "models/x.sql": "{{ config({'post-hook': 'grant'}) }} select 1 as one",
        "models/y.sql": "{{ config(sort='one') }} select 1 as one",
        "models/e.yml": "exposures:\n  - {name: old, type: dashboard, config: {enabled: false}}\n",
    }
    with_files(folder, files)
    done = imported(repo, folder)
    said = {file: text for file, _, text in left(done)}
    assert said["models/x.sql"] == "x has a post-hook, a statement beside its SELECT."
    assert said["models/e.yml"] == "old is disabled."
    (note,) = done["notes"]
    assert (note["file"], note["message"]) == (
        "models/y.sql",
        "The setting sort has no counterpart.",
    )


@pytest.mark.parametrize(
    ("path", "text", "line", "said"),
    [
        pytest.param(
            "models/x.sql", "\n{% for a in b %}x{% endfor %}", 2, "{% for a in b %}", id="loop"
        ),
        pytest.param("models/x.sql", "select 1\n{{ net('a') }}", 2, "{{ net('a') }}", id="macro"),
        pytest.param(
            "models/x.sql",
            "select * from {{ ref('guests') }}\n{% if is_incremental() %} x {% endif %}",
            2,
            "is_incremental",
            id="incremental condition",
        ),
        pytest.param(
            "models/x.sql",
            "{{ config(materialized='incremental') }} select 1",
            1,
            "built as incremental",
            id="incremental",
        ),
        pytest.param(
            "models/x.sql",
            "select 1\n\n, {{ config(post_hook='drop table x') }} 2",
            3,
            "post-hook",
            id="hook",
        ),
        pytest.param(
            "models/x.sql", "select * from {{ ref('gone') }}", 1, "no model", id="no model"
        ),
        pytest.param("models/x.sql", "select {{ ref('guests', v=2) }}", 1, "with v", id="version"),
        pytest.param("models/x.sql", "select\n{{ var('y') }}", 2, "variable y", id="variable"),
        pytest.param("models/x.sql", "{{ var() }} {{ ref( }}", 1, "None", id="no arguments"),
        pytest.param("models/x.sql", "", 1, "no SQL", id="nothing"),
        pytest.param("models/x.sql", "select {{ var('today', 1) }}", 1, "name that no", id="a day"),
        pytest.param(
            "models/x.sql", "from source.raw_guests", 1, "is a node here", id="another schema"
        ),
        pytest.param("models/x.sql", "select 'a{# b #}c' as d", 1, "for spaces", id="in a text"),
        pytest.param(
            "models/x.sql",
            "{{ config(\n  tags=['a']\n) }}\n\nselect\n  1 as a,\n  nosuch(2) as b",
            7,
            "nosuch",
            id="unknown to the engine",
        ),
        pytest.param(
            "models/x.py", "def model(dbt, session): ...", 1, "Python model x", id="python"
        ),
        pytest.param(
            "macros/m.sql", "\n{% macro net(x) %} {% endmacro %}", 2, "macro net", id="macros"
        ),
        pytest.param(
            "snapshots/s.sql",
            "{% snapshot s %} select 1 {% endsnapshot %}",
            1,
            "snapshot s",
            id="snapshot",
        ),
        pytest.param(
            "packages.yml", "packages:\n  - package: a/b\n    version: 1", 2, "a/b", id="package"
        ),
        pytest.param(
            "models/u.yml",
            "unit_tests:\n  - name: u\n    model: guests",
            2,
            "unit test u",
            id="unit test",
        ),
        pytest.param(
            "models/u.yml",
            "models:\n  - name: stg_guests\n    columns:\n      - name: name\n        tests:\n"
            "          - dbt_utils.not_empty",
            6,
            "dbt_utils.not_empty(name)",
            id="test of a package",
        ),
        pytest.param(
            "models/town_v2.sql",
            "select 1",
            1,
            "town_v2 has versions (models/v.yml:3)",
            id="versions",
        ),
        pytest.param("models/u.yml", "models:\n  - name: [", 3, "not valid YAML", id="no YAML"),
    ],
)
def test_everything_else_is_listed_with_its_line(
    repo: Repo, bakery: Bakery, path: str, text: str, line: int, said: str
) -> None:
    folder = bakery()
    (folder / path).parent.mkdir(exist_ok=True)
    (folder / path).write_text(text)
    (folder / "models/v.yml").write_text("models:\n  - name: town\n    versions: [{v: 2}]\n")
    done = imported(repo, folder)
    assert (path, line) in [(problem["file"], problem["line"]) for problem in done["left"]]
    assert said in next(text for file, at, text in left(done) if (file, at) == (path, line))
    assert sorted(node["node"] for node in done["taken"]) == TAKEN
    assert repo.seeknal("validate").out.startswith("10 nodes valid.")


def test_a_view_that_has_other_rows_each_time_is_a_table(repo: Repo, bakery: Bakery) -> None:
    folder = bakery()
    text = "{{ config(materialized='ephemeral') }} select name from {{ ref('raw_guests') }}"
    with_files(folder, {"models/x.sql": f"{text} limit 1", "models/y.sql": text})
    (note,) = imported(repo, folder)["notes"]
    assert note["file"] == "models/x.sql"
    assert note["message"].startswith("transform.x cannot be a view: it may have other rows each")
    assert note["hint"] == "It is taken as a table."
    assert "materialized" not in repo.read("seeknal/transforms/x.yml")
    assert "materialized: view\n" in repo.read("seeknal/transforms/y.yml")


@pytest.mark.parametrize(
    ("macro", "same"),
    [
        pytest.param(
            "macro cents(amount, scale=100) -%} ({{ amount }} / {{ scale }})::numeric(16, 2)",
            "CREATE MACRO cents(amount, scale := 100) AS (amount / scale)::numeric(16, 2);",
            id="one expression",
        ),
        pytest.param(
            'macro paid(a, b="x") %} {{ a }} = {{ b }}',
            "CREATE MACRO paid(a, b := 'x') AS a = b;",
            id="a text in double quotes",
        ),
        pytest.param("macro cents(x) %} {% if x %} 1 {% endif %}", None, id="logic"),
        pytest.param("macro cents(x) %} '{{ x }}'", None, id="a part of a text"),
        pytest.param("macro cents(x) %} select {{ x }} from y", None, id="a query"),
    ],
)
def test_a_macro_of_one_expression_is_listed_with_that_of_duckdb(
    repo: Repo, bakery: Bakery, macro: str, same: str | None
) -> None:
    folder = bakery()
    with_files(folder, {"macros/m.sql": f"{{% {macro} {{% endmacro %}}\n"})
    (problem,) = imported(repo, folder)["left"]
    assert problem["hint"].startswith("Write in seeknal/macros/: " if same else "If it is one")
    assert same is None or problem["hint"].endswith(same)


def test_a_seed_with_the_word_null_is_noted(repo: Repo, bakery: Bakery) -> None:
    folder = bakery()
    with_files(folder, {"seeds/towns.csv": "id,name\n1,Oslo\n2,NULL\n"})
    (note,) = imported(repo, folder)["notes"]
    assert (note["file"], note["line"]) == ("seeds/towns.csv", 3)
    assert note["hint"].endswith("params: {nullstr: ['', 'NULL']}")


def test_a_seed_with_another_delimiter_is_read_by_it(repo: Repo, bakery: Bakery) -> None:
    folder = bakery()
    seeds = "seeds:\n  - {name: towns, config: {delimiter: ';'}}\n"
    with_files(
        folder, {"seeds/towns.csv": "id;name\n1;null, or so\n2;NULL\n", "seeds/t.yml": seeds}
    )
    (note,) = imported(repo, folder)["notes"]
    assert (note["file"], note["line"]) == ("seeds/towns.csv", 3)


def test_a_freshness_of_nothing_is_not_listed(repo: Repo, bakery: Bakery) -> None:
    folder = bakery()
    path = "models/staging/sources.yml"
    text = (folder / path).read_text()
    nothing = "description: From the till\n        freshness: null"
    with_files(folder, {path: text.replace("description: From the till", nothing)})
    assert "freshness" not in str(imported(repo, folder)["left"])
    (folder / path).write_text(text.replace("config: {", "config: {freshness: null, "))
    assert "freshness" not in str(imported(repo, folder)["left"])


def test_files_that_git_does_not_stage_are_told(repo: Repo, bakery: Bakery) -> None:
    folder = bakery()
    (repo.path / ".git/index.lock").touch()
    said = repo.seeknal("import", "dbt", str(folder), code=1).err
    assert "The files of the import are written, and not staged:" in said
    assert "When that is mended: git add" in said
    assert (repo.path / "seeknal/transforms/guests.yml").exists()


def test_a_macro_in_place_of_ref_leaves_every_model(repo: Repo, bakery: Bakery) -> None:
    folder = bakery()
    with_files(
        folder, {"macros/ref.sql": "{% macro ref(name) %} {{ builtins.ref('x') }} {% endmacro %}"}
    )
    done = imported(repo, folder)
    assert ("models/guests.sql", 3) in [(file, line) for file, line, _ in left(done)]
    assert not [node for node in done["taken"] if node["node"].startswith("transform.guests")]


def test_an_import_that_cannot_write_a_file_leaves_none(repo: Repo, bakery: Bakery) -> None:
    (repo.path / "elsewhere").mkdir()
    (repo.path / "seeds").symlink_to("elsewhere")
    said = repo.seeknal("import", "dbt", str(bakery()), code=1).err
    assert "seeds/ cannot be written: a link there leads elsewhere." in said
    assert not list(repo.path.glob("seeknal/**/*.yml"))
    assert repo.git("diff", "--cached", "--name-only") == ""


def test_files_that_dbt_made_or_that_lie_elsewhere_are_no_models(
    repo: Repo, bakery: Bakery, tmp_path: Path
) -> None:
    folder = bakery()
    with_files(folder, {"target/compiled/a.sql": "select 1", "dbt_packages/b.sql": "select 1"})
    (tmp_path / "secret.csv").write_text("id\n1\n")
    (folder / "seeds/secret.csv").symlink_to(tmp_path / "secret.csv")
    text = (folder / "dbt_project.yml").read_text()
    (folder / "dbt_project.yml").write_text(f"{text}model-paths: [models, target, dbt_packages]\n")
    assert sorted(node["node"] for node in imported(repo, folder)["taken"]) == TAKEN


def test_keys_without_a_counterpart_are_noted(repo: Repo, bakery: Bakery) -> None:
    folder = bakery()
    with_files(
        folder,
        {
            "models/u.yml": """
                models:
                  - name: stg_guests
                    deprecation_date: 2027-01-01
                    config: {group: counter}
                    columns:
                      - {name: guest_id, constraints: [{type: not_null}]}
                      - {name: name, tags: [pii], meta: {}}
                """
        },
    )
    notes = [(note["line"], note["message"]) for note in imported(repo, folder)["notes"]]
    assert notes == [
        (4, "The setting group has no counterpart."),
        (3, "The key deprecation_date of stg_guests has no counterpart."),
        (6, "The constraints and tags of columns of stg_guests have no counterpart."),
    ]


def test_two_files_of_one_name_are_both_left(repo: Repo, bakery: Bakery) -> None:
    folder = bakery()
    with_files(folder, {"seeds/a/towns.csv": "id\n1\n", "seeds/b/towns.csv": "id\n2\n"})
    done = imported(repo, folder)
    assert [file for file, _, _ in left(done)] == ["seeds/a/towns.csv", "seeds/b/towns.csv"]
    assert "another file has a node source.towns" in left(done)[0][2]
    assert sorted(node["node"] for node in done["taken"]) == TAKEN


def test_a_table_of_a_database_is_a_source_that_awaits_its_file(repo: Repo, bakery: Bakery) -> None:
    folder = bakery()
    with_files(
        folder,
        {
            "models/staging/sources.yml": """
                sources:
                  - name: till
                    tables:
                      - name: payments
                        columns:
                          - {name: order_id, data_type: bigint}
                          - {name: cents, data_type: bigint}
                """
        },
    )
    shutil.rmtree(folder / "data")
    done = imported(repo, folder)
    assert done["awaited"] == {"source.payments": "data/till/payments.parquet"}
    assert "transform.guests" in [node["node"] for node in done["taken"]]
    assert "data/till/payments.parquet" in repo.seeknal("validate").err
    assert "Data that is still to come:" not in repo.seeknal("import", "dbt", str(folder)).out


def test_the_list_names_each_file_once(repo: Repo, bakery: Bakery) -> None:
    folder = bakery()
    with_files(folder, {"models/x.sql": "{% set a = 1 %}\nselect\n{{ a }} as a"})
    said = repo.seeknal("import", "dbt", str(folder)).out
    assert said.count("  models/x.sql\n") == 1
    assert "    1: `{% set a = 1 %}` is more than ref, source, var or config.\n" in said
    assert "2 things in 1 file not taken." in said
    assert "Next: seeknal validate" in said


def test_the_list_fits_a_terminal_and_breaks_no_name(repo: Repo, bakery: Bakery) -> None:
    folder = bakery()
    (folder / "models/staging").rename(folder / "models/staging_of_all_that_the_till_has_told")
    with_files(
        folder, {"models/x.sql": "{% set a = 1 %}\nselect {{ dbt_utils.star(ref('guests')) }}"}
    )
    _, lines = in_a_terminal(repo, 80, "import", "dbt", str(folder), "--dry-run")
    assert max(map(len, lines)) <= 80
    files = "transforms/staging_of_all_that_the_till_has_told/stg_payments.yml"
    words = [line.split() for line in lines]
    assert ["seeknal/" + files] in words
    assert ["models/staging_of_all_that_the_till_has_told/stg_payments.sql"] in words
    piped = repo.seeknal("import", "dbt", str(folder), "--dry-run").out.splitlines()
    (data,) = [line for line in piped if "data/payments.csv" in line]
    assert data.index("data/payments.csv") == piped[1].index("seeknal/")


def test_a_folder_without_a_project_of_dbt_is_refused(repo: Repo, tmp_path: Path) -> None:
    said = repo.seeknal("import", "dbt", str(tmp_path), code=2).err
    assert "There is no dbt_project.yml in" in said


UNIT_TESTS = """
    unit_tests:
      - name: a guest without payments has paid nothing
        description: The left join keeps the guest
        model: guests
        given:
          - input: ref('stg_guests')
            rows:
              - {guest_id: 1, name: Ada}
              - {guest_id: 2, name: "null"}
          - input: ref('stg_payments')
            format: sql
            rows: select 7 as order_id, 2.5 as amount
          - input: ref('stg_orders')
            format: csv
            rows: |
              order_id,guest_id,day
              7,1,
        expect:
          rows:
            - {guest_id: 1, paid: 2.5}
            - {guest_id: 2, paid: 0}
      - name: orders before the first day
        model: stg_orders
        given:
          - input: ref('raw_orders')
            format: csv
            fixture: some_orders
        expect:
          format: csv
          fixture: kept_orders.csv
        overrides:
          vars: {first_day: "2026-03-01"}
      - name: a wrong one
        model: stg_guests
        given: [{input: ref('raw_guests'), rows: [{id: 1}]}]
        expect: {rows: [{guest_id: 2}]}
      - name: of a macro
        model: stg_guests
        given: [{input: ref('raw_guests'), rows: []}]
        expect: {rows: []}
        overrides: {macros: {is_incremental: true}}
      - name: of itself
        model: stg_guests
        given: [{input: this, rows: []}]
        expect: {rows: []}
      - name: of nobody
        model: nobody
        expect: {rows: []}
    """


GUESTS_EXAMPLE = """\
- name: a guest without payments has paid nothing
  description: The left join keeps the guest
  given:
    transform.stg_guests:
    - {guest_id: 1, name: Ada}
    - {guest_id: 2, name: 'null'}
    transform.stg_payments:
      sql: select 7 as order_id, 2.5 as amount
    transform.stg_orders: |
      order_id,guest_id,day
      7,1,
  expect:
    rows:
    - {guest_id: 1, paid: 2.5}
    - {guest_id: 2, paid: 0}
    only:
    - guest_id
    - paid
"""


def test_unit_tests_become_examples_that_hold(repo: Repo, bakery: Bakery) -> None:
    folder = bakery()
    fixtures = "tests/fixtures"
    files = {
        "models/unit.yml": UNIT_TESTS,
        f"{fixtures}/some_orders.csv": "id,guest,day,state\n1,1,2026-02-01,done\n2,1,2026-03-01,\n",
        f"{fixtures}/kept_orders.csv": "order_id,state\n2,\n",
    }
    with_files(folder, files)
    done = imported(repo, folder)
    said = {message.partition(" is not taken")[0]: message for _, _, message in left(done)}
    assert list(said) == [
        "The unit test a wrong one",
        "The unit test of a macro",
        "The unit test of itself",
        "The unit test of nobody",
    ]
    wrong = "It does not hold: 1 row missing, 1 row unexpected."
    assert said["The unit test a wrong one"].endswith(wrong)
    assert "examples:\n" + textwrap.indent(GUESTS_EXAMPLE, "  ") in repo.read(
        "seeknal/transforms/guests.yml"
    )
    assert repo.seeknal("test").out.endswith("2 examples: 2 hold.\n")
    repo.replace("seeknal/transforms/guests.yml", "name: a guest without", "name: guests without")
    messages = [message for _, _, message in left(imported(repo, folder))]
    assert any("without payments has paid nothing of guests is not taken" in it for it in messages)


def test_a_snapshot_of_a_source_is_listed_with_the_lines_that_keep_its_history(
    repo: Repo, bakery: Bakery
) -> None:
    folder = bakery()
    (folder / "snapshots").mkdir(exist_ok=True)
    (folder / "snapshots/s.sql").write_text(
        "{% snapshot s %}{{ config(unique_key='id', strategy='check', check_cols='all') }}\n"
        "select * from {{ source('shop', 'guests') }}\n{% endsnapshot %}"
    )
    hints = [problem["hint"] for problem in imported(repo, folder)["left"]]
    lines = "Write in the source guests: `keep: changes` and `key: [id]`."
    assert any(hint and hint.startswith(lines) for hint in hints)
