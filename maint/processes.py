"""Processes by pid and start time, so that a pid that was given out again is not mistaken for its former owner."""

import getpass
import os
import socket
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

CLOCK_SLACK_SECONDS = 2.0


@dataclass(frozen=True)
class Process:
    """One process of a run: what it is for, its pid, and when it started (seconds since 1970)."""

    role: str
    pid: int
    started: float

    def alive(self) -> bool:
        """Say whether this very process still runs on this host."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) < CLOCK_SLACK_SECONDS
            return same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False

    def kill(self, seconds: float = 5.0) -> None:
        """End this very process with SIGKILL and wait until it is gone, at most `seconds`."""
        if not self.alive():
            return
        try:
            process = psutil.Process(self.pid)
            process.kill()
            process.wait(seconds)
        except psutil.Error:
            return

    def as_dict(self) -> dict[str, object]:
        """Return it as JSON can hold it."""
        return asdict(self)


def this_process(role: str) -> Process:
    """Return the calling process."""
    return Process(role, os.getpid(), psutil.Process().create_time())


def end_children(spare: set[int]) -> None:
    """End the processes that this one started, workers and browsers, but those whose pids are spared."""
    for child in psutil.Process().children():
        if child.pid not in spare:
            with suppress(psutil.Error):
                child.kill()


def process_of(role: str, pid: int) -> Process:
    """Return a living process by its pid."""
    return Process(role, pid, psutil.Process(pid).create_time())


def whoami() -> str:
    """Return who runs this, as user@host."""
    try:
        user = os.environ.get("MAINT_OPERATOR") or getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def host() -> str:
    """Return this machine's name."""
    return socket.gethostname()


def boot_id() -> str:
    """Return an id that changes when the machine starts again."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return str(int(psutil.boot_time()))
