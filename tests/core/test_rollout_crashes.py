"""A step is started again only after its end was judged, wherever runs die and whatever a vendor leaves unanswered."""

import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from maint.errors import MaintError
from maint.rollout import Job, Result, run_once

from .fakes import Crash, FragileJournal, Fuse, Start, Vendor


@dataclass(frozen=True)
class Try:
    """One run's try at the step. dies: after so many moments. fails: which of the vendor's answers is an error.

    well: how it ends, where it does. noted: what else is recorded of the step afterwards, as its test does.
    """

    dies: int | None
    fails: str
    well: bool
    noted: str | None


tries = st.builds(
    Try,
    st.none() | st.integers(0, 25),
    st.sampled_from(["", "", "looking", "before", "after", "waiting"]),
    st.booleans(),
    st.sampled_from([None, None, "failed", "to do"]),
)


class Play:
    """A vendor, a step, and the runs that try it one after the other."""

    def __init__(self, url: str) -> None:
        self.url, self.fuse, self.vendor = url, Fuse(), Vendor()
        self.failing, self.judged = "", 0
        for name in ("looking", "before", "after", "waiting"):
            setattr(self.vendor, name, lambda _, name=name: self.moment(name))

    def moment(self, name: str) -> None:
        self.fuse.burn()
        if self.failing == name:
            raise MaintError(f"{name}: no answer")

    def act(self, one: Try, number: int) -> Result | None:
        self.failing, self.fuse.left = one.fails, one.dies
        self.vendor.results["C1"] = Result("done" if one.well else "failed", "as it ended")
        ended = None
        with suppress(Crash):
            journal = FragileJournal(self.url, self.fuse)
            journal.run = f"run-{number}"
            with suppress(MaintError):
                ended = run_once(journal, "w", Job("C1", "step C1", Start("C1")), self.vendor)
            if one.noted and not (ended and ended.ok):
                journal.set_step("w", "C1", one.noted, evidence="as its test saw it")
        self.fuse.left, self.failing = None, ""
        return ended


@settings(max_examples=30, deadline=None, database=None)
@given(st.lists(tries, min_size=1, max_size=6))
def test_a_step_is_started_once_for_each_judged_failure(story: list[Try]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        play = Play(f"sqlite:///{Path(folder) / 'journal.db'}")
        for number, one in enumerate([*story, Try(None, "", well=True, noted=None)]):
            started = list(play.vendor.started)
            waited = set(play.vendor.waited)  # the vendor said how these ended
            ended = play.act(one, number)
            assert set(started) <= waited or play.vendor.started == started, "started while another may still run"
            assert len(set(play.vendor.started)) == len(play.vendor.started), "two starts under one tag"
        assert ended is not None
        assert ended.ok
