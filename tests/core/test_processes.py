"""Processes by pid and start time."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import psutil
import pytest

from maint.processes import Process, boot_id, host, process_of, this_process, whoami


@pytest.fixture
def child() -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.communicate()


def test_alive_until_it_ends(child: "subprocess.Popen[bytes]") -> None:
    process = process_of("worker gw0", child.pid)
    assert process.alive()
    assert Process(**process.as_dict()) == process  # type: ignore[arg-type]  # as the journal gives it back
    process.kill()
    assert not process.alive()  # not even as a zombie, which nobody has waited for yet
    child.wait(5)
    process.kill()


def test_another_process_under_the_same_pid_is_spared(child: "subprocess.Popen[bytes]") -> None:
    former = replace(process_of("run", child.pid), started=psutil.Process(child.pid).create_time() - 3600)
    assert not former.alive()
    former.kill()
    assert child.poll() is None


def test_this_process_is_alive() -> None:
    me = this_process("run")
    assert (me.pid, me.role, me.alive()) == (os.getpid(), "run", True)


def test_who_is_who(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAINT_OPERATOR", "dana")
    assert whoami() == f"dana@{host()}"
    monkeypatch.delenv("MAINT_OPERATOR")
    monkeypatch.setenv("LOGNAME", "priya")
    assert whoami() == f"priya@{host()}"
    assert boot_id() == boot_id() != ""
