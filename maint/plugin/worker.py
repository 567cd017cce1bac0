"""A pytest-xdist worker's part in a run: the same run, seen from another process."""

import os
import signal
from pathlib import Path

import pytest

from maint.context import Context, find_context
from maint.errors import MaintError
from maint.lease import Lease
from maint.plugin import selection
from maint.plugin.options import set_options
from maint.plugin.signals import SIGNALS
from maint.plugin.state import CONTEXT, RUN
from maint.processes import this_process
from maint.run import Run
from maint.runlog import write_log
from maint.window import Phase, Window


def start_worker(config: pytest.Config) -> None:
    """Join the run that the controller began, where there is one."""
    asked = selection.asked_for(config)
    config.stash[selection.ASKED] = asked
    told = config.workerinput.get("maint")  # type: ignore[attr-defined]
    if not told or asked.nothing:
        return
    context = find_context(config.rootpath)
    if context is None:
        raise MaintError("the twin is gone", next="run again")
    config.stash[CONTEXT] = context
    set_options(config, Path(told["folder"]))
    if asked.phase is not None and asked.window is not None:
        _join(config, context, asked.window, asked.phase, told)


def _join(config: pytest.Config, context: Context, window: Window, phase: Phase, told: dict[str, str]) -> None:
    leave_signals_to_the_controller()
    context.journal.run = told["run"]
    lease = Lease(context.journal, phase.name, told["token"])
    name = os.environ.get("PYTEST_XDIST_WORKER", "")
    lease.add(this_process(f"worker {name}"))
    lease.keep_alive()
    write_log(Path(told["log"]), context.clock, phase.opens)
    config.stash[RUN] = Run(told["run"], context, window, phase, lease, Path(told["folder"]))
    config.pluginmanager.register(_Stopper(config.stash[RUN]), "maint-stopper")


def leave_signals_to_the_controller() -> None:
    """Do nothing about a signal: the controller tells by the lease that the run is to stop.

    Ctrl-C and a closed window reach every process of a run, and execnet interrupts a worker that is not over five
    seconds after its controller stopped. Broken off, a give-back would be overtaken by the next one.
    """
    for number in SIGNALS:
        signal.signal(number, lambda *_: None)  # and not SIG_IGN, which a browser would inherit


class _Stopper:
    """Lets a worker begin no other test once the run is to stop."""

    def __init__(self, run: Run) -> None:
        self._run = run

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        if self._run.stop.is_set():
            item.session.shouldstop = "the run was stopped"
            pytest.skip("the run was stopped")
