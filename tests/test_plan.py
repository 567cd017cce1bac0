"""What a phase would do, without doing it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from rich.console import Console

from maint.errors import MaintError
from maint.journal import Journal
from maint.plan import Plan, make_plan
from maint.plan_view import show_plan
from maint.window import Window, load_window
from maint.window_steps import AnyStep

MARCH = Path(__file__).parents[1] / "windows" / "2025-03-23-monthly.yaml"


@pytest.fixture
def window() -> Window:
    return load_window(MARCH)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(f"sqlite:///{tmp_path / 'journal.db'}", "test")


def plan(window: Window, phase: str, journal: Journal, now: datetime | None = None) -> Plan:
    return make_plan(window, window.phase(phase), journal, now or window.phase(phase).opens, lambda step: step.title)


def times(made: Plan) -> dict[str, str]:
    return {planned.step.id: f"{planned.begins:%H:%M}-{planned.ends:%H:%M}" for planned in made.steps}


def test_saturday_in_order_with_times(window: Window, journal: Journal) -> None:
    made = plan(window, "saturday-pre", journal)
    assert [planned.step.id for planned in made.steps] == ["P1", "P2", "P3", "P4", "P5", "P6"]
    assert times(made)["P3"] == "18:06-18:51"
    assert times(made)["P6"] == "19:00-19:10"
    assert made.no_return is not None
    assert made.no_return.step.id == "P3"
    assert all(planned.fits for planned in made.steps)


def test_what_would_end_too_late_does_not_fit(window: Window, journal: Journal) -> None:
    late = window.phase("saturday-pre").closes - timedelta(minutes=30)
    unfit = [planned.step.id for planned in plan(window, "saturday-pre", journal, late).steps if not planned.fits]
    assert unfit == ["P3", "P4", "P5"]


def test_changes_follow_what_they_wait_for(window: Window, journal: Journal) -> None:
    begins = {planned.step.id: planned for planned in plan(window, "sunday-changes", journal).steps}
    assert begins["C7"].begins >= begins["C2"].ends
    apps = [planned for step, planned in begins.items() if step.startswith("C5.")]
    assert len({planned.begins for planned in apps}) == 1
    assert len(apps) == 8
    assert begins["C6"].takes == timedelta(minutes=30)  # three minutes a server


def test_measured_times_replace_the_windows(window: Window, tmp_path: Path) -> None:
    moments = iter([datetime(2025, 3, 22, 22, 0, tzinfo=UTC), datetime(2025, 3, 22, 22, 20, tzinfo=UTC)])
    journal = Journal(f"sqlite:///{tmp_path / 'journal.db'}", "test", moment=lambda: next(moments))
    journal.set_step("2025-02-23-monthly", "P3", "doing")
    journal.set_step("2025-02-23-monthly", "P3", "done")
    patch = next(p for p in plan(window, "saturday-pre", journal).steps if p.step.id == "P3")
    assert (patch.takes, patch.measured) == (timedelta(minutes=20), True)


def test_done_and_not_doing_are_left_out_with_why(window: Window, journal: Journal) -> None:
    journal.set_step(window.name, "P6", "done", evidence="run 7")
    left = {step.id: why for step, why in plan(window, "saturday-pre", journal).left_out}
    assert left["P6"].startswith("done ")
    assert {s.id for s, _ in plan(window, "sunday-start", journal).left_out} == {"D2a", "D4"}


def test_what_cannot_be_read_stands_in_the_plan(window: Window, journal: Journal) -> None:
    def look(_: AnyStep) -> str:
        raise MaintError("Azure answered 403")

    made = make_plan(window, window.phase("saturday-pre"), journal, window.opens, look)
    assert {planned.change for planned in made.steps} == {"cannot be read: Azure answered 403."}


def test_a_person_can_read_it(window: Window, journal: Journal) -> None:
    console = Console(width=150, record=True, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115 - nowhere
    show_plan(plan(window, "saturday-pre", journal), console)
    text = console.export_text()
    assert "point of no return" in text
    assert "ends at 19:10 at the earliest: fits" in text


def test_nothing_is_written(
    world: dict[str, Any], control: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from typer.testing import CliRunner  # noqa: PLC0415 - only here

    from maint.cli import app  # noqa: PLC0415 - only here

    monkeypatch.setenv("MAINT_TWIN", world["file"])
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.chdir(MARCH.parents[1])
    done = CliRunner().invoke(app, ["plan", "saturday-pre"])
    assert done.exit_code == 0, done.output
    requests = control.get("/requests").json()["requests"]
    written = [f"{r['method']} {r['path']}" for r in requests if r["method"] != "GET"]
    assert all("/preview" in one or "/backendhealth" in one for one in written), written
    assert any(r["system"] == "azure" for r in requests)
