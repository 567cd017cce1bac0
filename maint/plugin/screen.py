"""The terminal during a run: one line for everything that happened, and a live one for what is waited for."""

import contextlib
import logging
import os
import threading
import time
from pathlib import Path

import pytest
from rich.console import Console
from rich.text import Text

from maint.redact import redact
from maint.runlog import PROGRESS, Line, read_log

LOOK_EVERY_SECONDS = 0.2
SAY_EVERY_SECONDS = 15.0
"""How often a wait is told of where there is no live line (a log file, CI)."""

_STYLES = {logging.WARNING: "yellow", logging.ERROR: "bold red"}
_OUTCOMES = {"passed": ("ok", "green"), "failed": ("FAILED", "bold red"), "skipped": ("skipped", "yellow")}


class Screen:
    """Shows the run's log and the outcome of each test on the terminal that pytest was started on.

    It writes to its own copy of standard output, since pytest captures the usual one while a test runs.
    """

    def __init__(self) -> None:
        self._file = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="replace")
        self._console = Console(file=self._file, highlight=False, soft_wrap=True)
        self._lock = threading.Lock()
        self._live = False
        self._quit = threading.Event()
        self._thread: threading.Thread | None = None
        self._log: Path | None = None
        self._position = 0
        self._said = 0.0

    def follow(self, log: Path) -> None:
        """Show what the processes of the run write to `log`, from a thread of its own."""
        self._log = log
        self._thread = threading.Thread(target=self._follow, name="screen", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Show what is left of the log, and stop."""
        self._quit.set()
        if self._thread:
            self._thread.join(5)
        self._catch_up()
        self._clear()

    def line(self, words: str, style: str = "", *, indent: int = 0) -> None:
        """Print one line for good."""
        with self._lock, contextlib.suppress(OSError):  # a terminal that is gone never stops the work
            self._wipe()
            self._console.print(Text(" " * indent + redact(words), style=style))
            self._file.flush()

    def _follow(self) -> None:
        while not self._quit.wait(LOOK_EVERY_SECONDS):
            self._catch_up()

    def _catch_up(self) -> None:
        if self._log is None:
            return
        lines, self._position = read_log(self._log, self._position)
        for line in lines:
            self._show(line)

    def _show(self, line: Line) -> None:
        words = f"{line.moment}  {line.words}"
        if line.level > PROGRESS:
            self.line(words, _STYLES.get(line.level, ""), indent=2)
        elif self._console.is_terminal:
            with self._lock, contextlib.suppress(OSError):
                self._wipe()
                self._file.write(f"  \x1b[2m{words[: self._console.width - 3]}\x1b[0m")
                self._file.flush()
                self._live = True
        elif time.monotonic() - self._said >= SAY_EVERY_SECONDS:
            self._said = time.monotonic()
            self.line(words, indent=2)

    def _wipe(self) -> None:
        if self._live:
            self._file.write("\r\x1b[2K")
            self._live = False

    def _clear(self) -> None:
        with self._lock, contextlib.suppress(OSError):
            self._wipe()
            self._file.flush()

    # pytest's own lines --------------------------------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """Count outcomes as ever, but leave the letters out: each test has a line of its own here."""
        if report.when == "call" or not report.passed:
            return ("error" if report.failed and report.when != "call" else report.outcome), "", ""
        return None

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Show what became of a test, or of a set-up or give-back that failed."""
        if report.passed and report.when != "call":
            return
        self._catch_up()
        word, style = _OUTCOMES[report.outcome]
        name = report.nodeid.split("::", 1)[-1].replace("::", " ").replace("test_", "").replace("_", " ")
        when = {"setup": " (set-up)", "teardown": " (give-back)"}.get(report.when, "")
        self.line(f"{word:8}{name}{when}  {report.duration:.1f} s", style)
        reason = _reason(report)
        if reason:
            self.line(reason, indent=8)


def _reason(report: pytest.TestReport) -> str:
    if report.outcome == "skipped" and isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    if not report.failed:
        return ""
    crash = getattr(report.longrepr, "reprcrash", None)
    lines = (crash.message if crash else report.longreprtext).splitlines()
    errors = [line.removeprefix("E").strip() for line in lines if line.startswith("E  ")]
    return next(iter(errors or lines), "")
