"""Whatever seeknal promises of an edit, DuckDB has to keep: examples are drawn, run, and
compared."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, assume, event, given, settings
from hypothesis import strategies as st

from tests.oracle.check import Engine, check, draw_example, draw_world
from tests.oracle.edits import EDITS, Edit
from tests.oracle.expressions import Draw

# The engine itself, not seeknal, is what ends there.
pytestmark = pytest.mark.skipif(
    duckdb.__version__ < "2", reason="DuckDB 1.5 crashes on some of the queries drawn"
)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    engine = Engine()
    yield engine
    engine.close()


@settings(
    max_examples=100,
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


def test_names_of_edits_are_unique() -> None:
    assert len({edit.name for edit in EDITS}) == len(EDITS)
    assert sum(edit.harmless for edit in EDITS) >= 20
