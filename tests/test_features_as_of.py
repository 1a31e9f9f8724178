"""Features as of a time: groups with a row for each key and time, joined point in time."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from tests.conftest import Repo, Templates, make_empty

FILES = {
    "data/habits.csv": "customer_id,day,orders\n1,2024-01-01,1\n1,2024-01-05,2\n2,2024-01-03,7\n",
    "data/payments.csv": "customer_id,day,paid\n1,2024-01-05,10\n3,2024-01-02,20\n",
    "data/answers.csv": (
        "customer_id,answered_at,answer\n1,2024-01-04,yes\n1,2024-01-04,yes\n1,2024-01-05,no\n"
        "2,2024-01-01,no\n"
    ),
    "seeknal/training.yml": """
        kind: transform
        name: training
        inputs: [source.answers, feature_group.daily_habits]
        transform: |
          SELECT a.customer_id, a.answered_at, a.answer, h.orders
          FROM input_0 AS a
          ASOF LEFT JOIN input_1 AS h
            ON h.customer_id = a.customer_id
            AND h.day <= a.answered_at
    """,
    "seeknal/of_customer.yml": """
        kind: transform
        name: of_customer
        transform: |
          SELECT customer_id, event_time, habits, payments
          FROM (SELECT customer_id, day AS event_time, h AS habits FROM feature_group.daily_habits AS h)
          FULL JOIN (
            SELECT customer_id, day AS event_time, p AS payments FROM feature_group.daily_payments AS p
          ) USING (customer_id, event_time)
    """,
}
SOURCE = "kind: source\nname: {name}\nsource: csv\ntable: data/{name}.csv\n"
GROUP = (
    "kind: feature_group\nname: daily_{name}\nentity: customer\ninputs: [source.{name}]\n"
    "materialization: {{event_time_col: day}}\n"
)


def make_features(project: Repo) -> None:
    make_empty(project)
    for path, text in FILES.items():
        project.write(path, text)
    for name in ("habits", "payments", "answers"):
        project.write(f"seeknal/{name}.yml", SOURCE.format(name=name))
    for name in ("habits", "payments"):
        project.write(f"seeknal/daily_{name}.yml", GROUP.format(name=name))
    project.seeknal("run")


@pytest.fixture
def features(copy_of: Templates) -> Repo:
    return copy_of("features", make_features)


def test_each_row_of_the_spine_has_the_latest_features_that_were_known(features: Repo) -> None:
    found = features.numbers("SELECT customer_id, answer, orders FROM main.training ORDER BY ALL")
    assert found == [(1, "no", 2), (1, "yes", 1), (1, "yes", 1), (2, "no", None)]


def test_all_features_of_an_entity_keep_the_rows_of_every_group(features: Repo) -> None:
    found = features.numbers(
        "SELECT customer_id, event_time::VARCHAR, habits.orders, payments.paid"
        " FROM main.of_customer ORDER BY ALL"
    )
    assert found == [
        (1, "2024-01-01", 1, None),
        (1, "2024-01-05", 2, 10),
        (2, "2024-01-03", 7, None),
        (3, "2024-01-02", None, 20),
    ]


CODE = """
from seeknal.pipeline import feature_group, transform


@feature_group(entity="customer", inputs=["source.answers"])
def answered(ctx):
    rows = ctx.relation("source.answers")
    return rows.aggregate("customer_id, answered_at AS event_time, count(*)::INTEGER AS n")


@transform()
def spined(ctx):
    answers = ctx.relation("source.answers").order("answered_at DESC, answer")
    return ctx.features(
        "customer",
        ["daily_habits.orders", "daily_payments.*", "answered.n"],
        spine=answers,
        date_col="answered_at",
        keep_cols=["answer"],
    )


@transform()
def known(ctx):
    return ctx.features("customer", ["daily_habits.orders", "daily_payments.paid"], as_of="2024-01-04")


@transform()
def ever(ctx):
    return ctx.features("customer", ["daily_habits.orders", "daily_payments.paid"])


@transform()
def joined(ctx):
    habits = ctx.ref("feature_group.daily_habits")
    if not hasattr(habits, "pit_join"):
        return ctx.relation("feature_group.daily_habits").project("*, NULL AS answer").limit(0)
    return habits.pit_join(spine=ctx.ref("source.answers"), date_col="answered_at")
"""


def test_functions_ask_for_features_as_of_a_time(features: Repo) -> None:
    features.write("seeknal/code.py", CODE)
    features.commit()
    features.run()
    names = [row[0] for row in features.numbers("DESCRIBE main.spined")]
    features_of_groups = ["daily_habits__orders", "daily_payments__paid", "answered__n"]
    assert names == ["customer_id", "answered_at", "answer", *features_of_groups]
    found = features.numbers("SELECT * EXCLUDE answered_at FROM main.spined")
    assert found == [
        (1, "no", 2, 10, 1),
        (1, "yes", 1, None, 2),
        (1, "yes", 1, None, 2),
        (2, "no", None, None, 1),
    ]
    assert features.numbers("FROM main.known") == [(1, 1, None), (2, 7, None), (3, None, 20)]
    rows = "SELECT * REPLACE (event_time::DATE::VARCHAR AS event_time) FROM main.ever"
    assert features.numbers(rows) == [
        (1, "2024-01-01", 1, None),
        (1, "2024-01-05", 2, 10),
        (2, "2024-01-03", 7, None),
        (3, "2024-01-02", None, 20),
    ]
    if features.numbers("SELECT count(*) FROM main.joined") != [(0,)]:  # there is pandas
        rows = "SELECT customer_id, answer, orders FROM main.joined"
        assert features.numbers(rows) == [
            (1, "yes", 1),
            (1, "yes", 1),
            (1, "no", 2),
            (2, "no", None),
        ]
    reads = features.seeknal("lineage", "transform.known").out
    assert "feature_group.daily_payments" in reads
    features.replace("seeknal/daily_payments.yml", "event_time_col: day", "event_time_col: paid")
    plan = features.plan()
    due = {node for layer in plan["layers"] for node in layer}
    assert due == {f"transform.{name}" for name in ("spined", "known", "ever")}
    (change,) = plan["changes"]
    assert change["what"][0] == "materialization.event_time_col changed"
    assert set(change["rebuilds"]) == due
    reason = "joins by `event_time_col` of feature_group.daily_payments"
    assert plan["reasons"]["transform.known"] == reason


REFUSED = {
    'ctx.features("customer", names)': "The name of an input is written as a literal",
    'ctx.entity("customer")': "`ctx.entity` would read every feature group",
    'ctx.state.get("x")': "A node has no state of its own",
    'ctx.features("customer", ["daily_habit.x"])': "Did you mean feature_group.daily_habits?",
}
FAILED = {
    'ctx.features("plane", ["daily_habits.day"])': "is of the entity customer, not plane",
    'ctx.features("customer", ["daily_habits.x"])': "daily_habits has no feature x: orders",
    'ctx.features("customer", ["timeless.orders"], as_of="2024-01-01")': (
        "feature_group.timeless has no column with the time of its rows"
    ),
    "ctx.nothing": "ctx has no nothing here. It has ref, relation, features",
}


def code(bodies: Iterable[str]) -> str:
    nodes = [
        f"@transform()\ndef n{number}(ctx):\n    return {body}\n"
        for number, body in enumerate(bodies)
    ]
    return "from seeknal.pipeline import transform\n\nnames = []\n\n" + "\n\n".join(nodes)


def test_features_that_nobody_can_tell_are_refused_in_one_sentence(features: Repo) -> None:
    rows = "SELECT DISTINCT ON (customer_id) customer_id, orders FROM source"
    features.write(
        "seeknal/timeless.yml",
        f"kind: feature_group\nname: timeless\nentity: customer\ninputs: [source.habits]\ntransform: {rows}\n",
    )
    for body, said in REFUSED.items():
        features.write("seeknal/n.py", code([body]))
        found = features.seeknal("validate", code=1).err
        assert said in found
    features.write("seeknal/n.py", code(FAILED))
    done = features.seeknal("run", "--continue-on-error", code=1)
    for said in FAILED.values():
        assert said in done.out
    assert "worker/" not in done.out  # a traceback ends in the user's code
