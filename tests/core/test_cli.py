"""`maint`: exit codes, one sentence for what goes wrong, and nothing done without being asked."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from maint import cli
from maint.journal import HoldRecord
from maint.processes import process_of

from .conftest import ROOT, Live
from .test_lease import GONE, change
from .test_restore import NAME, dies, muted

__all__ = ["muted"]

Maint = Callable[..., tuple[int, str]]


@pytest.fixture
def maint(live: Live, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Maint:
    """Return a function that runs `maint` with these arguments and returns its exit code and what it printed."""
    monkeypatch.chdir(ROOT / "tests")
    monkeypatch.setattr(cli, "console", type(cli.console)(highlight=False, width=150))
    assert live.journal

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["maint", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        code = ended.value.code
        return (code if isinstance(code, int) else 0), said.out + said.err

    return run


def test_nothing_is_held(live: Live, maint: Maint) -> None:
    dies(live)
    code, text = maint("status")
    assert (code, "Nothing is held." in text) == (0, True)
    assert maint("restore", "--yes") == (0, "Nothing is held.\n")


def test_status_says_that_something_is_held_by_its_exit_code(maint: Maint, muted: list[HoldRecord]) -> None:
    code, text = maint("status")
    assert code == 3
    assert all(hold.id in text for hold in muted)
    code, text = maint("status", "--json")
    assert code == 3
    assert [hold["captured"] for hold in json.loads(text)["holds"]] == [{}, {}]


def test_restore_asks_first(live: Live, maint: Maint, muted: list[HoldRecord]) -> None:
    dies(live)
    code, text = maint("restore")
    assert code == 4
    assert "maint restore: nobody can be asked here. Next: maint restore --yes" in text
    assert muted[0].id in text  # it shows what it would give back
    assert len(live.journal.holds()) == 2


def test_restore_gives_back_one_by_its_id_and_then_the_rest(live: Live, maint: Maint, muted: list[HoldRecord]) -> None:
    dies(live)
    code, text = maint("restore", muted[1].id[:5], "--yes")
    assert (code, text.splitlines()[-1]) == (0, "1 given back, 0 still held.")
    assert [hold.id for hold in live.journal.holds()] == [muted[0].id]
    assert maint("restore", "--yes")[0] == 0
    assert live.journal.holds() == []


def test_restore_of_one_run_leaves_the_others(live: Live, maint: Maint, muted: list[HoldRecord]) -> None:
    dies(live)
    assert maint("restore", "--run", "run-7", "--yes") == (0, "Nothing is held.\n")
    assert len(live.journal.holds()) == len(muted)


def test_restore_names_what_is_still_held(live: Live, maint: Maint, muted: list[HoldRecord]) -> None:
    dies(live)
    live.fault("azure", "status", "actionRules", method="DELETE", status=403)
    code, text = maint("restore", "--yes")
    assert code == 3
    assert f"STILL HELD  Azure alerts muted for IC-Web1 · hold {muted[1].id} · " in text
    assert text.splitlines()[-1] == "1 given back, 1 still held."


def test_restore_says_whom_it_waits_for(live: Live, maint: Maint, muted: list[HoldRecord]) -> None:
    guardian = subprocess.Popen(["sleep", "60"])  # noqa: S607 - wherever it is
    change(live.journal, processes=[GONE, process_of("guardian", guardian.pid)])

    def ends() -> None:
        guardian.kill()
        guardian.wait()

    timer = threading.Timer(0.2, ends)
    timer.start()
    code, text = maint("restore", "--yes")
    timer.join()
    assert code == 0, text
    assert f"waiting for the guardian (pid {guardian.pid}) that is giving back what run-1 took" in text
    assert len(muted) == 2


def test_restore_leaves_a_living_run_alone(live: Live, maint: Maint, muted: list[HoldRecord]) -> None:
    code, text = maint("restore", "--yes")
    assert code == 1
    assert "saturday-pre is being run already" in text
    assert "Traceback" not in text
    assert len(live.journal.holds()) == len(muted)


def test_release_closes_a_hold_and_says_why(live: Live, maint: Maint, muted: list[HoldRecord]) -> None:
    code, text = maint("release", muted[0].id, "--reason", "stays muted until Monday")
    assert (code, "Released: New Relic alerts muted for IC-Web1" in text) == (0, True)
    released = live.journal.hold(muted[0].id)
    assert (released.state, released.why) == ("released", f"stays muted until Monday ({live.journal.who})")
    assert live.systems.newrelic.find(NAME)  # nothing was given back
    code, text = maint("release", muted[0].id, "--reason", "again")
    assert (code, "is released already" in text) == (4, True)


def test_an_unknown_hold_is_one_sentence(maint: Maint, muted: list[HoldRecord]) -> None:
    code, text = maint("restore", "zzz", "--yes")
    assert code == 4
    assert f"'zzz' names 0 holds; open ones: {muted[0].id} (New Relic alerts muted for IC-Web1)" in text


def test_outside_a_checkout(maint: Maint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, text = maint("status")
    assert (code, "run this inside the checkout" in text) == (4, True)


def test_production_without_its_file_touches_nothing(maint: Maint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAINT_ENV", "production")
    code, text = maint("status")
    assert code == 4
    assert "production.yaml: this checkout has no such file" in text
