"""The twin's extensions and diagnostic settings, spoken to with Azure's own compute client."""

from typing import Any

import httpx
import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.core.rest import HttpRequest
from azure.mgmt.compute import ComputeManagementClient

GROUP = "rg-payments-prd"
SUBSCRIPTION = "5c2f4d1e-0000-4000-8000-00000000a1b2"
MACHINE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.Compute/virtualMachines/IC-Web6"
SETTINGS = f"{MACHINE}/providers/Microsoft.Insights/diagnosticSettings"


def one_way(control: httpx.Client) -> Any:
    return control.get("/state", params={"wait": 10}).json()["one_way"]["azure"]["diagnostics"]


def send(compute: ComputeManagementClient, method: str, name: str = "", body: Any = None, version: str = "") -> Any:
    query = {"api-version": version or "2021-05-01-preview"}
    return compute.send_request(HttpRequest(method, SETTINGS + name, params=query, json=body))


def test_an_extension_goes_and_comes_back(compute: ComputeManagementClient, control: httpx.Client) -> None:
    extensions, before = compute.virtual_machine_extensions, one_way(control)
    found = {e.name: e for e in extensions.list(GROUP, "IC-Web1").value or []}
    assert sorted(e.as_dict()["properties"]["type"] for e in found.values()) == [
        "AzureMonitorWindowsAgent",
        "IaaSDiagnostics",
        "newrelic-infra",
    ]
    name = "Microsoft.Insights.VMDiagnosticsSettings"
    extensions.begin_delete(GROUP, "IC-Web1", name).result()
    with pytest.raises(ResourceNotFoundError):
        extensions.get(GROUP, "IC-Web1", name)
    assert one_way(control)["IC-Web1"]["removed"] == [f"extension {name}"]
    extensions.begin_delete(GROUP, "IC-Web1", name).result()
    back = extensions.begin_create_or_update(GROUP, "IC-Web1", name, found[name]).result()
    assert (back.provisioning_state, back.settings) == ("Succeeded", found[name].settings)
    assert one_way(control)["IC-Web1"]["extensions"] == before["IC-Web1"]["extensions"]


def test_one_operation_at_a_time_and_failures(compute: ComputeManagementClient, control: httpx.Client) -> None:
    extensions = compute.virtual_machine_extensions
    control.post("/clock", json={"speed": 20})
    poller = extensions.begin_delete(GROUP, "IC-Web2", "diagnostics")
    with pytest.raises(ResourceExistsError):
        compute.virtual_machines.begin_restart(GROUP, "IC-Web2")
    control.post("/clock", json={"speed": 4000})
    poller.result()
    control.post("/faults", json={"match": {"method": "DELETE"}, "do": "fail", "times": 1})
    with pytest.raises(HttpResponseError, match="could not be removed"):
        extensions.begin_delete(GROUP, "IC-Web4", "diagnostics").result()
    assert extensions.get(GROUP, "IC-Web4", "diagnostics").provisioning_state == "Failed"


def test_a_diagnostic_setting(compute: ComputeManagementClient, control: httpx.Client) -> None:
    found = send(compute, "GET").json()["value"]
    assert [s["name"] for s in found] == ["metrics-to-workspace", "metrics-to-storage"]
    assert send(compute, "DELETE", "/metrics-to-storage").status_code == 200
    assert send(compute, "DELETE", "/metrics-to-storage").status_code == 204
    assert send(compute, "GET", "/metrics-to-storage").status_code == 404
    assert one_way(control)["IC-Web6"] | {"extensions": []} == {
        "extensions": [],
        "settings": ["metrics-to-workspace"],
        "removed": ["setting metrics-to-storage"],
    }
    back = send(compute, "PUT", "/metrics-to-storage", {"properties": found[1]["properties"]})
    assert (back.status_code, back.json()) == (200, found[1])
    assert send(compute, "PUT", "/none", {"properties": {}}).json()["error"]["code"] == "BadRequest"
    assert send(compute, "GET", version="2026-04-01").json()["error"]["code"] == "UnsupportedApiVersion"
