"""The twin's node pools, spoken to with Azure's own client for Kubernetes clusters."""

import httpx
import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.mgmt.containerservice import ContainerServiceClient

AT = ("rg-payments-prd", "aks-prd")


def one_way(control: httpx.Client) -> dict[str, object]:
    found = control.get("/state", params={"wait": 10}).json()["one_way"]["azure"]["node_images"]
    return {name: pool["upgrades"] for name, pool in found.items()}


def test_a_pool_gets_the_latest_image_once(containers: ContainerServiceClient, control: httpx.Client) -> None:
    pools = containers.agent_pools
    assert [p.name for p in pools.list(*AT)] == ["system", "workloads"]
    before = pools.get(*AT, "system")
    profile = pools.get_upgrade_profile(*AT, "system")
    assert profile.properties
    latest = profile.properties.latest_node_image_version
    assert before.properties
    assert before.properties.node_image_version != latest
    control.post("/clock", json={"speed": 200})
    poller = pools.begin_upgrade_node_image_version(*AT, "system")
    now = pools.get(*AT, "system")
    assert now.properties
    assert now.properties.provisioning_state == "UpgradingNodeImageVersion"
    with pytest.raises(ResourceExistsError) as busy:
        pools.begin_upgrade_node_image_version(*AT, "workloads")
    assert busy.value.error is not None
    assert busy.value.error.code == "OperationNotAllowed"
    control.post("/clock", json={"speed": 20000})
    poller.result()
    pools.begin_upgrade_node_image_version(*AT, "system").result()
    now = pools.get(*AT, "system")
    assert now.properties
    assert (now.properties.node_image_version, now.properties.provisioning_state) == (latest, "Succeeded")
    assert one_way(control) == {"system": 1, "workloads": 0}


def test_an_upgrade_that_fails(containers: ContainerServiceClient, control: httpx.Client) -> None:
    control.post("/clock", json={"speed": 20000})
    control.post("/faults", json={"match": {"path": "upgradeNodeImageVersion"}, "do": "fail", "times": 1})
    with pytest.raises(HttpResponseError, match="too many pods"):
        containers.agent_pools.begin_upgrade_node_image_version(*AT, "workloads").result()
    pool = containers.agent_pools.get(*AT, "workloads")
    assert pool.properties
    assert pool.properties.provisioning_state == "Failed"
    assert pool.properties.status
    assert pool.properties.status.provisioning_error
    assert one_way(control) == {"system": 0, "workloads": 0}


def test_what_is_not_there(containers: ContainerServiceClient) -> None:
    for cluster, pool in (("aks-prd", "gpu"), ("aks-test", "system")):
        with pytest.raises(ResourceNotFoundError):
            containers.agent_pools.get("rg-payments-prd", cluster, pool)
