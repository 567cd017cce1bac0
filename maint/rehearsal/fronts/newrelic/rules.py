"""The muting rules and policies of the account, and what may be written to them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from maint.rehearsal.fronts.newrelic.schedules import Refused, Schedule

ACCOUNT = 1234567
MAX_VALUES = 500
ATTRIBUTES = frozenset(
    {
        "accountId",
        "conditionId",
        "conditionName",
        "conditionRunbookUrl",
        "conditionType",
        "entity.guid",
        "nrqlEventType",
        "nrqlQuery",
        "policyId",
        "policyName",
        "product",
        "targetId",
        "targetName",
    }
)
_TAG = re.compile(r"tags\.\S+")
_WITHOUT_VALUES = {"ANY", "IS_BLANK", "IS_NOT_BLANK"}

POLICIES = {
    301: "Web servers",
    302: "Payments",
    303: "Portal availability",
    304: "Databases",
    305: "Kubernetes",
}
CONDITIONS = (
    (
        9001,
        301,
        "CPU above 90 % for 10 minutes",
        "SELECT average(cpuPercent) FROM SystemSample FACET hostname",
    ),
    (9002, 301, "Host not reporting", "SELECT count(*) FROM SystemSample FACET hostname"),
    (9003, 302, "Declined payments", "SELECT percentage(count(*), WHERE declined) FROM Payment"),
    (9004, 303, "www answers slowly", "SELECT average(duration) FROM SyntheticCheck"),
)


@dataclass
class Rule:
    """One muting rule."""

    id: int
    name: str
    enabled: bool
    condition: dict[str, Any]
    by: str
    created: datetime
    updated: datetime
    description: str | None = None
    schedule: Schedule | None = None
    when_ended: str = "CLOSE_ISSUES_ON_INACTIVE"
    updated_by: str = field(default="")

    def in_force(self, now: datetime) -> bool:
        """Say whether the rule mutes anything at `now`."""
        return self.enabled and (self.schedule is None or self.schedule.covers(now))

    def status(self, now: datetime) -> str:
        """Return New Relic's word for what the rule is doing."""
        if not self.enabled:
            return "INACTIVE"
        if self.in_force(now):
            return "ACTIVE"
        return "SCHEDULED" if self.schedule and self.schedule.occurrence(now) else "ENDED"

    def mutes(self) -> str:
        """Return what it mutes, for people and for comparing: no ids, no times."""
        parts = (f"{c['attribute']} {c['operator']} {', '.join(c['values'])}" for c in self.condition["conditions"])
        return f" {self.condition['operator']} ".join(part.strip() for part in parts)

    def answer(self, now: datetime) -> dict[str, Any]:
        """Return the rule as GraphQL source."""
        return {
            "id": str(self.id),
            "accountId": ACCOUNT,
            "name": self.name,
            "description": self.description,
            "enabled": self.enabled,
            "status": self.status(now),
            "actionOnMutingRuleWindowEnded": self.when_ended,
            "condition": self.condition,
            "schedule": _schedule_answer(self.schedule, now),
            "createdAt": self.created.isoformat(),
            "createdByUser": user(self.by),
            "updatedAt": self.updated.isoformat(),
            "updatedByUser": user(self.updated_by or self.by),
        }


def user(name: str) -> dict[str, Any]:
    """Return a made-up person as New Relic shows one."""
    mail = name.lower().replace(" ", ".") + "@example.com"
    return {"id": 1000 + sum(map(ord, name)), "name": name, "email": mail, "gravatar": None}


def _schedule_answer(schedule: Schedule | None, now: datetime) -> dict[str, Any] | None:
    if schedule is None:
        return None
    upcoming = schedule.occurrence(now) or (None, None)

    def said(time: datetime | None) -> str | None:
        return time.isoformat(timespec="seconds") if time else None

    return {
        "startTime": said(schedule.at(schedule.start)),
        "endTime": said(schedule.at(schedule.end)),
        "timeZone": schedule.zone,
        "repeat": schedule.repeat,
        "endRepeat": said(schedule.at(schedule.until)),
        "repeatCount": schedule.count,
        "weeklyRepeatDays": list(schedule.days) or None,
        "nextStartTime": said(upcoming[0]),
        "nextEndTime": said(upcoming[1]),
    }


def check_condition(group: Mapping[str, Any]) -> dict[str, Any]:
    """Return the condition group as it is stored; raises Refused for what New Relic refuses."""
    if not group["conditions"]:
        raise Refused("conditions", "must have at least 1 item")
    for one in group["conditions"]:
        attribute, values = one["attribute"], one["values"]
        if attribute not in ATTRIBUTES and not _TAG.fullmatch(attribute):
            raise Refused("attribute", f'"{attribute}" is not supported for muting rules')
        if one["operator"] not in _WITHOUT_VALUES and not values:
            raise Refused("values", f"must not be empty for operator {one['operator']}")
        if len(values) > MAX_VALUES:
            raise Refused("values", f"must have at most {MAX_VALUES} items")
    return {"operator": group["operator"], "conditions": [dict(one) for one in group["conditions"]]}


def check_name(name: str | None) -> str:
    """Return the name; raises Refused when it is empty or too long."""
    if not name or not name.strip():
        raise Refused("name", "can't be blank")
    if len(name) > 256:
        raise Refused("name", "is too long (maximum is 256 characters)")
    return name


def others(now: datetime) -> list[Rule]:
    """Return the rules that other people made before this world began; no window may touch them."""

    def when(attribute: str, operator: str, *values: str) -> dict[str, Any]:
        return {
            "operator": "AND",
            "conditions": [{"attribute": attribute, "operator": operator, "values": list(values)}],
        }

    def rule(number: int, name: str, condition: dict[str, Any], by: str, **more: Any) -> Rule:
        return Rule(
            **{
                "id": 48_210 + number,
                "name": name,
                "enabled": True,
                "condition": condition,
                "by": by,
                "created": now,
                "updated": now,
                **more,
            }
        )

    zone = "America/New_York"
    reporting = Schedule(
        zone=zone,
        start=datetime(2025, 1, 8, 1, 0),  # noqa: DTZ001 - a NaiveDateTime, as New Relic wants it
        end=datetime(2025, 1, 8, 2, 0),  # noqa: DTZ001
        repeat="WEEKLY",
        days=("WEDNESDAY",),
    )
    january = Schedule(zone=zone, start=datetime(2025, 1, 18, 18), end=datetime(2025, 1, 19, 12))  # noqa: DTZ001
    migration = Schedule(zone=zone, start=datetime(2025, 4, 12, 22), end=datetime(2025, 4, 13, 6))  # noqa: DTZ001
    return [
        rule(1, "Staging is noisy", when("tags.environment", "EQUALS", "staging"), "Priya Nair"),
        rule(
            2,
            "Weekly reporting batch",
            when("policyName", "EQUALS", "Databases"),
            "Lee Novak",
            schedule=reporting,
        ),
        rule(
            3,
            "2025-01-19 monthly",
            when("policyName", "EQUALS", "Web servers"),
            "Dana Reyes",
            schedule=january,
        ),
        rule(
            4,
            "Database migration",
            when("policyName", "EQUALS", "Databases"),
            "Lee Novak",
            schedule=migration,
        ),
        rule(5, "Old load test", when("targetName", "STARTS_WITH", "IC-Load"), "Sam Okafor", enabled=False),
    ]
