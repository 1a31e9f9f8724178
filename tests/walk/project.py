"""The project that a walk goes through, with the texts that its nodes may have."""

from __future__ import annotations

from tests.conftest import Repo

BAD = BAD_FOR_RULE, BAD_FOR_SQL = -99, -77
WORTH_A_WARNING = 5
FAIL = "fails"  # a mark of what fails whatever the data are


def source(name: str, path: str) -> str:
    return f"kind: source\nname: {name}\nsource: csv\ntable: {path}\n"


def transforms(name: str, *statements: str) -> tuple[str, ...]:
    return tuple(f"kind: transform\nname: {name}\ntransform: {each}\n" for each in statements)


VIEW = "\nmaterialized: view"  # after a statement


def exposure(name: str, reads: str, path: str) -> str:
    return (
        f"kind: exposure\nname: {name}\ntype: file\ninputs: [{reads}]\nparams: {{path: {path}}}\n"
    )


def rule(name: str, condition: str, severity: str = "error") -> str:
    params = f"params: {{severity: {severity}}}"
    return f"kind: rule\nname: {name}\ninputs: [transform.three]\n{params}\nrule: {condition}\n"


# Of visits, with a value on which it fails when it runs.
N = f"CASE WHEN n = {BAD_FOR_SQL} THEN CAST('x' || n AS INTEGER) ELSE n END"
TWO = "SELECT n, n * 2 AS m FROM transform.one"
PAIR = "FROM transform.three AS t JOIN source.visits AS v ON t.n = v.n"
SUMS = (
    "(SELECT sum(n) FROM transform.two) AS a, (SELECT sum(n) FROM transform.three) AS b, "
    "(SELECT sum(n) FROM source.logs) AS c, (SELECT count(*) FROM source.twin)"
)

# The texts of each node that is edited. A walk begins with the first ones.
TEXTS: dict[str, tuple[str, ...]] = {
    "source.visits": (
        source("visits", "raw/visits.csv"),
        source("visits", "raw/visit?.csv"),
        source("visits", "raw/*.csv"),
    ),
    "transform.one": transforms(
        "one",
        "SELECT n FROM source.orders",
        "SELECT n + 1 AS n FROM source.orders",
        "SELECT  o.n  FROM source.orders AS o",
        f"SELECT n FROM source.orders{VIEW}",
        f"SELECT CAST('{FAIL}' || n AS INTEGER) AS n FROM source.orders",
    ),
    "transform.two": transforms(
        "two",
        TWO,
        "SELECT n, n * 3 AS m FROM transform.one",
        f"SELECT n, n * 3 AS m FROM transform.one{VIEW}",
        "SELECT n, n * 2 AS m, 1 AS more FROM transform.one",
        f"{TWO}\ntests: [{{row_count: {{min: 1000}}}}] # {FAIL}",
        f"{TWO}\ntests: [{{custom_sql: FROM input_0 WHERE n NOT IN (SELECT n FROM transform.one)}}]",
    ),
    "transform.three": transforms(
        "three",
        f"SELECT {N} AS n FROM source.visits",
        f"SELECT {N} AS n, n + 1 AS more FROM source.visits",
        f"SELECT {N} + 0 AS n FROM source.visits",
        f"SELECT {N} AS n, n + 1 AS more FROM source.visits{VIEW}",
    ),
    "transform.noise": transforms(
        "noise",
        "SELECT n, random() AS r FROM source.visits",
        "SELECT n, random() AS r, 1 AS more FROM source.visits",
        "SELECT n, random() AS r FROM source.orders",
    ),
    "transform.echo": transforms(
        "echo",
        "SELECT n, r AS q FROM transform.noise",
        "SELECT n, r + 1 AS q FROM transform.noise",
        f"SELECT n, r + 1 AS q FROM transform.noise{VIEW}",
    ),
    "transform.pair": transforms(
        "pair",
        f"SELECT t.n, 0 AS k {PAIR}",
        f"SELECT t.n, 1 AS k {PAIR}",
        f"SELECT t.n, 0 AS k {PAIR}{VIEW}",
    ),
    "transform.total": transforms(
        "total", f"SELECT {SUMS} AS d", f"SELECT {SUMS} + 1 AS d", f"SELECT {SUMS} AS d{VIEW}"
    ),
    "exposure.total_csv": (
        exposure("total_csv", "transform.total", "exports/total.csv"),
        exposure("total_csv", "transform.total", "exports/moved.csv"),
    ),
    "exposure.echo_csv": (
        exposure("echo_csv", "transform.echo", "exports/echo.csv"),
        exposure("echo_csv", "transform.two", "exports/echo.csv"),
    ),
    "rule.good": (
        rule("good", f"n <> {BAD_FOR_RULE}"),
        rule("good", f"n < {BAD_FOR_SQL} # {FAIL}"),
    ),
}
FIXED = {
    "source.orders": source("orders", "data/orders.csv"),
    "source.twin": source("twin", "raw/visits.csv"),
    "source.logs": source("logs", "raw/logs/*.csv"),
    "rule.warned": rule("warned", f"n <> {WORTH_A_WARNING}", "warn"),
}


def path_of(node: str) -> str:
    return f"seeknal/{node.replace('.', '/')}.yml"


def make_team(repo: Repo) -> None:
    """A repository with a project that is published, its remote, and a colleague's clone that
    shares its warehouse."""
    repo.path.mkdir()
    repo.git("init", "--quiet")
    repo.git("init", "--quiet", "--bare", "remote.git")
    repo.git("remote", "add", "origin", "./remote.git")
    repo.write(
        "seeknal_project.yml",
        "name: team\nkeep_promotions: 3\nkeep_history: 0s\ntime_to_live: 0s\n",
    )
    repo.write(".gitignore", "target/\nraw/\nexports/\nremote.git/\nmate/\n")
    repo.write("data/orders.csv", "n\n1\n2\n")
    repo.write("raw/visits.csv", "n\n1\n2\n")
    repo.write("raw/logs/1.csv", "n\n1\n")
    for node, text in {**{node: texts[0] for node, texts in TEXTS.items()}, **FIXED}.items():
        repo.write(path_of(node), text)
    repo.commit("First")
    repo.seeknal("run")
    repo.git("push", "--quiet", "-u", "origin", "main")
    repo.git("clone", "--quiet", "remote.git", "mate")
