"""One run of one phase: what its fixtures, its tests and its end have in common."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from maint.actions import rebuild
from maint.actions.patch import GIVE_BACK
from maint.announce import Announcer
from maint.context import Context
from maint.errors import MaintError, UsageProblem
from maint.holding import Holder, Outcome, Reading, Reversible
from maint.journal import HoldRecord, Journal
from maint.lease import Lease, running_leases
from maint.rollout import Rollout
from maint.runlog import progress
from maint.systems import Systems
from maint.waiting import Patience
from maint.window import Phase, Window
from maint.window_steps import Patch, Step

T = TypeVar("T", bound=Step)

GIVE_BACK_GRACE = timedelta(minutes=30)
"""Servers that are not ready get at least this long, even where the hours are over."""
SHORTEST_GIVE_BACK_SECONDS = 15.0


@dataclass
class Run:
    """A run as the process sees it that takes and gives back: the controller's, or a worker's."""

    id: str
    context: Context
    window: Window
    phase: Phase
    lease: Lease
    folder: Path
    rollouts: list[Rollout] = field(default_factory=list)

    @property
    def journal(self) -> Journal:
        """The journal of this environment."""
        return self.context.journal

    @cached_property
    def stop(self) -> threading.Event:
        """Set when the run is to stop; the lease's own event, so that every process of the run sees it."""
        return self.lease.stopping

    @cached_property
    def systems(self) -> Systems:
        """The live systems, under this run's lease."""
        return Systems(self.context.environment, self.context.clock, self.lease, stop=self.stop, tell=progress)

    @cached_property
    def announcer(self) -> Announcer:
        """Who speaks in Slack for this run."""
        return announcer(self.context, self.systems, self.window, self.phase)

    @cached_property
    def holder(self) -> Holder:
        """Who takes and gives back for this run."""
        return make_holder(self.journal, self.systems, self.id, self.announcer)

    def rollout(self) -> Rollout:
        """Return a new rollout of one-way steps."""
        longest = self.phase.closes - self.context.clock.now()
        made = Rollout(
            self.journal,
            self.window.name,
            self.systems,
            self.context.clock,
            lambda: self.systems.patience(longest),
        )
        self.rollouts.append(made)
        return made

    # what the phase's fixtures and tests ask for ---------------------------------------------------------------------

    def step_of(self, kind: type[T]) -> T:
        """Return the phase's step of a kind; raises UsageProblem where the window has none there."""
        found = next((step for step in self.phase.actions if isinstance(step, kind)), None)
        if found is None:
            raise UsageProblem(f"{self.phase.name} has no {kind.__name__.lower()} step", where=str(self.window.path))
        return found

    def vm(self, server: str) -> str:
        """Return the name of a server's VM."""
        return self.context.environment.server(server).vm or server

    def address(self, server: str) -> str:
        """Return a server's address in the pool."""
        return self.context.environment.server(server).address

    def waiting_for(self, step: Patch, servers: Sequence[str]) -> list[str]:
        """Return those of the servers that the step has yet to patch, or that are held out of the pool."""
        records = self.journal.steps(self.window.name)
        held = {hold.action.get("server") for hold in self.journal.holds()}
        done = {name for name in servers if (r := records.get(f"{step.id}/{name}")) and r.status == "done"}
        out = self.released()
        return [name for name in servers if name in held or (name not in done and name not in out)]

    def released(self) -> dict[str, str]:
        """Return the servers that a person released in this window, to stay as they are, each with the reason."""
        holds = [hold for hold in self.journal.holds(everything=True) if hold.window == self.window.name]
        latest = {str(hold.action["server"]): hold for hold in holds if "server" in hold.action}
        return {server: hold.why for server, hold in latest.items() if hold.state == "released"}

    def patched(self) -> list[str]:
        """Return the servers of the phase's batch whose updates are done."""
        step = self.step_of(Patch)
        records = self.journal.steps(self.window.name)
        servers = self.window.batches[step.batch].servers
        return [name for name in servers if (r := records.get(f"{step.id}/{name}")) and r.status == "done"]

    def exceptions(self) -> str:
        """Return in one sentence which servers of the batch are not patched or still out, "" where all is well."""
        batch = self.window.batches[self.step_of(Patch).batch].servers
        done = self.patched()
        out = [
            f"{hold.action['server']} is still out: {hold.why}"
            for hold in self.journal.holds()
            if "server" in hold.action
        ]
        missing = [name for name in batch if name not in done]
        return " ".join([f"Not patched: {', '.join(missing)}."] * bool(missing) + [f"{words}." for words in out])

    def expect_time_for(self, steps: Sequence[Step]) -> None:
        """Refuse, by raising MaintError, to begin a chain that would not be over, give-back included, in time."""
        takes = sum((step.expected for step in steps), GIVE_BACK)
        now = self.context.clock.now()
        if now + takes > self.phase.closes:
            ends = now.astimezone(self.phase.closes.tzinfo) + takes
            raise MaintError(
                f"too late to begin: {', '.join(step.id for step in steps)} and the give-back would end at "
                f"{ends:%a %H:%M}, after {self.phase.name} closes at {self.phase.closes:%H:%M}",
                where=str(self.window.path.name),
                next="do it in the next window, or correct the hours",
            )

    def take(self, step: Step, actions: Sequence[Reversible], *, until_time: datetime) -> list[HoldRecord]:
        """Put a step's actions in force and return their holds; raises MaintError."""
        self.journal.set_step(self.window.name, step.id, "doing")
        return self.holder.take(
            actions, window=self.window.name, phase=self.phase.name, step=step.id, until_time=until_time
        )

    def read_back(self, hold: HoldRecord) -> Reading:
        """Read what is live of a hold."""
        return self.holder.action(hold).state(self.systems, hold.captured)

    def give_back_step(self, step: Step) -> Outcome:
        """Give back what this run holds for a step; what could not be is in the outcome and in the journal."""
        return self.give_back([hold for hold in self.journal.holds(run=self.id) if hold.step == step.id])

    def outcome_of(self, step: Step) -> Outcome:
        """Return what came of giving a step's holds back, as the journal has it."""
        holds = [h for h in self.journal.holds(run=self.id, everything=True) if h.step == step.id]
        return Outcome(tuple(h for h in holds if not h.open), tuple(h for h in holds if h.open))

    def say(self, about: str, more: str = "") -> None:
        """Say what the page wants said at a moment, and `more` about how it stands."""
        step = self.announcer.step(about)
        if step:
            self.announcer.say(step, more)

    def orphans(self) -> tuple[HoldRecord, ...]:
        """Return what earlier runs left open and nobody works on: neither this run's, nor the window's own."""
        alive = {record.run for record in running_leases(self.journal)}
        return tuple(
            hold for hold in self.journal.holds() if hold.run and hold.run != self.id and hold.run not in alive
        )

    def settle(self) -> None:
        """Start nothing more, and wait until no one-way step of this run is just being started.

        What was started goes on at the vendor; whether it is over is asked there before a server goes back.
        """
        self.stop.set()
        for rollout in self.rollouts:
            rollout.join()

    def give_back(self, holds: list[HoldRecord]) -> Outcome:
        """Give back these holds, waiting for what is not ready until the end of the hours and a grace."""
        with self.systems.undoing():
            return self.holder.give_back(holds, give_back_patience(self.systems, self.phase.closes))


def announcer(context: Context, systems: Systems, window: Window, phase: Phase | None) -> Announcer:
    """Return who speaks in Slack about a window; the window's first channel is the team's own."""
    label = "" if context.environment.production else "[REHEARSAL]"
    return Announcer(lambda: systems.slack, context.journal, window, phase, window.channels[0], label)


def make_holder(journal: Journal, systems: Systems, run: str, observer: Announcer | None) -> Holder:
    """Return a Holder that acts under the lease of `systems`."""

    def may_undo() -> None:
        if systems.lease:
            systems.lease.fence(undo=True)

    def run_alive(other: str) -> bool:
        return any(record.run == other for record in running_leases(journal))

    def starting(hold: HoldRecord) -> bool:
        mark = f"/{hold.action.get('server')}"
        steps = journal.steps(hold.window).values()
        return any(step.step.endswith(mark) and step.status == "doing" and step.handle is None for step in steps)

    observers = [observer] if observer else []
    in_flight = systems.environment.in_flight_seconds
    return Holder(journal, systems, run, rebuild, may_undo, run_alive, observers, starting, in_flight)


def give_back_patience(systems: Systems, ends: datetime) -> Patience:
    """Return patience until the end of the hours, and at least the grace from now."""
    left = ends - systems.clock.now()
    return systems.patience(max(left, GIVE_BACK_GRACE), SHORTEST_GIVE_BACK_SECONDS)
