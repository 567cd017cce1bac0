"""The HTML report: pytest-html's table of tests below, and above it what a person asks first."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jinja2 import Environment, FileSystemLoader, select_autoescape

from maint.errors import MaintError
from maint.journal import Event, HoldRecord
from maint.plugin.artifacts import clean_report
from maint.plugin.words import lasting
from maint.redact import redact
from maint.run import Run
from maint.window_steps import AnyStep

if TYPE_CHECKING:
    from maint.plugin.controller import Controller


@dataclass(frozen=True)
class ActionRow:
    """A hold as a row: what was taken, when and for how long, and how it came back. Durations in seconds."""

    title: str
    hold: str
    taken: str
    setup: float | None
    returned: str
    give_back: float | None
    changed: str
    state: str


class Report:
    """Writes the first screen of the report, and cleans what the tests printed."""

    def __init__(self, controller: "Controller") -> None:
        self._controller = controller

    def pytest_html_report_title(self, report: Any) -> None:
        """Name the report after what ran."""
        asked = self._controller.asked
        what = f"{asked.name} of {asked.window.title}" if asked.window else asked.name
        report.title = f"{'' if self._controller.context.environment.production else '[REHEARSAL] '}{what}"

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take secrets out of what a test printed and of how it failed."""
        clean_report(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Take secrets out of why a file of tests could not be read."""
        clean_report(report)

    def pytest_html_results_summary(self, prefix: list[str]) -> None:
        """Put verdict, window, what is held, the probe's line, actions and steps above the tests."""
        folder = Path(__file__).parent
        templates = Environment(loader=FileSystemLoader(folder), autoescape=select_autoescape(default=True))
        controller = self._controller
        run = controller.run
        page = templates.get_template("report.html.j2").render(
            run=run,
            asked=controller.asked,
            production=controller.context.environment.production,
            verdict=controller.verdict,
            took=lasting(controller.verdict.seconds),
            **self._from_journal(run),
            who=controller.context.journal.who,
            now=datetime.now().astimezone(),
            redact=redact,
        )
        prefix.append(page)

    def _from_journal(self, run: Run | None) -> dict[str, Any]:
        verdict = self._controller.verdict
        if run is None:
            return {"warnings": verdict.warnings, "actions": [], "steps": []}
        try:
            return {"warnings": verdict.all_warnings(run), "actions": action_rows(run), "steps": step_rows(run)}
        except MaintError as error:  # the rest of the report is worth having all the same
            return {"warnings": [*verdict.warnings, str(error)], "actions": [], "steps": []}


def action_rows(run: Run) -> list[ActionRow]:
    """Return one row for every hold that this run took, adopted or gave back, in the order of taking."""
    events = run.journal.events(run.id)
    by_hold: dict[str, list[Event]] = {}
    for event in events:
        if "hold" in event.data:
            by_hold.setdefault(event.data["hold"], []).append(event)
    holds = {hold.id: hold for hold in run.journal.holds(everything=True)}
    return [_action_row(run, holds[hold], told) for hold, told in by_hold.items() if hold in holds]


def _action_row(run: Run, hold: HoldRecord, events: list[Event]) -> ActionRow:
    def first(*kinds: str) -> Event | None:
        return next((event for event in events if event.kind in kinds), None)

    begun, forced = first("hold intended", "hold adopted"), first("hold in force")
    leaving = first("hold reverting")
    ended = next((e for e in reversed(events) if e.kind in {"hold reverted", "hold stuck"}), None)
    return ActionRow(
        title=hold.title,
        hold=hold.id,
        taken=_clock(run, forced or begun),
        setup=_between(begun, forced),
        returned=_clock(run, ended) if ended and ended.kind == "hold reverted" else "",
        give_back=_between(leaving, ended),
        changed=hold.why or hold.title,
        state=hold.state,
    )


def _clock(run: Run, event: Event | None) -> str:
    if event is None:
        return ""
    return f"{datetime.fromisoformat(event.moment).astimezone(run.window.zone):%H:%M:%S}"


def _between(begun: Event | None, ended: Event | None) -> float | None:
    if begun is None or ended is None:
        return None
    return (datetime.fromisoformat(ended.at) - datetime.fromisoformat(begun.at)).total_seconds()


@dataclass(frozen=True)
class StepRow:
    """A line of the runbook as a row, with its parts' statuses below it."""

    step: AnyStep
    status: str
    evidence: str
    parts: tuple[tuple[str, str, str], ...]


def step_rows(run: Run) -> list[StepRow]:
    """Return the phase's lines with their status, evidence and parts."""
    records = run.journal.steps(run.window.name)
    rows = []
    for step in run.phase.actions:
        record = records.get(step.id)
        parts = tuple(
            (name.removeprefix(f"{step.id}/"), part.status, part.evidence)
            for name, part in sorted(records.items())
            if name.startswith(f"{step.id}/")
        )
        status = record.status if record else step.status
        rows.append(StepRow(step, status, record.evidence if record else step.reason or "", parts))
    return rows
