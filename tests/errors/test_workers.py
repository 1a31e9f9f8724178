"""What goes wrong in a worker beside SQL fails its node, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Repo

SLOW = "kind: transform\nname: slow\ntransform: SELECT count(*) AS n FROM range(20000) a, range(5000) b\n"
PRICES = "kind: source\nname: prices\nsource: csv\ntable: data/prices.csv\n"


@pytest.fixture
def dev(published: Repo) -> Repo:
    """A branch with a source of its own and a node that takes its time, planned and not checked
    out."""
    published.switch("dev", create=True)
    published.write("data/prices.csv", "id,price\n1,20\n")
    published.write("seeknal/sources/prices.yml", PRICES)
    published.write("seeknal/transforms/slow.yml", SLOW)
    published.commit("Prices")
    published.seeknal("plan")
    published.switch("main")
    return published


def blob_of(repo: Repo, path: str) -> Path:
    blob = repo.git("rev-parse", f"dev:{path}")
    return repo.path / ".git/objects" / blob[:2] / blob[2:]


@pytest.mark.parametrize(
    ("left", "go_on"),
    [(None, True), (None, False), (b"", True), (b"damaged", False)],
    ids=["gone, going on", "gone, stopping", "empty", "damaged"],
)
def test_a_blob_that_cannot_be_read_fails_its_source_while_another_node_is_built(
    dev: Repo, left: bytes | None, go_on: bool
) -> None:
    blob = blob_of(dev, "data/prices.csv")
    kept = blob.read_bytes()
    blob.chmod(0o600)
    blob.unlink()
    if left is not None:
        blob.write_bytes(left)
    options = ["--continue-on-error"] if go_on else []
    said = dev.seeknal("run", "--env", "dev", *options, code=1, subprocess=True)
    assert "failed: source.prices: data/prices.csv cannot be read. The blob " in said.out
    assert "Fetch it: git fetch --refetch. (seeknal/sources/prices.yml)" in said.out
    assert "prices" not in dev.views("dev")
    blob.write_bytes(kept)
    dev.seeknal("run", "--env", "dev")
    assert dev.numbers("SELECT price, n FROM dev.prices, dev.slow") == [(20, 100_000_000)]


def test_a_folder_that_cannot_be_written_fails_its_source(dev: Repo) -> None:
    copies = dev.path / ".git/seeknal/blobs"
    copies.write_text("in the way")
    said = dev.seeknal("run", "--env", "dev", "--continue-on-error", code=1)
    assert (
        "failed: source.prices: Not a directory: " in said.out
        or "failed: source.prices: File exists: " in said.out
    )
    copies.unlink()
    dev.seeknal("run", "--env", "dev")
    assert dev.numbers("SELECT price FROM dev.prices") == [(20,)]
