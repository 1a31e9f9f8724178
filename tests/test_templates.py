"""Templates and common files: `{{ name }}` in the files of nodes."""

from __future__ import annotations

import datetime

import pytest

from tests.conftest import Repo

ORDERS = "kind: source\nname: o\nsource: csv\ntable: data/o.csv\n"
COMMON = {
    "sources": "sources:\n  - {id: orders, ref: source.o, params: {idCol: id, amountCol: amount}}\n",
    "rules": 'rules:\n  - {id: big, value: "amount > 15"}\n',
    "transformations": 'transformations:\n  - {id: double, sql: "{{orders.amountCol}} * 2"}\n',
}
NODE = """
    kind: transform
    name: a
    inputs: [{ref: source.o}]
    params: {region: EU, min_amount: 5, day: "{{ today }}", code: "007"}
    transform: |
      SELECT {{orders.idCol}} AS id, {{transforms.double}} AS dbl, '{{ code }}' AS code, '{{ day }}' AS day
      FROM ref('source.o') WHERE region = '{{ region }}' AND amount >= {{ min_amount }} AND {{ rules.big }}
"""


@pytest.fixture
def project(repo: Repo) -> Repo:
    repo.write("data/o.csv", "id,region,amount\n1,EU,10\n2,US,20\n3,EU,30\n")
    repo.write("seeknal/o.yml", ORDERS)
    repo.write("seeknal/a.yml", NODE)
    for name, text in COMMON.items():
        repo.write(f"seeknal/common/{name}.yml", text)
    repo.commit()
    return repo


def test_a_node_gets_the_values_of_params_and_common_files_as_they_are_written(
    project: Repo,
) -> None:
    project.seeknal("run")
    today = datetime.datetime.now().astimezone().date().isoformat()
    assert project.numbers("SELECT * FROM main.a") == [(3, 60, "007", today)]


def test_the_command_line_wins_over_params(project: Repo) -> None:
    given = '{"region":"US","min_amount":1}'
    project.seeknal("run", "--date", "2026-10-12", "--params", given)
    assert project.numbers("SELECT * FROM main.a") == [(2, 40, "007", "2026-10-12")]


def test_a_changed_rule_changes_its_users_alone_and_the_plan_says_where_it_is(
    project: Repo,
) -> None:
    project.write("seeknal/b.yml", "kind: transform\nname: b\ntransform: FROM ref('source.o')\n")
    project.commit()
    project.seeknal("run")
    project.switch("dev", create=True)
    project.replace("seeknal/common/sources.yml", "amountCol: amount", "amountCol: amount + id")
    [change] = project.seeknal("plan", "--json").json["changes"]
    assert (change["node"], change["category"]) == ("transform.a", "BREAKING")
    assert "orders.amountCol changed (seeknal/common/sources.yml:2)" in change["what"]


def test_a_new_day_is_no_change_but_another_table(project: Repo) -> None:
    project.seeknal("run", "--date", "2026-10-12")
    assert project.plan("--date", "2026-10-13")["changes"] == []
    assert project.built("--date", "2026-10-12") == []
    assert project.built("--date", "2026-10-13") == ["transform.a"]


def test_a_run_id_and_a_time_of_the_run_build_nothing_again(project: Repo) -> None:
    sql = "SELECT '{{ run_id }}' AS run, '{{ run_date }}'::TIMESTAMP AS since FROM ref('source.o')"
    project.write("seeknal/r.yml", f"kind: transform\nname: r\ntransform: |\n  {sql}\n")
    project.seeknal("run", "--run-id", "first")
    assert project.numbers("SELECT DISTINCT run, since > '2026-01-01' FROM main.r") == [
        ("first", True)
    ]


def test_variables_of_the_project_are_those_of_the_environment(project: Repo) -> None:
    project.write(
        "seeknal_project.yml",
        "name: shop\nvars: {most: 0}\nenvironments: {main: {vars: {most: 3}}, 'd*': {vars: {most: 1}}}\n",
    )
    project.write(
        "seeknal/v.yml",
        "kind: transform\nname: v\ntransform: SELECT id FROM ref('source.o') WHERE id <= {{ most }}\n",
    )
    project.commit()
    project.seeknal("run")
    project.switch("dev", create=True)
    assert project.plan()["changes"] == []
    project.seeknal("run")
    assert project.numbers("SELECT count(*) FROM main.v") == [(3,)]
    assert project.numbers("SELECT count(*) FROM dev.v") == [(1,)]
    project.replace("seeknal_project.yml", "most: 1", "most: 2")
    [change] = project.plan()["changes"]
    assert change["what"][0] == "most changed (seeknal_project.yml:3)"


def test_a_variable_of_production_that_a_branch_changes_is_told(project: Repo) -> None:
    settings = "name: shop\nvars: {most: 1}\nenvironments: {main: {vars: {most: 3}}}\n"
    project.write("seeknal_project.yml", settings)
    project.write(
        "seeknal/v.yml",
        "kind: transform\nname: v\ntransform: SELECT id FROM ref('source.o') WHERE id <= {{ most }}\n",
    )
    project.commit()
    project.seeknal("run")
    project.switch("dev", create=True)
    project.replace("seeknal_project.yml", "most: 3", "most: 2")
    project.commit()
    assert project.plan()["changes"] == []
    assert "On main, `most` changes with this branch" in project.seeknal("plan").err
    [change] = project.plan("--into", "main")["changes"]
    assert change["node"] == "transform.v"


def test_a_value_of_the_environment_is_shown_and_kept_by_its_name(
    project: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THE_KEY", "s3cr3t")
    project.write(
        "seeknal/k.yml",
        "kind: transform\nname: k\ntransform: |\n  SELECT '{{ env:THE_KEY }}' AS k,\n  s3cr3t FROM ref('source.o')\n",
    )
    told = project.seeknal("validate", code=1)
    assert "s3cr3t" not in told.out + told.err
    assert "seeknal/k.yml:5" in told.out + told.err
    project.replace("seeknal/k.yml", "  s3cr3t FROM", "  id FROM")
    project.seeknal("run")
    assert project.built() == []
    monkeypatch.setenv("THE_KEY", "another")
    assert project.built() == ["transform.k"]
    found = [file for file in (project.path / ".git/seeknal").rglob("*") if file.is_file()]
    kept = [file.name for file in found if b"s3cr3t" in file.read_bytes()]
    assert kept in ([], ["warehouse.duckdb"])


def test_lines_of_errors_are_those_of_the_file(project: Repo) -> None:
    project.write(
        "seeknal/common/rules.yml",
        "rules:\n  - id: big\n    value: |\n      amount > 1\n      -- all\n",
    )
    project.write(
        "seeknal/e.yml",
        "kind: transform\nname: e\ntransform: |\n  SELECT id\n  FROM ref('source.o')\n"
        "  WHERE {{ rules.big }} AND\n  nothing > 1\n",
    )
    assert "seeknal/e.yml:7" in project.seeknal("validate", code=1).err


@pytest.mark.parametrize(
    ("path", "text", "told"),
    [
        pytest.param(
            "seeknal/common/rules.yml",
            "rules:\n- {id: big, value: '{{ rules.bug }}'}\n- {id: bug, value: '{{rules.big}}'}\n",
            "seeknal/common/rules.yml:3: `rules.big` uses itself: rules.big → rules.bug → rules.big.",
            id="a circle",
        ),
        pytest.param(
            "seeknal/common/rules.yml",
            "rules:\n- {id: big, value: '{{ order.amountCol }} > 1'}\n",
            "seeknal/common/rules.yml:2: `{{ order.amountCol }}` is not known.\n  Did you mean {{ orders.amountCol }}?",
            id="an unknown name in a common file",
        ),
        pytest.param(
            "seeknal/common/rules.yml",
            "rules:\n- {id: big, sql: 'amount > 1'}\n",
            "seeknal/common/rules.yml:2: An entry has the keys `id` and `value`.",
            id="a wrong key in a common file",
        ),
        pytest.param(
            "seeknal/j.yml",
            "kind: transform\nname: j\ntransform: |\n  SELECT *\n  FROM {{ ref('o') }}\n",
            "seeknal/j.yml:5: `{{ ref('o') }}` is not known.\n  A reference stands without braces: ref('transform.o')",
            id="a reference of dbt",
        ),
        pytest.param(
            "seeknal/j.yml",
            "kind: transform\nname: j\ntransform: |\n  SELECT 1 AS a\n  {% if x %} WHERE 1 {% endif %}\n",
            "seeknal/j.yml:5: `{% if x %}` is Jinja, which is not read here.",
            id="a condition of Jinja",
        ),
        pytest.param(
            "seeknal/j.yml",
            "kind: transform\nname: j\ntransform: SELECT {{ env:NOT_SET_HERE }} AS a\n",
            "seeknal/j.yml:3: The environment has no variable NOT_SET_HERE.",
            id="a variable that is not set",
        ),
    ],
)
def test_a_template_without_a_value_is_an_error_with_its_line(
    project: Repo, path: str, text: str, told: str
) -> None:
    project.write(path, text)
    assert told in project.seeknal("validate", code=1).err


def test_a_named_node_takes_along_all_that_use_the_rule_that_changed(project: Repo) -> None:
    project.write("seeknal/b.yml", NODE.replace("name: a", "name: b"))
    project.commit()
    project.seeknal("run")
    project.replace("seeknal/common/rules.yml", "15", "5")
    assert project.built("--nodes", "a") == ["transform.a", "transform.b"]
    assert project.numbers("SELECT count(*) FROM main.b") == [(2,)]


def test_sql_may_stand_in_a_file_of_its_own(project: Repo) -> None:
    project.write("seeknal/transforms/big.yml", "kind: transform\nname: big\ninputs: [source.o]\n")
    project.write("seeknal/transforms/big.sql", "SELECT id\nFROM input_0\nWHERE {{ rules.big }}\n")
    project.write(
        "seeknal/transforms/all.yml",
        "kind: transform\nname: all_\ntransform: {file: sql/all.sql}\n",
    )
    project.write("seeknal/transforms/sql/all.sql", "FROM ref('source.o')\n")
    project.commit()
    project.seeknal("run")
    assert project.numbers("SELECT * FROM main.big ORDER BY id") == [(2,), (3,)]
    project.switch("dev", create=True)
    project.write("seeknal/transforms/sql/all.sql", "FROM ref('source.o') WHERE id > 1\n")
    [change] = project.plan()["changes"]
    assert (change["node"], change["what"]) == ("transform.all_", ["filter added"])
    project.write("seeknal/transforms/big.sql", "SELECT id\nFROM input_0\nWHERE nothing\n")
    assert "seeknal/transforms/big.sql:3: transform.big: " in project.seeknal("plan", code=1).err


def test_a_file_of_sql_that_is_not_there_or_that_no_node_has_is_told(project: Repo) -> None:
    project.write("seeknal/x.sql", "SELECT 1 AS a\n")
    assert "seeknal/x.sql: No node has this SQL" in project.seeknal("validate", "--verbose").err
    project.write("seeknal/y.yml", "kind: transform\nname: y\ntransform: {file: xx.sql}\n")
    told = project.seeknal("validate", code=1).err
    assert (
        "seeknal/y.yml:3: There is no file seeknal/xx.sql.\n  Did you mean seeknal/x.sql?" in told
    )


def test_an_entry_is_drafted_and_merged_into_its_file(project: Repo) -> None:
    project.seeknal("draft", "common-rule", "small")
    draft = "draft_common_rule_small.yml"
    assert "still to be filled in" in project.seeknal("apply", draft, code=1).err
    project.replace(draft, "<CONDITION>", "amount < 15")
    project.seeknal("apply", draft)
    rules = project.read("seeknal/common/rules.yml")
    assert rules.startswith(COMMON["rules"])
    assert rules.endswith("  - id: small\n    value: amount < 15\n")
    assert not (project.path / draft).exists()
    project.seeknal("draft", "common-rule", "big")
    project.replace("draft_common_rule_big.yml", "<CONDITION>", "nothing > 25")
    assert "already" in project.seeknal("apply", "draft_common_rule_big.yml", code=2).err
    project.seeknal("apply", "draft_common_rule_big.yml", "--force", code=1)
    project.replace("draft_common_rule_big.yml", "nothing", "amount")
    project.seeknal("apply", "draft_common_rule_big.yml", "--force")
    project.seeknal("run")
    assert project.numbers("SELECT id FROM main.a") == [(3,)]


def test_a_common_file_begins_with_its_first_entry(repo: Repo) -> None:
    repo.seeknal("draft", "common-transformation", "double")
    repo.replace("draft_common_transformation_double.yml", "<CONDITION>", "2 * amount")
    repo.seeknal("apply", "draft_common_transformation_double.yml")
    assert repo.read("seeknal/common/transformations.yml") == (
        "transformations:\n  - id: double\n    sql: 2 * amount\n"
    )


def test_a_named_node_brings_the_file_of_an_entry_that_is_new(project: Repo) -> None:
    project.seeknal("run")
    project.write(
        "seeknal/common/rules.yml", COMMON["rules"] + '  - {id: tiny, value: "amount < 15"}\n'
    )
    project.write(
        "seeknal/b.yml", NODE.replace("name: a", "name: b").replace("rules.big", "rules.tiny")
    )
    assert project.built("--nodes", "b") == ["transform.b"]
    assert project.numbers("SELECT id FROM main.b") == [(1,)]


def test_a_parameter_that_no_node_uses_is_told(project: Repo) -> None:
    given = ("--params", "regoin=US", "--params", "min_amount=1")
    assert project.seeknal("plan", *given).err == "No node uses the parameter regoin.\n"
    assert "No node uses the parameter regoin.\n" in project.seeknal("run", *given).err
