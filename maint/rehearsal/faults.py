"""What goes wrong on purpose, and the log of every request."""

import asyncio
import json
import os
import re
import signal
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from maint.rehearsal.front import FAIL
from maint.rehearsal.wire import gone, hang_up

HANG_SECONDS = 600.0
KINDS = ("status", "reset", "hang", "slow", "kill", "fail")
FIELDS = {"match", "do", "status", "seconds", "skip", "times", "when", "pid", "body", "headers"}

Envelope = Callable[[int], tuple[bytes, str]]
"""Returns the vendor's own error body for a status, and its content type."""


@dataclass
class Fault:
    """One thing that goes wrong: which requests it strikes, how, after how many, how often.

    times is None for "until deleted"; since is the world's time when it began; status, seconds, pid, body
    and headers belong to single kinds.
    """

    do: str
    system: str | None = None
    method: str | None = None
    path: str | None = None
    status: int = 500
    seconds: float = 1.0
    skip: int = 0
    times: int | None = None
    when: str = "before"
    pid: int | str | None = None
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    seen: int = 0
    fired: int = 0
    errors: list[str] = field(default_factory=list)
    since: datetime | None = None

    @classmethod
    def parse(cls, wanted: dict[str, Any]) -> "Fault":
        """Read what was posted; raises ValueError with a sentence that says what is allowed."""
        match = wanted.get("match") or {}
        for unknown, allowed in (
            (set(wanted) - FIELDS, FIELDS),
            (set(match) - {"system", "method", "path"}, {"system", "method", "path"}),
        ):
            if unknown:
                raise ValueError(f"unknown: {', '.join(sorted(unknown))}; allowed: {', '.join(sorted(allowed))}")
        if wanted.get("do") not in KINDS:
            raise ValueError(f"do must be one of {', '.join(KINDS)}")
        if wanted.get("when", "before") not in ("before", "after"):
            raise ValueError("when must be before or after")
        if wanted["do"] == "kill":
            if "pid" not in wanted:
                raise ValueError("kill needs pid: a number or the path of a file that holds one")
            wanted = {"times": 1, **wanted}
        re.compile(match.get("path") or "")
        return cls(**{k: v for k, v in wanted.items() if k != "match"}, **match)

    def matches(self, system: str, method: str, path: str) -> bool:
        """Say whether it is meant for such a request, whether or not its turn has come."""
        return (
            self.system in (None, system)
            and (self.method is None or self.method.upper() == method)
            and (self.path is None or re.search(self.path, path, re.IGNORECASE) is not None)
        )

    @property
    def spent(self) -> bool:
        """Say whether it has fired as often as it may."""
        return self.times is not None and self.fired >= self.times

    def strikes(self) -> bool:
        """Count one matching request and say whether this is one that it strikes."""
        self.seen += 1
        if self.seen <= self.skip or self.spent:
            return False
        self.fired += 1
        return True

    def kill(self) -> None:
        """Send SIGKILL to the process; what goes wrong is kept in errors."""
        try:
            told = str(self.pid)
            pid = int(told if told.isdigit() else Path(told).read_text())
            if pid > 1 and pid != os.getpid():
                os.kill(pid, signal.SIGKILL)
            else:
                self.errors.append(f"pid {pid} is not to be killed")
        except (OSError, ValueError) as error:
            self.errors.append(str(error))

    def report(self) -> dict[str, Any]:
        """Return it as the control interface shows it."""
        shown = {k: v for k, v in asdict(self).items() if v not in (None, {}, []) and k != "since"}
        match = {k: shown.pop(k) for k in ("system", "method", "path") if k in shown}
        return {"match": match, **shown, "fired": self.fired, "errors": self.errors}


@dataclass
class Logged:
    """One request so far; status is 0 when the connection was closed without an answer, None while open."""

    n: int
    system: str
    method: str
    path: str
    status: int | None = None
    seconds: float | None = None


class Traffic:
    """Every request to every system of one world, and the faults that may strike them."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.requests: list[Logged] = []

    def struck(self, system: str, method: str, path: str) -> list[Fault]:
        """Count this request at every fault that it matches, and return those that strike it."""
        return [f for f in self.faults if f.matches(system, method, path) and f.strikes()]

    def breaks(self, system: str, path: str, before: datetime) -> bool:
        """Say whether a fault that has stood since `before` keeps this system from answering probes.

        Probes count for no fault, so that only one without `times` can do so.
        """
        return any(
            f.matches(system, "GET", path)
            and f.times is None
            and f.since is not None
            and f.since <= before
            and f.seen >= f.skip
            and (f.do in ("reset", "hang") or (f.do == "status" and f.status >= 400))
            for f in self.faults
        )


class Watched:
    """A system's front with its faults and its part of the request log."""

    def __init__(self, app: ASGIApp, system: str, traffic: Traffic, envelope: Envelope) -> None:
        self._app, self._system, self._traffic, self._envelope = app, system, traffic, envelope

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Log the request, let the faults strike it, else answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        log = self._traffic.requests
        entry = Logged(len(log) + 1, self._system, scope["method"], scope["path"])
        log.append(entry)
        since = time.monotonic()

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                entry.status = message["status"]
            await send(message)

        try:
            await self._handle(scope, receive, answer)
        finally:
            entry.status = entry.status or 0
            entry.seconds = round(time.monotonic() - since, 4)

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        struck = self._traffic.struck(self._system, scope["method"], scope["path"])
        if any(f.do == "fail" for f in struck):
            scope[FAIL] = True
        for fault in (f for f in struck if f.when == "before"):
            if await self._strike(fault, scope, receive, send):
                return
        after = [f for f in struck if f.when == "after" and f.do != "fail"]
        if not after:
            await self._app(scope, receive, send)
            return
        held: list[Message] = []

        async def hold(message: Message) -> None:
            held.append(message)

        await self._app(scope, receive, hold)
        for fault in after:
            if await self._strike(fault, scope, receive, send):
                return
        for message in held:
            await send(message)

    async def _strike(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> bool:
        """Let one fault happen; returns whether the request is over."""
        if fault.do == "slow":
            await asyncio.sleep(fault.seconds)
            return False
        if fault.do == "fail":
            return False
        if fault.do == "status":
            await self._answer(fault, send)
            return True
        if fault.do == "kill":
            fault.kill()
        if fault.do == "hang":
            try:
                async with asyncio.timeout(HANG_SECONDS):
                    await gone(receive)
            except TimeoutError:
                pass
        await hang_up(scope, receive)
        return True

    async def _answer(self, fault: Fault, send: Send) -> None:
        body, kind = self._envelope(fault.status)
        if fault.body is not None:
            text = isinstance(fault.body, str)
            body, kind = (fault.body.encode(), "text/plain") if text else (json.dumps(fault.body).encode(), kind)
        headers = {"content-type": kind, **fault.headers, "content-length": str(len(body))}
        raw = [(k.lower().encode(), v.encode()) for k, v in headers.items()]
        await send({"type": "http.response.start", "status": fault.status, "headers": raw})
        await send({"type": "http.response.body", "body": body})
