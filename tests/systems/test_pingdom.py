"""Pingdom: checks are kept quiet until a time, once, however the answers get lost, and never for ever."""

from collections.abc import Callable
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from maint.errors import LeaseLost, VendorError
from maint.systems.pingdom import Pingdom

NAME = "maint 2025-04-27 D2a"
UNTIL = datetime.fromisoformat("2025-03-27T12:00:00-04:00")
BOTH = (6801001, 6801002)


def client(
    live: Any, before_write: Callable[[], None] = lambda: None, key: str = "pingdom-rehearsal", timeout: float = 5.0
) -> Pingdom:
    settings: Any = SimpleNamespace(url=f"{live.url}/pingdom/api/3.1", token="PINGDOM_API_TOKEN")

    def now() -> datetime:
        return datetime.fromisoformat(live.now())

    return Pingdom(settings, secret=lambda _: key, ca=live.ca, before_write=before_write, now=now, timeout=timeout)


@pytest.fixture
def pingdom(live: Any) -> Pingdom:
    live.speed(1)
    return client(live)


def ours(pingdom: Pingdom) -> list[int]:
    return [window.id for window in pingdom.list() if window.description == NAME]


def in_force(live: Any) -> Any:
    return live.reversible()["pingdom"]["maintenance windows in force"]


def test_begin_find_end(live: Any, pingdom: Pingdom) -> None:
    before = live.reversible()
    assert pingdom.check_ids(["www", "my"]) == dict(zip(("www", "my"), BOTH, strict=True))
    assert pingdom.find(NAME) is None
    identity = pingdom.begin(NAME, BOTH, UNTIL)
    found = pingdom.find(NAME)
    assert found
    assert (found.id, found.checks, found.until) == (identity, frozenset(BOTH), UNTIL)
    assert (found.in_force(UNTIL - timedelta(hours=1)), found.in_force(UNTIL)) == (True, False)
    assert in_force(live) == [f"{NAME}: www, my"]
    pingdom.end(identity)
    pingdom.end(identity)
    assert pingdom.find(NAME) is None
    assert live.requests("pingdom", "DELETE") == [], "what is active cannot be deleted, only ended"
    assert live.reversible() == before


def test_it_ends_by_itself(live: Any, pingdom: Pingdom) -> None:
    identity = pingdom.begin(NAME, BOTH, UNTIL)
    live._post("/clock", {"now": UNTIL.isoformat()})
    assert pingdom.find(NAME) is None
    assert in_force(live) == []
    pingdom.end(identity)
    assert live.requests("pingdom", "PUT") == []
    again = pingdom.begin(NAME, BOTH, UNTIL + timedelta(days=1))
    assert again != identity
    found = pingdom.find(NAME)
    assert found
    assert found.id == again, "an ended window of the same name is not taken for ours"


def test_one_that_has_not_begun_is_removed(live: Any, pingdom: Pingdom) -> None:
    later = {"from": int(UNTIL.timestamp()), "to": int(UNTIL.timestamp()) + 3600, "uptimeids": [BOTH[0]]}
    live.edit(f"pingdom/{NAME}", **later)
    assert pingdom.find(NAME) is None
    pingdom.end(ours(pingdom)[0])
    assert ours(pingdom) == []
    pingdom.end(999)


def test_one_that_has_begun_by_the_vendors_clock_is_ended(live: Any, pingdom: Pingdom) -> None:
    identity = pingdom.begin(NAME, BOTH, UNTIL)
    behind = datetime.fromisoformat(live.now()) - timedelta(minutes=1)
    pingdom._now = lambda: behind
    found = pingdom.find(NAME)
    assert found, "a clock that is a minute behind still finds it"
    pingdom.end(identity)
    assert in_force(live) == []


@pytest.mark.parametrize("do", [{"do": "reset"}, {"do": "status", "status": 502}, {"do": "hang"}])
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_answer_that_is_lost_makes_no_second_window(live: Any, do: dict[str, Any], when: str) -> None:
    live.speed(1)
    pingdom = client(live, timeout=0.3)
    live.fault(**do, system="pingdom", method="POST", when=when)
    identity = pingdom.begin(NAME, BOTH, UNTIL)
    assert ours(pingdom) == [identity]
    live.fault(**do, system="pingdom", method="PUT", when=when)
    pingdom.end(identity)
    assert in_force(live) == []


def test_what_was_accepted_and_is_not_there_is_an_error(live: Any, pingdom: Pingdom) -> None:
    body = {"maintenance": {"id": 777}}
    live.fault("status", system="pingdom", method="POST", status=200, body=body)
    with pytest.raises(VendorError, match="it was accepted, but reads back as nothing"):
        pingdom.begin(NAME, BOTH, UNTIL)
    identity = pingdom.begin(NAME, BOTH, UNTIL)
    done = {"message": "Maintenance window successfully modified!"}
    live.fault("status", system="pingdom", method="PUT", status=200, body=done)
    with pytest.raises(VendorError, match="it was accepted, but the window still ends at 2025-03-27 16:00 UTC"):
        pingdom.end(identity)


def test_unknown_checks_are_named_all_at_once(pingdom: Pingdom) -> None:
    with pytest.raises(VendorError, match="there is no check portal, pay; there are: api, marketing, my") as caught:
        pingdom.check_ids(["www", "portal", "pay"])
    assert "window file" in str(caught.value)
    with pytest.raises(VendorError, match="no check was named"):
        pingdom.begin(NAME, (), UNTIL)


def test_refusals_are_one_sentence_in_the_vendors_words(live: Any, pingdom: Pingdom) -> None:
    with pytest.raises(VendorError) as caught:
        pingdom.begin(NAME, BOTH, datetime.fromisoformat("2025-03-01T12:00:00-05:00"))
    assert str(caught.value) == (
        f"Pingdom: beginning maintenance '{NAME}': answered 400: Invalid parameter value: to (only future allowed)."
    )
    assert len(live.requests("pingdom", "POST")) == 1
    with pytest.raises(VendorError, match="listing the maintenance windows: answered 401: Invalid access token"):
        client(live, key="wrong").list()
    live.fault("status", system="pingdom", status=200, body={"checks": None})
    with pytest.raises(VendorError, match="looking for the checks: answered without 'checks'"):
        pingdom.check_ids(["www"])


def test_without_the_lease_nothing_begins_or_ends(live: Any, pingdom: Pingdom) -> None:
    identity = pingdom.begin(NAME, BOTH, UNTIL)

    def lost() -> None:
        raise LeaseLost("another run took over")

    fenced = client(live, lost)
    with pytest.raises(LeaseLost):
        fenced.begin(NAME, BOTH, UNTIL)
    with pytest.raises(LeaseLost):
        fenced.end(identity)
    assert len(ours(pingdom)) == len(in_force(live)) == 1
    assert live.requests("pingdom", "PUT") == []
