"""Files that git keeps in another form than a checkout has them: what counts is what a checkout
has."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tests.conftest import Repo

ROWS = "id,v\n1,10\n2,20\n"
MORE = "id,v\n1,10\n2,20\n3,30\n"


def make_source(
    repo: Repo, attributes: str, rows: str = ROWS, options: str = "", encoding: str = "utf-8"
) -> Path:
    repo.write(".gitattributes", attributes)
    file = repo.path / "data/s.csv"
    file.parent.mkdir()
    file.write_bytes(rows.encode(encoding))
    repo.write("seeknal/s.yml", f"kind: source\nname: s\nsource: csv\ntable: data/s.csv\n{options}")
    repo.write(
        "seeknal/n.yml", "kind: transform\nname: n\ntransform: SELECT sum(v) AS n FROM source.s\n"
    )
    return file


def cipher(repo: Repo) -> None:
    """A filter as git-crypt and transcrypt have one; its commands are found from the top of the
    working tree."""
    repo.write("tools/turn", "#!/bin/sh\ntr '0-9a-m,n-z;' '5-90-4n-z;a-m,'\n")
    (repo.path / "tools/turn").chmod(stat.S_IRWXU)
    for each in ("clean", "smudge"):
        repo.git("config", f"filter.turn.{each}", "./tools/turn")
    repo.git("config", "filter.turn.required", "true")


FORMS = [
    pytest.param("*.csv filter=turn\n", "", "utf-8", id="encrypted by a filter"),
    pytest.param(
        "*.csv text working-tree-encoding=UTF-16LE\n",
        "params: {encoding: utf-16}\n",
        "utf-16-le",
        id="UTF-16",
    ),
    pytest.param("*.csv text eol=crlf\n", "", "crlf", id="line ends"),
]


def written(form: str, rows: str) -> bytes:
    return rows.replace("\n", "\r\n").encode() if form == "crlf" else rows.encode(form)


@pytest.mark.parametrize(("attributes", "options", "form"), FORMS)
def test_a_file_in_another_form_is_read_as_it_is_checked_out_and_a_merge_releases_it(
    repo: Repo, attributes: str, options: str, form: str
) -> None:
    cipher(repo)
    file = make_source(
        repo, attributes, options=options, encoding="utf-8" if form == "crlf" else form
    )
    repo.commit()
    repo.install_hooks()
    repo.seeknal("run")
    assert repo.numbers("FROM n") == [(30,)]
    assert repo.built() == []
    repo.switch("dev", create=True)
    file.write_bytes(written(form, ROWS))
    assert repo.categories() == {}, "written again, the same"
    file.write_bytes(written(form, MORE))
    assert list(repo.categories()) == ["source.s", "transform.n"][: len(repo.categories())]
    assert repo.built() == ["source.s", "transform.n"]
    assert repo.numbers("FROM dev.n") == [(60,)]
    repo.commit()
    assert repo.built() == [], "committed, it is the same bytes"
    repo.switch("main")
    assert repo.built("--env", "dev") == []
    repo.merge("dev")
    assert repo.numbers("FROM main.n") == [(60,)]
    assert repo.git("status", "--porcelain") == ""


def test_a_commit_that_is_not_checked_out_has_filters_of_its_own(repo: Repo) -> None:
    make_source(repo, "* text=auto\n")
    repo.commit()
    repo.switch("dev", create=True)
    cipher(repo)
    for each in ("clean", "smudge"):
        repo.git("config", f"filter.turn.{each}", str(repo.path.parent / "turn"))
    (repo.path / "tools/turn").replace(repo.path.parent / "turn")
    repo.write(".gitattributes", "*.csv filter=turn\n")
    (repo.path / "data/s.csv").write_text(MORE)
    repo.commit()
    assert repo.git("show", "HEAD:data/s.csv") != MORE.strip()
    repo.switch("main")
    repo.seeknal("run")
    repo.seeknal("run", "--env", "dev")
    assert repo.numbers("SELECT (FROM main.n), (FROM dev.n)") == [(30, 60)]
    bare = Repo(repo.path.with_name("bare.git"))
    repo.git("clone", "--quiet", "--bare", ".", str(bare.path))
    for each in ("clean", "smudge"):
        bare.git("config", f"filter.turn.{each}", str(repo.path.parent / "turn"))
    bare.seeknal("run", "--env", "dev", "--data-root", str(repo.path))
    assert bare.seeknal("plan", "dev", "--data-root", str(repo.path)).code == 0


def test_a_filter_that_fails_is_named(repo: Repo) -> None:
    cipher(repo)
    make_source(repo, "*.csv filter=turn\n")
    repo.commit()
    repo.git("config", "filter.turn.smudge", "false")
    said = repo.seeknal("run", code=1).err
    assert "git cannot convert a file as its attributes say" in said
    assert "Traceback" not in said
