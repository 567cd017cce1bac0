"""The gateway's members come and go, and nobody's change is lost in silence."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from maint.errors import DeadlinePassed, LeaseLost, LostUpdate, Stopped, VendorError
from maint.systems.azure import replacing as module
from maint.systems.azure.gateway import Gateway
from maint.systems.azure.gateway_view import GatewayView
from maint.systems.azure.session import AzureSession
from maint.waiting import Patience

NAME, POOL = "agw-pri-appgateway0-prd", "pool-www"
ALL = frozenset(f"10.0.1.{n}" for n in range(11, 21))
FIVE = frozenset(f"10.0.1.{n}" for n in range(11, 16))
PATH = r"applicationGateways/[^/]+$"


@pytest.fixture
def gateway(azure: Callable[..., AzureSession]) -> Gateway:
    return Gateway(azure(), NAME)


def once(act: Callable[[], None]) -> Callable[[], None]:
    todo = [act]
    return lambda: todo.pop()() if todo else None


def puts(live: Any) -> int:
    return len(live.requests("azure", "PUT"))


def test_a_read_shows_pools_state_and_drain_time(gateway: Gateway) -> None:
    view = gateway.read()
    assert view.pools == {POOL: ALL, "pool-api": frozenset({"10.0.2.30"})}
    assert (view.provisioning_state, view.drain_seconds(POOL)) == ("Succeeded", 60)
    assert view.etag.startswith('W/"')


def test_health_of_each_member(gateway: Gateway, patience: Patience) -> None:
    assert gateway.health(POOL, patience) == dict.fromkeys(ALL, "healthy")


def test_taking_five_out_and_putting_them_back_is_one_write_each(
    live: Any, gateway: Gateway, patience: Patience
) -> None:
    before = live.reversible()
    out = gateway.change_members(POOL, remove=FIVE, patience=patience)
    assert (out.before, out.after, out.put) == (ALL, ALL - FIVE, True)
    assert len(live.reversible()["azure"]["gateway"]["serving"][POOL]) == 5
    back = gateway.change_members(POOL, add=FIVE, patience=patience)
    assert (back.before, back.after) == (ALL - FIVE, ALL)
    assert puts(live) == 2
    assert live.reversible() == before


def test_nothing_to_do_writes_nothing(live: Any, gateway: Gateway, patience: Patience) -> None:
    change = gateway.change_members(POOL, add=FIVE, patience=patience)
    assert (change.before, change.after, change.put) == (ALL, ALL, False)
    assert puts(live) == 0


def test_a_guard_that_refuses_stops_the_write(live: Any, gateway: Gateway, patience: Patience) -> None:
    def refuse(view: GatewayView) -> None:
        raise ValueError(len(view.pools[POOL]))

    with pytest.raises(ValueError, match="10"):
        gateway.change_members(POOL, remove=FIVE, patience=patience, check=refuse)
    assert puts(live) == 0


def test_without_the_lease_nothing_goes_out(live: Any, azure: Any, patience: Patience) -> None:
    def lost() -> None:
        raise LeaseLost("another run took over")

    with pytest.raises(LeaseLost):
        Gateway(azure(before_write=lost), NAME).change_members(POOL, remove=FIVE, patience=patience)
    assert puts(live) == 0


def test_an_unknown_pool_is_refused_with_those_that_exist(gateway: Gateway, patience: Patience) -> None:
    with pytest.raises(VendorError, match="no pool pool-xyz; it has pool-api, pool-www"):
        gateway.change_members("pool-xyz", remove=FIVE, patience=patience)


def test_an_unknown_gateway_is_one_sentence(azure: Any) -> None:
    with pytest.raises(VendorError) as caught:
        Gateway(azure(), "agw-none").read()
    assert (caught.value.status, caught.value.code) == (404, "ResourceNotFound")
    assert "reading the gateway agw-none: Azure answered 404 ResourceNotFound" in str(caught.value)


@pytest.mark.parametrize("busy", ["conflict", "throttle", "supersede"])
@pytest.mark.parametrize("if_match", ["honoured", "ignored"])
def test_a_colleagues_edit_while_the_guards_look_survives(
    live: Any, azure: Any, patience: Patience, busy: str, if_match: str
) -> None:
    live.mode(busy=busy, if_match=if_match)
    edit = once(lambda: live.edit("gateway", add_rule="partner", drain=["IC-Web9"]))
    change = Gateway(azure(before_write=edit), NAME).change_members(POOL, remove=FIVE, patience=patience)
    assert change.after == ALL - FIVE - {"10.0.1.19"}
    found = live.reversible()["azure"]["gateway"]
    assert "partner" in found["rules"]
    assert len(found["serving"][POOL]) == 4


def test_a_busy_gateway_is_tried_again_from_a_fresh_read(
    live: Any, gateway: Gateway, patience: Patience, told: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The edit comes after our last look: only the vendor's refusal tells."""
    live.speed(100)
    nobody: frozenset[str] = frozenset()
    for busy, status, remove, add in (("conflict", "409", FIVE, nobody), ("throttle", "429", nobody, FIVE)):
        live.mode(busy=busy, if_match="ignored")
        edit = once(lambda busy=busy: live.edit("gateway", tags={"owner": busy}))  # type: ignore[misc] # bound now
        monkeypatch.setattr(gateway._writing, "_unmoved", lambda *_, edit=edit: edit())
        change = gateway.change_members(POOL, remove=remove, add=add, patience=patience)
        assert change.before ^ change.after == FIVE
        assert live.reversible()["azure"]["gateway"]["tags"]["owner"] == busy
        assert any(f"answered {status}" in line for line in told)


def test_a_stale_etag_is_refused_by_azure_and_tried_again(
    live: Any, gateway: Gateway, patience: Patience, told: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit = once(lambda: live.edit("gateway", tags={"owner": "network"}))
    monkeypatch.setattr(gateway._writing, "_unmoved", lambda *_: edit())
    gateway.change_members(POOL, remove=FIVE, patience=patience)
    assert live.reversible()["azure"]["gateway"]["tags"]["owner"] == "network"
    assert any("412 PreconditionFailed" in line for line in told)


def test_an_operation_that_is_superseded_is_done_again_on_top(
    live: Any, gateway: Gateway, patience: Patience, told: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    live.mode(busy="supersede")
    live.speed(100)
    session = gateway._session
    edit = once(lambda: live.edit("gateway", tags={"owner": "network"}, put_back=["IC-Web1"]))
    real = session.result

    def result(poller: Any) -> Any:
        edit()
        return real(poller)

    monkeypatch.setattr(session, "result", result)
    gateway.change_members(POOL, remove=FIVE, patience=patience)
    found = live.reversible()["azure"]["gateway"]
    assert (found["tags"]["owner"], len(found["serving"][POOL])) == ("network", 5)
    assert any("Superseded" in line for line in told)


def test_our_change_that_is_overwritten_right_after_is_loud(
    live: Any, gateway: Gateway, patience: Patience, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = gateway._session
    real = session.result

    def result(poller: Any) -> Any:
        found = real(poller)
        live.edit("gateway", put_back=["IC-Web1"])
        return found

    monkeypatch.setattr(session, "result", result)
    with pytest.raises(LostUpdate, match=r"our change was overwritten.*10\.0\.1\.11"):
        gateway.change_members(POOL, remove=FIVE, patience=patience)


def test_a_change_that_ours_overwrote_is_loud(
    live: Any, gateway: Gateway, patience: Patience, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If-Match ignored, and the other write slips in while ours is on its way."""
    monkeypatch.setattr(module, "_WATCH", 0.05)
    live.mode(if_match="ignored", busy="supersede")
    live.fault("slow", system="azure", method="PUT", path=PATH, seconds=0.6)
    colleague = threading.Timer(0.3, lambda: live.edit("gateway", add_rule="partner", drain=["IC-Web9"]))

    def start(*_: object) -> None:
        colleague.start()

    monkeypatch.setattr(gateway._writing, "_unmoved", start)
    with pytest.raises(LostUpdate) as caught:
        gateway.change_members(POOL, remove=FIVE, patience=patience)
    colleague.join()
    assert "overwrote another writer's change" in str(caught.value)
    assert "requestRoutingRules/partner: nothing -> partner" in str(caught.value)
    assert "10.0.1.19" in str(caught.value)


def test_a_later_change_of_others_on_top_of_ours_is_no_loss(
    live: Any, gateway: Gateway, patience: Patience, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = gateway._session
    real = session.result

    def result(poller: Any) -> Any:
        found = real(poller)
        live.edit("gateway", add_rule="partner")
        return found

    monkeypatch.setattr(session, "result", result)
    assert gateway.change_members(POOL, remove=FIVE, patience=patience).after == ALL - FIVE


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("do", [{"do": "reset"}, {"do": "status", "status": 503}, {"do": "hang"}])
def test_a_lost_answer_is_looked_into_before_writing_again(
    live: Any, azure: Any, patience: Patience, when: str, do: dict[str, Any]
) -> None:
    live.fault(**do, system="azure", method="PUT", path=PATH, when=when)
    gateway = Gateway(azure(timeout=0.3), NAME)
    change = gateway.change_members(POOL, remove=FIVE, patience=patience)
    assert (change.before, change.after, change.put) == (ALL, ALL - FIVE, True)
    assert puts(live) == (2 if when == "before" else 1)


def test_reads_and_polls_that_fail_in_passing_do_not_matter(live: Any, gateway: Gateway, patience: Patience) -> None:
    live.fault("status", system="azure", method="GET", path=PATH, status=503)
    live.fault("reset", system="azure", method="GET", path="operations/")
    live.fault("status", system="azure", method="GET", path="operations/", status=500)
    gateway.change_members(POOL, remove=FIVE, patience=patience)
    assert len(live.reversible()["azure"]["gateway"]["serving"][POOL]) == 5
    assert puts(live) == 1


def test_an_operation_that_fails_is_an_error_and_the_next_call_goes_on(
    live: Any, gateway: Gateway, patience: Patience, told: Any
) -> None:
    live.fault("fail", system="azure", method="PUT", path=PATH)
    with pytest.raises(VendorError, match="InternalServerError"):
        gateway.change_members(POOL, remove=FIVE, patience=patience)
    assert gateway.read().provisioning_state == "Failed"
    assert len(live.reversible()["azure"]["gateway"]["serving"][POOL]) == 10
    change = gateway.change_members(POOL, remove=FIVE, patience=patience)
    assert change.put
    assert len(live.reversible()["azure"]["gateway"]["serving"][POOL]) == 5
    assert any("state Failed" in line for line in told)


@pytest.mark.parametrize("status", [403, 404])
def test_an_operation_that_may_not_be_asked_about_is_followed_at_the_gateway(
    live: Any, gateway: Gateway, patience: Patience, status: int
) -> None:
    live.fault("status", system="azure", method="GET", path="operations/", status=status, times=100)
    assert gateway.change_members(POOL, remove=FIVE, patience=patience).after == ALL - FIVE
    assert len(live.reversible()["azure"]["gateway"]["serving"][POOL]) == 5
    assert puts(live) == 1


def test_a_refused_write_is_told_and_not_repeated(live: Any, gateway: Gateway, patience: Patience) -> None:
    live.fault("status", system="azure", method="PUT", path=PATH, status=403)
    with pytest.raises(VendorError) as caught:
        gateway.change_members(POOL, remove=FIVE, patience=patience)
    assert caught.value.status == 403
    assert puts(live) == 1


def test_stop_and_deadline_end_the_waiting(live: Any, gateway: Gateway, patience: Patience) -> None:
    live.fault("status", system="azure", method="GET", path="operations/", status=503, times=500)
    threading.Timer(0.1, patience.stop.set).start()
    since = time.monotonic()
    with pytest.raises(Stopped):
        gateway.change_members(POOL, remove=FIVE, patience=patience)
    assert time.monotonic() - since < 2
    fresh = Patience(time.monotonic() + 0.1, poll=0.02)
    live.fault("status", system="azure", method="GET", path="applicationGateways", status=503, times=50)
    with pytest.raises((DeadlinePassed, VendorError)):
        gateway.change_members(POOL, add=FIVE, patience=fresh)


@pytest.mark.parametrize("busy", ["conflict", "supersede"])
def test_two_at_once_both_get_their_way(live: Any, azure: Any, patience: Patience, busy: str) -> None:
    live.speed(200)
    live.mode(busy=busy)
    gateways = (Gateway(azure(), NAME), Gateway(azure(), NAME))
    halves = (frozenset({"10.0.1.11", "10.0.1.12"}), frozenset({"10.0.1.13"}))
    with ThreadPoolExecutor() as pool:
        out = pool.map(lambda g, half: g.change_members(POOL, remove=half, patience=patience), gateways, halves)
        assert [change.put for change in out] == [True, True]
        assert len(live.reversible()["azure"]["gateway"]["serving"][POOL]) == 7
        back = pool.map(lambda g, half: g.change_members(POOL, add=half, patience=patience), gateways, halves)
        assert [change.put for change in back] == [True, True]
    assert len(live.reversible()["azure"]["gateway"]["serving"][POOL]) == 10
