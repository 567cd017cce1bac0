"""The run's terminal: what each line says, the live line on a terminal and nowhere else, and a terminal that dies."""

import contextlib
import fcntl
import logging
import os
import struct
import termios
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from maint.plugin import screen as screen_module
from maint.plugin.screen import Screen
from maint.runlog import PROGRESS

from .conftest import report_of

WIPE = "\r\x1b[2K"


def say(log: Path, words: str, level: int = logging.INFO, moment: str = "18:20:05") -> None:
    """Write a line as the processes of a run do."""
    with log.open("a") as file:
        file.write(f"{moment}\t{level}\t{words}\n")


class Output:
    """A screen and what stands on it; `show` makes it look at the log now, as its thread would."""

    def __init__(self, screen: Screen, read: Callable[[], str], log: Path) -> None:
        self.screen, self.read, self.log = screen, read, log

    def show(self) -> str:
        self.screen._catch_up()
        return self.read()


def made(fd: int) -> Screen:
    """Return a screen that was started on `fd`."""
    usual = os.dup(1)
    os.dup2(fd, 1)
    try:
        return Screen(lambda: "18:30:00")
    finally:
        os.dup2(usual, 1)
        os.close(usual)


@pytest.fixture
def file(tmp_path: Path) -> Output:
    """A screen that is a file, as in CI."""
    path, log = tmp_path / "out", tmp_path / "file.log"
    fd = os.open(path, os.O_CREAT | os.O_WRONLY)
    screen = made(fd)
    os.close(fd)
    screen._log = log
    return Output(screen, path.read_text, log)


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Output]:
    """A screen that is a terminal of 60 columns."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("COLUMNS", raising=False)
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 60, 0, 0))
    os.set_blocking(ours, False)
    screen = made(theirs)
    screen._log = tmp_path / "run.log"

    def read() -> str:
        parts = []
        with contextlib.suppress(BlockingIOError):
            while True:
                parts.append(os.read(ours, 100_000))
        return b"".join(parts).decode()

    yield Output(screen, read, screen._log)
    for fd in (ours, theirs):
        os.close(fd)


def test_a_line_of_the_log(file: Output) -> None:
    say(file.log, "out of pool-www: IC-Web1")
    say(file.log, "Slack: could not post", logging.WARNING)
    assert file.show() == "        18:20:05  out of pool-www: IC-Web1\n        18:20:05  Slack: could not post\n"
    assert file.show().count("pool-www") == 1, "each line once"


def test_half_a_line_is_not_shown_yet(file: Output) -> None:
    with file.log.open("a") as log:
        log.write("18:20:05\t20\tout of")
        log.flush()
        assert file.show() == ""
        log.write(" pool-www\n")
    assert file.show() == "        18:20:05  out of pool-www\n"


def test_a_test_passes_fails_and_is_skipped(file: Output) -> None:
    file.screen.pytest_runtest_logreport(report_of("test_P1_servers_are_out", folder="checks"))
    file.screen.pytest_runtest_logreport(report_of("test_s3_landing_page[chromium]"))
    file.screen.pytest_runtest_logreport(report_of("test_s4_no_error_page", "failed", "it says Server Error\nand more"))
    file.screen.pytest_runtest_logreport(
        report_of("test_s5_sign_in", "skipped", ("x", 1, "Skipped: not on the real site"))
    )
    file.screen.pytest_runtest_logreport(
        report_of("test_P3_installed[IC-Web1]", "failed", "no pool", "setup", "checks")
    )
    assert file.read().splitlines() == [
        "ok      18:30:00  P1 servers are out",
        "ok      18:30:00  S3 landing page  1.2 s",
        "FAILED  18:30:00  S4 no error page  1.2 s",
        "                  it says Server Error",
        "skipped 18:30:00  S5 sign in  1.2 s",
        "                  not on the real site",
        "FAILED  18:30:00  P3 installed · IC-Web1 (set-up)",
        "                  no pool",
    ]


def test_set_up_and_teardown_that_passed_say_nothing(file: Output) -> None:
    for when in ("setup", "teardown"):
        file.screen.pytest_runtest_logreport(report_of("test_s3", when=when))
    assert file.read() == ""


def test_what_happened_comes_before_the_test_that_saw_it(file: Output) -> None:
    say(file.log, "drained: IC-Web1")
    file.screen.pytest_runtest_logreport(report_of("test_P1_out", folder="checks"))
    assert [line[18:] for line in file.read().splitlines()] == ["drained: IC-Web1", "P1 out"]


def test_secrets_and_control_characters_are_not_shown(file: Output) -> None:
    file.screen.line("https://x/(S(abcdefghijklmnopqrstuvwx))/\x1b[2J\x1b]0;a")
    assert file.read() == "https://x/(S(...))/]0;a\n"


def test_a_wait_is_told_of_now_and_then_where_there_is_no_terminal(
    file: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    for minute in range(3):
        say(file.log, f"waiting, {minute} min", PROGRESS)
    assert file.show() == "        18:20:05  waiting, 0 min\n"
    monkeypatch.setattr(screen_module, "SAY_EVERY_SECONDS", 0)
    say(file.log, "waiting, 3 min", PROGRESS)
    assert file.show().endswith("        18:20:05  waiting, 3 min\n")


def test_a_wait_is_one_live_line_on_a_terminal(terminal: Output) -> None:
    say(terminal.log, "assessing IC-Web1", PROGRESS)
    first = terminal.show()
    assert "assessing IC-Web1" in first
    assert "\n" not in first
    say(terminal.log, "assessing IC-Web2, " + "and so on " * 10, PROGRESS)
    second = terminal.show()
    assert second.startswith(WIPE)
    assert "\n" not in second
    assert len(second.removeprefix(WIPE).removeprefix("\x1b[2m").removesuffix("\x1b[0m")) < 60, "it never wraps"
    say(terminal.log, "drained: IC-Web1")
    assert terminal.show().startswith(WIPE)


def test_the_test_that_is_on_is_a_live_line(terminal: Output, file: Output) -> None:
    for output in (terminal, file):
        output.screen.collected(["smoke/test_x.py::test_a", "smoke/test_x.py::test_b"])
        output.screen.pytest_runtest_logreport(report_of("test_a"))
        output.screen.pytest_runtest_logstart("smoke/test_x.py::test_b")
    assert "2 of 2: B" in terminal.read()
    assert "2 of 2" not in file.read()


def test_long_lines_are_wrapped_between_words_on_a_terminal_only(terminal: Output, file: Output) -> None:
    address = "https://localhost:46323/azure-devops/invoicecloud/Platform/_build/results?buildId=48214"
    for output in (terminal, file):
        say(output.log, f"done: the stage of the Preparation pipeline, at {address}")
    assert file.show() == f"        18:20:05  done: the stage of the Preparation pipeline, at {address}\n"
    margin = " " * 18
    shown = terminal.show().replace("\x1b[2m", "").replace("\x1b[0m", "")
    assert shown.splitlines() == [
        "        18:20:05  done: the stage of the Preparation",
        f"{margin}pipeline, at",
        f"{margin}{address}",
    ]


def test_a_dumb_terminal_has_no_live_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    ours, theirs = os.openpty()
    screen = made(theirs)
    screen.pytest_runtest_logstart("smoke/test_x.py::test_a")
    screen.line("a line")
    assert os.read(ours, 1000) == b"a line\r\n"
    os.close(ours)
    os.close(theirs)


def test_a_terminal_that_is_gone_never_stops_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    log = tmp_path / "run.log"
    ours, theirs = os.openpty()
    screen = made(theirs)
    os.close(theirs)
    os.close(ours)  # as when a laptop's window is closed: every write fails from now on
    say(log, "waiting", PROGRESS)
    say(log, "drained: IC-Web1")
    screen.follow(log)
    screen.line("one line")
    screen.pytest_runtest_logstart("smoke/test_x.py::test_a")
    screen.pytest_runtest_logreport(report_of("test_a", "failed", "why"))
    screen.close()
    assert screen._position == log.stat().st_size, "all of the log was read"


def test_the_thread_shows_what_is_written_and_all_of_it_at_the_end(file: Output) -> None:
    file.screen.follow(file.log)
    for number in range(50):
        say(file.log, f"line {number}")
    file.screen.close()
    assert [line.split()[-1] for line in file.read().splitlines()] == [str(number) for number in range(50)]
