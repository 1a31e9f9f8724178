"""Until when a command waits while another process holds the warehouse."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment by the monotonic clock, in seconds. All waits of one command share it."""

    moment: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        return cls(time.monotonic() + seconds)

    @property
    def left(self) -> float:
        """The seconds that are left, and 0 once it has passed."""
        return max(self.moment - time.monotonic(), 0.0)


NO_WAIT = Deadline(0.0)
