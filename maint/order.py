"""Which steps may begin now: what each waits for, what two of them may not touch at once, how many at a time."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol


class Orderable(Protocol):
    """A step as the order sees it. after: ids it waits for. touches: resources; seconds: how long it usually takes."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def after(self) -> tuple[str, ...]:
        """The ids it waits for; those that are not on the board are no business of it."""

    @property
    def touches(self) -> tuple[str, ...]:
        """What no other step may touch meanwhile."""

    @property
    def seconds(self) -> float:
        """How long it usually takes."""


@dataclass
class Board:
    """The steps of a rollout: waiting, running, ended. Knows no threads and no clock.

    Where several may begin, the one with the longest way still behind it goes first, so that the whole takes as
    long as its critical path where that is possible.
    """

    steps: Sequence[Orderable]
    max_parallel: int = 0
    running: set[str] = field(default_factory=set)
    ended: dict[str, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._by_id = {step.id: step for step in self.steps}
        self._behind = _seconds_behind(self._by_id)

    def begin(self) -> list[Orderable]:
        """Return the steps that may begin now; they count as running from here on."""
        begun: list[Orderable] = []
        waiting = [step for step in self.steps if step.id not in self.running and step.id not in self.ended]
        for step in sorted(waiting, key=lambda step: -self._behind[step.id]):
            if self.max_parallel and len(self.running) >= self.max_parallel:
                break
            if self._free(step):
                self.running.add(step.id)
                begun.append(step)
        return begun

    def _free(self, step: Orderable) -> bool:
        busy = {resource for other in self.running for resource in self._by_id[other].touches}
        waited_for = (other for other in step.after if other in self._by_id)
        return not busy & set(step.touches) and all(self.ended.get(other) for other in waited_for)

    def end(self, step: str, *, ok: bool) -> dict[str, str]:
        """Record a step's end; returns the steps that will not run because of it, each with what it waits for."""
        self.running.discard(step)
        self.ended[step] = ok
        stopped: dict[str, str] = {}
        failed = [] if ok else [step]
        while failed:
            cause = failed.pop()
            for other in self.steps:
                if cause in other.after and other.id not in self.ended and other.id not in self.running:
                    self.ended[other.id] = False
                    stopped[other.id] = cause
                    failed.append(other.id)
        return stopped

    @property
    def over(self) -> bool:
        """Say whether every step has ended."""
        return len(self.ended) == len(self._by_id)


def _seconds_behind(steps: Mapping[str, Orderable]) -> dict[str, float]:
    """Return for each step how long it and the longest chain of those that wait for it take."""
    followers: dict[str, list[str]] = {step: [] for step in steps}
    for step in steps.values():
        for other in step.after:
            if other in followers:
                followers[other].append(step.id)
    behind: dict[str, float] = {}
    for step_id in _last_first(steps, followers):
        behind[step_id] = steps[step_id].seconds + max((behind[f] for f in followers[step_id]), default=0.0)
    return behind


def _last_first(steps: Iterable[str], followers: Mapping[str, list[str]]) -> list[str]:
    """Return the ids so that each comes after everything that waits for it; the waits have no circle."""
    order: list[str] = []
    seen: set[str] = set()
    stack = [(step, False) for step in steps]
    while stack:
        step, done = stack.pop()
        if done:
            order.append(step)
        elif step not in seen:
            seen.add(step)
            stack.append((step, True))
            stack.extend((follower, False) for follower in followers[step])
    return order
