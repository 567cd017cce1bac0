"""The twin's application gateway, spoken to with Azure's own network client."""

import time
from typing import Any

import httpx
import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.mgmt.network import NetworkManagementClient
from azure.mgmt.network.models import ApplicationGateway

GROUP, GATEWAY = "rg-payments-prd", "agw-pri-appgateway0-prd"


def pool_of(gateway: ApplicationGateway, name: str = "pool-www") -> Any:
    return next(p for p in gateway.backend_address_pools or [] if p.name == name)


def without(gateway: ApplicationGateway, *addresses: str) -> ApplicationGateway:
    pool = pool_of(gateway)
    pool.backend_addresses = [a for a in pool.backend_addresses if a.ip_address not in addresses]
    return gateway


def put(network: NetworkManagementClient, gateway: ApplicationGateway, **options: Any) -> Any:
    return network.application_gateways.begin_create_or_update(GROUP, GATEWAY, gateway, **options)


def reversible(control: httpx.Client) -> Any:
    return control.get("/state", params={"wait": 10}).json()["reversible"]["azure"]["gateway"]


def test_a_round_trip_through_the_sdk_changes_nothing(network: NetworkManagementClient, control: httpx.Client) -> None:
    before = reversible(control)
    gateway = network.application_gateways.get(GROUP, GATEWAY)
    assert gateway.provisioning_state == "Succeeded"
    assert [len(p.backend_addresses or []) for p in gateway.backend_address_pools or []] == [10, 1]
    after = put(network, gateway, headers={"If-Match": gateway.etag}).result()
    assert after.etag != gateway.etag
    assert reversible(control) == before
    assert after.properties["edgeRouting"] == {"preference": "Regional", "hopLimit": 3}
    assert after.ssl_certificates[0].public_cert_data


def test_a_put_is_in_effect_only_when_its_operation_has_succeeded(
    network: NetworkManagementClient, control: httpx.Client
) -> None:
    control.post("/clock", json={"speed": 20})
    gateway = without(network.application_gateways.get(GROUP, GATEWAY), "10.0.1.11")
    poller = put(network, gateway)
    accepted = control.get("/state").json()
    assert not accepted["settled"]
    assert accepted["reversible"]["azure"]["gateway"]["provisioning_state"] == "Updating"
    assert "IC-Web1" not in accepted["reversible"]["azure"]["gateway"]["pools"]["pool-www"]
    assert "IC-Web1" in accepted["reversible"]["azure"]["gateway"]["serving"]["pool-www"]
    control.post("/clock", json={"speed": 600})
    assert poller.result().provisioning_state == "Succeeded"
    assert "IC-Web1" not in reversible(control)["serving"]["pool-www"]


def test_what_a_body_leaves_out_is_deleted(network: NetworkManagementClient, control: httpx.Client) -> None:
    gateway = network.application_gateways.get(GROUP, GATEWAY)
    gateway.request_routing_rules = [r for r in gateway.request_routing_rules or [] if r.name == "rule-www"]
    put(network, gateway).result()
    assert reversible(control)["rules"] == ["rule-www"]


def test_a_stale_etag_is_refused_unless_the_mode_says_that_it_is_ignored(
    network: NetworkManagementClient, control: httpx.Client
) -> None:
    stale = network.application_gateways.get(GROUP, GATEWAY)
    network.application_gateways.update_tags(GROUP, GATEWAY, {"tags": {"changed": "by somebody"}})
    with pytest.raises(HttpResponseError) as refused:
        put(network, stale, headers={"If-Match": stale.etag})
    assert refused.value.status_code == 412
    assert refused.value.error is not None
    assert refused.value.error.code == "PreconditionFailed"
    assert refused.value.error.details[0].code == "PreconditionFailedEtagMismatch"
    assert str(stale.etag) in str(refused.value.error.details[0].message)
    control.post("/mode", json={"if_match": "ignored"}).raise_for_status()
    assert put(network, stale, headers={"If-Match": stale.etag}).result().tags == stale.tags


@pytest.mark.parametrize(
    ("busy", "status", "code"),
    [("conflict", 409, "AnotherOperationInProgress"), ("throttle", 429, "RetryableErrorDueToAnotherOperation")],
)
def test_a_busy_gateway_refuses_a_second_write(
    network: NetworkManagementClient, control: httpx.Client, busy: str, status: int, code: str
) -> None:
    control.post("/mode", json={"busy": busy}).raise_for_status()
    control.post("/clock", json={"speed": 20})
    first = put(network, without(network.application_gateways.get(GROUP, GATEWAY), "10.0.1.11"))
    second = network.application_gateways.get(GROUP, GATEWAY)
    assert second.provisioning_state == "Updating"
    with pytest.raises(HttpResponseError) as refused:
        put(network, second, headers={"If-Match": second.etag})
    assert refused.value.status_code == status
    assert isinstance(refused.value, ResourceExistsError) == (status == 409)
    assert refused.value.error is not None
    assert refused.value.error.code == code
    response: Any = refused.value.response
    assert ("retry-after" in response.headers) == (status == 429)
    control.post("/clock", json={"speed": 600})
    first.result()


def test_a_second_write_may_supersede_the_first(network: NetworkManagementClient, control: httpx.Client) -> None:
    control.post("/mode", json={"busy": "supersede"}).raise_for_status()
    control.post("/clock", json={"speed": 20})
    first = put(network, without(network.application_gateways.get(GROUP, GATEWAY), "10.0.1.11"))
    second = put(network, without(network.application_gateways.get(GROUP, GATEWAY), "10.0.1.12"))
    control.post("/clock", json={"speed": 600})
    with pytest.raises(HttpResponseError) as canceled:
        first.result()
    assert canceled.value.error is not None
    assert canceled.value.error.code == "CanceledAndSupersededDueToAnotherOperation"
    second.result()
    assert {"IC-Web1", "IC-Web2"}.isdisjoint(reversible(control)["serving"]["pool-www"])


def test_a_put_that_fails_leaves_the_data_plane_as_it_was(
    network: NetworkManagementClient, control: httpx.Client
) -> None:
    control.post("/faults", json={"match": {"system": "azure", "method": "PUT"}, "do": "fail", "times": 1})
    gateway = without(network.application_gateways.get(GROUP, GATEWAY), "10.0.1.11")
    with pytest.raises(HttpResponseError) as failed:
        put(network, gateway).result()
    assert failed.value.status_code == 200
    state = reversible(control)
    assert state["provisioning_state"] == "Failed"
    assert "IC-Web1" in state["serving"]["pool-www"]
    again = put(network, without(network.application_gateways.get(GROUP, GATEWAY), "10.0.1.11")).result()
    assert again.provisioning_state == "Succeeded"


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        ("backendAddressPools", [], "ApplicationGatewayMissingBackendAddressPools"),
        ("backendAddressPools", [{"name": "other"}], "InvalidResourceReference"),
        ("backendAddressPools", [{"properties": {}}], "InvalidRequestFormat"),
        ("sku", None, "ApplicationGatewaySkuNotSpecified"),
    ],
)
def test_a_body_that_cannot_work_is_refused(
    network: NetworkManagementClient, control: httpx.Client, path: str, value: Any, code: str
) -> None:
    before = reversible(control)
    body = network.application_gateways.get(GROUP, GATEWAY).as_dict()
    body["properties"][path] = value
    with pytest.raises(HttpResponseError) as refused:
        network.application_gateways.begin_create_or_update(GROUP, GATEWAY, body)  # type: ignore[call-overload]
    assert refused.value.status_code == 400
    assert refused.value.error is not None
    assert refused.value.error.code == code
    assert reversible(control) == before


def test_draining_needs_both_of_its_values(network: NetworkManagementClient) -> None:
    body = network.application_gateways.get(GROUP, GATEWAY).as_dict()
    body["properties"]["backendHttpSettingsCollection"][0]["properties"]["connectionDraining"] = {"enabled": True}
    with pytest.raises(HttpResponseError) as refused:
        network.application_gateways.begin_create_or_update(GROUP, GATEWAY, body)  # type: ignore[call-overload]
    assert refused.value.status_code == 400


def test_backend_health_follows_the_probes(network: NetworkManagementClient, control: httpx.Client) -> None:
    def health() -> dict[str, str]:
        found: Any = network.application_gateways.begin_backend_health(GROUP, GATEWAY).result()
        pool = next(p for p in found.backend_address_pools if p.backend_address_pool.id.endswith("pool-www"))
        return {s.address: s.health for s in pool.backend_http_settings_collection[0].servers}

    assert set(health().values()) == {"Healthy"}
    put(network, without(network.application_gateways.get(GROUP, GATEWAY), "10.0.1.11")).result()
    assert len(health()) == 9
    control.post("/faults", json={"match": {"system": "IC-Web2"}, "do": "status", "status": 503})
    deadline = time.monotonic() + 10
    while {a for a, h in health().items() if h == "Unhealthy"} != {"10.0.1.12"}:
        assert time.monotonic() < deadline


def test_somebody_elses_edit_goes_by_the_same_rules(network: NetworkManagementClient, control: httpx.Client) -> None:
    before = network.application_gateways.get(GROUP, GATEWAY)
    control.post("/clock", json={"speed": 20})
    edit = {"resource": "gateway", "change": {"drain": ["IC-Web6"], "add_rule": "reports", "tags": {"by": "ops"}}}
    assert control.post("/edit", json=edit).status_code == 200
    busy = control.post("/edit", json={"resource": "gateway", "change": {"put_back": ["IC-Web6"]}})
    assert (busy.status_code, busy.json()["error"]["code"]) == (409, "AnotherOperationInProgress")
    control.post("/clock", json={"speed": 600})
    state = reversible(control)
    assert "IC-Web6" not in state["serving"]["pool-www"]
    assert state["rules"] == ["reports", "rule-api", "rule-www"]
    assert state["tags"]["by"] == "ops"
    assert network.application_gateways.get(GROUP, GATEWAY).etag != before.etag
    back = {"resource": f"applicationGateways/{GATEWAY}", "change": {"put_back": ["IC-Web6"]}}
    assert control.post("/edit", json=back).status_code == 200
    assert "IC-Web6" in reversible(control)["serving"]["pool-www"]


def test_what_is_not_there_is_answered_as_azure_does(
    network: NetworkManagementClient, world: dict[str, Any], control: httpx.Client
) -> None:
    with pytest.raises(ResourceNotFoundError) as missing:
        network.application_gateways.get(GROUP, "another")
    assert missing.value.error is not None
    assert missing.value.error.code == "ResourceNotFound"
    url = f"{world['url']}/azure/SUBSCRIPTIONS/5C2F4D1E-0000-4000-8000-00000000A1B2/resourcegroups/rg-other"
    asked = {"authorization": "Bearer x"}
    path = "/providers/Microsoft.Network/applicationGateways/x?api-version=2024-05-01"
    assert control.get(url + path).json()["error"]["code"] == "AuthenticationFailed"
    assert control.get(url + path, headers=asked).json()["error"]["code"] == "ResourceGroupNotFound"
    mine = url.replace("rg-other", "RG-PAYMENTS-PRD") + "/providers/microsoft.network"
    assert (
        control.get(f"{mine}/applicationgateways", headers=asked).json()["error"]["code"]
        == "MissingApiVersionParameter"
    )
    found = control.get(f"{mine}/APPLICATIONGATEWAYS/{GATEWAY.upper()}?api-version=2024-05-01", headers=asked)
    assert found.json()["name"] == GATEWAY
    assert {"x-ms-request-id", "x-ms-ratelimit-remaining-subscription-reads", "etag"} <= set(found.headers)
    other = control.get(f"{mine}/loadBalancers/x?api-version=2024-05-01", headers=asked)
    assert (other.status_code, other.json()["error"]["code"]) == (404, "InvalidResourceType")
