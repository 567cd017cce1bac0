"""The twin's network interfaces, spoken to with Azure's own network client."""

from typing import Any

import httpx
import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.mgmt.network import NetworkManagementClient

GROUP, GATEWAY, CARD = "rg-payments-prd", "agw-pri-appgateway0-prd", "nic-ic-web1"


def reversible(control: httpx.Client) -> Any:
    return control.get("/state", params={"wait": 10}).json()["reversible"]["azure"]


def lay(control: httpx.Client, members: str) -> None:
    control.post("/mode", json={"members": members}).raise_for_status()


def put(network: NetworkManagementClient, card: Any, **options: Any) -> Any:
    return network.network_interfaces.begin_create_or_update(GROUP, CARD, card, **options)


def pools_of(card: Any) -> list[Any]:
    return [c.application_gateway_backend_address_pools for c in card.ip_configurations]


def test_servers_are_in_the_pool_by_address_unless_told_otherwise(
    network: NetworkManagementClient, control: httpx.Client
) -> None:
    first = reversible(control)
    for members, by_address, by_interface in (("mixed", 7, 3), ("interface", 0, 10), ("address", 10, 0)):
        lay(control, members)
        pools = network.application_gateways.get(GROUP, GATEWAY).backend_address_pools or []
        pool = next(p for p in pools if p.name == "pool-www")
        assert len(pool.backend_addresses or []) == by_address
        assert len(pool.backend_ip_configurations or []) == by_interface
        state = reversible(control)["gateway"]
        assert (state["pools"], state["serving"]) == (first["gateway"]["pools"], first["gateway"]["serving"])
        assert len(state["by_interface"]) == by_interface
    assert reversible(control) == first


def test_a_round_trip_keeps_everything(network: NetworkManagementClient, control: httpx.Client) -> None:
    lay(control, "interface")
    before = reversible(control)
    card = network.network_interfaces.get(GROUP, CARD)
    after = put(network, card, headers={"If-Match": card.etag}).result()
    assert after.etag != card.etag
    assert reversible(control) == before
    assert after.properties["edgeTelemetry"] == {"level": "Basic"}
    assert (after.mac_address, after.virtual_machine.id.rsplit("/", 1)[-1]) == ("00-0D-3A-10-00-01", "IC-Web1")
    assert len(list(network.network_interfaces.list(GROUP))) == 11


def test_leaving_the_pool_takes_effect_with_its_operation_and_holds_the_gateway(
    network: NetworkManagementClient, control: httpx.Client, www: httpx.Client
) -> None:
    lay(control, "mixed")
    control.post("/clock", json={"speed": 20})
    card = network.network_interfaces.get(GROUP, CARD)
    assert [bool(p) for p in pools_of(card)] == [True, False]
    card.ip_configurations[0].application_gateway_backend_address_pools = []
    poller = put(network, card)
    gateway = network.application_gateways.get(GROUP, GATEWAY)
    assert gateway.provisioning_state == "Updating"
    state = control.get("/state").json()["reversible"]["azure"]["gateway"]
    assert "IC-Web1" not in state["pools"]["pool-www"]
    assert "IC-Web1" in state["serving"]["pool-www"]
    with pytest.raises(HttpResponseError) as busy:
        network.application_gateways.begin_create_or_update(GROUP, GATEWAY, gateway)
    assert busy.value.error is not None
    assert busy.value.error.code == "AnotherOperationInProgress"
    control.post("/clock", json={"speed": 600})
    assert poller.result().provisioning_state == "Succeeded"
    assert "IC-Web1" not in reversible(control)["gateway"]["serving"]["pool-www"]
    health: Any = network.application_gateways.begin_backend_health(GROUP, GATEWAY).result()
    servers = health.backend_address_pools[0].backend_http_settings_collection[0].servers
    assert sum(1 for s in servers if s.ip_configuration) == 2
    assert www.get("/healthz").status_code == 200


def test_a_stale_etag_and_a_pool_that_is_not_there_are_refused(
    network: NetworkManagementClient, control: httpx.Client
) -> None:
    lay(control, "interface")
    stale = network.network_interfaces.get(GROUP, CARD)
    edit = {"resource": f"networkInterfaces/{CARD}", "change": {"tags": {"by": "ops"}}}
    assert control.post("/edit", json=edit).status_code == 200
    reversible(control)
    with pytest.raises(HttpResponseError) as refused:
        put(network, stale, headers={"If-Match": stale.etag})
    assert refused.value.status_code == 412
    card = network.network_interfaces.get(GROUP, CARD)
    card.ip_configurations[0].application_gateway_backend_address_pools = [{"id": "/x/y"}]
    with pytest.raises(HttpResponseError) as refused:
        put(network, card)
    assert refused.value.error is not None
    assert refused.value.error.code == "InvalidResourceReference"
    with pytest.raises(ResourceNotFoundError):
        network.network_interfaces.get(GROUP, "nic-none")


def test_somebody_elses_edit_moves_a_member_as_it_is(control: httpx.Client) -> None:
    lay(control, "mixed")
    before = reversible(control)
    for change in ({"drain": ["IC-Web1", "IC-Web9"]}, {"put_back": ["IC-Web9", "IC-Web1"]}):
        for name in next(iter(change.values())):
            part = {key: [name] for key in change}
            assert control.post("/edit", json={"resource": "gateway", "change": part}).status_code == 200
            reversible(control)
        if "drain" in change:
            assert len(reversible(control)["gateway"]["serving"]["pool-www"]) == 8
            refused = control.post("/mode", json={"members": "address"})
            assert "only while every server is in the pool" in refused.json()["error"]
    assert reversible(control) == before
