"""One-way steps: in order, at once where nothing is between them, each at most once whatever happens."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from maint.errors import DeadlinePassed, LeaseLost, MaintError, Stopped
from maint.journal import Journal, StepRecord
from maint.rollout import Job, Result, Rollout, Tag, run_once
from maint.waiting import Patience

from .conftest import MakeJournal
from .fakes import NOW, Clock, Crash, Start, Vendor, nothing, once

WINDOW = "2025-03-23-monthly"
DONE = Result("done", "C1 ended well")


@pytest.fixture
def vendor() -> Vendor:
    return Vendor()


@dataclass
class Patiently:
    """Makes the patience of a rollout's threads, and lets the window's time pass while they wait."""

    clock: Clock
    stop: threading.Event = field(default_factory=threading.Event)
    seconds: float = 5.0
    told: list[str] = field(default_factory=list)

    def __call__(self) -> Patience:
        return Patience(time.monotonic() + self.seconds, poll=0.005, stop=self.stop, tell=self._tell)

    def _tell(self, line: str) -> None:
        self.told.append(line)
        self.clock.pass_(minutes=1)


@pytest.fixture
def patiently(vendor: Vendor) -> Patiently:
    return Patiently(vendor.clock)


@pytest.fixture
def rollout(journal: Journal, vendor: Vendor, patiently: Patiently) -> Rollout:
    return Rollout(journal, WINDOW, vendor, vendor.clock, patiently)


def job(name: str, *after: str, **more: Any) -> Job:
    return Job(name, f"step {name}", Start(name), after, **more)


def once_more(journal: Journal, vendor: Vendor, name: str = "C1") -> Result:
    return run_once(journal, WINDOW, job(name), vendor)


def step(journal: Journal, name: str = "C1") -> StepRecord:
    found = journal.step(WINDOW, name)
    assert found is not None
    return found


def tags(vendor: Vendor) -> list[str]:
    return [tag.removeprefix(f"{WINDOW}-") for tag in vendor.started]


def refuses(error: MaintError) -> Callable[[str], None]:
    def call(_: str) -> None:
        raise error

    return call


# one step -----------------------------------------------------------------------------------------------------------


def test_the_intention_is_on_disk_before_anything_is_started(
    journal: Journal, vendor: Vendor, open_journal: MakeJournal
) -> None:
    seen: list[StepRecord] = []
    vendor.before = lambda _: seen.append(step(open_journal()))
    assert once_more(journal, vendor) == DONE
    (intended,) = seen
    assert (intended.status, intended.handle) == ("doing", None)
    assert intended.before == {"moment": NOW.isoformat(), "attempt": 1, "started": 0}
    ended = step(open_journal())
    assert (ended.status, ended.evidence, ended.handle) == ("done", "C1 ended well", None)


def test_what_is_done_is_not_done_again(journal: Journal, vendor: Vendor, open_journal: MakeJournal) -> None:
    once_more(journal, vendor)
    again = once_more(open_journal("run-2"), vendor)
    done = step(journal)
    assert again.ok
    assert again.evidence == f"done before: C1 ended well ({done.changed} by {done.who}, run run-1)"
    assert tags(vendor) == ["C1"]


def test_started_and_the_handle_lost_it_is_found_by_its_tag(
    journal: Journal, vendor: Vendor, open_journal: MakeJournal
) -> None:
    vendor.after = once(Crash())
    with pytest.raises(Crash):
        once_more(journal, vendor)
    assert (step(journal).status, step(journal).handle) == ("doing", None)
    assert once_more(open_journal("run-2"), vendor) == DONE
    assert vendor.waited == vendor.started == [f"{WINDOW}-C1"]


def test_intended_and_not_started_it_is_started(journal: Journal, vendor: Vendor, open_journal: MakeJournal) -> None:
    vendor.before = once(Crash())
    with pytest.raises(Crash):
        once_more(journal, vendor)
    assert once_more(open_journal("run-2"), vendor) == DONE
    assert len(vendor.started) == 1


def test_a_crash_while_waiting_goes_on_waiting(journal: Journal, vendor: Vendor, open_journal: MakeJournal) -> None:
    vendor.waiting = once(Crash())
    with pytest.raises(Crash):
        once_more(journal, vendor)
    assert step(journal).handle == f"{WINDOW}-C1"
    vendor.looking = refuses(MaintError("what has a handle need not be looked for"))
    assert once_more(open_journal("run-2"), vendor) == DONE
    assert len(vendor.started) == 1


def test_after_a_judged_failure_the_next_try_has_another_tag(
    journal: Journal, vendor: Vendor, open_journal: MakeJournal
) -> None:
    vendor.results["C1"] = Result("failed", "stage Deploy failed")
    for attempt in (1, 2):
        assert not once_more(open_journal(f"run-{attempt}"), vendor).ok
        assert (step(journal).status, step(journal).evidence) == ("failed", "stage Deploy failed")
    vendor.results.clear()
    assert once_more(open_journal("run-3"), vendor) == DONE
    assert tags(vendor) == ["C1", "C1-2", "C1-3"]


def test_a_second_try_that_crashed_is_found_by_the_second_tag(
    journal: Journal, vendor: Vendor, open_journal: MakeJournal
) -> None:
    vendor.results["C1"] = Result("failed", "stage Deploy failed")
    once_more(journal, vendor)
    vendor.results.clear()
    vendor.after = once(Crash())
    with pytest.raises(Crash):
        once_more(journal, vendor)
    assert once_more(open_journal("run-2"), vendor) == DONE
    assert (tags(vendor), vendor.waited) == (["C1", "C1-2"], [f"{WINDOW}-C1", f"{WINDOW}-C1-2"])


def test_a_tag_can_travel_in_an_address() -> None:
    assert str(Tag(WINDOW, "P3/IC-Web1", NOW, {"attempt": 2})) == f"{WINDOW}-P3-IC-Web1-2"


# several steps ------------------------------------------------------------------------------------------------------


def run_all(rollout: Rollout, *jobs: Job) -> dict[str, str]:
    rollout.start(jobs)
    found = {one.id: rollout.result(one.id).status for one in jobs}
    rollout.join()
    return found


def test_what_waits_for_another_starts_after_its_end(rollout: Rollout, vendor: Vendor) -> None:
    ended: list[str] = []

    def waiting(name: str) -> None:
        time.sleep(0.02)
        ended.append(name)

    def starts(name: str) -> None:
        assert name != "C7" or {"C2", "C4"} <= set(ended)

    vendor.waiting, vendor.before = waiting, starts
    jobs = [job("C7", "C2", "C4"), job("C4", "C2"), job("C2")]
    assert set(run_all(rollout, *jobs).values()) == {"done"}
    assert tags(vendor) == ["C2", "C4", "C7"]


def test_what_waits_for_nothing_runs_at_once(rollout: Rollout, vendor: Vendor) -> None:
    together = threading.Barrier(8, timeout=5)  # passed only if all of them are at it at the same time

    def waiting(_: str) -> None:
        together.wait()

    vendor.waiting = waiting
    assert set(run_all(rollout, *(job(f"C5/{n}") for n in range(8))).values()) == {"done"}


def test_a_failed_step_stops_what_waits_for_it_by_name_and_nothing_else(
    rollout: Rollout, vendor: Vendor, journal: Journal
) -> None:
    vendor.results["C4"] = Result("failed", "stage Deploy failed")
    jobs = [job("C2"), job("C4"), job("C5", "C4"), job("C6", "C5"), job("C7", "C2")]
    found = run_all(rollout, *jobs)
    assert found == {"C2": "done", "C4": "failed", "C5": "not run", "C6": "not run", "C7": "done"}
    assert rollout.results["C5"].evidence == "waits for step C4 (failed)"
    assert rollout.results["C6"].evidence == "waits for step C5 (not run)"
    assert sorted(tags(vendor)) == ["C2", "C4", "C7"]
    statuses = {name: record.status for name, record in journal.steps(WINDOW).items()}
    assert statuses == {"C2": "done", "C4": "failed", "C5": "to do", "C6": "to do", "C7": "done"}


def test_an_error_is_a_failed_step(rollout: Rollout, vendor: Vendor, journal: Journal) -> None:
    vendor.before = refuses(MaintError("answered 500", where="Azure DevOps"))
    assert run_all(rollout, job("C2"), job("C7", "C2")) == {"C2": "failed", "C7": "not run"}
    assert (step(journal, "C2").status, step(journal, "C2").evidence) == ("failed", "Azure DevOps: answered 500.")


def test_a_bug_of_ours_ends_its_step_and_hangs_nobody(
    rollout: Rollout, vendor: Vendor, caplog: pytest.LogCaptureFixture
) -> None:
    def bug(name: str) -> None:
        if name == "C2":
            raise KeyError("stages")

    vendor.waiting = bug
    assert run_all(rollout, job("C2"), job("C7", "C2"), job("C4")) == {"C2": "failed", "C7": "not run", "C4": "done"}
    assert rollout.results["C2"].evidence == "KeyError: 'stages'"
    assert "step C2" in caplog.text


def test_nothing_starts_before_its_time(rollout: Rollout, vendor: Vendor, patiently: Patiently) -> None:
    starts: list[Any] = []
    vendor.before = lambda _: starts.append(vendor.clock.now())
    due = NOW + timedelta(minutes=5)
    assert run_all(rollout, job("P6", not_before=due)) == {"P6": "done"}
    assert starts == [due]
    assert patiently.told[0] == "step P6 waits for 22:05 (in 5 min)"
    assert len(patiently.told) == 5


def test_a_time_that_has_come_is_not_waited_for(rollout: Rollout, patiently: Patiently) -> None:
    assert run_all(rollout, job("P6", not_before=NOW)) == {"P6": "done"}
    assert patiently.told == []


def test_a_wait_for_its_time_has_a_deadline(rollout: Rollout, patiently: Patiently, vendor: Vendor) -> None:
    patiently.seconds = 0.0
    assert run_all(rollout, job("P6", not_before=NOW + timedelta(days=1))) == {"P6": "failed"}
    assert "did not happen in time" in rollout.results["P6"].evidence
    assert vendor.started == []


def test_stopping_ends_the_waits_and_fails_nothing(
    rollout: Rollout, patiently: Patiently, vendor: Vendor, journal: Journal
) -> None:
    started = threading.Event()

    def waiting(_: str) -> None:
        started.set()
        patiently().pause("the end", 5)

    vendor.waiting = waiting
    rollout.start([job("C2"), job("C7", "C2"), job("P6", not_before=NOW + timedelta(days=1))])
    assert started.wait(5)
    patiently.stop.set()
    rollout.join()
    assert {name: result.status for name, result in rollout.results.items()} == dict.fromkeys(
        ["C2", "C7", "P6"], "not run"
    )
    assert (step(journal, "C2").status, step(journal, "C2").handle) == ("doing", f"{WINDOW}-C2")
    assert journal.step(WINDOW, "P6") is None


@pytest.mark.parametrize("error", [LeaseLost("another run took over"), Stopped("saturday-pre is stopping")])
def test_a_refused_write_leaves_the_step_to_a_successor(
    rollout: Rollout, vendor: Vendor, journal: Journal, error: MaintError
) -> None:
    vendor.before = refuses(error)
    assert run_all(rollout, job("C2")) == {"C2": "not run"}
    assert step(journal, "C2").status == "doing"


# never twice --------------------------------------------------------------------------------------------------------


def test_started_unseen_and_the_search_fails_it_is_searched_for_again(
    rollout: Rollout, vendor: Vendor, open_journal: MakeJournal
) -> None:
    vendor.after = once(Crash())
    with pytest.raises(Crash):
        once_more(open_journal("run-0"), vendor)
    vendor.looking = refuses(MaintError("answered 503"))
    assert run_all(rollout, job("C1")) == {"C1": "failed"}
    vendor.looking = nothing
    assert once_more(open_journal("run-2"), vendor) == DONE
    assert tags(vendor) == ["C1"]


def test_started_and_the_answer_lost_it_is_searched_for(
    rollout: Rollout, vendor: Vendor, open_journal: MakeJournal
) -> None:
    vendor.after = once(MaintError("no answer; whether it started is not known"))
    assert run_all(rollout, job("C1")) == {"C1": "failed"}
    assert once_more(open_journal("run-2"), vendor) == DONE
    assert tags(vendor) == ["C1"]


def test_started_unseen_and_then_not_run_it_is_searched_for(
    rollout: Rollout, vendor: Vendor, open_journal: MakeJournal
) -> None:
    vendor.after = once(Crash())
    with pytest.raises(Crash):
        once_more(open_journal("run-0"), vendor)
    vendor.results["C0"] = Result("failed", "stage Deploy failed")
    assert run_all(rollout, job("C0"), job("C1", "C0")) == {"C0": "failed", "C1": "not run"}
    assert once_more(open_journal("run-2"), vendor) == DONE
    assert sorted(tags(vendor)) == ["C0", "C1"]


def test_not_ended_in_time_it_is_waited_for_again(rollout: Rollout, vendor: Vendor, open_journal: MakeJournal) -> None:
    vendor.waiting = once(DeadlinePassed("the end of C1 did not happen in time"))
    assert run_all(rollout, job("C1")) == {"C1": "failed"}
    assert once_more(open_journal("run-2"), vendor) == DONE
    assert tags(vendor) == ["C1"]
