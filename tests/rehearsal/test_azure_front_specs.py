"""What the twin's Azure answers, held against Azure's own specifications."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from openapi_core import OpenAPI
from openapi_core.testing import MockRequest, MockResponse

GROUP = "/subscriptions/5c2f4d1e-0000-4000-8000-00000000a1b2/resourceGroups/rg-payments-prd/providers"
GATEWAY = f"{GROUP}/Microsoft.Network/applicationGateways/agw-pri-appgateway0-prd"
MACHINE = f"{GROUP}/Microsoft.Compute/virtualMachines/IC-Web1"
RULE = f"{GROUP}/Microsoft.AlertsManagement/actionRules/march"
POOL = f"{GROUP}/Microsoft.ContainerService/managedClusters/aks-prd/agentPools/system"
NETWORK, COMPUTE, ALERTS, CLUSTERS = (
    ("network-agw-nic-2026-03-01", "2026-03-01"),
    ("compute-patch-runcommand-2026-04-01", "2026-04-01"),
    ("alertprocessingrules-2021-08-08", "2021-08-08"),
    ("aks-agentpool-2026-08-01", "2026-08-01"),
)
Ask = Callable[..., Any]


@pytest.fixture(scope="module")
def published(specs: Path) -> dict[str, OpenAPI]:
    """Return each vendor's description by its file's name."""
    files = {name: specs / "azure" / f"{name}.openapi.json" for name, _ in (NETWORK, COMPUTE, ALERTS, CLUSTERS)}
    return {name: OpenAPI.from_dict(json.loads(file.read_text())) for name, file in files.items()}


@pytest.fixture
def ask(published: dict[str, OpenAPI], world: dict[str, Any], control: httpx.Client) -> Ask:
    """Return a function that asks the twin and holds its answer against the description.

    A long-running answer is followed to its result, which is held against the 200 of the same request.
    """

    def send(of: tuple[str, str], method: str, path: str, body: Any = None) -> Any:
        url = f"{world['url']}/azure{path}"
        query, asked = {"api-version": of[1]}, {"authorization": "Bearer x"}
        answer = control.request(method, url, params=query, json=body, headers=asked)
        hold(of[0], method, path, query, answer)
        deadline = time.monotonic() + 10
        while answer.status_code == 202 and "location" in answer.headers:
            assert time.monotonic() < deadline
            answer = control.get(answer.headers["location"], headers=asked)
            if answer.status_code == 200:
                hold(of[0], method, path, query, answer)
        return answer.json() if answer.content else None

    def hold(name: str, method: str, path: str, query: dict[str, str], answer: httpx.Response) -> None:
        request = MockRequest("https://management.azure.com", method.lower(), path, args=query)
        response = MockResponse(answer.content, status_code=answer.status_code, content_type="application/json")
        if answer.content:
            published[name].validate_response(request, response)

    return send


def test_the_gateway(ask: Ask, control: httpx.Client) -> None:
    document = ask(NETWORK, "GET", GATEWAY)
    ask(NETWORK, "GET", GATEWAY.rsplit("/", 1)[0])
    assert ask(NETWORK, "PUT", GATEWAY, document)["properties"]["provisioningState"] == "Updating"
    control.get("/state", params={"wait": 10})
    ask(NETWORK, "PATCH", GATEWAY, {"tags": {"a": "b"}})
    assert len(ask(NETWORK, "POST", f"{GATEWAY}/backendhealth")["backendAddressPools"]) == 2
    assert ask(NETWORK, "GET", f"{GATEWAY}x")["error"]["code"] == "ResourceNotFound"
    control.post("/clock", json={"speed": 1})
    ask(NETWORK, "PUT", GATEWAY, document)
    assert ask(NETWORK, "PUT", GATEWAY, document)["error"]["code"] == "AnotherOperationInProgress"


def test_a_network_interface(ask: Ask, control: httpx.Client) -> None:
    control.post("/mode", json={"members": "mixed"}).raise_for_status()
    card = ask(NETWORK, "GET", f"{GROUP}/Microsoft.Network/networkInterfaces/nic-ic-web1")
    ask(NETWORK, "GET", f"{GROUP}/Microsoft.Network/networkInterfaces")
    assert ask(NETWORK, "PUT", card["id"], card)["properties"]["provisioningState"] == "Updating"
    ask(NETWORK, "GET", GATEWAY)
    ask(NETWORK, "POST", f"{GATEWAY}/backendhealth")


def test_a_machine(ask: Ask, control: httpx.Client) -> None:
    control.post("/clock", json={"speed": 4000})
    ask(COMPUTE, "GET", MACHINE)
    ask(COMPUTE, "GET", MACHINE.rsplit("/", 1)[0])
    ask(COMPUTE, "GET", f"{MACHINE}/instanceView")
    assert len(ask(COMPUTE, "POST", f"{MACHINE}/assessPatches")["availablePatches"]) == 3
    order = {"rebootSetting": "IfRequired", "windowsParameters": {"classificationsToInclude": ["Security"]}}
    control.post("/faults", json={"match": {"path": "installPatches"}, "do": "fail", "times": 1})
    assert ask(COMPUTE, "POST", f"{MACHINE}/installPatches", order)["failedPatchCount"] == 1
    assert ask(COMPUTE, "POST", f"{MACHINE}/installPatches", order)["installedPatchCount"] == 1
    assert ask(COMPUTE, "GET", f"{MACHINE}/instanceView")["patchStatus"]["lastPatchInstallationSummary"]
    ask(COMPUTE, "POST", f"{MACHINE}/restart")
    assert ask(COMPUTE, "GET", f"{MACHINE}x/instanceView")["error"]["code"] == "ResourceNotFound"


def test_scripts_and_extensions(ask: Ask, control: httpx.Client) -> None:
    control.post("/clock", json={"speed": 4000})
    order = {"commandId": "RunPowerShellScript", "script": ["'x'"], "parameters": [{"name": "a", "value": "b"}]}
    assert ask(COMPUTE, "POST", f"{MACHINE}/runCommand", order)["value"][0]["message"] == "x"
    first, *_ = ask(COMPUTE, "GET", f"{MACHINE}/extensions")["value"]
    ask(COMPUTE, "GET", first["id"])
    ask(COMPUTE, "DELETE", first["id"])
    assert ask(COMPUTE, "PUT", first["id"], first)["properties"]["provisioningState"] == "Creating"
    assert ask(COMPUTE, "PUT", first["id"], {"location": "eastus"})["error"]["code"] == "InvalidParameter"


def test_node_pools(ask: Ask, control: httpx.Client) -> None:
    ask(CLUSTERS, "GET", POOL.rsplit("/", 1)[0])
    ask(CLUSTERS, "GET", POOL)
    ask(CLUSTERS, "GET", f"{POOL}/upgradeProfiles/default")
    control.post("/clock", json={"speed": 20000})
    control.post("/faults", json={"match": {"path": "upgradeNodeImageVersion"}, "do": "fail", "times": 1})
    ask(CLUSTERS, "POST", f"{POOL}/upgradeNodeImageVersion")
    assert ask(CLUSTERS, "GET", POOL)["properties"]["provisioningState"] == "Failed"
    assert ask(CLUSTERS, "GET", f"{POOL}s")["error"]["code"] == "NotFound"


def test_an_alert_processing_rule(ask: Ask) -> None:
    properties = {
        "scopes": [MACHINE],
        "actions": [{"actionType": "RemoveAllActionGroups"}],
        "conditions": [{"field": "Severity", "operator": "Equals", "values": ["Sev1"]}],
        "schedule": {"effectiveUntil": "2025-03-22T21:00:00", "timeZone": "Eastern Standard Time"},
    }
    ask(ALERTS, "PUT", RULE, {"location": "Global", "properties": properties})
    ask(ALERTS, "GET", RULE)
    ask(ALERTS, "GET", RULE.rsplit("/", 1)[0])
    ask(ALERTS, "PATCH", RULE, {"properties": {"enabled": False}})
    ask(ALERTS, "DELETE", RULE)
    assert ask(ALERTS, "GET", RULE)["error"]["code"] == "ResourceNotFound"


def test_links_lead_back_to_the_twin(world: dict[str, Any], control: httpx.Client) -> None:
    asked = {"authorization": "Bearer x"}
    url = f"{world['url']}/azure{MACHINE}/assessPatches?api-version=2026-04-01"
    headers = control.post(url, headers=asked).headers
    for link in (headers["location"], headers["azure-asyncoperation"]):
        assert link.startswith(f"{world['url']}/azure/subscriptions/")
        assert dict(parse_qsl(urlsplit(link).query))["api-version"] == "2026-04-01"
    control.get("/state", params={"wait": 10})
    status = control.get(headers["azure-asyncoperation"], headers=asked).json()
    assert list(status) == ["startTime", "status", "name", "endTime", "properties"]
    assert status["properties"]["output"] == control.get(headers["location"], headers=asked).json()
