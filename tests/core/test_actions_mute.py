"""Alerts off for a while, and on again: always with an end, whoever meddles."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from maint.actions.mute import MuteAzure, MuteNewRelic
from maint.holding import Reading, Reversible

from .conftest import Live

NAME = "maint 2025-03-23-monthly P2"
SERVERS = ("IC-Web1", "IC-Web2")
HOUR = timedelta(hours=1)

Make = Callable[..., Reversible]


def new_relic(_: Live, starts: datetime, until: datetime) -> Reversible:
    return MuteNewRelic(NAME, SERVERS, starts.isoformat(), until.isoformat(), "America/New_York")


def azure(live: Live, starts: datetime, until: datetime) -> Reversible:
    scopes = tuple(live.systems.vm_id(server) for server in SERVERS)
    return MuteAzure(NAME, scopes, SERVERS, starts.isoformat(), until.isoformat())


@pytest.fixture(params=[new_relic, azure], ids=["New Relic", "Azure"])
def make(request: pytest.FixtureRequest, live: Live) -> Make:
    """Return a function that makes a mute of each kind from now on, for so long."""
    live.post("/clock", speed=1)  # the hours are counted here
    return lambda length=4 * HOUR: request.param(live, live.context.clock.now(), live.context.clock.now() + length)


def rule(live: Live, action: Reversible) -> Any:
    return live.systems.newrelic.find(NAME) if isinstance(action, MuteNewRelic) else live.systems.alert_rules.get(NAME)


def reading(live: Live, action: Reversible) -> Reading:
    return action.state(live.systems, {})


def meddle(live: Live, action: Reversible, **change: object) -> None:
    """Let somebody change the rule."""
    live.edit(f"newrelic/{NAME}" if isinstance(action, MuteNewRelic) else f"azure/actionRules/{NAME}", **change)


def later(live: Live, span: timedelta) -> None:
    live.post("/clock", now=(live.context.clock.now() + span).isoformat())


def test_off_with_an_end_and_on_again(live: Live, make: Make) -> None:
    before, action = live.reversible(), make()
    assert reading(live, action).condition == "normal"
    live.take(action)
    muted = live.reversible()
    assert muted != before
    assert all(server in str(muted) for server in SERVERS)
    found = rule(live, action)
    assert found.until - live.context.clock.now() < 4 * HOUR
    assert found.until - live.context.clock.now() > 4 * HOUR - timedelta(minutes=1)
    assert live.give_back().whole
    assert live.reversible() == before


def test_it_ends_by_itself_and_is_no_longer_in_force(live: Live, make: Make) -> None:
    action = make(HOUR)
    live.take(action)
    later(live, 2 * HOUR)
    assert reading(live, action).condition == "normal"
    assert "has ended by itself" in reading(live, action).words
    assert live.give_back().whole
    assert rule(live, action) is None


def test_an_expired_one_is_made_again_with_its_new_end(live: Live, make: Make) -> None:
    live.take(make(HOUR))
    later(live, 2 * HOUR)
    again = make(4 * HOUR)
    (held,) = live.take(again)
    assert held.state == "in force"
    found = rule(live, again)
    assert found.in_force(live.context.clock.now())
    assert abs(found.until - datetime.fromisoformat(again.plain()["until"])) < timedelta(seconds=1)
    assert live.give_back().whole


def test_one_that_somebody_switched_off_is_switched_on_by_the_next_run(live: Live, make: Make) -> None:
    action = make()
    live.take(action)
    meddle(live, action, enabled=False)
    assert reading(live, action).condition == "drifted"
    assert "somebody disabled" in reading(live, action).words
    live.take(make())
    assert rule(live, action).enabled
    assert live.give_back().whole


@pytest.mark.parametrize("change", [{"enabled": False}, {"deleted": True}])
def test_what_somebody_did_to_it_does_not_keep_it_from_going(live: Live, make: Make, change: dict[str, object]) -> None:
    action = make()
    live.take(action)
    meddle(live, action, **change)
    assert live.give_back().whole
    assert rule(live, action) is None


def test_one_that_a_crash_left_is_used_and_not_doubled(live: Live, make: Make) -> None:
    make(HOUR).apply(live.systems, {})  # and the journal of that run is lost
    action = make()
    live.take(action)
    rules = live.systems.newrelic.list() if isinstance(action, MuteNewRelic) else live.systems.alert_rules.list()
    assert [one.name for one in rules].count(NAME) == 1
    assert rule(live, action).until > live.context.clock.now() + 3 * HOUR
    assert live.give_back().whole


def test_others_rules_stay(live: Live, make: Make) -> None:
    starts = live.context.clock.now()
    azure_rule = MuteAzure(
        "theirs", (live.systems.vm_id("IC-Web9"),), ("IC-Web9",), starts.isoformat(), (starts + HOUR).isoformat()
    )
    azure_rule.apply(live.systems, {})
    before = live.reversible()
    live.take(make())
    assert live.give_back().whole
    assert live.reversible() == before
