"""One world: its clock, its servers, its gateway, its vendors' fronts, and what can be asked of it."""

import uuid
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import httpx
from starlette.routing import Mount, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from maint.rehearsal.balancer import Balancer
from maint.rehearsal.clock import WorldClock
from maint.rehearsal.envelopes import envelope
from maint.rehearsal.faults import Traffic, Watched
from maint.rehearsal.fleet import Fleet
from maint.rehearsal.front import Front, History
from maint.rehearsal.fronts.azure import AzureFront, Mode
from maint.rehearsal.fronts.azure_devops import AzureDevOpsFront
from maint.rehearsal.fronts.cloudflare import CloudflareFront, Edge
from maint.rehearsal.fronts.jira import JiraFront
from maint.rehearsal.fronts.newrelic import NewRelicFront
from maint.rehearsal.fronts.pingdom import PingdomFront
from maint.rehearsal.fronts.slack import SlackFront
from maint.rehearsal.proxy import Proxy, redirect
from maint.rehearsal.servers import ServerApp
from maint.rehearsal.site import SiteState, marketing_app, site_app

ZONE = ZoneInfo("America/New_York")
BEGINNING = datetime(2025, 3, 17, 8, tzinfo=ZONE)

OTHER_FRONTS: tuple[Callable[[WorldClock, History], Front], ...] = (
    NewRelicFront,
    AzureDevOpsFront,
    SlackFront,
    PingdomFront,
    JiraFront,
)
"""The vendors that know nothing of servers, gateway and www."""


class World:
    """Everything that a reset makes anew; the addresses it is reached at stay."""

    def __init__(self, speed: float, addresses: dict[str, str], transport: httpx.AsyncHTTPTransport) -> None:
        self.id = uuid.uuid4().hex[:12]
        self.clock = WorldClock(BEGINNING, speed)
        self.history: list[str] = []
        self.traffic, self.mode = Traffic(), Mode()
        self.fleet = Fleet(self.clock, self.tell)
        self.balancer = Balancer(self.clock, self.fleet, self.traffic)
        self.azure = AzureFront(self.clock, self.tell, self.fleet, self.balancer, self.mode)
        self.cloudflare = CloudflareFront(self.clock, self.tell)
        others = (make(self.clock, self.tell) for make in OTHER_FRONTS)
        self.fronts: list[Front] = [self.azure, self.cloudflare, *others]
        self.front_app = Router([Mount(f.prefix, self._watched(_router(f), f.name)) for f in self.fronts])
        self.site = SiteState()
        gateway = Proxy(self.balancer, addresses, transport, marketing_app(self.site))
        self.www = self._watched(Edge(self.cloudflare.zone, self.cloudflare.cache, gateway), "www")
        self.www_http = self._watched(_redirect_to(addresses["www"]), "www")
        self.servers = {
            name: self._watched(ServerApp(server, site_app(name, self.site), self.balancer.connections), name)
            for name, server in self.fleet.servers.items()
        }

    def _watched(self, app: ASGIApp, system: str) -> ASGIApp:
        return Watched(app, system, self.traffic, envelope(system))

    def tell(self, line: str) -> None:
        """Add a line to the history, with the world's time."""
        self.history.append(f"{self.clock.now().astimezone(ZONE):%a %Y-%m-%d %H:%M:%S %Z} {line}")

    def busy(self) -> bool:
        """Say whether any vendor has an operation in progress."""
        return any(front.busy() for front in self.fronts)

    def state(self) -> dict[str, Any]:
        """Return the whole world, in a fixed order."""
        return {
            "settled": not self.busy(),
            "reversible": _ordered({f.name: f.reversible() for f in self.fronts}),
            "one_way": _ordered({f.name: f.one_way() for f in self.fronts}),
            "history": self.history,
        }

    def requests(self) -> list[dict[str, Any]]:
        """Return every request so far, oldest first."""
        return [asdict(entry) for entry in self.traffic.requests]

    def close(self) -> None:
        """End what is in progress: another world takes this one's place."""
        self.azure.close()


def _router(front: Front) -> Router:
    return Router(list(front.routes()))


def _redirect_to(www: str) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await redirect(scope, receive, send, www)

    return app


def _ordered(value: Any) -> Any:
    """Return the same JSON with every object's keys in order, so that two worlds can be compared as text."""
    if isinstance(value, dict):
        return {k: _ordered(value[k]) for k in sorted(value, key=lambda k: (str(k).rstrip("0123456789"), _number(k)))}
    return [_ordered(v) for v in value] if isinstance(value, list) else value


def _number(key: Any) -> int:
    digits = str(key)[len(str(key).rstrip("0123456789")) :]
    return int(digits or 0)
