"""The window clock: it decides hours, not-before and the ends of mutes.

In production it is the real one; in rehearsal it is the twin's, which a run moves forward and speeds up.
Leases, deadlines and Retry-After go by the machine's clock instead.
"""

from datetime import UTC, datetime
from typing import Protocol

from maint.twin import Twin


class WindowClock(Protocol):
    """What time it is for the maintenance window."""

    def now(self) -> datetime:
        """Return the window's time, aware."""

    def open_at(self, moment: datetime) -> None:
        """Move forward (never back) to `moment`, where that is possible."""

    def run_at(self, speed: float) -> None:
        """Run `speed` times as fast as the machine's clock, where that is possible."""

    @property
    def speed(self) -> float:
        """Window seconds per machine second."""


class RealClock:
    """The machine's own time."""

    speed = 1.0

    def now(self) -> datetime:
        """Return the machine's time, aware, in UTC."""
        return datetime.now(UTC)

    def open_at(self, moment: datetime) -> None:
        """Do nothing: real time cannot be moved."""

    def run_at(self, speed: float) -> None:
        """Do nothing: real time has one speed."""


class TwinClock:
    """The rehearsal's time; several processes may ask and set it, so nothing is remembered here."""

    def __init__(self, twin: Twin) -> None:
        self._twin = twin

    def now(self) -> datetime:
        """Return the world's time, aware."""
        return self._twin.now()

    @property
    def speed(self) -> float:
        """World seconds per machine second."""
        return float(self._twin.ask("/clock")["speed"])

    def open_at(self, moment: datetime) -> None:
        """Move the world's time forward to `moment`; an earlier one changes nothing."""
        self._twin.tell("/clock", {"now": moment.isoformat()})

    def run_at(self, speed: float) -> None:
        """Run the world `speed` times as fast as the machine."""
        self._twin.tell("/clock", {"speed": speed})
