"""Turns the outcome of a test into the status of the line of the runbook that it stands for."""

import warnings

import pytest

from maint.holding import Outcome
from maint.plugin.state import run_of
from maint.plugin.words import reason_of
from maint.run import Run
from maint.window_steps import Drain, Patch

EVIDENCE = "evidence"


class NotSaid(UserWarning):
    """Slack did not take a message of the page."""


def note_outcome(item: pytest.Item, report: pytest.TestReport) -> None:
    """Record a step's status from its test: done when it passed, failed when it or its set-up failed."""
    run = run_of(item.config)
    marker = item.get_closest_marker("step")
    if run is None or marker is None or report.when == "teardown" or (report.when == "setup" and report.passed):
        return
    step = str(marker.args[0])
    server = getattr(item, "callspec", None) and item.callspec.params.get("server")  # type: ignore[attr-defined]
    if server:
        _note_part(run, step)
        return
    if report.skipped:
        return
    evidence = next((str(value) for name, value in item.user_properties if name == EVIDENCE), "")
    if report.failed:
        evidence = reason_of(report)
    run.journal.set_step(run.window.name, step, "done" if report.passed else "failed", evidence=evidence)


def _note_part(run: Run, step: str) -> None:
    """Let a line that has one part per server stand as its parts do."""
    parts = {name: record for name, record in run.journal.steps(run.window.name).items() if name.startswith(f"{step}/")}
    line = run.window.step(step)
    batch = run.window.batches[line.batch].servers if isinstance(line, Drain | Patch) else ()
    out = run.released()
    whole = [server for server in batch if server not in out]
    done = [name for name, record in parts.items() if record.status == "done"]
    failed = [record.evidence for record in parts.values() if record.status == "failed"]
    if failed:
        status, evidence = "failed", "; ".join(failed)
    elif len(done) >= len(whole):
        status, evidence = "done", f"{len(done)} of {len(whole)} servers"
    else:
        status, evidence = "doing", f"{len(done)} of {len(whole)} servers so far"
    known = run.journal.step(run.window.name, step)
    if known is None or (known.status, known.evidence) != (status, evidence):
        run.journal.set_step(run.window.name, step, status, evidence=evidence)


def expect_given_back(outcome: Outcome) -> None:
    """Fail a test where something is still held, naming it; skip it where nothing was taken."""
    __tracebackhide__ = True
    assert outcome.whole, "; ".join(f"{hold.title}: {hold.why}" for hold in outcome.left)  # noqa: S101 - a test's words
    if not outcome.reverted:
        pytest.skip("nothing was taken")


def expect_said(run: Run, about: str) -> None:
    """Warn in a test where Slack did not take the message; skip it where there was nothing to say."""
    step = run.announcer.step(about)
    record = run.journal.step(run.window.name, step.id) if step else None
    if record is None:
        pytest.skip("there was nothing to say")
    if record.status != "done":
        warnings.warn(f"{record.step}: {record.evidence}", NotSaid, stacklevel=2)
