"""Whatever seeknal promises of an edit, DuckDB has to keep: examples are drawn, run, and compared."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, assume, event, given, settings
from hypothesis import strategies as st

from tests.oracle.__main__ import Tally, share_known, tally
from tests.oracle.check import Engine, check, draw_example, draw_world
from tests.oracle.edits import EDITS, Edit
from tests.oracle.expressions import Draw

# The engine itself, not seeknal, is what ends there.
pytestmark = pytest.mark.skipif(duckdb.__version__ < "2", reason="DuckDB 1.5 crashes on some of the queries drawn")
catalogue = pytest.mark.xdist_group("catalogue")  # one worker draws the examples that these tests share


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    engine = Engine()
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def found() -> Tally:
    """Some examples of every kind of edit."""
    return tally(seed=3, examples=6 * len(EDITS))


@settings(
    max_examples=250,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
)
@given(edit=st.sampled_from(EDITS), random=st.randoms(use_true_random=False))
def test_what_is_promised_of_an_edit_is_kept(engine: Engine, edit: Edit, random: Random) -> None:
    draw = Draw(random)
    example = draw_example(draw, draw_world(draw), edit)
    assume(example is not None)
    assert example is not None
    outcome = check(engine, example)
    event(str(outcome.verdict.category) if outcome.verdict else "does not run")
    assert not outcome.complaint, f"{outcome.complaint}\n{example}"


@catalogue
def test_no_promise_is_broken_over_the_whole_catalogue(found: Tally) -> None:
    assert not found.wrong, "\n\n".join(sorted(found.wrong.values(), key=len))


@catalogue
def test_most_examples_run(found: Tally) -> None:
    assert found.total("run") > 0.65 * found.total("applied")


@catalogue
def test_most_readers_read_what_is_edited(found: Tally) -> None:
    assert found.total("read") > 0.75 * found.total("run")


@catalogue
def test_every_edit_of_the_catalogue_applies_and_runs(found: Tally) -> None:
    rare = [edit.name for edit in EDITS if not found.counts["run", edit.name]]
    assert len(rare) <= 0.05 * len(EDITS), rare
    assert found.total("applied") > 0.85 * found.total("examples")


@catalogue
def test_harmless_edits_are_known_to_be_harmless(found: Tally) -> None:
    unknown = "\n\n".join(sorted(found.coarse.values(), key=len))
    assert share_known(found) >= 0.95, unknown


def test_names_of_edits_are_unique() -> None:
    assert len({edit.name for edit in EDITS}) == len(EDITS)
    assert sum(edit.harmless for edit in EDITS) >= 20
