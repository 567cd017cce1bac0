"""The gateway's data plane: which server gets a request, what its probes believe, how it drains."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from maint.rehearsal.clock import WorldClock
from maint.rehearsal.faults import Traffic
from maint.rehearsal.fleet import Fleet, Server

PROBE_PATH = "/healthz"
VISITORS = 40
"""Connections that a server in the pool has open at any time, beside those that come through www."""


@dataclass
class Member:
    """An address in a pool: since when, and, once it was taken out, until when it drains."""

    address: str
    joined: datetime
    left: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class Route:
    """Where a host's requests go, by the rules that are in effect."""

    pool: str
    affinity: bool
    cookie: str
    timeout: float


class Balancer:
    """What the gateway does with the configuration that is in effect, not with what was accepted."""

    def __init__(self, clock: WorldClock, fleet: Fleet, traffic: Traffic) -> None:
        self._clock, self._fleet, self._traffic = clock, fleet, traffic
        self._pools: dict[str, dict[str, Member]] = {}
        self._routes: list[tuple[list[str], Route]] = []
        self._probe_seconds, self._threshold, self._turn = 5.0, 3, 0
        self.in_flight: dict[str, int] = dict.fromkeys(fleet.servers, 0)

    def configure(self, gateway: dict[str, Any], *, new: bool = False) -> None:
        """Put a gateway document into effect: members that are gone drain, new ones wait for a probe.

        new: the world begins with it, so that every member has long been probed.
        """
        now, properties = self._clock.now(), gateway["properties"]
        self._routes = _routes(properties)
        for probe in properties.get("probes", [])[:1]:
            self._probe_seconds = float(probe["properties"].get("interval", 30))
            self._threshold = int(probe["properties"].get("unhealthyThreshold", 3))
        drains = _drain_seconds(properties)
        wanted = {p["name"]: _addresses(p) for p in properties.get("backendAddressPools", [])}
        for name in self._pools.keys() | wanted.keys():
            members, addresses = self._pools.setdefault(name, {}), wanted.get(name, [])
            for address in addresses:
                known = members.get(address)
                if known is None or known.left:
                    joined = now - timedelta(days=30) if new else now
                    members[address] = Member(address, joined)
            for member in members.values():
                if member.address not in addresses and not member.left:
                    member.left, member.until = now, now + timedelta(seconds=drains.get(name, 30.0))

    def route(self, host: str) -> Route | None:
        """Return the route for a host name; a host that no listener names gets the first listener's."""
        named = next((r for hosts, r in self._routes if host.lower() in hosts), None)
        return named or (self._routes[0][1] if self._routes else None)

    def serving(self) -> dict[str, list[str]]:
        """Return each pool's addresses that are in effect now, in the order in which they joined."""
        return {n: [m.address for m in p.values() if not m.left] for n, p in self._pools.items()}

    def elsewhere(self, route: Route) -> bool:
        """Say whether a pool's members are no servers of this world: something else answers for them."""
        addresses = self.serving().get(route.pool, [])
        return bool(addresses) and not any(self._fleet.at(a) for a in addresses)

    def choose(self, route: Route, cookie: str | None) -> Server | None:
        """Return the server for the next request: the client's own while it may, else the next in turn.

        A server that is dead but still believed healthy is chosen too; None: there is no healthy one.
        """
        members = self._pools.get(route.pool, {}).values()
        now = self._clock.now()
        if route.affinity and cookie:
            for member in members:
                server = self._fleet.at(member.address)
                if server and affinity(server.name) == cookie and self._keeps(member, server, now):
                    return server
        servers = [s for m in members if not m.left and (s := self._fleet.at(m.address))]
        healthy = [s for s in servers if self.healthy(route.pool, s.address)]
        if not healthy:
            return None
        self._turn += 1
        return healthy[self._turn % len(healthy)]

    def _keeps(self, member: Member, server: Server, now: datetime) -> bool:
        """Say whether a member may keep its own clients: while healthy, or until it is drained."""
        if member.until:
            return now < member.until
        return self.healthy_member(member, server)

    def healthy(self, pool: str, address: str) -> bool:
        """Say whether the last probes let the gateway believe that this member of the pool is healthy."""
        member, server = self._pools[pool][address], self._fleet.at(address)
        return self.healthy_member(member, server) if server else True

    def healthy_member(self, member: Member, server: Server) -> bool:
        """Say the same of one member: probes come at an interval, and it takes some to lose faith."""
        now, interval = self._clock.now(), timedelta(seconds=self._probe_seconds)
        noticed = now - interval * self._threshold
        if now < member.joined + interval or self._traffic.breaks(server.name, PROBE_PATH, noticed):
            return False
        if server.up:
            lost = server.down_at and server.up_at and server.up_at - server.down_at > interval * self._threshold
            return not (lost and server.up_at and now < server.up_at + interval)
        return server.down_at is not None and noticed < server.down_at

    def health(self, pool: str) -> list[tuple[str, str, str]]:
        """Return each member's address, health and probe log as the last probe report has them.

        The report follows the configuration by one probe interval, in both directions.
        """
        now, interval = self._clock.now(), timedelta(seconds=self._probe_seconds)
        report = []
        for member in self._pools.get(pool, {}).values():
            if member.left and now >= member.left + interval:
                continue
            if now < member.joined + interval:
                log = "The backend server has not been probed yet."
                report.append((member.address, "Unknown", log))
            elif self.healthy(pool, member.address):
                report.append((member.address, "Healthy", "Success. Received 200 status code"))
            else:
                log = "Cannot connect to backend server. Check whether it is up and reachable from the gateway."
                report.append((member.address, "Unhealthy", log))
        return report

    def connections(self, server: Server) -> int:
        """Return how many connections a server has open: they fall to none while it drains."""
        now, visitors = self._clock.now(), 0.0
        for pool in self._pools.values():
            member = pool.get(server.address)
            if member is None or not server.up:
                continue
            if member.left and member.until:
                whole = (member.until - member.left).total_seconds()
                visitors += VISITORS * max(0.0, (member.until - now).total_seconds()) / whole
            elif not member.left:
                visitors += VISITORS + server.number
        return self.in_flight[server.name] + round(visitors)


def affinity(server: str) -> str:
    """Return the value of the affinity cookie that pins a client to this server."""
    return hashlib.sha256(server.encode()).hexdigest()[:32]


def _addresses(pool: dict[str, Any]) -> list[str]:
    entries = pool.get("properties", {}).get("backendAddresses", [])
    return [a.get("ipAddress") or a.get("fqdn") for a in entries]


def _by_id(entries: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {e["name"].lower(): e for e in entries}


def _last(reference: dict[str, Any] | None) -> str:
    return reference["id"].rsplit("/", 1)[-1].lower() if reference else ""


def _drain_seconds(properties: dict[str, Any]) -> dict[str, float]:
    """Return each pool's drain timeout: its settings' own, else the 30 s that apply even when switched off."""
    settings = _by_id(properties.get("backendHttpSettingsCollection", []))
    names = {p["name"].lower(): p["name"] for p in properties.get("backendAddressPools", [])}
    found: dict[str, float] = {}
    for rule in properties.get("requestRoutingRules", []):
        draining = settings.get(_last(rule["properties"].get("backendHttpSettings")), {}).get("properties", {})
        draining = draining.get("connectionDraining") or {}
        if draining.get("enabled"):
            pool = names.get(_last(rule["properties"].get("backendAddressPool")), "")
            found[pool] = float(draining["drainTimeoutInSec"])
    return found


def _routes(properties: dict[str, Any]) -> list[tuple[list[str], Route]]:
    """Return the hosts of each listener with the route of the rule that uses it, in the rules' order."""
    listeners = _by_id(properties.get("httpListeners", []))
    settings = _by_id(properties.get("backendHttpSettingsCollection", []))
    names = {p["name"].lower(): p["name"] for p in properties.get("backendAddressPools", [])}
    rules = properties.get("requestRoutingRules", [])
    routes = []
    for rule in sorted(rules, key=lambda r: r["properties"].get("priority", 0)):
        listener = listeners[_last(rule["properties"]["httpListener"])]["properties"]
        setting = settings.get(_last(rule["properties"].get("backendHttpSettings")), {}).get("properties", {})
        hosts = [h.lower() for h in [*listener.get("hostNames", []), listener.get("hostName")] if h]
        pool = names.get(_last(rule["properties"].get("backendAddressPool")), "")
        route = Route(
            pool,
            setting.get("cookieBasedAffinity") == "Enabled",
            setting.get("affinityCookieName") or "ApplicationGatewayAffinity",
            float(setting.get("requestTimeout", 30)),
        )
        routes.append((hosts, route))
    return routes
