"""A polite visitor: asks the site again and again while a phase runs, and counts what failed and for how long."""

import logging
import ssl
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime

import httpx

from maint.clock import WindowClock
from maint.environment import Environment
from maint.errors import MaintError

log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True)
class Failure:
    """One request that failed: when by the window clock, which kind of visitor, and what was answered instead."""

    moment: datetime | None
    visitor: str
    what: str


@dataclass
class Tally:
    """What the probe saw; `down_seconds` is machine time between a failure and the next success."""

    asked: int = 0
    failures: list[Failure] = field(default_factory=list)
    down_seconds: float = 0.0

    def __str__(self) -> str:
        """Return it as one line for the report."""
        if not self.failures:
            return f"0 of {self.asked} requests to the site failed"
        first = self.failures[0]
        at = f" at {first.moment:%H:%M:%S}" if first.moment else ""
        return (
            f"{len(self.failures)} of {self.asked} requests to the site failed, for {self.down_seconds:.1f} s in all; "
            f"the first{at}: {first.what}"
        )


class Probe:
    """Asks `environment.probe.per_second` times a second, in turn as a fresh visitor and as one with a kept cookie.

    zone: times are told in the time zone of this moment.
    """

    def __init__(self, environment: Environment, clock: WindowClock, zone: datetime) -> None:
        self._environment, self._clock, self._zone = environment, clock, zone
        self.tally = Tally()
        self._quit = threading.Event()
        self._thread = threading.Thread(target=self._run, name="probe", daemon=True)
        self._down_since: dict[str, float] = {}

    def start(self) -> None:
        """Begin asking, on a thread of its own."""
        self._thread.start()

    def stop(self) -> Tally:
        """Stop asking and return what was seen."""
        self._quit.set()
        if self._thread.ident:
            self._thread.join(TIMEOUT_SECONDS + 1)
        for visitor in list(self._down_since):
            self._up(visitor)
        return self.tally

    def _run(self) -> None:
        environment = self._environment
        context = ssl.create_default_context(cafile=str(environment.ca) if environment.ca else None)
        every = 1.0 / environment.probe.per_second
        due = time.monotonic()
        with httpx.Client(verify=context, timeout=TIMEOUT_SECONDS, trust_env=False) as regular:
            while not self._quit.wait(max(0.0, due - time.monotonic())):
                due = max(due + every, time.monotonic() - every)
                if self.tally.asked % 2:
                    self._ask(regular, "visitor with a cookie")
                else:
                    with httpx.Client(verify=context, timeout=TIMEOUT_SECONDS, trust_env=False) as fresh:
                        self._ask(fresh, "fresh visitor")

    def _ask(self, client: httpx.Client, visitor: str) -> None:
        host = httpx.URL(self._environment.site.base_url).host
        handover = self._environment.handover
        try:
            answer = client.get(
                f"https://{handover.www if handover else host}/",
                headers={
                    "Host": host,
                    "User-Agent": f"maint-probe {self._environment.site.user_agent_suffix}",
                },
                extensions={"sni_hostname": host},
            )
            wrong = f"HTTP {answer.status_code}" if answer.status_code >= 500 else ""
        except httpx.HTTPError as error:
            wrong = type(error).__name__
        self.tally.asked += 1
        if not wrong:
            self._up(visitor)
            return
        self._down_since.setdefault(visitor, time.monotonic())
        self.tally.failures.append(Failure(self._moment(), visitor, f"{wrong} for a {visitor}"))
        log.warning("the site failed a %s: %s", visitor, wrong)

    def _up(self, visitor: str) -> None:
        since = self._down_since.pop(visitor, None)
        if since is not None:
            self.tally.down_seconds += time.monotonic() - since

    def _moment(self) -> datetime | None:
        try:
            return self._clock.now().astimezone(self._zone.tzinfo)
        except MaintError:
            return None
