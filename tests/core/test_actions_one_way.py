"""Updates and pipeline stages: each at most once, found again after a crash, judged by what the vendor says."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from maint.actions import KINDS, rebuild
from maint.actions.drain import Drain
from maint.actions.mute import MuteAzure, MuteNewRelic
from maint.actions.patch import Patch
from maint.actions.pipeline import RunStages
from maint.errors import MaintError
from maint.journal import StepRecord
from maint.rollout import Job, Result, run_once

from .conftest import WINDOW, Live
from .fakes import Crash
from .test_actions_drain import FLEET, GATEWAY, POOL, drain

CLASSES = ("Critical", "Security", "UpdateRollUp")


@pytest.fixture
def patch(live: Live) -> Patch:
    """Return the updates of IC-Web1, which is out of the pool."""
    live.take(drain(1))
    closes = live.context.clock.now() + timedelta(days=400)  # whose hours pass in moments here
    return Patch("IC-Web1", GATEWAY, POOL, FLEET[0], CLASSES, "IfRequired", closes)


def run(live: Live, action: Patch | RunStages, step: str = "P3/IC-Web1") -> Result:
    return run_once(live.journal, WINDOW, Job(step, f"step {step}", action), live.systems)


def record(live: Live, step: str = "P3/IC-Web1") -> StepRecord:
    found = live.journal.step(WINDOW, step)
    assert found is not None
    return found


def installs(live: Live) -> list[str]:
    """Return how each of IC-Web1's patch runs stands."""
    server = live.state()["one_way"]["azure"]["servers"]["IC-Web1"]
    return [one["status"] for one in server["installations"]]


def dies_after(monkeypatch: pytest.MonkeyPatch, kind: type[Patch | RunStages]) -> Callable[[], None]:
    """Let the process end right after the vendor was told to start; returns what undoes that."""
    real = kind.start

    def start(self: Any, *arguments: Any) -> str:
        real(self, *arguments)
        raise Crash

    monkeypatch.setattr(kind, "start", start)
    return lambda: monkeypatch.setattr(kind, "start", real)


def test_installed_and_assessed_again(live: Live, patch: Patch) -> None:
    result = run(live, patch)
    assert result.status == "done"
    assert "KB5053596" in result.evidence
    assert result.evidence.endswith("installed, assessed again: nothing missing")
    assert installs(live) == ["Succeeded"]
    assert run(live, patch).evidence.startswith("done before: ")
    assert installs(live) == ["Succeeded"]


def test_where_nothing_is_missing_nothing_is_started(live: Live, patch: Patch) -> None:
    assert run(live, patch).ok
    again = run(live, patch, "P3b/IC-Web1")
    assert (again.status, again.evidence) == ("done", "IC-Web1: nothing to install")
    assert installs(live) == ["Succeeded"]


def test_started_and_the_process_gone_it_is_found(live: Live, patch: Patch, monkeypatch: pytest.MonkeyPatch) -> None:
    back_to_life = dies_after(monkeypatch, Patch)
    with pytest.raises(Crash):
        run(live, patch)
    assert (record(live).status, record(live).handle) == ("doing", None)
    back_to_life()
    assert run(live, patch).ok
    assert installs(live) == ["Succeeded"]


def test_a_failed_run_is_told_and_tried_again_as_another(live: Live, patch: Patch) -> None:
    live.fault("azure", "fail", "IC-Web1/installPatches", times=1)
    failed = run(live, patch)
    assert failed.status == "failed"
    assert failed.evidence.startswith("IC-Web1: Failed: ")
    assert run(live, patch).ok
    assert installs(live) == ["Failed", "Succeeded"]


def test_a_restart_that_is_still_needed_is_no_success(live: Live, patch: Patch) -> None:
    result = run(live, replace(patch, reboot="Never"))
    assert result.status == "failed"
    assert "a restart is still needed" in result.evidence


def test_too_late_to_be_over_in_time_it_is_not_started(live: Live, patch: Patch) -> None:
    late = replace(patch, closes=live.context.clock.now() + timedelta(minutes=40))
    with pytest.raises(MaintError, match=r"IC-Web1: too late to patch: .* minutes are left before the give-back"):
        run(live, late)
    assert installs(live) == []


def test_the_vendor_is_told_how_long_it_may_take(live: Live, patch: Patch) -> None:
    live.post("/clock", speed=1)
    now = live.context.clock.now()
    assert replace(patch, closes=now + timedelta(hours=2))._maximum(live.systems) <= timedelta(minutes=100)
    assert replace(patch, closes=now + timedelta(hours=9))._maximum(live.systems) == timedelta(hours=4)


def test_a_server_that_is_in_the_pool_again_is_not_patched(live: Live, patch: Patch) -> None:
    live.edit("gateway", put_back=["IC-Web1"])
    live.state()
    with pytest.raises(MaintError, match="IC-Web1 is in pool-www again: somebody put it back"):
        run(live, patch)
    assert installs(live) == []


# stages of a pipeline -----------------------------------------------------------------------------------------------

STAGE = RunStages("Preparation", ("Pre-Maintenance",))


def stages(live: Live) -> Any:
    return live.state()["one_way"]["azure-devops"]["pipeline stages"].get("Preparation", {})


def test_one_stage_once(live: Live) -> None:
    assert run(live, STAGE, "P6").ok
    assert run(live, STAGE, "P6").evidence.startswith("done before: ")
    assert stages(live) == {"Pre_Maintenance": {"ran": 1, "result": "succeeded"}}


def test_a_started_run_is_found_after_a_crash(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    back_to_life = dies_after(monkeypatch, RunStages)
    with pytest.raises(Crash):
        run(live, STAGE, "P6")
    back_to_life()
    assert run(live, STAGE, "P6").ok
    assert stages(live) == {"Pre_Maintenance": {"ran": 1, "result": "succeeded"}}


def test_when_it_cannot_be_looked_for_it_is_not_started_either(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    back_to_life = dies_after(monkeypatch, RunStages)
    with pytest.raises(Crash):
        run(live, STAGE, "P6")
    back_to_life()
    live.fault("azure-devops", "status", "/build/builds", status=403)
    with pytest.raises(MaintError, match="403"):
        run(live, STAGE, "P6")
    live.control.delete("/faults")
    assert run(live, STAGE, "P6").ok
    assert stages(live) == {"Pre_Maintenance": {"ran": 1, "result": "succeeded"}}


def test_a_stage_that_failed_runs_again_as_another_run(live: Live) -> None:
    live.fault("azure-devops", "fail", "/runs", method="POST", times=1)
    failed = run(live, STAGE, "P6")
    assert failed.status == "failed"
    assert "Pre-Maintenance" in failed.evidence
    assert run(live, STAGE, "P6").ok
    assert stages(live) == {"Pre_Maintenance": {"ran": 2, "result": "succeeded"}}


# what the journal gives back ----------------------------------------------------------------------------------------

ACTIONS = [
    drain(1),
    MuteNewRelic(
        "n", ("IC-Web1", "IC-Web2"), "2025-03-22T18:00:00-04:00", "2025-03-22T22:30:00-04:00", "America/New_York"
    ),
    MuteAzure("n", ("/subscriptions/x",), ("IC-Web1",), "2025-03-22T18:00:00-04:00", "2025-03-22T22:30:00-04:00"),
]


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: str(action.kind))
def test_another_process_can_make_it_again(action: Drain | MuteNewRelic | MuteAzure) -> None:
    assert rebuild(action.kind, json.loads(json.dumps(action.plain()))) == action


def test_every_kind_can_be_made_again() -> None:
    assert {action.kind for action in ACTIONS} <= set(KINDS)


def test_what_this_version_cannot_make_again_is_one_sentence() -> None:
    with pytest.raises(MaintError, match="this version knows no action 'levitate'"):
        rebuild("levitate", {})
    older = {name: value for name, value in drain(1).plain().items() if name != "max_out"}
    with pytest.raises(MaintError, match=r"another version wrote the action 'drain': .*max_out") as problem:
        rebuild("drain", older)
    assert problem.value.next == "give it back with the checkout that took it"
