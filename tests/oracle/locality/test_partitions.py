"""A statement that is called local gives each partition the rows that it has in the whole result."""

from __future__ import annotations

from random import Random

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.oracle.locality.__main__ import drawn
from tests.oracle.locality.check import check
from tests.oracle.locality.grammar import Draw
from tests.oracle.locality.world import draw_world

STATEMENTS_OF_A_WORLD = 15


# A world takes more choices than hypothesis makes for one example, so it chooses the seed.
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
@given(seed=st.integers(0, 2**32))
def test_a_local_statement_is_the_sum_of_its_partitions(seed: int) -> None:
    random = Random(seed)
    world = draw_world(random)
    for _ in range(STATEMENTS_OF_A_WORLD):
        sql = Draw(world, random).statement().sql
        for outcome in check(world, sql):
            said = f"{world.every} by {outcome.by}: {outcome.complaint}\n{sql}"
            assert not outcome.complaint, said
    world.engine.close()


def test_many_statements_that_are_drawn_are_local() -> None:
    counts = drawn(seed=1, statements=100, seconds=300, every="", stop=1).counts
    assert counts["wrong"] == 0
    assert counts["local"] >= counts["bound"] / 6
