"""Know a warehouse's file again: nobody has written to it since it was last looked at.

Its content is not read: to close a second descriptor of a file would give up the lock that the
engine has on it. (POSIX, fcntl)
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

# Two writes within a tick of the clock have one time. The clock of Linux's own file systems ticks
# every 10 ms or faster; one without fractions of a second, as FAT's, every 2 s.
_TICK_NS = 12_000_000
_COARSE_TICK_NS = 2_000_000_000
_SECOND_NS = 1_000_000_000


def file_version(path: Path) -> str:
    """The version of a file: every write changes it. Empty if there is no file, if it was written
    just now, or if its log holds writes."""
    # Both before the look: a pause must not make the file look older, and a log that is merged in
    # the meantime belongs to the version before.
    now = time.time_ns()
    if path.with_name(f"{path.name}.wal").exists():
        return ""
    try:
        found = path.stat()
    except OSError:
        return ""
    coarse = not found.st_ctime_ns % _SECOND_NS
    if now - found.st_ctime_ns < (_COARSE_TICK_NS if coarse else _TICK_NS):
        return ""
    facts = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    return ":".join(map(str, facts))


def settled_version(path: Path) -> str:
    """The version of a file that this process holds and has just written. Waits for a tick."""
    with suppress(OSError):
        left = path.stat().st_ctime_ns + _TICK_NS - time.time_ns()
        time.sleep(min(max(left, 0), _TICK_NS) / _SECOND_NS)
    return file_version(path)
