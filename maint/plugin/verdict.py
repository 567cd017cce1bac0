"""How a run ended, in one word, in the report's first lines, in Slack and in the terminal's last."""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from maint.errors import MaintError
from maint.holding import Outcome
from maint.journal import HoldRecord
from maint.plugin.selection import Asked
from maint.plugin.words import lasting, reason_of, title_of
from maint.probe import Tally
from maint.run import Run
from maint.window_steps import Notify

INTERRUPTED = 2
STYLES = {"green": "bold green", "red": "bold red", "interrupted": "bold yellow"}


@dataclass
class Verdict:
    """Counts outcomes while the run goes on, and knows at its end what is still held.

    expected: how many tests were collected. failures: title and reason of each. told_by: the signal that ended it.
    unknown: why the journal could not say at the end what is held.
    broken: whether a file of tests could not be read; nothing runs then.
    """

    asked: Asked
    counts: Counter[str] = field(default_factory=Counter)
    expected: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list)
    held: tuple[HoldRecord, ...] = ()
    tally: Tally | None = None
    word: str = "interrupted"
    told_by: str = ""
    broken: bool = False
    warnings: list[str] = field(default_factory=list)
    crashed: list[str] = field(default_factory=list)
    unknown: str = ""
    seconds: float = 0.0
    _seen: set[str] = field(default_factory=set)
    _begun: float = field(default_factory=time.monotonic)

    def count(self, report: pytest.TestReport) -> None:
        """Count one phase of one test."""
        if report.when == "call" or not report.passed:
            self._seen.add(report.nodeid)
            self.counts[report.outcome if report.when == "call" or report.skipped else "failed"] += 1
        if report.failed:
            self.failures.append((title_of(report.nodeid, report.when), reason_of(report)))

    def count_unread(self, report: pytest.CollectReport) -> None:
        """Count a file of tests that could not be read."""
        self.broken = True
        self.failures.append((title_of(report.nodeid), reason_of(report)))

    def warn(self, words: str) -> None:
        """Keep a warning, once."""
        if words not in self.warnings:
            self.warnings.append(words)

    def settle(self, exitstatus: int, outcome: Outcome, tally: Tally | None) -> None:
        """Decide: interrupted, red (a test failed or something is still held), or green."""
        self.held, self.tally = outcome.left, tally
        self.seconds = time.monotonic() - self._begun
        if exitstatus == INTERRUPTED and not self.broken:
            self.word = "interrupted"
        else:
            self.word = "red" if exitstatus or outcome.left or self.crashed else "green"

    @property
    def numbers(self) -> str:
        """Return the outcomes as a person reads them: "31 passed, 1 failed, 3 not run"."""
        counts = {**self.counts, "not run": self.expected - len(self._seen)}
        words = ("passed", "failed", "skipped", "not run")
        return ", ".join(f"{counts[word]} {word}" for word in words if counts.get(word, 0) > 0) or "nothing ran"

    @property
    def whole_word(self) -> str:
        """Return the verdict as it is shown: "GREEN", "INTERRUPTED by SIGTERM", "GREEN · PARTIAL"."""
        by = f" by {self.told_by}" if self.told_by and self.word == "interrupted" else ""
        return self.word.upper() + by + (" · PARTIAL" if self.asked.partial else "")

    def summary(self, run: Run) -> str:
        """Return the verdict for Slack: what ended how, what is still held, what the site's visitors saw."""
        sign = {"green": ":white_check_mark:", "red": ":x:"}.get(self.word, ":warning:")
        lines = [f"{sign} {run.phase.name} of {run.window.title}: {self.whole_word} ({self.numbers})"]
        if self.unknown:
            lines.append(f":warning: WHAT IS HELD IS NOT KNOWN: {self.unknown}. Look with: maint status")
        lines += [f":warning: STILL HELD: {hold.title} (hold {hold.id}): {hold.why}" for hold in self.held]
        if self.tally:
            lines.append(f"While it ran, {self.tally}.")
        return "\n".join(lines)

    def all_warnings(self, run: Run | None) -> list[str]:
        """Return every warning: the tests', what Slack did not take, and lines that a whole green run did not do."""
        if run is None:
            return self.warnings
        try:
            records = run.journal.steps(run.window.name)
        except MaintError:
            return self.warnings
        status = {step.id: records[step.id].status if step.id in records else step.status for step in run.phase.actions}
        unsaid = [s.id for s in run.phase.actions if isinstance(s, Notify) and status[s.id] == "failed"]
        undone = [step for step, word in status.items() if word in {"to do", "doing"}]
        found = [f"Slack did not take {', '.join(unsaid)}; tell the people yourself"] if unsaid else []
        if undone and self.word == "green" and not self.asked.partial:
            found.append(f"{', '.join(undone)} still to do, though the whole phase ran")
        return [*self.warnings, *found]

    def last_lines(self, run: Run | None, report: Path) -> Iterator[tuple[str, str]]:
        """Yield the terminal's last lines and their styles, the most important last."""
        if self.failures:
            yield "", ""
        for title, reason in self.failures:
            yield f"FAILED  {title}", "bold red"
            yield f"        {reason}", ""
        for crash in self.crashed:
            yield crash, "bold red"
        for warning in self.all_warnings(run):
            yield f"warning: {warning}", "yellow"
        if run:
            yield f"site: {self.tally}", "yellow" if self.tally and self.tally.failures else ""
        yield f"report: {_shown(report)}", ""
        yield f"{self.asked.name}: {self.whole_word} ({self.numbers}; {lasting(self.seconds)})", STYLES[self.word]
        if self.unknown:
            yield f"WHAT IS HELD IS NOT KNOWN: {self.unknown}", "bold red"
            yield "the guardian, if there is one, gives back what is open now; look with: maint status", "bold red"
        for hold in self.held:
            yield f"STILL HELD  {hold.title} · hold {hold.id} · {hold.why}", "bold red"
        if self.held:
            yield (
                f'to give back: maint restore   ·   to keep it out: maint release {self.held[0].id} --reason "..."',
                "bold red",
            )


def _shown(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
