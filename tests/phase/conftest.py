"""The real command on a copy of the project, against the shared twin: `rehearsal.run()` is `pytest -m saturday-pre`."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

SPEED = "1000"
OUT = ["IC-Web1", "IC-Web2", "IC-Web3", "IC-Web4", "IC-Web5"]


@dataclass(frozen=True)
class Ended:
    """A command that has ended: its exit code and all that it printed."""

    code: int
    text: str

    @property
    def last_lines(self) -> str:
        return "\n".join(self.text.rstrip().splitlines()[-8:])


@dataclass
class Rehearsal:
    """A copy of the project, a home of its own, and the shared twin with its world as new."""

    folder: Path
    control: httpx.Client
    environment: dict[str, str]
    started: list["subprocess.Popen[str]"] = field(default_factory=list)

    def start(self, *options: str, target: str = "checks", session: bool = True) -> "subprocess.Popen[str]":
        """Start the phase's steps (without suites) and return the process, its output in one pipe."""
        command = [sys.executable, "-m", "pytest", "-m", "saturday-pre", "--speed", SPEED, target, *options]
        child = subprocess.Popen(
            command, cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, start_new_session=session,
        )  # fmt: skip
        self.started.append(child)
        return child

    def run(self, *options: str, target: str = "checks") -> Ended:
        """Run the phase's steps to their end."""
        return self.end(self.start(*options, target=target))

    def end(self, child: "subprocess.Popen[str]") -> Ended:
        """Wait for a started command's end, at most 100 seconds."""
        text, _ = child.communicate(timeout=100)
        self.control.post("/clock", json={"speed": 1})  # until the next command: the hours are not used up meanwhile
        return Ended(child.returncode, text)

    def maint(self, *arguments: str) -> Ended:
        """Run `maint` with these arguments."""
        done = subprocess.run(
            [sys.executable, "-m", "maint.cli", *arguments], cwd=self.folder, env=self.environment,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=100,
        )  # fmt: skip
        return Ended(done.returncode, done.stdout + done.stderr)

    def state(self) -> dict[str, Any]:
        """Return the world once nothing is in progress."""
        self.control.post("/clock", json={"speed": float(SPEED)})
        found: dict[str, Any] = self.control.get("/state", params={"wait": 30}).json()
        self.control.post("/clock", json={"speed": 1})
        assert found["settled"], "the world does not settle"
        return found

    def fault(self, system: str, do: str, path: str = "", method: str | None = None, **more: Any) -> None:
        """Let something go wrong in the twin."""
        match = {"system": system, "path": path, **({"method": method} if method else {})}
        self.control.post("/faults", json={"match": match, "do": do, **more}).raise_for_status()

    def edit(self, resource: str, **change: Any) -> None:
        """Make somebody else's change; it waits its turn like any other write."""

        def accepted() -> bool:
            answer = self.control.post("/edit", json={"resource": resource, "change": change})
            return answer.status_code < 300

        self.until(accepted, f"an edit of {resource}")

    def requests(self, method: str, part: str) -> list[dict[str, Any]]:
        """Return the requests so far of a method whose path holds `part`."""
        found = self.control.get("/requests").json()["requests"]
        return [r for r in found if r["method"] == method and part.lower() in r["path"].lower()]

    def until(self, true: Callable[[], Any], what: str, seconds: float = 40) -> None:
        """Wait until something is true."""
        until = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < until, f"{what}: not within {seconds} s\n{self.logs()}"
            time.sleep(0.05)

    def until_patching(self, servers: int = 5) -> None:
        """Wait until so many servers are being patched."""
        self.until(lambda: len(self.requests("POST", "/installPatches")) >= servers, "patching begins")

    def logs(self) -> str:
        """Return what the runs and their guardians wrote."""
        return "\n".join(f"== {path.name}\n{path.read_text()}" for path in self.folder.glob("reports/*/*/*/*.log"))

    def worker(self, name: str) -> psutil.Process:
        """Return a pytest-xdist worker of the run that holds the lease."""
        journal = next(Path(self.environment["HOME"]).glob(".local/state/maint/journal/*.db"))
        with closing(sqlite3.connect(journal)) as db:
            (processes,) = db.execute("SELECT processes FROM leases").fetchone()
        pid = next(entry["pid"] for entry in json.loads(processes) if entry["role"] == f"worker {name}")
        return psutil.Process(pid)

    def said(self) -> str:
        """Return everything that stands in the twin's Slack, as one text."""
        return self.control.get("/../slack/").text


@pytest.fixture
def rehearsal(project: Path, project_environment: dict[str, str], control: httpx.Client) -> Iterator[Rehearsal]:
    made = Rehearsal(project, control, project_environment)
    yield made
    for child in made.started:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.communicate()
