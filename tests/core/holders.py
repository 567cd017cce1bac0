"""What the tests of holds have in common: who takes and gives back, and an observer that remembers."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from maint.errors import LeaseLost
from maint.holding import Holder, Outcome, Readiness, Reversible
from maint.journal import HoldRecord, Journal
from maint.waiting import Patience

from .fakes import NOW, World, nothing, rebuild

NAMES = ["a", "b", "c", "d", "e"]
WAITING, BAD = Readiness("waiting", "not yet"), Readiness("bad", "its patching failed")


@dataclass
class Told:
    """An observer that remembers, in words."""

    lines: list[str] = field(default_factory=list)

    def intended(self, holds: Sequence[HoldRecord]) -> None:
        self.lines.append(f"intended {names_of(holds)}")

    def giving_back(self, holds: Sequence[HoldRecord], *, staying: Mapping[str, str]) -> None:
        self.lines.append(f"giving back {names_of(holds)}, staying: {', '.join(sorted(staying.values()))}")

    def given_back(self, outcome: Outcome) -> None:
        self.lines.append(f"given back {names_of(outcome.reverted)}, left {names_of(outcome.left)}")


def names_of(holds: Sequence[HoldRecord]) -> str:
    return " ".join(sorted(hold.action["name"] for hold in holds)) or "none"


def holder_of(journal: Journal, things: World, **more: Any) -> Holder:
    values: dict[str, Any] = {"may_undo": lambda: None, "run_alive": lambda _: False, **more}
    return Holder(journal, things, journal.run, rebuild, **values)


def take(holder: Holder, *actions: Reversible, step: str = "P1", phase: str = "saturday-pre") -> list[HoldRecord]:
    return holder.take(actions, window="2025-03-23-monthly", phase=phase, step=step, until_time=NOW)


def soon(seconds: float = 5.0, tell: Callable[[str], None] = nothing) -> Patience:
    return Patience(time.monotonic() + seconds, poll=0.01, stop=threading.Event(), tell=tell)


def give_back(holder: Holder, patience: Patience | None = None) -> Outcome:
    return holder.give_back(holder.journal.holds(run=holder.run), patience or soon())


def lost() -> None:
    raise LeaseLost("another run took over saturday-pre; this one writes nothing more")
