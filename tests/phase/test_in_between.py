"""What happens in between: a start still on its way, a release by hand, a server put back, a dead run's workers."""

import json
import os
import signal

import pytest

from .conftest import OUT, Rehearsal
from .test_saturday import GREEN, HELD, PATCHED, RED, installations, members


def hold_of(rehearsal: Rehearsal, server: str) -> str:
    holds = json.loads(rehearsal.maint("status", "--json").text)["holds"]
    return next(str(hold["id"]) for hold in holds if hold["action"].get("server") == server)


def test_no_server_goes_back_while_others_are_still_patched(rehearsal: Rehearsal) -> None:
    """The first failure ends the run (-x); four servers are being patched by then."""
    before = rehearsal.state()["reversible"]
    rehearsal.fault("azure", "status", "IC-Web1/assessPatches", method="POST", status=403, times=1)
    ended = rehearsal.run("-x")
    assert ended.code == RED, ended.text
    assert "site: 0 of" in ended.text
    after = rehearsal.state()
    assert after["reversible"] == before
    assert installations(after) == {name: ["Succeeded"] for name in OUT if name != "IC-Web1"}


def test_stopped_while_patching_is_being_started(rehearsal: Rehearsal) -> None:
    before = rehearsal.state()["reversible"]
    rehearsal.fault("azure", "slow", "/installPatches", method="POST", seconds=2)
    child = rehearsal.start()
    rehearsal.until_patching()
    child.send_signal(signal.SIGINT)
    ended = rehearsal.end(child)
    assert ended.code == 2, ended.text
    assert "site: 0 of" in ended.text
    after = rehearsal.state()
    assert (after["reversible"], installations(after)) == (before, PATCHED)


def test_a_server_that_somebody_put_back_is_not_patched(rehearsal: Rehearsal) -> None:
    rehearsal.fault("azure", "slow", "IC-Web4/assessPatches", method="POST", seconds=3, times=1)
    child = rehearsal.start()
    rehearsal.until_patching(4)
    rehearsal.edit("gateway", put_back=["IC-Web4"])
    ended = rehearsal.end(child)
    assert ended.code == RED, ended.text
    assert "IC-Web4 is in pool-www again: somebody put it back" in ended.text
    assert "IC-Web4" not in installations(rehearsal.state())


@pytest.mark.drill
def test_released_while_the_run_waits_for_it(rehearsal: Rehearsal) -> None:
    rehearsal.fault("IC-Web2", "status", status=503)
    child = rehearsal.start("--speed", "400")
    rehearsal.until(lambda: "not ready to go back" in rehearsal.logs(), "the run waits for IC-Web2")
    assert rehearsal.maint("release", hold_of(rehearsal, "IC-Web2"), "--reason", "new disk on Monday").code == GREEN
    rehearsal.control.delete("/faults")
    ended = rehearsal.end(child)
    assert ended.code == GREEN, ended.text
    assert sorted(set(OUT) - set(members(rehearsal.state()))) == ["IC-Web2"]


@pytest.mark.drill
def test_released_and_run_again(rehearsal: Rehearsal) -> None:
    rehearsal.fault("azure", "fail", "IC-Web3/installPatches")
    assert rehearsal.run().code == HELD
    assert rehearsal.maint("release", hold_of(rehearsal, "IC-Web3"), "--reason", "new disk on Monday").code == GREEN
    again = rehearsal.run()
    assert again.code == GREEN, again.text
    assert "released, to stay as it is" in again.text
    assert installations(rehearsal.state())["IC-Web3"] == ["Failed"]


@pytest.mark.drill
def test_told_twice_with_workers(rehearsal: Rehearsal) -> None:
    before = rehearsal.state()["reversible"]
    child = rehearsal.start("-n", "2")
    rehearsal.until_patching()
    child.send_signal(signal.SIGTERM)
    rehearsal.until(lambda: "SIGTERM" in rehearsal.logs(), "the first signal is heard")
    child.send_signal(signal.SIGTERM)
    assert rehearsal.end(child).code == HELD
    restored = rehearsal.maint("restore", "--yes")
    assert restored.code == GREEN, restored.text
    assert rehearsal.state()["reversible"] == before


@pytest.mark.drill
def test_only_the_controller_is_killed(rehearsal: Rehearsal) -> None:
    before = rehearsal.state()["reversible"]
    child = rehearsal.start("-n", "2", "--no-guardian")
    rehearsal.until_patching()
    os.kill(child.pid, signal.SIGKILL)
    restored = rehearsal.maint("restore", "--yes")
    assert restored.code == GREEN, restored.text
    after = rehearsal.state()
    assert (after["reversible"], installations(after)) == (before, PATCHED)


@pytest.mark.drill
def test_a_run_that_fails_early_names_what_an_earlier_one_holds(rehearsal: Rehearsal) -> None:
    child = rehearsal.start("--no-guardian")
    rehearsal.until_patching()
    os.killpg(child.pid, signal.SIGKILL)
    child.communicate()
    rehearsal.fault("newrelic", "status", status=503)
    ended = rehearsal.run()
    assert ended.code == HELD, ended.text
    for server in OUT:
        assert f"STILL HELD  {server} out of pool-www" in ended.text
    rehearsal.control.delete("/faults")
    assert rehearsal.maint("restore", "--yes").code == GREEN


@pytest.mark.drill
def test_slack_that_hangs_is_left_alone(rehearsal: Rehearsal) -> None:
    before = rehearsal.state()["reversible"]
    rehearsal.fault("slack", "hang")
    ended = rehearsal.run("--speed", "300")
    assert ended.code == GREEN, ended.text
    assert "warning: Slack did not take" in ended.text
    assert rehearsal.state()["reversible"] == before
