"""Alert processing rules (2021-08-08): what mutes notifications, for which scopes, until when."""

import re
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from starlette.responses import JSONResponse, Response

from maint.rehearsal.clock import WorldClock
from maint.rehearsal.front import History
from maint.rehearsal.fronts.azure.arm import GROUP_ID, SUBSCRIPTION, ArmError, Call, invalid, not_found, stamp
from maint.rehearsal.fronts.azure.time_zones import IANA

KIND = "Microsoft.AlertsManagement/actionRules"
LOCAL_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}")
CLOCK_TIME = re.compile(r"\d{2}:\d{2}:\d{2}")
VERSION = "2021-08-08"
FIELDS = {
    "Severity", "MonitorService", "MonitorCondition", "SignalType", "TargetResourceType", "TargetResource",
    "TargetResourceGroup", "AlertRuleId", "AlertRuleName", "Description", "AlertContext",
}  # fmt: skip
OPERATORS = {"Equals", "NotEquals", "Contains", "DoesNotContain"}
ACTIONS = {"RemoveAllActionGroups", "AddActionGroups"}
RECURRENCES = {"Daily", "Weekly", "Monthly"}


class AlertRules:
    """All rules of the resource group; every write takes effect at once."""

    def __init__(self, clock: WorldClock, history: History) -> None:
        self._clock, self._tell = clock, history
        self._rules: dict[str, dict[str, Any]] = {}

    async def every(self, call: Call) -> Response:
        """Answer with every rule."""
        _check_version(call)
        return JSONResponse({"value": list(self._rules.values())})

    async def get(self, call: Call) -> Response:
        """Answer a read."""
        return JSONResponse(self._find(call))

    async def put(self, call: Call) -> Response:
        """Create or replace a rule; 201 when it is new."""
        _check_version(call)
        sent, name = await call.body(), call.names["name"]
        _check(sent)
        now, known = stamp(self._clock.now()), self._rules.get(name.lower())
        created = known["systemData"]["createdAt"] if known else now
        rule = {
            "id": f"{GROUP_ID}/providers/{KIND}/{name}",
            "type": KIND,
            "name": name,
            "location": "Global",
            "tags": sent.get("tags") or {},
            "properties": {"enabled": True, **sent["properties"]},
            "systemData": {
                "createdBy": "maint",
                "createdByType": "Application",
                "createdAt": created,
                "lastModifiedBy": "maint",
                "lastModifiedByType": "Application",
                "lastModifiedAt": now,
            },
        }
        self._rules[name.lower()] = rule
        self._tell(f"alert processing rule {name} was {'replaced' if known else 'created'}")
        return JSONResponse(rule, status_code=200 if known else 201)

    async def patch(self, call: Call) -> Response:
        """Change `enabled` and the tags, which is all that can be patched."""
        rule, sent = self._find(call), await call.body()
        properties = sent.get("properties") or {}
        if set(properties) - {"enabled"} or set(sent) - {"properties", "tags"}:
            raise invalid("BadRequest", "Only tags and properties.enabled can be updated by PATCH.")
        if "enabled" in properties:
            rule["properties"]["enabled"] = bool(properties["enabled"])
        if "tags" in sent:
            rule["tags"] = sent["tags"] or {}
        rule["systemData"]["lastModifiedAt"] = stamp(self._clock.now())
        self._tell(f"alert processing rule {rule['name']} was changed")
        return JSONResponse(rule)

    async def delete(self, call: Call) -> Response:
        """Remove a rule: 204 when there is none."""
        _check_version(call)
        rule = self._rules.pop(call.names["name"].lower(), None)
        if rule is None:
            return Response(status_code=204)
        self._tell(f"alert processing rule {rule['name']} was deleted")
        return Response(status_code=200)

    def change(self, name: str, change: dict[str, Any]) -> Response:
        """Make somebody else's change of a rule: {"deleted": true}, else the properties to set."""
        rule = self._rules.get(name.lower())
        if rule is None:
            raise not_found(KIND, name)
        if change.get("deleted"):
            del self._rules[name.lower()]
        else:
            wanted = {**rule, "properties": {**rule["properties"], **change}}
            _check(wanted)
            self._rules[name.lower()] = wanted
        self._tell(f"somebody {'deleted' if change.get('deleted') else 'changed'} alert processing rule {name}")
        return JSONResponse(change)

    def _find(self, call: Call) -> dict[str, Any]:
        _check_version(call)
        rule = self._rules.get(call.names["name"].lower())
        if rule is None:
            raise not_found(KIND, call.names["name"])
        return rule

    def in_force(self) -> list[str]:
        """Return the scopes that are muted now, by their last part, with how many conditions narrow them."""
        now, muted = self._clock.now(), set()
        for rule in self._rules.values():
            properties = rule["properties"]
            removes = any(a["actionType"] == "RemoveAllActionGroups" for a in properties["actions"])
            if properties["enabled"] and removes and _runs(properties.get("schedule") or {}, now):
                narrowed = len(properties.get("conditions") or [])
                where = f" ({narrowed} conditions)" if narrowed else ""
                muted |= {scope.rstrip("/").rsplit("/", 1)[-1] + where for scope in properties["scopes"]}
        return sorted(muted)


def _check_version(call: Call) -> None:
    if call.version != VERSION:
        raise ArmError(
            400,
            "InvalidResourceType",
            f"The resource type 'actionRules' could not be found in the namespace 'Microsoft.AlertsManagement' "
            f"for api version '{call.version}'. The supported api-versions are '{VERSION}'.",
        )


def _check(sent: dict[str, Any]) -> None:
    """Refuse what the service refuses; raises ArmError (400)."""
    properties = sent.get("properties")
    if not isinstance(properties, dict) or str(sent.get("location", "")).lower() != "global":
        raise invalid("BadRequest", "location must be Global and properties must be given.")
    scopes = properties.get("scopes")
    if not scopes:
        raise invalid("BadRequest", "properties.scopes must name at least one resource id.")
    for scope in scopes:
        if not scope.lower().startswith(f"/subscriptions/{SUBSCRIPTION}"):
            raise invalid("BadRequest", f"Scope {scope} is not in the rule's subscription.")
    actions = properties.get("actions")
    if not actions or any(a.get("actionType") not in ACTIONS for a in actions):
        raise invalid("BadRequest", f"properties.actions must use one of {', '.join(sorted(ACTIONS))}.")
    for condition in properties.get("conditions") or []:
        known = condition.get("field") in FIELDS and condition.get("operator") in OPERATORS
        if not known or not condition.get("values"):
            raise invalid("BadRequest", f"Condition {condition} is not supported.")
    _check_schedule(properties.get("schedule") or {})


def _check_schedule(schedule: dict[str, Any]) -> None:
    for key in ("effectiveFrom", "effectiveUntil"):
        value = schedule.get(key)
        if value is not None and not LOCAL_TIME.fullmatch(str(value)):
            raise invalid(
                "BadRequest", f"schedule.{key} '{value}' must be a local time without offset: YYYY-MM-DDTHH:MM:SS."
            )
    zone = schedule.get("timeZone")
    if zone is not None and zone not in IANA:
        raise invalid("BadRequest", f"schedule.timeZone '{zone}' is not a valid Windows time zone id.")
    start, end = schedule.get("effectiveFrom"), schedule.get("effectiveUntil")
    if start and end and end <= start:
        raise invalid("BadRequest", "schedule.effectiveUntil must be after schedule.effectiveFrom.")
    for recurrence in schedule.get("recurrences") or []:
        times = [recurrence.get(k) for k in ("startTime", "endTime")]
        if recurrence.get("recurrenceType") not in RECURRENCES:
            raise invalid("BadRequest", "recurrenceType must be Daily, Weekly or Monthly.")
        if any(t is not None and not CLOCK_TIME.fullmatch(str(t)) for t in times):
            raise invalid("BadRequest", "A recurrence's startTime and endTime must be HH:MM:SS.")


def _runs(schedule: dict[str, Any], now: datetime) -> bool:
    """Say whether a schedule holds at this time; without one, always."""
    local = now.astimezone(ZoneInfo(IANA[schedule.get("timeZone") or "UTC"])).replace(tzinfo=None)
    start, end = schedule.get("effectiveFrom"), schedule.get("effectiveUntil")
    if start and local < datetime.fromisoformat(start):
        return False
    if end and local >= datetime.fromisoformat(end):
        return False
    recurrences = schedule.get("recurrences") or []
    return not recurrences or any(_recurs(r, local) for r in recurrences)


def _recurs(recurrence: dict[str, Any], local: datetime) -> bool:
    """Say whether a recurrence holds; one that ends before it starts reaches into the next day."""
    start, end = recurrence.get("startTime") or "00:00:00", recurrence.get("endTime") or "24:00:00"
    time = local.strftime("%H:%M:%S")
    if start <= end:
        return start <= time < end and _on(recurrence, local)
    return (time >= start and _on(recurrence, local)) or (time < end and _on(recurrence, local - timedelta(days=1)))


def _on(recurrence: dict[str, Any], day: datetime) -> bool:
    if recurrence["recurrenceType"] == "Weekly":
        return day.strftime("%A") in (recurrence.get("daysOfWeek") or [])
    if recurrence["recurrenceType"] == "Monthly":
        return day.day in (recurrence.get("daysOfMonth") or [])
    return True
