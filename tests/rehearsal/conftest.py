"""The vendor's own Azure clients, aimed at the shared twin."""

import time
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.mgmt.alertprocessingrules import AlertProcessingRulesMgmtClient
from azure.mgmt.compute import ComputeManagementClient
from azure.mgmt.containerservice import ContainerServiceClient
from azure.mgmt.network import NetworkManagementClient

SUBSCRIPTION = "5c2f4d1e-0000-4000-8000-00000000a1b2"


class Credential:
    """A token that is as good as any other to the twin."""

    def get_token(self, *_scopes: str, **_options: Any) -> AccessToken:
        return AccessToken("rehearsal", int(time.time()) + 3600)


def _options(world: dict[str, Any]) -> dict[str, Any]:
    return {
        "base_url": f"{world['url']}/azure",
        "connection_verify": world["ca"],
        "polling_interval": 0.05,
        "retry_total": 0,
    }


@pytest.fixture
def network(world: dict[str, Any]) -> NetworkManagementClient:
    """Return the network SDK on a fresh world."""
    return NetworkManagementClient(Credential(), SUBSCRIPTION, **_options(world))


@pytest.fixture
def compute(world: dict[str, Any]) -> ComputeManagementClient:
    """Return the compute SDK on a fresh world."""
    return ComputeManagementClient(Credential(), SUBSCRIPTION, **_options(world))


@pytest.fixture
def alerts(world: dict[str, Any]) -> AlertProcessingRulesMgmtClient:
    """Return the alert processing rules SDK on a fresh world."""
    return AlertProcessingRulesMgmtClient(Credential(), SUBSCRIPTION, **_options(world))


@pytest.fixture
def containers(world: dict[str, Any]) -> ContainerServiceClient:
    """Return the Kubernetes clusters' SDK on a fresh world."""
    return ContainerServiceClient(Credential(), SUBSCRIPTION, **_options(world))
