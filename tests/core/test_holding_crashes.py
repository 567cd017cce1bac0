"""Whatever is intended and not as it was is never lost, wherever a run dies and whatever a vendor refuses."""

import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from maint.errors import MaintError
from maint.holding import Holder
from maint.journal import new_id
from maint.waiting import Patience

from .fakes import NOW, Crash, FragileJournal, Fuse, Take, TakeTogether, World, rebuild

NAMES = ("a", "b", "c")
IN_FLIGHT = 0.02
KINDS = {"a": Take, "b": TakeTogether, "c": TakeTogether}


@dataclass(frozen=True)
class Deed:
    """One thing that a run does: take these, or give back all that is held. dies: after so many moments.

    refused: the name of what the vendor does not let be written, either way; lost: done, but not answered.
    late: whether what was sent as the process died takes effect after that. blind: what cannot be read back.
    """

    take: tuple[str, ...]
    dies: int | None
    refused: str | None
    lost: str | None
    late: bool = False
    blind: str | None = None


deeds = st.builds(
    Deed,
    st.one_of(st.just(()), st.lists(st.sampled_from(NAMES), min_size=1, unique=True).map(tuple)),
    st.none() | st.integers(0, 60),
    st.none() | st.sampled_from(NAMES),
    st.none() | st.sampled_from(NAMES),
    st.booleans(),
    st.none() | st.sampled_from(NAMES),
)


@dataclass
class Play:
    """A world, its journal, and the run that is at it; after a crash that is another one."""

    url: str

    def __post_init__(self) -> None:
        self.fuse, self.normal = Fuse(), {name: f"normal {name}" for name in NAMES}
        self.world = World(dict(self.normal))
        self.deed = Deed((), None, None, None)
        self.world.before, self.world.after, self.world.reading = self._before, self._after, self._reading
        self.begin()

    def begin(self) -> None:
        journal = FragileJournal(self.url, self.fuse)
        journal.run = new_id()
        self.holder = Holder(
            journal, self.world, journal.run, rebuild, lambda: None, lambda _: False, in_flight=IN_FLIGHT
        )

    def _before(self, words: str) -> None:
        try:
            self.fuse.burn()
        except Crash:
            if self.deed.late and "taken" in words:  # it was sent all the same
                values = dict(part.split("=") for part in words.split(", "))
                self.world.late.append((time.monotonic() + IN_FLIGHT / 2, values))
            raise
        if self.deed.refused and f"{self.deed.refused}=" in words:
            raise MaintError("refused")

    def _after(self, words: str) -> None:
        if self.deed.lost and f"{self.deed.lost}=" in words:
            raise MaintError("no answer")
        self.fuse.burn()

    def _reading(self, name: str) -> None:
        if self.deed.blind == name:
            raise MaintError("no answer")

    def act(self, deed: Deed) -> None:
        self.deed, self.fuse.left = deed, deed.dies
        try:
            with suppress(MaintError):
                if deed.take:
                    self.take(deed.take)
                else:
                    self.give_back()
        except Crash:
            self.fuse.left = None
            self.begin()
        self.fuse.left = None

    def take(self, names: tuple[str, ...]) -> None:
        actions = [KINDS[name](name) for name in names]
        self.holder.take(actions, window="w", phase="saturday-pre", step="P1", until_time=NOW)

    def give_back(self, seconds: float = 0.1) -> bool:
        patience = Patience(time.monotonic() + seconds, poll=0.01, stop=threading.Event())
        return self.holder.give_back(self.holder.journal.holds(), patience).whole

    def check(self) -> None:
        held = {hold.action["name"]: hold.captured["was"] for hold in self.holder.journal.holds()}
        assert held.items() <= self.normal.items(), "what was captured is not what was normal"
        taken = {name for name in NAMES if self.world.live[name] != self.normal[name]}
        taken |= {name for _, values in self.world.late for name in values}
        assert taken <= held.keys(), "taken, and nobody knows"


@settings(max_examples=30, deadline=None, database=None)
@given(st.lists(deeds, min_size=1, max_size=6))
def test_whatever_is_taken_can_be_given_back(story: list[Deed]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        play = Play(f"sqlite:///{Path(folder) / 'journal.db'}")
        for deed in story:
            play.act(deed)
            play.check()
        play.begin()
        play.deed = Deed((), None, None, None)
        assert play.give_back(10)
        play.world.land(all_of_it=True)
        assert play.world.live == play.normal
        assert play.holder.journal.holds() == []
