"""A run of the Saturday phase as the report and the verdict see it: the real window and a real journal, no systems."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from maint.journal import HoldRecord, Journal, now
from maint.plugin.selection import Asked
from maint.run import Run
from maint.window import Window, load_window

ROOT = Path(__file__).parents[2]
WINDOW = "2025-03-23-monthly"


@pytest.fixture
def window() -> Window:
    return load_window(ROOT / "windows" / f"{WINDOW}.yaml")


@pytest.fixture
def asked(window: Window) -> Asked:
    return Asked(window.phase("saturday-pre"), window)


@pytest.fixture
def journal(tmp_path: Path, window: Window) -> Journal:
    """A journal in which the run "run-1" has begun, as the phase's hours do."""
    opens = window.phase("saturday-pre").opens
    journal = Journal(f"sqlite:///{tmp_path / 'journal.db'}", "rehearsal:test", moment=lambda: opens)
    journal.begin_run("run-1", WINDOW, "saturday-pre", partial=False, report="reports/x")
    return journal


@pytest.fixture
def run(asked: Asked, journal: Journal, tmp_path: Path) -> Run:
    context: Any = SimpleNamespace(journal=journal, environment=SimpleNamespace(production=False), rehearsal=True)
    lease: Any = None
    assert asked.window
    assert asked.phase
    return Run("run-1", context, asked.window, asked.phase, lease, tmp_path)


@pytest.fixture
def hold(journal: Journal) -> HoldRecord:
    """A server that this run took out of the pool."""
    hold = HoldRecord(
        id="3bbd7bee", scope=journal.scope, run="run-1", window=WINDOW, phase="saturday-pre", step="P1", kind="drain",
        resource="pool-www/IC-Web3", title="IC-Web3 out of pool-www", action={"server": "IC-Web3"}, captured={},
        state="intended", why="", until=None, until_time="2025-03-22T22:00:00-04:00", opened=now(), changed=now(),
    )  # fmt: skip
    journal.intend([hold])
    return journal.set_hold(hold, "in force")


def report_of(
    name: str, outcome: str = "passed", why: object = None, when: str = "call", folder: str = "smoke"
) -> pytest.TestReport:
    """Return what pytest tells of a test."""
    nodeid = f"{folder}/test_x.py::{name}"
    return pytest.TestReport(nodeid, ("x", 1, name), {}, outcome, why, when, duration=1.25)  # type: ignore[arg-type]
