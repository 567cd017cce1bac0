"""The world's time, without a twin around it."""

import asyncio
import ssl
import time
from datetime import UTC, datetime, timedelta

from maint.rehearsal import serving
from maint.rehearsal.clock import WorldClock

BEGINNING = datetime(2025, 3, 17, 12, tzinfo=UTC)


def test_a_sleeper_wakes_when_the_time_is_moved_or_made_faster() -> None:
    async def sleep() -> float:
        clock = WorldClock(BEGINNING, 1)
        since = time.monotonic()
        moved, faster = asyncio.create_task(clock.sleep(3600)), asyncio.create_task(clock.sleep(7200))
        await asyncio.sleep(0)
        clock.set(now=BEGINNING + timedelta(hours=1))
        await moved
        clock.set(speed=1_000_000)
        await faster
        return time.monotonic() - since

    assert asyncio.run(sleep()) < 2


def test_it_stands_still_while_it_is_paused() -> None:
    async def pause() -> None:
        clock = WorldClock(BEGINNING, 1_000_000)
        clock.pause()
        stopped = clock.now()
        sleeper = asyncio.create_task(clock.sleep(60))
        await asyncio.sleep(0.05)
        assert clock.now() == stopped
        assert not sleeper.done()
        clock.resume()
        await asyncio.wait_for(sleeper, 5)
        assert clock.now() >= stopped + timedelta(seconds=60)

    asyncio.run(pause())


def test_a_twin_rests_when_nobody_asks_and_nothing_goes_on() -> None:
    async def rest() -> None:
        ports = {name: number for number, name in enumerate(("main", "www", "www_http", *serving.SERVERS))}
        twin = serving.Twin(600, ports, ssl.create_default_context())
        twin.rest()
        begun = twin.world.clock.now()
        await asyncio.sleep(0.01)
        assert twin.world.clock.now() > begun
        twin.last -= serving.REST_SECONDS + 1
        twin.rest()
        stopped = twin.world.clock.now()
        await asyncio.sleep(0.01)
        assert twin.world.clock.now() == stopped

    asyncio.run(rest())
