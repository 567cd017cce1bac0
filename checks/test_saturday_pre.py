"""Saturday evening: half of the web servers out of the pool, patched and back; the jobs rescheduled."""

from collections.abc import Callable

import pytest

from maint.journal import HoldRecord
from maint.plugin.steps import expect_given_back, expect_said
from maint.rollout import Rollout
from maint.run import Run
from maint.window_steps import Drain, Mute

pytestmark = [getattr(pytest.mark, "saturday-pre"), pytest.mark.usefixtures("preparation")]

Evidence = Callable[[str], None]


class TestServersOut:
    """What is done while the batch is out of the pool; its fixtures give back when the last of these is over."""

    @pytest.mark.step("P2")
    def test_P2_alerts_are_off(self, run: Run, muted_alerts: list[HoldRecord], evidence: Evidence) -> None:
        readings = [run.read_back(hold) for hold in muted_alerts]
        evidence("; ".join(reading.words for reading in readings))
        assert {reading.condition for reading in readings} == {"in force"}

    @pytest.mark.step("P1")
    def test_P1_servers_are_out(self, run: Run, drained_servers: list[HoldRecord], evidence: Evidence) -> None:
        readings = [run.read_back(hold) for hold in drained_servers]
        evidence(", ".join(hold.action["server"] for hold in drained_servers) + " drained")
        assert all(reading.condition == "in force" for reading in readings)

    @pytest.mark.step("P3")
    def test_P3_updates_are_installed(self, run: Run, patching: Rollout, server: str) -> None:
        if why := run.released().get(server):
            pytest.skip(f"{server} was released, to stay as it is: {why}")
        result = patching.result(f"P3/{server}")
        assert result.ok, result.evidence


@pytest.mark.step("P1")
def test_P1_servers_are_back_and_healthy(run: Run, evidence: Evidence) -> None:
    outcome = run.outcome_of(run.step_of(Drain))
    evidence(f"{len(outcome.reverted)} servers drained, and back in the pool and healthy")
    expect_given_back(outcome)


@pytest.mark.step("P2")
def test_P2_alerts_are_on_again(run: Run, evidence: Evidence) -> None:
    outcome = run.outcome_of(run.step_of(Mute))
    evidence("off while the servers were out, on again")
    expect_given_back(outcome)


def test_P4_platform_is_told_of_the_give_back(run: Run) -> None:
    expect_said(run, "give-back")


def test_P5_tests_are_asked_for(run: Run) -> None:
    if not run.patched():
        pytest.skip("no server was patched")
    run.say("tests", run.exceptions())
    expect_said(run, "tests")


@pytest.mark.step("P6")
def test_P6_jobs_are_rescheduled(rollout: Rollout, preparation: str, evidence: Evidence) -> None:
    result = rollout.result(preparation)
    evidence(result.evidence)
    assert result.ok, result.evidence
