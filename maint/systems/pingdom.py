"""Pingdom: keep checks quiet until a time that is always set, and end that early."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from maint.errors import VendorError
from maint.systems.http import JsonHttp

if TYPE_CHECKING:
    from maint.environment import PingdomSettings

_NOW = 1
"""What the vendor reads as its own present time."""
_CLOCKS_APART = timedelta(minutes=2)
_REFUSALS = range(400, 429)


@dataclass(frozen=True)
class Maintenance:
    """A maintenance window; starts and until are aware, checks are ids."""

    id: int
    description: str
    checks: frozenset[int]
    starts: datetime
    until: datetime

    def in_force(self, now: datetime) -> bool:
        """Say whether it keeps its checks quiet at this (aware) time."""
        return self.starts <= now < self.until


class Pingdom:
    """Maintenance windows of one customer.

    secret: returns a secret by its name. before_write: the fence. now: the window clock, aware.
    """

    def __init__(
        self,
        settings: "PingdomSettings",
        *,
        secret: Callable[[str], str],
        ca: str | None,
        before_write: Callable[[], None],
        now: Callable[[], datetime],
        timeout: float = 30.0,
    ) -> None:
        self._now = now
        self._http = JsonHttp(
            "Pingdom",
            settings.url,
            lambda: {"Authorization": f"Bearer {secret(settings.token)}"},
            ca=ca,
            before_write=before_write,
            timeout=timeout,
        )

    def check_ids(self, names: Iterable[str]) -> dict[str, int]:
        """Return the id of each check by its name. Raises VendorError, naming every one that is not there."""
        what = "looking for the checks"
        found: dict[str, list[int]] = {}
        for check in _within(what, self._http.send(what, "GET", "/checks"), "checks"):
            found.setdefault(str(check["name"]), []).append(int(check["id"]))
        wanted = list(names)
        if missing := [name for name in wanted if name not in found]:
            raise VendorError(
                f"there is no check {', '.join(missing)}; there are: {', '.join(sorted(found))}",
                where="Pingdom",
                next="correct the name in the window file",
                status=404,
            )
        if several := [name for name in wanted if len(found[name]) > 1]:
            raise VendorError(
                f"there are several checks of the name {', '.join(several)}",
                where="Pingdom",
                next="rename all but one in Pingdom",
            )
        return {name: found[name][0] for name in wanted}

    def begin(self, description: str, checks: Iterable[int], until: datetime) -> int:
        """Put checks (ids) into maintenance from now until `until` (aware); return the window's id, read back.

        When the answer is lost the window is looked for before it is made again. Raises VendorError.
        """
        what, ids, tried = f"beginning maintenance {description!r}", sorted(checks), False
        ends = int(until.timestamp())
        if not ids:
            raise VendorError(f"{what}: no check was named", where="Pingdom", next="name the checks in the window file")

        def make() -> int:
            nonlocal tried
            # One that was ended early has another end, so that this can only be what was just made.
            if tried and (made := self.find(description)) and int(made.until.timestamp()) == ends:
                return made.id
            tried = True
            # Given in full: left out, the end of the recurrence is not sure to follow.
            body = {"description": description, "from": _NOW, "to": ends, "effectiveto": ends, "uptimeids": ids}
            answer = self._http.send(what, "POST", "/maintenance", json=body, writes=True)
            return int(_within(what, answer, "maintenance", "id"))

        identity = int(self._http.repeat(make))
        made = self._get(identity)
        if made is None or made.checks != frozenset(ids) or int(made.until.timestamp()) != ends:
            raise VendorError(
                f"{what}: it was accepted, but reads back as {made or 'nothing'}",
                where="Pingdom",
                next=f"look at maintenance window {identity} in Pingdom",
                status=200,
            )
        return identity

    def find(self, description: str) -> Maintenance | None:
        """Return the window of this description that is in force, None when there is none.

        Two clocks are never the same: one that begins within two minutes counts as in force. Raises VendorError.
        """
        now = self._now()
        begun = (w for w in self.list() if w.starts <= now + _CLOCKS_APART and now < w.until)
        return next((w for w in begun if w.description == description), None)

    def list(self) -> tuple[Maintenance, ...]:
        """Return all maintenance windows of the customer, the ended ones too. Raises VendorError."""
        what = "listing the maintenance windows"
        windows = _within(what, self._http.send(what, "GET", "/maintenance"), "maintenance")
        return tuple(_maintenance(window) for window in windows)

    def end(self, identity: int) -> None:
        """End a window that is in force, or remove one that has not begun; read back that it is over.

        One that has ended or is gone is no error. Safe to repeat. Raises VendorError.
        """
        self._http.repeat(lambda: self._end(identity))

    def _end(self, identity: int) -> None:
        what, now = f"ending maintenance window {identity}", self._now()
        window = self._get(identity)
        if window is None or window.until <= now:
            return
        if window.starts <= now or not self._removed(identity):
            # An active window cannot be deleted. The end of the recurrence too, else it may go on by that one.
            body = {"to": _NOW, "effectiveto": _NOW}
            self._http.send(what, "PUT", f"/maintenance/{identity}", json=body, writes=True)
        after = self._get(identity)
        if after and after.until > self._now() + _CLOCKS_APART:
            raise VendorError(
                f"{what}: it was accepted, but the window still ends at {after.until:%Y-%m-%d %H:%M %Z}",
                where="Pingdom",
                next=f"end maintenance window {identity} in Pingdom",
                status=200,
            )

    def _removed(self, identity: int) -> bool:
        """Remove a window that has not begun; says False when it has begun by the vendor's clock."""
        try:
            self._http.send(
                f"removing maintenance window {identity}", "DELETE", f"/maintenance/{identity}", writes=True
            )
        except VendorError as error:
            if error.status == 404:
                return True
            # How the refusal is worded is not documented.
            if error.status in _REFUSALS and error.status not in (401, 403, 408):
                return False
            raise
        return True

    def _get(self, identity: int) -> Maintenance | None:
        what = f"reading maintenance window {identity}"
        try:
            answer = self._http.send(what, "GET", f"/maintenance/{identity}")
        except VendorError as error:
            if error.status == 404:
                return None
            raise
        return _maintenance(_within(what, answer, "maintenance"))


def _within(what: str, data: Any, *keys: str) -> Any:
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
        if data is None:
            raise VendorError(f"{what}: answered without {key!r}", where="Pingdom", status=200)
    return data


def _maintenance(raw: dict[str, Any]) -> Maintenance:
    # A window that comes again has its own end and that of the recurrence; ours never do.
    return Maintenance(
        id=int(raw["id"]),
        description=str(raw.get("description", "")),
        checks=frozenset(int(check) for check in (raw.get("checks") or {}).get("uptime") or ()),
        starts=datetime.fromtimestamp(int(raw["from"]), UTC),
        until=datetime.fromtimestamp(int(raw["to"]), UTC),
    )
