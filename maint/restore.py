"""Gives back what is held, from any process and any machine that reaches the journal."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from maint.announce import Announcer
from maint.context import Context
from maint.errors import MaintError
from maint.guardian import TOKEN
from maint.holding import Outcome
from maint.journal import HoldRecord, new_id
from maint.lease import Lease, take_lease_patiently
from maint.processes import this_process
from maint.run import announcer, give_back_patience, make_holder
from maint.speed import working_speed
from maint.systems import Systems
from maint.window import load_window


@dataclass
class Restore:
    """One restoring process; tell: takes one line for a person."""

    context: Context
    tell: Callable[[str], None]

    def give_back(self, holds: Sequence[HoldRecord], run: str | None = None) -> Outcome:
        """Give these holds back under their phases' leases, and say in Slack what came of it.

        run: the run on whose behalf (its guardian's), under its own lease. Raises LeaseHeld where a run is at work.
        """
        own = new_id()
        self.context.journal.run = run or own
        self.context.clock.run_at(working_speed(self.context))
        outcome = Outcome((), ())
        for phase in sorted({hold.phase for hold in holds}):
            lease = self._lease(phase, run or own)
            try:
                # Read again under the lease: whoever had it before may have given some of them back.
                still = {hold.id: hold for hold in self.context.journal.holds()}
                mine = [still[hold.id] for hold in holds if hold.phase == phase and hold.id in still]
                outcome += self._give_back_phase(mine, lease, run or own)
            finally:
                lease.release()
        return outcome

    def _lease(self, phase: str, run: str) -> Lease:
        token = os.environ.get(TOKEN)
        if token:
            lease = Lease(self.context.journal, phase, token)
            lease.add(this_process("guardian"))
            lease.fence(undo=True)
        else:
            lease = take_lease_patiently(self.context.journal, phase, run, role="restore", tell=self.tell)
        lease.keep_alive()
        return lease

    def _give_back_phase(self, holds: list[HoldRecord], lease: Lease, run: str) -> Outcome:
        if not holds:
            return Outcome((), ())
        systems = Systems(self.context.environment, self.context.clock, lease, tell=self.tell)
        holder = make_holder(self.context.journal, systems, run, self._announcer(systems, holds[0]))
        ends = max(datetime.fromisoformat(hold.until_time) for hold in holds)
        with systems.undoing():
            patience = give_back_patience(systems, ends)
            return holder.give_back(holds, patience)

    def _announcer(self, systems: Systems, hold: HoldRecord) -> Announcer | None:
        """Return who speaks about a hold; without its window things are given back all the same, unannounced."""
        try:
            window = load_window(self.context.root / "windows" / f"{hold.window}.yaml")
            return announcer(self.context, systems, window, window.phase(hold.phase))
        except MaintError as error:
            self.tell(f"nothing is said in Slack, since the window cannot be read: {error}")
            return None
