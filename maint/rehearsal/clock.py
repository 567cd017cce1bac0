"""The world's own time: it only moves forward, at a speed that can be changed, and stands still when unwatched."""

import asyncio
import time
from datetime import UTC, datetime, timedelta


class WorldClock:
    """World time: starts at `now` (aware) and runs `speed` times as fast as the machine's."""

    def __init__(self, now: datetime, speed: float) -> None:
        self._base, self._speed, self._since = now.astimezone(UTC), speed, time.monotonic()
        self._changed, self._paused = asyncio.Event(), False

    @property
    def speed(self) -> float:
        """World seconds per machine second."""
        return self._speed

    def now(self) -> datetime:
        """Return the world's time, aware, in UTC."""
        if self._paused:
            return self._base
        return self._base + timedelta(seconds=(time.monotonic() - self._since) * self._speed)

    def set(self, now: datetime | None = None, speed: float | None = None) -> None:
        """Move the time forward to `now` (never back) and/or change the speed, waking all sleepers."""
        current = self.now()
        self._base = max(current, now.astimezone(UTC)) if now else current
        self._since = time.monotonic()
        self._speed = speed or self._speed
        self._wake()

    def pause(self) -> None:
        """Let time stand still until `resume`."""
        self._base, self._paused = self.now(), True
        self._wake()

    def resume(self) -> None:
        """Let time go on, if it stood still."""
        if self._paused:
            self._since, self._paused = time.monotonic(), False
            self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        """Wait until `seconds` of world time have gone by, whatever happens to the speed meanwhile."""
        await self.sleep_until(self.now() + timedelta(seconds=seconds))

    async def sleep_until(self, then: datetime) -> None:
        """Wait until the world's time is `then`."""
        while (left := (then - self.now()).total_seconds()) > 0:
            changed = self._changed
            try:
                async with asyncio.timeout(None if self._paused else left / self._speed):
                    await changed.wait()
            except TimeoutError:
                pass
