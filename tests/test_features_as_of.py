"""Features as of a time: groups with a row for each key and time, joined point in time."""

from __future__ import annotations

import pytest

from tests.conftest import Repo

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


@pytest.fixture
def features(repo: Repo) -> Repo:
    for path, text in FILES.items():
        repo.write(path, text)
    for name in ("habits", "payments", "answers"):
        repo.write(f"seeknal/{name}.yml", SOURCE.format(name=name))
    for name in ("habits", "payments"):
        repo.write(f"seeknal/daily_{name}.yml", GROUP.format(name=name))
    repo.seeknal("run")
    return repo


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
