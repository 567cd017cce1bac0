"""Installs updates on one server: assess, install, assess again."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from maint.errors import MaintError
from maint.rollout import OneWay, Result, Tag

if TYPE_CHECKING:
    from maint.systems import Systems

log = logging.getLogger(__name__)

ASSESS = timedelta(minutes=30)
GIVE_BACK = timedelta(minutes=20)
"""What the give-back needs at the end of the hours: patching may not eat it."""
NOTHING = "nothing to install"
LONGEST, SHORTEST = timedelta(hours=4), timedelta(minutes=30)


@dataclass(frozen=True)
class Patch(OneWay):
    """Updates for one VM that is out of its pool.

    closes: when the phase's hours end. classifications, reboot: Azure's own words.
    """

    vm: str
    gateway: str
    pool: str
    address: str
    classifications: tuple[str, ...]
    reboot: str
    closes: datetime

    def before(self, systems: "Systems") -> dict[str, Any]:
        """Read which patching was the last, so that a later one is known as ours."""
        last = systems.vms.view(self.vm).installation
        return {"installation": last.id if last else None}

    def find(self, systems: "Systems", tag: Tag) -> str | None:
        """Return a handle when the VM is being patched, or was since the intention."""
        view = systems.vms.view(self.vm)
        newer = view.installation is not None and view.installation.id != tag.before.get("installation")
        return "" if view.installing or newer else None

    def start(self, systems: "Systems", tag: Tag) -> str:
        """Assess, and install what was found; the handle resumes the vendor's operation in another process."""
        found = systems.vms.assess(self.vm, systems.patience(ASSESS))
        if found.critical_and_security + found.other == 0 and not found.reboot_pending:
            return NOTHING
        maximum = self._maximum(systems)
        if self.address in systems.gateway(self.gateway).read().pools.get(self.pool, frozenset()):
            raise MaintError(
                f"{self.vm} is in {self.pool} again: somebody put it back, so it is not patched while it serves",
                where=self.gateway,
                next="run the phase again when it may be taken out",
            )
        systems.tell(f"{self.vm}: {', '.join(patch.kb or patch.name for patch in found.patches)} to install")
        return systems.vms.start_install(
            self.vm,
            maximum=maximum,
            classifications=self.classifications,
            reboot=self.reboot,
        )

    def _maximum(self, systems: "Systems") -> timedelta:
        left = self.closes - systems.clock.now() - GIVE_BACK
        if left < SHORTEST:
            raise MaintError(
                f"{self.vm}: too late to patch: {max(left, timedelta(0)).total_seconds() / 60:.0f} minutes are left "
                f"before the give-back must begin, and {SHORTEST.total_seconds() / 60:.0f} are needed",
                next="patch it in the next window",
            )
        return min(LONGEST, left)

    def wait(self, systems: "Systems", handle: str) -> Result:
        """Wait for the installation, judge its result, and verify by assessing again."""
        if handle == NOTHING:
            return Result("done", f"{self.vm}: {NOTHING}")
        done = systems.vms.wait_install(self.vm, handle, systems.patience(LONGEST + GIVE_BACK))
        if not done.ok:
            return Result("failed", f"{self.vm}: {done.words}")
        after = systems.vms.assess(self.vm, systems.patience(ASSESS))
        if after.critical_and_security or after.reboot_pending:
            rest = "a reboot is pending" if after.reboot_pending else f"{after.critical_and_security} still missing"
            return Result("failed", f"{self.vm}: {done.words}, yet assessed again: {rest}")
        return Result("done", f"{self.vm}: {', '.join(done.kbs)} installed, assessed again: nothing missing")
