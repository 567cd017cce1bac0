"""Alert processing rules: muted until a time, in UTC, however often it is said."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from maint.errors import LeaseLost, VendorError
from maint.systems.azure.alert_rules import AlertRules
from maint.systems.azure.session import AzureSession

NAME = "maint-2025-03-23-saturday"
ZONE = ZoneInfo("America/New_York")
STARTS = datetime(2025, 3, 17, 7, tzinfo=ZONE)
UNTIL = datetime(2025, 3, 22, 20, tzinfo=ZONE)


@pytest.fixture
def session(azure: Callable[..., AzureSession]) -> AzureSession:
    return azure()


@pytest.fixture
def rules(session: AzureSession) -> AlertRules:
    return AlertRules(session)


def put(rules: AlertRules, session: AzureSession, until: datetime = UNTIL) -> tuple[str, ...]:
    scopes = tuple(session.resource_id("Microsoft.Compute/virtualMachines", f"IC-Web{n}") for n in (1, 2))
    rules.put(NAME, scopes, starts=STARTS, until=until, description="patching")
    return scopes


def test_put_get_delete(live: Any, rules: AlertRules, session: AzureSession) -> None:
    before = live.reversible()
    assert rules.get(NAME) is None
    scopes = put(rules, session)
    rule = rules.get(NAME)
    assert rule
    assert (rule.scopes, rule.starts, rule.until, rule.enabled) == (scopes, STARTS, UNTIL, True)
    assert (rule.in_force(STARTS), rule.in_force(UNTIL - timedelta(seconds=1)), rule.in_force(UNTIL)) == (
        True,
        True,
        False,
    )
    assert rules.list() == (rule,)
    assert live.reversible() != before
    rules.delete(NAME)
    rules.delete(NAME)
    assert rules.get(NAME) is None
    assert live.reversible() == before


def test_putting_again_moves_the_end(rules: AlertRules, session: AzureSession) -> None:
    put(rules, session)
    put(rules, session, UNTIL + timedelta(hours=1))
    (rule,) = rules.list()
    assert rule.until == (UNTIL + timedelta(hours=1)).astimezone(UTC)


def test_what_fails_in_passing_is_said_again(live: Any, rules: AlertRules, session: AzureSession) -> None:
    live.fault("reset", system="azure", method="PUT", path="actionRules", when="after")
    live.fault("status", system="azure", method="PUT", path="actionRules", status=503, skip=1)
    put(rules, session)
    live.fault("reset", system="azure", method="DELETE", path="actionRules", when="after")
    rules.delete(NAME)
    assert rules.list() == ()


def test_a_scope_of_another_subscription_is_refused_in_one_sentence(rules: AlertRules) -> None:
    with pytest.raises(VendorError, match=f"writing the alert processing rule {NAME}: Azure answered 400") as caught:
        rules.put(NAME, ("/subscriptions/other/x",), starts=STARTS, until=UNTIL, description="")
    assert caught.value.status == 400


def test_without_the_lease_nothing_is_muted_or_unmuted(live: Any, azure: Any) -> None:
    def lost() -> None:
        raise LeaseLost("another run took over")

    session = azure(before_write=lost)
    with pytest.raises(LeaseLost):
        put(AlertRules(session), session)
    with pytest.raises(LeaseLost):
        AlertRules(session).delete(NAME)
    assert live.requests("azure", "PUT") + live.requests("azure", "DELETE") == []
