"""Profiles: statistics of a node's columns, which follow from its columns; and rules about them."""

from __future__ import annotations

import pytest

from tests.conftest import Repo

PRODUCTS = {
    "data/p.csv": "id,name,price\n1,ann,10.5\n2,bob,\n3,ann,30.25\n4,,4.0\n",
    "seeknal/sources/p.yml": "kind: source\nname: p\nsource: csv\ntable: data/p.csv\n",
}
PROFILE = "seeknal/profiles/p_stats.yml"
OF_PRICE = """
    kind: profile
    name: p_stats
    inputs: [{ref: source.p}]
    profile: {columns: [price, name], params: {max_top_values: 2}}
"""
RULE = "seeknal/rules/p_ok.yml"
TABLE = [
    ("_table_", "row_count", "4", None),
    ("name", "null_count", "1", None),
    ("name", "null_percent", "25.0", None),
    ("name", "distinct_count", "2", None),
    (
        "name",
        "top_values",
        None,
        '[{"value":"ann","count":2,"percent":66.67}, {"value":"bob","count":1,"percent":33.33}]',
    ),
    ("price", "null_count", "1", None),
    ("price", "null_percent", "25.0", None),
    ("price", "distinct_count", "3", None),
    ("price", "min", "4.0", None),
    ("price", "max", "30.25", None),
    ("price", "avg", "14.916666666666666", None),
    ("price", "sum", "44.75", None),
    ("price", "stddev", "13.670985090085255", None),
    ("price", "p25", "7.25", None),
    ("price", "p50", "10.5", None),
    ("price", "p75", "20.375", None),
]


@pytest.fixture
def products(repo: Repo) -> Repo:
    for path, text in PRODUCTS.items():
        repo.write(path, text)
    repo.write(PROFILE, OF_PRICE)
    repo.commit()
    return repo


def rule(checks: str, more: str = "") -> str:
    return (
        "kind: rule\nname: p_ok\ninputs: [{ref: profile.p_stats}]\n"
        f"rule:\n  type: profile_check\n  checks:\n    - {checks}\n{more}"
    )


def test_a_profile_has_one_row_for_each_statistic_in_the_order_of_the_input(products: Repo) -> None:
    products.seeknal("run")
    assert products.numbers("FROM main.p_stats") == TABLE


def test_all_columns_are_profiled_by_their_types_unless_some_are_named(repo: Repo) -> None:
    repo.write(
        "data/t.csv",
        "id,ok,day,at,note\n1,true,2024-01-01,2024-01-01 10:00:00,\n2,false,2024-01-03,,\n",
    )
    repo.write(
        "seeknal/t.yml",
        "kind: source\nname: t\nsource: csv\ntable: data/t.csv\nschema:\n"
        '  - {name: id, data_type: "DECIMAL(10, 2)"}\n  - {name: note, data_type: BLOB}\n',
    )
    repo.write("seeknal/s.yml", "kind: profile\nname: s\ninputs: [source.t]\n")
    repo.seeknal("run")
    metrics: dict[str, tuple[tuple[str, ...], list[str]]] = {}
    for name, metric, value, _ in repo.numbers("FROM main.s"):
        before, values = metrics.get(name, ((), []))
        metrics[name] = ((*before, metric), [*values, value])
    every = ("null_count", "null_percent", "distinct_count")
    assert list(metrics) == ["_table_", "id", "ok", "day", "at", "note"]
    assert metrics["id"][0] == (
        *every,
        *("min", "max", "avg", "sum", "stddev", "p25", "p50", "p75"),
    )
    assert metrics["day"] == ((*every, "min", "max"), ["0", "0.0", "2", "2024-01-01", "2024-01-03"])
    assert metrics["at"][0] == (*every, "min", "max")
    assert metrics["ok"][0] == (*every, "top_values")
    assert metrics["note"] == (every, ["2", "100.0", "0"])


def test_a_profile_of_an_empty_table_and_of_names_and_values_with_signs(repo: Repo) -> None:
    repo.write("data/a.csv", "x\n1\n")
    repo.write("seeknal/a.yml", "kind: source\nname: a\nsource: csv\ntable: data/a.csv\n")
    sql = """SELECT x, 'say "hi"' AS "it's", ['a'] AS l, 'inf'::DOUBLE AS d FROM source.a"""
    repo.write("seeknal/b.yml", f"kind: transform\nname: b\ntransform: |\n  {sql}\n")
    repo.write("seeknal/c.yml", f"kind: transform\nname: c\ntransform: |\n  {sql} WHERE x > 1\n")
    for name in "bc":
        repo.write(
            f"seeknal/p{name}.yml", f"kind: profile\nname: p{name}\ninputs: [transform.{name}]\n"
        )
    repo.seeknal("run")
    assert repo.numbers("SELECT detail FROM main.pb WHERE metric = 'top_values'") == [
        ('[{"value":"say \\"hi\\"","count":1,"percent":100.0}]',),
        ('[{"value":"[a]","count":1,"percent":100.0}]',),
    ]
    assert repo.numbers("SELECT value FROM main.pc WHERE metric = 'row_count'") == [("0",)]
    assert repo.numbers("SELECT count(*) FROM main.pc WHERE metric = 'null_percent' AND value > ''")


def test_a_profile_is_read_like_any_table(products: Repo) -> None:
    products.write(
        "seeknal/worst.yml",
        "kind: transform\nname: worst\ntransform: |\n  SELECT column_name, value::DOUBLE AS share\n"
        "  FROM ref('profile.p_stats') WHERE metric = 'null_percent'\n",
    )
    products.seeknal("run")
    assert products.numbers("FROM main.worst ORDER BY ALL") == [("name", 25.0), ("price", 25.0)]
    told = products.seeknal("lineage", "transform.worst.share").out
    assert "source.p.price" in told


def test_a_profile_is_built_again_for_the_columns_that_it_looks_at(products: Repo) -> None:
    products.write(
        "seeknal/t.yml",
        "kind: transform\nname: t\ntransform: |\n"
        "  SELECT id,\n    price,\n    name\n  FROM source.p\n",
    )
    products.replace(PROFILE, "source.p", "transform.t")
    products.commit()
    products.seeknal("run")
    products.switch("dev", create=True)
    products.replace("seeknal/t.yml", "SELECT id,", "SELECT id + 1 AS id, 1 AS more,")
    assert products.plan()["layers"] == [["transform.t"]]
    products.replace("seeknal/t.yml", "    price,", "    price * 2 AS price,")
    assert products.plan()["layers"] == [["transform.t"], ["profile.p_stats"]]
    products.seeknal("run")
    assert ("price", "max", "60.5", None) in products.numbers("FROM dev.p_stats")


def test_new_columns_and_types_of_the_input_make_another_profile(products: Repo) -> None:
    products.write(PROFILE, "kind: profile\nname: p_stats\ninputs: [source.p]\n")
    products.commit()
    products.seeknal("run")
    products.write("data/p.csv", "id,name,price,day\n1,7,10.5,2024-01-01\n")
    assert products.built() == ["profile.p_stats", "source.p"]
    found = products.numbers("SELECT DISTINCT column_name FROM main.p_stats ORDER BY ALL")
    assert found == [("_table_",), ("day",), ("id",), ("name",), ("price",)]
    assert products.built() == []
    products.seeknal("validate")


def test_an_edited_profile_is_breaking(products: Repo) -> None:
    products.seeknal("run")
    products.switch("dev", create=True)
    products.replace(PROFILE, "max_top_values: 2", "max_top_values: 1")
    assert products.categories() == {"profile.p_stats": "BREAKING"}
    assert "BREAKING" in products.seeknal("plan", "--verify").out


def test_a_column_that_the_input_lacks_is_named_with_its_line(products: Repo) -> None:
    products.replace(PROFILE, "price, name", "prize, name")
    told = products.seeknal("validate", code=1).err
    assert f"{PROFILE}:4: profile.p_stats profiles the column prize" in told
    assert "Did you mean price?" in told
    products.replace(PROFILE, "prize, name", "price, name")
    products.write("data/p.csv", "id,name\n1,ann\n")
    assert "profiles the column price" in products.seeknal("run", code=1).err


def test_without_raw_data_a_profile_waits_and_its_readers_are_checked(products: Repo) -> None:
    products.write(".gitignore", "target/\ndata/\n")
    products.git("rm", "--quiet", "--cached", "-r", "data")
    products.commit()
    (products.path / "data/p.csv").unlink()
    products.write(
        "seeknal/t.yml",
        "kind: transform\nname: t\ntransform: SELECT valeu FROM ref('profile.p_stats')\n",
    )
    assert "valeu" in products.seeknal("validate", code=1).err
    products.replace("seeknal/t.yml", "valeu", "value")
    products.seeknal("validate")


@pytest.mark.parametrize(
    ("check", "said"),
    [
        ('{metric: row_count, fail: "< 1"}', None),
        ('{column: price, metric: avg, fail: "> 10"}', "price.avg fails if > 10"),
        ('{column: PRICE, metric: max, fail: "between 30 and 31"}', "fails if between 30 and 31"),
        ('{column: price, metric: null_percent, fail: "!= 25"}', None),
        ('{column: name, metric: avg, fail: "> 10"}', "name.avg fails if > 10"),
        ('{column: other, metric: avg, fail: "> 10"}', "other.avg fails if > 10"),
    ],
)
def test_a_profile_check_fails_if_its_condition_holds_or_the_number_is_missing(
    products: Repo, check: str, said: str | None
) -> None:
    products.write(RULE, rule(check))
    done = products.seeknal("run", code=1 if said else 0)
    if said:
        assert said in done.out
        assert products.seeknal("query", "--failed", "rule.p_ok").code == 0


def test_warnings_and_the_severity_of_the_rule(products: Repo) -> None:
    checks = '{column: price, metric: avg, warn: "> 10", fail: "> 90"}'
    products.write(RULE, rule(checks))
    told = products.seeknal("run").out
    assert "price.avg warns if > 10" in told
    assert "14.916" in told
    products.write(RULE, rule('{column: price, metric: avg, fail: "> 10"}'))
    products.seeknal("run", code=1)
    products.write(
        RULE, rule('{column: price, metric: avg, fail: "> 10"}', "params: {severity: warn}\n")
    )
    assert "price.avg fails if > 10" in products.seeknal("run").out


def test_every_entry_of_a_list_is_checked(products: Repo) -> None:
    products.write(
        RULE,
        "kind: rule\nname: p_ok\ninputs: [profile.p_stats]\nrule:\n"
        '  - {type: profile_check, checks: [{metric: row_count, fail: "< 1"}]}\n'
        '  - {type: profile_check, checks: [{column: price, metric: max, fail: "> 1"}]}\n'
        "  - {type: uniqueness, columns: [column_name]}\n",
    )
    failed = products.run(code=1)["failures"]
    assert [failure["check"] for failure in failed] == [
        "price.max fails if > 1",
        "uniqueness(column_name)",
    ]


def test_the_age_of_the_newest_value_is_asked_at_each_run(repo: Repo) -> None:
    repo.write("data/d.csv", "day\n2024-01-01\n")
    repo.write("seeknal/d.yml", "kind: source\nname: d\nsource: csv\ntable: data/d.csv\n")
    repo.write("seeknal/s.yml", "kind: profile\nname: p_stats\ninputs: [source.d]\n")
    repo.write(RULE, rule('{column: day, metric: freshness_hours, warn: "> 24", fail: "< 0"}'))
    repo.commit()
    assert "day.freshness_hours warns if > 24" in repo.seeknal("run").out
    again = repo.seeknal("run")
    assert "0 built" in again.out
    assert "2 checked" in again.out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (rule("{metric: row_cuont, fail: '< 1'}"), "There is no metric row_cuont; did you mean"),
        (rule("{metric: avg, fail: '< 1'}"), "`avg` is of a column"),
        (rule("{column: price, metric: avg}"), "says when it is violated"),
        (rule("{column: price, metric: avg, warn: 'high'}"), "not 'high'"),
        (
            rule("{metric: row_count, fail: '< 1'}").replace("profile.p_stats", "source.p"),
            "a profile_check reads a profile",
        ),
        ("kind: rule\nname: r\ninputs: [profile.p_stats]\nrule: {type: profile_check}\n", "checks"),
        ("kind: profile\nname: q\ninputs: [source.p, source.p]\n", "exactly one input"),
        ("kind: profile\nname: q\ninputs: [source.p]\nprofile: {colums: [a]}\n", "`columns`"),
    ],
)
def test_mistakes_are_named(products: Repo, text: str, said: str) -> None:
    products.write("seeknal/rules/wrong.yml", text)
    assert said.lower() in products.seeknal("validate", code=1).err.lower()
