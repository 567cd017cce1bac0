"""New Relic: hosts are muted until a time, once, however the answers get lost."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from graphql import build_schema, parse, validate

from maint.errors import LeaseLost, VendorError
from maint.systems import newrelic as module
from maint.systems.newrelic import MutingRule, NewRelic

ZONE = ZoneInfo("America/New_York")
HOSTS = ("IC-Web1", "IC-Web2")
STARTS = datetime(2025, 3, 17, 7, tzinfo=ZONE)
UNTIL = datetime(2025, 3, 17, 20, tzinfo=ZONE)
NAME = "maint 2025-03-23 saturday"


def client(
    live: Any, before_write: Callable[[], None] = lambda: None, key: str = "NRAK-rehearsal", timeout: float = 5.0
) -> NewRelic:
    settings: Any = SimpleNamespace(url=f"{live.url}/newrelic/graphql", account=1234567, key="NEW_RELIC_USER_KEY")
    return NewRelic(settings, secret=lambda _: key, ca=live.ca, before_write=before_write, timeout=timeout)


@pytest.fixture
def newrelic(live: Any) -> NewRelic:
    return client(live)


def mute(newrelic: NewRelic) -> str:
    return newrelic.mute(NAME, HOSTS, starts=STARTS, until=UNTIL, zone=ZONE, description="patching")


def rules(newrelic: NewRelic) -> list[MutingRule]:
    return [rule for rule in newrelic.list() if rule.name == NAME]


def test_mute_find_move_the_end_unmute(live: Any, newrelic: NewRelic) -> None:
    before = live.reversible()
    assert newrelic.find(NAME) is None
    identity = mute(newrelic)
    rule = newrelic.find(NAME)
    assert rule
    assert (rule.id, rule.hosts, rule.starts, rule.until) == (identity, frozenset(HOSTS), STARTS, UNTIL)
    assert (rule.zone, rule.in_force(STARTS), rule.in_force(UNTIL)) == ("America/New_York", True, False)
    assert live.reversible() != before
    newrelic.update(identity, until=UNTIL + timedelta(hours=1))
    newrelic.update(identity, until=UNTIL + timedelta(hours=1))
    moved = newrelic.find(NAME)
    assert moved
    assert (moved.starts, moved.until) == (STARTS, UNTIL + timedelta(hours=1))
    newrelic.unmute(identity)
    newrelic.unmute(identity)
    assert newrelic.find(NAME) is None
    assert live.reversible() == before


@pytest.mark.parametrize("do", [{"do": "reset"}, {"do": "status", "status": 502}, {"do": "hang"}])
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_answer_that_is_lost_makes_no_second_rule(live: Any, do: dict[str, Any], when: str) -> None:
    live.fault(**do, system="newrelic", when=when)
    newrelic = client(live, timeout=0.3)
    identity = mute(newrelic)
    assert [rule.id for rule in rules(newrelic)] == [identity]


def test_the_queries_fit_the_vendors_schema(specs: Path) -> None:
    schema = build_schema((specs / "newrelic" / "muting-rules.derived.graphql").read_text())
    for query in (module._LIST, module._CREATE, module._UPDATE, module._DELETE):
        assert validate(schema, parse(query)) == []


def test_an_error_with_200_is_an_error(live: Any, newrelic: NewRelic) -> None:
    body = {"data": None, "errors": [{"message": "no such account", "extensions": {"errorClass": "BAD_USER_INPUT"}}]}
    live.fault("status", system="newrelic", status=200, body=body)
    with pytest.raises(
        VendorError, match="muting IC-Web1, IC-Web2: answered BAD_USER_INPUT: no such account"
    ) as caught:
        mute(newrelic)
    assert caught.value.code == "BAD_USER_INPUT"
    assert len(live.requests("newrelic")) == 1


def test_an_account_that_may_not_be_seen_is_one_sentence(live: Any, newrelic: NewRelic) -> None:
    live.fault("status", system="newrelic", status=200, body={"data": {"actor": {"account": None}}})
    with pytest.raises(VendorError, match="listing the muting rules: answered without 'account'"):
        newrelic.list()


def test_a_retryable_error_with_200_is_tried_again(live: Any, newrelic: NewRelic) -> None:
    body = {"data": None, "errors": [{"message": "later", "extensions": {"errorClass": "TOO_MANY_REQUESTS"}}]}
    live.fault("status", system="newrelic", status=200, body=body, times=2)
    mute(newrelic)
    assert len(rules(newrelic)) == 1


def test_a_refused_key_is_one_sentence(live: Any) -> None:
    with pytest.raises(VendorError) as caught:
        client(live, key="wrong").list()
    assert str(caught.value).startswith("New Relic: listing the muting rules: answered ")
    assert "replace the secret" in str(caught.value)


def test_a_rule_that_is_gone_cannot_be_moved(newrelic: NewRelic) -> None:
    with pytest.raises(VendorError, match="there is no such rule"):
        newrelic.update("999", until=UNTIL)


def test_without_the_lease_nothing_is_muted_or_unmuted(live: Any) -> None:
    identity = mute(client(live))

    def lost() -> None:
        raise LeaseLost("another run took over")

    fenced = client(live, lost)
    with pytest.raises(LeaseLost):
        mute(fenced)
    with pytest.raises(LeaseLost):
        fenced.unmute(identity)
    with pytest.raises(LeaseLost):
        fenced.update(identity, until=UNTIL)
    assert len(rules(fenced)) == 1
