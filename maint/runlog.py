"""What a run says while it works: one file that every process of the run writes and the terminal follows."""

import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from maint.clock import WindowClock
from maint.errors import MaintError
from maint.redact import RedactingFilter

PROGRESS = 15
"""The level of a line that says that something is still being waited for."""
PROGRESS_EVERY_SECONDS = 1.0

log = logging.getLogger("maint")
_said: dict[int, float] = {}


@dataclass(frozen=True)
class Line:
    """One line of the log; moment: the window's time as HH:MM:SS; level: logging's number."""

    moment: str
    level: int
    words: str


class _Format(logging.Formatter):
    def __init__(self, clock: WindowClock, zone: datetime) -> None:
        super().__init__()
        self._clock, self._zone = clock, zone

    def format(self, record: logging.LogRecord) -> str:
        words = " / ".join(record.getMessage().splitlines())
        if record.exc_text:  # as the filter left it: formatted anew it would be told unredacted
            words += " / " + " / ".join(record.exc_text.splitlines())
        return f"{time_of_day(self._clock, self._zone)}\t{record.levelno}\t{words}"


def time_of_day(clock: WindowClock, zone: datetime) -> str:
    """Return the window's time as HH:MM:SS in the zone of `zone`; the machine's time when the twin is gone."""
    try:
        moment = clock.now()
    except MaintError:
        moment = datetime.now(UTC)
    return f"{moment.astimezone(zone.tzinfo):%H:%M:%S}"


def write_log(path: Path, clock: WindowClock, zone: datetime) -> logging.Handler:
    """Let this process write its lines to `path` from now on, redacted, in the zone of `zone`; returns the handler."""
    handler = logging.FileHandler(path, encoding="utf-8")
    path.chmod(0o600)
    handler.setFormatter(_Format(clock, zone))
    handler.addFilter(RedactingFilter())
    log.addHandler(handler)
    log.setLevel(PROGRESS)
    log.propagate = False
    return handler


def progress(words: str) -> None:
    """Say that something is still being waited for; at most once a second for each thread."""
    thread, now = threading.get_ident(), time.monotonic()
    if now - _said.get(thread, 0.0) >= PROGRESS_EVERY_SECONDS:
        _said[thread] = now
        log.log(PROGRESS, "%s", words)


def read_log(path: Path, position: int) -> tuple[list[Line], int]:
    """Return the whole lines of `path` from byte `position` on, and where to go on from."""
    try:
        with path.open("rb") as file:
            file.seek(position)
            data = file.read()
    except FileNotFoundError:
        return [], position
    whole = data[: data.rfind(b"\n") + 1]
    return list(_lines(whole.decode(errors="replace"))), position + len(whole)


def _lines(text: str) -> Iterator[Line]:
    for line in text.splitlines():
        moment, _, rest = line.partition("\t")
        level, _, words = rest.partition("\t")
        if level.isdigit():
            yield Line(moment, int(level), words)
