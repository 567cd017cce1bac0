"""The life of a hold: capture, intend, apply, verify ... revert, verify.

A hold is a reversible action in force. Its intention, with what was captured, is on disk before the first write, so
that any process that reaches the journal can give it back. This file knows the journal and no vendor.
"""

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any, ClassVar, Literal, Protocol, Self

from maint.errors import DeadlinePassed, LeaseLost, LostUpdate, MaintError, Stopped, VendorError
from maint.journal import HoldClosed, HoldRecord, Journal, new_id, now
from maint.waiting import Patience

log = logging.getLogger(__name__)

Captured = dict[str, Any]


@dataclass(frozen=True)
class Reading:
    """What is live: in force, normal, or drifted (somebody else changed it), in words for a person."""

    condition: Literal["in force", "normal", "drifted"]
    words: str


@dataclass(frozen=True)
class Readiness:
    """Whether a hold may be given back now: ready, waiting (may still become so) or bad (will not by itself).

    settled: the vendor shows that the one-way step on it was begun and is over, so none can still be starting.
    """

    state: Literal["ready", "waiting", "bad"]
    words: str = ""
    settled: bool = False


READY = Readiness("ready")


class Reversible(ABC):
    """A reversible action: a frozen dataclass of plain values, so that any process can rebuild it from the journal.

    `systems` is whatever the actions of this program need to reach the vendors; it is never kept.
    """

    kind: ClassVar[str]

    @property
    @abstractmethod
    def resource(self) -> str:
        """Return what is held: two open holds never share it."""

    @property
    @abstractmethod
    def title(self) -> str:
        """Return what the action does, for a person."""

    @abstractmethod
    def capture(self, systems: Any) -> Captured:
        """Read what is needed to put things back. Reads only; raises MaintError when it is not as it should be."""

    @abstractmethod
    def apply(self, systems: Any, captured: Captured) -> None:
        """Make the change; returns when it is in effect. Safe to repeat."""

    @abstractmethod
    def revert(self, systems: Any, captured: Captured) -> None:
        """Put back what this action took, on top of others' changes. Safe to repeat, or after half an apply."""

    @abstractmethod
    def state(self, systems: Any, captured: Captured) -> Reading:
        """Read back what is live."""

    def readiness(self, systems: Any, captured: Captured) -> Readiness:
        """Say whether it may be given back now."""
        return READY

    @classmethod
    def apply_all(cls, systems: Any, items: Sequence[tuple[Self, Captured]]) -> None:
        """Make several changes of this kind; a kind that can do so in one write overrides this."""
        for action, captured in items:
            action.apply(systems, captured)

    @classmethod
    def revert_all(cls, systems: Any, items: Sequence[tuple[Self, Captured]]) -> None:
        """Put several changes of this kind back; a kind that can do so in one write overrides this."""
        for action, captured in items:
            action.revert(systems, captured)

    def plain(self) -> dict[str, Any]:
        """Return the values that rebuild this action."""
        return asdict(self)  # type: ignore[call-overload,no-any-return]  # every subclass is a dataclass


class Observer(Protocol):
    """Is told what happens to holds; whatever it raises is logged and never stops the work."""

    def intended(self, holds: Sequence[HoldRecord]) -> None:
        """Take note that these are about to be applied: nothing live has been written yet."""

    def giving_back(self, holds: Sequence[HoldRecord], *, staying: Mapping[str, str]) -> None:
        """Take note that these are about to be given back, and which stay (hold id to reason)."""

    def given_back(self, outcome: "Outcome") -> None:
        """Take note of what came of it."""


@dataclass(frozen=True)
class Outcome:
    """What came of a give-back: the holds that were reverted, and those still held with the reason."""

    reverted: tuple[HoldRecord, ...]
    left: tuple[HoldRecord, ...]

    @property
    def whole(self) -> bool:
        """Say whether nothing is left."""
        return not self.left

    def __add__(self, other: "Outcome") -> "Outcome":
        """Return both together."""
        return Outcome(self.reverted + other.reverted, self.left + other.left)


@dataclass
class Holder:
    """Takes holds and gives them back on behalf of one run.

    rebuild: makes an action from its kind and plain values. may_undo: the lease fence for undoing.
    run_alive: says whether another run still works, whose holds are its own business. starting: says whether a one-way
    step on what is held may just be starting. in_flight: seconds in which a request may still take effect although
    nobody waits for its answer any more.
    """

    journal: Journal
    systems: Any
    run: str
    rebuild: Callable[[str, dict[str, Any]], Reversible]
    may_undo: Callable[[], None]
    run_alive: Callable[[str], bool]
    observers: Sequence[Observer] = ()
    starting: Callable[[HoldRecord], bool] = lambda _: False
    in_flight: float = 0.0
    _answered: set[str] = field(default_factory=set)
    _looked: dict[str, float] = field(default_factory=dict)

    def take(
        self,
        actions: Sequence[Reversible],
        *,
        window: str,
        phase: str,
        step: str,
        until_time: datetime,
        until: str | None = None,
    ) -> list[HoldRecord]:
        """Put the actions in force and return their holds; one that is open already is adopted, not captured again.

        until_time: when it is meant to be back. until: the phase that gives it back, None for this run's own end.
        Raises MaintError; what was intended by then is in the journal and is given back by give_back.
        """
        open_holds = {hold.resource: hold for hold in self.journal.holds()}
        holds: list[HoldRecord] = []
        fresh: list[HoldRecord] = []
        for action in actions:
            known = open_holds.get(action.resource)
            stamp = now()
            wanted = HoldRecord(
                id=new_id(), scope=self.journal.scope, run=self.run, window=window, phase=phase, step=step,
                kind=action.kind, resource=action.resource, title=action.title, action=action.plain(),
                captured=known.captured if known else action.capture(self.systems), state="intended", why="",
                until=until, until_time=until_time.isoformat(), opened=stamp, changed=stamp,
            )  # fmt: skip
            if known:
                holds.append(self._adopt(known, wanted))
            else:
                fresh.append(wanted)
        self.journal.intend(fresh)
        self._tell("intended", fresh)
        try:
            return self._put_in_force(holds + fresh)
        except MaintError as error:
            if _answered(error):
                self._answered.update(hold.id for hold in holds + fresh)
            raise

    def _adopt(self, hold: HoldRecord, wanted: HoldRecord) -> HoldRecord:
        if hold.run and hold.run != self.run and self.run_alive(hold.run):
            raise MaintError(
                f"{hold.title}: another run is at it",
                where=hold.resource,
                holder=f"run {hold.run}",
                next="maint status",
            )
        log.info("adopted: %s (held since %s)", hold.title, hold.opened)
        return self.journal.adopt(hold, wanted)

    def _put_in_force(self, holds: list[HoldRecord]) -> list[HoldRecord]:
        for kind, group in groupby(holds, key=lambda hold: hold.kind):
            items = [(self.action(hold), hold.captured) for hold in group]
            type(items[0][0]).apply_all(self.systems, items)
            log.debug("applied %d of %s", len(items), kind)
        for hold in holds:
            reading = self.action(hold).state(self.systems, hold.captured)
            if reading.condition != "in force":
                raise MaintError(f"{hold.title}: read back, it is not in force: {reading.words}", where=hold.resource)
        return [self.journal.set_hold(hold, "in force") for hold in holds]

    def action(self, hold: HoldRecord) -> Reversible:
        """Rebuild the action of a hold."""
        return self.rebuild(hold.kind, hold.action)

    def give_back(self, holds: Sequence[HoldRecord], patience: Patience) -> Outcome:
        """Give back what is ready, wait for the rest until the deadline, and leave (held, named) what is not.

        Last taken, first given back, kind by kind. Never raises for what a vendor does, nor for a bug of ours in one
        action: a failed undo is in the outcome and stays open in the journal. Raises LeaseLost when this run may write
        no more.
        """
        outcome = Outcome((), ())
        latest_first = sorted(holds, key=lambda hold: (hold.opened, hold.id), reverse=True)
        for _, group in groupby(latest_first, key=lambda hold: hold.kind):
            outcome += self._give_back_kind(sorted(group, key=lambda hold: hold.opened), patience)
        if holds:
            self._tell("given_back", outcome)
        return outcome

    def _give_back_kind(self, holds: list[HoldRecord], patience: Patience) -> Outcome:
        outcome, waiting, announced = Outcome((), ()), holds, False
        while waiting := self._still_open(waiting):
            verdicts = {hold.id: self._readiness(hold) for hold in waiting}
            ready = [hold for hold in waiting if verdicts[hold.id].state == "ready"]
            bad = [hold for hold in waiting if verdicts[hold.id].state == "bad"]
            waiting = [hold for hold in waiting if verdicts[hold.id].state == "waiting"]
            if not announced and (ready or not waiting):
                staying = {hold.id: verdicts[hold.id].words for hold in bad + waiting}
                taken = [hold for hold in ready if hold.state != "intended"]
                self._tell("giving_back", taken, staying=staying)
                announced = True
            outcome += self._revert(ready)
            outcome += Outcome((), tuple(self._leave(hold, verdicts[hold.id].words) for hold in bad))
            if waiting:
                words = "; ".join(sorted({verdicts[hold.id].words for hold in waiting}))
                try:
                    patience.tell(f"not ready to go back: {words}")
                    patience.pause(words)
                except MaintError:
                    late = tuple(self._leave(hold, f"not in time: {verdicts[hold.id].words}") for hold in waiting)
                    return outcome + Outcome((), late)
        return outcome

    def _still_open(self, holds: list[HoldRecord]) -> list[HoldRecord]:
        """Return the holds as they are now, without those that a person released meanwhile."""
        current = {hold.id: hold for hold in self.journal.holds()} if holds else {}
        return [current[hold.id] for hold in holds if hold.id in current]

    def _readiness(self, hold: HoldRecord) -> Readiness:
        try:
            action = self.action(hold)
        except MaintError as error:
            return Readiness("bad", f"{hold.title}: {error}")
        try:
            readiness = action.readiness(self.systems, hold.captured)
            may_land = readiness.state == "ready" and self._may_still_land(hold, action, readiness)
        except LeaseLost:
            raise
        except Exception as error:  # noqa: BLE001 - whatever is wrong here, the others go back
            return Readiness("waiting", f"{hold.title}: {_words(error)}")
        words = f"{hold.title}: what was begun there may still take effect"
        return Readiness("waiting", words) if may_land else readiness

    def _may_still_land(self, hold: HoldRecord, action: Reversible, readiness: Readiness) -> bool:
        """Say whether a request about this hold, sent by a process that is gone, may yet reach the vendor.

        A hold that is only intended and looks untouched is not closed by that look alone; nor does a server go back
        while the start of its patching may be on its way.
        """
        unknown = hold.state == "intended" and hold.id not in self._answered
        if unknown and action.state(self.systems, hold.captured).condition == "in force":
            unknown = False  # it has landed
        if not unknown and (readiness.settled or not self.starting(hold)):
            return False
        first = self._looked.setdefault(hold.id, time.monotonic())
        return time.monotonic() - first < self.in_flight

    def _revert(self, holds: list[HoldRecord]) -> Outcome:
        if not holds:
            return Outcome((), ())
        self.may_undo()
        holds = [moved for hold in holds if (moved := self._move(hold, "reverting"))]
        if not holds:
            return Outcome((), ())
        items = [(self.action(hold), hold.captured) for hold in holds]
        failed, lost = "", False
        try:
            type(items[0][0]).revert_all(self.systems, items)
        except LeaseLost:
            raise
        except MaintError as error:
            failed, lost = str(error), isinstance(error, LostUpdate)
            log.error("giving back failed: %s", error)  # noqa: TRY400 - one sentence for a person, no traceback
        except Exception as error:  # whatever is wrong here, the others go back
            failed = _words(error)
            log.exception("giving back failed")
        outcome = Outcome((), ())
        for hold in holds:
            outcome += self._verify_reverted(hold, failed, lost=lost)
        return outcome

    def _verify_reverted(self, hold: HoldRecord, failed: str, *, lost: bool) -> Outcome:
        """Read back and record; where somebody else's change was lost on the way it stays open, so that it is loud."""
        try:
            reading = self.action(hold).state(self.systems, hold.captured)
        except LeaseLost:
            raise
        except Exception as error:  # noqa: BLE001 - whatever is wrong here, the others go back
            return Outcome((), (self._leave(hold, failed or _words(error)),))
        if reading.condition == "normal" and lost:
            return Outcome((), (self._leave(hold, f"given back ({reading.words}), but {failed}"),))
        if reading.condition == "normal":
            log.info("given back: %s (%s)", hold.title, reading.words)
            return Outcome((self._move(hold, "reverted", reading.words) or hold,), ())
        return Outcome((), (self._leave(hold, failed or reading.words),))

    def _leave(self, hold: HoldRecord, why: str) -> HoldRecord:
        log.error("still held: %s: %s", hold.title, why)
        return self._move(hold, "stuck", why) or hold

    def _move(self, hold: HoldRecord, state: str, why: str = "") -> HoldRecord | None:
        """Record a state; returns None where a person released the hold at this very moment."""
        try:
            return self.journal.set_hold(hold, state, why)
        except HoldClosed as closed:
            log.warning("%s", closed)
            return None

    def _tell(self, what: str, *args: Any, **more: Any) -> None:
        for observer in self.observers:
            try:
                getattr(observer, what)(*args, **more)
            except Exception as error:  # noqa: BLE001 - an observer never stops the work
                log.warning("%s could not be told of %s: %s", type(observer).__name__, what, error)


def _answered(error: MaintError) -> bool:
    """Say whether the vendor's answer is known, so that nothing can take effect behind our back."""
    lost = isinstance(error, VendorError) and (error.code == "OutcomeUnknown" or not error.status)
    return not lost and not isinstance(error, DeadlinePassed | LeaseLost | Stopped)


def _words(error: Exception) -> str:
    return str(error) if isinstance(error, MaintError) else f"{type(error).__name__}: {error}"
