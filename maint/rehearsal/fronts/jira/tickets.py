"""The tickets, the ways that they may go, and what is said and linked on them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Status:
    """A status: Jira's id, its name, and the category that decides its colour."""

    id: str
    name: str
    category: str


@dataclass(frozen=True)
class Transition:
    """A way from any status to one: id, name, and where it leads."""

    id: str
    name: str
    to: Status


_CATEGORIES = {
    "new": (2, "blue-gray", "To Do"),
    "indeterminate": (4, "yellow", "In Progress"),
    "done": (3, "green", "Done"),
}

TO_DO = Status("10000", "To Do", "new")
DOING = Status("10001", "In Progress", "indeterminate")
DONE = Status("10002", "Done", "done")
NOT_DOING = Status("10003", "Won't Do", "done")
WAITING = Status("10010", "Waiting for support", "new")
RESOLVED = Status("10012", "Resolved", "done")

WORKFLOWS: dict[str, tuple[Transition, ...]] = {
    "PLAT": (
        Transition("11", "To Do", TO_DO),
        Transition("21", "Start", DOING),
        Transition("31", "Done", DONE),
        Transition("41", "Won't do", NOT_DOING),
    ),
    "INFRA": (
        Transition("711", "Reopen", WAITING),
        Transition("721", "Start work", DOING),
        Transition("761", "Resolve this issue", RESOLVED),
    ),
}

# Every ticket on the runbook's page of March 2025; the page has their keys, the words are the changes' own.
_PAGE: tuple[tuple[str, str, Status], ...] = (
    ("PLAT-1929", "Production Palo Alto firewalls: new address groups", TO_DO),
    ("PLAT-2038", "Production Palo Alto firewalls: content updates", TO_DO),
    ("PLAT-1590", "Global_Infrastructure", DOING),
    ("PLAT-1732", "Kubernetes node image upgrades", TO_DO),
    ("PLAT-1478", "Payer_Infrastructure: alerts", DOING),
    ("PLAT-1596", "Payer_Infrastructure: scaling", TO_DO),
    ("PLAT-1854", "Payer_Infrastructure: key vault references", TO_DO),
    ("INFRA-896", "Update the app pool for RESTAPI", WAITING),
    ("PLAT-1603", "Hub_Infrastructure: routes", TO_DO),
    ("PLAT-1591", "Hub_Infrastructure: peerings", TO_DO),
    ("PLAT-1727", "Hub_Infrastructure: private zones", TO_DO),
    ("PLAT-1892", "MaxSocket count on production servers", TO_DO),
    ("PLAT-1994", "MaxSocket count: RESTAPI", TO_DO),
    ("PLAT-1995", "MaxSocket count: portal", TO_DO),
    ("PLAT-1997", "MaxSocket count: batch", TO_DO),
    ("PLAT-1980", "Patch the production servers", TO_DO),
    ("PLAT-1893", "Remove diagnostic settings from legacy VMs", TO_DO),
    ("PLAT-1971", "Remove dead directory records that point to 10.0.3.20", DOING),
)


@dataclass
class Comment:
    """What somebody wrote, as a document in Atlassian's format."""

    id: int
    author: str
    body: dict[str, Any]
    written: datetime


@dataclass
class Link:
    """A link to something elsewhere; the same global id is the same link."""

    id: int
    said: dict[str, Any]


@dataclass
class Issue:
    """One ticket."""

    id: int
    key: str
    summary: str
    status: Status
    updated: datetime
    comments: list[Comment] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)

    @property
    def transitions(self) -> tuple[Transition, ...]:
        """Every way that it may go from here: not to where it is."""
        ways = WORKFLOWS.get(self.key.partition("-")[0], WORKFLOWS["PLAT"])
        return tuple(way for way in ways if way.to != self.status)


def beginning(then: datetime) -> Iterator[Issue]:
    """Yield the tickets as they are before the window."""
    for number, (key, summary, status) in enumerate(_PAGE):
        yield Issue(40_100 + number, key, summary, status, then)


def known_status(name: str) -> Status | None:
    """Return a status by its name."""
    every = (TO_DO, DOING, DONE, NOT_DOING, WAITING, RESOLVED)
    return next((status for status in every if status.name.lower() == name.lower()), None)


def status_answer(status: Status, home: str) -> dict[str, Any]:
    """Return a status as Jira writes it."""
    number, color, name = _CATEGORIES[status.category]
    return {
        "self": f"{home}/rest/api/3/status/{status.id}",
        "id": status.id,
        "name": status.name,
        "description": "",
        "statusCategory": {
            "self": f"{home}/rest/api/3/statuscategory/{number}",
            "id": number,
            "key": status.category,
            "colorName": color,
            "name": name,
        },
    }
