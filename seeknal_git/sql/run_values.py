"""Values that are other ones in each run: `{{ run_id }}`, and `{{ run_date }}` without --date.

A node has a mark in their place, so that its definition is the same in each run; the value is put
in when its statement is executed.
"""

from __future__ import annotations

import datetime
import re
import uuid
from functools import cache

PER_RUN = ("run_id", "run_date")
# Letters for private use, which no statement needs.
_MARK = re.compile("\ue002(\\w+)\ue003")


def mark(name: str) -> str:
    """The text that stands for a value until it is known."""
    return f"\ue002{name}\ue003"


def marked(text: str) -> str | None:
    """The first template of such a value in a text; None if there is none."""
    found = _MARK.search(text)
    return f"{{{{ {found[1]} }}}}" if found else None


def with_values(text: str) -> str:
    """A text with the values of this run."""
    return _MARK.sub(lambda found: _values()[found[1]], text) if "\ue002" in text else text


def at_time(text: str, now: datetime.datetime) -> str:
    """A text with the values that a run at a time would have, and the id of no run."""
    values = {"run_id": "example", "run_date": now.isoformat(timespec="seconds")}
    return _MARK.sub(lambda found: values[found[1]], text)


_named: dict[str, str] = {}


def name_run(run_id: str) -> None:
    """Give the runs of this process an id."""
    _named["run_id"] = run_id
    _values.cache_clear()


@cache
def _values() -> dict[str, str]:
    now = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
    return {"run_id": uuid.uuid4().hex, "run_date": now, **_named}
