"""Checks and maintenance windows, and the rules for changing them."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

NOW = 1
"""What a caller writes for the vendor's own present time."""


class Refused(Exception):
    """What Pingdom will not do: HTTP status and its words."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


@dataclass
class Check:
    """One uptime check; resolution is in minutes."""

    id: int
    name: str
    host: str
    paused: bool = False
    resolution: int = 1
    created: int = 1_546_300_800

    def answer(self, now: int) -> dict[str, Any]:
        """Return the check as Pingdom lists it."""
        return {
            "id": self.id,
            "created": self.created,
            "name": self.name,
            "hostname": self.host,
            "ipv6": False,
            "resolution": self.resolution,
            "type": "http",
            "status": "paused" if self.paused else "up",
            "lasttesttime": now - now % (60 * self.resolution),
            "lastresponsetime": 180 + self.id % 100,
        }


@dataclass(frozen=True)
class Maintenance:
    """One maintenance window; times are seconds since 1970. Windows that come again were not taught."""

    id: int
    description: str
    begins: int
    ends: int
    effective: int
    checks: tuple[int, ...] = ()

    def in_force(self, now: float) -> bool:
        """Say whether it keeps its checks quiet now."""
        return self.begins <= now < self.ends

    def answer(self) -> dict[str, Any]:
        """Return the window as Pingdom writes it."""
        return {
            "id": self.id,
            "description": self.description,
            "from": self.begins,
            "to": self.ends,
            "recurrencetype": "none",
            "repeatevery": 0,
            "effectiveto": self.effective,
            "checks": {"uptime": list(self.checks), "tms": []},
        }

    def occurrence(self) -> dict[str, Any]:
        """Return its one occurrence."""
        return {"id": self.id + 500_000, "maintenanceid": self.id, "from": self.begins, "to": self.ends}


@dataclass
class Account:
    """Everything of one customer's that was taught."""

    checks: dict[int, Check] = field(default_factory=dict)
    windows: dict[int, Maintenance] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Fill the account with what was there before us; "portal-old" was paused by somebody for good."""
        beginning = (
            Check(6801001, "www", "www.invoicecloud.com"),
            Check(6801002, "my", "my.invoicecloud.com"),
            Check(6801003, "api", "api.invoicecloud.com", resolution=5),
            Check(6801004, "marketing", "www.invoicecloud.net", resolution=5),
            Check(6801005, "portal-old", "portal-old.invoicecloud.com", paused=True, resolution=15),
        )
        self.checks = {check.id: check for check in beginning}
        for number, description, begins, ends, check in (
            (410, "New certificates for marketing", "2025-02-09T06:00:00-05:00", "2025-02-09T07:00:00-05:00", 6801004),
            (411, "Marketing moves house", "2025-06-14T22:00:00-04:00", "2025-06-15T02:00:00-04:00", 6801004),
        ):
            start, end = (int(datetime.fromisoformat(text).timestamp()) for text in (begins, ends))
            self.windows[number] = Maintenance(number, description, start, end, end, (check,))

    def window(self, number: int) -> Maintenance:
        """Return a window; raises Refused."""
        if number not in self.windows:
            raise Refused(404, "Maintenance window not found")
        return self.windows[number]

    def create(self, wanted: dict[str, Any], now: int) -> Maintenance:
        """Store a new window; raises Refused."""
        missing = [key for key in ("description", "from", "to") if wanted.get(key) in (None, "")]
        if missing:
            raise Refused(400, f"Missing parameter: {missing[0]}")
        number = max(self.windows, default=0) + 1
        made = self._filled(Maintenance(number, "", 0, 0, 0), {"effectiveto": wanted["to"], **wanted}, now)
        self.windows[number] = made
        return made

    def modify(self, number: int, wanted: dict[str, Any], now: int) -> Maintenance:
        """Change a window that has not ended; only its end can still be moved once it began. Raises Refused."""
        found = self.window(number)
        if found.ends <= now:
            raise Refused(400, "Only future or ongoing maintenance windows can be modified")
        if found.begins <= now and "from" in wanted:
            raise Refused(400, "Invalid parameter value: from (the maintenance window has already started)")
        if "to" in wanted and found.effective == found.ends:
            wanted = {"effectiveto": wanted["to"], **wanted}
        self.windows[number] = self._filled(found, wanted, now)
        return self.windows[number]

    def delete(self, numbers: list[int], now: int) -> None:
        """Remove windows that have not begun, all or none; raises Refused."""
        for number in numbers:
            if self.window(number).begins <= now:
                raise Refused(400, "Only future maintenance windows can be deleted")
        for number in numbers:
            del self.windows[number]

    def _filled(self, window: Maintenance, wanted: dict[str, Any], now: int) -> Maintenance:
        if wanted.get("recurrencetype", "none") != "none" or wanted.get("repeatevery", 0):
            raise Refused(400, "Invalid parameter value: recurrencetype")
        if wanted.get("tmsids"):
            raise Refused(400, "Invalid parameter value: tmsids")
        times = {key: _moment(key, wanted[key], now) for key in ("from", "to", "effectiveto") if key in wanted}
        checks = _numbers("uptimeids", wanted["uptimeids"]) if "uptimeids" in wanted else window.checks
        if unknown := [number for number in checks if number not in self.checks]:
            raise Refused(400, f"Invalid parameter value: uptimeids (no such check: {unknown[0]})")
        begins, ends = times.get("from", window.begins), times.get("to", window.ends)
        # What began may be ended on the spot; what is new must last.
        if ends < begins or (ends == begins and "from" in wanted):
            raise Refused(400, "Invalid parameter value: to (must be later than from)")
        return replace(
            window,
            description=str(wanted.get("description", window.description)),
            begins=begins,
            ends=ends,
            effective=times.get("effectiveto", window.effective),
            checks=tuple(checks),
        )


def _moment(name: str, value: Any, now: int) -> int:
    try:
        moment = int(value)
    except (TypeError, ValueError) as error:
        raise Refused(400, f"Invalid parameter value: {name}") from error
    if moment == NOW:
        return now
    if moment < now:
        raise Refused(400, f"Invalid parameter value: {name} (only future allowed)")
    return moment


def _numbers(name: str, value: Any) -> list[int]:
    """Return ids that came as a JSON list, or as numbers with commas in between."""
    parts = value.split(",") if isinstance(value, str) else value
    try:
        return [int(part) for part in parts if str(part).strip()]
    except (TypeError, ValueError) as error:
        raise Refused(400, f"Invalid parameter value: {name}") from error
