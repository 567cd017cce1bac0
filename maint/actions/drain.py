"""Takes a web server out of the gateway's pool, and puts it back when it is ready."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar, Self

from maint.errors import DeadlinePassed, MaintError
from maint.holding import READY, Captured, Readiness, Reading, Reversible

if TYPE_CHECKING:
    from maint.systems import Systems
    from maint.systems.azure.gateway import Change
    from maint.systems.azure.gateway_view import GatewayView

log = logging.getLogger(__name__)

WRITE = timedelta(minutes=60)
"""A gateway write takes seconds as a rule, and up to 45 minutes during a platform upgrade."""
HEALTHY = timedelta(minutes=15)
ASSESS = timedelta(minutes=10)


@dataclass(frozen=True)
class Drain(Reversible):
    """One server out of the pool; several at once are one write.

    fleet: the addresses of every server that belongs into the pool. min_healthy, max_out: how many of the fleet must
    stay healthy in it, and how many may be out of it, whoever took them out.
    """

    kind: ClassVar[str] = "drain"

    gateway: str
    pool: str
    server: str
    vm: str
    address: str
    fleet: tuple[str, ...]
    min_healthy: int
    max_out: int

    @property
    def resource(self) -> str:
        """Return the pool's place of this server."""
        return f"{self.gateway}/{self.pool}/{self.server}"

    @property
    def title(self) -> str:
        """Return what is held."""
        return f"{self.server} out of {self.pool}"

    def capture(self, systems: "Systems") -> Captured:
        """Read that the server is in the pool, by which kind, and which patching was its last.

        Raises MaintError when it is not in.
        """
        pool = systems.gateway(self.gateway).read()
        if self.address not in pool.pools.get(self.pool, frozenset()):
            raise MaintError(
                f"{self.server} ({self.address}) is not in {self.pool}, where the window expects it; "
                "somebody took it out, and that is not recorded as normal",
                where=self.gateway,
                next="put it back in the portal, or take it out of the batch in the window file",
            )
        last = systems.vms.view(self.vm).installation
        interface = pool.by_interface[self.pool].get(self.address)
        return {
            "address": self.address,
            "by": "interface" if interface else "address",
            "interface": interface,
            "installation": last.id if last else None,
        }

    def apply(self, systems: "Systems", captured: Captured) -> None:
        """Drain this one server."""
        self.apply_all(systems, [(self, captured)])

    @classmethod
    def apply_all(cls, systems: "Systems", items: Sequence[tuple[Self, Captured]]) -> None:
        """Take the servers out; returns when it is in effect and their connections are gone.

        One write for those that are members by address, one for each that is by its network interface.
        """
        first = items[0][0]
        leaving = {action.address: action.server for action, _ in items}
        gateway = systems.gateway(first.gateway)
        change = gateway.change_members(
            first.pool,
            remove=frozenset(leaving),
            add=frozenset(),
            patience=systems.patience(WRITE),
            check=lambda view: first.check_capacity(systems, view, frozenset(leaving)),
            interfaces=_interfaces(items),
        )
        names = ", ".join(leaving.values())
        if change.put:
            log.info("out of %s: %s (%s)", first.pool, names, _writes(change))
        _wait_for_connections(systems, list(leaving.values()), gateway.read().drain_seconds(first.pool))
        patience = systems.patience(HEALTHY)
        while stayed := [leaving[a] for a in gateway.health(first.pool, patience) if a in leaving]:
            patience.pause(f"the gateway's health to forget {', '.join(stayed)}")
        log.info("drained: %s", names)

    def check_capacity(self, systems: "Systems", view: "GatewayView", leaving: frozenset[str]) -> None:
        """Refuse, by raising MaintError, a write after which too few servers would serve."""
        members = view.pools.get(self.pool, frozenset())
        out = frozenset(self.fleet) - (members - leaving)
        if len(out) > self.max_out:
            raise MaintError(
                f"{len(out)} servers would be out of {self.pool}; the window allows {self.max_out}",
                where=self.gateway,
                next="maint status shows which are out already",
            )
        health = systems.gateway(self.gateway).health(self.pool, systems.patience(HEALTHY))
        healthy = [a for a in (members - leaving) & frozenset(self.fleet) if health.get(a) == "healthy"]
        if len(healthy) < self.min_healthy:
            raise MaintError(
                f"only {len(healthy)} healthy servers would be left in {self.pool}; "
                f"the window asks for {self.min_healthy}",
                where=self.gateway,
                next="bring the unhealthy ones back first",
            )

    def revert(self, systems: "Systems", captured: Captured) -> None:
        """Put this one server back."""
        self.revert_all(systems, [(self, captured)])

    @classmethod
    def revert_all(cls, systems: "Systems", items: Sequence[tuple[Self, Captured]]) -> None:
        """Put the servers back as they were in, beside whoever else is in the pool; returns when they are healthy."""
        first = items[0][0]
        coming = {captured["address"]: action.server for action, captured in items}
        gateway = systems.gateway(first.gateway)
        change = gateway.change_members(
            first.pool,
            remove=frozenset(),
            add=frozenset(coming),
            patience=systems.patience(WRITE),
            check=None,
            interfaces=_interfaces(items),
        )
        if change.put:
            log.info("back in %s: %s (%s)", first.pool, ", ".join(coming.values()), _writes(change))
        patience = systems.patience(HEALTHY)
        while unwell := [
            coming[a] for a, health in gateway.health(first.pool, patience).items()
            if a in coming and health != "healthy"
        ]:  # fmt: skip
            patience.tell(f"waiting until the gateway finds {', '.join(unwell)} healthy")
            patience.pause(f"{', '.join(unwell)} healthy in {first.pool}")

    def state(self, systems: "Systems", captured: Captured) -> Reading:
        """Read whether the server is out of the pool, in it and healthy, or in it and not."""
        gateway = systems.gateway(self.gateway)
        if captured["address"] not in gateway.read().pools.get(self.pool, frozenset()):
            return Reading("in force", f"{self.server} is out of {self.pool}")
        health = gateway.health(self.pool, systems.patience(HEALTHY)).get(captured["address"], "not shown")
        if health != "healthy":
            return Reading("drifted", f"{self.server} is in {self.pool}, but its health is {health}")
        return Reading("normal", f"{self.server} is in {self.pool} and healthy")

    def readiness(self, systems: "Systems", captured: Captured) -> Readiness:
        """Ask the vendor and the server itself whether it may serve again.

        No patching unfinished or failed, no reboot pending, and an answer of its own. A server that is in the pool
        already (the drain never took effect, or somebody put it back) has nothing to wait for.
        """
        if captured["address"] in systems.gateway(self.gateway).read().pools.get(self.pool, frozenset()):
            return READY
        view = systems.vms.view(self.vm)
        if view.installing or view.assessing:
            return Readiness("waiting", f"{self.server} is still being {'patched' if view.installing else 'assessed'}")
        if not view.running:
            return Readiness("waiting", f"{self.server} is not running")
        patched = view.installation is not None and view.installation.id != captured["installation"]
        if patched and view.installation is not None and not view.installation.ok:
            return Readiness("bad", f"{self.server}: its patching failed ({view.installation.words})")
        pending = view.reboot_pending
        if pending or (patched and not view.assessed_since):  # Azure's word is as old as its last assessment
            pending = systems.vms.assess(self.vm, systems.patience(ASSESS)).reboot_pending
        if pending:
            return Readiness("waiting", f"{self.server} has a reboot pending")
        refusal = systems.direct.answers(self.server)
        return Readiness("waiting", refusal) if refusal else Readiness("ready", settled=patched)


def _interfaces(items: Sequence[tuple[Drain, Captured]]) -> dict[str, str]:
    """Return the ip configurations of those that were members by interface; older captures know of none."""
    return {captured["address"]: captured["interface"] for _, captured in items if captured.get("interface")}


def _writes(change: "Change") -> str:
    return "one write" if change.writes == 1 else f"{change.writes} writes"


def _wait_for_connections(systems: "Systems", servers: list[str], drain_seconds: float) -> None:
    """Wait until the drain time is over, or until no server has a connection left where they can be asked."""
    over = systems.clock.now() + timedelta(seconds=drain_seconds)
    patience = systems.patience(timedelta(seconds=drain_seconds) + HEALTHY)
    while systems.clock.now() < over:
        patience.tell(f"draining {', '.join(servers)}: {(over - systems.clock.now()).total_seconds():.0f} s")
        patience.pause("the drain time")
    try:
        while busy := [name for name in servers if systems.direct.connections(name)]:
            patience.tell(f"open connections on {', '.join(busy)}")
            patience.pause(f"open connections on {', '.join(busy)}")
    except DeadlinePassed:
        log.warning("connections still open after the drain time: %s", ", ".join(busy))
