"""The guardian: idle while its run lives, and then it ends what is left of it and restores."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from maint.guardian import Guardian, start_guardian

from .conftest import MakeJournal
from .test_lease import change

RUN = """
import json, subprocess, sys
from pathlib import Path
from maint.guardian import start_guardian
from maint.journal import Journal
from maint.lease import take_lease
from maint.processes import process_of

url, log, root = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
lease = take_lease(Journal(url, "test"), "saturday-pre", "run-1")
guardian = start_guardian("run-1", "saturday-pre", "test", root=root, token=lease.token, journal=url, log=log)
lease.add(process_of("guardian", guardian.pid))
pids = {"guardian": guardian.pid}
for role in ("worker gw0", "browser"):  # in sessions of their own: they outlive the run, as they may
    child = subprocess.Popen(["sleep", "60"], start_new_session=True, stdout=subprocess.DEVNULL)
    pids[role] = child.pid
lease.add(process_of("worker gw0", pids["worker gw0"]))
print(json.dumps(pids), flush=True)
sys.stdin.readline()
"""


@dataclass
class Running:
    """A run in a process of its own, with a guardian, a worker, and a child that has no part in the lease."""

    process: "subprocess.Popen[str]"
    pids: dict[str, int]
    log: Path

    def alive(self, role: str) -> bool:
        pid = self.pids[role]
        return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE

    def kill(self) -> None:
        """End the run's whole process group, as an agent or a closed terminal does."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()

    def wait_for_guardian(self) -> str:
        """Wait until the guardian has ended and return what it wrote."""
        until = time.monotonic() + 20
        while self.alive("guardian"):
            assert time.monotonic() < until, self.log.read_text()
            time.sleep(0.02)
        return self.log.read_text()


@pytest.fixture
def run(url: str, tmp_path: Path) -> Iterator[Running]:
    project = tmp_path / "project"
    for folder in ("windows", "environments"):
        (project / folder).mkdir(parents=True)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MAINT_")}
    log = tmp_path / "guardian.log"
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, url, str(log), str(project)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True, env=environment,
    )  # fmt: skip
    assert process.stdout is not None
    running = Running(process, json.loads(process.stdout.readline()), log)
    yield running
    process.kill()
    process.communicate()
    for pid in running.pids.values():
        if psutil.pid_exists(pid):
            os.kill(pid, signal.SIGKILL)


def test_a_run_that_ends_without_goodbye_is_followed_by_a_restore(run: Running) -> None:
    assert os.getsid(run.pids["guardian"]) == run.pids["guardian"] != os.getsid(run.process.pid)
    assert run.alive("guardian")
    run.kill()
    said = run.wait_for_guardian()
    assert said.splitlines() == [
        "run run-1 ended without a goodbye; giving back what it took",
        f"ending worker gw0 {run.pids['worker gw0']}",
        "Nothing is held.",  # says the restore that it has become
    ]
    assert not run.alive("worker gw0")
    assert run.alive("browser")  # it has no part in the lease, and keeps no end of the pipe open


def test_a_guardian_leaves_those_alone_who_took_the_lease_over(run: Running, open_journal: MakeJournal) -> None:
    change(open_journal(), token="another run's", run="run-2")
    run.kill()
    assert "ending" not in run.wait_for_guardian()
    assert run.alive("worker gw0")


Start = Callable[[], tuple[Guardian, Path]]


@pytest.fixture
def start(url: str, tmp_path: Path) -> Iterator[Start]:
    guardians: list[Guardian] = []

    def begin() -> tuple[Guardian, Path]:
        log = tmp_path / "guardian.log"
        guardians.append(
            start_guardian("run-1", "saturday-pre", "test", root=tmp_path, token="t", journal=url, log=log)
        )
        return guardians[-1], log

    yield begin
    for guardian in guardians:
        guardian.process.kill()
        guardian.process.wait()


def test_after_a_goodbye_there_is_nothing_to_do(start: Start) -> None:
    guardian, log = start()
    guardian.goodbye()
    assert guardian.process.returncode == 0
    assert log.read_text() == ""
    guardian.goodbye()  # nor does a second one matter


def test_saying_goodbye_to_one_that_is_gone(start: Start) -> None:
    guardian, _ = start()
    guardian.process.kill()
    guardian.process.wait()
    guardian.goodbye()


def test_two_guardians_of_one_process_do_not_keep_each_other(start: Start) -> None:
    first, _ = start()
    second, _ = start()
    first.goodbye()
    second.goodbye()
    assert (first.process.returncode, second.process.returncode) == (0, 0)
