"""A test's outcome becomes the status of the runbook's line that it stands for."""

from types import SimpleNamespace
from typing import Any

import pytest

from maint.holding import Outcome
from maint.journal import HoldRecord, Journal, StepRecord
from maint.plugin.state import RUN
from maint.plugin.steps import EVIDENCE, NotSaid, expect_given_back, expect_said, note_outcome
from maint.run import Run

from .conftest import WINDOW, report_of


class Item:
    """A test that stands for a line, as far as note_outcome looks at it."""

    def __init__(self, run: Run, step: str | None, *, server: str = "", evidence: str = "") -> None:
        self.config = SimpleNamespace(stash={RUN: run})
        self.user_properties = [(EVIDENCE, evidence)] if evidence else []
        self.step = step
        if server:
            self.callspec = SimpleNamespace(params={"server": server})

    def get_closest_marker(self, _: str) -> Any:
        return self.step and SimpleNamespace(args=(self.step,))


def noted(journal: Journal, item: Item, report: pytest.TestReport, step: str = "P1") -> StepRecord | None:
    note_outcome(item, report)  # type: ignore[arg-type]
    return journal.step(WINDOW, step)


def test_passed_is_done_with_what_was_seen(run: Run, journal: Journal) -> None:
    record = noted(journal, Item(run, "P1", evidence="IC-Web1 to IC-Web5 drained"), report_of("test_P1"))
    assert record
    assert (record.status, record.evidence) == ("done", "IC-Web1 to IC-Web5 drained")


@pytest.mark.parametrize("when", ["setup", "call"])
def test_failed_is_failed_with_the_reason(run: Run, journal: Journal, when: str) -> None:
    why = "E   AssertionError: only 4 healthy servers would be left\nE   assert False"
    record = noted(journal, Item(run, "P1", evidence="not this"), report_of("test_P1", "failed", why, when))
    assert record
    assert (record.status, record.evidence) == ("failed", "only 4 healthy servers would be left")


@pytest.mark.parametrize(
    "report",
    [
        report_of("test_P1", when="setup"),
        report_of("test_P1", when="teardown"),
        report_of("test_P1", "failed", "still out", "teardown"),
        report_of("test_P1", "skipped", ("x", 1, "Skipped: nothing was taken")),
    ],
    ids=["set-up passed", "give-back passed", "give-back failed", "skipped"],
)
def test_what_says_nothing_of_a_line(run: Run, journal: Journal, report: pytest.TestReport) -> None:
    assert noted(journal, Item(run, "P1"), report) is None


def test_a_test_that_stands_for_no_line(run: Run, journal: Journal) -> None:
    assert noted(journal, Item(run, None), report_of("test_s1")) is None


def parts(journal: Journal, **statuses: str) -> None:
    """Let the servers' parts of P3 stand like this, as the rollout leaves them."""
    for number, status in statuses.items():
        journal.set_step(WINDOW, f"P3/IC-Web{number[1:]}", status, evidence=f"IC-Web{number[1:]}: {status}")


def test_a_line_with_parts_is_done_when_all_are(run: Run, journal: Journal) -> None:
    item, passed = Item(run, "P3", server="IC-Web1"), report_of("test_P3[IC-Web1]")
    parts(journal, w1="done", w2="doing")
    record = noted(journal, item, passed, "P3")
    assert record
    assert (record.status, record.evidence) == ("doing", "1 of 5 servers so far")
    parts(journal, w2="done", w3="done", w4="done", w5="done")
    record = noted(journal, item, passed, "P3")
    assert record
    assert (record.status, record.evidence) == ("done", "5 of 5 servers")


def test_a_line_with_a_failed_part_is_failed(run: Run, journal: Journal) -> None:
    parts(journal, w1="done", w2="failed", w3="failed", w4="done", w5="done")
    record = noted(journal, Item(run, "P3", server="IC-Web4"), report_of("test_P3[IC-Web4]"), "P3")
    assert record
    assert (record.status, record.evidence) == ("failed", "IC-Web2: failed; IC-Web3: failed")


def test_what_is_not_given_back_fails_the_test_that_looks(hold: HoldRecord) -> None:
    with pytest.raises(AssertionError, match=r"^IC-Web3 out of pool-www: "):
        expect_given_back(Outcome((), (hold,)))
    with pytest.raises(pytest.skip.Exception, match="nothing was taken"):
        expect_given_back(Outcome((), ()))
    expect_given_back(Outcome((hold,), ()))


def test_what_slack_did_not_take_is_a_warning(run: Run, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    step = SimpleNamespace(id="P4")
    monkeypatch.setattr(Run, "announcer", SimpleNamespace(step=lambda _: step))
    with pytest.raises(pytest.skip.Exception, match="there was nothing to say"):
        expect_said(run, "give-back")
    journal.set_step(WINDOW, "P4", "failed", evidence="Slack did not take the message")
    with pytest.warns(NotSaid, match="P4: Slack did not take the message"):
        expect_said(run, "give-back")
    journal.set_step(WINDOW, "P4", "done", evidence="said")
    expect_said(run, "give-back")
