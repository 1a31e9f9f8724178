"""`seeknal draft`, `dry-run` and `apply`: a node on its way into the project."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from seeknal_git.commands.draft import _PLACEHOLDER
from seeknal_git.nodes import kinds
from tests.conftest import Repo

DRAFT = "draft_transform_big.yml"
BIG = """
kind: transform
name: big
inputs:
  - ref: transform.clean_orders
transform: |
  SELECT id, amount
  FROM input_0
  WHERE amount > 15
  ORDER BY id
"""
FILLED = {
    "source": {"<FILE>": "data/orders.csv"},
    "transform": {"<INPUT>": "source.orders"},
    "feature_group": {"<INPUT>": "source.customers", "<ENTITY>": "customer", "<KEY>": "id"},
    "rule": {"<INPUT>": "source.orders", "<CONDITION>": "id > 0"},
    "exposure": {"<INPUT>": "transform.daily"},
    "aggregation": {
        "<INPUT>": "source.orders",
        "<KEY>": "customer",
        "<DATE>": "day",
        "<UNTIL>": "day",
        "<MEASURE>": "amount",
    },
    "second_order_aggregation": {
        "<INPUT>": "source.orders",
        "<KEY>": "customer",
        "<DATE>": "day",
        "<MEASURE>": "amount",
    },
    "profile": {"<INPUT>": "source.orders"},
    "semantic_model": {"<INPUT>": "source.orders", "<MEASURE>": "revenue"},
    "metric": {"<MEASURE>": "paid"},
}
OF_METRICS = """
kind: semantic_model
name: orders
model: source.orders
measures: [{name: paid, expr: amount, agg: sum}]
"""


def fill(repo: Repo, kind: str) -> str:
    """Write a draft of a kind, and do what it asks for."""
    if kind == "metric":
        repo.write("seeknal/semantic_models/orders.yml", OF_METRICS)
    repo.seeknal("draft", kind, "mine", "-d", "What: it is")
    name = f"draft_{kind}_mine.yml"
    text = repo.read(name)
    for placeholder, value in FILLED[kind].items():
        text = text.replace(placeholder, value)
    repo.write(name, text)
    return name


def contents(folder: Path) -> dict[Path, tuple[int, bytes]]:
    """Every file, but for git's own."""
    paths = (path for path in folder.rglob("*") if path.is_file() and ".git" not in path.parts)
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in paths}


def staged(repo: Repo) -> list[str]:
    return repo.git("diff", "--cached", "--name-status", "--no-renames").splitlines()


# draft


@pytest.mark.parametrize("kind", kinds.KINDS)
def test_a_template_is_valid_once_its_placeholders_are_filled(shop: Repo, kind: str) -> None:
    draft = fill(shop, kind)

    assert _PLACEHOLDER.findall(shop.read(draft).replace("<CONDITION>", "")) == []
    done = shop.seeknal("dry-run", draft, "--json").json
    assert done["node"] == f"{kind}.mine"
    assert done["warnings"] == []
    assert done["rows"] or done["checks"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        pytest.param(
            "x.csv",
            "id;day\n1;25/12/2024\n",
            [
                'delimiter: ";"',
                "header: true",
                'dateformat: "%d/%m/%Y"',
                "{name: day, data_type: DATE}",
            ],
            id="csv",
        ),
        pytest.param(
            "x.csv",
            "Title\n\nid,zip code\n1,01234\n",
            ["skip: 2", "{name: zip code, data_type: VARCHAR}"],
            id="a title",
        ),
        pytest.param(
            "x.jsonl",
            '{"id": 1, "tags": ["a"]}\n',
            ["source: jsonl", '{name: tags, data_type: "VARCHAR[]"}'],
            id="jsonl",
        ),
    ],
)
def test_a_draft_from_a_file_says_how_that_is_read(
    shop: Repo, name: str, content: str, said: list[str]
) -> None:
    shop.write(f"raw/{name}", content)
    shop.seeknal("draft", "source", "mine", "--from", f"raw/{name}")
    text = shop.read("draft_source_mine.yml")
    for each in [*said, f"table: raw/{name}"]:
        assert each in text
    done = shop.seeknal("dry-run", "draft_source_mine.yml", "--json").json
    assert done["warnings"] == []
    shop.seeknal("apply", "draft_source_mine.yml")
    shop.seeknal("run")
    assert shop.numbers("SELECT id FROM main.mine") == [(1,)]


def test_a_dry_run_shows_how_a_file_is_read(shop: Repo) -> None:
    done = shop.seeknal("dry-run", fill(shop, "source"))
    assert 'Read with delimiter: ",", header: true' in done.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(
            ["transform", "x", "--from", "data/orders.csv"],
            "A transform reads no file",
            id="another kind",
        ),
        pytest.param(
            ["source", "x", "--from", "data/none.csv"],
            "There is no file data/none.csv",
            id="no such file",
        ),
        pytest.param(
            ["source", "x", "--from", "seeknal_project.yml"],
            "does not say which format",
            id="no format",
        ),
    ],
)
def test_a_draft_from_what_is_no_file_of_data_is_refused(
    shop: Repo, arguments: list[str], message: str
) -> None:
    assert message in shop.seeknal("draft", *arguments, code=2).err


@pytest.mark.parametrize("kind", kinds.KINDS)
def test_a_template_says_what_is_still_to_be_filled_in(shop: Repo, kind: str) -> None:
    shop.seeknal("draft", kind, "mine")

    for command in ("dry-run", "apply"):
        said = shop.seeknal(command, f"draft_{kind}_mine.yml", code=1)
        left = re.findall(
            rf"draft_{kind}_mine.yml:\d+: (<[A-Z]+>) is still to be filled in", said.err
        )
        assert sorted(left) == sorted(FILLED[kind])


@pytest.mark.parametrize(
    "description", ["Orders: all of them", "'quoted' # and more", "Ä\n\nb", "yes"]
)
def test_any_description_survives_the_template(shop: Repo, description: str) -> None:
    shop.seeknal("draft", "transform", "mine", "--description", description)
    shop.write(
        "draft_transform_mine.yml",
        shop.read("draft_transform_mine.yml").replace("<INPUT>", "source.orders"),
    )

    shop.seeknal("apply", "draft_transform_mine.yml")

    from seeknal_git.nodes.yaml_document import read_yaml

    document = read_yaml((shop.path / "seeknal/transforms/mine.yml").read_bytes(), "mine.yml")
    assert document.data["description"] == description


def test_the_spelling_with_a_hyphen_is_the_same_kind(shop: Repo) -> None:
    shop.seeknal("draft", "feature-group", "habits")

    assert "kind: feature_group\nname: habits\n" in shop.read("draft_feature_group_habits.yml")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["trasnform", "x"], "Did you mean transform?", id="near miss of a kind"),
        pytest.param(["zebra", "x"], "The kinds are source, transform", id="no kind at all"),
        pytest.param(["model", "x"], "with @transform", id="kind of Seeknal"),
        pytest.param(
            ["source", "1x"], "'1x' cannot be a node's name", id="name begins with a digit"
        ),
        pytest.param(
            ["source", "../x"], "'../x' cannot be a node's name", id="name that is a path"
        ),
        pytest.param(["source", "a-b"], "'a-b' cannot be a node's name", id="name with a hyphen"),
    ],
)
def test_a_draft_of_what_cannot_be_is_refused(
    shop: Repo, arguments: list[str], message: str
) -> None:
    assert message in shop.seeknal("draft", *arguments, code=2).err
    assert not list(shop.path.glob("draft_*"))


def test_a_draft_that_is_there_is_begun_anew_only_with_force(shop: Repo) -> None:
    shop.write(DRAFT, "mine")

    assert "--force" in shop.seeknal("draft", "transform", "big", code=2).err
    assert shop.read(DRAFT) == "mine"
    shop.seeknal("draft", "transform", "big", "--force")
    assert "kind: transform" in shop.read(DRAFT)


def test_a_draft_is_written_in_the_project_s_folder_wherever_one_stands(shop: Repo) -> None:
    Repo(shop.path / "seeknal/sources").seeknal("draft", "source", "one")
    Repo(shop.path.parent).seeknal("draft", "source", "two", "-C", str(shop.path))

    assert sorted(path.name for path in shop.path.glob("draft_*")) == [
        "draft_source_one.yml",
        "draft_source_two.yml",
    ]


# dry-run


def test_a_dry_run_shows_columns_types_and_first_rows(shop: Repo) -> None:
    shop.write(DRAFT, BIG)

    out = shop.seeknal("dry-run", DRAFT, "--limit", "2").out
    assert f"{DRAFT} is valid: transform.big (new)" in out
    assert re.search(r"id +BIGINT\n +amount +BIGINT", out)
    assert "The first 2 rows." in out
    done = shop.seeknal("dry-run", DRAFT, "--json", "--limit", "2").json
    assert done["columns"] == [
        {"name": "id", "type": "BIGINT"},
        {"name": "amount", "type": "BIGINT"},
    ]
    assert done["rows"] == [{"id": 2, "amount": 20}, {"id": 3, "amount": 30}]
    assert done["more"] is True


def test_a_dry_run_says_when_there_are_no_more_rows(shop: Repo) -> None:
    shop.write(DRAFT, BIG)

    assert "3 rows in all." in shop.seeknal("dry-run", DRAFT).out


def test_a_dry_run_writes_nothing(published: Repo) -> None:
    published.write(DRAFT, BIG)
    before = contents(published.path)

    published.seeknal("dry-run", DRAFT)

    assert contents(published.path) == before
    assert published.git("status", "--porcelain") == f"?? {DRAFT}"


def test_without_a_warehouse_the_inputs_are_computed_from_the_sources(shop: Repo) -> None:
    shop.write(DRAFT, BIG)

    inputs = shop.seeknal("dry-run", DRAFT, "--json").json["inputs"]

    assert inputs == {"source.orders": None, "transform.clean_orders": None}
    assert not shop.warehouse.exists()


def test_what_is_built_is_read_from_the_warehouse(published: Repo) -> None:
    published.write(DRAFT, BIG)

    assert published.seeknal("dry-run", DRAFT, "--json").json["inputs"] == {
        "transform.clean_orders": "main"
    }
    published.switch("dev", create=True)
    assert published.seeknal("dry-run", DRAFT, "--json").json["inputs"] == {
        "transform.clean_orders": "main"
    }


def test_a_table_of_older_code_is_not_read(published: Repo) -> None:
    published.write(DRAFT, BIG)
    published.replace("seeknal/transforms/clean_orders.yml", "amount\n", "amount + 100 AS amount\n")

    done = published.seeknal("dry-run", DRAFT, "--json").json

    assert done["inputs"] == {"source.orders": "main", "transform.clean_orders": None}
    assert done["rows"][0] == {"id": 1, "amount": 110}


def test_a_table_that_was_dropped_is_computed(published: Repo) -> None:
    published.write(DRAFT, BIG)
    table = next(table for node, table in published.snapshots() if node == "transform.clean_orders")
    published.tamper(f'DROP TABLE _snapshots."{table}" CASCADE')

    assert (
        published.seeknal("dry-run", DRAFT, "--json").json["inputs"]["transform.clean_orders"]
        is None
    )


def test_while_another_process_holds_the_warehouse_the_sources_serve(published: Repo) -> None:
    published.write(DRAFT, BIG)

    with published.held() as pid:
        said = published.seeknal("dry-run", DRAFT)

    assert f"held by process {pid}" in said.err
    assert "computed from the sources" in said.err
    assert "3 rows in all." in said.out


def test_an_edited_draft_is_read_again(shop: Repo) -> None:
    shop.write(DRAFT, BIG)
    shop.seeknal("dry-run", DRAFT)
    shop.replace(DRAFT, "amount > 15", "amount > 35")

    assert shop.seeknal("dry-run", DRAFT, "--json").json["rows"] == [{"id": 4, "amount": 40}]


@pytest.mark.parametrize(
    ("old", "new", "place", "message"),
    [
        pytest.param("amount > 15", "amuont > 15", 8, "amuont", id="column that is not there"),
        pytest.param("FROM input_0", "FORM input_0", 7, "parse", id="SQL that does not parse"),
        pytest.param(
            "transform.clean_orders",
            "transform.clean_order",
            4,
            "Did you mean transform.clean_orders",
            id="input",
        ),
        pytest.param(
            "input_0", "source.customers", 7, "do not declare", id="input that is not declared"
        ),
        pytest.param("kind: transform", "kind: trasnform", 1, "Did you mean transform", id="kind"),
        pytest.param("transform: |", "trasnform: |", 5, "Did you mean `transform`", id="key"),
        pytest.param("name: big", "name: 1big", 2, "begins with no digit", id="name"),
        pytest.param("name: big", "name: big: no", 2, "YAML", id="malformed YAML"),
        pytest.param("name: big", "<<<<<<< HEAD\nname: big", 2, "conflict markers", id="conflict"),
        pytest.param(
            "amount > 15",
            "amount > 15 AND error('on row ' || id)",
            6,
            "on row",
            id="fails when run",
        ),
    ],
)
def test_a_draft_that_is_wrong_is_refused_at_its_line(
    shop: Repo, old: str, new: str, place: int, message: str
) -> None:
    shop.write(DRAFT, BIG.replace(old, new, 1))

    said = shop.seeknal("dry-run", DRAFT, code=1)

    assert f"{DRAFT}:{place}: " in said.err
    assert message in said.err
    assert said.out == ""


def test_a_draft_without_a_kind_is_refused(shop: Repo) -> None:
    shop.write(DRAFT, "name: big\n")

    assert "which `kind` of node" in shop.seeknal("dry-run", DRAFT, code=1).err


def test_a_draft_that_is_not_there_is_answered_with_the_nearest(shop: Repo) -> None:
    shop.write(DRAFT, BIG)

    assert (
        f"Did you mean {DRAFT}?" in shop.seeknal("dry-run", "draft_transform_bgi.yml", code=2).err
    )


def test_problems_of_other_nodes_are_not_the_draft_s(shop: Repo) -> None:
    shop.write("seeknal/transforms/broken.yml", "kind: transform\nname: broken\n")
    shop.replace("seeknal/transforms/by_customer.yml", "o.amount", "o.nothing")
    shop.write(DRAFT, BIG)

    shop.seeknal("dry-run", DRAFT)


def test_a_draft_on_a_broken_node_says_what_is_broken(shop: Repo) -> None:
    shop.replace("seeknal/transforms/clean_orders.yml", "amount\n", "nothing\n")
    shop.write(DRAFT, BIG)

    said = shop.seeknal("dry-run", DRAFT, code=1)

    assert "seeknal/transforms/clean_orders.yml:6" in said.err
    assert "nothing" in said.err


def test_a_draft_that_breaks_the_nodes_behind_it_is_refused(shop: Repo) -> None:
    shop.write(
        "draft.yml",
        "kind: transform\nname: clean_orders\ntransform: SELECT id, customer, day FROM source.orders\n",
    )

    said = shop.seeknal("apply", "draft.yml", "--force", code=1)

    assert "transform.daily" in said.err
    assert "amount" in said.err


def test_a_source_whose_file_is_missing_has_no_preview(shop: Repo) -> None:
    shop.write("draft.yml", "kind: source\nname: raw\nsource: csv\ntable: data/raw.csv\n")

    assert (
        "draft.yml:4: source.raw reads data/raw.csv, and there is no such file"
        in shop.seeknal("dry-run", "draft.yml", code=1).err
    )


def test_a_source_that_does_not_fit_its_schema_is_refused(shop: Repo) -> None:
    columns = "schema:\n  - {name: town, data_type: INTEGER}\n"
    shop.write(
        "draft.yml", f"kind: source\nname: raw\nsource: csv\ntable: data/customers.csv\n{columns}"
    )

    assert (
        "draft.yml:5: data/customers.csv does not fit source.raw"
        in shop.seeknal("dry-run", "draft.yml", code=1).err
    )


def test_a_source_whose_file_is_empty_is_refused(shop: Repo) -> None:
    shop.write("data/raw.csv", "")
    shop.write("draft.yml", "kind: source\nname: raw\nsource: csv\ntable: data/raw.csv\n")

    assert (
        "draft.yml:4: data/raw.csv, which source.raw reads, is empty"
        in shop.seeknal("dry-run", "draft.yml", code=1).err
    )


def test_raw_data_that_is_not_here_is_said_and_an_apply_goes_on_with_a_warning(shop: Repo) -> None:
    shop.write(
        "seeknal/sources/raw.yml", "kind: source\nname: raw\nsource: csv\ntable: raw/x.csv\n"
    )
    shop.write("draft.yml", "kind: transform\nname: clean\ntransform: SELECT * FROM source.raw\n")

    said = shop.seeknal("dry-run", "draft.yml", code=1)
    assert "There is no preview of transform.clean" in said.err
    assert "seeknal/sources/raw.yml:4: source.raw reads raw/x.csv" in said.err

    assert "could not be checked" in shop.seeknal("apply", "draft.yml").err


def test_a_rule_is_previewed_as_counts(shop: Repo) -> None:
    shop.write(
        "draft.yml", "kind: rule\nname: big\ninputs: [transform.clean_orders]\nrule: amount > 15\n"
    )

    assert re.search(
        r"amount > 15 +would fail +1 of 4 rows violates it",
        shop.seeknal("dry-run", "draft.yml").out,
    )
    checks = shop.seeknal("dry-run", "draft.yml", "--json").json["checks"]
    assert checks == [
        {"name": "amount > 15", "severity": "error", "violations": 1, "rows": 4, "fails": True}
    ]


def test_an_exposure_is_previewed_as_its_rows_and_delivers_nothing(shop: Repo) -> None:
    params = "params: {path: exports/orders.csv}\n"
    shop.write(
        "draft.yml", f"kind: exposure\nname: orders\ntype: file\ninputs: [source.orders]\n{params}"
    )

    assert len(shop.seeknal("dry-run", "draft.yml", "--json").json["rows"]) == 5
    assert not (shop.path / "exports").exists()


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param("SELECT id FROM source.orders;", id="semicolon"),
        pytest.param(
            "SELECT id FROM source.orders; -- the end; really", id="semicolon and comment"
        ),
        pytest.param("SELECT id FROM source.orders -- the end", id="comment"),
        pytest.param("FROM source.orders SELECT id", id="FROM first"),
        pytest.param("WITH ids AS (SELECT id FROM source.orders) SELECT id FROM ids", id="CTE"),
        pytest.param("PIVOT source.orders ON id IN (1, 2) USING sum(amount)", id="pivot"),
        pytest.param("SELECT ';' || id AS id FROM source.orders", id="semicolon in a text"),
    ],
)
def test_any_select_can_be_previewed(shop: Repo, sql: str) -> None:
    shop.write("draft.yml", f"kind: transform\nname: odd\ntransform: |\n  {sql}\n")

    assert shop.seeknal("dry-run", "draft.yml", "--json").json["rows"]


def test_a_node_of_the_project_can_be_looked_at_too(shop: Repo) -> None:
    out = shop.seeknal("dry-run", "seeknal/transforms/daily.yml").out

    assert "identical to seeknal/transforms/daily.yml" in out
    assert "2 rows in all." in out


# apply


def test_a_valid_draft_becomes_a_node_and_is_staged(shop: Repo) -> None:
    shop.write(DRAFT, BIG)
    text = shop.read(DRAFT)

    said = shop.seeknal("apply", DRAFT)

    assert shop.read("seeknal/transforms/big.yml") == text
    assert not (shop.path / DRAFT).exists()
    assert staged(shop) == ["A\tseeknal/transforms/big.yml"]
    assert "$ git add seeknal/transforms/big.yml" in said.err
    assert "transform.big" in shop.seeknal("plan").out


def test_a_draft_reads_a_file_that_is_staged_and_that_no_other_node_reads(shop: Repo) -> None:
    shop.write("data/new.csv", "id\n7\n")
    shop.git("add", "data/new.csv")
    shop.write("draft.yml", "kind: source\nname: new\nsource: csv\ntable: data/new.csv\n")

    assert "1 row in all." in shop.seeknal("dry-run", "draft.yml").out
    assert "warning" not in shop.seeknal("apply", "draft.yml").err


def test_an_invalid_draft_stays_a_draft_and_every_problem_is_printed(shop: Repo) -> None:
    shop.write(DRAFT, "kind: transform\nname: 1x\ntransform: []\n")

    said = shop.seeknal("apply", DRAFT, code=1)

    assert f"{DRAFT}:2" in said.err
    assert f"{DRAFT}:3" in said.err
    assert (shop.path / DRAFT).exists()
    assert staged(shop) == []


def test_a_node_is_replaced_only_with_force_and_the_difference_is_shown(shop: Repo) -> None:
    draft = shop.read("seeknal/transforms/daily.yml").replace("sum(amount)", "max(amount)")
    before = shop.read("seeknal/transforms/daily.yml")
    shop.write("draft.yml", draft)

    said = shop.seeknal("apply", "draft.yml", code=2)
    assert "--force" in said.err
    assert shop.read("seeknal/transforms/daily.yml") == before

    out = shop.seeknal("apply", "draft.yml", "--force").out
    assert "-  SELECT day, sum(amount) AS total\n+  SELECT day, max(amount) AS total\n" in out
    assert shop.read("seeknal/transforms/daily.yml") == draft
    assert staged(shop) == ["M\tseeknal/transforms/daily.yml"]


def test_an_identical_node_is_said_and_needs_no_force(shop: Repo) -> None:
    shop.write("draft.yml", shop.read("seeknal/transforms/daily.yml"))

    assert "is identical" in shop.seeknal("apply", "draft.yml").out
    assert not (shop.path / "draft.yml").exists()
    assert staged(shop) == []


def test_a_node_is_replaced_where_its_file_is(shop: Repo) -> None:
    shop.write("seeknal/reports/money/total.yaml", BIG)
    shop.commit()
    shop.write(DRAFT, BIG.replace("15", "25"))

    shop.seeknal("apply", DRAFT, "--force")

    assert "25" in shop.read("seeknal/reports/money/total.yaml")
    assert not (shop.path / "seeknal/transforms/big.yml").exists()


def test_another_node_in_the_file_s_place_is_never_replaced(shop: Repo) -> None:
    shop.write("seeknal/transforms/big.yml", BIG.replace("name: big", "name: small"))
    shop.write(DRAFT, BIG)

    assert "it holds transform.small" in shop.seeknal("apply", DRAFT, "--force", code=2).err
    assert (shop.path / DRAFT).exists()


def test_a_file_that_does_not_load_is_replaced_only_with_force(shop: Repo) -> None:
    shop.write("seeknal/transforms/big.yml", "kind: transform\nname: big\n")
    shop.write(DRAFT, BIG)

    shop.seeknal("apply", DRAFT, code=2)
    shop.seeknal("apply", DRAFT, "--force")

    assert "WHERE amount" in shop.read("seeknal/transforms/big.yml")


def test_a_node_of_the_project_is_no_draft(shop: Repo) -> None:
    assert (
        "in the project already"
        in shop.seeknal("apply", "seeknal/transforms/daily.yml", code=2).err
    )
    assert (shop.path / "seeknal/transforms/daily.yml").exists()


def test_a_draft_is_kept_where_git_refuses_the_node(shop: Repo) -> None:
    shop.write(".git/info/exclude", "seeknal/transforms/big.yml\n")
    shop.write(DRAFT, BIG)

    assert "git add" in shop.seeknal("apply", DRAFT, code=1).err
    assert (shop.path / DRAFT).exists()


def test_a_draft_from_elsewhere_can_be_applied(shop: Repo, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.yml").write_text(BIG)

    shop.seeknal("apply", str(tmp_path / "elsewhere.yml"))

    assert staged(shop) == ["A\tseeknal/transforms/big.yml"]


def test_a_draft_is_applied_in_a_project_below_the_repository_s_root(repo: Repo) -> None:
    repo.write("team/seeknal_project.yml", "name: team\n")
    repo.write("team/data/x.csv", "a\n1\n")
    project = Repo(repo.path / "team")
    project.write("draft.yml", "kind: source\nname: x\nsource: csv\ntable: data/x.csv\n")

    project.seeknal("apply", "draft.yml")

    assert staged(repo) == ["A\tteam/seeknal/sources/x.yml"]
