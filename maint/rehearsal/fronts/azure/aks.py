"""A Kubernetes cluster's node pools: their node images, and upgrading them one at a time."""

from dataclasses import dataclass
from typing import Any

from starlette.responses import JSONResponse, Response

from maint.rehearsal.clock import WorldClock
from maint.rehearsal.front import History, told_to_fail
from maint.rehearsal.fronts.azure.arm import (
    GROUP_ID,
    LOCATION,
    ArmError,
    Call,
    Operation,
    OperationFailedError,
    Operations,
    not_found,
)

NAMESPACE = "Microsoft.ContainerService"
KIND = f"{NAMESPACE}/managedClusters"
CLUSTER = "aks-prd"
MINUTES = 20.0
IMAGE = "AKSUbuntu-2204gen2containerd-"
BEFORE, LATEST = f"{IMAGE}202502.15.0", f"{IMAGE}202503.13.0"
KUBERNETES = "1.30.9"


@dataclass
class Pool:
    """One node pool: how many nodes, which image they have, and how often it was upgraded."""

    name: str
    mode: str
    nodes: int
    image: str = BEFORE
    state: str = "Succeeded"
    problem: str = ""
    upgrades: int = 0


class NodePools:
    """The one cluster's pools; one operation at a time on the whole cluster."""

    def __init__(self, clock: WorldClock, history: History, operations: Operations) -> None:
        self._clock, self._tell, self._operations = clock, history, operations
        self._pools = {p.name: p for p in (Pool("system", "System", 3), Pool("workloads", "User", 6))}
        self._running: Operation | None = None

    async def every(self, call: Call) -> Response:
        """Answer with the cluster's pools."""
        _check_cluster(call)
        return JSONResponse({"value": [_document(pool) for pool in self._pools.values()]})

    async def get(self, call: Call) -> Response:
        """Answer a read of one pool."""
        return JSONResponse(_document(self._pool(call)))

    async def profile(self, call: Call) -> Response:
        """Answer with what a pool can be upgraded to."""
        pool = self._pool(call)
        return JSONResponse(
            {
                "id": f"{_id(pool)}/upgradeProfiles/default",
                "name": "default",
                "type": f"{KIND}/agentPools/upgradeProfiles",
                "properties": {
                    "kubernetesVersion": KUBERNETES,
                    "osType": "Linux",
                    "latestNodeImageVersion": LATEST,
                    "upgrades": [{"kubernetesVersion": "1.31.5"}],
                },
            }
        )

    async def upgrade(self, call: Call) -> Response:
        """Begin to give a pool's nodes the latest image, one after the other."""
        pool = self._pool(call)
        if self._running and self._running.status == "InProgress":
            raise ArmError(
                409,
                "OperationNotAllowed",
                "Operation is not allowed because there's an in progress upgrade node image version operation on the "
                f"managed cluster {CLUSTER}. Please wait for it to finish before starting a new operation.",
            )
        work = self._upgrade(pool, fail=told_to_fail(call.request))
        operation = self._running = self._operations.start(NAMESPACE, work)
        pool.state, pool.problem = "UpgradingNodeImageVersion", ""
        self._tell(f"the node pool {pool.name} of {CLUSTER} begins to upgrade its node image")
        headers = {
            "Azure-AsyncOperation": f"{call.base}{operation.path('operations')}?api-version={call.version}",
            "Location": f"{call.base}{operation.path('operationResults')}?api-version={call.version}",
        }
        return JSONResponse(_document(pool), status_code=202, headers=headers)

    async def _upgrade(self, pool: Pool, *, fail: bool) -> None:
        await self._clock.sleep(0.0 if pool.image == LATEST else MINUTES * 60)
        if fail:
            pool.state, pool.problem = "Failed", "Drain of a node failed: too many pods cannot be evicted."
            self._tell(f"the node pool {pool.name} of {CLUSTER} was not upgraded")
            raise OperationFailedError("PodDrainFailure", pool.problem)
        pool.upgrades += pool.image != LATEST
        pool.image, pool.state = LATEST, "Succeeded"
        self._tell(f"the node pool {pool.name} of {CLUSTER} has {LATEST}")

    def _pool(self, call: Call) -> Pool:
        _check_cluster(call)
        pool = self._pools.get(call.names["pool"].lower())
        if pool is None:
            raise ArmError(404, "NotFound", f"Could not find the agentpool: {call.names['pool']}.")
        return pool

    def one_way(self) -> dict[str, Any]:
        """Return each pool's image, and how often it was upgraded."""
        return {p.name: {"image": p.image, "upgrades": p.upgrades} for p in self._pools.values()}


def _check_cluster(call: Call) -> None:
    if call.names["cluster"].lower() != CLUSTER:
        raise not_found(KIND, call.names["cluster"])


def _id(pool: Pool) -> str:
    return f"{GROUP_ID}/providers/{KIND}/{CLUSTER}/agentPools/{pool.name}"


def _document(pool: Pool) -> dict[str, Any]:
    status = {"provisioningError": {"code": "PodDrainFailure", "message": pool.problem}} if pool.problem else {}
    return {
        "id": _id(pool),
        "name": pool.name,
        "type": f"{KIND}/agentPools",
        "properties": {
            "count": pool.nodes,
            "vmSize": "Standard_D8s_v5",
            "osType": "Linux",
            "osSKU": "Ubuntu",
            "mode": pool.mode,
            "type": "VirtualMachineScaleSets",
            "orchestratorVersion": KUBERNETES,
            "currentOrchestratorVersion": KUBERNETES,
            "nodeImageVersion": pool.image,
            "upgradeSettings": {"maxSurge": "33%", "drainTimeoutInMinutes": 30},
            "provisioningState": pool.state,
            "powerState": {"code": "Running"},
            "availabilityZones": ["1", "2", "3"],
            "tags": {"location": LOCATION},
            **({"status": status} if status else {}),
        },
    }
