"""What a run left is given back from any process: under its lease, once, and whatever Slack says."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from maint.actions.mute import MuteAzure, MuteNewRelic
from maint.errors import LeaseLost
from maint.holding import Outcome
from maint.journal import HoldRecord
from maint.lease import Lease, LeaseHeld, lease_records, take_lease
from maint.restore import Restore

from .conftest import Live
from .fakes import hold_on
from .test_lease import GONE, change

NAME = "maint 2025-03-23-monthly P2"


@pytest.fixture
def muted(live: Live) -> list[HoldRecord]:
    """Return what a run holds that dies now: two mutes."""
    starts = live.context.clock.now()
    until = starts.replace(day=starts.day + 1).isoformat()
    return live.take(
        MuteNewRelic(NAME, ("IC-Web1",), starts.isoformat(), until, "America/New_York"),
        MuteAzure(NAME, (live.systems.vm_id("IC-Web1"),), ("IC-Web1",), starts.isoformat(), until),
        step="P2",
    )


def dies(live: Live) -> None:
    change(live.journal, processes=[GONE])


def restore(live: Live, holds: list[HoldRecord], run: str | None = None) -> Outcome:
    return Restore(live.context, live.told.append).give_back(holds, run)


def test_what_a_dead_run_left_is_given_back(live: Live, muted: list[HoldRecord]) -> None:
    assert live.systems.newrelic.find(NAME)
    dies(live)
    outcome = restore(live, muted)
    assert outcome.whole
    assert {hold.state for hold in outcome.reverted} == {"reverted"}
    assert live.systems.newrelic.find(NAME) is None
    assert live.systems.alert_rules.get(NAME) is None
    assert live.journal.holds() == []
    assert lease_records(live.journal) == []  # and the next run need not wait
    assert live.journal.events()[-1].run not in {"", "run-1"}  # it says who did it


def test_a_living_runs_holds_are_its_own(live: Live, muted: list[HoldRecord]) -> None:
    with pytest.raises(LeaseHeld, match="saturday-pre is being run already"):
        restore(live, muted)
    assert live.systems.newrelic.find(NAME)
    assert len(live.journal.holds()) == 2


def test_what_somebody_gave_back_meanwhile_is_not_given_back_again(live: Live, muted: list[HoldRecord]) -> None:
    dies(live)
    assert restore(live, muted).whole
    before = live.requests("DELETE", "actionRules")
    assert restore(live, muted) == Outcome((), ())
    assert live.requests("DELETE", "actionRules") == before


def test_a_guardian_gives_back_under_its_runs_own_lease(
    live: Live, muted: list[HoldRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAINT_LEASE_TOKEN", live.lease.token)
    live.lease.stop()
    assert restore(live, muted, "run-1").whole
    assert live.journal.events()[-1].run == "run-1"


def test_a_guardian_whose_runs_lease_was_taken_over_writes_nothing(
    live: Live, muted: list[HoldRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAINT_LEASE_TOKEN", live.lease.token)
    dies(live)
    take_lease(live.journal, "saturday-pre", "run-2")
    with pytest.raises(LeaseLost):
        restore(live, muted, "run-1")
    assert live.systems.newrelic.find(NAME)
    assert {hold.state for hold in live.journal.holds()} == {"in force"}


def test_the_lease_is_lost_in_the_middle(live: Live, muted: list[HoldRecord], monkeypatch: pytest.MonkeyPatch) -> None:
    dies(live)
    fence = Lease.fence
    calls: list[bool] = []

    def robbed(self: Lease, *, undo: bool = False) -> None:
        calls.append(undo)
        if len(calls) == 3:  # what is taken first is given back last: Azure is done, New Relic is not
            change(live.journal, token="another's")
        fence(self, undo=undo)

    monkeypatch.setattr(Lease, "fence", robbed)
    with pytest.raises(LeaseLost):
        restore(live, muted)
    assert all(calls)  # a restore only ever undoes
    assert live.systems.newrelic.find(NAME)
    assert [hold.kind for hold in live.journal.holds()] == ["mute New Relic"]


@pytest.mark.parametrize("phase", ["saturday-pre", "no such phase"])
def test_without_the_windows_file_things_are_given_back_unannounced(
    live: Live, muted: list[HoldRecord], tmp_path: Path, phase: str
) -> None:
    dies(live)
    root = tmp_path if phase == "saturday-pre" else live.context.root
    holds = [live.journal.adopt(hold, replace(hold, phase=phase)) for hold in muted]
    context = replace(live.context, root=root)
    assert Restore(context, live.told.append).give_back(holds).whole
    assert any("nothing is said in Slack" in line for line in live.told)


def test_a_silent_slack_stops_nothing(live: Live, muted: list[HoldRecord]) -> None:
    dies(live)
    live.fault("slack", "status", status=503)
    assert restore(live, muted).whole


def test_holds_of_several_phases_each_under_its_own_lease(live: Live, muted: list[HoldRecord]) -> None:
    dies(live)
    other = hold_on(
        live.journal, "azure/alert processing rule/other", kind="mute Azure", phase="sunday-pre", run="run-0",
        action=muted[1].action | {"name": "other"}, captured={}, state="in force",
    )  # fmt: skip
    live.journal.intend([other])
    assert len(restore(live, live.journal.holds()).reverted) == 3
    kinds = [event.subject for event in live.journal.events() if event.kind == "lease taken over"]
    assert kinds == ["saturday-pre"]


def test_one_that_cannot_be_given_back_stays_held_and_the_lease_is_free(live: Live, muted: list[HoldRecord]) -> None:
    dies(live)
    live.fault("azure", "status", "actionRules", method="DELETE", status=403)
    began = time.monotonic()
    outcome = restore(live, muted)
    assert time.monotonic() - began < 20
    assert [hold.kind for hold in outcome.left] == ["mute Azure"]
    assert "403" in outcome.left[0].why
    assert lease_records(live.journal) == []
