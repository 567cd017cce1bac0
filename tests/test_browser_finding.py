"""Which browser is taken, and what is said when there is none."""

import json
import subprocess
import sys
import time
from pathlib import Path

import playwright
import pytest

from maint import browser
from maint.errors import UsageProblem


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without any browser: its programs are in bin/, Playwright's downloads in downloads/."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path / "downloads"))
    monkeypatch.delenv("MAINT_BROWSER", raising=False)
    monkeypatch.setattr(browser, "APPLICATIONS", ())
    return tmp_path


def program(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return str(path)


def download(machine: Path, kind: str, name: str, *, complete: bool = True) -> str:
    listed = json.loads((Path(playwright.__file__).parent / "driver/package/browsers.json").read_text())["browsers"]
    revision = next(one["revision"] for one in listed if one["name"] == kind)
    folder = machine / "downloads" / f"{kind.replace('-', '_')}-{revision}"
    path = program(folder / "chrome-linux64" / name)
    if complete:
        (folder / "INSTALLATION_COMPLETE").touch()
    return path


def test_the_named_browser_wins(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(machine / "bin/chromium")
    mine = program(machine / "mine")
    monkeypatch.setenv("MAINT_BROWSER", mine)
    assert browser.find_browser() == mine


def test_a_named_browser_that_is_none_is_refused(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(machine / "bin/chromium")
    monkeypatch.setenv("MAINT_BROWSER", str(machine / "nothing"))
    for look in (browser.find_browser, browser.ensure_browser):
        with pytest.raises(UsageProblem, match="not a program") as refused:
            look()
        assert refused.value.where == "MAINT_BROWSER"


def test_playwrights_own_comes_before_the_systems(machine: Path) -> None:
    program(machine / "bin/chromium-headless-shell")
    assert browser.find_browser() is not None
    download(machine, "chromium-headless-shell", "chrome-headless-shell", complete=False)
    assert browser.find_browser() is not None
    download(machine, "chromium-headless-shell", "chrome-headless-shell")
    assert browser.find_browser() is None


def test_playwrights_whole_chromium_serves_both(machine: Path) -> None:
    whole = download(machine, "chromium", "chrome")
    assert browser.find_browser(headless=True) == whole
    assert browser.find_browser(headless=False) is None


def test_the_shell_comes_first_when_headless_and_never_else(machine: Path) -> None:
    whole = program(machine / "bin/google-chrome")
    shell = program(machine / "bin/chromium-headless-shell")
    assert browser.find_browser(headless=True) == shell
    assert browser.find_browser(headless=False) == whole


@pytest.mark.usefixtures("machine")
def test_without_any_it_says_what_to_run() -> None:
    with pytest.raises(UsageProblem, match="no Chromium") as none:
        browser.find_browser()
    assert none.value.next == "python -m maint.browser --ensure"


def test_the_shell_alone_cannot_show_windows(machine: Path) -> None:
    program(machine / "bin/chromium-headless-shell")
    with pytest.raises(UsageProblem, match="with windows") as none:
        browser.find_browser(headless=False)
    assert none.value.where == "--headed"


def test_fetching_tries_the_download_and_then_the_packages(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []

    def run(command: list[str], **_: str) -> bool:
        ran.append(" ".join(command[-2:]))
        if command[0] == "apt-get" and command[-1] == "chromium":
            program(machine / "bin/chromium")
            return True
        return False

    monkeypatch.setattr(browser, "_run", run)
    monkeypatch.setattr(browser, "_is_debian_root", lambda: True)
    assert browser.ensure_browser() == f"Browser: {machine / 'bin/chromium'}"
    assert ran == ["--only-shell chromium", "update -qq", "-qq chromium-headless-shell", "-qq chromium"]


def test_when_nothing_can_be_fetched_one_sentence_says_what_to_do(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browser, "_run", lambda *_command, **_more: False)
    with pytest.raises(UsageProblem, match="none could be fetched") as none:
        browser.ensure_browser()
    assert "then make setup" in none.value.next
    assert not (machine / "downloads").exists()


def test_the_command_prints_one_line_and_does_not_load_playwright(tmp_path: Path) -> None:
    path = program(tmp_path / "mine")
    code = "import sys; from maint.browser import main; main(); print('playwright' in sys.modules)"
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code], env={"MAINT_BROWSER": path}, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"Browser: {path}\nFalse\n"
    assert time.monotonic() - began < 5
