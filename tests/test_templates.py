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
