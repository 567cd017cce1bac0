"""The pytest side: which phase is asked for, in which order, under which guards, and what is shown of it."""

from collections.abc import Generator
from pathlib import Path

import pytest

from maint.errors import MaintError, UsageProblem
from maint.plugin import selection
from maint.plugin.selection import SAFETY
from maint.plugin.state import CONTEXT
from maint.window import PHASES

HERE = Path(__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of a run."""
    group = parser.getgroup("maint", "maintenance windows")
    group.addoption("--window", metavar="NAME", help="which window: a name in windows/, or a file")
    group.addoption("--no-guardian", action="store_true", help="start no process that gives back if this one is killed")
    group.addoption("--speed", type=float, help="rehearsal: window seconds per machine second while steps run")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Register the markers and, where a phase or a suite is asked for, prepare its run."""
    for phase in PHASES:
        config.addinivalue_line("markers", f"{phase}: a phase of the maintenance window; pytest -m {phase} runs it")
    for safety, meaning in SAFETY.items():
        config.addinivalue_line("markers", f"{safety}: {meaning}")
    config.addinivalue_line("markers", "step(id): the line of the runbook that a test carries out or verifies")
    config.pluginmanager.import_plugin("maint.plugin.browser_fixtures")
    if hasattr(config, "workerinput"):
        from maint.plugin.worker import start_worker  # noqa: PLC0415 - only where a run is on

        start_worker(config)
        return
    try:
        _prepare(config)
    except UsageProblem as problem:
        raise pytest.UsageError(str(problem)) from None


def _prepare(config: pytest.Config) -> None:
    asked = selection.asked_for(config)
    config.stash[selection.ASKED] = asked
    if asked.nothing or selection.only_looking(config):
        return
    from maint.context import open_context  # noqa: PLC0415 - plain test runs need none of it
    from maint.plugin.controller import Controller  # noqa: PLC0415

    controller = Controller(config, asked, open_context(config.rootpath))
    config.pluginmanager.register(controller, "maint-controller")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test that asks for `server` one run for each server of the phase's batch."""
    if "server" in metafunc.fixturenames:
        metafunc.parametrize("server", selection.servers_of(metafunc))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Select the phase's steps and then its suites, in that order."""
    selection.select(config, items)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config) -> None:
    """Say what can be asked for where nothing was."""
    asked = config.stash.get(selection.ASKED, None)
    if asked and asked.nothing and exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
        phases, suites = ", ".join(PHASES), ", ".join(selection.SUITES)
        terminalreporter.write_line("Nothing was asked for. To run something: pytest -m saturday-pre, or pytest smoke.")
        terminalreporter.write_line(f"The phases are {phases}; the suites {suites}.")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
    call: pytest.CallInfo[None],
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Record what became of a test's step, and hand its evidence to the report."""
    report = yield
    if call.excinfo is not None and isinstance(call.excinfo.value, MaintError):
        report.longrepr = str(call.excinfo.value)  # one sentence that says what to do; a traceback says less
    if CONTEXT in item.config.stash:
        from maint.plugin.artifacts import clean_artifacts  # noqa: PLC0415 - plain test runs need none of it
        from maint.plugin.steps import note_outcome  # noqa: PLC0415

        try:
            note_outcome(item, report)
        except MaintError as error:  # a step whose outcome is not on record is not done
            report.outcome, report.longrepr = "failed", str(error)
        clean_artifacts(item, report)
    return report
