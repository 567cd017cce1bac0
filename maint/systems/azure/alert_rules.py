"""Alert processing rules: no notifications for some resources, until a time that is always set."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from maint.systems.azure.documents import plain

if TYPE_CHECKING:
    from maint.systems.azure.session import AzureSession


@dataclass(frozen=True)
class AlertRule:
    """A rule that keeps notifications back. starts and until are aware, None where the rule names none.

    A rule in another time zone than UTC is not one of ours; its times are None then.
    """

    name: str
    scopes: tuple[str, ...]
    starts: datetime | None
    until: datetime | None
    enabled: bool
    description: str

    def in_force(self, now: datetime) -> bool:
        """Say whether it keeps notifications back at this (aware) time."""
        begun = self.starts is None or self.starts <= now
        return self.enabled and begun and (self.until is None or now < self.until)


class AlertRules:
    """The alert processing rules of the session's resource group, by name."""

    def __init__(self, session: "AzureSession") -> None:
        self._session = session

    def put(self, name: str, scopes: tuple[str, ...], *, starts: datetime, until: datetime, description: str) -> None:
        """Create the rule or replace it: safe to repeat. scopes: resource ids; starts and until: aware.

        Raises VendorError.
        """
        session = self._session
        rule: dict[str, Any] = {
            "location": "Global",
            "properties": {
                "scopes": list(scopes),
                # UTC has no hour that comes twice, and is the same word in Windows' list of zones.
                "schedule": {
                    "effectiveFrom": _wire(starts),
                    "effectiveUntil": _wire(until),
                    "timeZone": "UTC",
                },
                "actions": [{"actionType": "RemoveAllActionGroups"}],
                "description": description,
                "enabled": True,
            },
        }
        rules: Any = session.alert_rules.alert_processing_rules  # its types refuse plain JSON, its code does not
        session.repeat(
            f"writing the alert processing rule {name}",
            lambda: rules.create_or_update(session.group, name, rule),
        )

    def get(self, name: str) -> AlertRule | None:
        """Return the rule, None when there is none. Raises VendorError."""
        from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415 - the SDK loads when first used

        session, rules = self._session, self._session.alert_rules.alert_processing_rules

        def ask() -> Any:
            try:
                return rules.get_by_name(session.group, name)
            except ResourceNotFoundError:
                return None

        found = session.repeat(f"reading the alert processing rule {name}", ask)
        return _rule(plain(found)) if found else None

    def list(self) -> tuple[AlertRule, ...]:
        """Return all rules of the resource group. Raises VendorError."""
        session, rules = self._session, self._session.alert_rules.alert_processing_rules

        def ask() -> Iterator[AlertRule]:
            return iter([_rule(plain(rule)) for rule in rules.list_by_resource_group(session.group)])

        return tuple(session.repeat("listing the alert processing rules", ask))

    def delete(self, name: str) -> None:
        """Remove the rule; one that is gone already is no error. Raises VendorError."""
        session, rules = self._session, self._session.alert_rules.alert_processing_rules
        session.repeat(f"removing the alert processing rule {name}", lambda: rules.delete(session.group, name))


def _wire(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _time(text: str | None, zone: str | None) -> datetime | None:
    return datetime.fromisoformat(text).replace(tzinfo=UTC) if text and zone in {None, "UTC"} else None


def _rule(raw: dict[str, Any]) -> AlertRule:
    inner = raw.get("properties") or {}
    schedule = inner.get("schedule") or {}
    zone = schedule.get("timeZone")
    return AlertRule(
        name=str(raw.get("name") or ""),
        scopes=tuple(inner.get("scopes") or ()),
        starts=_time(schedule.get("effectiveFrom"), zone),
        until=_time(schedule.get("effectiveUntil"), zone),
        enabled=inner.get("enabled") is not False,
        description=str(inner.get("description") or ""),
    )
