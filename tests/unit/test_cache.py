"""What is remembered, and by whom it can be asked for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from seeknal_git.cache import Cache


def test_what_one_thread_remembers_another_can_ask_for(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache.sqlite")
    cache.put("topic", {"one": 1})
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(cache.get, "topic", ["one", "two"]).result() == {"one": 1}
        pool.submit(cache.put, "topic", {"two": 2}).result()
    assert cache.get("topic", ["one", "two"]) == {"one": 1, "two": 2}


def test_a_cache_that_is_damaged_only_costs_time(tmp_path: Path) -> None:
    (tmp_path / "cache.sqlite").write_text("this is no database, and never was one")
    cache = Cache(tmp_path / "cache.sqlite")
    cache.put("topic", {"one": 1})
    assert cache.get("topic", ["one"]) == {}
