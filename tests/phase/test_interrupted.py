"""What a run took comes back when the run is killed, told to stop, or loses a worker."""

import json
import os
import signal
from typing import TYPE_CHECKING

import pytest

from .conftest import OUT, Rehearsal
from .test_saturday import HELD, ONE_STAGE, PATCHED, installations, members, stages

if TYPE_CHECKING:
    import subprocess


def kill(child: "subprocess.Popen[str]") -> None:
    """End the run's own process group as `kill -9` does; the guardian and the twin are in others."""
    os.killpg(child.pid, signal.SIGKILL)
    child.communicate()


def test_killed_and_restored_by_hand(rehearsal: Rehearsal) -> None:
    before = rehearsal.state()["reversible"]
    child = rehearsal.start("--no-guardian")
    rehearsal.until_patching()
    kill(child)
    status = rehearsal.maint("status")
    assert status.code == HELD
    assert "IC-Web5 out of pool-www" in status.text
    restored = rehearsal.maint("restore", "--yes")
    assert restored.code == 0, restored.text
    after = rehearsal.state()
    assert (after["reversible"], installations(after)) == (before, PATCHED)
    assert rehearsal.maint("status").code == 0


def test_killed_and_run_again(rehearsal: Rehearsal) -> None:
    before = rehearsal.state()["reversible"]
    child = rehearsal.start("--no-guardian")
    rehearsal.until_patching()
    kill(child)
    ended = rehearsal.run()
    assert ended.code == 0, ended.text
    assert "adopted: IC-Web1 out of pool-www" in ended.text
    assert "found again, not started twice: updates on IC-Web1" in ended.text
    after = rehearsal.state()
    assert (after["reversible"], installations(after), stages(after)) == (before, PATCHED, ONE_STAGE)
    assert rehearsal.maint("status").code == 0


@pytest.mark.parametrize(
    "options",
    [pytest.param((), id="one process"), pytest.param(("-n", "2"), id="two workers", marks=pytest.mark.drill)],
)
def test_killed_and_restored_by_the_guardian(rehearsal: Rehearsal, options: tuple[str, ...]) -> None:
    before = rehearsal.state()["reversible"]
    child = rehearsal.start(*options)
    rehearsal.until_patching()
    kill(child)
    rehearsal.until(lambda: rehearsal.maint("status").code == 0, "the guardian gives back", seconds=60)
    after = rehearsal.state()
    assert (after["reversible"], installations(after)) == (before, PATCHED)
    runs = {entry["verdict"] for entry in json.loads(rehearsal.maint("status", "--json").text)["runs"]}
    assert runs == {None}
    assert rehearsal.said().count("Healthy in the pool again") == 1


def test_a_lead_worker_dies(rehearsal: Rehearsal) -> None:
    before = rehearsal.state()["reversible"]
    child = rehearsal.start("-n", "2")
    rehearsal.until_patching()
    rehearsal.worker("gw0").kill()
    ended = rehearsal.end(child)
    assert ended.code == 1, ended.text
    assert "worker gw0 died" in ended.last_lines
    after = rehearsal.state()
    assert (after["reversible"], installations(after)) == (before, PATCHED)
    assert rehearsal.maint("status").code == 0


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(signal.SIGINT, marks=pytest.mark.drill),
        signal.SIGTERM,
        pytest.param(signal.SIGHUP, marks=pytest.mark.drill),
    ],
)
def test_told_to_stop(rehearsal: Rehearsal, number: signal.Signals) -> None:
    before = rehearsal.state()["reversible"]
    child = rehearsal.start()
    rehearsal.until_patching()
    child.send_signal(number)
    ended = rehearsal.end(child)
    assert ended.code == 2, ended.text
    assert f"saturday-pre: INTERRUPTED by {number.name}" in ended.last_lines
    servers_before_alerts(ended.text)
    after = rehearsal.state()
    assert (after["reversible"], installations(after)) == (before, PATCHED)


@pytest.mark.drill
def test_told_to_stop_with_workers(rehearsal: Rehearsal) -> None:
    before = rehearsal.state()["reversible"]
    child = rehearsal.start("-n", "2")
    rehearsal.until_patching()
    child.send_signal(signal.SIGTERM)
    ended = rehearsal.end(child)
    assert ended.code == 2, ended.text
    servers_before_alerts(ended.text)
    after = rehearsal.state()
    assert (after["reversible"], installations(after)) == (before, PATCHED)


def servers_before_alerts(text: str) -> None:
    """Expect the servers back before their alerts are on again, however many processes took part in it."""
    back = [line for line in text.splitlines() if "given back: " in line]
    assert ["IC-Web" in line.split("given back: ")[1][:6] for line in back] == [True] * 5 + [False] * 2, text


def test_told_twice(rehearsal: Rehearsal) -> None:
    child = rehearsal.start()
    rehearsal.until_patching()
    child.send_signal(signal.SIGTERM)
    rehearsal.until(lambda: "SIGTERM" in rehearsal.logs(), "the first signal is heard")
    child.send_signal(signal.SIGTERM)
    ended = rehearsal.end(child)
    assert ended.code == HELD, ended.text
    assert ended.text.rstrip().endswith("To give it back: maint restore")
    assert not set(OUT) & set(members(rehearsal.state()))
    assert rehearsal.maint("restore", "--yes").code == 0


def test_a_second_operator_is_told_who(rehearsal: Rehearsal) -> None:
    child = rehearsal.start("--speed", "200")
    rehearsal.until_patching()
    second = rehearsal.run()
    assert second.code == 4, second.text
    assert "saturday-pre is being run already" in second.text
    assert "held by" in second.text
    refused = rehearsal.maint("restore", "--yes")
    assert refused.code == 1, refused.text
    assert "saturday-pre is being run already" in refused.text
    assert rehearsal.end(child).code == 0
