"""A small world that can be taken from and given back to, and steps that can be started: no vendor is in it."""

# ruff: noqa: ARG002 - every action has the same methods, whether it needs each argument or not

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Self

from sqlalchemy import Connection

from maint.clock import RealClock
from maint.errors import MaintError
from maint.holding import READY, Captured, Readiness, Reading, Reversible
from maint.journal import HoldRecord, Journal, new_id, now
from maint.rollout import OneWay, Result, Tag

NOW = datetime(2025, 3, 22, 22, 0, tzinfo=UTC)


class Clock(RealClock):
    """A window clock that moves when it is told to."""

    def __init__(self, now: datetime = NOW) -> None:
        self.moment = now

    def now(self) -> datetime:
        return self.moment

    def pass_(self, **span: float) -> None:
        self.moment += timedelta(**span)


def nothing(*_: Any) -> None:
    """Let it happen."""


@dataclass
class World:
    """What is live, by name; `before` and `after` are called around every live write with what is written.

    reading: called with the name when it is read back how a hold stands.
    late: writes whose sender is gone and which land when time.monotonic() says so.
    """

    live: dict[str, str]
    readiness: dict[str, Readiness] = field(default_factory=dict)
    writes: list[str] = field(default_factory=list)
    before: Callable[[str], None] = nothing
    after: Callable[[str], None] = nothing
    reading: Callable[[str], None] = nothing
    clock: Clock = field(default_factory=Clock)
    late: list[tuple[float, dict[str, str]]] = field(default_factory=list)

    def write(self, **values: str) -> None:
        """Write several values at once."""
        words = ", ".join(f"{name}={value}" for name, value in values.items())
        self.before(words)
        self.land()
        self.live.update(values)
        self.writes.append(words)
        self.after(words)

    def read(self, name: str) -> str:
        """Return what is live now."""
        self.land()
        return self.live[name]

    def land(self, *, all_of_it: bool = False) -> None:
        """Let what was on its way take effect, where its time has come."""
        for due, values in list(self.late):
            if all_of_it or time.monotonic() >= due:
                self.late.remove((due, values))
                self.live.update(values)


@dataclass(frozen=True)
class Take(Reversible):
    """Takes one thing; each thing is a write of its own."""

    kind: ClassVar[str] = "take"

    name: str
    value: str = "taken"

    @property
    def resource(self) -> str:
        return f"world/{self.name}"

    @property
    def title(self) -> str:
        return f"{self.name} taken"

    def capture(self, systems: World) -> Captured:
        return {"was": systems.read(self.name)}

    def apply(self, systems: World, captured: Captured) -> None:
        if systems.read(self.name) != self.value:
            systems.write(**{self.name: self.value})

    def revert(self, systems: World, captured: Captured) -> None:
        if systems.read(self.name) == self.value:
            systems.write(**{self.name: captured["was"]})

    def state(self, systems: World, captured: Captured) -> Reading:
        systems.reading(self.name)
        live = systems.read(self.name)
        if live == self.value:
            return Reading("in force", f"{self.name} is taken")
        if live == captured["was"]:
            return Reading("normal", f"{self.name} is as it was")
        return Reading("drifted", f"{self.name} is {live}")

    def readiness(self, systems: World, captured: Captured) -> Readiness:
        return systems.readiness.get(self.name, READY)


@dataclass(frozen=True)
class TakeTogether(Take):
    """Takes things of this kind in one write, and gives them back in one."""

    kind: ClassVar[str] = "take together"

    @classmethod
    def apply_all(cls, systems: World, items: Sequence[tuple[Self, Captured]]) -> None:
        wanted = {action.name: action.value for action, _ in items}
        if any(systems.read(name) != value for name, value in wanted.items()):
            systems.write(**wanted)

    @classmethod
    def revert_all(cls, systems: World, items: Sequence[tuple[Self, Captured]]) -> None:
        wanted = {action.name: captured["was"] for action, captured in items}
        if any(systems.read(name) != value for name, value in wanted.items()):
            systems.write(**wanted)


@dataclass(frozen=True)
class TakeUntil(Take):
    """Takes one thing until a time (ISO-8601) at which it ends by itself."""

    kind: ClassVar[str] = "take until"

    until: str = ""

    def apply(self, systems: World, captured: Captured) -> None:
        systems.write(**{self.name: f"until {self.until}"})

    def revert(self, systems: World, captured: Captured) -> None:
        if systems.read(self.name) != captured["was"]:
            systems.write(**{self.name: captured["was"]})

    def state(self, systems: World, captured: Captured) -> Reading:
        live = systems.read(self.name)
        if live == captured["was"]:
            return Reading("normal", "as it was")
        if datetime.fromisoformat(live.removeprefix("until ")) <= systems.clock.now():
            return Reading("normal", "it has ended by itself")
        return Reading("in force", live)


KINDS: dict[str, type[Take]] = {kind.kind: kind for kind in (Take, TakeTogether, TakeUntil)}


def rebuild(kind: str, values: dict[str, Any]) -> Reversible:
    return KINDS[kind](**values)


@dataclass
class Vendor:
    """What was started, by tag; `before` and `after` are called around every start."""

    clock: Clock = field(default_factory=Clock)
    started: list[str] = field(default_factory=list)
    waited: list[str] = field(default_factory=list)
    before: Callable[[str], None] = nothing
    after: Callable[[str], None] = nothing
    looking: Callable[[str], None] = nothing
    results: dict[str, Result] = field(default_factory=dict)
    waiting: Callable[[str], None] = nothing


@dataclass(frozen=True)
class Start(OneWay):
    """Starts something of this name, known to the vendor by its tag."""

    name: str

    def before(self, systems: Vendor) -> dict[str, Any]:
        return {"started": len(systems.started)}

    def find(self, systems: Vendor, tag: Tag) -> str | None:
        systems.looking(self.name)
        return str(tag) if str(tag) in systems.started else None

    def start(self, systems: Vendor, tag: Tag) -> str:
        systems.before(self.name)
        systems.started.append(str(tag))
        systems.after(self.name)
        return str(tag)

    def wait(self, systems: Vendor, handle: str) -> Result:
        systems.waiting(self.name)
        systems.waited.append(handle)
        return systems.results.get(self.name, Result("done", f"{self.name} ended well"))


class Crash(BaseException):
    """The process ends here: nothing of ours catches it."""


@dataclass
class Fuse:
    """Ends the process at the moment that it reaches zero; None is never."""

    left: int | None = None

    def burn(self, _: str = "") -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                self.left = None
                raise Crash


class FragileJournal(Journal):
    """A journal during each of whose transactions the process may die: before it, within it, after it."""

    def __init__(self, url: str, fuse: Fuse) -> None:
        super().__init__(url, "test")
        self._fuse = fuse

    @contextmanager
    def write(self) -> Iterator[Connection]:
        self._fuse.burn()
        with super().write() as db:
            yield db
            self._fuse.burn()
        self._fuse.burn()


def once(error: BaseException) -> Callable[[str], None]:
    """Return a function that raises this the first time that it is called."""
    left = [error]

    def call(_: str) -> None:
        if left:
            raise left.pop()

    return call


def refuse(words: str) -> Callable[[str], None]:
    """Return a function that raises MaintError with these words for whatever they name, and for nothing else."""

    def call(what: str) -> None:
        if words in what:
            raise MaintError(f"the vendor refused {what}")

    return call


def hold_on(journal: Journal, resource: str = "pool/IC-Web1", **more: Any) -> HoldRecord:
    """Return a hold as a run would intend it; it is not in the journal yet."""
    stamp = now()
    values: dict[str, Any] = {
        "id": new_id(), "scope": journal.scope, "run": journal.run, "window": "2025-03-23-monthly",
        "phase": "saturday-pre", "step": "P1", "kind": "take", "resource": resource, "title": f"{resource} taken",
        "action": {"name": resource}, "captured": {"was": "normal"}, "state": "intended", "why": "", "until": None,
        "until_time": NOW.isoformat(), "opened": stamp, "changed": stamp,
    }  # fmt: skip
    return HoldRecord(**values | more)
