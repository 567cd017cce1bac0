"""What a run says while it works: one file for all of its processes, with nothing secret in it."""

import logging
import stat
import threading
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from maint import runlog
from maint.errors import MaintError
from maint.redact import register
from maint.runlog import PROGRESS, Line, log, progress, read_log, write_log

from .fakes import NOW, Clock

ZONE = datetime(2025, 3, 22, 18, 0, tzinfo=ZoneInfo("America/New_York"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "run.log"
    write_log(found, Clock(), ZONE)
    return found


def lines(path: Path) -> list[Line]:
    return read_log(path, 0)[0]


def test_lines_bear_the_windows_time_in_its_zone(path: Path) -> None:
    logging.getLogger("maint.holding").warning("still held: %s", "IC-Web3 out of pool-www")
    assert NOW.hour == 22  # in UTC
    assert lines(path) == [Line("18:00:00", logging.WARNING, "still held: IC-Web3 out of pool-www")]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_without_a_twin_it_goes_on_in_the_machines_time(tmp_path: Path) -> None:
    class Gone(Clock):
        def now(self) -> datetime:
            raise MaintError("the twin did not answer GET /clock")

    write_log(tmp_path / "run.log", Gone(), ZONE)
    log.error("the twin is gone")
    (line,) = lines(tmp_path / "run.log")
    assert line.words == "the twin is gone"
    assert datetime.strptime(line.moment, "%H:%M:%S").minute >= 0  # noqa: DTZ007 - a time of day


@pytest.mark.parametrize("words", ["first\nsecond", "first\r\nsecond", "first\u2028second"])
def test_one_record_is_one_line(path: Path, words: str) -> None:
    log.info("%s", words)
    assert [line.words for line in lines(path)] == ["first / second"]


def test_words_may_hold_tabs(path: Path) -> None:
    log.info("a\tb")
    assert [line.words for line in lines(path)] == ["a\tb"]


def test_secrets_are_in_no_line_and_in_no_traceback(path: Path) -> None:
    register("correct-horse-battery-staple")
    log.info("asked with %s", "correct-horse-battery-staple")
    try:
        int("correct-horse-battery-staple")
    except ValueError:
        log.exception("giving back failed")
    text = path.read_text()
    assert "correct-horse" not in text
    assert "giving back failed / Traceback (most recent call last):" in text
    assert "ValueError: invalid literal for int() with base 10: '[redacted]'" in text
    assert len(lines(path)) == 2


def test_it_is_followed_by_whole_lines(path: Path) -> None:
    log.info("first")
    found, position = read_log(path, 0)
    assert [line.words for line in found] == ["first"]
    with path.open("a") as file:
        file.write("18:00:01\t20\thalf a l")
        file.flush()
        assert read_log(path, position) == ([], position)
        file.write("ine\nno line of ours\n")
    found, position = read_log(path, position)
    assert found == [Line("18:00:01", 20, "half a line")]
    assert read_log(path, position) == ([], position)


def test_a_log_that_is_not_there_yet_has_no_lines(tmp_path: Path) -> None:
    assert read_log(tmp_path / "run.log", 0) == ([], 0)


def test_progress_is_said_now_and_then_by_each_thread(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runlog, "_said", {})
    for n in range(50):
        progress(f"waiting for the gateway {n}")
    other = threading.Thread(target=progress, args=("waiting for IC-Web3",))
    other.start()
    other.join()
    assert [(line.level, line.words) for line in lines(path)] == [
        (PROGRESS, "waiting for the gateway 0"),
        (PROGRESS, "waiting for IC-Web3"),
    ]
    monkeypatch.setattr(runlog, "PROGRESS_EVERY_SECONDS", 0.0)
    progress("waiting for the gateway 51")
    assert len(lines(path)) == 3
