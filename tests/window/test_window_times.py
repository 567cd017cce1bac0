"""Local times, clock changes and durations in a window."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from maint.errors import WindowError
from maint.window import load_window
from maint.window_steps import Mute
from maint.window_time import Calendar, duration

EASTERN = ZoneInfo("America/New_York")
SPRING, AUTUMN = date(2025, 3, 9), date(2025, 11, 2)


def written(sunday: date, text: str, zone: ZoneInfo = EASTERN) -> datetime:
    return Calendar(sunday, zone).moment(text)


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("Saturday 18:00", "2025-03-22 22:00"),
        ("saturday 18:00", "2025-03-22 22:00"),
        ("Sunday 4:30", "2025-03-23 08:30"),
        ("Monday 08:00", "2025-03-17 12:00"),
        ("2025-03-22 18:00", "2025-03-22 22:00"),
        ("Saturday 2025-03-22 18:00", "2025-03-22 22:00"),
    ],
)
def test_a_day_means_the_day_of_the_windows_week(text: str, utc: str) -> None:
    expected = datetime.fromisoformat(utc).replace(tzinfo=UTC)
    assert written(date(2025, 3, 23), text) == expected


def test_est_in_march_is_daylight_time_by_the_zone() -> None:
    assert written(date(2025, 3, 23), "Saturday 18:00").utcoffset() == timedelta(hours=-4)
    assert written(SPRING, "Saturday 18:00").utcoffset() == timedelta(hours=-5)


@pytest.mark.parametrize(
    ("sunday", "text", "said"),
    [
        (
            SPRING,
            "Sunday 02:30",
            "02:30 on Sunday 2025-03-09 does not exist in America/New_York, where the clocks go forward",
        ),
        (SPRING, "Sunday 02:00", "allowed: a time before 02:00, or 03:00 and later"),
        (
            AUTUMN,
            "Sunday 01:30",
            "01:30 on Sunday 2025-11-02 happens twice in America/New_York, where the clocks go back",
        ),
        (AUTUMN, "Sunday 01:00", "allowed: a time before 01:00, or 02:00 and later"),
    ],
)
def test_a_time_that_the_clock_change_skips_or_doubles(sunday: date, text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        written(sunday, text)


@pytest.mark.parametrize(
    ("sunday", "text"),
    [(SPRING, "Sunday 01:59"), (SPRING, "Sunday 03:00"), (AUTUMN, "Sunday 00:59"), (AUTUMN, "Sunday 02:00")],
)
def test_a_time_beside_the_clock_change_is_fine(sunday: date, text: str) -> None:
    assert written(sunday, text).tzinfo == EASTERN


def test_half_an_hour_of_change_is_seen_too() -> None:
    with pytest.raises(ValueError, match="a time before 02:00, or 02:30 and later"):
        written(date(2025, 10, 5), "Sunday 02:15", ZoneInfo("Australia/Lord_Howe"))


@pytest.mark.parametrize(("day", "hour"), [(SPRING, "02:30"), (AUTUMN, "01:30")])
def test_the_file_names_the_line_of_such_a_time(edited: Callable[..., Path], day: date, hour: str) -> None:
    path = edited(
        ("date: 2025-03-23", f"date: {day}"),
        ("opens: Sunday 04:30", f"opens: Sunday {hour}"),
        name=f"{day}-monthly.yaml",
    )
    with pytest.raises(WindowError, match=rf"monthly\.yaml:\d+: 'opens' in phase sunday-pre: {hour} on Sunday"):
        load_window(path)


def test_the_end_of_a_mute_counts_real_hours_across_a_clock_change(edited: Callable[..., Path]) -> None:
    path = edited(
        ("date: 2025-03-23", "date: 2025-11-02"),
        ("closes: Saturday 22:00", "closes: Sunday 00:30"),
        ("grace: 30 minutes", "grace: 3 hours"),
        ("start_by: 19:30", "start_by: Saturday 19:30"),
        ("not_before: 19:00", "not_before: Saturday 19:00"),
        name="2025-11-02-monthly.yaml",
    )
    window = load_window(path)
    mute = window.step("P2")
    assert isinstance(mute, Mute)
    assert window.ends(mute) == datetime(2025, 11, 2, 2, 30, tzinfo=EASTERN)
    assert window.phase("saturday-pre").contains(datetime(2025, 11, 2, 4, 0, tzinfo=UTC))


def test_a_phase_over_midnight_wants_the_day_with_each_time(edited: Callable[..., Path]) -> None:
    path = edited(("closes: Saturday 22:00", "closes: Sunday 00:30"))
    with pytest.raises(WindowError, match="'19:30' names no day; write the day too"):
        load_window(path)


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("45 minutes", 45), ("1 hour", 60), ("1 hour 30 minutes", 90), ("2h 5min", 125), ("30 s", 0.5), ("1 min", 1)],
)
def test_durations(text: str, minutes: float) -> None:
    assert duration(text) == timedelta(minutes=minutes)


@pytest.mark.parametrize("text", ["", "5", "soon", "-5 minutes", "99999 hours", "5 minutes 1 hour", "1.5 hours"])
def test_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match="allowed: "):
        duration(text)
