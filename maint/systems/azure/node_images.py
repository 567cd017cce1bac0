"""Node images of Kubernetes node pools: which one a pool has, and giving it the latest."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from maint.errors import VendorError
from maint.systems.azure.documents import plain
from maint.waiting import Patience

if TYPE_CHECKING:
    from maint.systems.azure.session import AzureSession

_DONE = frozenset({"Succeeded", "Failed", "Canceled"})
_LOOKS = 5  # how often to look for an upgrade whose start was not answered


@dataclass(frozen=True)
class NodePool:
    """A node pool as Azure sees it now. latest: the node image that it can be upgraded to."""

    cluster: str
    name: str
    image: str
    latest: str
    state: str
    problem: str = ""

    @property
    def up_to_date(self) -> bool:
        """Say whether its nodes have the latest image."""
        return self.image == self.latest and self.state == "Succeeded"

    @property
    def moving(self) -> bool:
        """Say whether an operation is going on on it, whoever started it."""
        return self.state not in _DONE

    @property
    def words(self) -> str:
        """How it is, for a person."""
        return f"{self.cluster}/{self.name}: {self.state}, {self.image}" + (
            f" ({self.problem})" if self.problem else ""
        )


class NodeImages:
    """The node pools of the Kubernetes clusters in the session's resource group."""

    def __init__(self, session: "AzureSession") -> None:
        self._session = session

    def pools(self, cluster: str, patience: Patience | None = None) -> tuple[NodePool, ...]:
        """Return a cluster's node pools. Raises VendorError."""
        pools = self._session.containers.agent_pools
        found = self._session.repeat(
            f"reading the node pools of {cluster}", lambda: list(pools.list(self._session.group, cluster)), patience
        )
        return tuple(self.view(cluster, str(plain(one)["name"]), patience) for one in found)

    def view(self, cluster: str, pool: str, patience: Patience | None = None) -> NodePool:
        """Read how a node pool is, and which image it could have. Raises VendorError."""
        session, what = self._session, f"reading the node pool {cluster}/{pool}"
        pools = session.containers.agent_pools
        raw = plain(session.repeat(what, lambda: pools.get(session.group, cluster, pool), patience))
        profile = plain(session.repeat(what, lambda: pools.get_upgrade_profile(session.group, cluster, pool), patience))
        properties = raw.get("properties") or {}
        image = str(properties.get("nodeImageVersion") or "")
        error = (properties.get("status") or {}).get("provisioningError") or {}
        return NodePool(
            cluster,
            pool,
            image=image,
            latest=str((profile.get("properties") or {}).get("latestNodeImageVersion") or image),
            state=str(properties.get("provisioningState") or ""),
            problem=str(error.get("message") or ""),
        )

    def find(self, cluster: str, pool: str) -> str | None:
        """Return the handle of an upgrade that is going on, whoever started it; None when there is none."""
        now = self.view(cluster, pool)
        return now.latest if now.state == "UpgradingNodeImageVersion" else None

    def start(self, cluster: str, pool: str, patience: Patience) -> str:
        """Start to give a pool's nodes the latest image and return the handle (text) to wait by.

        Waits while another operation holds the cluster. Where the pool is up to date or an upgrade is going on,
        nothing is started. Raises VendorError (with code OutcomeUnknown it may have started, else it did not),
        Stopped, DeadlinePassed.
        """
        from azure.core.exceptions import AzureError  # noqa: PLC0415 - the SDK loads when first used

        from maint.systems.azure.pipeline import StartOnly, passing  # noqa: PLC0415 - imports the SDK

        session, what = self._session, f"starting the node image upgrade of {cluster}/{pool}"
        pools: Any = session.containers.agent_pools
        while True:
            now = self.view(cluster, pool, patience)
            if now.up_to_date or now.state == "UpgradingNodeImageVersion":
                return now.latest
            try:
                pools.begin_upgrade_node_image_version(session.group, cluster, pool, polling=StartOnly())
            except AzureError as error:
                problem = session.problem(error, what)
                if problem.status in {409, 429}:
                    patience.tell(f"{problem.what}; waiting")
                    patience.pause(what, problem.retry_after)
                    continue
                if not passing(error):
                    raise problem from error
                self._look_for(now, problem, patience)
            return now.latest

    def _look_for(self, before: NodePool, problem: VendorError, patience: Patience) -> None:
        """Look for the upgrade whose start was not answered; raises OutcomeUnknown when there is none to see."""
        for _ in range(_LOOKS):
            now = self.view(before.cluster, before.name, patience)
            if now.moving or now.up_to_date:
                return
            patience.pause(f"a sign of the upgrade of {before.cluster}/{before.name}")
        raise VendorError(
            f"{problem.what}; whether it started is not known, and nothing of it is to be seen",
            where=problem.where,
            next="run again: it looks for an upgrade that is going on before it starts one",
            status=problem.status,
            code="OutcomeUnknown",
        ) from problem

    def wait(self, cluster: str, pool: str, handle: str, patience: Patience) -> NodePool:
        """Wait for an upgrade, started by this process or another, and return how the pool is then.

        Raises VendorError when it ended otherwise than with the image that the handle names, Stopped and
        DeadlinePassed; the upgrade goes on in Azure.
        """
        while (now := self.view(cluster, pool, patience)).moving:
            patience.tell(now.words)
            patience.pause(f"the node image upgrade of {cluster}/{pool}")
        if not (now.up_to_date or (now.state == "Succeeded" and now.image == handle)):
            raise VendorError(
                f"the node image upgrade did not come to its end: {now.words}; wanted {handle}",
                where="Azure",
                next=f"look at the node pool {pool} of {cluster} in the portal, then run again",
                code="UpgradeFailed",
            )
        return now
