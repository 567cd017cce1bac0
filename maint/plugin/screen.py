"""The terminal during a run: one line for everything that happened, and a live one for what is waited for."""

import contextlib
import logging
import os
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path

import pytest
from pytest_html.basereport import BaseReport  # type: ignore[import-untyped]  # it ships no types
from rich.console import Console
from rich.text import Text

from maint.plugin.selection import STEPS
from maint.plugin.words import amount_of, lasting, plain, reason_of, title_of
from maint.redact import redact
from maint.runlog import PROGRESS, Line, read_log

LOOK_EVERY_SECONDS = 0.2
SAY_EVERY_SECONDS = 15.0
"""How often a wait is told of where there is no live line (a log file, CI)."""
MARGIN = 18
"""Columns for a test's outcome and the time; words begin right of them."""
INDENT = 8

_STYLES = {logging.WARNING: "yellow", logging.ERROR: "bold red"}
_OUTCOMES = {"passed": ("ok", "green"), "failed": ("FAILED", "bold red"), "skipped": ("skipped", "yellow")}


class Screen:
    """Shows the run's log and the outcome of each test on the terminal that pytest was started on.

    It writes to its own copy of standard output, since pytest captures the usual one while a test runs.
    time_of_day: tells the window's time as the log writes it.
    """

    def __init__(self, time_of_day: Callable[[], str]) -> None:
        self._time_of_day = time_of_day
        self._file = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="replace")
        self._console = Console(file=self._file, highlight=False, soft_wrap=True)
        self._lively = self._console.is_terminal and not self._console.is_dumb_terminal
        self._writing, self._reading = threading.Lock(), threading.Lock()
        self._live = False
        self._quit = threading.Event()
        self._thread: threading.Thread | None = None
        self._log: Path | None = None
        self._position = 0
        self._said = 0.0
        self._total, self._done = 0, 0

    def take_over(self, config: pytest.Config) -> None:
        """Be the run's terminal: pytest keeps the tracebacks, and leaves out what has a line of its own here."""
        config.pluginmanager.register(self, "maint-screen")
        terminal = config.pluginmanager.get_plugin("terminalreporter")
        if terminal is not None:
            terminal.showfspath = False
            if config.option.reportchars == "fE":  # pytest's own: nobody asked for another summary
                terminal.reportchars = ""
        config.option.verbose = -2  # no header, no footer
        workers = config.pluginmanager.get_plugin("dsession")
        if workers is not None:  # pytest-xdist tells of the state of its workers; one that dies is told of anyway
            workers.terminal = None
            config.pluginmanager.unregister(name="terminaldistreporter")

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
        with self._writing, self._after_pytest(), contextlib.suppress(OSError):
            self._wipe()
            self._file.flush()

    @contextlib.contextmanager
    def _after_pytest(self) -> Iterator[None]:
        """Let what pytest has printed come first: into a file or a pipe it is kept back, and would follow."""
        with contextlib.suppress(OSError, ValueError):
            if sys.__stdout__:
                sys.__stdout__.flush()
        yield

    def line(self, words: str, style: str = "", *, moment: str = "", outcome: tuple[str, str] = ("", "")) -> None:
        """Print one line for good, to the right of outcome and time where it has one."""
        margin = MARGIN if moment or outcome[0] else 0
        words = redact(plain(words))
        if self._lively:  # words that are longer than a line stay whole: an address can be clicked on
            lines = textwrap.wrap(
                words,
                max(self._width, margin + 20),
                initial_indent=" " * margin,
                subsequent_indent=" " * (margin or INDENT),
                break_long_words=False,
                break_on_hyphens=False,
            )
            words = "\n".join(lines)[margin:]
        text = Text.assemble((f"{outcome[0]:8}", outcome[1]), (f"{moment:10}", "dim")) if margin else Text()
        with (
            self._writing,
            self._after_pytest(),
            contextlib.suppress(OSError),
        ):  # a terminal that is gone never stops the work
            self._wipe()
            self._console.print(text.append(words, style))
            self._file.flush()

    def collected(self, nodeids: Sequence[str]) -> None:
        """Say how much there is to do."""
        self._total = len(nodeids)
        self.line(amount_of(nodeids, STEPS), "dim")

    def _follow(self) -> None:
        while not self._quit.wait(LOOK_EVERY_SECONDS):
            self._catch_up()

    def _catch_up(self) -> None:
        with self._reading:
            if self._log is None:
                return
            lines, self._position = read_log(self._log, self._position)
            for line in lines:
                self._show(line)

    def _show(self, line: Line) -> None:
        if line.level > PROGRESS:
            self.line(line.words, _STYLES.get(line.level, ""), moment=line.moment)
        elif self._lively:
            self._show_live(line.moment, line.words)
        elif time.monotonic() - self._said >= SAY_EVERY_SECONDS:
            self._said = time.monotonic()
            self.line(line.words, moment=line.moment)

    def _show_live(self, moment: str, words: str) -> None:
        text = Text(f"{'':8}{moment:10}{redact(plain(words))}", "dim", no_wrap=True)
        text.truncate(self._width - 3, overflow="ellipsis")  # leaves room for the ^C that a terminal echoes
        with self._writing, self._after_pytest(), contextlib.suppress(OSError):
            self._wipe()
            self._console.print(text, end="")
            self._file.flush()
            self._live = True

    @property
    def _width(self) -> int:
        try:
            return os.get_terminal_size(self._file.fileno()).columns  # rich asks the captured streams
        except OSError:
            return self._console.width

    def _wipe(self) -> None:
        if self._live:
            self._file.write("\r\x1b[2K")
            self._live = False

    # pytest's own lines --------------------------------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """Count outcomes as ever, but leave the letters out: each test has a line of its own here."""
        if report.when == "call" or not report.passed:
            return ("error" if report.failed and report.when != "call" else report.outcome), "", ""
        return None

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Show on a terminal which test is on."""
        if self._lively:
            self._show_live(self._time_of_day(), f"{self._done + 1} of {self._total}: {title_of(nodeid)}")

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Show what became of a test, or of a set-up or give-back that failed."""
        self._done += report.when == "call" or (report.when == "setup" and not report.passed)
        if report.passed and report.when != "call":
            return
        self._catch_up()
        title = title_of(report.nodeid, report.when)
        took = "" if report.nodeid.startswith(f"{STEPS}/") else f"  {lasting(report.duration)}"
        bad = "bold red" if report.failed else ""
        moment = self._time_of_day()
        self.line(f"{title}{took}", bad, moment=moment, outcome=_OUTCOMES[report.outcome])
        if reason := reason_of(report):
            self.line(reason, moment=" ")

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None]:
        """Say where the report is once only: in the run's last lines, and not in pytest-html's too."""
        yield
        manager = session.config.pluginmanager
        for plugin in manager.get_plugins():
            if isinstance(plugin, BaseReport):
                manager.unregister(plugin)
