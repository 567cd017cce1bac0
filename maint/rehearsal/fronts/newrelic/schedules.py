"""When a muting rule is in force: New Relic's schedules, in local time of an IANA zone."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

DAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")


class Refused(Exception):
    """An input that New Relic would refuse: the field's name and the reason."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} {reason}")
        self.name, self.reason = name, reason


@dataclass(frozen=True)
class Schedule:
    """A schedule as it was put in: local times without offset, and the zone that they are meant in."""

    zone: str
    start: datetime | None = None
    end: datetime | None = None
    repeat: str | None = None
    until: datetime | None = None
    count: int | None = None
    days: tuple[str, ...] = ()

    @classmethod
    def read(cls, given: dict[str, Any], before: "Schedule | None" = None) -> "Schedule":
        """Build one from GraphQL input, over `before` when only a part is given; raises Refused."""
        old = before.given() if before else {}
        new = {**old, **given}
        schedule = cls(
            zone=new.get("timeZone") or "",
            start=new.get("startTime"),
            end=new.get("endTime"),
            repeat=new.get("repeat"),
            until=new.get("endRepeat"),
            count=new.get("repeatCount"),
            days=tuple(new.get("weeklyRepeatDays") or ()),
        )
        schedule._check()
        return schedule

    def given(self) -> dict[str, Any]:
        """Return it under the names of the GraphQL input."""
        return {
            "timeZone": self.zone,
            "startTime": self.start,
            "endTime": self.end,
            "repeat": self.repeat,
            "endRepeat": self.until,
            "repeatCount": self.count,
            "weeklyRepeatDays": list(self.days) or None,
        }

    def _check(self) -> None:
        if self.zone not in available_timezones():
            raise Refused("timeZone", f'must be a time zone name of the IANA database, "{self.zone}" is none')
        if self.start and self.end and self.end <= self.start:
            raise Refused("endTime", "must be after startTime")
        if self.repeat and not (self.start and self.end):
            raise Refused("repeat", "needs a startTime and an endTime")
        if self.count is not None and self.until is not None:
            raise Refused("repeatCount", "cannot be used together with endRepeat")
        if self.count is not None and self.count < 1:
            raise Refused("repeatCount", "must be greater than 0")
        if self.days and self.repeat != "WEEKLY":
            raise Refused("weeklyRepeatDays", "can only be used when repeat is WEEKLY")

    def at(self, local: datetime | None) -> datetime | None:
        """Return a local time of this schedule with its offset."""
        return local.replace(tzinfo=ZoneInfo(self.zone)) if local else None

    def occurrence(self, now: datetime) -> tuple[datetime | None, datetime | None] | None:
        """Return start and end of the occurrence that covers `now`, else of the next one; None when over."""
        if not self.repeat or not self.start or not self.end:
            start, end = self.at(self.start), self.at(self.end)
            return None if end and end <= now else (start, end)
        for start_day in self._days(now):
            start, end = self.at(start_day), self.at(start_day + (self.end - self.start))
            if end and end > now:
                return start, end
        return None

    def _days(self, now: datetime) -> Iterator[datetime]:
        """Yield the local starts of every occurrence, in order, until some weeks after `now`."""
        assert self.start  # noqa: S101 - _check has seen to it
        wanted = {DAYS.index(day) for day in self.days} or {self.start.weekday()}
        start, seen = self.start, 0
        last = now.astimezone(ZoneInfo(self.zone)).replace(tzinfo=None) + timedelta(days=63)
        while start <= last and not (self.until and start > self.until):
            fits = {
                "WEEKLY": start.weekday() in wanted,
                "MONTHLY": start.day == self.start.day,
            }.get(self.repeat or "", True)
            if fits:
                seen += 1
                if self.count is not None and seen > self.count:
                    return
                yield start
            start += timedelta(days=1)

    def covers(self, now: datetime) -> bool:
        """Say whether the schedule is running at `now`."""
        found = self.occurrence(now)
        return found is not None and (found[0] is None or found[0] <= now)
