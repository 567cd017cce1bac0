"""The local times and durations that people write in a window, as aware datetimes and timedeltas."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

_MOMENT = re.compile(
    r"(?:(?P<day>[A-Za-z]+)\s+)?(?:(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})\s+)?(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})"
)
_DURATION = re.compile(
    r"(?:(?P<hours>[0-9]{1,5})\s*(?:hours?|h))?\s*(?:(?P<minutes>[0-9]{1,5})\s*(?:minutes?|min))?"
    r"\s*(?:(?P<seconds>[0-9]{1,5})\s*(?:seconds?|s))?"
)
_MINUTE = timedelta(minutes=1)
_NEAR = timedelta(days=31)
_LONGEST = timedelta(days=7)


@dataclass(frozen=True)
class Calendar:
    """The week of a window: what "Saturday 18:00" means in it.

    sunday: the window's date. zone: its time zone. day: the day meant when only a time is written,
    or None where a day must be written.
    """

    sunday: date
    zone: ZoneInfo
    day: date | None = None

    def moment(self, text: str) -> datetime:
        """Return "Saturday 18:00", "2025-03-22 18:00" or "18:00" as an aware datetime of this week.

        Raises ValueError with the sentence's second half when it is no such time, or when the clock
        change of that day skips or doubles it.
        """
        found = _MOMENT.fullmatch(text.strip())
        if not found or int(found["hour"]) > 23 or int(found["minute"]) > 59:
            raise ValueError(
                f"'{text}' is not a local time; allowed: a day and a time of 24 hours, such as Saturday 18:00"
            )
        day = self._day(text, found["day"], found["date"])
        return local(datetime.combine(day, time(int(found["hour"]), int(found["minute"]))), self.zone)

    def _day(self, text: str, name: str | None, written: str | None) -> date:
        named = None
        if name is not None:
            matches = [number for number, day in enumerate(DAYS) if day.lower() == name.lower()]
            if not matches:
                raise ValueError(
                    f"'{name}' in '{text}' is not a day of the week; allowed: {', '.join(DAYS)}{_did(name)}"
                )
            named = self.sunday - timedelta(days=6 - matches[0])
        if written is not None:
            try:
                day = date.fromisoformat(written)
            except ValueError:
                raise ValueError(f"'{written}' is not a date of the calendar") from None
            if named and DAYS[day.weekday()] != DAYS[named.weekday()]:
                raise ValueError(f"{written} is a {DAYS[day.weekday()]}, not a {name}")
            if abs(day - self.sunday) > _NEAR:
                raise ValueError(f"{written} is more than a month from the window's Sunday, {self.sunday}")
            return day
        if named is None and self.day is None:
            raise ValueError(f"'{text}' names no day; write the day too, such as Saturday {text}")
        return named or self.day or self.sunday


def _did(name: str) -> str:
    near = [day for day in DAYS if day[:3].lower() == name[:3].lower()]
    return f" (did you mean {near[0]}?)" if near else ""


def local(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return the wall clock time `wall` (naive) in `zone`, aware.

    Raises ValueError when the zone's clock change skips that time or lets it happen twice.
    """
    if _ordinary(wall, zone):
        return wall.replace(tzinfo=zone)
    first = last = wall
    while not _ordinary(first - _MINUTE, zone):
        first -= _MINUTE
    while not _ordinary(last + _MINUTE, zone):
        last += _MINUTE
    skipped = _round_trip(wall, zone) != wall
    what = "does not exist" if skipped else "happens twice"
    way = "forward" if skipped else "back"
    end = last + _MINUTE
    raise ValueError(
        f"{wall:%H:%M} on {wall:%A %Y-%m-%d} {what} in {zone.key}, where the clocks go {way} that day; "
        f"allowed: a time before {first:%H:%M}, or {end:%H:%M} and later"
    )


def _round_trip(wall: datetime, zone: ZoneInfo) -> datetime:
    return wall.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None, fold=0)


def _ordinary(wall: datetime, zone: ZoneInfo) -> bool:
    early, late = wall.replace(tzinfo=zone, fold=0), wall.replace(tzinfo=zone, fold=1)
    return early.utcoffset() == late.utcoffset()


def later(moment: datetime, by: timedelta) -> datetime:
    """Return `moment` (aware) plus `by` of real time, in the same zone, whatever the clocks do between."""
    return (moment.astimezone(UTC) + by).astimezone(moment.tzinfo)


def duration(text: str) -> timedelta:
    """Return "90 minutes", "1 hour 30 minutes" or "45 s" as a timedelta; raises ValueError."""
    found = _DURATION.fullmatch(text.strip())
    if not found or not text.strip():
        raise ValueError(f"'{text}' is not a duration; allowed: such as 45 minutes, or 1 hour 30 minutes")
    length = timedelta(**{unit: int(number) for unit, number in found.groupdict(default="0").items()})
    if length > _LONGEST:
        raise ValueError(f"'{text}' is longer than a window; allowed: up to {_LONGEST.days} days")
    return length
