"""Servers out of the pool and back: what is refused, what is waited for, and what becomes of others' changes."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from maint.actions.drain import Drain
from maint.errors import LeaseLost, MaintError, Stopped
from maint.holding import Readiness
from maint.systems.azure.gateway import Gateway

from .conftest import Live
from .test_lease import change

HOUR = timedelta(hours=1)
GATEWAY, POOL = "agw-pri-appgateway0-prd", "pool-www"
FLEET = tuple(f"10.0.1.{10 + n}" for n in range(1, 11))
ALL = [f"IC-Web{n}" for n in range(1, 11)]


def drain(number: int, *, min_healthy: int = 5, max_out: int = 5) -> Drain:
    name = f"IC-Web{number}"
    return Drain(GATEWAY, POOL, name, name, FLEET[number - 1], FLEET, min_healthy, max_out)


def puts(live: Live) -> int:
    return len(live.requests("PUT", "applicationGateways"))


def test_out_and_back_is_one_write_each_way(live: Live) -> None:
    before = live.reversible()
    held = live.take(drain(1), drain(2))
    assert live.members() == ALL[2:]
    assert live.reversible()["azure"]["gateway"]["serving"][POOL] == ALL[2:]  # in effect, not only accepted
    assert [hold.captured["address"] for hold in held] == ["10.0.1.11", "10.0.1.12"]
    assert live.give_back().whole
    assert live.reversible() == before
    assert puts(live) == 2


def test_a_server_that_somebody_took_out_is_not_recorded_as_normal(live: Live) -> None:
    live.edit("gateway", drain=["IC-Web2"])
    with pytest.raises(MaintError, match=r"IC-Web2 \(10\.0\.1\.12\) is not in pool-www, where the window expects it"):
        live.take(drain(1), drain(2))
    assert (puts(live), live.journal.holds()) == (0, [])


def test_no_more_are_out_than_the_window_allows_whoever_took_them(live: Live) -> None:
    live.edit("gateway", drain=["IC-Web9"])
    with pytest.raises(MaintError, match="3 servers would be out of pool-www; the window allows 2"):
        live.take(drain(1, max_out=2), drain(2, max_out=2))
    assert puts(live) == 0
    assert live.give_back().whole  # what was intended is closed
    assert live.members() == [name for name in ALL if name != "IC-Web9"]


def test_no_fewer_stay_healthy_than_the_window_asks_for(live: Live) -> None:
    with pytest.raises(MaintError, match="only 8 healthy servers would be left in pool-www; the window asks for 9"):
        live.take(drain(1, min_healthy=9), drain(2, min_healthy=9))
    assert puts(live) == 0


def test_the_capacity_is_judged_on_what_is_live_at_the_write(live: Live) -> None:
    """A colleague takes a server out while the guards look: together that would be too many."""
    live.fault("azure", "slow", "/backendhealth", method="POST", seconds=0.4, times=1)
    colleague = threading.Timer(0.2, lambda: live.edit("gateway", drain=["IC-Web9"]))
    colleague.start()
    with pytest.raises(MaintError, match="3 servers would be out"):
        live.take(drain(1, max_out=2), drain(2, max_out=2))
    colleague.join()
    assert live.members() == [name for name in ALL if name != "IC-Web9"]


def test_a_gateway_that_others_write_to_as_well(live: Live) -> None:
    live.post("/clock", speed=300)  # a write takes a while: ours meet theirs
    live.edit("gateway", add_rule="partner")
    live.take(drain(1))
    live.edit("gateway", tags={"cost-centre": "4711"})
    assert live.give_back().whole
    gateway = live.reversible()["azure"]["gateway"]
    assert gateway["serving"][POOL] == ALL
    assert "partner" in gateway["rules"]
    assert gateway["tags"]["cost-centre"] == "4711"


@contextmanager
def unnoticed(live: Live, monkeypatch: pytest.MonkeyPatch, **edit: object) -> Iterator[None]:
    """Let a colleague's edit slip in while our write is on its way, on a gateway that ignores If-Match."""
    monkeypatch.setattr("maint.systems.azure.replacing._WATCH", 0.05)
    live.post("/mode", if_match="ignored", busy="supersede")
    live.fault("azure", "slow", "applicationGateways", method="PUT", seconds=0.5, times=1)
    colleague = threading.Timer(0.25, lambda: live.edit("gateway", **edit))
    real = Gateway.change_members

    def begin(self: Gateway, *args: object, **more: object) -> object:
        if not colleague.is_alive():
            colleague.start()
        return real(self, *args, **more)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Gateway, "change_members", begin)
        yield
    colleague.join()


def test_anothers_change_that_our_drain_overwrote_is_loud(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        unnoticed(live, monkeypatch, drain=["IC-Web9"]),
        pytest.raises(MaintError, match=r"our write overwrote another writer's change: .*10\.0\.1\.19"),
    ):
        live.take(drain(1))
    assert [hold.state for hold in live.journal.holds()] == ["intended"]
    assert live.give_back().whole
    assert live.members() == ALL


def test_anothers_change_that_our_give_back_overwrote_is_loud(
    live: Live, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    live.take(drain(1))
    with unnoticed(live, monkeypatch, add_rule="partner"):
        outcome = live.give_back()
    assert "our write overwrote another writer's change: " in caplog.text
    assert live.members() == ALL
    assert not outcome.whole
    assert "partner" in outcome.left[0].why


# when it goes back --------------------------------------------------------------------------------------------------


def readiness(live: Live) -> Readiness:
    (hold,) = live.journal.holds()
    return live.holder().action(hold).readiness(live.systems, hold.captured)


def test_a_server_with_a_reboot_pending_waits_until_it_has_rebooted(live: Live) -> None:
    live.edit("virtualMachines/IC-Web1", reboot_pending=True)
    live.take(drain(1))
    live.systems.vms.assess("IC-Web1", live.systems.patience(1 * HOUR))
    outcome = live.give_back(0.2)
    assert [hold.why for hold in outcome.left] == ["not in time: IC-Web1 has a reboot pending"]
    assert "IC-Web1" not in live.members()
    live.edit("virtualMachines/IC-Web1", restart=True)  # somebody sees to it
    live.state()
    assert live.give_back().whole
    assert live.members() == ALL


def test_a_server_that_is_rebooting_waits(live: Live) -> None:
    live.take(drain(1))
    live.post("/clock", speed=60)
    live.edit("virtualMachines/IC-Web1", restart=True)
    waiting = readiness(live)
    assert waiting.state == "waiting"
    assert waiting.words.startswith("IC-Web1 does not answer for itself")
    live.post("/clock", speed=20_000)
    assert live.give_back().whole


def test_a_server_that_does_not_answer_for_itself_waits(live: Live) -> None:
    live.take(drain(1), drain(2))
    live.fault("IC-Web1", "status", "healthz", status=500)
    outcome = live.give_back(0.3)
    assert [hold.why for hold in outcome.left] == ["not in time: IC-Web1 answers its health page with 500"]
    assert live.members() == ALL[1:]


def test_a_server_that_somebody_put_back_has_nothing_to_wait_for(live: Live) -> None:
    live.take(drain(1))
    live.edit("virtualMachines/IC-Web1", reboot_pending=True)
    live.edit("gateway", put_back=["IC-Web1"])
    live.state()
    assert readiness(live).state == "ready"
    before = puts(live)
    assert live.give_back().whole
    assert puts(live) == before


def test_a_server_that_is_being_patched_waits_and_one_whose_patching_failed_stays(live: Live) -> None:
    live.take(drain(1), drain(2))
    live.fault("azure", "fail", "IC-Web2/installPatches")
    live.post("/clock", speed=600)
    for vm in ("IC-Web1", "IC-Web2"):
        live.systems.vms.start_install(vm, maximum=2 * HOUR)
    first = next(hold for hold in live.journal.holds() if hold.action["server"] == "IC-Web1")
    waiting = live.holder().action(first).readiness(live.systems, first.captured)
    assert (waiting.state, waiting.words) == ("waiting", "IC-Web1 is still being patched")
    live.post("/clock", speed=20_000)
    outcome = live.give_back()
    assert [hold.title for hold in outcome.left] == ["IC-Web2 out of pool-www"]
    assert "IC-Web2: its patching failed (Failed" in outcome.left[0].why
    assert live.members() == [name for name in ALL if name != "IC-Web2"]


# stopping and losing ------------------------------------------------------------------------------------------------


def test_stopped_in_the_middle_of_draining(live: Live) -> None:
    before = live.reversible()
    live.post("/clock", speed=60)  # the drain time is a second
    stopper = threading.Thread(target=stop_when_written, args=(live,))
    stopper.start()
    with pytest.raises(Stopped):
        live.take(drain(1), drain(2))
    stopper.join()
    live.post("/clock", speed=20_000)
    assert live.give_back().whole
    assert live.reversible() == before


def stop_when_written(live: Live) -> None:
    until = time.monotonic() + 10
    while not any("draining" in line for line in live.told):
        assert time.monotonic() < until
        time.sleep(0.01)
    live.lease.stop()


def test_who_lost_the_lease_puts_nothing_back(live: Live) -> None:
    live.take(drain(1))
    change(live.journal, token="another run's")
    with pytest.raises(LeaseLost):
        live.give_back()
    assert live.members() == ALL[1:]
    assert len(live.journal.holds()) == 1


def test_a_run_that_is_stopping_takes_nothing_out(live: Live) -> None:
    live.lease.stop()
    live.lease.stopping.clear()  # this process has not noticed yet
    with pytest.raises(Stopped, match="saturday-pre is stopping"):
        live.take(drain(1))
    assert live.members() == ALL
