"""The control interface: look at the world, make things go wrong, move its time, start it anew."""

import asyncio
import json
import re
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from maint.rehearsal.faults import Fault
from maint.rehearsal.site import SiteState
from maint.rehearsal.world import World

MOST_WAIT_SECONDS = 120.0
LOOK_SECONDS = 0.01
MODES = {
    "if_match": ("honoured", "ignored"),
    "busy": ("conflict", "throttle", "supersede"),
    "members": ("address", "interface", "mixed"),
}


class Control:
    """The control pages of whatever world there is; `reset` replaces it."""

    def __init__(self, world: Callable[[], World], reset: Callable[[], World]) -> None:
        self._world, self._reset = world, reset

    def routes(self) -> list[Route]:
        """Return the pages, relative to where the control interface is mounted."""
        return [
            Route("/state", self.state),
            Route("/requests", self.requests),
            Route("/faults", self.faults, methods=["GET", "POST", "DELETE"]),
            Route("/mode", self.mode, methods=["GET", "POST"]),
            Route("/edit", self.edit, methods=["POST"]),
            Route("/reset", self.reset, methods=["POST"]),
            Route("/clock", self.clock, methods=["GET", "POST"]),
        ]

    async def state(self, request: Request) -> Response:
        """Return the world; with `wait`, as soon as nothing is in progress, else after so many seconds."""
        try:
            seconds = min(float(request.query_params.get("wait", 0)), MOST_WAIT_SECONDS)
        except ValueError:
            return _refuse("wait must be a number of seconds")
        deadline = time.monotonic() + seconds
        while self._world().busy() and time.monotonic() < deadline:  # noqa: ASYNC110 - several fronts' operations
            await asyncio.sleep(LOOK_SECONDS)
        return JSONResponse(self._world().state())

    async def requests(self, request: Request) -> Response:
        """Return every request so far."""
        return JSONResponse({"requests": self._world().requests()})

    async def faults(self, request: Request) -> Response:
        """List the faults, add one, or clear them."""
        traffic = self._world().traffic
        if request.method == "DELETE":
            traffic.faults.clear()
        if request.method == "POST":
            try:
                fault = Fault.parse(await _body(request))
            except (ValueError, TypeError, re.error) as error:
                return _refuse(str(error))
            fault.since = self._world().clock.now()
            traffic.faults.append(fault)
        return JSONResponse({"faults": [f.report() for f in traffic.faults]})

    async def mode(self, request: Request) -> Response:
        """Return or change how the gateway meets two writers, and by which kind its members are in the pool."""
        mode = self._world().mode
        if request.method == "POST":
            try:
                wanted = await _body(request)
            except (ValueError, TypeError) as error:
                return _refuse(str(error))
            for key, value in wanted.items():
                if value not in MODES.get(key, ()):
                    return _refuse(f"{key}={value}; allowed: {MODES}")
            try:
                if "members" in wanted:
                    self._world().azure.lay_again(wanted["members"])
            except ValueError as error:
                return _refuse(str(error))
            for key, value in wanted.items():
                setattr(mode, key, value)
        return JSONResponse(asdict(mode))

    async def edit(self, request: Request) -> Response:
        """Make somebody else's change: {"resource", "change"}; the resource may start with a system's name."""
        try:
            wanted = await _body(request)
            resource, change = str(wanted["resource"]), dict(wanted["change"])
        except (ValueError, KeyError, TypeError) as error:
            return _refuse(f"resource and change are needed: {error}")
        world = self._world()
        if resource == "site":
            return _flag(world.site, change)
        system, _, rest = resource.partition("/")
        front = next((f for f in world.fronts if f.name == system), world.azure)
        return await front.edit(rest if front.name == system else resource, change)

    async def reset(self, request: Request) -> Response:
        """Start the world anew: faults, modes, request log and time included."""
        return self._time(self._reset())

    async def clock(self, request: Request) -> Response:
        """Return the world's time, or move it forward (never back) and change its speed."""
        world = self._world()
        if request.method == "POST":
            try:
                wanted = await _body(request)
                now = datetime.fromisoformat(wanted["now"]) if wanted.get("now") else None
                speed = float(wanted["speed"]) if wanted.get("speed") is not None else None
            except (ValueError, TypeError) as error:
                return _refuse(str(error))
            if now and now.tzinfo is None:
                return _refuse("now needs an offset")
            if speed is not None and speed <= 0:
                return _refuse("speed must be greater than 0")
            world.clock.set(now, speed)
        return self._time(world)

    def _time(self, world: World) -> Response:
        clock = world.clock
        return JSONResponse({"now": clock.now().isoformat(), "speed": clock.speed, "world": world.id})


async def _body(request: Request) -> dict[str, Any]:
    found = json.loads(await request.body() or b"{}")
    if not isinstance(found, dict):
        raise TypeError("a JSON object is expected")
    return found


def _flag(site: SiteState, change: dict[str, Any]) -> Response:
    """Make something wrong with the web site, or right again."""
    try:
        site.edit(change)
    except ValueError as error:
        return _refuse(str(error))
    return JSONResponse({"flags": site.flags})


def _refuse(sentence: str) -> Response:
    return JSONResponse({"error": sentence}, status_code=400)
