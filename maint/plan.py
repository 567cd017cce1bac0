"""What a phase would do, in order, with times: from the window, the journal's past and live reads. Writes nothing."""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from maint.errors import MaintError
from maint.journal import Journal
from maint.order import Board
from maint.window import Phase, Window
from maint.window_steps import AnyStep, Drain, Mute, Notify, Patch, Pipeline, RunCommand

REVERSIBLE = ("drain", "mute", "pingdom", "dns", "notify", "give_back")
"""Kinds of steps that leave nothing behind that cannot be put back."""


@dataclass(frozen=True)
class Planned:
    """A step as it would run; begins, ends: earliest, by the window clock. fits: it ends before the hours do."""

    step: AnyStep
    change: str
    takes: timedelta
    measured: bool
    begins: datetime
    ends: datetime
    fits: bool


@dataclass(frozen=True)
class Plan:
    """A phase's steps in the order in which they would begin, and those that would not run with the reason."""

    phase: Phase
    steps: tuple[Planned, ...]
    left_out: tuple[tuple[AnyStep, str], ...]

    @property
    def ends(self) -> datetime:
        """When the last step would end."""
        return max((planned.ends for planned in self.steps), default=self.phase.opens)

    @property
    def no_return(self) -> Planned | None:
        """The first step that cannot be undone."""
        return next((planned for planned in self.steps if planned.step.kind not in REVERSIBLE), None)


@dataclass(frozen=True)
class _Timed:
    """A step as the board orders it."""

    step: AnyStep
    seconds: float

    @property
    def id(self) -> str:
        return self.step.id

    @property
    def after(self) -> tuple[str, ...]:
        return self.step.after

    @property
    def touches(self) -> tuple[str, ...]:
        return self.step.touches


def make_plan(window: Window, phase: Phase, journal: Journal, now: datetime, look: Callable[[AnyStep], str]) -> Plan:
    """Return what the phase would do from now, or from its opening where that is later.

    look: reads live what a step would change and says it in words; what it raises stands in the plan instead.
    """
    records = journal.steps(window.name)
    measured = _measured(journal)

    def takes(step: AnyStep) -> timedelta:
        return measured.get(step.id) or _expected(window, step)

    left_out: list[tuple[AnyStep, str]] = []
    todo: list[AnyStep] = []
    for step in phase.actions:
        known = records.get(step.id)
        if step.status == "not doing":
            left_out.append((step, step.reason or "not doing"))
        elif known and known.status == "done":
            left_out.append((step, f"done {known.changed} by {known.who}"))
        else:
            todo.append(step)
    begins = _begin_times(todo, takes, max(now, phase.opens))
    planned = []
    for step in todo:
        ends = begins[step.id] + takes(step)
        fits = ends <= phase.closes
        planned.append(Planned(step, _look(look, step), takes(step), step.id in measured, begins[step.id], ends, fits))
    return Plan(phase, tuple(sorted(planned, key=lambda p: (p.begins, todo.index(p.step)))), tuple(left_out))


def _look(look: Callable[[AnyStep], str], step: AnyStep) -> str:
    try:
        return look(step)
    except MaintError as error:
        return f"cannot be read: {error}"


def _begin_times(
    steps: Sequence[AnyStep], takes: Callable[[AnyStep], timedelta], start: datetime
) -> dict[str, datetime]:
    """Play the board on a clock that jumps from end to end, no step beginning before its time."""
    board = Board([_Timed(step, takes(step).total_seconds()) for step in steps])
    by_id = {step.id: step for step in steps}
    begins: dict[str, datetime] = {}
    now, ends = start, list[tuple[datetime, str]]()
    while not board.over:
        for begun in board.begin():
            at = max(now, by_id[begun.id].not_before or now)
            begins[begun.id] = at
            heapq.heappush(ends, (at + takes(by_id[begun.id]), begun.id))
        now, ended = heapq.heappop(ends)
        board.end(ended, ok=True)
    return begins


def _expected(window: Window, step: AnyStep) -> timedelta:
    """Return the window's figure; a setting is changed server by server, so its figure is for each."""
    if isinstance(step, RunCommand):
        return step.expected * len(step.servers or window.servers)
    return step.expected


def _measured(journal: Journal) -> dict[str, timedelta]:
    """Return how long each step took by the window clock when it was last done, from the history."""
    begun: dict[str, datetime] = {}
    took: dict[str, timedelta] = {}
    for event in journal.events():
        if event.kind == "step doing":
            begun.setdefault(event.subject, datetime.fromisoformat(event.moment))
        elif event.kind == "step done" and event.subject in begun:
            took[event.subject] = datetime.fromisoformat(event.moment) - begun.pop(event.subject)
    return took


def look_live(
    window: Window, systems: Any, vm: Callable[[str], str], address: Callable[[str], str]
) -> Callable[[AnyStep], str]:
    """Return a look that reads the live systems: pool members, last assessments, pipelines' stages."""

    def look(step: AnyStep) -> str:
        if isinstance(step, Drain):
            servers = window.batches[step.batch].servers
            members = systems.gateway(window.gateway).read().pools.get(window.pool, frozenset())
            there = [name for name in servers if address(name) in members]
            return f"{_names(there)} out of {window.pool} ({len(members)} in it now, {len(members) - len(there)} left)"
        if isinstance(step, Patch):
            pending = [
                f"{name}: last assessed {_assessed(systems, vm(name))}" for name in window.batches[step.batch].servers
            ]
            return "; ".join(pending)
        if isinstance(step, Mute):
            what = _names(window.batches[step.batch].servers) if step.batch else ", ".join(step.policies)
            return f"alerts off for {what}, until {window.ends(step):%a %H:%M} at the latest"
        if isinstance(step, Pipeline):
            stages = {stage.name for stage in systems.azure_devops.stages(step.pipeline)}
            missing = [stage for stage in step.stages if stage not in stages]
            gone = f"; it has no stage {', '.join(missing)}" if missing else ""
            return f"{step.pipeline}: {', '.join(step.stages) or 'all stages'} of {len(stages)}{gone}"
        if isinstance(step, Notify):
            return f"{', '.join('#' + channel for channel in step.channels)}: {step.text}"
        return step.undo if step.undo != "none" else ""

    return look


def _names(names: Sequence[str]) -> str:
    return f"{names[0]} to {names[-1]}" if len(names) > 2 else ", ".join(names) or "nothing"


def _assessed(systems: Any, vm: str) -> str:
    view = systems.vms.view(vm)
    return f"{view.assessed_at:%Y-%m-%d}" if view.assessed_at else "never"
