"""New Relic: no notifications about some hosts, until a time that is always set (NerdGraph muting rules)."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from maint.errors import VendorError
from maint.redact import redact
from maint.systems.http import JsonHttp

if TYPE_CHECKING:
    import httpx

    from maint.environment import NewRelicSettings

_LIST = """query ($account: Int!) { actor { account(id: $account) { alerts { mutingRules {
    id name description enabled status
    condition { conditions { attribute values } }
    schedule { startTime endTime timeZone }
} } } } }"""
_CREATE = (
    "mutation ($account: Int!, $rule: AlertsMutingRuleInput!)"
    " { alertsMutingRuleCreate(accountId: $account, rule: $rule) { id } }"
)
_UPDATE = (
    "mutation ($account: Int!, $id: ID!, $rule: AlertsMutingRuleUpdateInput!)"
    " { alertsMutingRuleUpdate(accountId: $account, id: $id, rule: $rule) { id } }"
)
_DELETE = "mutation ($account: Int!, $id: ID!) { alertsMutingRuleDelete(accountId: $account, id: $id) { id } }"

# Which incidents a host's are. The vendor's list of attributes that a muting rule may look at holds targetName
# and any tags.<NAME> (sure). Infrastructure host conditions name the host in targetName, and the agent tags
# every host entity with its host name, which NRQL conditions faceted by host carry on as tags.hostname (fairly
# sure; confirm once against a real incident). Either is enough.
_HOST_ATTRIBUTES = ("targetName", "tags.hostname")

_RETRYABLE = {"TIMEOUT": 504, "INTERNAL_SERVER_ERROR": 500, "SERVER_ERROR": 500, "TOO_MANY_REQUESTS": 429}


@dataclass(frozen=True)
class MutingRule:
    """A muting rule; starts and until are aware, None where it names none; hosts are those it matches."""

    id: str
    name: str
    hosts: frozenset[str]
    starts: datetime | None
    until: datetime | None
    zone: str
    enabled: bool
    status: str
    description: str

    def in_force(self, now: datetime) -> bool:
        """Say whether it mutes at this (aware) time."""
        begun = self.starts is None or self.starts <= now
        return self.enabled and begun and (self.until is None or now < self.until)


class NewRelic:
    """Muting rules of one account. secret: returns a secret by its name. before_write: the fence."""

    def __init__(
        self,
        settings: "NewRelicSettings",
        *,
        secret: Callable[[str], str],
        ca: str | None,
        before_write: Callable[[], None],
        timeout: float = 30.0,
    ) -> None:
        self._account = settings.account
        self._http = JsonHttp(
            "New Relic",
            settings.url,
            lambda: {"Api-Key": secret(settings.key)},
            ca=ca,
            before_write=before_write,
            timeout=timeout,
        )

    def mute(
        self,
        name: str,
        hosts: tuple[str, ...],
        *,
        starts: datetime,
        until: datetime,
        zone: ZoneInfo,
        description: str,
    ) -> str:
        """Mute these hosts from `starts` to `until` (aware) under a name of ours; return the rule's id.

        When the answer is lost the rule is looked for by its name before it is made again.
        Raises VendorError.
        """
        conditions = [{"attribute": which, "operator": "IN", "values": list(hosts)} for which in _HOST_ATTRIBUTES]
        rule = {
            "name": name,
            "description": description,
            "enabled": True,
            "condition": {"operator": "OR", "conditions": conditions},
            "schedule": {
                "startTime": _local(starts, zone),
                "endTime": _local(until, zone),
                "timeZone": zone.key,
            },
            # Closing issues is nobody's wish here: what is still wrong when the mute ends must be told.
            "actionOnMutingRuleWindowEnded": "DO_NOTHING",
        }
        what, tried = f"muting {', '.join(hosts)}", False

        def make() -> str:
            nonlocal tried
            if tried and (made := self.find(name)):
                return made.id
            tried = True
            answer = self._ask(what, _CREATE, {"rule": rule}, writes=True)
            return str(_within(what, answer, "alertsMutingRuleCreate", "id"))

        return str(self._http.repeat(make))

    def find(self, name: str) -> MutingRule | None:
        """Return the rule of this name, None when there is none. Raises VendorError."""
        return next((rule for rule in self.list() if rule.name == name), None)

    def list(self) -> tuple[MutingRule, ...]:
        """Return all muting rules of the account. Raises VendorError."""
        what = "listing the muting rules"
        alerts = _within(what, self._ask(what, _LIST, {}), "actor", "account", "alerts")
        return tuple(_rule(rule) for rule in alerts.get("mutingRules") or [])

    def update(self, identity: str, *, until: datetime) -> None:
        """Give the rule another end (aware), in its own time zone, and see that it is switched on.

        Safe to repeat. Raises VendorError.
        """
        what = f"moving the end of muting rule {identity}"
        rule = next((rule for rule in self.list() if rule.id == identity), None)
        if rule is None:
            raise VendorError(f"{what}: there is no such rule", where="New Relic", status=404)
        zone = ZoneInfo(rule.zone)
        # Whole, since nothing says whether an update keeps the parts of a schedule that it leaves out.
        schedule = {"endTime": _local(until, zone), "timeZone": zone.key}
        if rule.starts:
            schedule["startTime"] = _local(rule.starts, zone)
        variables = {"id": identity, "rule": {"enabled": True, "schedule": schedule}}
        self._http.repeat(lambda: self._ask(what, _UPDATE, variables, writes=True))

    def unmute(self, identity: str) -> None:
        """Remove the rule; one that is gone already is no error. Raises VendorError."""

        def remove() -> None:
            try:
                self._ask(f"removing muting rule {identity}", _DELETE, {"id": identity}, writes=True)
            except VendorError:
                # How the vendor says "there is no such rule" is not documented: the list decides.
                if any(rule.id == identity for rule in self.list()):
                    raise

        self._http.repeat(remove)

    def _ask(self, what: str, query: str, variables: dict[str, Any], *, writes: bool = False) -> dict[str, Any]:
        body = {"query": query, "variables": {"account": self._account, **variables}}

        def judge(answer: "httpx.Response") -> dict[str, Any]:
            return self._data(what, answer)

        data: dict[str, Any] = self._http.send(what, "POST", json=body, writes=writes, judge=judge)
        return data

    def _data(self, what: str, answer: "httpx.Response") -> dict[str, Any]:
        """Return the data of an answer; errors come with HTTP 200, and with part of the data."""
        if answer.status_code != 200 or "json" not in answer.headers.get("Content-Type", ""):
            raise self._http.problem(what, answer)
        body = answer.json()
        if errors := body.get("errors"):
            extensions = errors[0].get("extensions") or {}
            code = str(extensions.get("errorClass") or extensions.get("error_code") or extensions.get("code") or "")
            said = redact("; ".join(str(error.get("message")) for error in errors))
            raise VendorError(
                f"{what}: answered {code or 'an error'}: {said}",
                where="New Relic",
                next="replace the secret: it was refused" if "API_KEY" in code else "",
                status=_RETRYABLE.get(code, 200),
                code=code,
            )
        data: dict[str, Any] = body.get("data") or {}
        return data


def _within(what: str, data: Any, *keys: str) -> Any:
    """Return what the keys lead to; without an error the vendor still leaves out what one may not see."""
    for key in keys:
        data = data.get(key)
        if data is None:
            raise VendorError(
                f"{what}: answered without {key!r}",
                where="New Relic",
                next="compare the account in the environment file, and what this key may see",
                status=200,
            )
    return data


def _local(time: datetime, zone: ZoneInfo) -> str:
    return time.astimezone(zone).strftime("%Y-%m-%dT%H:%M:%S")


def _time(text: str | None, zone: str) -> datetime | None:
    if not text:
        return None
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=ZoneInfo(zone))


def _rule(raw: dict[str, Any]) -> MutingRule:
    schedule = raw.get("schedule") or {}
    zone = str(schedule.get("timeZone") or "UTC")
    conditions = (raw.get("condition") or {}).get("conditions") or []
    matched = [entry["values"] for entry in conditions if entry["attribute"] in _HOST_ATTRIBUTES]
    return MutingRule(
        id=str(raw["id"]),
        name=str(raw["name"]),
        hosts=frozenset(host for values in matched for host in values),
        starts=_time(schedule.get("startTime"), zone),
        until=_time(schedule.get("endTime"), zone),
        zone=zone,
        enabled=bool(raw.get("enabled")),
        status=str(raw.get("status") or ""),
        description=str(raw.get("description") or ""),
    )
