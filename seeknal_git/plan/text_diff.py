"""The lines in which two versions of a file differ."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence

# difflib compares each line with each: a minute for 20,000 lines that are alike.
_MOST_LINES = 5_000


def unified(old: Sequence[str], new: Sequence[str], old_name: str, new_name: str) -> Iterator[str]:
    """A diff as `git diff` prints it. In very long files, all lines between the first and the last
    difference count as changed."""
    if len(old) + len(new) <= _MOST_LINES:
        yield from difflib.unified_diff(old, new, old_name, new_name, lineterm="")
        return
    start = _common(old, new)
    end = _common(old[start:][::-1], new[start:][::-1])
    gone, come = old[start : len(old) - end], new[start : len(new) - end]
    if gone or come:
        yield f"--- {old_name}"
        yield f"+++ {new_name}"
        yield f"@@ -{start + 1},{len(gone)} +{start + 1},{len(come)} @@"
        yield from (f"-{line}" for line in gone)
        yield from (f"+{line}" for line in come)


def _common(old: Sequence[str], new: Sequence[str]) -> int:
    """The number of lines at the start that are the same."""
    pairs = enumerate(zip(old, new, strict=False))
    return next((number for number, (one, other) in pairs if one != other), min(len(old), len(new)))
