"""Finds the rehearsal twin, or starts one: another process, spoken to over HTTPS only."""

import json
import os
import ssl
import subprocess
import sys
import time
from contextlib import suppress
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError

from maint.errors import MaintError, UsageProblem

START_SECONDS = 30.0


class Handover(BaseModel):
    """What the twin says of itself: where it is and where its parts answer."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    pid: int
    url: str
    ca: str
    control: str
    servers: dict[str, str]
    www: str
    www_http: str


class Twin:
    """A running twin, through its control interface."""

    def __init__(self, handover: Handover, path: Path, *, ours: bool = False) -> None:
        self.handover, self.path, self.ours = handover, path, ours

    @cached_property
    def _client(self) -> httpx.Client:
        context = ssl.create_default_context(cafile=self.handover.ca)
        return httpx.Client(base_url=self.handover.control, verify=context, timeout=60, trust_env=False)

    def ask(self, path: str, **query: Any) -> dict[str, Any]:
        """Return a control page as JSON; raises MaintError when the twin is gone."""
        return self._send("GET", path, params=query)

    def tell(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Post to a control page and return its JSON; raises MaintError when the twin is gone or refuses."""
        return self._send("POST", path, json=body)

    def _send(self, method: str, path: str, **how: Any) -> dict[str, Any]:
        try:
            answer = self._client.request(method, path, **how)
            answer.raise_for_status()
            found: dict[str, Any] = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise MaintError(
                f"the twin did not answer {method} {path}: {error}", where=self.handover.control
            ) from error
        return found

    @property
    def world(self) -> str:
        """Return the id of the world, which is another one after a reset."""
        return str(self.ask("/clock")["world"])

    def now(self) -> datetime:
        """Return the world's time, aware."""
        return datetime.fromisoformat(self.ask("/clock")["now"])

    def stop(self) -> None:
        """End a twin that this process started; one that somebody else started is left alone."""
        if self.ours:
            with suppress(ProcessLookupError):  # it may have ended by itself
                os.kill(self.handover.pid, 15)


def find_twin(root: Path, *, start: bool = True) -> Twin | None:
    """Return MAINT_TWIN's twin, else the one recorded for this checkout if it answers, else a new one or None.

    start: whether to start one where there is none.

    Raises UsageProblem when MAINT_TWIN names a file or a twin that is not there.
    """
    named = os.environ.get("MAINT_TWIN")
    if named:
        twin = _answering(Path(named))
        if twin is None:
            raise UsageProblem(
                "no twin answers there",
                where=f"MAINT_TWIN={named}",
                next=f"python -m maint.rehearsal --handover {named}",
            )
        return twin
    recorded = root / ".maint" / "twin.json"
    found = _answering(recorded)
    if found:
        found.ours = True  # a run of this checkout started it
        return found
    return _start(recorded) if start else None


def _answering(path: Path) -> Twin | None:
    """Return the twin that the file speaks of, or None when there is no file or nobody answers."""
    try:
        twin = Twin(Handover.model_validate_json(path.read_bytes()), path.resolve())
        twin.ask("/clock")
    except (OSError, ValidationError, MaintError):
        return None
    return twin


def _start(path: Path) -> Twin:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.unlink(missing_ok=True)
    log = path.with_name("twin.log")
    with log.open("w") as out:
        child = subprocess.Popen(  # noqa: S603 - our own module, with our own interpreter
            [sys.executable, "-m", "maint.rehearsal", "--handover", str(path)],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,  # it outlives a killed run: what was done to it must still be there
        )
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and child.poll() is None:
        if path.exists():
            return Twin(Handover.model_validate(json.loads(path.read_text())), path, ours=True)
        time.sleep(0.05)
    raise MaintError("the twin did not start", where=str(log), next=f"cat {log}")
