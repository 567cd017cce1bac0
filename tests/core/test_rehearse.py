"""A rehearsal begins in a world as new, and never under somebody's feet."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from rich.console import Console

from maint.context import find_context
from maint.errors import UsageProblem
from maint.journal import Journal
from maint.lease import take_lease
from maint.rehearse import Rehearsal, open_rehearsal

from .conftest import ROOT
from .fakes import hold_on


@pytest.fixture
def checkout(world: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a checkout whose last run left its twin running."""
    for name in ("MAINT_TWIN", "MAINT_ENV", "MAINT_JOURNAL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for folder in ("windows", "environments", "checks"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    (tmp_path / ".maint").mkdir()
    (tmp_path / ".maint" / "twin.json").write_text(json.dumps(world))
    return tmp_path


@pytest.fixture
def journal(checkout: Path) -> Journal:
    context = find_context(checkout)
    assert context is not None
    return context.journal


def rehearsal(checkout: Path) -> Rehearsal:
    return open_rehearsal(checkout, None, Console(quiet=True))


def test_what_was_done_in_an_earlier_one_is_done_again(checkout: Path, journal: Journal, control: httpx.Client) -> None:
    journal.set_step("2025-03-23-monthly", "P6", "done")
    before = control.get("/clock").json()["world"]
    opened = rehearsal(checkout)
    assert opened.context.twin is not None
    assert opened.context.twin.world == control.get("/clock").json()["world"] != before
    assert opened.context.journal.steps("2025-03-23-monthly") == {}
    assert "saturday-pre" in opened.phases()


def test_not_while_something_is_held(checkout: Path, journal: Journal) -> None:
    journal.intend([hold_on(journal)])
    with pytest.raises(UsageProblem, match=r"the last rehearsal still holds something\. Next: maint restore"):
        rehearsal(checkout)


def test_not_while_a_run_is_at_work(checkout: Path, journal: Journal) -> None:
    take_lease(journal, "saturday-pre", "run-1")
    with pytest.raises(UsageProblem, match=r"a run is at work on this checkout's twin\. Next: maint status"):
        rehearsal(checkout)


def test_not_in_production(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAINT_ENV", "production")
    with pytest.raises(UsageProblem, match="a rehearsal touches nothing real"):
        rehearsal(checkout)


def test_the_named_twins_world_is_left_as_it_is(
    checkout: Path, world: dict[str, Any], control: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAINT_TWIN", world["file"])
    before = control.get("/clock").json()["world"]
    rehearsal(checkout)
    assert control.get("/clock").json()["world"] == before
