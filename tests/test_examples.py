"""Examples: rows given to a node in its own file, and the rows that it should make of them."""

from __future__ import annotations

import pytest

from tests.conftest import Repo

NODE = "seeknal/transforms/daily.yml"
ORDERS = """
    kind: source
    name: orders
    source: csv
    table: data/orders.csv
    schema:
      - {name: id, data_type: integer}
      - {name: day, data_type: date}
      - {name: amount, data_type: "decimal(10, 2)"}
      - {name: note, data_type: varchar}
      - {name: weight, data_type: double}
      - {name: tags, data_type: "varchar[]"}
      - {name: seen, data_type: timestamptz}
    """
DAILY = """
kind: transform
name: daily
inputs: [source.orders]
transform: |
  WITH paid AS (SELECT * FROM source.orders WHERE amount > 0)
  SELECT day, sum(amount) AS total, count(*) AS n FROM paid GROUP BY day
"""
ALL = """
kind: transform
name: daily
inputs: [source.orders]
transform: SELECT * FROM source.orders
"""


@pytest.fixture
def project(repo: Repo) -> Repo:
    repo.write("data/orders.csv", "id,day,amount,note,weight,tags,seen\n")
    repo.write("seeknal/sources/orders.yml", ORDERS)
    return repo


def with_examples(project: Repo, examples: str, node: str = DAILY) -> Repo:
    """The project with a node and its examples, committed without hooks."""
    text = "\n".join(f"  {line}".rstrip() for line in examples.strip("\n").splitlines())
    project.write(NODE, f"{node.strip()}\nexamples:\n{text}\n")
    project.commit(hooks=False)
    return project


def example(given: str, expect: str, *more: str) -> str:
    """An example of one line for each key."""
    lines = ["- name: one", f"  given: {{orders: {given}}}", f"  expect: {expect}"]
    return "\n".join([*lines, *(f"  {line}" for line in more)])


HOLDING = {
    "a sum over days": (
        DAILY,
        example(
            "[{day: 2024-01-01, amount: 1.5}, {day: 2024-01-01, amount: 2}, {amount: 9}]",
            "[{total: 9, n: 1}, {day: 2024-01-01, total: 3.50, n: 2}]",
        ),
    ),
    "no rows": (DAILY, "- name: one\n  expect: []"),
    "a count alone": (DAILY, example("[{amount: 1}, {amount: -1}]", "{count: 1}")),
    "some columns": (
        DAILY,
        example("[{day: 2024-01-01, amount: 1}]", "{rows: [{n: 1}], only: n}"),
    ),
    "a CTE": (
        DAILY,
        example(
            "[{id: 1, amount: 1}, {id: 2, amount: 0}]",
            "{cte.paid: {rows: [{id: 1}], only: [id]}, count: 1}",
        ),
    ),
    "all types": (
        ALL,
        example(
            "[{id: 1, note: 'null', weight: nan, tags: [a, 'b, c', null],"
            " seen: 2024-01-01 12:00:00+02}, {note: null}]",
            "[{}, {id: 1, note: 'null', weight: NaN, tags: [a, 'b, c', null],"
            " seen: 2024-01-01 10:00:00+00}]",
        ),
    ),
    "repeated rows": (ALL, example("[{id: 1}, {id: 1}]", "[{id: 1}, {id: 1}]")),
    "the last digits of floats": (
        ALL,
        example("[{weight: 0.30000000000000004}]", "[{weight: 0.3}]"),
    ),
    "a tolerance": (
        ALL,
        example(
            "[{weight: 1.0, amount: 5}, {weight: 1.1, amount: 6}]",
            "{rows: [{weight: 1.1, amount: 5.01}, {weight: 1.2, amount: 6.01}], tolerance: 0.1}",
        ),
    ),
    "CSV": (
        ALL,
        '- name: one\n  given:\n    orders: |\n      id,note\n      1,"ü, ""x"""\n      2,""\n      3,\n'
        "  expect: [{id: 3}, {id: 2, note: ''}, {id: 1, note: 'ü, \"x\"'}]",
    ),
    "SQL": (
        ALL,
        example("{sql: 'SELECT range AS id FROM range(3)'}", "[{id: 0}, {id: 1}, {id: 2}]"),
    ),
    "an order": (
        f"{ALL.rstrip()} ORDER BY id DESC",
        example("[{id: 1}, {id: 2}]", "{rows: [{id: 2}, {id: 1}], order: strict}"),
    ),
    "a clock": (
        "kind: transform\nname: daily\ninputs: [source.orders]\n"
        "transform: SELECT id, current_date AS d, now() AS t, today() - day AS ago FROM source.orders",
        example(
            "[{id: 1, day: 2024-02-28}]",
            "[{id: 1, d: 2024-03-01, t: 2024-03-01 08:30:00+00, ago: 2}]",
            "now: 2024-03-01 09:30:00+01:00",
        ),
    ),
}


@pytest.mark.parametrize("case", HOLDING)
def test_an_example_that_holds(project: Repo, case: str) -> None:
    node, examples = HOLDING[case]
    with_examples(project, examples, node)
    said = project.seeknal("test")
    assert said.out == "holds  transform.daily  one\n1 example: 1 holds.\n"
    assert project.seeknal("validate").out == "2 nodes valid, 1 example holds.\n"


FAILING = {
    "another value": (
        "[{day: 2024-01-01, amount: 1}]",
        "[{day: 2024-01-01, total: 2, n: 1}]",
        "1 row missing, 1 row unexpected",
    ),
    "a row too many": (
        "[{amount: 1}]",
        "[{total: 1, n: 1}, {total: 1, n: 1}]",
        "1 row missing",
    ),
    "a NULL": ("[{amount: 1}]", "[{n: 1}]", "1 row missing, 1 row unexpected"),
    "a count": ("[{amount: 1}]", "{count: 2}", "1 row instead of 2"),
    "a CTE": ("[{id: 1, amount: 1}]", "{cte.paid: []}", "CTE paid: 1 row unexpected"),
}


@pytest.mark.parametrize("case", FAILING)
def test_an_example_that_fails_shows_the_rows_that_differ(project: Repo, case: str) -> None:
    given, expect, words = FAILING[case]
    with_examples(project, example(given, expect))
    said = project.seeknal("test", code=1).out
    assert f"failed: transform.daily: one ({NODE}:8)\n  {words}\n" in said
    refused = project.seeknal("validate", code=1).err
    assert f"{NODE}:8: The example 'one' of transform.daily does not hold: {words}." in refused


def test_a_differing_row_names_its_line(project: Repo) -> None:
    with_examples(
        project,
        "- name: one\n  given:\n    orders:\n      - {day: 2024-01-01, amount: 1}\n"
        "  expect:\n    - {day: 2024-01-02, total: 1, n: 1}",
    )
    said = project.seeknal("test", code=1).out
    assert "    missing     2024-01-02  1.00   1  line 13\n" in said
    assert "    unexpected  2024-01-01  1.00   1\n" in said
    found = project.seeknal("test", "--json", code=1).json["examples"][0]
    assert found["state"] == "failed"
    assert found["differences"][0]["differing"] == [
        {
            "row": 1,
            "line": 13,
            "missing": {"day": "2024-01-02", "total": "1.00", "n": "1"},
            "unexpected": {"day": "2024-01-01", "total": "1.00", "n": "1"},
        }
    ]


def test_columns_that_are_not_given_are_named_if_they_differ(project: Repo) -> None:
    with_examples(project, example("[{amount: 1}]", "[{total: 1}]"))
    said = project.seeknal("test", code=1).err
    assert "`expect` does not give n: NULL. With `only`, some columns count alone." in said
    project.replace(NODE, "total: 1}", "total: 2, n: 1}")
    assert "only" not in project.seeknal("test", code=1).err


MISTAKES = {
    "an unknown input": (
        "- name: one\n  given: {source.order: []}\n  expect: []",
        "transform.daily does not read source.order",
        "Did you mean source.orders?",
    ),
    "an input twice": (
        "- name: one\n  given: {orders: [], source.orders: []}\n  expect: []",
        "source.orders is given twice",
        "",
    ),
    "an unknown column": (
        example("[{amuont: 1}]", "[]"),
        "source.orders has no column amuont: did you mean amount?",
        "",
    ),
    "an unknown column that is expected": (
        example("[{amount: 1}]", "[{totl: 1}]"),
        "its result has no column totl: did you mean total?",
        "",
    ),
    "an unknown CTE": (
        example("[{amount: 1}]", "{cte.piad: []}"),
        "its SQL has no CTE piad: did you mean paid?",
        "",
    ),
    "a text that is no number": (
        example("[{amount: 1}, {amount: x}]", "[]"),
        "row 2: 'x' is no value of amount, which is DECIMAL(10,2)",
        "",
    ),
    "a number that would be rounded": (
        example("[{amount: 1}]", "[{total: 1.005, n: 1}]"),
        "row 1: '1.005' is no value of total, which is DECIMAL(38,2)",
        "",
    ),
    "SQL that reads a file": (
        example("{sql: \"FROM read_csv('/etc/passwd')\"}", "[]"),
        "the SQL of an example makes rows of its own, and this reads read_csv()",
        "",
    ),
    "SQL that writes": (
        example("{sql: 'DELETE FROM x'}", "[]"),
        "the SQL of an example is one SELECT, and this is DELETE",
        "",
    ),
    "a file that is not there": (
        example("{file: tests/x.csv}", "[]"),
        "there is no file tests/x.csv",
        "",
    ),
    "a file elsewhere": (example("{file: ../x.csv}", "[]"), "leaves the project", ""),
    "a key": ("- {name: one, givn: {}, expect: []}", "There is no key `givn`.", "`given`"),
    "a key of the result": (
        example("[]", "{rows: [], onyl: id}"),
        "there is no key `onyl`: did you mean `only`?",
        "",
    ),
    "a name twice": (
        "- {name: one, expect: []}\n- {name: one, expect: []}",
        "two examples are called 'one'",
        "",
    ),
    "a time": (
        "- {name: one, expect: [], now: soon}",
        "a time is written 2024-03-01 or 2024-03-01 09:30:00, not 'soon'",
        "",
    ),
    "a partition of a node without any": (
        "- {name: one, expect: [], partition: 2024-01-01}",
        "transform.daily has no `partition`",
        "",
    ),
    "CSV with a field too many": (
        '- {name: one, given: {orders: "id\\n1,2"}, expect: []}',
        "line 2 of this CSV has 2 fields, and its header 1",
        "",
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_in_an_example_is_told_with_its_line_and_the_nearest_name(
    project: Repo, case: str
) -> None:
    examples, message, hint = MISTAKES[case]
    with_examples(project, examples)
    said = project.seeknal("validate", code=1).err
    assert message in said
    assert hint in said
    assert f"{NODE}:" in said
    project.seeknal("test", code=1)


def test_an_example_of_a_source_is_refused(project: Repo) -> None:
    text = project.read("seeknal/sources/orders.yml")
    project.write("seeknal/sources/orders.yml", f"{text}examples: [{{name: a, expect: []}}]\n")
    said = project.seeknal("validate", code=1).err
    assert "a source reads raw data, so it has no example" in said


def test_an_example_that_held_is_not_tried_again_until_something_moves(project: Repo) -> None:
    with_examples(project, example("[{amount: 1}]", "[{total: 1, n: 1}]"))
    project.seeknal("validate")
    assert "seeknal_git.sql.example_rows" not in project.loaded_by("validate")
    assert "duckdb" not in project.loaded_by("validate")
    project.replace("seeknal/sources/orders.yml", "decimal(10, 2)", "decimal(10, 3)")
    project.seeknal("validate")
    project.replace(NODE, "sum(amount)", "sum(-amount)")
    project.seeknal("validate", code=1)


def test_examples_decide_no_data_and_a_commit_is_refused_for_one_that_fails(project: Repo) -> None:
    with_examples(project, example("[{amount: 1}]", "[{total: 1, n: 1}]"))
    project.seeknal("run")
    project.switch("dev", create=True)
    project.replace(NODE, "total: 1, n: 1", "total: 2, n: 1")
    planned = project.seeknal("plan", "--json").json
    assert [(change["category"], change["what"]) for change in planned["changes"]] == [
        ("METADATA", ["examples changed"])
    ]
    assert planned["layers"] == []
    project.seeknal("hooks", "install")
    project.git("add", "--all")
    refused = project.try_git("commit", "-m", "wrong")
    assert refused.returncode == 1
    assert "does not hold" in refused.stderr


def test_nothing_to_test_is_said(project: Repo) -> None:
    project.commit(hooks=False)
    assert "There is no example." in project.seeknal("test").out
    with_examples(project, example("[{amount: 1}]", "[{total: 1, n: 1}]"))
    assert project.seeknal("test", "-k", "refund").out == "No example has 'refund' in its name.\n"
    assert project.seeknal("test", "-s", "source.orders").out == "There is no example.\n"
    assert "Did you mean daily?" in project.seeknal("test", "dayly", code=2).err


def test_an_example_of_real_rows_is_written_at_the_end_of_the_list(project: Repo) -> None:
    project.write(
        "data/orders.csv",
        'id,day,amount,note,weight,tags,seen\n1,2024-01-01,2.50,"a: #b",1.5,,2024-01-01 10:00:00\n'
        "2,2024-01-02,-1,null,,,\n",
    )
    with_examples(project, "# first\n- name: one\n  expect: []\n")
    project.replace(NODE, "expect: []\n", "expect: []\n\n# the end\ntags: [daily]  # kept\n")
    before = project.read(NODE)
    project.seeknal("run")
    said = project.seeknal("test", "daily", "--from", "SELECT * FROM orders ORDER BY id")
    lines = [
        "  - name: real rows",
        "    given:",
        "      source.orders:",
        "        - {day: 2024-01-01, amount: 2.50}",
        "        - {day: 2024-01-02, amount: -1.00}",
        "    expect:",
        "      - {day: 2024-01-01, total: 2.50, n: 1}",
    ]
    assert project.read(NODE) == before.replace(
        "expect: []\n", "\n".join(["expect: []", *lines, ""])
    )
    assert said.out == "\n".join([f"Written into {NODE}:11:", "", *lines, "", ""])
    assert project.seeknal("test").out.endswith("2 examples: 2 hold.\n")
    project.seeknal("test", "daily", "--from", "FROM source.orders LIMIT 1")
    assert "name: real rows 2" in project.read(NODE)


FILES = {
    "no examples": ("{node}\n# the end\n", "{node}\n\nexamples:\n  - name: x\n{rest}# the end\n"),
    "an empty key": (
        "examples:\n{node}\n",
        "examples:\n  - name: x\n{rest}{node}\n",
    ),
    "a list that is not indented": (
        "{node}\nexamples:\n- name: y\n  expect: {{count: 0}}\n",
        "{node}\nexamples:\n- name: y\n  expect: {{count: 0}}\n- name: x\n{less}",
    ),
}


@pytest.mark.parametrize("case", FILES)
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["unix", "windows"])
def test_the_file_around_a_written_example_stays_as_it_is(
    project: Repo, case: str, end: str
) -> None:
    node = ALL.strip()
    before, after = FILES[case]
    (project.path / NODE).parent.mkdir(parents=True)
    text = before.format(node=node).replace("\n", end)
    (project.path / NODE).write_bytes(text.encode())
    project.commit(hooks=False)
    project.seeknal("run")
    said = project.seeknal(
        "test", "daily", "--from", "SELECT 1 AS id FROM orders", "--name", "x", code=None
    )
    rest = "    given:\n      source.orders: []\n    expect: []\n"
    less = rest.replace("\n  ", "\n").removeprefix("  ")
    wanted = after.format(node=node, rest=rest, less=less).replace("\n", end)
    assert (project.path / NODE).read_bytes() == wanted.encode(), said.err


@pytest.mark.parametrize(
    ("select", "message", "hint"),
    [
        ("FROM ordrs", "The SELECT names no input of transform.daily.", "Did you mean orders?"),
        ("SELECT 1 AS dya FROM orders", "source.orders has no column dya.", "Did you mean day?"),
        ("FROM range(6)", "The SELECT names no input", "It reads source.orders."),
        (
            "DELETE FROM orders",
            "--from takes one SELECT: it is one SELECT, and this is DELETE.",
            "",
        ),
        ("SELECT id FROM orders, range(60)", "more than 50 rows", "LIMIT 10"),
    ],
)
def test_rows_that_are_none_of_the_inputs_are_refused(
    project: Repo, select: str, message: str, hint: str
) -> None:
    project.write("data/orders.csv", "id,day,amount,note,weight,tags,seen\n1,,,,,,\n")
    with_examples(project, "- {name: one, expect: []}")
    project.seeknal("run")
    before = project.read(NODE)
    said = project.seeknal("test", "daily", "--from", select, code=2).err
    assert message in said
    assert hint in said
    assert project.read(NODE) == before
    project.seeknal("test", "--from", "FROM orders", code=2)
    project.seeknal("test", "daily", "--from", "FROM orders", "--name", "one", code=2)


def test_an_example_gives_values_to_templates_and_the_node_may_use_macros(project: Repo) -> None:
    project.write("seeknal/macros/m.sql", "CREATE MACRO twice(x) AS x * 2;\n")
    project.write(
        "seeknal/common/rules.yml", 'rules:\n  - {id: big, value: "amount > {{ least }}"}\n'
    )
    node = (
        "kind: transform\nname: daily\ninputs: [source.orders]\nparams: {region: EU}\n"
        "transform: |\n  SELECT twice(id) AS id, '{{ region }}' AS region, '{{ today }}' AS today,\n"
        "    '{{ run_date }}' AS run FROM source.orders WHERE {{ rules.big }}\n"
    )
    project.write(
        "seeknal_project.yml", f"{project.read('seeknal_project.yml')}vars: {{least: 5}}\n"
    )
    examples = (
        "- name: given\n  given: {orders: [{id: 1, amount: 3}, {id: 2, amount: 1}]}\n"
        "  params: {least: 2, region: US}\n  now: 2024-03-01 10:00\n"
        "  expect: [{id: 2, region: US, today: 2024-03-01, run: '2024-03-01T10:00:00+00:00'}]\n"
        "- name: not given\n  given: {orders: [{id: 1, amount: 3}, {id: 2, amount: 9}]}\n"
        "  expect: {rows: [{id: 4, region: EU}], only: [id, region]}\n"
    )
    with_examples(project, examples, node)
    project.seeknal("test")
    project.replace(NODE, "least: 2", "laest: 2")
    said = project.seeknal("test", code=1)
    assert "no template of transform.daily uses `laest`" in said.out
    assert "Did you mean least?" in said.err


VIEW = "kind: transform\nname: paid\nmaterialized: {form}\ntransform: FROM ref('source.orders')\n"


@pytest.mark.parametrize("form", ["view", "ephemeral"])
def test_an_input_that_is_no_table_is_given_and_read_twice(project: Repo, form: str) -> None:
    project.write("seeknal/transforms/paid.yml", VIEW.format(form=form))
    node = (
        "kind: transform\nname: daily\ninputs: [transform.paid]\ntransform: |\n"
        '  SELECT a.id, b.id AS "order" FROM transform.paid a JOIN input_0 b ON a.amount < b.amount;\n'
    )
    given = "[{id: 1, amount: 1}, {id: 2, amount: 2}]"
    examples = f"- name: one\n  given: {{paid: {given}}}\n  expect: [{{id: 1, order: 2}}]\n"
    with_examples(project, examples, node)
    project.seeknal("test")


KINDS = {
    "feature_group": (
        "entity: {name: customer, join_keys: [id]}\n",
        "expect: [{id: 1, day: 2024-01-01, amount: 2}]",
        "given: {input_0: [{id: 1, day: 2024-01-01, amount: 2}]}",
    ),
    "aggregation": (
        "id_col: id\nfeature_date_col: day\napplication_date_col: seen\n"
        "features: [{name: amount, basic: [sum]}]\n",
        "expect: {count: 1}",
        "given: {orders: [{id: 1, day: 2024-01-01, amount: 2, seen: 2024-01-05}]}",
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_other_kinds_have_examples(project: Repo, kind: str) -> None:
    keys, expect, given = KINDS[kind]
    head = f"kind: {kind}\nname: daily\ninputs: [source.orders]\n{keys}"
    with_examples(project, f"- name: one\n  {given}\n  {expect}\n", head)
    project.seeknal("test")


@pytest.mark.parametrize("ending", ["csv", "json", "jsonl"])
def test_rows_come_from_a_file_of_the_same_tree(project: Repo, ending: str) -> None:
    rows = {
        "csv": "id,note\n1,a\n2,\n",
        "json": '[{"id": 1, "note": "a"}, {"id": 2, "note": null}]',
        "jsonl": '{"id": 1, "note": "a"}\n\n{"id": 2}\n',
    }
    project.write(f"tests/rows.{ending}", rows[ending])
    with_examples(
        project,
        f"- name: one\n  given: {{orders: {{file: tests/rows.{ending}}}}}\n"
        "  expect: [{id: 1, note: a}, {id: 2}]",
        ALL,
    )
    project.seeknal("validate", "--staged")
    project.write(f"tests/rows.{ending}", rows[ending].replace("2", '"x"'))
    said = project.seeknal("validate", code=1).err
    assert f"row 2 of tests/rows.{ending}: 'x' is no value of id, which is BIGINT" in said
    project.seeknal("validate", "--staged")


def test_examples_are_tried_while_another_process_holds_the_warehouse(project: Repo) -> None:
    with_examples(project, example("[{amount: 1}]", "[{total: 1, n: 1}]"))
    project.seeknal("run")
    with project.held():
        project.seeknal("test")
        project.seeknal("validate")


def test_an_example_of_one_partition(project: Repo) -> None:
    node = DAILY.replace(
        "inputs:", "partition: {by: day, every: month, begin: 2024-01-01}\ninputs:"
    )
    given = "[{day: 2024-01-01, amount: 1}, {day: 2024-02-01, amount: 2}, {amount: 3}]"
    examples = example(given, "[{day: 2024-02-01, total: 2, n: 1}]", "partition: 2024-02")
    with_examples(project, examples, node)
    project.seeknal("test")
    project.replace(NODE, "partition: 2024-02\n", "partition: soon\n")
    assert "soon is none of its partitions" in project.seeknal("test", code=1).out


def test_an_example_binds_the_parameters_of_its_partition(project: Repo) -> None:
    node = DAILY.replace(
        "inputs:", "partition: {by: day, every: month, begin: 2024-01-01}\ninputs:"
    ).replace("GROUP BY", "WHERE day >= $start AND day < $end GROUP BY")
    given = "[{day: 2024-01-01, amount: 1}, {day: 2024-02-01, amount: 2}]"
    examples = example(given, "[{day: 2024-02-01, total: 2, n: 1}]", "partition: 2024-02")
    with_examples(project, examples, node)
    project.seeknal("test")
    project.replace(NODE, "partition: 2024-02\n", "")
    assert "its SQL asks for a partition" in project.seeknal("test", code=1).out


BEST = """
from seeknal.pipeline import transform


@transform(
    inputs=[{"ref": "source.orders", "columns": ["day", "amount"]}],
    columns={"day": "DATE", "total": "DECIMAL(12, 2)"},
    examples=[
        {
            "name": "two rows of a day",
            "given": {
                "source.orders": [
                    {"day": "2024-01-01", "amount": 1.5},
                    {"day": "2024-01-01", "amount": 2},
                    {"amount": None},
                ]
            },
            "expect": [{"day": "2024-01-01", "total": 3.5}],
        },
        {"name": "none", "expect": []},
    ],
)
def best(ctx):
    orders = ctx.relation("source.orders").filter("day IS NOT NULL")
    return orders.aggregate("day, sum(amount) AS total")
"""


def test_examples_of_a_function_run_it_in_test_alone(project: Repo) -> None:
    project.write("seeknal/transforms/best.py", BEST)
    project.commit(hooks=False)
    assert project.seeknal("test").out.endswith("2 examples: 2 hold.\n")
    project.seeknal("run")
    project.replace("seeknal/transforms/best.py", '"total": 3.5', '"total": 4')
    said = project.seeknal("test", code=1).out
    assert "1 row missing, 1 row unexpected" in said
    assert "    unexpected  2024-01-01  3.50" in said
    project.seeknal("validate")
    assert project.seeknal("test", "--sandbox").out == "There is no example.\n"
    changes = project.seeknal("plan", "--json").json["changes"]
    assert [change["category"] for change in changes] == ["METADATA"]
    project.replace(
        "seeknal/transforms/best.py",
        "    orders = ctx",
        "    raise ValueError(3)\n    orders = ctx",
    )
    assert "ValueError: 3" in project.seeknal("test", code=1).out
