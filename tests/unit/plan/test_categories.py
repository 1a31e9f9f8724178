"""What an edit is called, and what of a table it changes. `tests/oracle/test_categories_in_fact.py`
executes the same cases."""

from __future__ import annotations

import pytest

from seeknal_git.plan.changes import Category
from tests.unit.plan.categories import EXACT_CASES, HARMLESS, METADATA, READER_CASES, TABLES
from tests.verdicts import verdict


@pytest.mark.parametrize(("old", "new", "category", "what"), EXACT_CASES)
def test_an_edit_is_called_what_it_is(
    old: str, new: str, category: Category, what: str | None
) -> None:
    found = verdict(old, new, TABLES)
    assert found.category == category
    assert what is None or found.what == what


@pytest.mark.parametrize(("old", "new", "reader", "reused"), READER_CASES)
def test_a_reader_is_re_used_where_nothing_that_it_reads_changed(
    old: str, new: str, reader: str, reused: bool | None
) -> None:
    found = verdict(old, new, TABLES, reader)
    assert reused is None or found.reused is reused


def test_harmless_rewrites_are_recognised() -> None:
    missed = [
        f"{name}, {way}"
        for name, old, new in HARMLESS
        for way, one, other in (("forth", old, new), ("back", new, old))
        if verdict(one, other, TABLES).category != METADATA
    ]
    assert 1 - len(missed) / (2 * len(HARMLESS)) >= 0.95, missed
