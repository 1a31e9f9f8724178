"""Examples of every kind of edit: whether all is well with them, and whether they are worth
drawing."""

from __future__ import annotations

import duckdb
import pytest

from tests.oracle.__main__ import Tally, share_known, tally
from tests.oracle.edits import EDITS

# The engine itself, not seeknal, is what ends there.
pytestmark = pytest.mark.skipif(
    duckdb.__version__ < "2", reason="DuckDB 1.5 crashes on some of the queries drawn"
)


@pytest.fixture(scope="module")
def found() -> Tally:
    """Some examples of every kind of edit."""
    return tally(seed=3, examples=5 * len(EDITS))


def test_no_promise_is_broken_over_the_whole_catalogue(found: Tally) -> None:
    assert not found.wrong, "\n\n".join(sorted(found.wrong.values(), key=len))


def test_most_examples_run(found: Tally) -> None:
    assert found.total("run") > 0.65 * found.total("applied")


def test_most_readers_read_what_is_edited(found: Tally) -> None:
    assert found.total("read") > 0.75 * found.total("run")


def test_every_edit_of_the_catalogue_applies_and_runs(found: Tally) -> None:
    rare = [edit.name for edit in EDITS if not found.counts["run", edit.name]]
    assert len(rare) <= 0.05 * len(EDITS), rare
    assert found.total("applied") > 0.85 * found.total("examples")


def test_harmless_edits_are_known_to_be_harmless(found: Tally) -> None:
    unknown = "\n\n".join(sorted(found.coarse.values(), key=len))
    assert share_known(found) >= 0.95, unknown
