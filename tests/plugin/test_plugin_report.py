"""The first screen of the report: verdict first, what is held by name, every action and line, nothing dangerous."""

import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any

import pytest

from maint.errors import MaintError
from maint.holding import Outcome
from maint.journal import HoldRecord, Journal
from maint.plugin.report import Report, action_rows, step_rows
from maint.plugin.selection import Asked
from maint.plugin.verdict import Verdict
from maint.probe import Tally
from maint.run import Run

from .conftest import WINDOW, report_of

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>"
SESSION = "(S(kx2hqv4tjyoz3o5l1mfe0wpr))"


class Page(HTMLParser):
    """What a browser makes of the page: its text in order, and its tags with their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def expect_in_order(self, *parts: str) -> None:
        """Expect these texts, one after the other."""
        at = 0
        for part in parts:
            found = self.text.find(part, at)
            assert found >= 0, f"{part!r} does not follow in: {self.text[at : at + 2000]}"
            at = found + len(part)


Render = Callable[..., Page]


@pytest.fixture
def render(run: Run, asked: Asked) -> Render:
    """A function that renders the report of the run, or of suites alone, as it stands in the journal."""

    def page(verdict: Verdict | None = None, *, outcome: Outcome | None = None, exitstatus: int = 0) -> Page:
        verdict = verdict or Verdict(asked)
        verdict.settle(exitstatus, outcome or Outcome((), ()), Tally(asked=90))
        controller: Any = SimpleNamespace(
            run=run if verdict.asked.phase else None,
            asked=verdict.asked,
            context=run.context,
            verdict=verdict,
        )
        prefix: list[str] = []
        Report(controller).pytest_html_results_summary(prefix)
        return Page(prefix[0])

    return page


@pytest.fixture
def who(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(journal, "who", "ana@desk")
    return "ana@desk"


def test_verdict_first(render: Render, who: str, asked: Asked) -> None:
    verdict = Verdict(asked)
    verdict.count(report_of("test_a"))
    page = render(verdict)
    page.expect_in_order(
        "REHEARSAL: nothing real was touched", "GREEN",
        "saturday-pre of 2025-03-23 Monthly · Sat 22 Mar 18:00 to 22:00 EDT · run run-1", f"by {who}",
        "1 passed in 0.0 s · 0 of 90 requests to the site failed", "Nothing is held",
        "The runbook's lines", "The tests",
    )  # fmt: skip
    assert "STILL HELD" not in page.text


def test_production_is_said_first(render: Render, run: Run) -> None:
    run.context.environment.production = True  # type: ignore[misc]
    page = render()
    page.expect_in_order("PRODUCTION", "GREEN")
    assert "REHEARSAL" not in page.text


def test_what_is_held_is_named_with_the_way_out(render: Render, journal: Journal, hold: HoldRecord) -> None:
    stuck = journal.set_hold(hold, "stuck", "IC-Web3: its patching failed")
    page = render(outcome=Outcome((), (stuck,)))
    page.expect_in_order(
        "RED", "STILL HELD: IC-Web3 out of pool-www", "(hold 3bbd7bee). IC-Web3: its patching failed",
        "maint restore", 'maint release 3bbd7bee --reason "..."', "What was taken and given back",
    )  # fmt: skip
    assert "Nothing is held" not in page.text


def test_failures_crashes_and_warnings_come_before_the_tables(render: Render, asked: Asked) -> None:
    verdict = Verdict(asked)
    verdict.count(report_of("test_P3_updates_are_installed[IC-Web3]", "failed", f"opened {SESSION} in vain"))
    verdict.crashed.append("worker gw1 died; what was left for it did not run")
    verdict.warn("the first byte took 900 ms")
    render(verdict, exitstatus=1).expect_in_order(
        "RED", "P3 updates are installed · IC-Web3 : opened (S(...)) in vain", "worker gw1 died",
        "the first byte took 900 ms", "The runbook's lines",
    )  # fmt: skip


def test_a_part_and_an_interrupted_run_say_so(render: Render, asked: Asked) -> None:
    assert "GREEN · PARTIAL" in render(Verdict(replace(asked, partial=True))).text
    stopped = Verdict(asked, told_by="SIGHUP", expected=50)
    render(stopped, exitstatus=2).expect_in_order("INTERRUPTED by SIGHUP", "50 not run in", "Nothing is held")


def test_a_journal_that_cannot_be_read_leaves_a_report(
    render: Render, asked: Asked, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object, **__: object) -> None:
        raise MaintError("the journal could not be written: disk I/O error", next="maint status")

    for name in ("steps", "holds", "events"):
        monkeypatch.setattr(journal, name, gone)
    verdict = Verdict(asked)
    verdict.unknown = "the journal could not be written"
    page = render(verdict, exitstatus=1)
    page.expect_in_order("RED", "WHAT IS HELD IS NOT KNOWN", "maint status", "disk I/O error", "The tests")
    assert "Nothing is held" not in page.text


def test_suites_alone_have_a_verdict_and_no_tables(render: Render) -> None:
    page = render(Verdict(Asked(suites=("smoke",))))
    page.expect_in_order("REHEARSAL", "GREEN", "smoke", "nothing ran", "The tests")
    assert "runbook" not in page.text
    assert "Nothing is held" not in page.text, "nothing was taken either"


def test_every_line_of_the_phase_is_there(render: Render, run: Run, journal: Journal) -> None:
    journal.set_step(WINDOW, "P3", "doing", evidence="1 of 5 servers so far")
    journal.set_step(WINDOW, "P3/IC-Web1", "done", evidence="IC-Web1: KB5053596 installed")
    journal.set_step(WINDOW, "P3/IC-Web2", "failed")
    rows = {row.step.id: row for row in step_rows(run)}
    assert list(rows) == [step.id for step in run.phase.actions]
    assert rows["P1"].status == "to do"
    assert rows["P3"].parts == (
        ("IC-Web1", "done", "IC-Web1: KB5053596 installed"),
        ("IC-Web2", "failed", ""),
    )
    render().expect_in_order(
        "P1", "to do", "P3", "doing", "1 of 5 servers so far", "done", "IC-Web1: KB5053596", "failed", "IC-Web2", "P6"
    )


def test_an_action_has_its_times_and_what_was_read_back(run: Run, journal: Journal, hold: HoldRecord) -> None:
    journal.set_hold(hold, "reverting")
    journal.set_hold(hold, "reverted", "IC-Web3 is in pool-www and healthy")
    (row,) = action_rows(run)
    assert (row.title, row.state, row.changed) == (
        "IC-Web3 out of pool-www",
        "reverted",
        "IC-Web3 is in pool-www and healthy",
    )
    assert (row.taken, row.returned) == ("18:00:00", "18:00:00"), "by the window's clock, in its zone"
    assert row.setup is not None
    assert row.give_back is not None
    assert 0 <= row.setup < 10
    assert 0 <= row.give_back < 10


def test_an_action_that_did_not_come_back_has_no_time_of_return(run: Run, journal: Journal, hold: HoldRecord) -> None:
    journal.set_hold(hold, "reverting")
    journal.set_hold(hold, "stuck", "IC-Web3: no answer")
    (row,) = action_rows(run)
    assert (row.returned, row.state, row.changed) == ("", "stuck", "IC-Web3: no answer")


def test_an_adopted_action_is_there_and_anothers_is_not(run: Run, journal: Journal, hold: HoldRecord) -> None:
    journal.run = "run-2"
    journal.set_hold(journal.adopt(hold, replace(hold, run="run-2")), "reverted", "back")
    (row,) = action_rows(replace(run, id="run-2"))
    assert (row.hold, row.setup) == (hold.id, None), "it was taken by another run"
    journal.run = "run-3"
    assert action_rows(replace(run, id="run-3")) == []


def test_what_others_wrote_is_text_and_holds_no_secrets(
    render: Render, asked: Asked, journal: Journal, hold: HoldRecord
) -> None:
    journal.set_step(WINDOW, "P1", "failed", evidence=f"{EVIL} at https://x.example/{SESSION}/a?b=1&c=2")
    journal.set_step(WINDOW, "P3/IC-Web1", "failed", evidence=EVIL)
    stuck = journal.set_hold(hold, "stuck", EVIL)
    verdict = Verdict(asked)
    verdict.count(report_of("test_a", "failed", EVIL))
    verdict.crashed.append(EVIL)
    verdict.warn(EVIL)
    page = render(verdict, outcome=Outcome((), (stuck,)), exitstatus=1)
    assert {tag for tag, _ in page.tags} & {"script", "img"} == set()
    assert page.text.count("<script>alert(1)</script>") >= 6
    assert [attributes["href"] for tag, attributes in page.tags if tag == "a"] == [
        "https://x.example/(S(...))/a?b=1&c=2"
    ]
    assert SESSION not in page.text
