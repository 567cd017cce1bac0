"""Patching a server: assessed, started once, waited for from any process, judged by its result."""

import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from maint.errors import LeaseLost, Stopped, VendorError
from maint.systems.azure.session import AzureSession
from maint.systems.azure.vms import Installation, VirtualMachines
from maint.waiting import Patience

VM = "IC-Web1"
HOURS = timedelta(hours=2)
INSTALL = "installPatches"


@pytest.fixture
def vms(azure: Callable[..., AzureSession]) -> VirtualMachines:
    return VirtualMachines(azure())


def runs(live: Any) -> list[Any]:
    found: list[Any] = live.state()["one_way"]["azure"]["servers"][VM]["installations"]
    return found


def test_a_fresh_server_runs_and_was_never_patched(vms: VirtualMachines) -> None:
    view = vms.view(VM)
    assert (view.running, view.agent_ready, view.installing, view.assessing) == (True, True, False, False)
    assert (view.reboot_pending, view.installation, view.assessed_at) == (None, None, None)


def test_assess_install_assess_again(live: Any, vms: VirtualMachines, patience: Patience) -> None:
    before = vms.assess(VM, patience)
    assert before.critical_and_security > 0
    assert len(before.patches) == before.critical_and_security + before.other
    done = vms.wait_install(VM, vms.start_install(VM, maximum=HOURS), patience)
    assert done.ok, done.words
    assert done.installed == len(before.patches)
    assert set(done.kbs) == {f"KB{patch.kb}" for patch in before.patches}
    assert done.words.startswith(f"Succeeded: {done.installed} installed (KB")
    after = vms.assess(VM, patience)
    assert (after.critical_and_security, after.other, after.reboot_pending) == (0, 0, False)
    view = vms.view(VM)
    assert (view.reboot_pending, view.installing) == (False, False)
    assert view.assessed_at
    assert len(runs(live)) == 1


def test_another_process_waits_by_the_token(live: Any, azure: Any, vms: VirtualMachines, patience: Patience) -> None:
    token = vms.start_install(VM, maximum=HOURS)
    done = VirtualMachines(azure()).wait_install(VM, token, patience)
    assert done.ok
    assert done.kbs
    assert len(runs(live)) == 1


def test_without_a_token_the_last_run_is_waited_for(live: Any, vms: VirtualMachines, patience: Patience) -> None:
    live.speed(1)
    vms.start_install(VM, maximum=HOURS)
    live.speed()
    assert vms.wait_install(VM, "", patience).ok
    assert vms.wait_install(VM, "", patience).ok


@pytest.mark.parametrize("broken", ["", "bm90IGEgdG9rZW4="])
def test_a_token_that_nobody_knows_any_more_is_no_obstacle(
    vms: VirtualMachines, patience: Patience, broken: str
) -> None:
    token = json.loads(vms.start_install(VM, maximum=HOURS))
    done = vms.wait_install(VM, json.dumps({**token, "poller": broken}), patience)
    assert done.ok
    assert done.installed > 0


def test_an_operation_that_azure_has_forgotten_is_judged_by_the_server(
    live: Any, vms: VirtualMachines, patience: Patience
) -> None:
    token = vms.start_install(VM, maximum=HOURS)
    live.fault("status", system="azure", method="GET", path="operations/", status=404, times=100)
    assert vms.wait_install(VM, token, patience).ok


def test_polls_that_fail_in_passing_do_not_matter(live: Any, vms: VirtualMachines, patience: Patience) -> None:
    token = vms.start_install(VM, maximum=HOURS)
    live.fault("status", system="azure", method="GET", path="operations/", status=500, times=2)
    live.fault("reset", system="azure", method="GET", path="operations/", times=2)
    assert vms.wait_install(VM, token, patience).ok


def test_a_run_that_is_going_on_is_found(live: Any, vms: VirtualMachines, patience: Patience) -> None:
    live.speed(1)
    assert vms.find_install(VM) is None
    vms.start_install(VM, maximum=HOURS)
    token = vms.find_install(VM)
    assert token
    live.speed()
    assert vms.wait_install(VM, token, patience).ok
    assert vms.find_install(VM) is None


def test_a_failed_patch_comes_with_200_and_is_no_success(live: Any, vms: VirtualMachines, patience: Patience) -> None:
    live.fault("fail", system="azure", method="POST", path=INSTALL)
    done = vms.wait_install(VM, vms.start_install(VM, maximum=HOURS), patience)
    assert not done.ok
    assert done.status == "Failed"
    assert "failed" in done.words


def test_a_restart_that_is_still_needed_is_no_success(vms: VirtualMachines, patience: Patience) -> None:
    done = vms.wait_install(VM, vms.start_install(VM, maximum=HOURS, reboot="Never"), patience)
    assert (done.ok, done.reboot_status) == (False, "Required")
    assert "a restart is still needed" in done.words
    assert vms.assess(VM, patience).reboot_pending


def test_time_that_ran_out_is_no_success(vms: VirtualMachines, patience: Patience) -> None:
    done = vms.wait_install(VM, vms.start_install(VM, maximum=timedelta(minutes=5)), patience)
    assert not done.ok
    assert done.window_exceeded
    assert "time ran out" in done.words


def test_a_start_whose_answer_is_lost_is_found_and_not_made_twice(
    live: Any, vms: VirtualMachines, patience: Patience
) -> None:
    live.fault("reset", system="azure", method="POST", path=INSTALL, when="after")
    token = vms.start_install(VM, maximum=HOURS)
    assert vms.wait_install(VM, token, patience).ok
    assert len(runs(live)) == 1


def test_a_start_that_never_arrived_is_not_called_started(live: Any, vms: VirtualMachines) -> None:
    live.fault("reset", system="azure", method="POST", path=INSTALL)
    with pytest.raises(VendorError, match="whether it started is not known") as caught:
        vms.start_install(VM, maximum=HOURS)
    assert caught.value.code == "OutcomeUnknown"
    assert runs(live) == []


def test_a_throttled_start_is_made_when_its_time_has_come(live: Any, vms: VirtualMachines, patience: Patience) -> None:
    live.fault("status", system="azure", method="POST", path=INSTALL, status=429, times=2)
    assert vms.wait_install(VM, vms.start_install(VM, maximum=HOURS, patience=patience), patience).ok
    assert len(runs(live)) == 1


def test_a_second_start_is_refused_while_one_is_going_on(live: Any, vms: VirtualMachines) -> None:
    live.speed(1)
    vms.start_install(VM, maximum=HOURS)
    with pytest.raises(VendorError) as caught:
        vms.start_install(VM, maximum=HOURS)
    assert caught.value.status == 409
    live.speed()
    assert len(runs(live)) == 1


def test_assessing_waits_for_the_run_that_holds_the_server(
    live: Any, vms: VirtualMachines, patience: Patience, told: Any
) -> None:
    live.speed(500)
    vms.start_install(VM, maximum=HOURS)
    live.speed()
    assert vms.assess(VM, patience).critical_and_security == 0
    assert any("409 Conflict" in line for line in told)


def test_an_assessment_that_failed_is_an_error(live: Any, vms: VirtualMachines, patience: Patience) -> None:
    live.fault("fail", system="azure", method="POST", path="assessPatches")
    with pytest.raises(VendorError, match="ended Failed The assessment failed on the machine"):
        vms.assess(VM, patience)


def test_without_the_lease_nothing_is_started(live: Any, azure: Any) -> None:
    def lost() -> None:
        raise LeaseLost("another run took over")

    with pytest.raises(LeaseLost):
        VirtualMachines(azure(before_write=lost)).start_install(VM, maximum=HOURS)
    assert live.requests("azure", "POST") == []


def test_stop_ends_the_waiting_and_not_the_run(live: Any, vms: VirtualMachines, patience: Patience) -> None:
    live.speed(1)
    token = vms.start_install(VM, maximum=HOURS)
    patience.stop.set()
    with pytest.raises(Stopped):
        vms.wait_install(VM, token, patience)
    live.speed()
    assert vms.wait_install(VM, token, Patience(time.monotonic() + 10, poll=0.02)).ok
    assert len(runs(live)) == 1


@pytest.mark.parametrize(
    ("given", "ok"),
    [
        ({"status": "Succeeded", "installed": 2, "reboot_status": "Completed"}, True),
        ({"status": "Succeeded", "installed": 2, "reboot_status": "Failed"}, False),
        ({"status": "CompletedWithWarnings", "installed": 2}, False),
        ({"status": "Succeeded", "installed": 1, "pending": 1}, False),
        ({"status": "Succeeded", "failed": 1}, False),
        ({"status": "InProgress"}, False),
    ],
)
def test_only_a_clean_result_is_ok(given: dict[str, Any], *, ok: bool) -> None:
    assert Installation(id="x", **given).ok is ok
