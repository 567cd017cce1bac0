"""The run's own process: lease, guardian, signals, clock and probe around the tests, and the end of it all."""

import contextlib
import os
import sys
import warnings
from collections.abc import Generator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from maint.context import Context
from maint.errors import LeaseLost, MaintError
from maint.guardian import Guardian, start_guardian
from maint.holding import Outcome
from maint.journal import new_id
from maint.lease import LeaseHeld, running_leases, take_lease_patiently
from maint.plugin import selection
from maint.plugin.options import set_options
from maint.plugin.report import Report
from maint.plugin.screen import Screen
from maint.plugin.selection import Asked
from maint.plugin.signals import Signals
from maint.plugin.state import CONTEXT, RUN
from maint.plugin.steps import NotSaid
from maint.plugin.verdict import Verdict
from maint.probe import Probe
from maint.processes import end_children, process_of
from maint.redact import redact
from maint.run import Run
from maint.runlog import log, time_of_day, write_log
from maint.speed import BROWSING, working_speed
from maint.window import Phase, Window

HELD = 3


class Controller:
    """One run of a phase, or of suites alone, from the controller's side."""

    def __init__(self, config: pytest.Config, asked: Asked, context: Context) -> None:
        self.config, self.asked = config, asked
        self.context: Context = context
        if context.twin:
            os.environ["MAINT_TWIN"] = str(context.twin.path)  # workers, guardian and restore find the same world
        config.stash[CONTEXT] = context
        self.id = new_id()
        self.folder = _folder(config.rootpath, asked)
        self.zone = asked.phase.opens if asked.phase else context.clock.now()
        self.screen = Screen(lambda: time_of_day(context.clock, self.zone))
        self.run: Run | None = None
        self.guardian: Guardian | None = None
        self.signals = Signals(self._stop, self._stop_now)
        self.probe = Probe(
            context.environment, context.clock, asked.phase.opens if asked.phase else context.clock.now()
        )
        self.verdict = Verdict(asked)
        self.finished = self.stepping = False
        self.speed = working_speed(context, config.option.speed)
        set_options(config, self.folder)
        if asked.phase:
            config.option.maxworkerrestart = "0"  # a lead that dies ends the phase

    # the beginning -------------------------------------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Take the lease, start the guardian, handle the signals, open the window and begin to probe."""
        self.config.pluginmanager.register(Report(self), "maint-report")
        if self.config.option.verbose <= 0:
            self.screen.take_over(self.config)
        write_log(self.folder / "run.log", self.context.clock, self.zone)
        self.screen.follow(self.folder / "run.log")
        if self.asked.phase is None or self.asked.window is None:
            self.context.clock.run_at(BROWSING)
            self._banner(self.asked.name)
            return
        try:
            self._begin(self.asked.window, self.asked.phase)
            phase = self.asked.phase
            hours = f"{phase.opens:%a %H:%M} to {phase.closes:%H:%M %Z}"
            self._banner(f"{phase.name} of {self.asked.window.title} · {hours}")
        except (LeaseHeld, MaintError) as problem:
            self.screen.line(str(problem), "bold red")
            pytest.exit(str(problem), returncode=4 if isinstance(problem, LeaseHeld) else problem.exit_code)

    def _begin(self, window: Window, phase: Phase) -> None:
        journal = self.context.journal
        lease = take_lease_patiently(journal, phase.name, self.id, role="run", tell=self.screen.line)
        self.run = Run(self.id, self.context, window, phase, lease, self.folder)
        self.config.stash[RUN] = self.run
        self.signals.install()
        if not self.config.option.no_guardian:
            self.guardian = start_guardian(
                self.id,
                phase.name,
                journal.scope,
                root=self.context.root,
                token=lease.token,
                journal=journal.url,
                log=self.folder / "guardian.log",
            )
            lease.add(process_of("guardian", self.guardian.pid))
        self.verdict.unknown = "the run did not come to its end"  # until it does
        lease.keep_alive()
        journal.begin_run(self.id, window.name, phase.name, partial=self.asked.partial, report=str(self.folder))
        self.context.clock.open_at(phase.opens)
        self.context.clock.run_at(BROWSING)  # until the first step: starting up takes none of the window's time
        self.probe.start()

    def _banner(self, what: str) -> None:
        environment = self.context.environment
        where = "PRODUCTION" if environment.production else "rehearsal"
        partial = " · PARTIAL: not the whole phase" if self.asked.partial else ""
        self.screen.line(f"{what} · {where}{partial}", "bold white on red" if environment.production else "bold")
        parts = [f"run {self.id}"] if self.run else []
        if self.run:
            parts.append(f"guardian {self.guardian.pid}" if self.guardian else "no guardian")
        if self.context.twin:
            parts.append(f"twin {self.context.twin.handover.url}")
        self.screen.line(" · ".join(parts), "dim")
        self.screen.line(str(self.folder.relative_to(self.config.rootpath)), "dim")

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Say what there is to do."""
        self._collected([item.nodeid for item in session.items])

    def _collected(self, nodeids: Sequence[str]) -> None:
        self.verdict.expected = len(nodeids)
        self.screen.collected(nodeids)

    # pytest-xdist --------------------------------------------------------------------------------------------------

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker which run it belongs to."""
        told = {"run": self.id, "folder": str(self.folder), "log": str(self.folder / "run.log")}
        if self.run:
            told["token"] = self.run.lease.token
        node.workerinput["maint"] = told

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> Any:
        """Let one worker do all steps, and all of them the browser tests."""
        from maint.plugin.scheduling import StepsFirst  # noqa: PLC0415 - only under xdist

        return StepsFirst(config, log, lambda: self.verdict.broken)  # as pytest does without pytest-xdist

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        """Say what there is to do when the first worker knows."""
        if not self.verdict.expected:
            self._collected(ids)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """Turn the run red when a worker dies: what it was to do was not done."""
        if error:
            self.verdict.crashed.append(f"worker {node.gateway.id} died; what was left for it did not run")

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Let the world run at --speed while steps run, and at a browser's pace from the first browser test on."""
        stepping = nodeid.startswith(f"{selection.STEPS}/")
        if self.run and self.stepping != stepping:
            self.stepping = stepping
            self.context.clock.run_at(self.speed if stepping else BROWSING)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count outcomes."""
        self.verdict.count(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Count a file of tests that could not be read."""
        if report.failed:
            self.verdict.count_unread(report)

    def pytest_warning_recorded(self, warning_message: warnings.WarningMessage) -> None:
        """Keep a test's warnings for the run's last lines and the report."""
        if warning_message.category is UserWarning:
            self.verdict.warn(redact(str(warning_message.message)))
        elif not issubclass(warning_message.category, NotSaid):  # Verdict.all_warnings names them in one line
            at = f"{Path(warning_message.filename).name}:{warning_message.lineno}"
            self.verdict.warn(f"{warning_message.category.__name__}: {redact(str(warning_message.message))} ({at})")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self) -> Generator[None]:
        """Let a give-back go on to its end when a signal comes: broken off, the next one would overtake it."""
        self.signals.quiet.set()
        try:
            return (yield)
        finally:
            self.signals.quiet.clear()
            if self.signals.received:
                raise KeyboardInterrupt(self.signals.received[0])

    # the end -------------------------------------------------------------------------------------------------------

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Give back whatever the run still holds, whatever happened to its workers; then the report is written."""
        self.finished = True
        self.verdict.told_by = next(iter(self.signals.received), "")
        try:
            self._finish(session, int(exitstatus))
        except Exception as error:  # noqa: BLE001 - whatever it was: what is held is not known; the guardian sees to it
            log.exception("the run could not be ended well")
            self.verdict.unknown = str(error)
            self.verdict.settle(int(exitstatus) or 1, Outcome((), ()), self.probe.tally)
            session.exitstatus = HELD

    def _finish(self, session: pytest.Session, exitstatus: int) -> None:
        outcome, tally = Outcome((), ()), None
        if self.run:
            self.signals.quiet.set()
            outcome = self._give_back_the_rest(self.run) + Outcome((), self.run.orphans())
            tally = self.probe.stop()
        self.verdict.settle(exitstatus, outcome, tally)
        if self.verdict.held:
            session.exitstatus = HELD
        elif self.verdict.word == "red" and exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.INTERRUPTED}:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        if self.run:
            self.run.journal.note("probe", "www", str(tally))
            self.run.journal.end_run(self.id, self.verdict.word)
        self.verdict.unknown = ""

    def _give_back_the_rest(self, run: Run) -> Outcome:
        run.settle()
        holds = run.journal.holds(run=run.id)
        if not holds:
            return Outcome((), ())
        self.context.clock.run_at(self.speed)
        unsettled = [hold for hold in holds if hold.state != "stuck"]
        stuck = tuple(hold for hold in holds if hold.state == "stuck")
        if unsettled:
            log.info("giving back what the run still holds: %s", ", ".join(hold.title for hold in unsettled))
        try:
            return run.give_back(unsettled) + Outcome((), stuck)
        except LeaseLost as lost:
            log.error("%s", lost)
            return Outcome((), tuple(holds))

    @pytest.hookimpl(tryfirst=True)
    def pytest_terminal_summary(self) -> None:
        """Hand the report, which is written by now, to Slack."""
        if self.run is None:
            return
        report = Path(self.config.option.htmlpath)
        told = False
        with contextlib.suppress(MaintError):  # the journal knows where in Slack it belongs
            told = self.run.announcer.report(self.verdict.summary(self.run), report if report.exists() else None)
        if not told:
            self.verdict.warn("Slack did not take the report; it is only here")

    @pytest.hookimpl(tryfirst=True)
    def pytest_unconfigure(self) -> None:
        """Let go of the lease and the guardian, and say last what matters most."""
        self.screen.close()
        self._let_go()
        self.signals.restore()
        if self.run:
            self.context.clock.run_at(self.speed)
        if self.finished or self.run:
            for words, style in self.verdict.last_lines(self.run, Path(self.config.option.htmlpath)):
                self.screen.line(words, style)
        held = self.verdict.held or self.verdict.unknown
        if self.context.twin and not held and not running_leases(self.context.journal):
            self.context.twin.stop()

    def _let_go(self) -> None:
        """Give up lease and guardian once the journal has said what is held.

        Where it could not, there is no goodbye: the guardian takes that for a run that was killed, and gives back.
        """
        if self.run and self.verdict.unknown:
            self.run.lease.quiet()
        elif self.run:
            self.run.lease.release()
        if self.guardian and not self.verdict.unknown:
            self.guardian.goodbye()

    def _stop(self) -> None:
        log.warning("%s: nothing new is started; giving back. Once more: stop now", self.signals.received[0])
        if self.run:
            with contextlib.suppress(MaintError):
                self.run.lease.stop()

    def _stop_now(self) -> None:
        """Leave everything as it is, in the journal, and say how to go on."""
        spared = {self.guardian.pid if self.guardian else 0}
        end_children({*spared, self.context.twin.handover.pid if self.context.twin else 0})
        if self.guardian:
            self.guardian.goodbye()
        os.write(2, b"\nstopped now; what was taken is in the journal.\nTo give it back: maint restore\n")
        sys.stderr.flush()


def _folder(root: Path, asked: Asked) -> Path:
    """Make and return this run's own folder under reports/."""
    window = asked.window.name if asked.window else "suites"
    what = asked.phase.name if asked.phase else "-".join(asked.suites)
    started = datetime.now().astimezone().strftime("%Y-%m-%dT%H-%M-%S")
    folder = root / "reports" / window / what / started
    for attempt in range(2, 100):
        try:
            folder.mkdir(parents=True, mode=0o700)
        except FileExistsError:
            folder = folder.with_name(f"{started}-{attempt}")
        else:
            return folder
    raise MaintError("no folder for this run's report", where=str(folder))
