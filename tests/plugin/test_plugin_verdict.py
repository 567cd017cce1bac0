"""How a run ended: one word, the numbers, and the lines that a person reads last."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from maint.errors import MaintError
from maint.holding import Outcome
from maint.journal import HoldRecord, Journal
from maint.plugin.selection import Asked
from maint.plugin.verdict import Verdict
from maint.probe import Failure, Tally
from maint.run import Run

from .conftest import WINDOW, report_of

NOTHING = Outcome((), ())


@pytest.fixture
def verdict(asked: Asked) -> Verdict:
    return Verdict(asked)


def last(verdict: Verdict, run: Run | None) -> list[str]:
    return [words for words, _ in verdict.last_lines(run, Path("reports/x/report.html"))]


@pytest.mark.parametrize(("exitstatus", "word"), [(0, "green"), (1, "red"), (2, "interrupted"), (3, "red"), (5, "red")])
def test_the_exit_status_decides(verdict: Verdict, exitstatus: int, word: str) -> None:
    verdict.settle(exitstatus, NOTHING, None)
    assert verdict.word == word


def test_what_is_still_held_is_red_and_comes_last(verdict: Verdict, run: Run, hold: HoldRecord) -> None:
    stuck = replace(hold, state="stuck", why="IC-Web3: its patching failed")
    verdict.settle(0, Outcome((), (stuck,)), Tally(asked=90))
    assert verdict.word == "red"
    assert last(verdict, run)[-4:] == [
        "report: reports/x/report.html",
        f"saturday-pre: RED (nothing ran; {verdict.seconds:.1f} s)",
        "STILL HELD  IC-Web3 out of pool-www · hold 3bbd7bee · IC-Web3: its patching failed",
        'to give back: maint restore   ·   to keep it out: maint release 3bbd7bee --reason "..."',
    ]
    assert "STILL HELD: IC-Web3 out of pool-www (hold 3bbd7bee): IC-Web3: its patching failed" in verdict.summary(run)


def test_a_worker_that_died_is_red(verdict: Verdict, run: Run) -> None:
    verdict.crashed.append("worker gw0 died; what was left for it did not run")
    verdict.settle(0, NOTHING, None)
    assert verdict.word == "red"
    assert "worker gw0 died; what was left for it did not run" in last(verdict, run)


def test_numbers(verdict: Verdict, run: Run) -> None:
    verdict.expected = 7
    verdict.count(report_of("test_a", when="setup"))
    verdict.count(report_of("test_a"))
    verdict.count(report_of("test_a", "failed", "still out", "teardown"))
    verdict.count(report_of("test_b", "failed", "no pool", "setup"))
    verdict.count(report_of("test_c", "skipped", ("x", 1, "Skipped: nothing was taken"), "setup"))
    verdict.count(report_of("test_d", "failed", "AssertionError: 1\nmore"))
    verdict.settle(1, NOTHING, None)
    assert verdict.numbers == "1 passed, 3 failed, 1 skipped, 3 not run"
    assert last(verdict, run)[1:7] == [
        "FAILED  A (give-back)", "        still out", "FAILED  B (set-up)", "        no pool",
        "FAILED  D", "        1",
    ]  # fmt: skip


def test_told_to_stop(verdict: Verdict, run: Run) -> None:
    verdict.told_by, verdict.expected = "SIGTERM", 50
    verdict.count(report_of("test_a"))
    verdict.settle(2, NOTHING, None)
    assert last(verdict, run)[-1].startswith("saturday-pre: INTERRUPTED by SIGTERM (1 passed, 49 not run; ")


def test_a_file_that_cannot_be_read_is_red(verdict: Verdict) -> None:
    verdict.count_unread(pytest.CollectReport("checks/test_a.py", "failed", "E   ImportError: no such thing", []))
    verdict.settle(2, NOTHING, None)
    assert verdict.word == "red"
    assert last(verdict, None)[1:3] == ["FAILED  checks/test_a.py", "        ImportError: no such thing"]


def test_a_part_of_a_phase_says_so_everywhere(asked: Asked, run: Run) -> None:
    verdict = Verdict(replace(asked, partial=True))
    verdict.settle(0, NOTHING, None)
    assert verdict.whole_word == "GREEN · PARTIAL"
    assert "GREEN · PARTIAL" in last(verdict, run)[-1]
    assert "saturday-pre of 2025-03-23 Monthly: GREEN · PARTIAL (nothing ran)" in verdict.summary(run)


def test_suites_alone() -> None:
    verdict = Verdict(Asked(suites=("smoke", "regression")))
    verdict.count(report_of("test_a"))
    verdict.settle(0, NOTHING, None)
    lines = last(verdict, None)
    assert lines[0] == "report: reports/x/report.html"
    assert lines[1].startswith("smoke and regression: GREEN (1 passed; ")


def test_a_journal_that_fails_is_said_last(verdict: Verdict, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(_: str) -> None:
        raise MaintError("the journal could not be read")

    monkeypatch.setattr(run.journal, "steps", gone)
    verdict.unknown = "the journal could not be written: disk I/O error"
    verdict.settle(1, NOTHING, None)
    assert verdict.all_warnings(run) == []
    assert last(verdict, run)[-2] == "WHAT IS HELD IS NOT KNOWN: the journal could not be written: disk I/O error"
    assert last(verdict, run)[-1].endswith("look with: maint status")
    assert "WHAT IS HELD IS NOT KNOWN" in verdict.summary(run)


def test_what_visitors_saw(verdict: Verdict, run: Run) -> None:
    tally = Tally(
        asked=90, failures=[Failure(datetime(2025, 3, 22, 18, 5, tzinfo=UTC), "fresh", "502")], down_seconds=0.4
    )
    verdict.settle(0, NOTHING, tally)
    assert "site: 1 of 90 requests to the site failed, for 0.4 s in all; the first at 18:05:00: 502" in last(
        verdict, run
    )
    assert "While it ran, 1 of 90 requests" in verdict.summary(run)


def test_warnings_are_told_once(verdict: Verdict, run: Run, journal: Journal) -> None:
    for _ in range(2):
        verdict.warn("the first byte took 900 ms")
    all_done(run)
    journal.set_step(WINDOW, "P4", "failed", evidence="Slack did not take the message")
    verdict.settle(0, NOTHING, None)
    assert [line for line in last(verdict, run) if line.startswith("warning")] == [
        "warning: the first byte took 900 ms",
        "warning: Slack did not take P4; tell the people yourself",
    ]


def test_a_line_that_nothing_did_is_told_of(verdict: Verdict, asked: Asked, run: Run, journal: Journal) -> None:
    all_done(run)
    journal.set_step(WINDOW, "P6", "doing")
    verdict.settle(0, NOTHING, None)
    assert verdict.all_warnings(run) == ["P6 still to do, though the whole phase ran"]
    for other in (Verdict(replace(asked, partial=True)), verdict):
        other.settle(0 if other.asked.partial else 1, NOTHING, None)
        assert other.all_warnings(run) == [], "a part, or a red run, says so anyway"


def all_done(run: Run) -> None:
    for step in run.phase.actions:
        run.journal.set_step(WINDOW, step.id, "done")
