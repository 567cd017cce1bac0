"""What `maint status` tells: what is held first, who is at it, and whose turn it is."""

from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from maint.journal import Journal
from maint.lease import take_lease
from maint.status import Status, read_status, show_status

from .conftest import ROOT, WINDOW
from .fakes import hold_on
from .test_lease import GONE, change


def read(journal: Journal, root: Path = ROOT) -> Status:
    context: Any = SimpleNamespace(journal=journal, root=root)
    return read_status(context)


def shown(status: Status) -> str:
    out = StringIO()
    show_status(status, Console(file=out, width=200, highlight=False), ROOT)
    return out.getvalue()


@pytest.fixture
def begun(journal: Journal) -> Journal:
    journal.begin_run(
        "run-1", WINDOW, "saturday-pre", partial=False, report=str(ROOT / "reports" / "x" / "report.html")
    )
    return journal


def test_before_anything_was_run(journal: Journal) -> None:
    found = read(journal)
    assert (found.environment, found.window, found.holds, found.runs) == ("test", None, (), ())
    text = shown(found)
    assert "no run yet" in text
    assert "Nothing is held." in text


def test_what_is_held_comes_first_with_its_reason_and_what_to_run(begun: Journal) -> None:
    begun.intend([hold_on(begun, "pool/IC-Web3", title="IC-Web3 out of pool-www")])
    held = begun.set_hold(begun.holds()[0], "stuck", "IC-Web3: its patching failed (Failed: 1 failed [KB5053596])")
    begun.set_step(WINDOW, "P3", "failed", evidence="IC-Web3: [KB5053596] failed")
    text = shown(read(begun))
    for words in (held.id, "IC-Web3 out of pool-www", "stuck", "[KB5053596])", "maint restore", "maint release HOLD"):
        assert words in text
    assert "Nothing is held." not in text
    assert "IC-Web3: [KB5053596] failed" in text
    assert text.index(held.id) < text.index("Steps") < text.index("Last runs")


def test_how_runs_ended(begun: Journal) -> None:
    assert "did not end" in shown(read(begun))
    begun.end_run("run-1", "green")
    begun.begin_run("run-2", WINDOW, "sunday-pre", partial=True, report="")
    begun.end_run("run-2", "red")
    text = shown(read(begun))
    assert "red (PARTIAL)" in text
    assert "reports/x/report.html" in text
    assert text.index("run-2") < text.index("run-1")  # the newest first


def test_who_is_at_it(begun: Journal) -> None:
    take_lease(begun, "saturday-pre", "run-1")
    assert f"running  saturday-pre by {begun.who} since" in shown(read(begun))
    change(begun, processes=[GONE])
    assert read(begun).running == ()


def test_jobs_wait_for_people_until_people_have_started_them(begun: Journal) -> None:
    assert read(begun).jobs_waiting == ()
    begun.set_step(WINDOW, "P6", "done", evidence="run 7 succeeded")
    (line,) = read(begun).jobs_waiting
    assert line.startswith("P6 ")
    assert "way back: Q6, Q7 (by people)" in line
    assert "Jobs are still waiting for people" in shown(read(begun))
    begun.set_step(WINDOW, "Q6", "done")
    assert read(begun).jobs_waiting == (line,)
    begun.set_step(WINDOW, "Q7", "done")
    assert read(begun).jobs_waiting == ()


def test_without_the_windows_file_the_rest_is_told(begun: Journal, tmp_path: Path) -> None:
    begun.set_step(WINDOW, "P6", "done", evidence="run 7 succeeded")
    assert read(begun, tmp_path).jobs_waiting == ()
    assert "run 7 succeeded" in shown(read(begun, tmp_path))
