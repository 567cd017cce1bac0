"""Waiting for a live system: always with a deadline, stoppable, and never silent."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from maint.errors import DeadlinePassed, Stopped

T = TypeVar("T")


def _nobody(_: str) -> None:
    """Tell no one."""


@dataclass(frozen=True)
class Patience:
    """How long to wait, how often to look, whom to tell and what ends it early.

    deadline: seconds on time.monotonic(). poll: seconds between two looks when the vendor names none.
    stop: set when the run must stop. tell: takes one line of progress for a person.
    """

    deadline: float
    poll: float = 10.0
    stop: threading.Event = field(default_factory=threading.Event)
    tell: Callable[[str], None] = _nobody

    @property
    def left(self) -> float:
        """Seconds until the deadline, never negative."""
        return max(0.0, self.deadline - time.monotonic())

    def within(self, seconds: float) -> "Patience":
        """Return the same patience with a deadline of at most `seconds` from now."""
        return replace(self, deadline=min(self.deadline, time.monotonic() + seconds))

    def pause(self, what: str, seconds: float | None = None) -> None:
        """Wait `seconds` (else `poll`) before the next look at `what`.

        Raises Stopped when the run is told to stop, DeadlinePassed when the time is over.
        """
        if self.stop.is_set():
            raise Stopped(f"stopped while waiting for {what}")
        if self.left <= 0:
            raise DeadlinePassed(f"{what} did not happen in time")
        if self.stop.wait(min(self.poll if seconds is None else seconds, self.left)):
            raise Stopped(f"stopped while waiting for {what}")

    def until(self, what: str, look: Callable[[], T | None]) -> T:
        """Look again and again until `look` returns something other than None, and return that."""
        while (seen := look()) is None:
            self.pause(what)
        return seen
