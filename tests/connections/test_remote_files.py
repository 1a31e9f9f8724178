"""Files that have a URL: in a bucket, or behind HTTP."""

from __future__ import annotations

import functools
import http.server
import os
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Repo
from tests.connections.conftest import TOTALS, said
from tests.servers import Store, need_extensions

_CSV = "id,region,amount\n1,EU,10.5\n2,US,20\n"
_MORE = "id,region,amount\n3,EU,30\n"


def _project(repo: Repo, table: str, more: str = "") -> None:
    text = f"kind: source\nname: orders\nsource: csv\ntable: {table}\n{more}"
    repo.write("seeknal/sources/orders.yml", text)
    repo.write("seeknal/transforms/totals.yml", TOTALS)
    repo.write(".gitignore", "profiles.yml\n")
    repo.commit("Read the orders")


def _totals(repo: Repo) -> list[tuple[object, ...]]:
    return repo.numbers("SELECT region, total::DOUBLE FROM main.totals ORDER BY region")


def _put(store: Store, path: str, text: str) -> None:
    """Put a file; without a type of its content, the store takes it for a form."""
    address = f"http://{store.endpoint}/{path}"
    request = urllib.request.Request(address, data=text.encode(), method="PUT")
    request.add_header("Content-Type", "text/csv")
    key = "AWS4-HMAC-SHA256 Credential=any/20260101/us-east-1/s3/aws4"
    request.add_header("Authorization", key)
    urllib.request.urlopen(request, timeout=60).close()


def _profile(repo: Repo, endpoint: str) -> None:
    keys = "key_id: reader, secret: '${LAKE_SECRET}', region: us-east-1, url_style: path"
    text = f"connections:\n  lake: {{type: s3, endpoint: '{endpoint}', use_ssl: false, {keys}}}\n"
    (repo.path / "profiles.yml").write_text(text)


def test_files_of_a_bucket_are_raw_data(
    repo: Repo, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_extensions("httpfs")
    monkeypatch.setenv("LAKE_SECRET", "a secret of the lake")
    bucket = store.bucket()
    _put(store, f"{bucket}/orders/1.csv", _CSV)
    _profile(repo, store.endpoint)
    _project(repo, f"s3://{bucket}/orders/*.csv", "connection: lake\n")
    assert repo.built() == ["source.orders", "transform.totals"]
    assert _totals(repo) == [("EU", 10.5), ("US", 20)]
    assert repo.built() == []
    _put(store, f"{bucket}/orders/2.csv", _MORE)
    repo.seeknal("run")
    assert _totals(repo) == [("EU", 40.5), ("US", 20)]
    _profile(repo, "127.0.0.1:1")
    repo.switch("dev", create=True)
    assert repo.seeknal("validate").code == 0  # the columns are those of the load
    refused = said(repo.seeknal("run", "--refresh", code=1))
    assert "source.orders: lake cannot be reached" in refused
    assert "a secret of the lake" not in refused


def test_a_url_that_nobody_has_read_is_told_and_not_asked(repo: Repo) -> None:
    _project(repo, "s3://bucket/orders/*.csv", "connection: lake\n")
    warned = repo.seeknal("validate")
    assert "s3://bucket/orders/*.csv, which no run has read yet" in warned.err
    assert "Declare its columns (`schema`)" in warned.err


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing is told."""


@pytest.fixture
def web(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and its URL."""
    folder = tmp_path / "web"
    folder.mkdir()
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder))
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_file_behind_http_is_raw_data(repo: Repo, web: tuple[Path, str]) -> None:
    need_extensions("httpfs")
    folder, url = web
    (folder / "orders.csv").write_text(_CSV)
    _project(repo, f"{url}/orders.csv")
    repo.seeknal("run")
    assert _totals(repo) == [("EU", 10.5), ("US", 20)]
    assert repo.built() == []
    (folder / "orders.csv").write_text(_CSV + "3,EU,30\n")
    repo.seeknal("run")
    assert _totals(repo) == [("EU", 40.5), ("US", 20)]
    copies = list((repo.path / ".git/seeknal/outside/files").iterdir())
    assert len(copies) == 2
    os.utime(min(copies, key=lambda copy: copy.stat().st_size), (0, 0))
    (folder / "orders.csv").write_text(_CSV + "4,EU,1\n")
    repo.seeknal("run")
    copies = list((repo.path / ".git/seeknal/outside/files").iterdir())
    assert sorted(copy.read_text().split()[-1] for copy in copies) == ["3,EU,30", "4,EU,1"]
    (folder / "orders.csv").unlink()
    assert "source.orders: http: " in said(repo.seeknal("run", code=1))
