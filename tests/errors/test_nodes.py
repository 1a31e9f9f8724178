"""Files that are no node, or a wrong one: the same words from every command that reads them."""

from __future__ import annotations

import time

import pytest

from tests.conftest import Repo
from tests.errors.conftest import Refused, transform

WRONG = "seeknal/transforms/wrong.yml"
BOMB = "kind: transform\nname: wrong\na: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join(['*' + old] * 10)}]\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
HEAD = "kind: transform\nname: wrong\n"
ONE = f"{HEAD}transform: SELECT 1 AS one\n"

FILES = [
    pytest.param(
        "kind: transform\nname: [a\ntransform: x\n",
        2,
        "This is not valid YAML: `[` opens here and is not closed",
        id="an open bracket",
    ),
    pytest.param(
        f'{HEAD}owner: "a\ntags: [b]\n', 3, "the quote that opens here", id="an open quote"
    ),
    pytest.param(f"{HEAD}owner: @a\n", 3, "no value begins with @", id="a reserved character"),
    pytest.param(f"{HEAD}owner: a: b\n", 3, "a second `key: value` begins here", id="two colons"),
    pytest.param("kind: transform\n\tname: wrong\n", 2, "a tab indents this line", id="a tab"),
    pytest.param(f"{HEAD}tags:\n\t- a\n", 4, "a tab indents this line", id="a tab in a list"),
    pytest.param(
        f"{ONE}---\n{ONE}", 4, "one document, and here a second one begins", id="two documents"
    ),
    pytest.param(f"{ONE}name: other\n", 4, "the key name is given twice", id="a key given twice"),
    pytest.param(
        f"{HEAD}meta: !!python/name:os.system\n",
        3,
        "could not determine a constructor",
        id="a Python tag",
    ),
    pytest.param(
        f"{HEAD}transform: *nowhere\n", 3, "found undefined alias", id="an alias to nothing"
    ),
    pytest.param(
        BOMB, 7, "unfolds to more than 20,000 values.\n  Use fewer aliases", id="an alias bomb"
    ),
    pytest.param(
        f"{HEAD}meta: &a [*a]\n",
        3,
        "unfolds to more than 20,000 values",
        id="an alias within itself",
    ),
    pytest.param(
        f"{HEAD}meta: {'[' * 100_000}\n", 3, "nested more than 50 deep", id="lists in lists"
    ),
    pytest.param(
        f"{HEAD}meta: {'{a: ' * 50_000}\n", 3, "nested more than 50 deep", id="mappings in mappings"
    ),
    pytest.param(
        f"{HEAD}meta:\n{'- ' * 100_000}\n", 4, "nested more than 50 deep", id="dashes in a row"
    ),
    pytest.param(
        f"{HEAD}tags: [{'a, ' * 30_000}]\n", 3, "more than 20,000 values", id="a long list"
    ),
    pytest.param(
        b"kind: transform\nname: caf\xe9\n",
        2,
        "not UTF-8: invalid continuation byte.\n  Save it as UTF-8.",
        id="Latin-1",
    ),
    pytest.param(HEAD.encode("utf-16"), 1, "not UTF-8", id="UTF-16"),
    pytest.param(
        f'{HEAD}description: "\0"\n',
        3,
        "has the character U+0000, which YAML forbids",
        id="a NUL byte",
    ),
    pytest.param(
        f"{HEAD}description: é\a\n", 3, "has the character U+0007, which YAML forbids", id="a bell"
    ),
    pytest.param(
        f"{HEAD}<<<<<<< HEAD\nowner: a\n=======\nowner: b\n>>>>>>> dev\n",
        3,
        "conflict markers",
        id="conflict markers",
    ),
    pytest.param(
        "", 1, "no `kind`, and stands where nodes stand.\n  Add `kind: …`", id="an empty file"
    ),
    pytest.param("# later\n", 1, "no `kind`, and stands where nodes stand", id="a comment alone"),
    pytest.param("- kind\n- name\n", 1, "no `kind`, and stands where nodes stand", id="a list"),
    pytest.param("kind", 1, "no `kind`, and stands where nodes stand", id="a word"),
    pytest.param(
        "name: wrong\nkind: tranform\n",
        2,
        "There is no kind tranform.\n  Did you mean transform?",
        id="a kind misspelt",
    ),
    pytest.param(
        "kind: zebra\n",
        1,
        "There is no kind zebra.\n  The kinds are source,",
        id="a kind from nowhere",
    ),
    pytest.param("kind: [a]\n", 1, "There is no kind ['a']", id="a kind that is a list"),
    pytest.param("kind:\n", 1, "There is no kind None", id="a kind that is nothing"),
    pytest.param(
        "kind: model\n",
        1,
        "The kind model is not supported.\n  Train it in a Python node",
        id="a kind of Seeknal's",
    ),
    pytest.param(
        f"{HEAD}transfrom: SELECT 1 AS a\n",
        3,
        "There is no key `transfrom`.\n  Did you mean `transform`?",
        id="a key that is needed, misspelt",
    ),
    pytest.param(
        f"{ONE}descripton: x\n",
        4,
        "There is no key `descripton`.\n  Did you mean `description`?",
        id="a key misspelt",
    ),
    pytest.param(
        f"{ONE}inputs: [{{reff: source.orders}}]\n",
        4,
        "There is no key `reff`.\n  Did you mean `ref`?",
        id="a key of an input misspelt",
    ),
    pytest.param(
        f"{ONE}tests:\n  - not_nul: one\n", 5, "did you mean not_null?", id="a test misspelt"
    ),
    pytest.param(
        f"{ONE}tests:\n  - {{type: unique, columns: [one], colour: red}}\n",
        5,
        "There is no key `tests.0.colour`",
        id="a key of a test that is not one",
    ),
    pytest.param(HEAD, 1, "The key `transform` is missing", id="a key missing"),
    pytest.param(
        f"{HEAD}transform: ''\n",
        3,
        "`transform`: string should have at least 1 character",
        id="no SQL",
    ),
    pytest.param(
        f"{HEAD}transform: [1]\n",
        3,
        "`transform`: input should be a valid string",
        id="SQL that is a list",
    ),
    pytest.param(
        f"{ONE}inputs: orders\n",
        4,
        "`inputs`: a list is needed: write `inputs: [source.orders]`",
        id="inputs that are a word",
    ),
    pytest.param(
        f"{ONE}inputs: [orders]\n",
        4,
        "`inputs`: `orders` has no kind: write kind.name, for example source.orders",
        id="an input without its kind",
    ),
    pytest.param(
        f"{ONE}inputs: {{ref: source.orders}}\n",
        4,
        "`inputs`: a list is needed: begin each entry of `inputs` with `- `",
        id="an input without a list",
    ),
    pytest.param(
        f"{HEAD}transform: |\n\nSELECT\n  1 AS id\n",
        5,
        "`transform: |` takes the indented lines below it, and this one is not: indent",
        id="SQL that is not indented",
    ),
    pytest.param(
        f"{HEAD}sql: SELECT 1\n",
        3,
        "There is no key `sql`.\n  Did you mean `transform`?",
        id="another tool's word for SQL",
    ),
    pytest.param(
        "kind: feature_group\nname: f\nentity: a\ninputs: [source.orders]\nsql: SELECT 1\n",
        5,
        "There is no key `sql`.\n  Did you mean `transform`?",
        id="another tool's word for SQL that may be left out",
    ),
    pytest.param(
        "kind: semantic_model\nname: s\nmodel: source.orders\nmeasures:\n  - {name: a, agg: summ}\n",
        5,
        "did you mean sum?",
        id="an aggregate misspelt",
    ),
    pytest.param(
        "kind: aggregation\nname: a\nid_col: id\nfeature_date_col: day\n"
        "application_date_col: day\nsource: source.orders\nfeatures:\n  - {name: id, agg: sum}\n",
        8,
        "no aggregate of it is asked for, such as `basic: [sum]`",
        id="a feature without an aggregate",
    ),
    pytest.param(
        "kind: rule\nname: r\ninputs: [source.orders]\nrule: id > 0\nparams:\n  serverity: warn\n",
        6,
        "Did you mean `severity`?",
        id="a parameter of a rule misspelt",
    ),
    pytest.param(
        "kind: rule\nname: r\ninputs: [source.orders]\nrule: id > 0\nparams:\n  zebra: 1\n",
        6,
        "no key `params.zebra`.\n  The keys are error_message, max_age,",
        id="a parameter of a rule that is none",
    ),
    pytest.param(
        "kind: rule\nname: r\ninputs: [source.orders]\nrule:\n  - {type: freshness, column: day, params: {maxage: 1d}}\n",
        5,
        "Did you mean `max_age`?",
        id="a parameter of an entry misspelt, that is needed",
    ),
    pytest.param(
        "kind: exposure\nname: e\ntype: file\ninputs: [source.orders]\nparams:\n  path: a.csv\n  compresion: gzip\n",
        7,
        "Did you mean `compression`?",
        id="a parameter of an exposure misspelt",
    ),
    pytest.param(
        "kind: source\nname: s\nsource: csv\ntable: data/orders.csv\nparams:\n  delimter: ;\n",
        6,
        "did you mean `delimiter`?",
        id="a parameter of a source misspelt",
    ),
    pytest.param(
        "kind: source\nname: s\nsource: csv\ntable: data/orders.csv\nparams:\n  header: true\n  zebra: 1\n  sepp: ;\n",
        7,
        "a csv source has no parameter `zebra` nor `sepp` (did you mean `sep`?); it reads ",
        id="parameters of a source that are none",
    ),
    pytest.param(
        "kind: source\nname: s\nsource: parquet\ntable: data/orders.parquet\nparams: {header: true}\n",
        5,
        "a parquet source has no parameter `header`; it reads ",
        id="a parameter of another format",
    ),
    pytest.param(
        "kind: transform\nname: t\nparams: {region: EU}\ntransform: |\n  SELECT 1 AS a,\n  '{{ regoin }}' AS r\n",
        6,
        "`{{ regoin }}` is not known.\n  Did you mean {{ region }}?",
        id="a template",
    ),
    pytest.param(
        "kind: source\nname: s\nsource: csv\ntable: 'data/{{ dya }}.csv'\n",
        4,
        "`{{ dya }}` is not known.\n  Define it in the node's `params`, or give it with --params.",
        id="a template in a path",
    ),
    pytest.param(
        "kind: source\nname: s\nsource: xml\ntable: data/orders.csv\n",
        3,
        "should be 'csv', 'parquet', 'json', 'jsonl', 'excel', 'postgresql'",
        id="a format that is none",
    ),
    pytest.param(
        "kind: source\nname: s\nsource: csv\n",
        1,
        "a source says where its data is",
        id="a source of nothing",
    ),
    pytest.param(
        "kind: exposure\nname: e\ntype: file\ninputs: [source.orders]\nparams: {path: a.csv, compression: zip}\n",
        5,
        "is one of none, gzip, zstd",
        id="a compression that is none",
    ),
    pytest.param(
        transform("SELECT 1 AS a", "clean_orders"),
        2,
        "transform.clean_orders is defined twice: here and in seeknal/transforms/clean_orders.yml:2",
        id="a duplicate id",
    ),
    pytest.param(
        transform("SELECT 1 AS a", "Clean_Orders"),
        2,
        "would both be the view",
        id="a name that differs in case alone",
    ),
    pytest.param(
        f"{ONE}inputs:\n  - source.oders\n",
        5,
        "source.oders, which does not exist.\n  Did you mean source.orders?",
        id="a missing input",
    ),
]


@pytest.mark.parametrize(("content", "line", "words"), FILES)
def test_a_wrong_file_is_refused_with_its_line(
    published: Repo, refused: Refused, content: str | bytes, line: int, words: str
) -> None:
    file = published.path / WRONG
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    said = refused(published, "validate")
    assert f"error: {WRONG}:{line}: " in said
    assert words.lower() in said.lower()


# Of the text, the tree of YAML, the keys, the values, and the nodes beside it.
STAGES = ("Latin-1", "an alias bomb", "a key missing", "a template", "a missing input")


@pytest.mark.parametrize(
    ("content", "line", "words"), [each for each in FILES if each.id in STAGES]
)
def test_a_plan_and_a_run_refuse_a_wrong_file_too(
    published: Repo, refused: Refused, content: str | bytes, line: int, words: str
) -> None:
    file = published.path / WRONG
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    for command in ("plan", "run"):
        said = refused(published, command)
        assert f"error: {WRONG}:{line}: " in said
        assert words.lower() in said.lower()


@pytest.mark.parametrize(
    "content", [pytest.param("kind: [", id="malformed"), pytest.param(BOMB, id="an alias bomb")]
)
def test_a_wrong_file_is_refused_from_the_index_and_from_a_commit_too(
    published: Repo, refused: Refused, content: str
) -> None:
    published.switch("dev", create=True)
    published.write(WRONG, content)
    published.git("add", "--all")
    assert f"error: {WRONG}:" in refused(published, "validate", "--staged")
    published.commit()
    published.switch("main")
    assert f"error: {WRONG}:" in refused(published, "plan", "dev")
    assert f"error: {WRONG}:" in refused(published, "run", "--env", "dev")
    assert f"error: {WRONG}:" in refused(published, "promote", "dev", "--dry-run")
    published.merge("dev")
    assert f"error: {WRONG}:" in refused(published, "promote")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(BOMB, id="an alias bomb"),
        pytest.param(ONE + "# so it goes on and on\n" * 220_000, id="a file of 5 MB"),
        pytest.param(
            ONE + "".join(f"k{number}: 1\n" for number in range(20_000)), id="20,000 keys"
        ),
        pytest.param(HEAD + "meta: " + "[" * 250_000, id="250,000 brackets"),
    ],
)
def test_a_file_made_to_take_long_is_refused_at_once(
    published: Repo, refused: Refused, content: str
) -> None:
    published.write(WRONG, content)
    started = time.process_time()
    assert f"{WRONG}:" in refused(published, "plan")
    assert time.process_time() - started < 5


def test_every_other_unknown_key_is_a_warning(repo: Repo) -> None:
    repo.write(WRONG, ONE + "zebra: 1\nspots: 1\nversion: 1\nmeta: {a: 1}\n")
    said = repo.seeknal("validate").err
    assert said == "".join(
        f"warning: {WRONG}:{line}: The key `{key}` is not one that is read here.\n"
        for line, key in ((4, "zebra"), (5, "spots"))
    )


def test_params_that_a_kind_does_not_read_are_a_warning(repo: Repo) -> None:
    repo.write(WRONG, f"{ONE}params: {{since: 2024-01-01}}\n")
    assert (
        repo.seeknal("validate").err
        == f"warning: {WRONG}:4: The `params` of a transform are not read here.\n"
    )


@pytest.mark.parametrize("kept", ["# ref: a <<<<<<< b", "description: '======='"])
def test_marks_within_a_line_are_no_conflict(repo: Repo, kept: str) -> None:
    repo.write(WRONG, f"{ONE}{kept}\n")
    repo.seeknal("validate")


def test_all_mistakes_are_said_at_once(published: Repo, refused: Refused) -> None:
    published.write(
        "seeknal/transforms/a.yml",
        "kind: transform\nname: 1a\nowner: [x]\ntransform: SELECT 1 AS a\n",
    )
    published.write("seeknal/transforms/b.yml", "kind: tranform\n")
    published.write("seeknal/transforms/c.yml", transform("SELECT nothing FROM input_0"))
    said = refused(published, "validate")
    for place in ("a.yml:2", "a.yml:3", "b.yml:1", "c.yml:5"):
        assert f"seeknal/transforms/{place}: " in said


@pytest.mark.parametrize(
    "name",
    [
        "a-b",
        '"a b"',
        "1a",
        "a.b",
        "'a\"; DROP TABLE b'",
        "été",
        '""',
        "x" * 129,
        "1",
        "12:30",
        "0.20",
        "~",
    ],
)
def test_a_name_that_is_no_identifier_is_refused(
    published: Repo, refused: Refused, name: str
) -> None:
    published.write(WRONG, f"kind: transform\nname: {name}\ntransform: SELECT 1 AS a\n")
    assert f"{WRONG}:2: `name`: " in refused(published, "validate")


@pytest.mark.parametrize("name", ["select", "table", "from", "_x", "input_0", "main", "Snapshots"])
def test_a_name_that_is_a_reserved_word_is_quoted(repo: Repo, name: str) -> None:
    repo.write(WRONG, transform("SELECT 1 AS a", name, before=""))
    repo.write(
        "seeknal/transforms/reader.yml",
        transform(f'SELECT a + 1 AS b FROM transform."{name}"', "reader", before=""),
    )
    repo.seeknal("run")
    assert repo.numbers(f'SELECT a FROM main."{name}"') == [(1,)]
    assert repo.numbers("SELECT b FROM main.reader") == [(2,)]


def test_a_folder_that_is_called_like_a_node_is_none(repo: Repo) -> None:
    repo.write("seeknal/transforms/folder.yml/node.yml", ONE)
    repo.write("seeknal/transforms/other.yml/readme.txt", "nothing")
    assert repo.seeknal("validate").out == "1 node valid.\n"


def test_any_file_name_will_do(repo: Repo, refused: Refused) -> None:
    path = 'seeknal/transforms/o\'r "d"; é 日.yml'
    repo.write(path, transform("SELECT 1 AS a FRM", before=""))
    assert f"error: {path}:4: " in refused(repo, "validate")
    repo.write(path, ONE)
    repo.commit()
    repo.seeknal("run")
    assert repo.numbers("FROM main.wrong") == [(1,)]


def test_a_file_name_that_is_not_utf_8_is_read(repo: Repo) -> None:
    (repo.path / "seeknal/transforms").mkdir(parents=True)
    (repo.path / "seeknal/transforms/caf\udce9.yml").write_text(ONE)
    assert repo.built() == ["transform.wrong"]


@pytest.mark.parametrize("committed", [False, True])
@pytest.mark.parametrize("target", ["../../other.yml", "nowhere.yml", "wrong.yml"])
def test_a_node_that_is_a_link_is_refused(
    published: Repo, refused: Refused, target: str, committed: bool
) -> None:
    published.write("other.yml", ONE)
    (published.path / WRONG).symlink_to(target)
    if committed:
        published.commit()
    commands = [
        ["validate"],
        ["plan"],
        ["run"],
        *([["validate", "--staged"], ["promote"]] if committed else []),
    ]
    for command in commands:
        assert f"error: {WRONG}: This is a symbolic link" in refused(published, *command)


OTHERS = "seeknal/sql_pairs/dictionary.yml"


@pytest.mark.parametrize(
    ("content", "line"),
    [
        pytest.param(b"- name: a\n  sql: SELECT 'x: y\n- b\n", 2, id="malformed"),
        pytest.param(b"a: 1\n---\nb: 2\n", 2, id="a second document"),
        pytest.param("a: é\n".encode("latin-1"), 1, id="another encoding"),
        pytest.param(b"a: 1\n" * 60_000, 1, id="300 KB"),
        pytest.param(b"a: {kind: x\n", 1, id="a kind further in"),
    ],
)
def test_a_file_of_another_tool_is_passed_over_with_a_warning(
    published: Repo, content: bytes, line: int
) -> None:
    (published.path / OTHERS).parent.mkdir()
    (published.path / OTHERS).write_bytes(content)
    said = published.seeknal("validate").err
    assert f"warning: {OTHERS}:{line}: The file is passed over: " in said
    for command in ("validate", "plan", "run"):
        assert said in published.seeknal(command).err
    published.commit()
    published.seeknal("promote")


@pytest.mark.parametrize(
    "content",
    [
        b"kind: transform\nname: [\n",
        b"\xef\xbb\xbfkind: transform\nname: [\n",
        b"a: 1\n---\nkind: source\n",
        b'"kind": source\nname: [\n',
        "kind: transform\nname: x\n".encode("utf-16"),
    ],
    ids=["kind", "after a byte order mark", "in a second document", "in quotes", "in UTF-16"],
)
def test_a_file_that_may_be_a_node_is_an_error_wherever_it_stands(
    published: Repo, refused: Refused, content: bytes
) -> None:
    (published.path / OTHERS).parent.mkdir()
    (published.path / OTHERS).write_bytes(content)
    for command in ("validate", "plan", "run"):
        assert f"error: {OTHERS}:" in refused(published, command)
