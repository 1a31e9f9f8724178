"""What is remembered, and by whom it can be asked for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

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


def test_many_caches_of_one_file_take_the_descriptors_of_one(tmp_path: Path) -> None:
    open_files = Path("/proc/self/fd")
    if not open_files.exists():
        pytest.skip("only Linux lists the descriptors of a process")
    Cache(tmp_path / "cache.sqlite").put("topic", {"one": 1})
    before = len(list(open_files.iterdir()))
    for _ in range(20):
        cache = Cache(tmp_path / "cache.sqlite")
        assert cache.get("topic", ["one"]) == {"one": 1}
    assert len(list(open_files.iterdir())) <= before


def test_a_cache_that_somebody_deleted_is_begun_again(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    Cache(path).put("topic", {"one": 1})
    for file in tmp_path.iterdir():
        file.unlink()
    cache = Cache(path)
    assert cache.get("topic", ["one"]) == {}
    cache.put("topic", {"one": 2})
    assert path.exists()
    assert Cache(path).get("topic", ["one"]) == {"one": 2}
