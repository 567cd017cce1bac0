"""The twin's virtual machines, spoken to with Azure's own compute client."""

from typing import Any

import httpx
import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError
from azure.mgmt.compute import ComputeManagementClient

GROUP = "rg-payments-prd"


@pytest.fixture(autouse=True)
def _in_a_hurry(world: dict[str, Any], control: httpx.Client) -> None:  # noqa: ARG001 - the fresh world comes first
    """Patch runs last half an hour of the world's time."""
    control.post("/clock", json={"speed": 4000})


EVERYTHING = {"classificationsToInclude": ["Critical", "Security", "UpdateRollUp"]}


def begin(compute: ComputeManagementClient, server: str, **order: Any) -> Any:
    body = {"maximumDuration": "PT2H", "rebootSetting": "IfRequired", "windowsParameters": EVERYTHING, **order}
    return compute.virtual_machines.begin_install_patches(GROUP, server, body)  # type: ignore[call-overload]


def summary(compute: ComputeManagementClient, server: str) -> Any:
    view: Any = compute.virtual_machines.instance_view(GROUP, server)
    return view.patch_status.last_patch_installation_summary


def one_way(control: httpx.Client, server: str) -> Any:
    return control.get("/state", params={"wait": 30}).json()["one_way"]["azure"]["servers"][server]


def test_assess_install_assess(compute: ComputeManagementClient, control: httpx.Client) -> None:
    found = compute.virtual_machines.begin_assess_patches(GROUP, "IC-Web1").result()
    assert (found.status, found.critical_and_security_patch_count, found.other_patch_count) == ("Succeeded", 2, 1)
    pollers = [begin(compute, f"IC-Web{n}") for n in (1, 2)]
    assert summary(compute, "IC-Web1").status == "InProgress"
    results = [p.result() for p in pollers]
    assert {(r.status, r.reboot_status, r.installed_patch_count) for r in results} == {("Succeeded", "Completed", 3)}
    assert summary(compute, "IC-Web1").installation_activity_id == results[0].installation_activity_id
    again = compute.virtual_machines.begin_assess_patches(GROUP, "IC-Web1").result()
    assert again.available_patches == []
    assert not again.reboot_pending
    done = one_way(control, "IC-Web1")
    assert done["installations"] == [{"status": "Succeeded", "installed": 3, "failed": 0}]
    assert one_way(control, "IC-Web3")["installations"] == []


def test_one_operation_at_a_time_on_a_machine(compute: ComputeManagementClient, control: httpx.Client) -> None:
    poller = begin(compute, "IC-Web1")
    for second in (
        lambda: begin(compute, "ic-web1"),
        lambda: compute.virtual_machines.begin_assess_patches(GROUP, "IC-Web1"),
        lambda: compute.virtual_machines.begin_restart(GROUP, "IC-Web1"),
    ):
        with pytest.raises(ResourceExistsError) as conflict:
            second()
        assert conflict.value.error is not None
        assert conflict.value.error.code == "Conflict"
    poller.result()
    assert len(one_way(control, "IC-Web1")["installations"]) == 1


def test_a_failed_installation_succeeds_as_an_operation(
    compute: ComputeManagementClient, control: httpx.Client
) -> None:
    control.post("/faults", json={"match": {"path": "IC-Web2/installPatches"}, "do": "fail", "times": 1})
    result = begin(compute, "IC-Web2").result()
    assert (result.status, result.failed_patch_count, result.installed_patch_count) == ("Failed", 1, 2)
    assert result.error.details[0].code == "PACKAGE_INSTALL_FAILURE"
    assert begin(compute, "IC-Web2").result().status == "Succeeded"
    assert [r["status"] for r in one_way(control, "IC-Web2")["installations"]] == ["Failed", "Succeeded"]


def test_without_a_reboot_one_stays_pending_until_a_restart(compute: ComputeManagementClient) -> None:
    result = begin(compute, "IC-Web3", rebootSetting="Never").result()
    assert (result.status, result.reboot_status) == ("Succeeded", "Required")
    assert compute.virtual_machines.begin_assess_patches(GROUP, "IC-Web3").result().reboot_pending
    compute.virtual_machines.begin_restart(GROUP, "IC-Web3").result()
    assert not compute.virtual_machines.begin_assess_patches(GROUP, "IC-Web3").result().reboot_pending


def test_the_longest_duration_is_kept(compute: ComputeManagementClient) -> None:
    result = begin(compute, "IC-Web4", maximumDuration="PT15M").result()
    assert (result.status, result.maintenance_window_exceeded) == ("CompletedWithWarnings", True)
    assert (result.installed_patch_count, result.pending_patch_count) == (1, 2)
    assert result.reboot_status == "Completed"


def test_only_what_is_asked_for_is_installed(compute: ComputeManagementClient) -> None:
    chosen = {"classificationsToInclude": ["Critical", "Security"], "kbNumbersToExclude": ["KB5054693"]}
    result = begin(compute, "IC-Web5", windowsParameters=chosen).result()
    assert {p.kb_id: p.installation_state for p in result.patches} == {
        "5053596": "Installed",
        "5054693": "Excluded",
        "890830": "NotSelected",
    }


@pytest.mark.parametrize(
    "order",
    [
        {"rebootSetting": "IfNeeded"},
        {"maximumDuration": "2 hours"},
        {"windowsParameters": {"classificationsToInclude": ["All"]}},
    ],
)
def test_a_wrong_order_is_refused(compute: ComputeManagementClient, order: dict[str, Any]) -> None:
    with pytest.raises(HttpResponseError) as refused:
        begin(compute, "IC-Web1", **order)
    assert refused.value.status_code == 400
    assert refused.value.error is not None
    assert refused.value.error.code == "InvalidParameter"


def test_a_poller_resumes_in_another_process(compute: ComputeManagementClient, control: httpx.Client) -> None:
    """What was started before a crash is waited for, not started twice."""
    token = begin(compute, "IC-Web6").continuation_token()
    result = compute.virtual_machines.begin_install_patches(
        GROUP,
        "IC-Web6",
        {},
        continuation_token=token,  # type: ignore[call-overload]
    ).result()
    assert result.status == "Succeeded"
    assert len(one_way(control, "IC-Web6")["installations"]) == 1


def test_what_it_was_not_taught_it_does_not_pretend(compute: ComputeManagementClient) -> None:
    with pytest.raises(HttpResponseError) as refused:
        compute.virtual_machines.begin_deallocate(GROUP, "IC-Web1")
    assert refused.value.status_code == 404
    assert refused.value.error is not None
    assert refused.value.error.code == "InvalidResourceType"


def test_somebody_else_restarts_a_machine(compute: ComputeManagementClient, control: httpx.Client) -> None:
    edit = {"resource": "virtualMachines/IC-Web8", "change": {"reboot_pending": True}}
    assert control.post("/edit", json=edit).status_code == 200
    assert compute.virtual_machines.begin_assess_patches(GROUP, "IC-Web8").result().reboot_pending
    control.post("/clock", json={"speed": 60})
    assert control.post("/edit", json={**edit, "change": {"restart": True}}).status_code == 200
    assert control.post("/edit", json=edit).status_code == 409
    control.post("/clock", json={"speed": 4000})
    assert one_way(control, "IC-Web8")["restarts"] == 1
    assert control.post("/edit", json={**edit, "change": {"explode": True}}).status_code == 400


def test_the_machines_are_listed_and_read(compute: ComputeManagementClient) -> None:
    names = [*(f"IC-Web{n}" for n in range(1, 11)), "IC-DC1"]
    assert [m.name for m in compute.virtual_machines.list(GROUP)] == names
    machine = compute.virtual_machines.get(GROUP, "IC-Web7", expand="instanceView")
    assert [s.code for s in machine.instance_view.statuses] == ["ProvisioningState/succeeded", "PowerState/running"]
    assert machine.instance_view.vm_agent.statuses[0].display_status == "Ready"
