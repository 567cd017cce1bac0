"""A node pool gets its image once, whoever is killed in between."""

from typing import Any

import pytest

from maint.errors import DeadlinePassed, VendorError
from maint.systems.azure.node_images import NodeImages
from maint.waiting import Patience

CLUSTER = "aks-prd"


@pytest.fixture
def images(azure: Any) -> NodeImages:
    return NodeImages(azure())


def upgrades(live: Any) -> dict[str, int]:
    return {name: pool["upgrades"] for name, pool in live.state()["one_way"]["azure"]["node_images"].items()}


def test_a_pool_is_upgraded_once(live: Any, images: NodeImages, patience: Patience) -> None:
    assert [(p.name, p.up_to_date, p.moving) for p in images.pools(CLUSTER)] == [
        ("system", False, False),
        ("workloads", False, False),
    ]
    assert images.find(CLUSTER, "system") is None
    live.speed(200)
    handle = images.start(CLUSTER, "system", patience)
    assert (images.find(CLUSTER, "system"), images.start(CLUSTER, "system", patience)) == (handle, handle)
    with pytest.raises(DeadlinePassed):
        images.wait(CLUSTER, "system", handle, patience.within(0.1))
    live.speed()
    done = images.wait(CLUSTER, "system", handle, patience)
    assert (done.image, done.up_to_date) == (handle, True)
    assert images.start(CLUSTER, "system", patience) == handle
    assert images.wait(CLUSTER, "system", handle, patience) == done
    assert upgrades(live) == {"system": 1, "workloads": 0}


def test_another_operation_on_the_cluster_is_waited_for(
    live: Any, images: NodeImages, patience: Patience, told: Any
) -> None:
    live.speed(2000)
    images.start(CLUSTER, "system", patience)
    handle = images.start(CLUSTER, "workloads", patience)
    images.wait(CLUSTER, "workloads", handle, patience)
    assert any("409 OperationNotAllowed" in line for line in told)
    assert upgrades(live) == {"system": 1, "workloads": 1}


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_start_that_is_not_answered_is_looked_for(
    live: Any, images: NodeImages, patience: Patience, when: str
) -> None:
    live.fault("reset", system="azure", method="POST", path="upgradeNodeImageVersion", when=when)
    if when == "before":
        with pytest.raises(VendorError) as caught:
            images.start(CLUSTER, "system", patience)
        assert caught.value.code == "OutcomeUnknown"
    handle = images.start(CLUSTER, "system", patience)
    images.wait(CLUSTER, "system", handle, patience)
    assert upgrades(live) == {"system": 1, "workloads": 0}


def test_an_upgrade_that_fails_is_told_and_can_be_done_again(live: Any, images: NodeImages, patience: Patience) -> None:
    live.fault("fail", system="azure", method="POST", path="upgradeNodeImageVersion")
    handle = images.start(CLUSTER, "system", patience)
    with pytest.raises(VendorError, match="too many pods cannot be evicted"):
        images.wait(CLUSTER, "system", handle, patience)
    images.wait(CLUSTER, "system", images.start(CLUSTER, "system", patience), patience)
    assert upgrades(live)["system"] == 1


def test_a_cluster_that_is_not_there_is_one_sentence(images: NodeImages) -> None:
    with pytest.raises(VendorError, match="reading the node pools of aks-none: Azure answered 404 ResourceNotFound"):
        images.pools("aks-none")
