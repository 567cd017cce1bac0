"""The ten web servers: patch levels, reboots, settings, and whether each answers."""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from maint.rehearsal.clock import WorldClock
from maint.rehearsal.front import History

FIRST_MINUTES = 2.0
LAST_MINUTES = 1.0
REBOOT_MINUTES = 4.0
WARM_UP_SECONDS = 8.0


@dataclass(frozen=True)
class Patch:
    """One Windows update: kb without its prefix, the vendor's classification and reboot behaviour."""

    kb: str
    name: str
    classification: str
    reboot: str
    published: str


PENDING = (
    Patch(
        "5053596",
        "2025-03 Cumulative Update for Windows Server 2019 (KB5053596)",
        "Critical",
        "AlwaysRequiresReboot",
        "2025-03-11T17:00:00Z",
    ),
    Patch(
        "5054693",
        "2025-03 Security Update for .NET Framework 4.8 (KB5054693)",
        "Security",
        "CanRequestReboot",
        "2025-03-11T17:00:00Z",
    ),
    Patch(
        "890830",
        "Windows Malicious Software Removal Tool x64 - v5.132 (KB890830)",
        "UpdateRollUp",
        "NeverReboots",
        "2025-03-11T17:00:00Z",
    ),
)


@dataclass
class Installation:
    """One patch run on one server: what was asked for and how it went, in the vendor's words.

    changed: how far it has come, so that its parts take their time whatever the world's clock is moved by.
    """

    id: str
    started: datetime
    changed: datetime
    status: str = "InProgress"
    reboot_status: str = "NotNeeded"
    exceeded: bool = False
    states: dict[str, str] = field(default_factory=dict)

    def count(self, state: str) -> int:
        """Return how many patches are in this state."""
        return sum(1 for s in self.states.values() if s == state)


@dataclass(frozen=True)
class Order:
    """What a patch run was asked to do; minutes is the longest that it may take, in world time."""

    wanted: Callable[[Patch], str]
    reboot: str = "IfRequired"
    minutes: float = 240.0
    fail: bool = False


class Server:
    """One Windows web server behind the gateway; every duration is world time."""

    def __init__(self, number: int, clock: WorldClock, history: History) -> None:
        self.number, self.name = number, f"IC-Web{number}"
        self.address, self._clock, self._tell = f"10.0.1.{10 + number}", clock, history
        self.pending: list[Patch] = list(PENDING)
        self.installed: list[str] = []
        self.installation: Installation | None = None
        self.installations: list[Installation] = []
        self.restarts = 0
        self.reboot_pending = self.installing = False
        self.up, self.cold = True, False
        self.down_at: datetime | None = None
        self.up_at: datetime | None = None
        self.served = 0
        self.settings: dict[str, dict[str, Any]] = {
            r"IIS:\AppPools\RESTAPI": {
                "processModel.idleTimeout": "00:20:00",
                "processModel.maxProcesses": 1,
                "queueLength": 1000,
                "managedPipelineMode": "Integrated",
            },
            r"HKLM:\SOFTWARE\InvoiceCloud\Http": {"MaxSocketCount": 96},
        }
        self.recycled: dict[str, int] = {}

    async def reboot(self) -> None:
        """Go down, stay down for some minutes, and come up cold with no reboot pending."""
        self.up, self.down_at = False, self._clock.now()
        self._tell(f"{self.name} went down for a reboot")
        await self._clock.sleep(REBOOT_MINUTES * 60)
        self.up, self.up_at, self.cold, self.reboot_pending = True, self._clock.now(), True, False
        self._tell(f"{self.name} is up again")

    async def warm_up(self) -> None:
        """Make the first visitors after a reboot wait for the sites to load."""
        if self.cold and self.up_at:
            await self._clock.sleep_until(self.up_at + timedelta(seconds=WARM_UP_SECONDS))
            self.cold = False

    def begin(self, order: Order) -> Installation:
        """Record a patch run as begun; `install` then carries it out."""
        now = self._clock.now()
        self.installation = Installation(str(uuid.uuid4()), now, now)
        self.installations.append(self.installation)
        self.installation.states = {p.kb: order.wanted(p) for p in self.pending}
        self.installing = True
        self._tell(f"{self.name} installs {self.installation.count('Pending')} patches")
        return self.installation

    async def install(self, run: Installation, order: Order) -> None:
        """Carry out a patch run: the patches one after the other, then the reboot if one is due."""
        try:
            await self._patch(run, order)
            await self._finish(run, order)
        finally:
            self.installing = False

    async def _patch(self, run: Installation, order: Order) -> None:
        await self._spend(run, FIRST_MINUTES)
        chosen = [p for p in self.pending if run.states[p.kb] == "Pending"]
        for patch in chosen:
            if _left(run, order) < self._minutes_each:
                run.exceeded = True
                return
            await self._spend(run, self._minutes_each)
            if order.fail and patch is chosen[0]:
                run.states[patch.kb] = "Failed"
                continue
            run.states[patch.kb] = "Installed"
            self.pending.remove(patch)
            self.installed.append(patch.kb)
            if patch.reboot != "NeverReboots":
                self.reboot_pending = True

    async def _finish(self, run: Installation, order: Order) -> None:
        if order.reboot == "Always" or (order.reboot == "IfRequired" and self.reboot_pending):
            if _left(run, order) < REBOOT_MINUTES:
                run.exceeded = True
            else:
                run.reboot_status = "Started"
                await self.reboot()
                run.changed += timedelta(minutes=REBOOT_MINUTES)
                run.reboot_status = "Completed"
        if self.reboot_pending:
            run.reboot_status = "Required"
        await self._spend(run, LAST_MINUTES)
        run.status = "Succeeded"
        if run.count("Failed"):
            run.status = "Failed"
        elif run.exceeded:
            run.status = "CompletedWithWarnings"
        self._tell(f"{self.name}'s patch run ended {run.status}, {run.count('Installed')} installed")

    @property
    def _minutes_each(self) -> float:
        """Make a whole run take between 26 and 39 minutes, a little longer on each server."""
        whole = 25.0 + 1.4 * self.number
        return (whole - FIRST_MINUTES - LAST_MINUTES - REBOOT_MINUTES) / len(PENDING)

    async def _spend(self, run: Installation, minutes: float) -> None:
        run.changed += timedelta(minutes=minutes)
        await self._clock.sleep_until(run.changed)


def _left(run: Installation, order: Order) -> float:
    return order.minutes - (run.changed - run.started).total_seconds() / 60


class Fleet:
    """All servers, by name and by address."""

    def __init__(self, clock: WorldClock, history: History) -> None:
        self.servers = {s.name: s for s in (Server(n, clock, history) for n in range(1, 11))}
        self._by_address = {s.address: s for s in self.servers.values()}

    def at(self, address: str) -> Server | None:
        """Return the server at this address, if there is one."""
        return self._by_address.get(address)

    def named(self, name: str) -> Server | None:
        """Return the server of this name, whatever its casing."""
        return next((s for s in self.servers.values() if s.name.lower() == name.lower()), None)

    def names(self, addresses: Sequence[str]) -> list[str]:
        """Return the servers' names for addresses, and addresses that are no server's as they are."""
        return [server.name if (server := self.at(a)) else a for a in addresses]
