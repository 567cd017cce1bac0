"""The zone's records, the rules for changing them, and what the edge makes of them a little later."""

import hashlib
import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from maint.rehearsal.clock import WorldClock

ZONE = "invoicecloud.com"
ORIGIN = "pal.invoicecloud.com"
GATEWAY_ADDRESS = "203.0.113.10"
PROPAGATION_SECONDS = 5.0
MOST_HOPS = 8
_PROXIABLE = frozenset({"A", "AAAA", "CNAME"})
_TYPES = _PROXIABLE | {"MX", "NS", "TXT", "CAA", "SRV", "PTR"}
_HOSTNAME = re.compile(r"(?i)(?=.{1,253}$)(\*\.)?([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z]{2,}")

# Of records and of people: none of the names below invoicecloud.com but www and my is on the runbook's page.
_BEGINNING: tuple[tuple[str, str, str, bool, str], ...] = (
    ("www", "CNAME", ORIGIN, True, ""),
    ("my", "CNAME", ORIGIN, True, ""),
    ("@", "CNAME", ORIGIN, True, "the bare name leads to www"),
    ("pal", "A", GATEWAY_ADDRESS, False, "the public address of agw-pri-appgateway0-prd"),
    ("api", "CNAME", ORIGIN, True, "Priya Nair: partners' calls"),
    ("mail", "A", "198.51.100.25", False, ""),
    ("@", "MX", "mail.invoicecloud.com", False, ""),
    ("@", "TXT", '"v=spf1 mx include:mail.example.net -all"', False, ""),
    ("_dmarc", "TXT", '"v=DMARC1; p=reject"', False, ""),
    ("careers", "CNAME", "hosting.example.net", False, "Lee Novak: until the new site is there"),
)


class Refused(Exception):
    """What Cloudflare will not do: HTTP status, its own code, and its words."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


@dataclass(frozen=True)
class Record:
    """One DNS record; ttl is in seconds, 1 for automatic."""

    id: str
    name: str
    type: str
    content: str
    created: datetime
    modified: datetime
    ttl: int = 1
    proxied: bool = False
    comment: str | None = None
    tags: tuple[str, ...] = ()
    priority: int | None = None

    def answer(self) -> dict[str, Any]:
        """Return the record as Cloudflare writes it."""
        said = {
            "id": self.id,
            "name": self.name,
            "type": self.type,
            "content": self.content,
            "proxiable": self.type in _PROXIABLE,
            "proxied": self.proxied,
            "ttl": self.ttl,
            "settings": {},
            "meta": {},
            "comment": self.comment,
            "tags": list(self.tags),
            "created_on": _stamp(self.created),
            "modified_on": _stamp(self.modified),
        }
        return said if self.priority is None else {**said, "priority": self.priority}

    def described(self) -> str:
        """Return it for people and for comparing: no ids, no times."""
        proxied = "proxied" if self.proxied else "DNS only"
        return f"{self.content} ({proxied}, {'ttl auto' if self.ttl == 1 else f'ttl {self.ttl}'})"


@dataclass
class Zone:
    """The records by id, and what the edge knows: changes reach it some seconds after they were accepted."""

    clock: WorldClock
    id: str = "4f1d2c3b5a6978808796a5b4c3d2e1f0"
    records: dict[str, Record] = field(default_factory=dict)
    _seen: list[Record] = field(default_factory=list)
    _coming: list[tuple[datetime, list[Record]]] = field(default_factory=list)
    _made: int = 0

    def __post_init__(self) -> None:
        """Fill the zone with what was there before us."""
        then = datetime.fromisoformat("2023-06-05T14:00:00+00:00")
        for name, kind, content, proxied, comment in _BEGINNING:
            ttl, priority = 1 if proxied else 3600, 10 if kind == "MX" else None
            found = Record(
                self._identity(), full(name), kind, content, then, then, ttl, proxied, comment or None, (), priority
            )
            self.records[found.id] = found
        self._seen = list(self.records.values())

    def get(self, identity: str) -> Record:
        """Return a record; raises Refused."""
        if identity not in self.records:
            raise Refused(404, 81044, "Record does not exist.")
        return self.records[identity]

    def made(self, body: dict[str, Any]) -> Record:
        """Return a new record as the body says, not yet stored; raises Refused."""
        now = self.clock.now()
        blank = Record("", "", "", "", now, now)
        return replace(_filled(blank, body, required=("name", "type", "content")), id=self._identity())

    def changed(self, old: Record, body: dict[str, Any], *, whole: bool) -> Record:
        """Return the record as the body changes it (whole: replaces it), not yet stored; raises Refused."""
        now = self.clock.now()
        if whole:
            blank = Record(old.id, "", "", "", old.created, now)
            return _filled(blank, body, required=("name", "type", "content"))
        return _filled(replace(old, modified=now), body)

    def store(self, removed: Iterable[str], put: Iterable[Record]) -> None:
        """Take records out and put records in, all or nothing; raises Refused. The edge follows later."""
        records = {key: value for key, value in self.records.items() if key not in set(removed)}
        for record in put:
            _refuse_conflicts(record, [other for key, other in records.items() if key != record.id])
            records[record.id] = record
        self.records = records
        self._coming.append((self.clock.now() + timedelta(seconds=PROPAGATION_SECONDS), list(records.values())))

    def propagating(self) -> bool:
        """Say whether the edge is still to follow a change."""
        self._follow()
        return bool(self._coming)

    def leads_to(self, host: str) -> str | None:
        """Return where the edge finds this host: an address, a name of somebody else's, or None for nowhere.

        Follows CNAMEs inside the zone, as it flattens them for proxied names.
        """
        self._follow()
        name = host.lower()
        for _ in range(MOST_HOPS):
            found = next((r for r in self._seen if r.name == name and r.type in ("A", "CNAME")), None)
            if found is None:
                return None if inside(name) else name
            if found.type == "A":
                return found.content
            name = found.content.lower()
        return None

    def _follow(self) -> None:
        now = self.clock.now()
        while self._coming and self._coming[0][0] <= now:
            self._seen = self._coming.pop(0)[1]

    def _identity(self) -> str:
        self._made += 1
        return hashlib.sha256(f"record {self._made}".encode()).hexdigest()[:32]


def full(name: str) -> str:
    """Return a record's whole name, as Cloudflare completes it."""
    name = name.strip().rstrip(".").lower()
    if name in ("@", ""):
        return ZONE
    return name if inside(name) else f"{name}.{ZONE}"


def inside(name: str) -> bool:
    """Say whether a name belongs to the zone."""
    return name == ZONE or name.endswith(f".{ZONE}")


def _filled(record: Record, body: dict[str, Any], required: tuple[str, ...] = ()) -> Record:
    """Return the record with what the body says; raises Refused in Cloudflare's words."""
    missing = [key for key in required if not body.get(key)]
    if missing:
        raise Refused(400, 9000, f"DNS name is invalid: {', '.join(missing)} required.")
    record = replace(
        record,
        name=full(str(body.get("name", record.name))),
        type=str(body.get("type", record.type)).upper(),
        content=str(body.get("content", record.content)),
        comment=body.get("comment", record.comment),
        tags=tuple(body.get("tags", record.tags) or ()),
        priority=body.get("priority", record.priority),
    )
    proxied, ttl = body.get("proxied", record.proxied), body.get("ttl", record.ttl)
    if record.type not in _TYPES:
        raise Refused(400, 9004, f"{record.type} is not a valid DNS record type.")
    if proxied and record.type not in _PROXIABLE:
        raise Refused(400, 9004, "This record type cannot be proxied.")
    if not isinstance(ttl, int | float) or not (ttl == 1 or 60 <= ttl <= 86_400):
        raise Refused(400, 9021, "Invalid TTL. Must be between 60 and 86400 seconds, or 1 for Automatic.")
    _refuse_content(record)
    return replace(record, proxied=bool(proxied), ttl=1 if proxied else int(ttl))


def _refuse_content(record: Record) -> None:
    if record.type in ("A", "AAAA"):
        wanted = ipaddress.IPv4Address if record.type == "A" else ipaddress.IPv6Address
        try:
            wanted(record.content)
        except ValueError as error:
            version = "IPv4" if record.type == "A" else "IPv6"
            raise Refused(400, 9005, f"Content for {record.type} record must be a valid {version} address.") from error
    if record.type == "CNAME":
        if not _HOSTNAME.fullmatch(record.content):
            raise Refused(400, 9007, "Content for CNAME record is invalid.")
        if record.content.lower() == record.name:
            raise Refused(400, 9039, "CNAME content cannot reference itself.")


def _refuse_conflicts(record: Record, others: list[Record]) -> None:
    for other in (one for one in others if one.name == record.name):
        if (other.type, other.content) == (record.type, record.content):
            raise Refused(400, 81058, "An identical record already exists.")
        if record.type == "CNAME" and other.type in _PROXIABLE:
            raise Refused(400, 81053, "An A, AAAA, or CNAME record with that host already exists.")
        if record.type in ("A", "AAAA") and other.type == "CNAME":
            raise Refused(400, 81054, "A CNAME record with that host already exists.")


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
